/* What the residual says about noise: the choice of the gradient, and the variance of the result. */
#ifndef HPCDVC_NOISE_H
#define HPCDVC_NOISE_H

#include "colour.h"
#include "reference.h"
#include "warp.h"

#define BURIED 0.05     /* part of the squared gradient that must be more than noise */
#define NOISY 0.04      /* part of it that is noise, from which a smoother one may be better ... */
#define DISTURBED 0.02  /* ... if the residual is white; else from here */
#define ALIKE 0.15      /* correlation of neighbours in the residual, more than interpolation makes of white noise */
#define INTERPOLATION_ERROR 1e-4 /* of a spline beside the texture, both squared */
#define BETTER 1.04     /* a gradient that is more efficient by this is taken */

/* Variance that interpolation leaves of unit white noise of im2, mean over the window. `table`: at 16 fractions. */
static double interpolated_noise(const job *k, const double table[16])
{
    const int n[3] = {k->is_3d ? 4 : 1, 4, 4};
    double sum = 0;
    for (int z = 0; z < n[0]; z++)
        for (int y = 0; y < n[1]; y++)
            for (int x = 0; x < n[2]; x++) {
                const double at[3] = {k->w.first[0] + (n[0] > 1 ? z * (k->w.n[0] - 1) / 3 : 0),
                                      k->w.first[1] + y * (k->w.n[1] - 1) / 3,
                                      k->w.first[2] + x * (k->w.n[2] - 1) / 3};
                double gain = 1;
                for (int i = n[0] > 1 ? 0 : 1; i < 3; i++) {
                    const double *F = k->state.Phi + 4 * i;
                    double p = F[3] + F[0] * at[0] + F[1] * at[1] + F[2] * at[2] - k->w.first[i], t = (p - floor(p)) * 16;
                    int cell = (int)t & 15;
                    t -= floor(t);
                    gain *= (1 - t) * table[cell] + t * table[(cell + 1) & 15];
                }
                sum += gain;
            }
    return sum / (n[0] * n[1] * n[2]);
}

/* Mean square of the residual of every ninth row, interpolated as Keys does: the grey values of im2 are there, and
 * unlike the trilinear residual it is nearly free of interpolation error. */
static double keys_residual(job *k)
{
    const int is_3d = k->is_3d, edge = 2, last = k->w.n[2] - edge;
    const double slope[3] = {k->state.Phi[2], k->state.Phi[6], k->state.Phi[10]};
    double sum = 0, squares = 0, n = 0;
    for (int z = is_3d ? edge : 0; z < k->w.n[0] - edge * is_3d; z += 3)
        for (int y = edge; y < k->w.n[1] - edge; y += 3) {
            const float *a = k->w.a + z * k->w.sz + y * k->w.sy;
            float *b = k->w.ok; /* free in a whole window */
            double p[3];
            row_start(k, z, y, p);
            for (int i = 0; i < 3; i++) p[i] -= k->target.coefficients.origin[i];
            if (is_3d) sample_row(&k->target.coefficients, p, slope, edge, last, KEYS, 1, 1, b);
            else sample_row(&k->target.coefficients, p, slope, edge, last, KEYS, 0, 1, b);
            float row_sum = 0, row_squares = 0;
            for (int x = edge; x < last; x++) b[x] = a[x] - (float)k->state.gain * b[x] - (float)k->state.shift;
            for (int x = edge; x < last; x++) row_sum += b[x], row_squares += b[x] * b[x];
            sum += row_sum, squares += row_squares, n += last - edge;
        }
    return n > 1 ? (squares - sum * sum / n) / (n - 1) : 0;
}

/* The part of the residual that one image has brought in, if both are equally noisy. */
static double residual_variance(const job *k)
{
    const double degrees = k->ref.sums.n - k->s->unknowns - 2;
    return degrees > 0 ? k->state.squares / degrees / (1 + interpolated_noise(k, k->target.spline->noise)) : 0;
}

/* 1 where the residual may be the error of interpolation, which follows the texture; near 0 where it is larger. */
static double cleanness(const job *k)
{
    return fmin(1, INTERPOLATION_ERROR / (k->state.squares / k->ref.sums.n)); /* the texture of im1 has unit variance */
}

/* What rounding to whole grey values adds to the residual of both images, a twelfth of a grey value squared each. */
static double rounding_noise(const job *k)
{
    const double unit = k->ref.scale * k->ref.scale / 12, b = k->state.gain * k->target.contrast_loss;
    return unit * (k->im1->type < TYPE_F4) + unit * b * b * (k->im2->type < TYPE_F4);
}

/* Noise variance of one image, in units of scale. */
static double noise_variance(job *k, int partial)
{
    const double degrees = k->ref.sums.n - k->s->unknowns - 2;
    if (k->target.spline->taps > 2 || partial || degrees <= 0 || k->w.n[1] <= 4 || k->w.n[2] <= 4) return residual_variance(k);
    return keys_residual(k) * k->ref.sums.n / degrees / (1 + interpolated_noise(k, k->s->keys_noise));
}

