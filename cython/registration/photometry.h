/* Grey values that change across the window: shading.
 *
 * Gain and offset are eliminated in every window. Where the residual says that they are not the same all over it, their slopes are
 * sought together with the motion, in one Gauss-Newton step with the terms x_i and x_i m, m the mean of both images (noise
 * of both, equally strong, in m gives nothing to its product with the residual). What is found is taken out of im1, and
 * the iterations go on. */
#ifndef HPCDVC_PHOTOMETRY_H
#define HPCDVC_PHOTOMETRY_H

#include "chance.h"

#define SLOPES 8                /* unknowns: offset, gain; their slopes along z, y, x */
#define PRODUCTS 11             /* 1, m, m^2; gradient; gradient times m; residual r, r m */
#define SUSPICIOUS_SHADING 4.0  /* F that is worth a closer look; of white noise 1 +- 0.6 ... */
#define CLEAN_SHADING 16.0      /* ... and so much more in a window without noise */
#define NO_SHADING 1e-5         /* residual beside the texture, both squared, that interpolation and rounding leave */
#define SURE_SHADING 2.0        /* F of shading that is none */
#define MOST_SHADING 2          /* times that it is taken out */

typedef double shading_moments[PRODUCTS][3][3][3]; /* [product][power of z][of y][of x]; lengths in half windows */

/* Whether the windows would hardly correlate like that if they had nothing to do with each other: slopes raise the
 * correlation of any. */
static int is_match(job *k, int partial)
{
    residual_look look;
    look_at_residual(k, partial, &look);
    if (partial) memcpy(k->w.ok_before, k->w.ok, k->w.sz * k->w.n[0] * sizeof(float)); /* where planes were looked at */
    const residual_parts parts = interpret(k, &look);
    return better_than_chance(k, &parts);
}

/* F of the slopes as a few planes, or rows of an image, show it, gradients of grey values taken to be at right angles to them. */
static double rough_shading(const job *k, const float *counts)
{
    const window *w = &k->w;
    const int skip = k->is_3d ? 3 : 1, skip_rows = k->is_3d ? 1 : 2;
    const double squared = k->state.squares / k->ref.sums.n;
    double slope[3][2] = {{0}}, voxels = 0, sum_f = 0;
    for (int z = skip / 2; z < w->n[0]; z += skip) {
        vf plane[3][2] = {{{0}}};
        for (int y = 0; y < w->n[1]; y += skip_rows) {
            const int64_t at = z * w->sz + y * w->sy;
            vf row[2] = {{0}}, along[2] = {{0}}, xc = lanes() + (float)w->first[2];
            for (int x = 0; x < w->n[2]; x += VL, xc += splat(VL)) {
                const vf a = load(w->a + at + x);
                const vf r = load(counts + at + x) * (a - (float)k->state.gain * load(w->b + at + x) - (float)k->state.shift);
                row[0] += r, row[1] += r * a, along[0] += r * xc, along[1] += r * a * xc;
            }
            for (int i = 0; i < 2; i++)
                plane[0][i] += row[i], plane[1][i] += row[i] * (float)(w->first[1] + y), plane[2][i] += along[i];
        }
        for (int i = 0; i < 2; i++) {
            slope[0][i] += (w->first[0] + z) * total(plane[0][i]);
            for (int j = 1; j < 3; j++) slope[j][i] += total(plane[j][i]);
        }
        voxels += (double)((w->n[1] + skip_rows - 1) / skip_rows) * w->n[2];
    }
    for (int i = k->is_3d ? 0 : 1; i < 3; i++) {
        const double moment = k->ref.own ? k->ref.second_moment[i] / (skip * skip_rows) : k->s->half[i] * (k->s->half[i] + 1) / 3.0 * voxels;
        const double square = moment * squared;
        sum_f += (slope[i][0] * slope[i][0] + slope[i][1] * slope[i][1]) / square;
    }
    return sum_f / (k->is_3d ? 6 : 4);
}

