/* A window and the sums over it that normal equations are made of. Row and plane sums are float32, planes add up in float64. */
#ifndef HPCDVC_PRODUCTS_H
#define HPCDVC_PRODUCTS_H

#include "box.h"

typedef struct {
    int n[3];
    int64_t sz, sy;         /* float strides; rows are padded with zeros */
    float *a, *b, *g[3];    /* im1, warped im2, gradient: 0 where a voxel does not count */
    float *in1, *ok, *ok_before;  /* voxel counts: in im1 alone, now, at the last reference sums */
    double first[3];        /* first voxel relative to the point */
    const int32_t *span;    /* of a label: first column of each row that may count, and last + 1; NULL: all may */
} window;

/* The columns of row (z, y) that may count, from a multiple of VL on. */
INLINE void span_of(const window *w, int z, int y, int *from, int *to)
{
    *from = 0, *to = w->n[2];
    if (w->span) *from = w->span[2 * (z * w->n[1] + y)] / VL * VL, *to = w->span[2 * (z * w->n[1] + y) + 1];
}

typedef struct {
    double n, a, aa, g[12], ag[12], M[144];
} reference_sums;

/* Sums of grey values, of the gradient and of their products: right-hand side and matrix of the normal equations. Unknown m =
 * 4 i + j: i = direction of the gradient (z, y, x), j = (x_z, x_y, x_x, 1). */
INLINE void sum_products(const window *w, int partial, reference_sums *r)
{
    static const int pi[6] = {0, 1, 2, 0, 0, 1}, pj[6] = {0, 1, 2, 1, 2, 2};
    double moments[6][10] = {{0}}; /* of g_i g_j: 1 x xx y xy yy z xz yz zz */
    memset(r, 0, sizeof *r);
    for (int z = 0; z < w->n[0]; z++) {
        const double zc = w->first[0] + z;
        vf m[6][6] = {{{0}}}, g1[3][3] = {{{0}}}, ag[3][3] = {{{0}}}, a1 = {0}, aa = {0}, count = {0};
        for (int y = 0; y < w->n[1]; y++) {
            const int64_t at = z * w->sz + y * w->sy;
            const vf yc = splat((float)(w->first[1] + y));
            int from, to;
            span_of(w, z, y, &from, &to);
            vf q[6][3] = {{{0}}}, rg[3][2] = {{{0}}}, rag[3][2] = {{{0}}}, xc = lanes() + (float)(w->first[2] + from);
            for (int x = from; x < to; x += VL, xc += splat(VL)) {
                vf a = load(w->a + at + x), g[3];
                for (int i = 0; i < 3; i++) g[i] = load(w->g[i] + at + x);
                if (partial) {
                    vf ok = load(w->ok + at + x);
                    a *= ok, count += ok;
                    for (int i = 0; i < 3; i++) g[i] *= ok;
                }
                a1 += a, aa += a * a;
                for (int i = 0; i < 3; i++) {
                    vf gx = g[i] * xc;
                    rg[i][0] += g[i], rg[i][1] += gx, rag[i][0] += a * g[i], rag[i][1] += a * gx;
                }
                for (int p = 0; p < 6; p++) {
                    vf gg = g[pi[p]] * g[pj[p]], ggx = gg * xc;
                    q[p][0] += gg, q[p][1] += ggx, q[p][2] += ggx * xc;
                }
            }
            for (int p = 0; p < 6; p++) {
                for (int k = 0; k < 3; k++) m[p][k] += q[p][k];
                m[p][3] += yc * q[p][0], m[p][4] += yc * q[p][1], m[p][5] += yc * yc * q[p][0];
            }
            for (int i = 0; i < 3; i++) {
                g1[i][0] += yc * rg[i][0], g1[i][1] += rg[i][1], g1[i][2] += rg[i][0];
                ag[i][0] += yc * rag[i][0], ag[i][1] += rag[i][1], ag[i][2] += rag[i][0];
            }
        }
        r->a += total(a1), r->aa += total(aa), r->n += total(count);
        for (int i = 0; i < 3; i++) {
            for (int k = 0; k < 3; k++) r->g[4 * i + 1 + k] += total(g1[i][k]), r->ag[4 * i + 1 + k] += total(ag[i][k]);
            r->g[4 * i] += zc * total(g1[i][2]), r->ag[4 * i] += zc * total(ag[i][2]);
        }
        for (int p = 0; p < 6; p++) {
            double t[6];
            for (int k = 0; k < 6; k++) moments[p][k] += t[k] = total(m[p][k]);
            moments[p][6] += zc * t[0], moments[p][7] += zc * t[1], moments[p][8] += zc * t[3];
            moments[p][9] += zc * zc * t[0];
        }
    }
    if (!partial) r->n = (double)w->n[0] * w->n[1] * w->n[2];
    static const int of[4][4] = {{9, 8, 7, 6}, {8, 5, 4, 3}, {7, 4, 2, 1}, {6, 3, 1, 0}}; /* moment of x_j x_q */
    for (int p = 0; p < 6; p++)
        for (int j = 0; j < 4; j++)
            for (int q = 0; q < 4; q++) {
                double v = moments[p][of[j][q]];
                r->M[(4 * pi[p] + j) * 12 + 4 * pj[p] + q] = v;
                r->M[(4 * pj[p] + q) * 12 + 4 * pi[p] + j] = v;
            }
}

#endif
