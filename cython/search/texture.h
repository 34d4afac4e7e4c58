/* How much texture a window has, and how many of its voxels tell something of their own. */
#ifndef HPCDVC_SEARCH_TEXTURE_H
#define HPCDVC_SEARCH_TEXTURE_H

#include "grey.h"
#include "search.h"

#define LAGS 2
#define ROUNDS 2  /* of the correction for the mean */
#define PLANES 24 /* no more are looked at */

/* Whether the squares about the mean are more than rounding leaves; level: what was subtracted, in units of the scale. */
INLINE int has_texture(double n, double sum, double squares, double level)
{
    const double variance = squares - sum * sum / n;
    return variance > LEAST_VARIANCE * squares && variance > n * (ROUNDING * level * level + SMALLEST_SQUARE);
}

/* Sums of the first, second and fourth powers. */
static void sum_powers(const float *v, int64_t size, double *sum, double *squares, double *fourth)
{
    vd s = {0}, ss = {0}, ssss = {0};
    int64_t i = 0;
    for (; i + VL <= size; i += VL) {
        const vd x = WIDE(load(v + i)), xx = x * x;
        s += x, ss += xx, ssss += xx * xx;
    }
    double a = total_wide(s), b = total_wide(ss), c = total_wide(ssss);
    for (; i < size; i++) {
        const double x = v[i], xx = x * x;
        a += x, b += xx, c += xx * xx;
    }
    *sum = a, *squares = b, *fourth = c;
}

/* Nearly those of a region, whose norms only say what sums may err by. */
static void rough_powers(const float *v, int64_t size, double *sum, double *squares, double *fourth)
{
    enum { BLOCK = 64 * VL };
    double a = 0, b = 0, c = 0;
    for (int64_t from = 0; from < size; from += BLOCK) {
        const int64_t to = from + BLOCK < size ? from + BLOCK : size;
        vf s = {0}, ss = {0}, ssss = {0};
        int64_t i = from;
        for (; i + VL <= to; i += VL) {
            const vf x = load(v + i), xx = x * x;
            s += x, ss += xx, ssss += xx * xx;
        }
        a += total(s), b += total(ss), c += total(ssss);
        for (; i < to; i++) a += v[i], b += v[i] * v[i], c += v[i] * v[i] * v[i] * v[i];
    }
    *sum = a, *squares = b, *fourth = c;
}

/* Adds products of values `lag` voxels apart along an axis, and the number of pairs. */
static void sum_products(const float *v, const float *ok, const int n[3], int axis, int lag, int skip, double *products,
                         double *pairs)
{
    const int64_t step = lag * (axis == 0 ? (int64_t)n[1] * n[2] : axis == 1 ? n[2] : 1);
    const int end[3] = {n[0] - (axis == 0) * lag, n[1] - (axis == 1) * lag, n[2] - (axis == 2) * lag};
    for (int z = 0; z < end[0]; z += skip)
        for (int y = 0; y < end[1]; y++) {
            const int64_t at = ((int64_t)z * n[1] + y) * n[2];
            const float *p = v + at, *q = ok + at;
            vf sum = {0}, count = {0};
            float rest = 0, counted = 0;
            int x = 0;
            for (; x + VL <= end[2]; x += VL) {
                sum += load(p + x) * load(p + x + step), count += load(q + x) * load(q + x + step);
            }
            for (; x < end[2]; x++) rest += p[x] * p[x + step], counted += q[x] * q[x + step];
            *products += total(sum) + rest, *pairs += total(count) + counted;
        }
}

/* What the autocorrelation of a part of an image tells. */
typedef struct {
    double alike; /* voxels that one independent grey value stands for */
    double quiet; /* what noise leaves of the correlation of unrelated textures */
} texture_look;

/* Mean products of values that lie 0, 1 and 2 voxels apart along an axis; of every skip-th plane. */
static void mean_products(const float *v, const float *ok, const int n[3], int skip, double mean[LAGS + 1])
{
    for (int lag = 0; lag <= LAGS; lag++) {
        double products = 0, pairs = 0;
        for (int axis = lag ? 0 : 2; axis < 3; axis++) sum_products(v, ok, n, axis, lag, skip, &products, &pairs);
        mean[lag] = pairs > 0 ? products / pairs : 0;
    }
}

/* From the autocorrelation one and two voxels apart: noise is white, texture has q exp(-r^2 / 2 s^2). */
static texture_look fit_texture(const double rho[LAGS + 1], double dimensions, double count)
{
    texture_look look = {1, 1};
    if (!(rho[1] > 0.02)) return look;
    const double s2 = rho[2] > 0 && rho[2] < 0.999 * rho[1] ? 1.5 / log(rho[1] / rho[2]) : rho[2] > 0 ? 1e4 : 0.25;
    const double q = fmin(rho[1] * exp(0.5 / s2), 1);
    look.alike = fmin(fmax(pow(M_PI * s2, dimensions / 2), 1), count);
    look.quiet = sqrt(q * q + (1 - q * q) / look.alike);
    return look;
}

/* How many voxels say the same. Correlations of unrelated textures scatter as those of count / alike independent values,
 * and noise lowers them. The mean of a window takes a part of the texture with it, alike / count of the variance, the
 * more the smaller the window: what is left looks finer than it is. */
static texture_look look_at_texture(const float *v, const float *ok, const int n[3], double count, double mean)
{
    texture_look look = {1, 1};
    double at[LAGS + 1];
    mean_products(v, ok, n, 1 + n[0] / PLANES, at);
    const double variance = at[0] - mean * mean, dimensions = (n[0] > 1) + (n[1] > 1) + (n[2] > 1);
    if (!(variance > 0)) return look;
    double rho[LAGS + 1] = {1, 0, 0};
    for (int lag = 1; lag <= LAGS; lag++) rho[lag] = (at[lag] - mean * mean) / variance;
    look = fit_texture(rho, dimensions, count);
    for (int round = 0; round < ROUNDS; round++) {
        const double lost = fmin(look.alike / count, 0.9);
        const double whole[LAGS + 1] = {1, rho[1] * (1 - lost) + lost, rho[2] * (1 - lost) + lost};
        look = fit_texture(whole, dimensions, count);
    }
    return look;
}

#endif
