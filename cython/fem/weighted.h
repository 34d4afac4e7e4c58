/* Sums over the voxels of a tetrahedron of products times its shape functions, or times products of two of them. */
#ifndef HPCDVC_WEIGHTED_H
#define HPCDVC_WEIGHTED_H

#include "tetrahedron.h"

/* Lanes in float64 are half as many: twice those of any others would be taken apart by the compiler. */
typedef double vd __attribute__((vector_size(4 * VL)));
typedef float half_of_vf __attribute__((vector_size(2 * VL)));

INLINE void halves(vf v, vd wide[2])
{
    const union {
        vf whole;
        half_of_vf half[2];
    } lanes_of = {v};
    for (int i = 0; i < 2; i++) wide[i] = __builtin_convertvector(lanes_of.half[i], vd);
}

INLINE double total_wide(vd v)
{
    double s = 0;
    for (int i = 0; i < VL / 2; i++) s += v[i];
    return s;
}

/* The shape functions at columns x, x + 1 ... of row (z, y). */
INLINE void shape_at(const tetrahedron *t, int z, int y, int x, vf N[4])
{
    for (int a = 0; a < 4; a++) {
        const double *s = t->shape[a];
        N[a] = splat((float)(s[0] * z + s[1] * y + s[2] * x + s[3])) + (float)s[2] * lanes();
    }
}

enum { ROWS = 32 }; /* rows that add up in float32 */

/* Move float32 sums of `rows` rows to float64 when they are many, or the last. */
INLINE void settle(vf *sums, double *totals, int count, int *rows, int is_last)
{
    if (*rows == 0 || (*rows < ROWS && !is_last)) return;
    for (int i = 0; i < count; i++) totals[i] += total(sums[i]), sums[i] = splat(0);
    *rows = 0;
}

#endif
