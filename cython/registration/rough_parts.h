/* Whether the parts of a window may have moved differently, at a tenth of the cost of saying so: gradients of grey values
 * taken as alike in all parts and at right angles to each other. */
#ifndef HPCDVC_ROUGH_PARTS_H
#define HPCDVC_ROUGH_PARTS_H

#include "job.h"

#define ALONG 4 /* parts along an axis */

INLINE int first_of_part(int part, int n) { return (part * n + ALONG - 1) / ALONG; }

/* Sum over the columns of parts of the residual by each gradient, squared, beside the squared gradient; rows [y[0], y[1])
 * of planes [z[0], z[1]). `ok_before` is free once the iterations have ended. */
INLINE double squares_of_row(const job *k, const int z[2], const int y[2], int partial, int is_3d)
{
    const window *w = &k->w;
    const vf gain = splat((float)k->state.gain), shift = splat((float)k->state.shift);
    float *by[3] = {w->ok_before, w->ok_before + w->sy, w->ok_before + 2 * w->sy};
    for (int x = 0; x < w->n[2]; x += VL) {
        vf s[3] = {{0}};
        for (int p = z[0]; p < z[1]; p++)
            for (int64_t at = p * w->sz + y[0] * w->sy + x; at < p * w->sz + y[1] * w->sy; at += w->sy) {
                vf r = load(w->a + at) - gain * load(w->b + at) - shift;
                if (partial) r *= load(w->ok + at);
                for (int i = is_3d ? 0 : 1; i < 3; i++) s[i] += r * load(w->g[i] + at);
            }
        for (int i = is_3d ? 0 : 1; i < 3; i++) store(by[i] + x, s[i]);
    }
    double squares = 0;
    for (int i = is_3d ? 0 : 1; i < 3; i++) {
        double of_gradient = 0;
        for (int column = 0; column < ALONG; column++) {
            const int last = first_of_part(column + 1, w->n[2]);
            float sum[2] = {0}; /* that none waits for the one before */
            int x = first_of_part(column, w->n[2]);
            for (; x + 1 < last; x += 2) sum[0] += by[i][x], sum[1] += by[i][x + 1];
            if (x < last) sum[0] += by[i][x];
            of_gradient += (sum[0] + sum[1]) * (sum[0] + sum[1]);
        }
        squares += of_gradient / k->ref.sums.M[13 * (4 * i + 3)];
    }
    return squares;
}

/* Mean square of what the parts miss beside what noise lets expect: 1 by noise. */
static double rough_ratio_of_parts(const job *k, int partial)
{
    const int d = k->is_3d ? 3 : 2, among = (k->is_3d ? ALONG : 1) * ALONG * ALONG;
    double squares = 0;
    for (int p = 0; p < (k->is_3d ? ALONG : 1); p++)
        for (int part = 0; part < ALONG; part++) {
            const int z[2] = {k->is_3d ? first_of_part(p, k->w.n[0]) : 0, k->is_3d ? first_of_part(p + 1, k->w.n[0]) : 1};
            const int y[2] = {first_of_part(part, k->w.n[1]), first_of_part(part + 1, k->w.n[1])};
            squares += partial ? squares_of_row(k, z, y, 1, k->is_3d) : k->is_3d ? squares_of_row(k, z, y, 0, 1) : squares_of_row(k, z, y, 0, 0);
        }
    return squares * among / (k->state.squares / k->ref.sums.n) / fmax(among * d - k->s->unknowns, 1);
}

#endif
