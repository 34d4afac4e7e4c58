/* Sums of N_a N_b g_i g_j over the voxels of tetrahedra, g the gradient of im1. */
#ifndef HPCDVC_MATRIX_H
#define HPCDVC_MATRIX_H

#include "batch.h"

enum { PAIRS = 10, SQUARES = 6 }; /* of two shape functions, of two components of the gradient */

/* Add the voxels of a batch, and empty it. */
static void add_squares(batch *v, double *totals)
{
    vf sums[PAIRS * SQUARES] = {{0}};
    const int end = fill_up(v);
    for (int at = 0; at < end; at += VL) {
        vf N[4], square[SQUARES], *sum = sums;
        for (int i = 0, s = 0; i < 3; i++)
            for (int j = i; j < 3; j++) square[s++] = load(v->slope[i] + at) * load(v->slope[j] + at);
        shape_of(v, at, N);
        for (int a = 0; a < 4; a++)
            for (int c = a; c < 4; c++) {
                const vf weight = N[a] * N[c];
                for (int s = 0; s < SQUARES; s++) *sum++ += weight * square[s];
            }
    }
    settle(sums, totals, PAIRS * SQUARES);
    v->count = 0;
}

/* Append a row. Returns how many of its voxels count. */
static int64_t matrix_row(batch *v, const brick *b, const tetrahedron *t, int z, int y, int from, int to)
{
    int64_t left_out = 0;
    append_row(v, b, t, z, y, from, to);
    if (b->has_invalid) {
        const float *ok = valid_at(b, z, y);
        for (int x = from; x < to; x++)
            if (ok[x] == 0) drop(v, v->count + x - from), left_out++;
    }
    v->count += to - from;
    return to - from - left_out;
}

static void matrix_of(batch *v, const brick *b, const tetrahedron *t, hpcdvc_matrix_sums *into)
{
    static const int pair[4][4] = {{0, 1, 2, 3}, {1, 4, 5, 6}, {2, 5, 7, 8}, {3, 6, 8, 9}};
    static const int square[3][3] = {{0, 1, 2}, {1, 3, 4}, {2, 4, 5}};
    double totals[PAIRS * SQUARES] = {0};
    int from, to;
    for (int z = t->in.lo[0]; z < t->in.hi[0]; z++) {
        crossing c;
        cross(t, z, &c);
        for (int y = t->in.lo[1]; y < t->in.hi[1]; y++) {
            if (!row_in(t, &c, z, y, &from, &to)) continue;
            if (is_full(v)) add_squares(v, totals);
            into->voxels += matrix_row(v, b, t, z, y, from, to);
        }
    }
    add_squares(v, totals);
    for (int r = 0, at = 0; r < 12; r++)
        for (int c = r; c < 12; c++, at++)
            into->matrix[at] += totals[SQUARES * pair[r / 3][c / 3] + square[r % 3][c % 3]];
}

static int sum_matrix(const hpcdvc_mesh_images *m, hpcdvc_matrix_sums *sums)
{
    brick b = {.m = m};
    int64_t count = 0;
    tetrahedron t;
    batch v = {0};
    for (int64_t first = 0; first < m->count && count >= 0; first += count) {
        count = next_brick(&b, m->pieces + first, m->count - first);
        for (int64_t i = first; i < first + count; i++)
            if (prepare(&t, m, m->pieces[i].element, b.corner)) matrix_of(&v, &b, &t, sums + m->pieces[i].element);
    }
    brick_end(&b);
    return count < 0;
}

#endif