/* Sums of all products times z^c y^b x^a, a + b + c <= 2. */
static void sum_shading(const job *k, const float *counts, shading_moments moments)
{
    const window *w = &k->w;
    const float ux = 1.0f / k->s->half[2], uy = 1.0f / k->s->half[1];
    memset(moments, 0, sizeof(shading_moments));
    for (int z = 0; z < w->n[0]; z++) {
        const double zc = k->s->half[0] ? (w->first[0] + z) / k->s->half[0] : 0;
        vf sum[PRODUCTS][3][3] = {{{{0}}}};
        for (int y = 0; y < w->n[1]; y++) {
            const int64_t at = z * w->sz + y * w->sy;
            const vf yc = splat(uy * (float)(w->first[1] + y));
            vf row[PRODUCTS][3] = {{{0}}}, xc = (lanes() + (float)w->first[2]) * ux;
            for (int x = 0; x < w->n[2]; x += VL, xc += splat(VL * ux)) {
                const vf ok = load(counts + at + x), a = ok * load(w->a + at + x);
                const vf r = ok * (a - (float)k->state.gain * load(w->b + at + x) - (float)k->state.shift), m = a - 0.5f * r;
                vf f[PRODUCTS] = {ok, m, m * m};
                for (int i = 0; i < 3; i++) f[3 + i] = ok * load(w->g[i] + at + x), f[6 + i] = f[3 + i] * m;
                f[9] = r, f[10] = r * m;
                for (int p = 0; p < PRODUCTS; p++)
                    row[p][0] += f[p], f[p] *= xc, row[p][1] += f[p], row[p][2] += f[p] * xc;
            }
            for (int p = 0; p < PRODUCTS; p++)
                for (int a = 0; a < 3; a++) {
                    vf v = row[p][a];
                    for (int b = 0; a + b < 3; b++, v *= yc) sum[p][b][a] += v;
                }
        }
        for (int p = 0; p < PRODUCTS; p++)
            for (int b = 0; b < 3; b++)
                for (int a = 0; a + b < 3; a++) {
                    double v = total(sum[p][b][a]);
                    for (int c = 0; a + b + c < 3; c++, v *= zc) moments[p][c][b][a] += v;
                }
    }
}

/* Moment of a product with x_i x_j; 3 stands for 1. */
static double moment(const shading_moments m, int product, int i, int j)
{
    int e[4] = {0};
    e[i]++, e[j]++;
    return m[product][e[0]][e[1]][e[2]];
}

/* The equations of the slopes, the motion eliminated: matrix and right-hand side; `coupling`: for each entry of Phi,
 * M^-1 times its products with the unknowns. Returns how many unknowns. */
static int shading_equations(const job *k, const shading_moments m, const double A[12], double matrix[SLOPES * SLOPES],
                             double rhs[SLOPES], double coupling[SLOPES][12])
{
    static const int of[SLOPES] = {3, 3, 0, 1, 2, 0, 1, 2}, times_m[SLOPES] = {0, 1, 0, 0, 0, 1, 1, 1};
    const double unit[4] = {k->s->half[0], k->s->half[1], k->s->half[2], 1};
    double products[SLOPES][12];
    int which[SLOPES], n = 0;
    for (int t = 0; t < SLOPES; t++)
        if (k->is_3d || of[t]) which[n++] = t;
    for (int i = 0; i < n; i++) {
        const int t = which[i];
        for (int e = 0; e < 12; e++) products[i][e] = unit[e % 4] * moment(m, (times_m[t] ? 6 : 3) + e / 4, of[t], e % 4);
        solve(&k->ref.factor, k->s, products[i], coupling[i]);
    }
    for (int i = 0; i < n; i++) {
        const int t = which[i];
        rhs[i] = moment(m, times_m[t] ? 10 : 9, of[t], 3);
        for (int e = 0; e < 12; e++) rhs[i] -= coupling[i][e] * A[e];
        for (int j = 0; j < n; j++) {
            double v = moment(m, times_m[t] + times_m[which[j]], of[t], of[which[j]]);
            for (int e = 0; e < 12; e++) v -= products[i][e] * coupling[j][e];
            matrix[i * n + j] = v;
        }
    }
    return n;
}

