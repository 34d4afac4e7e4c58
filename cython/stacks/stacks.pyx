# cython: language_level=3
"""Windows of two stacks of frames compared at all displacements, many pixels per call."""

from hpcdvc.kernels.arrays import record

from libc.stdint cimport int64_t

include "records.pxi"

cdef extern from "stacks.h":
    enum: BEHIND, UMPA_DARK
    ctypedef struct hpcdvc_band:
        pass
    ctypedef struct hpcdvc_stack:
        pass
    ctypedef struct hpcdvc_dense:
        pass
    ctypedef struct hpcdvc_stacks_kernels:
        void (*take)(const hpcdvc_band *, int64_t, int64_t, const hpcdvc_stack *) noexcept nogil
        int (*measure)(const hpcdvc_dense *) noexcept nogil
    const hpcdvc_stacks_kernels *hpcdvc_stacks_for(int level) nogil

#: Columns that a row of a stack has beyond those of its windows, so that whole vectors can be read.
MORE_COLUMNS = 2 * BEHIND


def take(data, levels, scales, top, left, stack):
    """Take rows of frames as `measure` wants them.

    Parameters
    ----------
    data : (frames, rows, columns) float32 array; NaN: no grey value, infinite: a saturated one
    levels, scales : (frames,) float64 arrays: grey values are (grey - level) * scale
    top, left : row and column of `data` to begin with; may lie outside, where nothing is
    stack : dict of float32 arrays, filled: "grey" (rows, frames, columns), 0 where there is no grey value; "there" of
        that shape, 1 or 0, or None; "missing" and "saturated" (rows, columns), numbers of frames

    Raises
    ------
    TypeError, ValueError
        Arrays that are not these.
    """
    cdef const hpcdvc_stacks_kernels *kernels = hpcdvc_stacks_for(level())
    frames, rows, columns = data.shape
    band = record(
        "band", frames=frames, rows=rows, columns=columns,
        data=address(data, "f4", (None, None, None), "the frames"),
        level=address(levels, "f8", (frames,), "the levels"),
        scale=address(scales, "f8", (frames,), "the scales"),
    )
    made = _stack(stack)
    if made["frames"] != frames:
        raise ValueError(f"{made['frames']} frames for a stack of {frames}")
    cdef size_t b = at(band, "band"), s = at(made, "stack")
    cdef int64_t y = top, x = left
    with nogil:
        kernels.take(<const hpcdvc_band *>b, y, x, <const hpcdvc_stack *>s)


def _stack(arrays):
    """A "stack" record of a dictionary of arrays."""
    grey = arrays["grey"]
    rows, frames, columns = grey.shape
    there = arrays["there"]
    result = record(
        "stack", frames=frames, rows=rows, columns=columns,
        grey=address(grey, "f4", (None, None, None), "the grey values", fill=True),
        there=0 if there is None else address(there, "f4", grey.shape, "what is there", fill=True),
        missing=address(arrays["missing"], "f4", (rows, columns), "what is missing", fill=True),
        saturated=address(arrays["saturated"], "f4", (rows, columns), "what is saturated", fill=True),
    )
    if columns % BEHIND:
        raise ValueError(f"{columns} columns: a multiple of {BEHIND} is needed")
    return result


def measure(own, other, settings, taps_y, taps_x, values, statuses):
    """Compare the windows of a stack with those of another one.

    Parameters
    ----------
    own, other : stacks from `take`: that of the windows, from the first row and column of the first window on; and that
        of what they are compared with, from there and the first displacement on
    settings : dict of the other fields of a "dense" record but its sizes
    taps_y, taps_x : float32 arrays of odd length, the window function, whose sums are 1
    values : (rows, columns, 5) float32 array, filled: displacement y, x from the first one of the range, score,
        transmission, visibility; NaN where the status is not 2
    statuses : (rows, columns) int32 array, filled

    Raises
    ------
    MemoryError
    TypeError, ValueError
        Arrays that are not these.
    """
    cdef const hpcdvc_stacks_kernels *kernels = hpcdvc_stacks_for(level())
    rows, columns = statuses.shape
    dense = record(
        "dense", rows=rows, own=_stack(own), other=_stack(other),
        half=(len(taps_y) // 2, len(taps_x) // 2),
        taps_y=address(taps_y, "f4", (None,), "the window function"),
        taps_x=address(taps_x, "f4", (None,), "the window function"),
        values=address(values, "f4", (rows, columns, 5), "the values", fill=True),
        statuses=address(statuses, "i4", (None, None), "the statuses", fill=True),
        **settings,
    )
    _check(dense, rows, columns)
    cdef size_t d = at(dense, "dense")
    cdef int failed
    with nogil:
        failed = kernels.measure(<const hpcdvc_dense *>d)
    if failed:
        raise MemoryError("no memory for the similarity maps of some rows")


def _check(dense, rows, columns):
    """Make sure that no window leaves its stack."""
    step, half, lags, beyond = dense["step"], dense["half"], dense["lags"], dense["beyond"]
    if step < 1 or (lags <= 2 * beyond).any() or ((beyond != 0) != (lags > 1)).any() or (beyond > 1).any():
        raise ValueError(f"{lags} displacements, {beyond} of them beyond the range, and a step of {step}")
    if -(-dense["columns"] // step) != columns:
        raise ValueError(f"{columns} columns for every {step}th of {dense['columns']}")
    across = -(-dense["columns"] // BEHIND) * BEHIND + 2 * half[1] + BEHIND
    down = (rows - 1) * step + 2 * half[0] + 1
    own, other = dense["own"], dense["other"]
    if own["rows"] < down or other["rows"] < down + lags[0] - 1:
        raise ValueError("the stacks have too few rows")
    if own["columns"] < across or other["columns"] < across + lags[1] - 1:
        raise ValueError("the stacks have too few columns")
    if own["frames"] != other["frames"] or (dense["partial"] and not (own["there"] and other["there"])):
        raise ValueError("the stacks differ in their frames, or lack what is there in each")
    if dense["of_correlation"] and (dense["metric"] != UMPA_DARK or dense["local_mean"]):
        raise ValueError("peaks of the correlation are for the dark field about the mean of the stack")
    if dense["peak_size"] not in (3, 5, 7, 9) or (dense["partial"] and dense["local_mean"]):
        raise ValueError("a peak of another size, or local means of frames that lack grey values")
