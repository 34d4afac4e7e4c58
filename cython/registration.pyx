# cython: language_level=3, boundscheck=False, wraparound=False
"""Registration of many correlation windows in one call, by the C variant that the processor can run."""

import os

from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memset

cdef extern from "correlate.h":
    enum: MAX_TAPS
    enum: TYPE_U1, TYPE_I1, TYPE_U2, TYPE_I2, TYPE_U4, TYPE_I4, TYPE_F4, TYPE_F8
    ctypedef struct hpcdvc_point:
        pass
    ctypedef struct hpcdvc_row:
        pass
    ctypedef struct hpcdvc_volume:
        const void *data
        const uint8_t *mask
        int64_t shape[3]
        int type
    ctypedef struct hpcdvc_taps:
        int radius
        float h[33]
    ctypedef struct hpcdvc_gradient:
        hpcdvc_taps derivative
        hpcdvc_taps smoothing
        double noise
    ctypedef struct hpcdvc_interpolation:
        int taps
        int poles
        double pole[2]
        int pad
        hpcdvc_taps prefilter
        double noise[16]
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
    static int hpcdvc_level(void)
    {
    #ifdef HPCDVC_X86
        __builtin_cpu_init();
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
            && __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq")
            && __builtin_cpu_supports("avx512vl")) return 4;
        if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")) return 3;
    #endif
        return 1;
    }
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
    int hpcdvc_level() nogil
    hpcdvc_register hpcdvc_variant(int level) nogil

cdef dict TYPES = {"u1": TYPE_U1, "i1": TYPE_I1, "u2": TYPE_U2, "i2": TYPE_I2, "u4": TYPE_U4, "i4": TYPE_I4,
                   "f4": TYPE_F4, "f8": TYPE_F8}
NAMES = {1: "baseline", 3: "AVX2 (x86-64-v3)", 4: "AVX-512 (x86-64-v4)"}

cdef int LEVEL = min(hpcdvc_level(), int(os.environ.get("HPCDVC_ISA", "v4").lstrip("v") or 4))
LEVEL = LEVEL if LEVEL in NAMES else 1


def instruction_set():
    """Name of the instruction set that the kernels use; HPCDVC_ISA=v1|v3 forces a lower one."""
    return NAMES[LEVEL]


cdef int fill_taps(hpcdvc_taps *taps, object values) except -1:
    if len(values) > MAX_TAPS:
        raise ValueError(f"a filter of {len(values)} taps is longer than {MAX_TAPS}")
    taps.radius = len(values) - 1
    for i, value in enumerate(values):
        taps.h[i] = value
    return 0


cdef int fill_gradient(hpcdvc_gradient *gradient, object values) except -1:
    fill_taps(&gradient.derivative, values.derivative)
    fill_taps(&gradient.smoothing, values.smoothing)
    gradient.noise = values.noise
    return 0


cdef int fill_interpolation(hpcdvc_interpolation *interpolation, object values) except -1:
    interpolation.taps = values.order + 1
    interpolation.poles, interpolation.pad = len(values.poles), values.pad
    for i, pole in enumerate(values.poles):
        interpolation.pole[i] = pole
    fill_taps(&interpolation.prefilter, values.along_x)
    for i in range(16):
        interpolation.noise[i] = values.noise[i]
    return 0


cdef class Volume:
    """A C-contiguous (nz, ny, nx) volume and its optional uint8 mask, as the kernels see them."""

    cdef hpcdvc_volume c
    cdef object keep

    def __init__(self, array, mask=None):
        code = array.dtype.str[1:]
        if code not in TYPES or not array.dtype.isnative:
            raise TypeError(f"grey values of type {array.dtype} are not supported")
        if array.ndim != 3 or not array.flags.c_contiguous:
            raise ValueError("a volume is a C-contiguous (nz, ny, nx) array")
        fits = mask is None or (mask.shape == array.shape and mask.dtype.str[1:] == "u1" and mask.flags.c_contiguous)
        if not fits:
            raise ValueError("a mask is a C-contiguous uint8 array of the volume's shape")
        self.keep = (array, mask)
        self.c.data = <const void *><size_t>array.ctypes.data
        self.c.mask = NULL if mask is None else <const uint8_t *><size_t>mask.ctypes.data
        for i in range(3):
            self.c.shape[i] = array.shape[i]
        self.c.type = TYPES[code]


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
