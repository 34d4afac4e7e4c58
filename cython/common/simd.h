/* VL float lanes through the compiler's vector types: the same source for SSE2, AVX2, AVX-512 and NEON. */
#ifndef HPCDVC_SIMD_H
#define HPCDVC_SIMD_H

#include <stdint.h>
#include <string.h>

#ifndef VL
#define VL 4
#endif

typedef float vf __attribute__((vector_size(4 * VL)));
typedef float vf_unaligned __attribute__((vector_size(4 * VL), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))
#define PADDED(n) (((n) + VL - 1) / VL * VL)

INLINE vf load(const float *p) { return *(const vf_unaligned *)p; }
INLINE void store(float *p, vf v) { *(vf_unaligned *)p = v; }
INLINE vf splat(float x) { return x - (vf){0}; }

INLINE vf lanes(void)
{
    vf v;
    for (int i = 0; i < VL; i++) v[i] = (float)i;
    return v;
}

typedef int32_t vi __attribute__((vector_size(4 * VL)));

INLINE vf larger(vf a, vf b)
{
    const vi which = a > b;
    return (vf)(((vi)a & which) | ((vi)b & ~which));
}

INLINE vf smaller(vf a, vf b)
{
    const vi which = a < b;
    return (vf)(((vi)a & which) | ((vi)b & ~which));
}

INLINE float greatest(vf v)
{
    float most = v[0];
    for (int i = 1; i < VL; i++) most = v[i] > most ? v[i] : most;
    return most;
}

/* Sum of the lanes, in float64. */
INLINE double total(vf v)
{
    double s = 0;
    for (int i = 0; i < VL; i++) s += v[i];
    return s;
}

#endif
