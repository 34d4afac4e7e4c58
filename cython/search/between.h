/* The highest scores between the voxels, by cubic interpolation at half voxels: near the best, and away from it. */
#ifndef HPCDVC_SEARCH_BETWEEN_H
#define HPCDVC_SEARCH_BETWEEN_H

#include "peak.h"

#define NEAR 3 /* half voxels along an axis that a displacement to the whole voxel may be off */

/* Highest scores up to NEAR from a place, and farther; -1 where there is none. */
typedef struct {
    double near, far;
} heights;

/* Of n values `step` apart, each a run of `wide`, those half way between number i and the next: cubic, at the ends
 * quadratic. */
INLINE void half_way(const float *v, int n, int64_t step, int64_t wide, int i, float *out)
{
    const float *a = v + i * step, *b = a + step, *before = i > 0 ? a - step : NULL, *after = i < n - 2 ? b + step : NULL;
    if (before && after)
        for (int64_t x = 0; x < wide; x++) out[x] = (9 * (a[x] + b[x]) - before[x] - after[x]) / 16;
    else if (after)
        for (int64_t x = 0; x < wide; x++) out[x] = (3 * a[x] + 6 * b[x] - after[x]) / 8;
    else if (before)
        for (int64_t x = 0; x < wide; x++) out[x] = (6 * a[x] + 3 * b[x] - before[x]) / 8;
    else
        for (int64_t x = 0; x < wide; x++) out[x] = (a[x] + b[x]) / 2;
}

/* Values along a row, at whole and half voxels. */
static void spread_row(const float *v, int n, float *out)
{
    for (int x = 0; x < n; x++) out[2 * x] = v[x];
    for (int x = 0; x < n - 1; x++) half_way(v, n, 1, 1, x, out + 2 * x + 1);
}

INLINE void raise(heights *h, const float *v, int n, int beside, int middle)
{
    const int from = beside ? n : middle - NEAR > 0 ? middle - NEAR : 0, to = middle + NEAR + 1 < n ? middle + NEAR + 1 : n;
    float near = -1, far = -1;
    for (int x = 0; x < from; x++) far = v[x] > far ? v[x] : far;
    if (!beside) {
        for (int x = from; x < to; x++) near = v[x] > near ? v[x] : near;
        for (int x = to; x < n; x++) far = v[x] > far ? v[x] : far;
    }
    h->near = fmax(h->near, near), h->far = fmax(h->far, far);
}

/* `values`: the scores, changed: where there is none stands 0. `room`: for find_heights_room floats. */
static heights find_heights(const hunt *h, const int place[3], float *values, float *room)
{
    const int nz = h->lags[0], ny = h->lags[1], nx = h->lags[2];
    const int64_t plane = (int64_t)ny * nx;
    float *between = room, *row = between + plane, *spread = row + nx;
    heights best = {-1, -1};
    for (int64_t lag = 0; lag < h->size; lag++) values[lag] = h->score[lag] > NONE ? h->score[lag] : 0;
    for (int z = 0; z < 2 * nz - 1; z++) {
        const float *here = values + z / 2 * plane;
        if (z % 2) half_way(values, nz, plane, plane, z / 2, between), here = between;
        for (int y = 0; y < 2 * ny - 1; y++) {
            const float *line = here + y / 2 * nx;
            if (y % 2) half_way(here, ny, nx, nx, y / 2, row), line = row;
            spread_row(line, nx, spread);
            raise(&best, spread, 2 * nx - 1, abs(z - 2 * place[0]) > NEAR || abs(y - 2 * place[1]) > NEAR, 2 * place[2]);
        }
    }
    return best;
}

static int64_t find_heights_room(const int lags[3]) { return (int64_t)lags[1] * lags[2] + 3 * lags[2]; }

#endif
