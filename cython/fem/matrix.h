/* Sums of N_a N_b g_i g_j over the voxels of tetrahedra, g the gradient of im1. */
#ifndef HPCDVC_MATRIX_H
#define HPCDVC_MATRIX_H

#include "brick.h"
#include "moments.h"

/* Add columns [from, to) of a row. Returns how many voxels count. */
static int64_t matrix_row(const brick *b, const tetrahedron *t, plane_sums *p, int z, int y, int from, int to)
{
    static const int gi[6] = {0, 0, 0, 1, 1, 2}, gj[6] = {0, 1, 2, 1, 2, 2};
    vf row[3][PRODUCTS] = {{{0}}}, x = lanes() + splat((float)(from - middle_of(&t->in, 2)));
    int64_t left_out = 0;
    for (int v = from; v < to; v += VL, x += splat(VL)) {
        vi keep = lanes() < splat((float)(to - v));
        vf g[3];
        if (b->has_invalid) {
            const float *ok = valid_at(b, z, y) + v;
            keep &= load(ok) > splat(0);
            for (int l = 0; l < VL && v + l < to; l++) left_out += ok[l] == 0;
        }
        for (int i = 0; i < 3; i++) g[i] = (vf)((vi)load(gradient_at(b, i, z, y) + v) & keep);
        for (int i = 0; i < 6; i++) {
            const vf q = g[gi[i]] * g[gj[i]], qx = q * x;
            row[0][i] += q, row[1][i] += qx, row[2][i] += qx * x;
        }
    }
    add_row(p, 6, 2, row, (float)(y - middle_of(&t->in, 1)));
    return to - from - left_out;
}

static void matrix_of(const brick *b, const tetrahedron *t, hpcdvc_matrix_sums *into)
{
    static const int product[3][3] = {{0, 1, 2}, {1, 3, 4}, {2, 4, 5}};
    plane_sums p = {0};
    moments m = {{0}};
    double shape[4][4];
    for (int z = t->in.lo[0]; z < t->in.hi[0]; z++) {
        int some = 0, from, to;
        for (int y = t->in.lo[1]; y < t->in.hi[1]; y++)
            if (row_in(t, z, y, &from, &to)) into->voxels += matrix_row(b, t, &p, z, y, from, to), some = 1;
        if (some) add_plane(&m, &p, 6, 2, z - middle_of(&t->in, 0));
    }
    shape_about_middle(t, shape);
    for (int r = 0, at = 0; r < 12; r++)
        for (int c = r; c < 12; c++, at++) into->matrix[at] += twice(shape[r / 3], shape[c / 3], &m, product[r % 3][c % 3]);
}

static int sum_matrix(const hpcdvc_mesh_images *m, hpcdvc_matrix_sums *sums)
{
    brick b = {.m = m};
    int64_t count = 0;
    tetrahedron t;
    for (int64_t first = 0; first < m->count && count >= 0; first += count) {
        count = next_brick(&b, m->pieces + first, m->count - first);
        for (int64_t i = first; i < first + count; i++)
            if (prepare(&t, m, m->pieces[i].element, b.corner)) matrix_of(&b, &t, sums + m->pieces[i].element);
    }
    brick_end(&b);
    return count < 0;
}

#endif
