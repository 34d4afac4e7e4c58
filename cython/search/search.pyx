# cython: language_level=3
"""Search of windows at whole-voxel displacements, many windows per call."""

from libc.stdint cimport int64_t

include "records.pxi"

cdef extern from "search.h":
    ctypedef struct hpcdvc_volume:
        pass
    ctypedef struct hpcdvc_search_settings:
        pass
    ctypedef struct hpcdvc_search_point:
        pass
    ctypedef struct hpcdvc_search_window:
        pass
    ctypedef struct hpcdvc_search_region:
        pass
    ctypedef struct hpcdvc_found:
        pass
    ctypedef struct search_batch:
        int64_t count
        int n[3]
        int lags[3]
    ctypedef struct search_sums:
        float *ab
        float *mb
        float *mbb
        float *am
        float *aam
        float *mm
    ctypedef struct search_grey:
        const float *a
        const float *ok1
        const float *b
        const float *ok2
    ctypedef struct hpcdvc_search_kernels:
        int (*take_windows)(const hpcdvc_volume *, const hpcdvc_volume *, const hpcdvc_search_settings *,
                            const hpcdvc_search_point *, int64_t, float *, float *,
                            hpcdvc_search_window *) noexcept nogil
        int (*take_regions)(const hpcdvc_volume *, const hpcdvc_search_point *, int64_t, float *, float *,
                            hpcdvc_search_region *) noexcept nogil
        int (*correlate)(const search_batch *, const search_grey *, const search_sums *) noexcept nogil
        int (*find)(const hpcdvc_volume *, const hpcdvc_search_settings *, const hpcdvc_search_point *,
                    const search_batch *, const search_grey *, const hpcdvc_search_window *,
                    const hpcdvc_search_region *, const search_sums *, hpcdvc_found *, double *,
                    int64_t) noexcept nogil
    const hpcdvc_search_kernels *hpcdvc_search_for(int level) nogil

#: Floats behind the end of the regions that a vector may read.
BEHIND = 32


cdef check_points(points, window, lags):
    """Make sure that all points have windows and ranges of one size."""
    cdef size_t made = address(points, "search_point", (None,), "the points")
    for low, high, wanted in (("box_low", "box_high", window), ("low", "high", lags)):
        if ((points[high] - points[low] + 1) != wanted).any() or min(wanted) < 1:
            raise ValueError("the points of a batch have windows and ranges of one size")
    return made


cdef int fill_batch(search_batch *batch, shape, window_shape) except -1:
    batch.count = shape[0]
    for k in range(3):
        batch.lags[k], batch.n[k] = shape[k + 1], window_shape[k]
    return 0


cdef int fill_grey(search_grey *grey, batch_shape, window_shape, a, ok1, b, ok2) except -1:
    count, lags = batch_shape[0], batch_shape[1:]
    window = (count, *window_shape)
    region = (count, *(n + m - 1 for n, m in zip(window_shape, lags, strict=True)))
    for array in (b, ok2):
        base = array.base if array.base is not None else array
        if array.size + BEHIND > base.size:
            raise ValueError(f"regions need {BEHIND} floats behind their end: make them by `room_for`")
    grey.a = <const float *><size_t>address(a, "f4", window, "the windows")
    grey.ok1 = <const float *><size_t>address(ok1, "f4", window, "what counts in the windows")
    grey.b = <const float *><size_t>address(b, "f4", region, "the regions")
    grey.ok2 = <const float *><size_t>address(ok2, "f4", region, "what counts in the regions")
    return 0


cdef float *sum_address(sums, name, shape) except? NULL:
    if sums.get(name) is None:
        return NULL
    return <float *><size_t>address(sums[name], "f4", shape, f"the sums {name}", fill=True)


cdef int fill_sums(search_sums *to, sums, shape) except -1:
    to.ab, to.mm = sum_address(sums, "ab", shape), sum_address(sums, "mm", shape)
    to.mb, to.mbb = sum_address(sums, "mb", shape), sum_address(sums, "mbb", shape)
    to.am, to.aam = sum_address(sums, "am", shape), sum_address(sums, "aam", shape)
    both = to.mb != NULL and to.am != NULL
    if to.ab == NULL or (to.mb == NULL) != (to.mbb == NULL) or (to.am == NULL) != (to.aam == NULL):
        raise ValueError("sums are missing")
    if both != (to.mm != NULL):
        raise ValueError("the number of voxels goes with windows and regions that are both partial")
    return 0


cdef struct search_arrays:
    search_batch batch
    search_grey grey
    search_sums sums


cdef int fill_arrays(search_arrays *to, a, ok1, b, ok2, sums) except -1:
    shape, window = sums["ab"].shape, a.shape[1:]
    fill_batch(&to.batch, shape, window)
    fill_grey(&to.grey, shape, window, a, ok1, b, ok2)
    fill_sums(&to.sums, sums, shape)
    return 0


