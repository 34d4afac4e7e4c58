/* How well im1 and the warped im2 match. */
#ifndef HPCDVC_MATCH_H
#define HPCDVC_MATCH_H

#include "job.h"

#define SMALLEST_SQUARE 1e-30 /* float32 sums of smaller ones lose digits */

/* Whether the sum of squares of im2 about its mean is more than rounding leaves; the grey values of im1 do not matter. */
static int has_texture(const job *k, double squares)
{
    const double n = k->ref.sums.n, level = k->target.offset * k->ref.scale;
    return squares > k->s->least_variance * k->state.sums.bb && squares > n * (ROUNDING * level * level + SMALLEST_SQUARE);
}

/* Residual, correlation and the right-hand side of the normal equations. Returns a status. */
static int evaluate(job *k, double A[12])
{
    sum_match(&k->w, &k->state.sums);
    const reference_sums *r = &k->ref.sums;
    const match_sums *m = &k->state.sums;
    const double mean_a = r->a / r->n, mean_b = m->b / r->n;
    const double aa = r->aa - r->n * mean_a * mean_a, bb = m->bb - r->n * mean_b * mean_b;
    const double ab = m->ab - r->n * mean_a * mean_b;
    if (!(aa > k->s->least_variance * r->aa) || !has_texture(k, bb)) return SINGULAR;
    k->state.zncc = ab / sqrt(aa * bb);
    double gain = 1, shift_a = mean_a, shift_b = mean_b;
    if (k->s->znssd) {
        if (k->target.contrast_due) {
            const double n = k->w.span ? voxels_of_planes(&k->w, CONTRAST_SKIP)
                                       : r->n * ((k->w.n[0] + CONTRAST_SKIP - 1) / CONTRAST_SKIP) / k->w.n[0];
            const double sum = sum_of_planes(&k->w, CONTRAST_SKIP, 1), of_mean = sum * sum / n;
            k->target.contrast_loss = sqrt(fmin((sum_of_planes(&k->w, CONTRAST_SKIP, 2) - of_mean) / (k->target.interpolated_squares - of_mean), 1));
            if (!(k->target.contrast_loss > k->s->least_contrast)) k->target.contrast_loss = 1; /* hardly any texture in these planes */
            k->target.contrast_due = 0;
        }
        gain = sqrt(aa / bb) * k->target.contrast_loss;
        k->state.squares = aa + gain * gain * bb - 2 * gain * ab;
    } else {
        shift_a = 0, shift_b = (k->ref.offset - k->target.offset) * k->ref.scale;
        const double d = mean_a - mean_b + shift_b;
        k->state.squares = aa + bb - 2 * ab + r->n * d * d;
    }
    k->state.gain = gain, k->state.shift = shift_a - gain * shift_b;
    for (int i = 0; i < 12; i++) A[i] = r->ag[i] - shift_a * r->g[i] - gain * (m->bg[i] - shift_b * r->g[i]);
    if (k->state.squares < 0) k->state.squares = 0;
    return NOT_EVALUATED;
}

#endif
