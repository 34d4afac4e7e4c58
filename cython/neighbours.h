/* Sources by a field: the mean over the nearest displaced nodes of what each says, weighted by 1 / (d + 1e-6).
 *
 * A block of voxels first collects the nodes that may be among the nearest of one of its voxels. Then lanes run along
 * x: the squared distances of the n nearest are kept by insertion, and a second pass adds up the nodes that are not
 * farther. Nodes as far as the last one, up to rounding, all count: the result keeps the symmetry of a grid. */
#ifndef HPCDVC_NEIGHBOURS_H
#define HPCDVC_NEIGHBOURS_H

#include "tile.h"

enum { BLOCK_Z = 8, BLOCK_Y = 8, BLOCK_X = 16 };
#define SAME 1.00001f /* ratio of squared distances that rounding can make of equal ones */
#define FAR_AWAY 1e30f
#define NODE_FLOATS 15

typedef int32_t vi __attribute__((vector_size(4 * VL)));

typedef struct {
    int64_t *index; /* of candidates */
    float *node;    /* NODE_FLOATS each, relative to the block: y, displacement of a voxel at its middle, G */
    int64_t count, size;
    float *best;    /* largest distances from the block, ascending */
    vf *nearest;
    int wanted;     /* neighbours that there are */
    double centre[3], half[3], reach;
    int64_t shift[3]; /* voxels, taken from all displacements of the block */
} search;

static int search_start(search *k, const hpcdvc_mapping *m)
{
    memset(k, 0, sizeof *k);
    if (m->kind != BY_NODES) return 0;
    k->wanted = m->neighbours < m->count ? m->neighbours : (int)m->count;
    k->best = malloc((k->wanted + 1) * sizeof *k->best);
    return !k->best || posix_memalign((void **)&k->nearest, 64, (k->wanted + 1) * sizeof *k->nearest);
}

static void search_end(search *k)
{
    free(k->index), free(k->node), free(k->best), free(k->nearest);
}

static int search_room(search *k)
{
    if (k->count < k->size) return 0;
    const int64_t size = 2 * k->size + 256;
    int64_t *index = realloc(k->index, size * sizeof *index);
    if (index) k->index = index;
    float *node = realloc(k->node, size * NODE_FLOATS * sizeof *node);
    if (node) k->node = node;
    if (!index || !node) return 1;
    k->size = size;
    return 0;
}

/* Cells that hold all nodes within `reach` of the block. Returns whether these are all cells. */
static int cells_within(const hpcdvc_mapping *m, const search *k, double reach, int64_t lo[3], int64_t hi[3])
{
    int all = 1;
    for (int i = 0; i < 3; i++) {
        const double end = (double)m->cells[i] - 1; /* the outer cells hold the nodes beyond them, too */
        const double a = floor((k->centre[i] - k->half[i] - reach - m->low[i]) / m->cell);
        const double b = floor((k->centre[i] + k->half[i] + reach - m->low[i]) / m->cell);
        lo[i] = (int64_t)fmin(fmax(a, 0), end), hi[i] = (int64_t)fmin(fmax(b, 0), end);
        all &= lo[i] == 0 && hi[i] == m->cells[i] - 1;
    }
    return all;
}

/* Smallest and largest squared distance from a node to the points of the block. */
INLINE void distances(const search *k, const hpcdvc_node *n, double *least, double *most)
{
    double a = 0, b = 0;
    for (int i = 0; i < 3; i++) {
        const double d = fabs(n->y[i] - k->centre[i]), near = d > k->half[i] ? d - k->half[i] : 0, far = d + k->half[i];
        a += near * near, b += far * far;
    }
    *least = a, *most = b;
}

/* Bound of the squared distance to the n-th nearest node of any point of the block, from nodes within reach; infinite
 * if there are fewer than n. */
static double bound_within(const hpcdvc_mapping *m, search *k, const int64_t lo[3], const int64_t hi[3])
{
    int found = 0;
    for (int64_t z = lo[0]; z <= hi[0]; z++)
        for (int64_t y = lo[1]; y <= hi[1]; y++) {
            const int64_t *cell = m->starts + (z * m->cells[1] + y) * m->cells[2];
            for (int64_t i = cell[lo[2]]; i < cell[hi[2] + 1]; i++) {
                double least, most;
                distances(k, m->nodes + i, &least, &most);
                if (found == k->wanted && most >= k->best[found - 1]) continue;
                int j = found < k->wanted ? found++ : found - 1;
                for (; j > 0 && k->best[j - 1] > most; j--) k->best[j] = k->best[j - 1];
                k->best[j] = (float)(most * 1.000001); /* never rounded down */
            }
        }
    return found < k->wanted ? INFINITY : k->best[k->wanted - 1];
}

/* Collect the nodes that can be among the n nearest of a point of the block. Returns 1 when memory ran out. */
static int find_candidates(const hpcdvc_mapping *m, search *k)
{
    int64_t lo[3], hi[3];
    double bound = INFINITY, reach = m->cell;
    for (int all = 0; !all && bound == INFINITY; reach *= 2) {
        all = cells_within(m, k, reach, lo, hi);
        bound = bound_within(m, k, lo, hi);
    }
    bound *= SAME;
    cells_within(m, k, sqrt(bound), lo, hi);
    k->count = 0;
    for (int64_t z = lo[0]; z <= hi[0]; z++)
        for (int64_t y = lo[1]; y <= hi[1]; y++) {
            const int64_t *cell = m->starts + (z * m->cells[1] + y) * m->cells[2];
            for (int64_t i = cell[lo[2]]; i < cell[hi[2] + 1]; i++) {
                double least, most;
                distances(k, m->nodes + i, &least, &most);
                if (least > bound) continue;
                if (search_room(k)) return 1;
                k->index[k->count++] = i;
            }
        }
    return 0;
}

