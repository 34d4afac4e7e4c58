/* What the residual says about noise: the choice of the gradient, and the variance of the result. */
#ifndef HPCDVC_NOISE_H
#define HPCDVC_NOISE_H

#include "reference.h"
#include "warp.h"

/* Variance that interpolation leaves of unit white noise of im2, mean over the window. `table`: at 16 fractions. */
static double interpolated_noise(const job *k, const double table[16])
{
    const int n[3] = {k->thick ? 4 : 1, 4, 4};
    double sum = 0;
    for (int z = 0; z < n[0]; z++)
        for (int y = 0; y < n[1]; y++)
            for (int x = 0; x < n[2]; x++) {
                const double at[3] = {k->w.first[0] + (n[0] > 1 ? z * (k->w.n[0] - 1) / 3 : 0),
                                      k->w.first[1] + y * (k->w.n[1] - 1) / 3,
                                      k->w.first[2] + x * (k->w.n[2] - 1) / 3};
                double gain = 1;
                for (int i = n[0] > 1 ? 0 : 1; i < 3; i++) {
                    const double *F = k->Phi + 4 * i;
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
    const int thick = k->thick, edge = 2, last = k->w.n[2] - edge;
    const double slope[3] = {k->Phi[2], k->Phi[6], k->Phi[10]};
    double sum = 0, squares = 0, n = 0;
    for (int z = thick ? edge : 0; z < k->w.n[0] - edge * thick; z += 3)
        for (int y = edge; y < k->w.n[1] - edge; y += 3) {
            const float *a = k->w.a + z * k->w.sz + y * k->w.sy;
            float *b = k->w.ok; /* free in a whole window */
            double p[3];
            row_start(k, z, y, p);
            for (int i = 0; i < 3; i++) p[i] -= k->coefficients.origin[i];
            if (thick) sample_row(&k->coefficients, p, slope, edge, last, KEYS, 1, 1, b);
            else sample_row(&k->coefficients, p, slope, edge, last, KEYS, 0, 1, b);
            float row_sum = 0, row_squares = 0;
            for (int x = edge; x < last; x++) b[x] = a[x] - (float)k->gain * b[x] - (float)k->shift;
            for (int x = edge; x < last; x++) row_sum += b[x], row_squares += b[x] * b[x];
            sum += row_sum, squares += row_squares, n += last - edge;
        }
    return n > 1 ? (squares - sum * sum / n) / (n - 1) : 0;
}

/* The part of the residual that one image has brought in, if both are equally noisy. */
static double residual_variance(const job *k)
{
    const double degrees = k->r.n - k->s->unknowns - 2;
    return degrees > 0 ? k->squares / degrees / (1 + interpolated_noise(k, k->spline->noise)) : 0;
}

/* Noise variance of one image, in units of scale. */
static double noise_variance(job *k, int partial)
{
    const double degrees = k->r.n - k->s->unknowns - 2;
    if (k->spline->taps > 2 || partial || degrees <= 0 || k->w.n[1] <= 4 || k->w.n[2] <= 4) return residual_variance(k);
    return keys_residual(k) * k->r.n / degrees / (1 + interpolated_noise(k, k->s->keys_noise));
}

/* The smoothed gradient of the window, from im1 read anew, into `second`. Returns 1 if memory ran out. */
static int take_smooth_gradient(job *k)
{
    const int R = filter_radius(&k->s->smooth_gradient), Rz = k->thick ? R : 0;
    const int n[3] = {k->w.n[0] + 2 * Rz, k->w.n[1] + 2 * R, k->w.n[2] + 2 * R};
    const int64_t origin[3] = {k->corner[0] - Rz, k->corner[1] - R, k->corner[2] - R};
    if (read_box(k->im1, origin, n, k->offset1, k->scale, &k->grey1, &k->valid1, &k->scratch) == -1
        || take_gradient(k, &k->s->smooth_gradient, k->second))
        return 1;
    for (int i = 0; i < 3; i++) clear_excluded(k, k->second[i]);
    return 0;
}

/* What noise does to a gradient g = true + noise: all = sum of g.g, along = sum of g.true gradient. Steps are short
 * by all / along. In the variance of Phi the noise in g counts half: multiplied with the noise of im1 that it is made
 * of it sums to nothing, as the filters are odd; multiplied with the noise of im2 it remains. */
static void judge_gradient(job *k, double all, double along, double noise_in_g)
{
    k->step_gain = along > 0.05 * all ? all / along : 20;
    k->noise_excess = 1 - 0.5 * fmin(noise_in_g / all, 1);
}

/* The variance of Phi is 1 / efficiency of what the true gradient would give:
 * efficiency = (sum of g.true)^2 / (sum of true^2) / (sum of g^2, noise counted half).
 * Takes the smoothed gradient where that is clearly better; returns 1 if so. */
static int choose_gradient(job *k)
{
    const hpcdvc_settings *s = k->s;
    if (k->smoothed) return 0;
    const double noise = k->noise * k->valid_in_im1 * (k->thick ? 3 : 2);
    const double *M = k->r.M, all = (M[39] + M[91] + M[143]) * k->valid_in_im1 / k->r.n; /* dot(g, g), whole window */
    const double noise_in_g = noise * s->gradient.noise;
    const double along = s->calibrate ? k->longer * all - noise * s->noise_with_true : all - noise_in_g;
    const double longer = along / fmax(all - noise_in_g, 1e-30); /* true gradient / noise-free g */
    judge_gradient(k, all, along, noise_in_g);
    if (!s->adaptive || noise_in_g < 0.04 * all) return 0;
    k->no_memory = take_smooth_gradient(k);
    if (k->no_memory) return 0;
    const double gs = dot(k, k->second, k->second, 1), noise_in_s = noise * s->smooth_gradient.noise;
    const double along_s = longer * (dot(k, k->second, k->w.g, 1) - noise * s->noise_with_smooth);
    if (!(along_s > 0)) return 0;
    if (along_s * along_s / (gs - 0.5 * noise_in_s) < 1.04 * along * along / (all * k->noise_excess)) return 0;
    judge_gradient(k, gs, along_s, noise_in_s);
    for (int i = 0; i < 3; i++) {
        float *g = k->w.g[i];
        k->w.g[i] = k->second[i], k->second[i] = g;
    }
    k->smoothed = k->stale = 1;
    return 1;
}

/* Variances of the entries of Phi: inverse normal matrix, noise of both images, length of the gradient. What trilinear
 * interpolation takes from the texture it takes from the noise of im2 where it matters, too. */
static void variances(const job *k, double variance[12])
{
    const double both = k->noise * (1 + k->contrast_loss * k->contrast_loss);
    const double scatter = both * k->step_gain * k->step_gain * k->noise_excess;
    for (int i = 0; i < 12; i++)
        variance[i] = scatter * cholesky_form(k->f.L, k->s->unknowns, k->f.scale, k->s->basis + 12 * i);
}

#endif