/* im1 without slopes [offset, gain][z, y, x], into `out`. */
static void take_out(job *k, const double slopes[2][3], float *out)
{
    const window *w = &k->w;
    const float ux = 1.0f / k->s->half[2];
    for (int z = 0; z < w->n[0]; z++)
        for (int y = 0; y < w->n[1]; y++) {
            const int64_t at = z * w->sz + y * w->sy;
            const double zc = k->s->half[0] ? (w->first[0] + z) / k->s->half[0] : 0, yc = (w->first[1] + y) / k->s->half[1];
            const vf offset = splat((float)(slopes[0][0] * zc + slopes[0][1] * yc));
            const vf gain = splat((float)(slopes[1][0] * zc + slopes[1][1] * yc));
            vf xc = (lanes() + (float)w->first[2]) * ux;
            for (int x = 0; x < w->n[2]; x += VL, xc += splat(VL * ux)) {
                const vf v = load(w->a + at + x);
                store(out + at + x, v - offset - xc * (float)slopes[0][2] - v * (gain + xc * (float)slopes[1][2]));
            }
        }
    clear_excluded(k, out);
}

/* Slopes [offset, gain][z, y, x] by least squares, and the part of them that is more than chance: F as in the analysis of
 * variance, for noise of the colour that is left when they are gone. `added`: what they add to the inverse normal
 * matrix of the motion. */
static double find_shading(job *k, int partial, const float *counts, const double A[12], double slopes[2][3], double added[12])
{
    const int d = k->is_3d ? 3 : 2;
    const double squares = k->state.squares, degrees = k->ref.sums.n - k->s->unknowns - 2 - 2 * d;
    float *const im1[3] = {NULL, NULL, k->w.a};
    shading_moments m;
    double matrix[SLOPES * SLOPES], rhs[SLOPES], scale[SLOPES], coupling[SLOPES][12], y[SLOPES], found[SLOPES], explained = 0;
    sum_shading(k, counts, m);
    const int n = shading_equations(k, m, A, matrix, rhs, coupling);
    if (cholesky(matrix, n, scale)) return 0;
    memcpy(y, rhs, sizeof y);
    cholesky_solve(matrix, n, scale, y, found);
    for (int i = 0; i < n; i++) explained += found[i] * rhs[i];
    for (int i = 0; i < d; i++) slopes[0][3 - d + i] = found[2 + i], slopes[1][3 - d + i] = found[2 + d + i];
    for (int e = 0; e < 12; e++) {
        double v[SLOPES];
        for (int i = 0; i < n; i++) v[i] = coupling[i][e];
        added[e] = cholesky_form(matrix, n, scale, v);
    }
    take_out(k, slopes, k->residual);
    take_residual_of(k, partial, k->residual, NULL);
    const double left = fmax(squares - explained, 1e-12 * k->ref.sums.n) / degrees;
    return 1 - SURE_SHADING * colour(k, im1) * left / (explained / (2 * d));
}

/* Take shading out of im1 where the residual shows it and the match is more than chance. A: right-hand side of the
 * equations of the motion. Returns 1 if so. */
static int correct_shading(job *k, int partial, const double A[12])
{
    const float *counts = partial ? k->w.ok : k->w.in1;
    double slopes[2][3] = {{0}}, added[12];
    if (!k->s->shading || k->state.shaded == MOST_SHADING || k->ref.sums.n < k->s->unknowns + 20) return 0;
    if (k->state.squares < NO_SHADING * k->ref.sums.n) return 0;
    if (!(rough_shading(k, counts) > SUSPICIOUS_SHADING + CLEAN_SHADING * cleanness(k))) return 0;
    if (!is_match(k, partial)) return 0;
    const double part = find_shading(k, partial, counts, A, slopes, added);
    if (!(part > 0)) return 0;
    for (int i = 0; i < 3; i++) slopes[0][i] *= part, slopes[1][i] *= part;
    take_out(k, slopes, k->w.a);
    for (int e = 0; e < 12; e++) k->state.shading[e] = part * part * added[e];
    k->ref.stale = 1, k->state.shaded++;
    return 1;
}

#endif
