# cython: language_level=3
"""What the processor can do."""

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
    """
    int hpcdvc_level() nogil


def level():
    """Number of the best instruction set of `hpcdvc.kernels.INSTRUCTION_SETS`."""
    return hpcdvc_level()
