/* Sources by a field: the mean over the nearest displaced nodes of what each says, weighted by 1 / (d + 1e-6).
 *
 * A block of voxels first collects the nodes that may be among the nearest of one of its voxels. Then lanes run along
 * x: the squared distances of the n nearest are kept by insertion, and a second pass adds up the nodes that are not
 * farther. Nodes as far as the last one all count: the result keeps the symmetry of a grid. */
#ifndef HPCDVC_NEIGHBOURS_H
#define HPCDVC_NEIGHBOURS_H

#include "candidates.h"

#define FAR_AWAY 1e30f
#define TIE 1e-12  /* relative difference of squared distances that are the same */
#define SOFT 1e-6  /* weights are 1 / (distance + SOFT) */

/* Where the compiler has to be told that lanes have an instruction for it. */
#if defined(__AVX__) && VL == 8
#define smaller(a, b) ((vf)__builtin_ia32_minps256(a, b))
#define larger(a, b) ((vf)__builtin_ia32_maxps256(a, b))
#define root(a) ((vf)__builtin_ia32_sqrtps256(a))
#define any(m) __builtin_ia32_movmskps256((vf)(m))
#elif defined(__SSE2__) && VL == 4
#define smaller(a, b) ((vf)__builtin_ia32_minps(a, b))
#define larger(a, b) ((vf)__builtin_ia32_maxps(a, b))
#define root(a) ((vf)__builtin_ia32_sqrtps(a))
#define any(m) __builtin_ia32_movmskps((vf)(m))
#else
INLINE vf choose(vi m, vf a, vf b) { return (vf)(((vi)a & m) | ((vi)b & ~m)); }
INLINE vf smaller(vf a, vf b) { return choose(a < b, a, b); }
INLINE vf larger(vf a, vf b) { return choose(a > b, a, b); }
INLINE vf root(vf a)
{
    for (int i = 0; i < VL; i++) a[i] = sqrtf(a[i]);
    return a;
}
INLINE int any(vi m)
{
    int32_t r = 0;
    for (int i = 0; i < VL; i++) r |= m[i];
    return r;
}
#endif

INLINE vf squared(const float *node, float z, float y, vf x)
{
    const float dz = z - node[0], dy = y - node[1];
    const vf dx = x - node[2];
    return dx * dx + (dz * dz + dy * dy);
}

/* Keep the smaller of b and d in b; returns the larger. */
INLINE vf insert(vf *b, vf d)
{
    const vf more = larger(*b, d);
    *b = smaller(*b, d);
    return more;
}

/* Note the candidates that are not farther than the bound from one of VL voxels. No branch: none would be foreseen. */
static void note_near(search *k, float z, float y, vf x, vf bound)
{
    int count = 0;
    for (int64_t n = 0; n < k->count; n++) {
        const vf d = squared(k->node + NODE_FLOATS * n, z, y, x);
        k->near[count] = (int32_t)n, k->distance[count] = d;
        count += any(d <= bound) != 0;
    }
    k->near_count = count;
}

/* Squared distance to the last of the wanted nodes for VL voxels; eight of them stay in registers. */
static vf last_nearest(const search *k, vf bound)
{
    if (k->wanted == 8) {
        vf a = bound, b = bound, c = bound, e = bound, f = bound, g = bound, h = bound, i = bound;
        for (int n = 0; n < k->near_count; n++) {
            vf d = k->distance[n];
            d = insert(&a, d), d = insert(&b, d), d = insert(&c, d), d = insert(&e, d);
            d = insert(&f, d), d = insert(&g, d), d = insert(&h, d);
            i = smaller(i, d);
        }
        return i;
    }
    for (int i = 0; i < k->wanted; i++) k->nearest[i] = bound;
    for (int n = 0; n < k->near_count; n++) {
        vf d = k->distance[n];
        for (int i = 0; i < k->wanted; i++) d = insert(k->nearest + i, d);
    }
    return k->nearest[k->wanted - 1];
}

/* Weighted mean displacement of VL voxels, relative to the shift of the block, and of how many nodes. */
INLINE vi mean_displacement(const search *k, float z, float y, vf x, vf limit, int displacement_only, vf u[3])
{
    vf sum = splat(0), p = sum, q = sum, r = sum;
    vi count = {0};
    for (int c = 0; c < k->near_count; c++) {
        const float *f = k->node + NODE_FLOATS * k->near[c], *G = f + 6;
        const vf d = k->distance[c];
        const vi near = d <= limit;
        if (!any(near)) continue;
        const vf w = (vf)((vi)(1.0f / (root(d) + (float)SOFT)) & near);
        sum += w, count -= near;
        if (displacement_only) {
            p += w * f[3], q += w * f[4], r += w * f[5];
        } else {
            p += w * (f[3] + G[0] * z + G[1] * y + G[2] * x);
            q += w * (f[4] + G[3] * z + G[4] * y + G[5] * x);
            r += w * (f[5] + G[6] * z + G[7] * y + G[8] * x);
        }
    }
    u[0] = p / sum, u[1] = q / sum, u[2] = r / sum;
    return count;
}

