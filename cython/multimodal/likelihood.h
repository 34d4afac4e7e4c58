/* Log-likelihood of a pair of images under a mixture, what a change of Phi makes of it, and the residual of each voxel. */
#ifndef HPCDVC_MODAL_LIKELIHOOD_H
#define HPCDVC_MODAL_LIKELIHOOD_H

#include "joint.h"

/* Where columns [first, last) lie in the table, between nodes. */
INLINE void find_nodes(pair *k, int first, int last)
{
    const hpcdvc_modal_images *m = k->m;
    const float per_bin[2] = {(float)(m->nodes[0] - 1) / (float)(m->bins - 1), (float)(m->nodes[1] - 1) / (float)(m->bins - 1)};
    const int32_t row = 4 * (m->nodes[1] + 1);
    for (int x = first; x < last; x += VL) {
        const vf f = per_bin[0] * clipped(k, k->f + x), g = per_bin[1] * clipped(k, k->g + x);
        const vi i = whole(f), j = whole(g), node = i * row + 4 * j;
        store(k->part[0] + x, f - __builtin_convertvector(i, vf)), store(k->part[1] + x, g - __builtin_convertvector(j, vf));
        memcpy(k->node + x, &node, sizeof node);
    }
}

/* Log density, - score / sqrt(weight) and sqrt(weight) in columns [first, last), linear between the nodes of the table; the bins are
 * counted on the way. */
INLINE void look_up(pair *k, int first, int last)
{
    const int64_t row = 4 * ((int64_t)k->m->nodes[1] + 1);
    find_nodes(k, first, last), find_bins(k, first, last);
    for (int x = first; x < last; x++) {
        const float u = k->part[0][x], v = k->part[1][x], *p = k->m->table + k->node[x], *q = p + row;
        const quad at_j = load_quad(p) + u * (load_quad(q) - load_quad(p));
        const quad behind = load_quad(p + 4) + u * (load_quad(q + 4) - load_quad(p + 4));
        const quad value = at_j + v * (behind - at_j);
        k->log_density[x] = value[0], k->whitened[x] = value[1], k->root[x] = value[2];
        k->counts[k->bin[x]]++;
    }
}

/* Take the sums over the plane of the tile that has been filled. */
static __attribute__((noinline)) void sum_plane(pair *k, int z)
{
    reference_sums r;
    k->plane.first[0] = (double)(k->lo[0] + z) - k->m->centre[0];
    sum_products(&k->plane, 0, &r);
    for (int i = 0; i < 12; i++) k->total.ag[i] += r.ag[i];
    for (int i = 0; i < 144; i++) k->total.M[i] += r.M[i];
}

/* A grey value of im2 beyond the bins says nothing of the motion. */
INLINE void add_likelihood(pair *k, int z, int y, int first, int last)
{
    window *w = &k->plane;
    float *const to[4] = {w->a + y * w->sy, w->g[0] + y * w->sy, w->g[1] + y * w->sy, w->g[2] + y * w->sy};
    const vf top = splat((float)(k->m->bins - 1));
    vf sum = splat(0);
    look_up(k, first, last);
    clear_ends(k->ok, first, last, last + VL);
    for (int x = first; x < last; x += VL) {
        const vf ok = load(k->ok + x), g = load(k->g + x);
        const vf in = (vf)((vi)ok & (g >= splat(0)) & (g <= top)), root = in * load(k->root + x);
        sum += (vf)((vi)load(k->log_density + x) & (ok > splat(0)));
        store(to[0] + x, in * load(k->whitened + x));
        for (int i = k->is_3d ? 0 : 1; i < 3; i++) store(to[1 + i] + x, root * load(k->slope[i] + x));
    }
    for (int i = 0; i < 4; i++) clear_ends(to[i], first, last, w->sy);
    k->log_likelihood += total(sum);
    if (y == k->n[1] - 1) sum_plane(k, z);
}

/* Make the window a plane of the tile. */
static void shape_plane(pair *k)
{
    window *w = &k->plane;
    w->n[0] = 1, w->n[1] = k->n[1], w->n[2] = k->n[2];
    w->sy = PADDED(k->n[2]), w->sz = w->sy * k->n[1];
    for (int i = 1; i < 3; i++) w->first[i] = (double)k->lo[i] - k->m->centre[i];
    w->a = k->store[0];
    for (int i = 0; i < 3; i++) w->g[i] = k->store[1 + i];
    if (!k->is_3d) memset(k->store[1], 0, sizeof k->store[1]);
}

static void sum_tile(pair *k, int is_outside)
{
    shape_plane(k);
    each_row(k, is_outside, add_likelihood);
}

static int sum_blocks(const hpcdvc_modal_images *m, const int64_t *blocks, int64_t count, hpcdvc_modal_sums *sums, int64_t *histogram)
{
    pair *k = pair_start(m);
    int failed = k == NULL;
    for (int64_t b = 0; b < count && !failed; b++) {
        k->count = k->outside = 0, k->log_likelihood = 0;
        memset(&k->total, 0, sizeof k->total);
        failed = each_block(k, blocks + 6 * b, blocks + 6 * b + 3, sum_tile);
        memcpy(sums[b].matrix, k->total.M, sizeof k->total.M), memcpy(sums[b].right, k->total.ag, sizeof k->total.ag);
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
