/* The displaced nodes of a field that may be among the nearest of one of the voxels of a block. */
#ifndef HPCDVC_CANDIDATES_H
#define HPCDVC_CANDIDATES_H

#include "tile.h"

enum { BLOCK_Z = 8, BLOCK_Y = 8, BLOCK_X = 8 };
#define SAME 1.00001f /* ratio of squared distances that rounding can make of equal ones in float32 */
#define NODE_FLOATS 15

typedef int32_t vi __attribute__((vector_size(4 * VL)));

typedef struct {
    int64_t *index; /* of candidates */
    float *node;    /* NODE_FLOATS each, relative to the block: y, displacement of a voxel at its middle, G */
    int64_t count, size;
    double *best;   /* squared distances, ascending */
    vf *nearest;    /* squared distances of VL voxels to the nearest nodes, ascending */
    int32_t *near;  /* candidates near VL voxels ... */
    vf *distance;   /* ... and their squared distances */
    int near_count;
    int wanted;     /* neighbours that there are */
    double centre[3], half[3];
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
    free(k->index), free(k->node), free(k->best), free(k->nearest), free(k->near), free(k->distance);
}

static int search_room(search *k)
{
    if (k->count < k->size) return 0;
    const int64_t size = 2 * k->size + 256;
    int64_t *index = realloc(k->index, size * sizeof *index);
    if (index) k->index = index;
    float *node = realloc(k->node, size * NODE_FLOATS * sizeof *node);
    if (node) k->node = node;
    free(k->near), free(k->distance);
    k->near = malloc(size * sizeof *k->near), k->distance = NULL;
    k->size = size;
    return !index || !node || !k->near || posix_memalign((void **)&k->distance, 64, size * sizeof *k->distance);
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

/* Keep d if it is one of the wanted smallest so far. Returns how many are kept. */
INLINE int keep_smallest(search *k, int found, double d)
{
    if (found == k->wanted && d >= k->best[found - 1]) return found;
    int j = found < k->wanted ? found++ : found - 1;
    for (; j > 0 && k->best[j - 1] > d; j--) k->best[j] = k->best[j - 1];
    k->best[j] = d;
    return found;
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
                found = keep_smallest(k, found, most);
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

#endif
