/* The joint histogram of two images, and what im1 tells of im2. */
#ifndef HPCDVC_MODAL_JOINT_H
#define HPCDVC_MODAL_JOINT_H

#include "pair.h"

/* A grey value in bins, and the bin that it lies in. */
INLINE float clipped(const pair *k, float v)
{
    const float top = (float)(k->m->bins - 1);
    return v < 0 ? 0 : v > top ? top : v;
}
INLINE int bin_of(const pair *k, float v) { return (int)(clipped(k, v) + 0.5f); }

INLINE void count_row(pair *k, int z, int y, int first, int last)
{
    const int64_t bins = k->m->bins;
    (void)z, (void)y;
    for (int x = first; x < last; x++)
        if (k->ok[x] > 0) k->histogram[bins * bin_of(k, k->f[x]) + bin_of(k, k->g[x])]++;
}

INLINE void add_moments(pair *k, int z, int y, int first, int last)
{
    (void)z, (void)y;
    for (int x = first; x < last; x++) {
        if (k->ok[x] == 0) continue;
        const double g = clipped(k, k->g[x]);
        double *m = k->moments + 3 * bin_of(k, k->f[x]);
        m[0]++, m[1] += g, m[2] += g * g;
    }
}

static void count_tile(pair *k, int is_outside) { rows_of_tile(k, is_outside, 0, count_row); }
static void moments_of_tile(pair *k, int is_outside) { rows_of_tile(k, is_outside, 0, add_moments); }

static int count_blocks(const hpcdvc_modal_images *m, const int64_t *blocks, int64_t count, int64_t *histogram)
{
    pair *k = pair_start(m);
    int failed = k == NULL;
    for (int64_t b = 0; b < count && !failed; b++) {
        k->histogram = histogram;
        failed = each_block(k, blocks + 6 * b, blocks + 6 * b + 3, count_tile);
    }
    pair_end(k);
    return failed;
}

static int moments_of_blocks(const hpcdvc_modal_images *m, const int64_t *blocks, int64_t count, double *moments)
{
    pair *k = pair_start(m);
    int failed = k == NULL;
    for (int64_t b = 0; b < count && !failed; b++) {
        k->moments = moments + 3 * m->bins * b;
        failed = each_block(k, blocks + 6 * b, blocks + 6 * b + 3, moments_of_tile);
    }
    pair_end(k);
    return failed;
}

#endif
