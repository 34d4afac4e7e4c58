# cython: language_level=3, boundscheck=False, wraparound=False
"""Registration of many correlation windows in one call, by the C variant that the processor can run."""

include "volume.pxi"
include "settings.pxi"

cdef extern from "correlate.h":
    ctypedef struct hpcdvc_point:
        pass
    ctypedef struct hpcdvc_row:
        pass
    ctypedef int (*hpcdvc_register)(const hpcdvc_volume *, const hpcdvc_volume *, const hpcdvc_settings *,
                                    const hpcdvc_point *, hpcdvc_row *, int64_t) noexcept nogil

cdef extern from *:
    """
    #define hpcdvc_variant(level) HPCDVC_VARIANT(level, hpcdvc_register)
    """
    hpcdvc_register hpcdvc_variant(int level) nogil


def register_points(Volume im1, Volume im2, plan, points, rows):
    """Register one window per point.

    Parameters
    ----------
    im1, im2 : Volume
    plan : hpcdvc.registration.kernel_settings.KernelSettings
    points : structured array of hpcdvc.fields.field.POINT, C-contiguous
    rows : structured array of hpcdvc.fields.field.ROW, C-contiguous, as long as points; filled

    Raises
    ------
    MemoryError
    """
    cdef hpcdvc_settings s
    cdef int64_t count = len(points)
    if points.dtype.itemsize != sizeof(hpcdvc_point) or rows.dtype.itemsize != sizeof(hpcdvc_row) or len(rows) != count:
        raise TypeError("points and rows must be arrays of POINT and ROW of one length")
    if not (points.flags.c_contiguous and rows.flags.c_contiguous):
        raise ValueError("points and rows must be contiguous")
    fill_settings(&s, plan)
    cdef size_t p = points.ctypes.data, r = rows.ctypes.data
    cdef hpcdvc_register variant = hpcdvc_variant(LEVEL)
    cdef int failed
    with nogil:
        failed = variant(&im1.c, &im2.c, &s, <const hpcdvc_point *>p, <hpcdvc_row *>r, count)
    if failed:
        raise MemoryError("no memory for the windows of one rank")
