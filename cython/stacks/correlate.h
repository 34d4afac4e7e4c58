/* Sums of products of two stacks over windows, at all displacements, of a tile.
 *
 * Products of a row are summed over the frames, then over the window along x, then along y, each pixel in the same
 * order wherever tiles begin. */
#ifndef HPCDVC_STACKS_CORRELATE_H
#define HPCDVC_STACKS_CORRELATE_H

#include "tile.h"

enum { TOGETHER = 4 }; /* displacements whose products are summed at once */

/* Two arrays (rows, frames, columns) whose products are wanted, and the windows. */
typedef struct {
    const float *a, *b;
    int64_t a_columns, b_columns;
    int ny, nx;
    const float *ty, *tx;
} pairing;

/* Sums over the frames of a(x) b(x + i) for some displacements i along x. */
INLINE void product_rows(const float *a, int64_t a_step, const float *b, int64_t b_step, int64_t frames, int width,
                         int together, int line, float *lines)
{
    for (int x = 0; x < width; x += 2 * VL) {
        vf sum[2 * TOGETHER] = {{0}};
        for (int64_t k = 0; k < frames; k++) {
            const vf a0 = load(a + k * a_step + x), a1 = load(a + k * a_step + x + VL);
            const float *p = b + k * b_step + x;
            for (int i = 0; i < together; i++) {
                sum[2 * i] += a0 * load(p + i), sum[2 * i + 1] += a1 * load(p + i + VL);
            }
        }
        for (int i = 0; i < together; i++) {
            store(lines + i * line + x, sum[2 * i]), store(lines + i * line + x + VL, sum[2 * i + 1]);
        }
    }
}

/* Sums along x. */
INLINE void sum_along(const float *line, const float *taps, int n, int width, float *to)
{
    for (int x = 0; x < width; x += VL) {
        vf sum = {0};
        for (int w = 0; w < n; w++) sum += taps[w] * load(line + x + w);
        store(to + x, sum);
    }
}

/* Sums along y of rows that lie TILE apart. */
INLINE void sum_down(const float *across, const float *taps, int n, int width, float *to)
{
    for (int x = 0; x < width; x += VL) {
        vf sum = {0};
        for (int w = 0; w < n; w++) sum += taps[w] * load(across + w * TILE + x);
        store(to + x, sum);
    }
}

/* The displacements y, x ... x + together - 1 of a tile. */
INLINE void correlate_some(const tile *t, const pairing *p, int64_t y, int64_t x, int together, float *map)
{
    const int64_t frames = t->d->own.frames, step = t->d->step, rows = (t->rows - 1) * step + p->ny;
    const int line = PADDED(t->width + p->nx - 1 + VL) + VL;
    const int width = (t->width + p->nx - 1 + 2 * VL - 1) / (2 * VL) * 2 * VL;
    for (int64_t r = 0; r < rows; r++) {
        if (r % step >= p->ny) continue; /* between windows */
        const int64_t row = t->first * step + r;
        product_rows(p->a + row * frames * p->a_columns + t->left, p->a_columns,
                     p->b + (row + y) * frames * p->b_columns + t->left + x, p->b_columns, frames, width, together, line,
                     t->lines);
        for (int i = 0; i < together; i++)
            sum_along(t->lines + i * line, p->tx, p->nx, t->width, t->across + (i * rows + r) * TILE);
    }
    for (int i = 0; i < together; i++)
        for (int64_t r = 0; r < t->rows; r++)
            sum_down(t->across + (i * rows + r * step) * TILE, p->ty, p->ny, t->width,
                     map + ((y * t->d->lags[1] + x + i) * t->most + r) * TILE);
}

static void correlate_tile(const tile *t, const pairing *p, float *map)
{
    const int64_t ny = t->d->lags[0], nx = t->d->lags[1];
    for (int64_t y = 0; y < ny; y++) {
        if (nx < TOGETHER) {
            for (int64_t x = 0; x < nx; x++) correlate_some(t, p, y, x, 1, map);
            continue;
        }
        for (int64_t x = 0; x < nx; x += TOGETHER) /* the last ones once more, where they do not divide */
            correlate_some(t, p, y, x + TOGETHER > nx ? nx - TOGETHER : x, TOGETHER, map);
    }
}

#endif
