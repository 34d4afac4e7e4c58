/* The colour of the residual: how much more, or less, its products with something scatter than those of white noise.
 *
 * Moved by some voxels against each other, the two have nothing to do with each other any more, but the residual is still
 * what it is. So sums at such lags are samples of what chance does to the sum at no lag. */
#ifndef HPCDVC_COLOUR_H
#define HPCDVC_COLOUR_H

#include <stdlib.h>

#include "job.h"

#define WHITE 2.0 /* colour of noise that may be white */
#define FLOAT_SUM 4096 /* voxels that are summed in float32 */

/* The residual of the window, `im1` in the place of the grey values of im1, less gradients times polynomials of second degree.
 * `terms`: their coefficients [gradient][power of z][of y][of x], lengths in half windows; or NULL. */
INLINE void residual_rows(job *k, int partial, const float *im1, const double (*terms)[3][3][3])
{
    const window *w = &k->w;
    const vf gain = splat((float)k->state.gain), shift = splat((float)k->state.shift);
    const float ux = 1.0f / k->s->half[2];
    for (int z = 0; z < w->n[0]; z++)
        for (int y = 0; y < w->n[1]; y++) {
            const int64_t at = z * w->sz + y * w->sy;
            const double zc = k->s->half[0] ? (w->first[0] + z) / k->s->half[0] : 0, yc = (w->first[1] + y) / k->s->half[1];
            const double power_z[3] = {1, zc, zc * zc}, power_y[3] = {1, yc, yc * yc};
            float c[3][3] = {{0}};
            for (int i = 0; i < 3 && terms; i++)
                for (int b = 0; b < 3; b++)
                    for (int d = 0; b + d < 3; d++)
                        for (int a = 0; a + b + d < 3; a++) c[i][a] += (float)(terms[i][d][b][a] * power_z[d] * power_y[b]);
            vf xc = (lanes() + (float)w->first[2]) * ux;
            for (int x = 0; x < w->sy; x += VL, xc += splat(VL * ux)) {
                vf v = load(im1 + at + x) - gain * load(w->b + at + x) - shift;
                for (int i = 0; i < 3 && terms; i++) v -= load(w->g[i] + at + x) * (c[i][0] + xc * (c[i][1] + xc * c[i][2]));
                if (partial) v *= load(w->ok + at + x);
                store(k->residual + at + x, v);
            }
            clear_ends(k->residual + at, 0, w->n[2], w->sy);
        }
}

static void take_residual_of(job *k, int partial, const float *im1, const double (*terms)[3][3][3])
{
    if (partial) residual_rows(k, 1, im1, terms);
    else if (terms) residual_rows(k, 0, im1, terms);
    else residual_rows(k, 0, im1, NULL);
}

/* The sum of h times the residual moved by so many floats. */
static double moved_product(const job *k, const float *h, int64_t by)
{
    const int64_t count = k->w.sz * k->w.n[0] - llabs(by);
    const float *of_h = h + (by < 0 ? -by : 0), *moved = k->residual + (by > 0 ? by : 0);
    double sum = 0;
    int64_t v = 0;
    while (v + VL <= count) {
        const int64_t end = count - v < FLOAT_SUM ? count : v + FLOAT_SUM;
        vf part[4] = {{0}};
        for (; v + 4 * VL <= end; v += 4 * VL)
            for (int i = 0; i < 4; i++) part[i] += load(moved + v + i * VL) * load(of_h + v + i * VL);
        for (; v + VL <= end; v += VL) part[0] += load(moved + v) * load(of_h + v);
        sum += total((part[0] + part[1]) + (part[2] + part[3]));
    }
    for (; v < count; v++) sum += moved[v] * of_h[v];
    return sum;
}

/* The sum of h times the residual moved by a lag, squared, as if all of the window had a partner. Rows go on in the next
 * row, and planes in the next plane: these partners are further away than the lag. */
static double square_at_lag(const job *k, const float *h, const int lag[3])
{
    const window *w = &k->w;
    const int64_t by = lag[0] * w->sz + lag[1] * w->sy + lag[2], size = w->sz * w->n[0];
    const double beside = fmin(abs(lag[2]), w->sy - w->n[2]); /* columns whose partner is padding */
    const double sum = moved_product(k, h, by);
    return sum * sum * size / ((double)(size - llabs(by)) * (w->n[2] - beside) / w->n[2]);
}

/* Correlation of residuals beside each other, mean over the axes. */
static double neighbours_alike(const job *k)
{
    const int64_t step[3] = {k->w.sz, k->w.sy, 1};
    double sum = 0;
    for (int i = k->is_3d ? 0 : 1; i < 3; i++) sum += moved_product(k, k->residual, step[i]);
    return sum / moved_product(k, k->residual, 0) / (k->is_3d ? 3 : 2);
}

/* Mean over components and lags of the squared sum of h and the residual. Lags are half a half-window along one axis; in an
 * image, where these are few, `parts` of it along both: 2, or 3 for more of them. */
static double chance_square(const job *k, float *const h[3], int parts)
{
    const int most = k->is_3d || parts == 2 ? 1 : 3, divide = k->is_3d ? 2 : parts;
    int step[3], count = 0;
    double sum = 0;
    for (int i = 0; i < 3; i++) step[i] = k->s->half[i] >= 2 * divide ? k->s->half[i] / divide : 2;
    for (int z = k->is_3d ? -1 : 0; z <= k->is_3d; z++)
        for (int y = -most; y <= most; y++)
            for (int x = -most; x <= most; x++) {
                const int lag[3] = {z * step[0], y * step[1], x * step[2]};
                if (k->is_3d ? abs(z) + abs(y) + abs(x) != 1 : y == 0 && x == 0) continue;
                if (abs(lag[0]) >= k->w.n[0] || abs(lag[1]) >= k->w.n[1] || abs(lag[2]) >= k->w.n[2]) continue;
                for (int i = k->is_3d ? 0 : 1; i < 3; i++)
                    if (h[i]) sum += square_at_lag(k, h[i], lag), count++;
            }
    return count ? sum / count : 0;
}

/* The same for white noise as strong as the residual. */
static double white_square(const job *k, float *const h[3])
{
    double squares = 0, residual = 0;
    int components = 0; /* those that are not NULL; along z there is none in an image */
    for (int z = 0; z < k->w.n[0]; z++) {
        vf plane = {0}, of_residual = {0};
        for (int64_t v = z * k->w.sz; v < (z + 1) * k->w.sz; v += VL) {
            of_residual += load(k->residual + v) * load(k->residual + v);
            for (int i = k->is_3d ? 0 : 1; i < 3; i++)
                if (h[i]) plane += load(h[i] + v) * load(h[i] + v);
        }
        squares += total(plane), residual += total(of_residual);
    }
    for (int i = k->is_3d ? 0 : 1; i < 3; i++) components += h[i] != NULL;
    return squares / components * residual / k->ref.sums.n;
}

/* The colour of the residual taken last beside h. Where it is finer than noise it is not called white for that. */
static double colour(const job *k, float *const h[3])
{
    const double white = white_square(k, h);
    return white > 0 ? fmax(chance_square(k, h, 3) / white, 1) : 1;
}

#endif
