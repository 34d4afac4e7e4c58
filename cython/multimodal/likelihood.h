/* Log-likelihood of a pair of images under a mixture, what a change of Phi makes of it, and the residual of each voxel. */
#ifndef HPCDVC_MODAL_LIKELIHOOD_H
#define HPCDVC_MODAL_LIKELIHOOD_H

#include "joint.h"

/* Where columns [first, last) lie in the table, at the nearest node of im1, which stays the same, and between two of im2. */
INLINE void find_nodes(pair *k, int first, int last)
{
    const hpcdvc_modal_images *m = k->m;
    const float per_bin[2] = {(float)(m->nodes[0] - 1) / (float)(m->bins - 1), (float)(m->nodes[1] - 1) / (float)(m->bins - 1)};
    const int32_t row = 4 * (m->nodes[1] + 1);
    for (int x = first; x < last; x += VL) {
        const vf f = clipped(k, k->f + x), g = clipped(k, k->g + x), at = per_bin[1] * g;
        const vi i = whole(per_bin[0] * f + 0.5f), j = whole(at), node = i * row + 4 * j;
        find_bins(k, f, g, x);
        store(k->part + x, at - __builtin_convertvector(j, vf));
        memcpy(k->node + x, &node, sizeof node);
    }
}

/* Log density, - score / sqrt(weight), sqrt(weight), linear between two nodes. */
INLINE quad entry(const float *node, float part)
{
    const quad at = load_quad(node), behind = load_quad(node + 4);
    return at + part * (behind - at);
}

/* The same in columns [first, last), each on its own; the bins are counted on the way. */
INLINE void look_up(pair *k, int first, int last)
{
    const float *table = k->m->table;
    const int64_t stop = last;
    uint32_t *const even = k->counts[0], *const odd = k->counts[1];
    find_nodes(k, first, last);
    for (int64_t x = first; x < stop; x += 4) {
        const int32_t *node = k->node + x, *bin = k->bin + x;
        const float *part = k->part + x;
        const quad a = entry(table + node[0], part[0]), b = entry(table + node[1], part[1]);
        const quad c = entry(table + node[2], part[2]), d = entry(table + node[3], part[3]);
        const quad ab = first_two(a, b), cd = first_two(c, d), ab_roots = last_two(a, b), cd_roots = last_two(c, d);
        store_quad(k->log_density + x, lower(ab, cd));
        store_quad(k->whitened + x, upper(ab, cd));
        store_quad(k->root + x, lower(ab_roots, cd_roots));
        even[bin[0]]++, odd[bin[1]]++, even[bin[2]]++, odd[bin[3]]++;
    }
}

/* A grey value of im2 beyond the bins says nothing of the motion. */
INLINE void add_likelihood(pair *k, int z, int y, int first, int last)
{
    const double *centre = k->m->centre;
    const vf top = splat((float)(k->m->bins - 1));
    line_sums row = {0};
    vf sum = splat(0), at = lanes() + (float)((double)(k->lo[2] + first) - centre[2]);
    look_up(k, first, last);
    for (int64_t x = first; x < last; x += VL, at += splat(VL)) {
        const vf ok = load(k->ok + x), g = load(k->g + x);
        const vf root = (vf)((vi)load(k->root + x) & (ok > splat(0)) & (g >= splat(0)) & (g <= top));
        const vf slope[3] = {root * load(k->slope[0] + x), root * load(k->slope[1] + x), root * load(k->slope[2] + x)};
        sum += (vf)((vi)load(k->log_density + x) & (ok > splat(0)));
        add_voxels(&row, slope, load(k->whitened + x), at);
    }
    k->log_likelihood += total(sum);
    add_row(&k->sums, &row, splat((float)((double)(k->lo[1] + y) - centre[1])));
    if (y == k->n[1] - 1) add_plane(&k->sums, (double)(k->lo[0] + z) - centre[0]);
}

static void sum_tile(pair *k, int is_outside) { each_row(k, is_outside, add_likelihood); }

static int sum_blocks(const hpcdvc_modal_images *m, const int64_t *blocks, int64_t count, hpcdvc_modal_sums *sums, int64_t *histogram)
{
    pair *k = pair_start(m);
    int failed = k == NULL;
    for (int64_t b = 0; b < count && !failed; b++) {
        k->count = k->outside = 0, k->log_likelihood = 0;
        memset(&k->sums, 0, sizeof k->sums);
        failed = each_block(k, blocks + 6 * b, blocks + 6 * b + 3, sum_tile);
        spread(&k->sums, sums[b].matrix, sums[b].right);
        settle_counts(k, histogram);
        sums[b].log_likelihood = k->log_likelihood, sums[b].count = (double)k->count, sums[b].outside = (double)k->outside;
    }
    pair_end(k);
    return failed;
}

INLINE void fill_row(pair *k, int z, int y, int first, int last)
{
    const int64_t *shape = k->m->im1->shape;
    const int64_t at = ((k->lo[0] + z - k->first) * shape[1] + k->lo[1] + y) * shape[2] + k->lo[2];
    look_up(k, first, last);
    for (int x = 0; x < k->n[2]; x++) {
        const int counts = x >= first && x < last && k->ok[x] > 0;
        k->residual[at + x] = counts ? k->whitened[x] : NAN;
        k->phase[at + x] = counts ? k->diagram[k->bin[x]] : 0;
    }
}

static void fill_tile(pair *k, int is_outside) { each_row(k, is_outside, fill_row); }

/* By whole layers of tiles, so that what becomes of a plane does not depend on the others that are wanted. */
static int fill_planes(const hpcdvc_modal_images *m, const uint8_t *diagram, int64_t first, int64_t last, float *residual,
                       uint8_t *phase)
{
    const int64_t *shape = m->im1->shape;
    pair *k = pair_start(m);
    int failed = k == NULL;
    if (failed) return 1;
    k->diagram = diagram, k->first = first, k->last = last, k->residual = residual, k->phase = phase;
    for (int64_t z = first / TILE_Z * TILE_Z; z < last && !failed; z += TILE_Z) {
        const int64_t lo[3] = {z, 0, 0}, hi[3] = {z + TILE_Z < shape[0] ? z + TILE_Z : shape[0], shape[1], shape[2]};
        failed = each_block(k, lo, hi, fill_tile);
    }
    pair_end(k);
    return failed;
}

#endif