/* The smoothed gradient of the window, from im1 read anew, into `second`. Returns 1 if memory ran out. */
static int take_smooth_gradient(job *k)
{
    const int R = filter_radius(&k->s->smooth_gradient), Rz = k->is_3d ? R : 0;
    const int n[3] = {k->w.n[0] + 2 * Rz, k->w.n[1] + 2 * R, k->w.n[2] + 2 * R};
    const int64_t origin[3] = {k->ref.corner[0] - Rz, k->ref.corner[1] - R, k->ref.corner[2] - R};
    if (read_box(k->im1, origin, n, k->ref.offset, k->ref.scale, &k->ref.grey, &k->ref.valid, &k->scratch) == -1) return 1;
    replace_outliers(k->search.list, k->im1, k->ref.offset, k->ref.scale, &k->ref.grey);
    if (take_gradient(k, &k->s->smooth_gradient, k->ref.second)) return 1;
    for (int i = 0; i < 3; i++) clear_excluded(k, k->ref.second[i]);
    return 0;
}

/* What noise does to a gradient g = true + noise: all = sum of g.g, along = sum of g.true gradient. Steps are short
 * by all / along. In the variance of Phi the noise in g counts half: multiplied with the noise of im1 that it is made
 * of it sums to nothing, as the filters are odd; multiplied with the noise of im2 it remains. */
static void judge_gradient(job *k, double all, double along, double noise_in_g)
{
    k->state.step_gain = all / along;
    k->state.noise_excess = 1 - 0.5 * fmin(noise_in_g / all, 1);
}

/* Whether the residual of a whole window may be white noise. */
static int is_white(job *k)
{
    take_residual_of(k, 0, k->w.a, NULL);
    if (neighbours_alike(k) < ALIKE) return 1; /* saves the lags */
    return chance_square(k, k->w.g, 2) < WHITE * white_square(k, k->w.g);
}

/* The variance of Phi is 1 / efficiency of what the true gradient would give:
 * efficiency = (sum of g.true)^2 / (sum of true^2) / (sum of g^2, noise counted half).
 * Where the residual of a whole window is not white, sums of g and residual by chance stand for the last sum; not with
 * trilinear interpolation, whose error is in the residual.
 * Takes the smoothed gradient where that is clearly better; returns 1 if so. A gradient that is nearly all noise says
 * nothing of its length: steps stay as they are. */
static int choose_gradient(job *k, int partial)
{
    const hpcdvc_settings *s = k->s;
    if (k->ref.smoothed || k->ref.refused) return 0;
    const double noise = k->state.noise * k->ref.counted * (k->is_3d ? 3 : 2);
    const double *M = k->ref.sums.M, all = (M[39] + M[91] + M[143]) * k->ref.counted / k->ref.sums.n; /* dot(g, g), whole window */
    const double noise_in_g = noise * s->gradient.noise;
    const double along = s->calibrate ? k->ref.length_ratio * all - noise * s->noise_with_true : all - noise_in_g;
    k->state.buried = !(all - noise_in_g > BURIED * all) || !(along > BURIED * all);
    const double length_ratio = k->state.buried ? k->ref.length_ratio : along / (all - noise_in_g); /* true gradient / noise-free g */
    if (!k->state.buried) judge_gradient(k, all, along, noise_in_g);
    if (!s->adaptive || noise_in_g < DISTURBED * all) return 0;
    const int white = partial || k->target.spline->taps == 2 || is_white(k);
    if (white && noise_in_g < NOISY * all) return 0;
    k->state.no_memory = take_smooth_gradient(k);
    if (k->state.no_memory) return 0;
    const double gs = dot(k, k->ref.second, k->ref.second, 1), noise_in_s = noise * s->smooth_gradient.noise;
    const double along_s = length_ratio * (dot(k, k->ref.second, k->w.g, 1) - noise * s->noise_with_smooth);
    if (!(along_s > BURIED * gs) || !(gs - noise_in_s > BURIED * gs)) return 0;
    const double scatter = white ? all * k->state.noise_excess : chance_square(k, k->w.g, 3);
    const double scatter_s = white ? gs - 0.5 * noise_in_s : chance_square(k, k->ref.second, 3);
    const int better = along_s * along_s / scatter_s >= BETTER * along * along / scatter;
    k->ref.refused = !white && !better;
    if (!better && !(white && k->state.buried)) return 0;
    judge_gradient(k, gs, along_s, noise_in_s);
    for (int i = 0; i < 3; i++) {
        float *g = k->w.g[i];
        k->w.g[i] = k->ref.second[i], k->ref.second[i] = g;
    }
    k->ref.smoothed = k->ref.stale = 1, k->state.buried = 0;
    return 1;
}

/* What the inverse normal matrix is multiplied with: noise of both images, length of the gradient. What trilinear
 * interpolation takes from the texture it takes from the noise of im2 where it matters, too. */
static double scatter_of(const job *k)
{
    const double both = fmax(k->state.noise * (1 + k->target.contrast_loss * k->target.contrast_loss), rounding_noise(k));
    return both * k->state.step_gain * k->state.step_gain * k->state.noise_excess;
}

/* Variances of the entries of Phi. */
static void variances(const job *k, double variance[12])
{
    const double scatter = scatter_of(k);
    for (int i = 0; i < 12; i++)
        variance[i] = scatter * cholesky_form(k->ref.factor.L, k->s->unknowns, k->ref.factor.scale, k->s->basis + 12 * i) + scatter * k->state.shading[i];
}

#endif
