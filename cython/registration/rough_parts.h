/* Whether the parts of a window may have moved differently, at a tenth of the cost of saying so: in a volume gradients of
 * grey values are taken to be at right angles to each other. */
#ifndef HPCDVC_ROUGH_PARTS_H
#define HPCDVC_ROUGH_PARTS_H

#include "job.h"

#define PARTS (ALONG * ALONG * ALONG)

INLINE int first_of_part(int part, int n) { return (part * n + ALONG - 1) / ALONG; }

INLINE float sum_of_columns(const float *of, int from, int to)
{
    float sum[2] = {0}; /* that none waits for the one before */
    for (; from + 1 < to; from += 2) sum[0] += of[from], sum[1] += of[from + 1];
    return from < to ? sum[0] + sum[1] + of[from] : sum[0] + sum[1];
}

/* Squares of the residual that the parts in rows [y[0], y[1]) of planes [z[0], z[1]) miss. */
INLINE double squares_of_row(const job *k, const int z[2], const int y[2], int partial, int is_3d)
{
    const window *w = &k->w;
    const int first = is_3d ? 0 : 1;
    const vf gain = splat((float)k->state.gain), shift = splat((float)k->state.shift);
    float *by = w->ok_before, *of_g = k->residual; /* three padded rows each; free once the iterations have ended */
    for (int x = 0; x < w->n[2]; x += VL) {
        vf s[3] = {{0}}, gg[3] = {{0}};
        for (int p = z[0]; p < z[1]; p++)
            for (int64_t at = p * w->sz + y[0] * w->sy + x; at < p * w->sz + y[1] * w->sy; at += w->sy) {
                vf r = load(w->a + at) - gain * load(w->b + at) - shift;
                if (partial) r *= load(w->ok + at);
                for (int i = first; i < 3; i++) {
                    const vf g = load(w->g[i] + at);
                    s[i] += r * g, gg[i] += g * g;
                }
                if (!is_3d) gg[0] += load(w->g[1] + at) * load(w->g[2] + at);
            }
        for (int i = 0; i < 3; i++) store(by + i * w->sy + x, s[i]), store(of_g + i * w->sy + x, gg[i]);
    }
    double squares = 0;
    for (int column = 0; column < ALONG; column++) {
        const int from = first_of_part(column, w->n[2]), to = first_of_part(column + 1, w->n[2]);
        double sum[3], G[3];
        for (int i = 0; i < 3; i++) {
            sum[i] = sum_of_columns(by + i * w->sy, from, to), G[i] = sum_of_columns(of_g + i * w->sy, from, to);
            if (i >= first) G[i] += 1e-3 * k->ref.sums.M[13 * (4 * i + 3)] / PARTS; /* a part may have hardly any texture */
        }
        if (is_3d) squares += sum[0] * sum[0] / G[0] + sum[1] * sum[1] / G[1] + sum[2] * sum[2] / G[2];
        else squares += (sum[1] * sum[1] * G[2] - 2 * sum[1] * sum[2] * G[0] + sum[2] * sum[2] * G[1]) / (G[1] * G[2] - G[0] * G[0]);
    }
    return squares;
}

/* Mean square of what the parts miss beside what noise lets expect: 1 by noise. */
static double rough_ratio_of_parts(const job *k, int partial)
{
    const int d = k->is_3d ? 3 : 2, among = k->ref.parts;
    double squares = 0;
    for (int p = 0; p < (k->is_3d ? ALONG : 1); p++)
        for (int part = 0; part < ALONG; part++) {
            const int z[2] = {k->is_3d ? first_of_part(p, k->w.n[0]) : 0, k->is_3d ? first_of_part(p + 1, k->w.n[0]) : 1};
            const int y[2] = {first_of_part(part, k->w.n[1]), first_of_part(part + 1, k->w.n[1])};
            if (partial) squares += squares_of_row(k, z, y, 1, k->is_3d);
            else if (k->is_3d) squares += squares_of_row(k, z, y, 0, 1);
            else squares += squares_of_row(k, z, y, 0, 0);
        }
    return squares / (k->state.squares / k->ref.sums.n) / fmax(among * d - k->s->unknowns, 1);
}

#endif
