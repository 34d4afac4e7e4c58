/* Sums of N_a N_b g_i g_j over the voxels of tetrahedra, g the gradient of im1. */
#ifndef HPCDVC_MATRIX_H
#define HPCDVC_MATRIX_H

#include "brick.h"
#include "weighted.h"

enum { PAIRS = 10, SQUARES = 6 }; /* of two shape functions, of two components of the gradient */

/* Add columns [from, to) of a row. Returns how many voxels count. */
static int64_t matrix_row(const brick *b, const tetrahedron *t, vf *sums, int z, int y, int from, int to)
{
    int64_t left_out = 0;
    for (int x = from; x < to; x += VL) {
        vi keep = lanes() < splat((float)(to - x));
        vf g[3], square[SQUARES], N[4];
        if (b->has_invalid) {
            const float *ok = valid_at(b, z, y) + x;
            keep &= load(ok) > splat(0);
            for (int l = 0; l < VL && x + l < to; l++) left_out += ok[l] == 0;
        }
        for (int i = 0; i < 3; i++) g[i] = (vf)((vi)load(gradient_at(b, i, z, y) + x) & keep);
        for (int i = 0, s = 0; i < 3; i++)
            for (int j = i; j < 3; j++) square[s++] = g[i] * g[j];
        shape_at(t, z, y, x, N);
        vf *sum = sums;
        for (int a = 0; a < 4; a++)
            for (int c = a; c < 4; c++) {
                const vf weight = N[a] * N[c];
                for (int s = 0; s < SQUARES; s++) *sum++ += weight * square[s];
            }
    }
    return to - from - left_out;
}

static void matrix_of(const brick *b, const tetrahedron *t, hpcdvc_matrix_sums *into)
{
    static const int pair[4][4] = {{0, 1, 2, 3}, {1, 4, 5, 6}, {2, 5, 7, 8}, {3, 6, 8, 9}};
    static const int square[3][3] = {{0, 1, 2}, {1, 3, 4}, {2, 4, 5}};
    vf sums[PAIRS * SQUARES] = {{0}};
    double totals[PAIRS * SQUARES] = {0};
    int rows = 0, from, to;
    for (int z = t->in.lo[0]; z < t->in.hi[0]; z++) {
        crossing c;
        cross(t, z, &c);
        for (int y = t->in.lo[1]; y < t->in.hi[1]; y++) {
            if (!row_in(t, &c, z, y, &from, &to)) continue;
            into->voxels += matrix_row(b, t, sums, z, y, from, to), rows++;
            settle(sums, totals, PAIRS * SQUARES, &rows, 0);
        }
    }
    settle(sums, totals, PAIRS * SQUARES, &rows, 1);
    for (int r = 0, at = 0; r < 12; r++)
        for (int c = r; c < 12; c++, at++)
            into->matrix[at] += totals[SQUARES * pair[r / 3][c / 3] + square[r % 3][c % 3]];
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