/* Candidates as the lanes need them: small numbers, so that float32 is exact to a millionth of a voxel. */
static void move_to_block(const hpcdvc_mapping *m, search *k)
{
    double nearest = INFINITY;
    for (int64_t c = 0; c < k->count; c++) {
        const hpcdvc_node *n = m->nodes + k->index[c];
        double d = 0;
        for (int i = 0; i < 3; i++) d += (n->y[i] - k->centre[i]) * (n->y[i] - k->centre[i]);
        if (d >= nearest) continue;
        nearest = d;
        for (int i = 0; i < 3; i++) k->shift[i] = (int64_t)rint(fmax(fmin(-n->t[i], 1e15), -1e15));
    }
    for (int64_t c = 0; c < k->count; c++) {
        const hpcdvc_node *n = m->nodes + k->index[c];
        float *f = k->node + NODE_FLOATS * c;
        for (int i = 0; i < 3; i++) {
            double u = -n->t[i] - (double)k->shift[i];
            for (int j = 0; j < 3; j++) u += n->G[3 * i + j] * (k->centre[j] - n->y[j]);
            f[i] = (float)(n->y[i] - k->centre[i]), f[3 + i] = (float)u;
        }
        for (int i = 0; i < 9; i++) f[6 + i] = (float)n->G[i];
    }
}

INLINE vf smaller(vf a, vf b)
{
    vf r;
    for (int i = 0; i < VL; i++) r[i] = a[i] < b[i] ? a[i] : b[i];
    return r;
}

INLINE vf larger(vf a, vf b)
{
    vf r;
    for (int i = 0; i < VL; i++) r[i] = a[i] > b[i] ? a[i] : b[i];
    return r;
}

INLINE vf root(vf a)
{
    vf r;
    for (int i = 0; i < VL; i++) r[i] = sqrtf(a[i]);
    return r;
}

INLINE int any(vi m)
{
    int32_t r = 0;
    for (int i = 0; i < VL; i++) r |= m[i];
    return r;
}

INLINE vf squared(const float *f, float dz2, float dy2, vf x)
{
    const vf d = x - f[2];
    return d * d + (dz2 + dy2);
}

/* Squared distance to the n-th nearest node of VL voxels. */
INLINE vf nth_nearest(const search *k, float z, float y, vf x, int n, vf *b)
{
    for (int i = 0; i < n; i++) b[i] = splat(FAR_AWAY);
    for (int64_t c = 0; c < k->count; c++) {
        const float *f = k->node + NODE_FLOATS * c;
        vf d = squared(f, (z - f[0]) * (z - f[0]), (y - f[1]) * (y - f[1]), x);
        for (int i = 0; i < n; i++) {
            const vf least = smaller(b[i], d);
            d = larger(b[i], d);
            b[i] = least;
        }
    }
    return b[n - 1];
}

static vf threshold(const search *k, float z, float y, vf x)
{
    if (k->wanted == 8) {
        vf b[8];
        return SAME * nth_nearest(k, z, y, x, 8, b);
    }
    return SAME * nth_nearest(k, z, y, x, k->wanted, k->nearest);
}

/* Weighted mean displacement of VL voxels, relative to the shift of the block. */
static void mean_displacement(const search *k, float z, float y, vf x, vf limit, vf u[3])
{
    vf sum = splat(0);
    u[0] = u[1] = u[2] = splat(0);
    for (int64_t c = 0; c < k->count; c++) {
        const float *f = k->node + NODE_FLOATS * c;
        const vf d = squared(f, (z - f[0]) * (z - f[0]), (y - f[1]) * (y - f[1]), x);
        const vi near = d <= limit;
        if (!any(near)) continue;
        const vf w = (vf)((vi)(1.0f / (root(d) + 1e-6f)) & near);
        sum += w;
        for (int i = 0; i < 3; i++) {
            const float *G = f + 6 + 3 * i;
            u[i] += w * (f[3 + i] + G[0] * z + G[1] * y + G[2] * x);
        }
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

static int place_block(tile *t, search *k, const range *r)
{
    const hpcdvc_mapping *m = t->s->map;
    for (int i = 0; i < 3; i++) {
        k->half[i] = 0.5 * (r->hi[i] - r->lo[i] - 1);
        k->centre[i] = (double)(t->at[i] + r->lo[i]) + k->half[i];
    }
    if (find_candidates(m, k)) return 1;
    move_to_block(m, k);
    for (int zi = r->lo[0]; zi < r->hi[0]; zi++)
        for (int yi = r->lo[1]; yi < r->hi[1]; yi++)
            for (int xi = r->lo[2]; xi < r->hi[2]; xi += VL) {
                const float z = (float)(zi - r->lo[0] - k->half[0]), y = (float)(yi - r->lo[1] - k->half[1]);
                const vf x = (float)(xi - r->lo[2] - k->half[2]) + lanes();
                vf u[3];
                mean_displacement(k, z, y, x, k->wanted < m->count ? threshold(k, z, y, x) : splat(INFINITY), u);
                const int64_t from[3] = {t->at[0] + zi + k->shift[0], t->at[1] + yi + k->shift[1],
                                         t->at[2] + xi + k->shift[2]};
                for (int i = 0; i < 3; i++) {
                    double *p = t->p[i] + voxel_of(zi, yi) + xi;
                    for (int l = 0; l < VL; l++) p[l] = (double)from[i] + (i == 2 ? l : 0) + (double)u[i][l];
                }
            }
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
