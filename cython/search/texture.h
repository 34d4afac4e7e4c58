/* How much texture a window has, and how many of its voxels tell something of their own. */
#ifndef HPCDVC_SEARCH_TEXTURE_H
#define HPCDVC_SEARCH_TEXTURE_H

#include "grey.h"
#include "search.h"

#define LAGS 2
#define ROUNDS 2 /* of the correction for the mean */

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
static void rough_powers(const float *v, int64_t size, double *squares, double *fourth)
{
    enum { BLOCK = 64 * VL };
    double b = 0, c = 0;
    for (int64_t from = 0; from < size; from += BLOCK) {
        const int64_t to = from + BLOCK < size ? from + BLOCK : size;
        vf ss = {0}, ssss = {0};
        int64_t i = from;
        for (; i + VL <= to; i += VL) {
            const vf xx = load(v + i) * load(v + i);
            ss += xx, ssss += xx * xx;
        }
        b += total(ss), c += total(ssss);
        for (; i < to; i++) b += v[i] * v[i], c += v[i] * v[i] * v[i] * v[i];
    }
    *squares = b, *fourth = c;
}

/* Adds products of deviations `lag` voxels apart along an axis, and the number of pairs. */
static void sum_products(const float *d, const float *ok, const int n[3], int axis, int lag, double *products, double *pairs)
{
    const int64_t step = lag * (axis == 0 ? (int64_t)n[1] * n[2] : axis == 1 ? n[2] : 1);
    const int end[3] = {n[0] - (axis == 0) * lag, n[1] - (axis == 1) * lag, n[2] - (axis == 2) * lag};
    for (int z = 0; z < end[0]; z++)
        for (int y = 0; y < end[1]; y++) {
            const int64_t at = ((int64_t)z * n[1] + y) * n[2];
            const float *p = d + at, *q = ok + at;
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

/* From the autocorrelation one and two voxels apart: noise is white, texture has q exp(-r^2 / 2 s^2). */
static void fit_texture(const double rho[LAGS + 1], double dimensions, hpcdvc_search_window *w)
{
    w->alike = w->quiet = 1;
    if (!(rho[1] > 0.02)) return;
    const double s2 = rho[2] > 0 && rho[2] < 0.999 * rho[1] ? 1.5 / log(rho[1] / rho[2]) : rho[2] > 0 ? 1e4 : 0.25;
    const double q = fmin(rho[1] * exp(0.5 / s2), 1);
    w->alike = fmin(fmax(pow(M_PI * s2, dimensions / 2), 1), w->count);
    w->quiet = sqrt(q * q + (1 - q * q) / w->alike);
}

/* How many voxels say the same. Correlations of unrelated textures scatter as those of count / alike independent values,
 * and noise lowers them. The mean of a window takes a part of the texture with it, alike / count of the variance, the
 * more the smaller the window: what is left looks finer than it is. */
static void look_at_texture(const float *a, const float *ok, const int n[3], hpcdvc_search_window *w)
{
    double at[LAGS + 1] = {0}, pairs[LAGS + 1] = {0}, dimensions = 0;
    const double mean = w->sum / w->count, variance = w->squares / w->count - mean * mean;
    for (int axis = 0; axis < 3; axis++) {
        if (n[axis] == 1) continue;
        dimensions++;
        for (int lag = 1; lag <= LAGS; lag++) sum_products(a, ok, n, axis, lag, at + lag, pairs + lag);
    }
    double rho[LAGS + 1] = {1, 0, 0};
    for (int lag = 1; lag <= LAGS; lag++)
        rho[lag] = pairs[lag] > 0 ? (at[lag] / pairs[lag] - mean * mean) / variance : 0;
    fit_texture(rho, dimensions, w);
    for (int round = 0; round < ROUNDS; round++) {
        const double lost = fmin(w->alike / w->count, 0.9);
        const double whole[LAGS + 1] = {1, rho[1] * (1 - lost) + lost, rho[2] * (1 - lost) + lost};
        fit_texture(whole, dimensions, w);
    }
    /* grey values of a texture that is alike all over the window have three times their squared variance as fourth moment */
    w->textured = fmin(3 * w->squares * w->squares / (w->count * w->fourth), 1);
}

#endif