def take_windows(im1, labels, settings, points, a, ok, windows):
    """Read the windows of im1 about points.

    Parameters
    ----------
    im1 : hpcdvc.kernels.volume.Volume
    labels : Volume of labels of the same shape, of whole numbers; or None
    settings : record "search_settings"
    points : (n,) array of "search_point" records with windows of one size
    a, ok : (n, *window) float32 arrays, filled: grey values, and 1 or 0 for each voxel that counts or not
    windows : (n,) array of "search_window" records, filled

    Raises
    ------
    MemoryError
    TypeError, ValueError
        Arrays that are not these.
    """
    cdef const hpcdvc_search_kernels *kernels = hpcdvc_search_for(level())
    cdef int64_t count = len(points)
    cdef size_t one = at(im1.record, "volume"), s = at(settings, "search_settings")
    cdef size_t lab = 0 if labels is None else at(labels.record, "volume")
    cdef size_t p = check_points(points, a.shape[1:], (points["high"] - points["low"] + 1)[0] if count else (1, 1, 1))
    cdef size_t v = address(a, "f4", (count, None, None, None), "the windows", fill=True)
    cdef size_t k = address(ok, "f4", a.shape, "what counts", fill=True)
    cdef size_t w = address(windows, "search_window", (count,), "the records of the windows", fill=True)
    if labels is not None and labels.shape != im1.shape:
        raise ValueError(f"labels of shape {labels.shape} for an image of {im1.shape}")
    cdef int failed
    with nogil:
        failed = kernels.take_windows(<const hpcdvc_volume *>one, <const hpcdvc_volume *>lab,
                                      <const hpcdvc_search_settings *>s, <const hpcdvc_search_point *>p, count,
                                      <float *>v, <float *>k, <hpcdvc_search_window *>w)
    if failed:
        raise MemoryError("no memory for a window")


def take_regions(im2, points, b, ok, regions):
    """Read the parts of im2 in which points are searched.

    Parameters
    ----------
    im2 : hpcdvc.kernels.volume.Volume
    points : (n,) array of "search_point" records with windows and ranges of one size
    b, ok : (n, *region) float32 arrays, filled
    regions : (n,) array of "search_region" records, filled

    Raises
    ------
    TypeError, ValueError
        Arrays that are not these.
    """
    cdef const hpcdvc_search_kernels *kernels = hpcdvc_search_for(level())
    cdef int64_t count = len(points)
    cdef size_t two = at(im2.record, "volume"), p = address(points, "search_point", (count,), "the points")
    size = points["box_high"] - points["box_low"] + points["high"] - points["low"] + 1
    if (size != b.shape[1:]).any():
        raise ValueError(f"regions of {b.shape[1:]} voxels do not fit the points")
    cdef size_t v = address(b, "f4", (count, None, None, None), "the regions", fill=True)
    cdef size_t k = address(ok, "f4", b.shape, "what counts", fill=True)
    cdef size_t g = address(regions, "search_region", (count,), "the records of the regions", fill=True)
    with nogil:
        kernels.take_regions(<const hpcdvc_volume *>two, <const hpcdvc_search_point *>p, count, <float *>v, <float *>k,
                             <hpcdvc_search_region *>g)


def correlate(a, ok1, b, ok2, sums):
    """Sums over the voxels of each window at each displacement, directly.

    Parameters
    ----------
    a, ok1 : (n, *window) float32 arrays
    b, ok2 : (n, *region) float32 arrays with BEHIND floats behind their end
    sums : dictionary of (n, *displacements) float32 arrays, filled: "ab" and those of "mb", "mbb", "am", "aam", "mm"
        that are wanted

    Raises
    ------
    MemoryError
    TypeError, ValueError
        Arrays that are not these.
    """
    cdef const hpcdvc_search_kernels *kernels = hpcdvc_search_for(level())
    cdef search_arrays of
    fill_arrays(&of, a, ok1, b, ok2, sums)
    cdef int failed
    with nogil:
        failed = kernels.correlate(&of.batch, &of.grey, &of.sums)
    if failed:
        raise MemoryError("no memory for the squares of a window")


def find(im2, settings, points, a, ok1, b, ok2, windows, regions, sums, found, peaks):
    """Where each window is found.

    Parameters
    ----------
    im2 : hpcdvc.kernels.volume.Volume
    settings : record "search_settings"
    points : (n,) array of "search_point" records with windows and ranges of one size
    a, ok1, b, ok2, windows, regions : from `take_windows` and `take_regions`
    sums : see `correlate`
    found : (n,) array of "found" records, filled
    peaks : (n, m, 4) float64 array, filled with the highest maxima: displacement from the rounded start, and score;
        or None

    Raises
    ------
    MemoryError
    TypeError, ValueError
        Arrays that are not these.
    """
    cdef const hpcdvc_search_kernels *kernels = hpcdvc_search_for(level())
    cdef search_arrays of
    fill_arrays(&of, a, ok1, b, ok2, sums)
    shape = sums["ab"].shape
    cdef int64_t count = shape[0], peak_count = 0 if peaks is None else peaks.shape[1]
    cdef size_t two = at(im2.record, "volume"), s = at(settings, "search_settings")
    cdef size_t p = check_points(points, a.shape[1:], shape[1:])
    cdef size_t w = address(windows, "search_window", (count,), "the records of the windows")
    cdef size_t g = address(regions, "search_region", (count,), "the records of the regions")
    cdef size_t f = address(found, "found", (count,), "what is found", fill=True)
    cdef size_t q = 0 if peaks is None else address(peaks, "f8", (count, None, 4), "the peaks", fill=True)
    if len(points) != count:
        raise ValueError(f"{len(points)} points for sums of {count}")
    cdef int failed
    with nogil:
        failed = kernels.find(<const hpcdvc_volume *>two, <const hpcdvc_search_settings *>s,
                              <const hpcdvc_search_point *>p, &of.batch, &of.grey, <const hpcdvc_search_window *>w,
                              <const hpcdvc_search_region *>g, &of.sums, <hpcdvc_found *>f, <double *>q, peak_count)
    if failed:
        raise MemoryError("no memory for the scores of one rank")
