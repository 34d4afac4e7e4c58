/* Products of a window with a region, summed at every displacement: directly, displacements along x in vectors. */
#ifndef HPCDVC_SEARCH_CORRELATE_H
#define HPCDVC_SEARCH_CORRELATE_H

#include <stdlib.h>

#include "grey.h"
#include "search.h"

#define ROWS 4    /* displacements along y at a time ... */
#define VECTORS 2 /* ... and vectors of them along x */

/* Voxels of a row of a window that lie side by side and count. */
typedef struct {
    int z, y, from, to;
} span;

/* What rows of a window are made of: from the first to the last voxel that counts of each, and all spans. */
typedef struct {
    int *ends;       /* two for each row */
    span *spans;
    int64_t count;   /* of spans */
    float *prefix;   /* sums along the rows of a region */
    float *squares;  /* of the grey values of a window */
} window_rows;

/* Returns 1 when memory ran out. */
static int make_rows(const int n[3], const int lags[3], window_rows *w)
{
    const int64_t rows = (int64_t)n[0] * n[1], region = (int64_t)(n[0] + lags[0] - 1) * (n[1] + lags[1] - 1);
    const int64_t wide = n[2] + lags[2] - 1 + VECTORS * VL;
    w->ends = malloc(2 * rows * sizeof *w->ends), w->spans = malloc(rows * (n[2] / 2 + 1) * sizeof *w->spans);
    w->prefix = calloc(region * (n[2] + lags[2]) + wide, sizeof *w->prefix);
    w->squares = malloc(rows * n[2] * sizeof *w->squares);
    return !w->ends || !w->spans || !w->prefix || !w->squares;
}

static void find_rows(const float *ok, const int n[3], window_rows *w)
{
    w->count = 0;
    for (int64_t row = 0; row < (int64_t)n[0] * n[1]; row++, ok += n[2]) {
        const int64_t before = w->count;
        for (int x = 0; x < n[2]; x++) {
            if (!(ok[x] > 0)) continue;
            span *s = w->spans + w->count++;
            s->z = (int)(row / n[1]), s->y = (int)(row % n[1]), s->from = x;
            while (x < n[2] && ok[x] > 0) x++;
            s->to = x;
        }
        w->ends[2 * row] = w->count > before ? w->spans[before].from : 0;
        w->ends[2 * row + 1] = w->count > before ? w->spans[w->count - 1].to : 0;
    }
}

/* Sums along the rows of a region, or of its squares, each from 0; a row is one number longer. */
static void add_up(const float *b, int64_t rows, int nx, int power, float *prefix)
{
    for (int64_t row = 0; row < rows; row++, b += nx, prefix += nx + 1) {
        double sum = 0;
        for (int x = 0; x < nx; x++) {
            prefix[x] = (float)sum;
            sum += power == 2 ? (double)b[x] * b[x] : b[x];
        }
        prefix[nx] = (float)sum;
    }
}

/* out[lag] = sum of a region over the spans of a window: differences of sums along its rows. */
static void sum_spans(const window_rows *w, const int n[3], const int lags[3], float *out)
{
    const int64_t row = n[2] + lags[2], plane = row * (n[1] + lags[1] - 1);
    for (int z = 0; z < lags[0]; z++)
        for (int y = 0; y < lags[1]; y++, out += lags[2])
            for (int x = 0; x < lags[2]; x += VECTORS * VL) {
                const int left = lags[2] - x, columns = left < VECTORS * VL ? left : VECTORS * VL;
                vf sum[VECTORS] = {{0}};
                for (int64_t i = 0; i < w->count; i++) {
                    const span s = w->spans[i];
                    const float *p = w->prefix + (s.z + z) * plane + (s.y + y) * row + x;
                    for (int j = 0; j < VECTORS; j++) sum[j] += load(p + s.to + j * VL) - load(p + s.from + j * VL);
                }
                float found[VECTORS * VL];
                for (int j = 0; j < VECTORS; j++) store(found + j * VL, sum[j]);
                memcpy(out + x, found, columns * sizeof *found);
            }
}

/* Sums at `rows` displacements along y from `b` on and VECTORS * VL along x; planes are summed apart, for their rounding. */
INLINE void sum_lags(const float *a, const int n[3], const int *ends, const float *b, const int64_t plane,
                     const int64_t row, int rows, int vectors, float *out, int64_t out_row, int columns)
{
    vf sum[ROWS][VECTORS] = {{{0}}};
    for (int z = 0; z < n[0]; z++) {
        vf part[ROWS][VECTORS] = {{{0}}};
        for (int y = 0; y < n[1]; y++) {
            const float *p = a + ((int64_t)z * n[1] + y) * n[2], *q = b + z * plane + y * row;
            const int *end = ends + 2 * ((int64_t)z * n[1] + y);
            for (int x = end[0]; x < end[1]; x++) {
                const vf v = splat(p[x]);
                for (int i = 0; i < rows; i++)
                    for (int j = 0; j < vectors; j++) part[i][j] += v * load(q + i * row + x + j * VL);
            }
        }
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < vectors; j++) sum[i][j] += part[i][j];
    }
    for (int i = 0; i < rows; i++) {
        float found[VECTORS * VL];
        for (int j = 0; j < vectors; j++) store(found + j * VL, sum[i][j]);
        memcpy(out + i * out_row, found, columns * sizeof *found);
    }
}

