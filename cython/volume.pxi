# What all kernels share: volumes as C sees them, filters, the choice of the instruction set; included by each.

import os

from libc.stdint cimport int64_t, uint8_t

cdef extern from "correlate.h":
    enum: MAX_TAPS
    enum: TYPE_U1, TYPE_I1, TYPE_U2, TYPE_I2, TYPE_U4, TYPE_I4, TYPE_F4, TYPE_F8
    ctypedef struct hpcdvc_volume:
        const void *data
        const uint8_t *mask
        int64_t shape[3]
        int type
    ctypedef struct hpcdvc_taps:
        int radius
        float h[33]
    ctypedef struct hpcdvc_interpolation:
        int taps
        int poles
        double pole[2]
        int pad
        hpcdvc_taps prefilter
        double noise[16]

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
    #ifdef HPCDVC_X86
    #define HPCDVC_VARIANT(level, NAME) ((level) == 4 ? NAME##_v4 : (level) == 3 ? NAME##_v3 : NAME##_v1)
    #else
    #define HPCDVC_VARIANT(level, NAME) NAME##_v1
    #endif
    """
    int hpcdvc_level() nogil

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
