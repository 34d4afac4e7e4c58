/* What the residual says about noise: the choice of the gradient, and the variance of the result. */
#ifndef HPCDVC_NOISE_H
#define HPCDVC_NOISE_H

#include "reference.h"

/* Variance that interpolation leaves of unit white noise of im2, mean over the window. */
static double interpolated_noise(const job *k)
{
    const int n[3] = {k->w.n[0] > 1 ? 4 : 1, 4, 4};
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
                    gain *= (1 - t) * k->s->interpolation_noise[cell] + t * k->s->interpolation_noise[(cell + 1) & 15];
                }
                sum += gain;
            }
    return sum / (n[0] * n[1] * n[2]);
}

/* Noise variance of one image (in units of scale), from the residual: both images are taken to be equally noisy. */
static double noise_variance(const job *k)
{
    double degrees = k->r.n - k->s->unknowns - 2;
    return degrees > 0 ? k->squares / degrees / (1 + interpolated_noise(k)) : 0;
}

static double squared_gradient(const job *k)
{
    return k->r.M[39] + k->r.M[91] + k->r.M[143]; /* entries (3, 3), (7, 7), (11, 11) */
}

/* The error of Phi grows by 1/sqrt(efficiency) when g is not the true gradient. For g = true + white noise the
 * efficiency is (sum of true^2) / (sum of g^2); for a smoothed g also the squared correlation with the true one.
 * Switch to the smoothed gradient where that is better; returns 1 if switched. */
static int choose_gradient(job *k)
{
    if (k->smoothed) return 0; /* step_gain and the sums belong to the second gradient now */
    const hpcdvc_settings *s = k->s;
    const int axes = k->w.n[0] > 1 ? 3 : 2;
    const double noise = noise_variance(k) * k->r.n * axes, all = squared_gradient(k);
    const double true0 = all - noise * s->gradient.noise;
    k->step_gain = true0 > 0.05 * all ? all / true0 : 20;
    if (!s->adaptive || k->step_gain < 1.02) return 0;
    int Rz = axes == 3 ? s->smooth_gradient.derivative.radius : 0, R = s->smooth_gradient.derivative.radius;
    int n[3] = {k->w.n[0] + 2 * Rz, k->w.n[1] + 2 * R, k->w.n[2] + 2 * R};
    int64_t origin[3] = {k->corner[0] - Rz, k->corner[1] - R, k->corner[2] - R};
    if (read_box(k->im1, origin, n, k->offset1, k->scale, 1, &k->grey1, &k->valid1, &k->scratch) == -1
        || take_gradient(k, &s->smooth_gradient, k->smooth))
        return 0;
    double gs = 0, cross = 0;
    for (int i = 3 - axes; i < 3; i++) {
        clear_excluded(k, k->smooth[i]);
        for (int64_t v = 0; v < k->w.sz * k->w.n[0]; v++)
            gs += k->smooth[i][v] * k->smooth[i][v], cross += k->smooth[i][v] * k->w.g[i][v];
    }
    const double true_s = gs - noise * s->smooth_gradient.noise, true_cross = cross - noise * s->cross_noise;
    if (!(true_s > 0 && true_cross > 0)) return 0;
    const double efficiency_0 = 1 / k->step_gain;
    double alike = true0 > 0 ? true_cross * true_cross / (true0 * true_s) : 1;
    const double efficiency_s = (alike < 1 ? alike : 1) * true_s / gs;
    if (efficiency_s <= efficiency_0) return 0;
    for (int i = 0; i < 3; i++) {
        float *g = k->w.g[i];
        k->w.g[i] = k->smooth[i], k->smooth[i] = g;
    }
    k->smoothed = k->stale = 1;
    k->step_gain = gs / true_cross;
    return 1;
}

/* Variances of the entries of Phi: inverse normal matrix, noise of both images, length of the gradient. */
static void variances(const job *k, double variance[12])
{
    const double scatter = 2 * noise_variance(k) * k->step_gain * k->step_gain;
    for (int i = 0; i < 12; i++) variance[i] = scatter * cholesky_form(k->f.L, k->s->unknowns, k->f.scale, k->s->basis + 12 * i);
}

#endif
