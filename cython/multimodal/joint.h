/* The joint histogram of two images, and what im1 tells of im2. */
#ifndef HPCDVC_MODAL_JOINT_H
#define HPCDVC_MODAL_JOINT_H

#include "pair.h"

/* Grey values in bins that lie between the first and the last. */
INLINE vf clipped(const pair *k, const float *grey)
{
    return smaller(larger(load(grey), splat(0)), splat((float)(k->m->bins - 1)));
}

/* The bins of VL columns in the histogram; the one behind its last for voxels that do not count. */
INLINE void find_bins(pair *k, vf f, vf g, int x)
{
    const int32_t bins = k->m->bins, behind = bins * bins;
    const vi bin = whole(f + 0.5f) * bins + whole(g + 0.5f);
    const vi counts = load(k->ok + x) > splat(0), found = (bin & counts) | (behind & ~counts);
    memcpy(k->bin + x, &found, sizeof found);
}

INLINE void find_row(pair *k, int first, int last)
{
    for (int x = first; x < last; x += VL) find_bins(k, clipped(k, k->f + x), clipped(k, k->g + x), x);
}

INLINE void count_row(pair *k, int z, int y, int first, int last)
{
    (void)z, (void)y;
    find_row(k, first, last);
    for (int x = first; x < last; x++) k->counts[x % 2][k->bin[x]]++;
}

/* Add what was counted to the histogram. */
static void settle_counts(pair *k, int64_t *histogram)
{
    const int64_t bins = k->m->bins;
    for (int i = 0; i < 2; i++)
        for (int64_t b = 0; b < bins * bins; b++) histogram[b] += k->counts[i][b], k->counts[i][b] = 0;
}

INLINE void add_moments(pair *k, int z, int y, int first, int last)
{
    (void)z, (void)y;
    find_row(k, first, last);
    for (int x = first; x < last; x++) {
        if (k->ok[x] == 0) continue;
        const float top = (float)(k->m->bins - 1), value = k->g[x];
        const double g = value < 0 ? 0 : value > top ? top : value;
        double *m = k->moments + 3 * (k->bin[x] / k->m->bins);
        m[0]++, m[1] += g, m[2] += g * g;
    }
}

static void count_tile(pair *k, int is_outside) { each_row(k, is_outside, count_row); }
static void moments_of_tile(pair *k, int is_outside) { each_row(k, is_outside, add_moments); }

static int count_blocks(const hpcdvc_modal_images *m, const int64_t *blocks, int64_t count, int64_t *histogram)
{
    pair *k = pair_start(m);
    int failed = k == NULL;
    for (int64_t b = 0; b < count && !failed; b++) {
        failed = each_block(k, blocks + 6 * b, blocks + 6 * b + 3, count_tile);
        settle_counts(k, histogram);
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
