# cython: language_level=3
"""Local shifts refined by Gauss-Newton in the images, many windows per call."""

from libc.stdint cimport int64_t

import numpy as np

from hpcdvc.kernels.arrays import record
from hpcdvc.kernels.settings import fill_taps

include "records.pxi"

cdef extern from "refine.h":
    enum: _MARGIN "MARGIN", _BEHIND "BEHIND"
    ctypedef struct hpcdvc_refinement:
        pass
    ctypedef struct hpcdvc_refine_point:
        pass
    ctypedef struct hpcdvc_refined:
        pass
    ctypedef struct hpcdvc_taps:
        pass
    ctypedef struct hpcdvc_refine_kernels:
        int (*prefilter)(const float *, int64_t, int64_t, const hpcdvc_taps *, float *) noexcept nogil
        int (*refine)(const hpcdvc_refinement *, const hpcdvc_refine_point *, hpcdvc_refined *, int64_t) noexcept nogil
    const hpcdvc_refine_kernels *hpcdvc_refine_for(int level) nogil

#: Rows and columns that both images have on all sides of a band, and rows behind them.
MARGIN, BEHIND = _MARGIN, _BEHIND


def prefilter(grey, taps, coefficients):
    """Coefficients of the spline that interpolates a frame.

    Parameters
    ----------
    grey : (n + 2 R, m + 2 R) float32 array, finite
    taps : taps h[0..R] of the filter along an axis
    coefficients : (n, m) float32 array, filled

    Raises
    ------
    MemoryError
    TypeError, ValueError
        Arrays that are not these.
    """
    made = record("taps")
    fill_taps(made, taps)
    cdef int64_t rows = coefficients.shape[0], columns = coefficients.shape[1]
    wider = 2 * (len(taps) - 1)
    cdef size_t f = at(made, "taps"), g = address(grey, "f4", (rows + wider, columns + wider), "the grey values")
    cdef size_t c = address(coefficients, "f4", (rows, columns), "the coefficients", fill=True)
    cdef const hpcdvc_refine_kernels *kernels = hpcdvc_refine_for(level())
    cdef int failed
    with nogil:
        failed = kernels.prefilter(<const float *>g, rows, columns, <const hpcdvc_taps *>f, <float *>c)
    if failed:
        raise MemoryError("no memory for the spline of a frame")


def refine(grey, coefficients, missing, points, weights, refined, *, first, shape, affine, partial,
           most_iterations, tolerance, most_moved):
    """Refine the displacements of windows.

    Parameters
    ----------
    grey : (K, h + 2 MARGIN, w + 2 MARGIN) float32 array, finite, frames of the template from a row on, with BEHIND more
        rows behind the last frame (of its base array)
    coefficients : the same of the spline of the other image
    missing : of the template and of the other image: None, or (K, h + 2 MARGIN, w + 2 MARGIN) uint8 array, 1 = pixel
        that is not there
    points : (n,) array of "refine_point" records, whose windows lie in the template
    weights : (2 half + 1, 2 half + 1) float32 array, of sum 1
    refined : (n,) array of "refined" records, filled
    first : row of the image that the rows (without the margin) begin with
    shape : (height, width) of the images
    affine, partial, most_iterations, tolerance, most_moved : see "refinement" of hpcdvc.kernels.records

    Raises
    ------
    MemoryError
    TypeError, ValueError
        Arrays that are not these.
    """
    frames, rows, columns = size = grey.shape
    half = len(weights) // 2
    for array in (grey, coefficients):
        base = array if array.base is None else array.base
        if base.size < array.size + BEHIND * columns:
            raise ValueError(f"{BEHIND} rows of any values are needed behind both images: make them by `room_for`")
    if half < 1 or columns != shape[1] + 2 * MARGIN or not 0 <= first <= first + rows - 2 * MARGIN <= shape[0]:
        raise ValueError(f"rows from {first} on of shape {size} are not those of an image of shape {shape}")
    pixel, low = points["pixel"], (first + half, half)
    if ((pixel < low) | (pixel > (first + rows - 2 * MARGIN - 1 - half, shape[1] - 1 - half))).any():
        raise ValueError("a window is not in the template")
    if not np.isfinite(points["start"]).all() or not (np.abs(points["start"]) <= max(shape)).all():
        raise ValueError("a start is not finite, or farther away than the image is large")
    tables = [None if m is None else _counts(m) for m in missing]
    job = record(
        "refinement",
        grey=address(grey, "f4", size, "the template"),
        coefficients=address(coefficients, "f4", size, "the coefficients"),
        frames=frames, rows=rows, columns=columns, first=first, height=shape[0], width=shape[1],
        half=half, affine=affine, partial=partial, most_iterations=most_iterations,
        weights=address(weights, "f4", (2 * half + 1, 2 * half + 1), "the weights"),
        tolerance=tolerance, most_moved=most_moved,
    )
    for name, table, of in zip(("grey", "other"), tables, missing):
        if table is not None:
            job[f"{name}_missing"] = address(of, "u1", size, "the missing pixels")
            job[f"{name}_counts"] = address(table, "i4", (rows + 1, columns + 1), "the counts")
    cdef const hpcdvc_refine_kernels *kernels = hpcdvc_refine_for(level())
    cdef int64_t count = len(points)
    cdef size_t j = at(job, "refinement"), p = address(points, "refine_point", (count,), "the points")
    cdef size_t r = address(refined, "refined", (count,), "the results", fill=True)
    cdef int failed
    with nogil:
        failed = kernels.refine(<const hpcdvc_refinement *>j, <const hpcdvc_refine_point *>p, <hpcdvc_refined *>r,
                                count)
    if failed:
        raise MemoryError("no memory for a window")


def room_for(shape):
    """(K, rows, columns) float32 array of zeros, with BEHIND rows behind it."""
    frames, rows, columns = shape
    return np.zeros((frames * rows + BEHIND) * columns, np.float32)[: frames * rows * columns].reshape(shape)


def _counts(missing):
    """Pixels above and left of each corner of pixels that are missing in any frame."""
    counts = np.zeros((missing.shape[1] + 1, missing.shape[2] + 1), np.int32)
    counts[1:, 1:] = missing.any(axis=0).cumsum(axis=0, dtype=np.int32).cumsum(axis=1, dtype=np.int32)
    return counts