/* A block of sums; the compiler makes a loop of its own for each shape. */
static void sum_block(const float *a, const int n[3], const int *ends, const float *b, int64_t plane, int64_t row,
                      int rows, int wide, float *out, int64_t out_row, int columns)
{
    switch (2 * rows + wide) {
    case 9: sum_lags(a, n, ends, b, plane, row, 4, 2, out, out_row, columns); break;
    case 8: sum_lags(a, n, ends, b, plane, row, 4, 1, out, out_row, columns); break;
    case 7: sum_lags(a, n, ends, b, plane, row, 3, 2, out, out_row, columns); break;
    case 6: sum_lags(a, n, ends, b, plane, row, 3, 1, out, out_row, columns); break;
    case 5: sum_lags(a, n, ends, b, plane, row, 2, 2, out, out_row, columns); break;
    case 4: sum_lags(a, n, ends, b, plane, row, 2, 1, out, out_row, columns); break;
    case 3: sum_lags(a, n, ends, b, plane, row, 1, 2, out, out_row, columns); break;
    default: sum_lags(a, n, ends, b, plane, row, 1, 1, out, out_row, columns);
    }
}

/* out[lag] = sum_x a[x] b[x + lag] for one window. `b` may be read VECTORS * VL floats past its end. */
static void correlate(const float *a, const int n[3], const int *ends, const float *b, const int lags[3], float *out)
{
    const int64_t row = n[2] + lags[2] - 1, plane = row * (n[1] + lags[1] - 1);
    for (int z = 0; z < lags[0]; z++)
        for (int x = 0; x < lags[2]; x += VECTORS * VL) {
            const int left = lags[2] - x, columns = left < VECTORS * VL ? left : VECTORS * VL;
            for (int y = 0, rows; y < lags[1]; y += rows) {
                rows = lags[1] - y < ROWS ? lags[1] - y : ROWS;
                sum_block(a, n, ends, b + z * plane + y * row + x, plane, row, rows, columns > VL,
                          out + ((int64_t)z * lags[1] + y) * lags[2] + x, lags[2], columns);
            }
        }
}

static void square(const float *v, int64_t size, float *out)
{
    for (int64_t i = 0; i < size; i++) out[i] = v[i] * v[i];
}

static void free_rows(window_rows *w) { free(w->ends), free(w->spans), free(w->prefix), free(w->squares); }

/* Sums of one window of the batch. */
static void correlate_one(const search_batch *batch, const search_grey *grey, const search_sums *sums, int64_t i,
                          window_rows *w)
{
    const int *n = batch->n, *lags = batch->lags, nx = n[2] + lags[2] - 1;
    const int64_t rows = (int64_t)(n[0] + lags[0] - 1) * (n[1] + lags[1] - 1), region = rows * nx;
    const int64_t window = (int64_t)n[0] * n[1] * n[2], size = (int64_t)lags[0] * lags[1] * lags[2];
    const float *a = grey->a + i * window, *b = grey->b + i * region, *ok2 = grey->ok2 + i * region;
    find_rows(grey->ok1 + i * window, n, w);
    correlate(a, n, w->ends, b, lags, sums->ab + i * size);
    if (sums->mb) add_up(b, rows, nx, 1, w->prefix), sum_spans(w, n, lags, sums->mb + i * size);
    if (sums->mbb) add_up(b, rows, nx, 2, w->prefix), sum_spans(w, n, lags, sums->mbb + i * size);
    if (sums->mm) add_up(ok2, rows, nx, 1, w->prefix), sum_spans(w, n, lags, sums->mm + i * size);
    if (sums->am) correlate(a, n, w->ends, ok2, lags, sums->am + i * size);
    if (!sums->aam) return;
    square(a, window, w->squares);
    correlate(w->squares, n, w->ends, ok2, lags, sums->aam + i * size);
}

static int correlate_batch(const search_batch *batch, const search_grey *grey, const search_sums *sums)
{
    window_rows rows = {0};
    const int failed = make_rows(batch->n, batch->lags, &rows);
    for (int64_t i = 0; i < batch->count && !failed; i++) correlate_one(batch, grey, sums, i, &rows);
    free_rows(&rows);
    return failed;
}

#endif
