# cython: language_level=3, boundscheck=False, wraparound=False
"""Registration of many correlation windows in one call, by the C variant that the processor can run."""

from libc.string cimport memset

include "volume.pxi"

cdef extern from "correlate.h":
    ctypedef struct hpcdvc_point:
        pass
    ctypedef struct hpcdvc_row:
        pass
    ctypedef struct hpcdvc_gradient:
        hpcdvc_taps derivative
        hpcdvc_taps smoothing
        double noise
    ctypedef struct hpcdvc_settings:
        int half[3]
        int margin
        int znssd
        int max_iterations
        int update_gradient
        double min_delta_phi
        double min_valid
        double grey_low
        double grey_high
        double min_zncc
        int unknowns
        double basis[144]
        int rigid
        double curvature_threshold
        hpcdvc_interpolation interpolation
        hpcdvc_interpolation curvature_interpolation
        double keys_noise[16]
        hpcdvc_gradient gradient
        hpcdvc_gradient smooth_gradient
        hpcdvc_gradient true_gradient
        int adaptive
        int calibrate
        double noise_with_smooth
        double noise_with_true
    ctypedef int (*hpcdvc_register)(const hpcdvc_volume *, const hpcdvc_volume *, const hpcdvc_settings *,
                                    const hpcdvc_point *, hpcdvc_row *, int64_t) noexcept nogil

cdef extern from *:
    """
    static hpcdvc_register hpcdvc_variant(int level)
    {
    #ifdef HPCDVC_X86
        if (level == 4) return hpcdvc_register_v4;
        if (level == 3) return hpcdvc_register_v3;
    #endif
        (void)level;
        return hpcdvc_register_v1;
    }
    """
    hpcdvc_register hpcdvc_variant(int level) nogil


cdef int fill_gradient(hpcdvc_gradient *gradient, object values) except -1:
    fill_taps(&gradient.derivative, values.derivative)
    fill_taps(&gradient.smoothing, values.smoothing)
    gradient.noise = values.noise
    return 0


def register_points(Volume im1, Volume im2, plan, points, rows):
    """Register one window per point.

    Parameters
    ----------
    im1, im2 : Volume
    plan : hpcdvc.registration.Plan
    points : structured array of hpcdvc.field.POINT, C-contiguous
    rows : structured array of hpcdvc.field.ROW, C-contiguous, as long as points; filled

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
    memset(&s, 0, sizeof(s))
    for i in range(3):
        s.half[i] = plan.half_window_size[i]
    s.margin, s.znssd = plan.margin, plan.znssd
    s.max_iterations, s.update_gradient, s.rigid = plan.max_iterations, plan.update_gradient, plan.rigid
    s.curvature_threshold = plan.curvature_threshold
    s.min_delta_phi, s.min_valid, s.min_zncc = plan.min_delta_phi, plan.min_valid, plan.min_zncc
    s.grey_low, s.grey_high = plan.grey_low, plan.grey_high
    s.unknowns = plan.basis.shape[1]
    for i in range(12):
        for j in range(s.unknowns):
            s.basis[12 * i + j] = plan.basis[i, j]
    fill_interpolation(&s.interpolation, plan.interpolation)
    fill_interpolation(&s.curvature_interpolation, plan.curvature_interpolation)
    for i in range(16):
        s.keys_noise[i] = plan.keys_noise[i]
    fill_gradient(&s.gradient, plan.gradient)
    fill_gradient(&s.smooth_gradient, plan.smooth_gradient)
    fill_gradient(&s.true_gradient, plan.true_gradient)
    s.adaptive, s.calibrate = plan.adaptive, plan.calibrate
    s.noise_with_smooth, s.noise_with_true = plan.noise_with_smooth, plan.noise_with_true
    cdef size_t p = points.ctypes.data, r = rows.ctypes.data
    cdef hpcdvc_register variant = hpcdvc_variant(LEVEL)
    cdef int failed
    with nogil:
        failed = variant(&im1.c, &im2.c, &s, <const hpcdvc_point *>p, <hpcdvc_row *>r, count)
    if failed:
        raise MemoryError("no memory for the windows of one rank")