INLINE double squared_to(const hpcdvc_node *n, const double p[3])
{
    const double d[3] = {p[0] - n->y[0], p[1] - n->y[1], p[2] - n->y[2]};
    return d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
}

/* Mean displacement of the voxel p in one lane, in float64: for lanes with nodes that float32 cannot tell apart. */
static void exact_displacement(const hpcdvc_mapping *m, search *k, const double p[3], int lane, float limit, double u[3])
{
    double sum = 0;
    int found = 0;
    for (int c = 0; c < k->near_count; c++)
        if (k->distance[c][lane] <= limit) found = keep_smallest(k, found, squared_to(m->nodes + k->index[k->near[c]], p));
    const double last = k->best[found - 1] * (1 + TIE);
    u[0] = u[1] = u[2] = 0;
    for (int c = 0; c < k->near_count; c++) {
        const hpcdvc_node *n = m->nodes + k->index[k->near[c]];
        const double d = squared_to(n, p), w = 1 / (sqrt(d) + SOFT);
        if (d > last) continue;
        sum += w;
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 4; j++) u[i] += w * (j < 3 ? n->G[3 * i + j] * (p[j] - n->y[j]) : -n->t[i]);
    }
    for (int i = 0; i < 3; i++) u[i] /= sum;
}

static int block_wanted(const tile *t, const range *r)
{
    int wanted = 0;
    for (int z = r->lo[0]; z < r->hi[0]; z++)
        for (int y = r->lo[1]; y < r->hi[1]; y++)
            for (int x = r->lo[2]; x < r->hi[2]; x++) wanted |= t->state[voxel_of(z, y) + x];
    return wanted;
}

/* Bound of the squared distance to the last neighbour one voxel on. */
INLINE vf one_farther(vf d)
{
    const vf farther = root(d) + 1.0f;
    return SAME * farther * farther;
}

/* Sources of VL columns of a block. */
static void place_columns(tile *t, search *k, const range *r, int column)
{
    const hpcdvc_mapping *m = t->s->map;
    const int all = k->wanted == m->count;
    const vf x = (float)(column - r->lo[2] - k->half[2]) + lanes();
    vf above = splat(FAR_AWAY), before = above;
    for (int row_z = r->lo[0]; row_z < r->hi[0]; row_z++)
        for (int row_y = r->lo[1]; row_y < r->hi[1]; row_y++) {
            const float z = (float)(row_z - r->lo[0] - k->half[0]), y = (float)(row_y - r->lo[1] - k->half[1]);
            const vf bound = row_y == r->lo[1] ? above : before;
            note_near(k, z, y, x, bound);
            const vf limit = all ? bound : SAME * last_nearest(k, bound);
            before = all ? bound : one_farther(limit);
            if (row_y == r->lo[1]) above = before;
            vf u[3];
            const vi count = m->displacement_only ? mean_displacement(k, z, y, x, limit, 1, u)
                                      : mean_displacement(k, z, y, x, limit, 0, u);
            const int place = voxel_of(row_z, row_y) + column;
            for (int l = 0; l < VL; l++) {
                const double p[3] = {(double)(t->at[0] + row_z), (double)(t->at[1] + row_y),
                                     (double)(t->at[2] + column + l)};
                double v[3] = {(double)k->shift[0] + u[0][l], (double)k->shift[1] + u[1][l],
                               (double)k->shift[2] + u[2][l]};
                if (count[l] > k->wanted) exact_displacement(m, k, p, l, limit[l], v);
                for (int i = 0; i < 3; i++) t->p[i][place + l] = p[i] + v[i];
            }
        }
}

static int place_block(tile *t, search *k, const range *r)
{
    const hpcdvc_mapping *m = t->s->map;
    for (int i = 0; i < 3; i++) {
        k->half[i] = 0.5 * (r->hi[i] - r->lo[i] - 1);
        k->centre[i] = (double)(t->at[i] + r->lo[i]) + k->half[i];
    }
    if (find_candidates(m, k)) return 1;
    move_to_block(m, k);
    for (int x = r->lo[2]; x < r->hi[2]; x += VL) place_columns(t, k, r, x);
    return 0;
}

/* Returns 1 when memory ran out. */
static int place_by_nodes(tile *t, search *k)
{
    for (int z = 0; z < t->n[0]; z += BLOCK_Z)
        for (int y = 0; y < t->n[1]; y += BLOCK_Y)
            for (int x = 0; x < t->n[2]; x += BLOCK_X) {
                range r = {{z, y, x}, {z + BLOCK_Z, y + BLOCK_Y, x + BLOCK_X}};
                for (int i = 0; i < 3; i++) r.hi[i] = r.hi[i] < t->n[i] ? r.hi[i] : t->n[i];
                if (block_wanted(t, &r) && place_block(t, k, &r)) return 1;
            }
    return 0;
}

#endif
