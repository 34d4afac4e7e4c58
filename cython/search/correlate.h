/* Products of a window with a region, summed at every displacement: directly, displacements along x in vectors. */
#ifndef HPCDVC_SEARCH_CORRELATE_H
#define HPCDVC_SEARCH_CORRELATE_H

#include <stdlib.h>

#include "grey.h"
#include "search.h"

#define ROWS 4    /* displacements along y at a time ... */
#define VECTORS 2 /* ... and vectors of them along x */

/* Sums at `rows` displacements along y from `b` on and VECTORS * VL along x; planes are summed apart, for their rounding. */
INLINE void sum_lags(const float *a, const int n[3], const float *b, const int64_t plane, const int64_t row, int rows,
                     int vectors, float *out, int64_t out_row, int columns)
{
    vf sum[ROWS][VECTORS] = {{{0}}};
    for (int z = 0; z < n[0]; z++) {
        vf part[ROWS][VECTORS] = {{{0}}};
        for (int y = 0; y < n[1]; y++) {
            const float *p = a + ((int64_t)z * n[1] + y) * n[2], *q = b + z * plane + y * row;
            for (int x = 0; x < n[2]; x++) {
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
static void sum_block(const float *a, const int n[3], const float *b, int64_t plane, int64_t row, int rows, int wide,
                      float *out, int64_t out_row, int columns)
{
    switch (2 * rows + wide) {
    case 9: sum_lags(a, n, b, plane, row, 4, 2, out, out_row, columns); break;
    case 8: sum_lags(a, n, b, plane, row, 4, 1, out, out_row, columns); break;
    case 7: sum_lags(a, n, b, plane, row, 3, 2, out, out_row, columns); break;
    case 6: sum_lags(a, n, b, plane, row, 3, 1, out, out_row, columns); break;
    case 5: sum_lags(a, n, b, plane, row, 2, 2, out, out_row, columns); break;
    case 4: sum_lags(a, n, b, plane, row, 2, 1, out, out_row, columns); break;
    case 3: sum_lags(a, n, b, plane, row, 1, 2, out, out_row, columns); break;
    default: sum_lags(a, n, b, plane, row, 1, 1, out, out_row, columns);
    }
}

/* out[lag] = sum_x a[x] b[x + lag] for one window. `b` may be read VECTORS * VL floats past its end. */
static void correlate(const float *a, const int n[3], const float *b, const int lags[3], float *out)
{
    const int64_t row = n[2] + lags[2] - 1, plane = row * (n[1] + lags[1] - 1);
    for (int z = 0; z < lags[0]; z++)
        for (int x = 0; x < lags[2]; x += VECTORS * VL) {
            const int left = lags[2] - x, columns = left < VECTORS * VL ? left : VECTORS * VL;
            for (int y = 0, rows; y < lags[1]; y += rows) {
                rows = lags[1] - y < ROWS ? lags[1] - y : ROWS;
                sum_block(a, n, b + z * plane + y * row + x, plane, row, rows, columns > VL,
                          out + ((int64_t)z * lags[1] + y) * lags[2] + x, lags[2], columns);
            }
        }
}

static void square(const float *v, int64_t size, float *out)
{
    for (int64_t i = 0; i < size; i++) out[i] = v[i] * v[i];
}

static int correlate_batch(const search_batch *batch, const search_grey *grey, const search_sums *sums)
{
    int64_t window = 1, region = 1, lags = 1;
    for (int k = 0; k < 3; k++)
        window *= batch->n[k], lags *= batch->lags[k], region *= batch->n[k] + batch->lags[k] - 1;
    float *squares = NULL;
    const int64_t room = (region > window ? region : window) + VECTORS * VL;
    if ((sums->mbb || sums->aam) && posix_memalign((void **)&squares, 64, room * sizeof *squares)) return 1;
    if (squares) memset(squares, 0, room * sizeof *squares);
    for (int64_t i = 0; i < batch->count; i++) {
        const float *a = grey->a + i * window, *ok1 = grey->ok1 + i * window;
        const float *b = grey->b + i * region, *ok2 = grey->ok2 + i * region;
        correlate(a, batch->n, b, batch->lags, sums->ab + i * lags);
        if (sums->mb) correlate(ok1, batch->n, b, batch->lags, sums->mb + i * lags);
        if (sums->mm) correlate(ok1, batch->n, ok2, batch->lags, sums->mm + i * lags);
        if (sums->am) correlate(a, batch->n, ok2, batch->lags, sums->am + i * lags);
        if (sums->mbb) {
            square(b, region, squares);
            correlate(ok1, batch->n, squares, batch->lags, sums->mbb + i * lags);
        }
        if (sums->aam) {
            square(a, window, squares);
            correlate(squares, batch->n, ok2, batch->lags, sums->aam + i * lags);
        }
    }
    free(squares);
    return 0;
}

#endif
