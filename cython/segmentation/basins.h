/* Basins of a distance map: each voxel goes up the steepest way, to one of the maxima; and the saddles between them. */
#ifndef HPCDVC_BASINS_H
#define HPCDVC_BASINS_H

#include <math.h>
#include <stdint.h>

#include "distinct.h"
#include "records_segmentation.h"

/* What `ways_up` has for a voxel: number 0 to 26 of the neighbour, its own (a maximum), or none (background). */
enum { ITSELF = 13, BACKGROUND = 255 };

typedef struct {
    int64_t nz, ny, nx;
} basins_shape;

/* Neighbours of a voxel: where they lie in memory, and 1 / distance. */
typedef struct {
    int64_t offset[27];
    float slope[27];
} basins_neighbours;

static basins_neighbours neighbours_in(const basins_shape *n)
{
    basins_neighbours near;
    for (int k = 0; k < 27; k++) {
        const int dz = k / 9 - 1, dy = k / 3 % 3 - 1, dx = k % 3 - 1, steps = dz * dz + dy * dy + dx * dx;
        near.offset[k] = (dz * n->ny + dy) * n->nx + dx;
        near.slope[k] = steps ? 1 / sqrtf((float)steps) : 0;
    }
    return near;
}

/* Whether neighbour k of a voxel lies in the image. */
static inline int is_inside(const basins_shape *n, int64_t z, int64_t y, int64_t x, int k)
{
    z += k / 9 - 1, y += k / 3 % 3 - 1, x += k % 3 - 1;
    return z >= 0 && z < n->nz && y >= 0 && y < n->ny && x >= 0 && x < n->nx;
}

static inline int is_within(const basins_shape *n, int64_t z, int64_t y, int64_t x)
{
    return z > 0 && z < n->nz - 1 && y > 0 && y < n->ny - 1 && x > 0 && x < n->nx - 1;
}

/* The steepest way up; along a plateau to a voxel that comes before. `all`: all neighbours lie in the image. */
static inline uint8_t way_up(const float *d, const basins_shape *n, const basins_neighbours *near, int64_t z, int64_t y,
                             int64_t x, int all)
{
    int best = ITSELF;
    float steepest = 0;
    for (int k = 0; k < 27; k++) {
        if (k == ITSELF || (!all && !is_inside(n, z, y, x, k))) continue;
        const float rise = d[near->offset[k]] - *d;
        if (rise * near->slope[k] > steepest) best = k, steepest = rise * near->slope[k];
        if (rise == 0 && k < ITSELF && best == ITSELF) best = k;
    }
    return (uint8_t)best;
}

/* Planes [first, last) of the ways up; returns how many maxima there are. */
static int64_t ways_up(const float *distance, const basins_shape *n, int64_t first, int64_t last, uint8_t *way)
{
    const basins_neighbours near = neighbours_in(n);
    int64_t maxima = 0, at = first * n->ny * n->nx;
    for (int64_t z = first; z < last; z++)
        for (int64_t y = 0; y < n->ny; y++)
            for (int64_t x = 0; x < n->nx; x++, at++) {
                if (distance[at] == 0)
                    way[at] = BACKGROUND;
                else if (is_within(n, z, y, x))
                    way[at] = way_up(distance + at, n, &near, z, y, x, 1);
                else
                    way[at] = way_up(distance + at, n, &near, z, y, x, 0);
                maxima += way[at] == ITSELF;
            }
    return maxima;
}

/* Number the maxima of voxels [from, to) from `number` on, and keep their heights. */
static void number_maxima(const float *distance, const uint8_t *way, int64_t from, int64_t to, uint32_t number,
                          uint32_t *basin, float *heights)
{
    for (int64_t at = from; at < to; at++)
        if (way[at] == ITSELF) basin[at] = number++, *heights++ = distance[at];
}

/* Basins of voxels [from, to), when all maxima of the image have theirs; other ranks may be filling theirs meanwhile. */
static void fill_basins(const uint8_t *way, const basins_shape *n, int64_t from, int64_t to, uint32_t *basin)
{
    const basins_neighbours near = neighbours_in(n);
    for (int64_t first = from; first < to; first++) {
        if (way[first] == BACKGROUND || basin[first]) continue;
        int64_t at = first;
        uint32_t found;
        while (!(found = __atomic_load_n(basin + at, __ATOMIC_RELAXED))) at += near.offset[way[at]];
        for (at = first; at >= from && at < to && !basin[at]; at += near.offset[way[at]])
            __atomic_store_n(basin + at, found, __ATOMIC_RELAXED);
    }
}

/* The highest ways from basin to basin, of voxels of planes [first, last) to the 13 neighbours that come after. The caller
 * frees what is in the table. Returns 1 when memory ran out. */
static int saddles_of_planes(const float *distance, const uint32_t *basin, const basins_shape *n, int64_t first,
                             int64_t last, distinct_table *t)
{
    const basins_neighbours near = neighbours_in(n);
    int64_t at = first * n->ny * n->nx;
    hpcdvc_saddle *saddle = NULL; /* the one met last: its neighbours are mostly of the same pair */
    start_table(t, sizeof(hpcdvc_saddle), 2);
    for (int64_t z = first; z < last; z++)
        for (int64_t y = 0; y < n->ny; y++)
            for (int64_t x = 0; x < n->nx; x++, at++) {
                const uint32_t here = basin[at];
                if (!here) continue;
                const int all = is_within(n, z, y, x);
                for (int k = ITSELF + 1; k < 27; k++) {
                    if (!all && !is_inside(n, z, y, x, k)) continue;
                    const uint32_t there = basin[at + near.offset[k]];
                    if (!there || there == here) continue;
                    const int64_t pair[2] = {here < there ? here : there, here < there ? there : here};
                    const double a = distance[at], b = distance[at + near.offset[k]], low = a < b ? a : b;
                    int is_new;
                    if (!saddle || memcmp(saddle->basins, pair, sizeof pair)) saddle = record_of(t, sizeof *saddle, 2, pair, &is_new);
                    if (!saddle) return 1;
                    if (low > saddle->height) saddle->height = low;
                }
            }
    return 0;
}

static inline int64_t root_of(int64_t *parent, int64_t i)
{
    while (parent[i] != i) i = parent[i] = parent[parent[i]];
    return i;
}

/* Merge basins 1 to n over saddles, the highest first: one whose maximum rises no more than h above the saddle to a higher one
 * becomes part of the basin on the other side. `group` and `merged` are filled with n + 1 numbers: of basins that are
 * connected so far, by their highest maximum; and of those that are one, by their first. */
static void merge_basins(const hpcdvc_saddle *saddles, int64_t count, const float *heights, int64_t n, double h,
                         int64_t *group, int64_t *merged)
{
    for (int64_t i = 0; i <= n; i++) group[i] = merged[i] = i;
    for (int64_t s = 0; s < count; s++) {
        int64_t a = root_of(group, saddles[s].basins[0]), b = root_of(group, saddles[s].basins[1]);
        if (a == b) continue;
        if (heights[a - 1] < heights[b - 1] || (heights[a - 1] == heights[b - 1] && a > b)) {
            const int64_t lower = a;
            a = b, b = lower;
        }
        group[b] = a;
        if ((double)heights[b - 1] - saddles[s].height > h) continue;
        const int64_t one = root_of(merged, saddles[s].basins[0]), other = root_of(merged, saddles[s].basins[1]);
        merged[one > other ? one : other] = one > other ? other : one;
    }
    for (int64_t i = 0; i <= n; i++) merged[i] = root_of(merged, i);
}

#endif
