/* Voxels of a tetrahedron, side by side whatever rows they come from, so that all lanes have one. */
#ifndef HPCDVC_BATCH_H
#define HPCDVC_BATCH_H

#include "brick.h"

enum { BATCH = 256 };         /* voxels that add up in float32 */
enum { ROOM = BATCH + VL };   /* rows are written by whole vectors, each over the rest of the one before */

typedef struct {
    int count;
    float f[ROOM], g[ROOM];   /* grey values of im1 and im2 */
    float slope[3][ROOM];     /* gradient */
    float N[3][ROOM];         /* shape functions of all nodes but the first */
} batch;

/* Whether a row finds no room. */
INLINE int is_full(const batch *v) { return v->count + BRICK_X > BATCH; }

/* Append columns [from, to) of row (z, y): shape functions, grey value and gradient of im1. */
INLINE void append_row(batch *v, const brick *b, const tetrahedron *t, int z, int y, int from, int to)
{
    const float *grey = grey_at(b, z, y), *slope[3];
    float first[3];
    for (int a = 0; a < 3; a++) {
        const double *N = t->shape[a + 1];
        first[a] = (float)(N[0] * z + N[1] * y + N[2] * from + N[3]);
        slope[a] = gradient_at(b, a, z, y);
    }
    for (int x = from, at = v->count; x < to; x += VL, at += VL) {
        const vf column = lanes() + splat((float)(x - from));
        store(v->f + at, load(grey + x));
        for (int a = 0; a < 3; a++) {
            store(v->slope[a] + at, load(slope[a] + x));
            store(v->N[a] + at, splat(first[a]) + (float)t->shape[a + 1][2] * column);
        }
    }
}

/* Let a voxel count for nothing. */
INLINE void drop(batch *v, int at)
{
    v->f[at] = v->g[at] = v->slope[0][at] = v->slope[1][at] = v->slope[2][at] = 0;
}

/* The lanes behind the last voxel count for nothing. Returns how many there are, with these. */
INLINE int fill_up(batch *v)
{
    const int end = PADDED(v->count);
    for (int at = v->count; at < end; at++) drop(v, at);
    return end;
}

/* The four shape functions of VL voxels. */
INLINE void shape_of(const batch *v, int at, vf N[4])
{
    N[0] = splat(1);
    for (int a = 0; a < 3; a++) N[a + 1] = load(v->N[a] + at), N[0] -= N[a + 1];
}

/* Move float32 sums to float64. */
INLINE void settle(vf *sums, double *totals, int count)
{
    for (int i = 0; i < count; i++) totals[i] += total(sums[i]), sums[i] = splat(0);
}

#endif
