/* Sources by a mesh: its displaced tetrahedra are drawn into a tile, row by row between their faces. */
#ifndef HPCDVC_TETRAHEDRA_H
#define HPCDVC_TETRAHEDRA_H

#include "tile.h"

#define FACE 1e-9 /* barycentric coordinate from which on a point lies in a tetrahedron: no cracks between two of them */

/* Barycentric coordinates a + x b of the points of a row, p being its first. */
INLINE void along_row(const hpcdvc_tetrahedron *e, const double p[3], double a[4], double b[4])
{
    const double d[3] = {p[0] - e->origin[0], p[1] - e->origin[1], p[2] - e->origin[2]};
    a[3] = 1, b[3] = 0;
    for (int i = 0; i < 3; i++) {
        const double *B = e->inverse + 3 * i;
        a[i] = B[0] * d[0] + B[1] * d[1] + B[2] * d[2], b[i] = B[2];
        a[3] -= a[i], b[3] -= b[i];
    }
}

/* Columns [lo, hi] of a row inside the tetrahedron. `flat` leaves out the coordinate that 2-D images do not have. */
INLINE void columns_of(const double a[4], const double b[4], int flat, double *lo, double *hi)
{
    for (int i = flat; i < 4; i++) {
        const double end = -(a[i] + FACE) / b[i];
        if (b[i] > 0) *lo = end > *lo ? end : *lo;
        else if (b[i] < 0) *hi = end < *hi ? end : *hi;
        else if (a[i] < -FACE) *hi = -1;
    }
}

INLINE void source_in(const hpcdvc_tetrahedron *e, const double p[3], double q[3])
{
    const double d[3] = {p[0] - e->origin[0], p[1] - e->origin[1], p[2] - e->origin[2]};
    for (int i = 0; i < 3; i++) {
        const double *A = e->affine + 4 * i;
        q[i] = A[0] * d[0] + A[1] * d[1] + A[2] * d[2] + A[3];
    }
}

static void draw(tile *t, const hpcdvc_tetrahedron *e, uint8_t *taken)
{
    int lo[3], hi[3];
    const int flat = t->im->shape[0] == 1;
    for (int i = 0; i < 3; i++) {
        const double a = ceil(e->low[i] - (double)t->at[i] - EDGE), b = floor(e->high[i] - (double)t->at[i] + EDGE);
        if (b < 0 || a > t->n[i] - 1) return;
        lo[i] = a < 0 ? 0 : (int)a, hi[i] = b > t->n[i] - 1 ? t->n[i] - 1 : (int)b;
    }
    for (int z = lo[0]; z <= hi[0]; z++)
        for (int y = lo[1]; y <= hi[1]; y++) {
            const double p[3] = {(double)(t->at[0] + z), (double)(t->at[1] + y), (double)t->at[2]};
            double a[4], b[4], from = lo[2], to = hi[2], q[3];
            along_row(e, p, a, b);
            columns_of(a, b, flat, &from, &to);
            if (to < from) continue;
            source_in(e, p, q);
            for (int x = (int)ceil(from); x <= (int)floor(to); x++) {
                const int at = voxel_of(z, y) + x;
                if (taken[at]) continue;
                taken[at] = 1;
                for (int i = 0; i < 3; i++) t->p[i][at] = q[i] + x * e->affine[4 * i + 2];
                if (t->gain) t->gain[at] = (float)e->gain;
            }
        }
}

/* Every voxel belongs to the first of the tetrahedra that hold it. */
static void place_by_mesh(tile *t, uint8_t *taken)
{
    const hpcdvc_mapping *m = t->s->map;
    memset(taken, 0, TILE);
    for (int64_t c = 0; c < m->tetrahedra_count; c++) draw(t, m->tetrahedra + c, taken);
    for (int i = 0; i < TILE; i++) t->state[i] &= taken[i];
}

/* Every voxel belongs to the tetrahedron that its label says. */
static void place_by_labels(tile *t)
{
    const hpcdvc_mapping *m = t->s->map;
    for (int z = 0; z < t->n[0]; z++)
        for (int y = 0; y < t->n[1]; y++)
            for (int x = 0; x < t->n[2]; x++) {
                const int at = voxel_of(z, y) + x;
                const int64_t g[3] = {t->at[0] + z, t->at[1] + y, t->at[2] + x};
                const int32_t label = m->labels[(g[0] * t->im->shape[1] + g[1]) * t->im->shape[2] + g[2]];
                if (label < 0 || label >= m->tetrahedra_count) {
                    t->state[at] = NOT_WANTED;
                    continue;
                }
                const double p[3] = {(double)g[0], (double)g[1], (double)g[2]};
                double q[3];
                source_in(m->tetrahedra + label, p, q);
                for (int i = 0; i < 3; i++) t->p[i][at] = q[i];
                if (t->gain) t->gain[at] = (float)m->tetrahedra[label].gain;
            }
}

#endif
