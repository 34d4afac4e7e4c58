/* Sources by a mesh: its displaced tetrahedra are drawn into a tile, row by row between their faces. */
#ifndef HPCDVC_TETRAHEDRA_H
#define HPCDVC_TETRAHEDRA_H

#include "tile.h"

#define FACE 1e-9 /* barycentric coordinate from which on a point lies in a tetrahedron: no cracks between two of them */

/* A barycentric coordinate: value at the first voxel of the tile, and its slopes. */
typedef struct {
    double value, slope[3];
} face;

/* The faces of a tetrahedron, three of a triangle. Returns their number. */
static int faces_of(const tile *t, const hpcdvc_tetrahedron *e, face f[4])
{
    const int flat = t->im->shape[0] == 1;
    face last = {1, {0, 0, 0}};
    int count = 0;
    for (int i = flat; i < 3; i++, count++) {
        const double *B = e->inverse + 3 * i;
        f[count].value = 0;
        for (int j = 0; j < 3; j++) {
            f[count].value += B[j] * ((double)t->at[j] - e->origin[j]), f[count].slope[j] = B[j];
            last.slope[j] -= B[j];
        }
        last.value -= f[count].value;
    }
    f[count++] = last;
    return count;
}

/* Columns [from, to] inside the tetrahedron of the rows lo ... hi of a plane. */
INLINE void columns_of(const face *f, int faces, int z, int lo, int hi, double *from, double *to)
{
    for (int i = 0; i < faces; i++) {
        const double start = f[i].value + z * f[i].slope[0] + FACE, dy = f[i].slope[1], dx = f[i].slope[2];
        const double step = -1 / dx;
        if (dx == 0) {
            for (int y = lo; y <= hi; y++) to[y] = start + y * dy < 0 ? -1 : to[y];
            continue;
        }
        for (int y = lo; y <= hi; y++) {
            const double end = (start + y * dy) * step;
            if (dx > 0) from[y] = end > from[y] ? end : from[y];
            else to[y] = end < to[y] ? end : to[y];
        }
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

/* Give the voxels of a tetrahedron that no other one has taken their sources. */
static void draw(tile *t, const hpcdvc_tetrahedron *e, uint8_t *taken)
{
    int lo[3], hi[3];
    for (int i = 0; i < 3; i++) {
        const double a = ceil(e->low[i] - (double)t->at[i] - EDGE), b = floor(e->high[i] - (double)t->at[i] + EDGE);
        if (b < 0 || a > t->n[i] - 1) return;
        lo[i] = a < 0 ? 0 : (int)a, hi[i] = b > t->n[i] - 1 ? t->n[i] - 1 : (int)b;
    }
    face f[4];
    const int faces = faces_of(t, e, f);
    for (int z = lo[0]; z <= hi[0]; z++) {
        double from[TILE_Y], to[TILE_Y];
        for (int y = lo[1]; y <= hi[1]; y++) from[y] = lo[2], to[y] = hi[2];
        columns_of(f, faces, z, lo[1], hi[1], from, to);
        for (int y = lo[1]; y <= hi[1]; y++) {
            if (!(from[y] <= to[y])) continue; /* a face along x may put either end beyond what an int holds */
            if (!(from[y] <= to[y])) continue;
            const int first = (int)ceil(from[y]), last = (int)floor(to[y]), row = voxel_of(z, y);
            const double p[3] = {(double)(t->at[0] + z), (double)(t->at[1] + y), (double)t->at[2]};
            double q[3];
            source_in(e, p, q);
            for (int x = first; x <= last; x++) {
                if (taken[row + x]) continue;
                taken[row + x] = 1;
                for (int i = 0; i < 3; i++) t->p[i][row + x] = q[i] + x * e->affine[4 * i + 2];
                if (t->gain) t->gain[row + x] = (float)e->gain;
            }
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
