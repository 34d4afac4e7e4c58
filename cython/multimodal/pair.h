/* Both images in a tile of im1, row by row: smoothed grey values in bins, and which voxels count. */
#ifndef HPCDVC_MODAL_PAIR_H
#define HPCDVC_MODAL_PAIR_H

#include "affine_rows.h"
#include "moments.h"
#include "multimodal.h"
#include "quadratic.h"

enum {
    ROOM = TILE_X + VL,     /* rows are written by whole vectors */
    SHORT = 16,             /* voxels of a tile that are not halved without need */
    LARGEST_BOX = 1 << 21   /* voxels of im2 that are read at a time */
};
#define SPARE 1e-3          /* voxels: places between two are rounded to either */
#define WORTH 0.9           /* a tile is halved where its halves read less of im2 than this part of what the whole reads */

#define STEEPEST 1e6       /* component of F: beyond that no voxel of im1 has its place in im2 */

typedef struct pair pair;
/* What is done with a row of a tile, whose columns [first, last) lie in both images; with all rows of one. */
typedef void row_work(pair *, int z, int y, int first, int last);
typedef void tile_work(pair *, int is_outside);

struct pair {
    const hpcdvc_modal_images *m;
    int is_3d, n[3];        /* of the tile ... */
    int64_t lo[3];          /* ... its first voxel */
    way way;
    box grey1, valid1;      /* of im1, one voxel wider */
    box grey2, valid2, scratch;
    int has_invalid[2], is_crossed; /* some voxels that were read do not count; the tile leaves im2 */
    float f[ROOM];          /* a row of it, in bins, smoothed ... */
    float g[ROOM], ok[ROOM], slope[3][ROOM]; /* ... with im2, which of its voxels count, and the slopes of im2 */
    float column[ROOM + VL]; /* sums of im1 along z and y */
    int64_t first, last;    /* planes of im1 that are wanted */
    int64_t count, outside; /* voxels of im1 that count in im2, and that do not */
    float part[ROOM];       /* between two nodes of the table, see likelihood.h, ... */
    int32_t node[ROOM];     /* ... the first of these, in floats */
    int32_t bin[ROOM];      /* in the histogram, see joint.h */
    uint32_t *counts[2];    /* (bins, bins), and one for voxels that do not count */
    float log_density[ROOM], whitened[ROOM], root[ROOM];
    double log_likelihood;
    motion_sums sums;
    double *moments;
    const uint8_t *diagram;
    float *residual;
    uint8_t *phase;
};

/* Position in im2 of the first voxel of row (z, y) of the tile. */
static void row_start(const pair *k, const int64_t lo[3], int z, int y, double p[3])
{
    const double *c = k->m->centre, x[3] = {(double)(lo[0] + z) - c[0], (double)(lo[1] + y) - c[1], (double)lo[2] - c[2]};
    for (int i = 0; i < 3; i++) {
        const double *F = k->m->phi + 4 * i;
        p[i] = c[i] + F[3] + F[0] * x[0] + F[1] * x[1] + F[2] * x[2];
    }
}

/* Voxels [from, to) of im2 that a tile [lo, hi) needs: taps, and the direct neighbours of the cells that places fall in where some
 * of these may not count. Returns how many are read for them; 0 where all of it lies outside. */
static double source_of(const pair *k, const int64_t lo[3], const int64_t hi[3], int64_t from[3], int64_t to[3], int *is_crossed)
{
    const double nearest = k->m->im2->type < TYPE_F4 && !k->m->im2->mask ? 0.5 : 0;
    double p[3], voxels = 1;
    *is_crossed = 0;
    for (int i = 0; i < 12; i++)
        if (i % 4 < 3 && !(fabs(k->m->phi[i]) <= STEEPEST)) return 0; /* places of a row could not be counted */
    row_start(k, lo, 0, 0, p);
    for (int i = 0; i < 3; i++) {
        const double last = (double)k->m->im2->shape[i] - 1;
        double low = p[i], high = low;
        for (int j = 0; j < 3; j++) {
            const double d = k->m->phi[4 * i + j] * (double)(hi[j] - 1 - lo[j]);
            low += d < 0 ? d : 0, high += d > 0 ? d : 0;
        }
        if (i == 0 && !k->is_3d) {
            from[0] = 0, to[0] = 1;
            continue;
        }
        if (!(high >= -1e-6) || !(low <= last + 1e-6)) return 0;
        *is_crossed |= low < -1e-6 || high > last + 1e-6;
        from[i] = (int64_t)floor((low < 0 ? 0 : low) + nearest - SPARE) - 1;
        to[i] = (int64_t)floor((high > last ? last : high) - nearest + SPARE) + 3;
        voxels *= (double)(to[i] - from[i]);
    }
    return voxels;
}

/* Voxels [from, to) of im2 in bins. Returns 1 when memory ran out. */
static int read_source(pair *k, const int64_t from[3], const int64_t to[3])
{
    int n[3];
    for (int i = 0; i < 3; i++) n[i] = (int)(to[i] - from[i]);
    const int64_t dropped = read_box(k->m->im2, from, n, k->m->low[1], k->m->scale[1], &k->grey2, &k->valid2, &k->scratch);
    memcpy(k->valid2.origin, from, sizeof k->valid2.origin);
    k->has_invalid[1] = dropped > 0;
    return dropped == -1;
}

/* im1 in the tile and beside it, in bins; its mask does not matter here. Returns 1 when memory ran out. */
static int read_reference(pair *k)
{
    const int *n = k->n, in_z = k->is_3d, wide[3] = {n[0] + 2 * in_z, n[1] + 2, n[2] + 2};
    const int64_t origin[3] = {k->lo[0] - in_z, k->lo[1] - 1, k->lo[2] - 1};
    hpcdvc_volume im = *k->m->im1;
    im.mask = NULL;
    const int64_t dropped = read_box(&im, origin, wide, k->m->low[0], k->m->scale[0], &k->grey1, &k->valid1, &k->scratch);
    k->has_invalid[0] = dropped > 0;
    return dropped == -1;
}

/* im1 in row (z, y), smoothed by [1 6 1] / 8 along each axis: as the spline of im2 is at voxels. */
INLINE void smooth_row(pair *k, int z, int y)
{
    const int n = k->n[2];
    const int64_t sz = k->grey1.sz, sy = k->grey1.sy;
    const float *r = row_of(&k->grey1, k->is_3d ? z + 1 : 0, y + 1);
    for (int x = 0; x < n + 2; x += VL, r += VL) {
        vf sum = 6 * load(r) + (load(r - sy) + load(r + sy));
        if (k->is_3d) {
            const vf before = load(r - sz - sy) + load(r - sz + sy), behind = load(r + sz - sy) + load(r + sz + sy);
            sum = 6 * (sum + load(r - sz) + load(r + sz)) + (before + behind);
        }
        store(k->column + x, sum);
    }
    const float part = k->is_3d ? 1 / 512.f : 1 / 64.f;
    for (int x = 0; x < n; x += VL) {
        const float *c = k->column + x;
        store(k->f + x, part * (6 * load(c + 1) + (load(c) + load(c + 2))));
    }
}

/* Go to row (z, y) of im1, and find in `ok` which of its voxels count. Returns how many. */
static int64_t read_row(pair *k, int z, int y)
{
    const hpcdvc_volume *im = k->m->im1;
    const int64_t at = voxel(im, k->lo, z, y, 0);
    int64_t count = 0;
    for (int x = 0; x < k->n[2]; x += VL) store(k->ok + x, splat(1));
    for (int x = 0; x < VL; x++) k->ok[k->n[2] + x] = 0;
    if (!k->has_invalid[0] && !im->mask) return k->n[2];
    for (int x = 0; x < k->n[2]; x++) {
        if (im->mask && !im->mask[at + x]) k->ok[x] = 0;
        if (k->has_invalid[0] && row_of(&k->valid1, z + k->is_3d, y + 1)[x + 1] == 0) k->ok[x] = 0;
        count += k->ok[x] > 0;
    }
    return count;
}

/* im2 in row (z, y), between columns [first, last) that lie in it, in bins, and its slopes; `ok` becomes that of both images.
 * Returns how many voxels count. */
INLINE int64_t sample(pair *k, int z, int y, int is_3d, int64_t counted, int *first, int *last)
{
    const double slope[3] = {k->m->phi[2], k->m->phi[6], k->m->phi[10]};
    float *const slopes[3] = {k->slope[0], k->slope[1], k->slope[2]};
    const int n = k->n[2];
    double p[3], q[3];
    smooth_row(k, z, y);
    row_start(k, k->lo, z, y, p);
    *first = 0, *last = n;
    if (k->is_crossed) {
        columns_inside(p, slope, k->m->im2->shape, is_3d, n, first, last);
        clear_ends(k->ok, *first, *last, n);
    }
    if (k->has_invalid[1]) drop_bad_cells(&k->valid2, p, slope, is_3d, *first, *last, k->ok);
    if (k->is_crossed || k->has_invalid[1]) {
        counted = 0;
        for (int x = *first; x < *last; x++) counted += k->ok[x] > 0;
    }
    for (int i = 0; i < 3; i++) q[i] = p[i] - (double)k->grey2.origin[i];
    if (is_steep(&k->way)) sample_across(&k->grey2, q, slope, *first, *last, is_3d, k->g, slopes);
    else sample_along(&k->grey2, q, &k->way, *first, *last, is_3d, k->g, slopes);
    return counted;
}

/* The same for 2-D and 3-D images, all loops unrolled for either. Once for all that is done with rows, slopes needed or not: compiled
 * with other code it might round otherwise, and what lies between two bins be counted in one here, in the other there. */
static __attribute__((noinline)) int64_t sample_row_of(pair *k, int z, int y, int64_t counted, int *first, int *last)
{
    return k->is_3d ? sample(k, z, y, 1, counted, first, last) : sample(k, z, y, 0, counted, first, last);
}

/* Work through the rows of a tile; is_outside: nothing of it lies in im2. */
INLINE void each_row(pair *k, int is_outside, row_work *work)
{
    for (int z = 0; z < k->n[0]; z++)
        for (int y = 0; y < k->n[1] && k->lo[0] + z >= k->first && k->lo[0] + z < k->last; y++) {
            const int64_t in_im1 = read_row(k, z, y);
            int first = 0, last = 0;
            const int64_t counted = is_outside || in_im1 == 0 ? 0 : sample_row_of(k, z, y, in_im1, &first, &last);
            k->count += counted, k->outside += in_im1 - counted;
            work(k, z, y, counted ? first : 0, counted ? last : 0);
        }
}

/* Work through a tile, in halves as long as these need less of im2. Returns 1 when memory ran out. */
static int each_tile(pair *k, const int64_t lo[3], const int64_t hi[3], tile_work *work)
{
    int64_t from[3], to[3], middle[2][3], unused[2][3];
    int longest = 2, crossed, ignored;
    const double voxels = source_of(k, lo, hi, from, to, &crossed);
    for (int i = 0; i < 2; i++)
        if (hi[i] - lo[i] > hi[longest] - lo[longest]) longest = i;
    memcpy(middle[0], hi, sizeof *middle), memcpy(middle[1], lo, sizeof *middle);
    middle[0][longest] = middle[1][longest] = (lo[longest] + hi[longest]) / 2;
    if (hi[longest] - lo[longest] > (voxels > LARGEST_BOX ? 1 : SHORT)) {
        const double halves = source_of(k, lo, middle[0], unused[0], unused[1], &ignored)
                              + source_of(k, middle[1], hi, unused[0], unused[1], &ignored);
        if (voxels > LARGEST_BOX || halves < WORTH * voxels)
            return each_tile(k, lo, middle[0], work) || each_tile(k, middle[1], hi, work);
    }
    for (int i = 0; i < 3; i++) k->lo[i] = lo[i], k->n[i] = (int)(hi[i] - lo[i]);
    k->is_crossed = crossed;
    if (read_reference(k) || (voxels > 0 && read_source(k, from, to))) return 1;
    work(k, voxels == 0);
    return 0;
}

/* Work through a block, tile by tile. Returns 1 when memory ran out. */
static int each_block(pair *k, const int64_t lo[3], const int64_t hi[3], tile_work *work)
{
    const int64_t size[3] = {TILE_Z, k->is_3d ? TILE_Y : FLAT_Y, TILE_X};
    int64_t first[3], last[3];
    for (first[0] = lo[0]; first[0] < hi[0]; first[0] += size[0])
        for (first[1] = lo[1]; first[1] < hi[1]; first[1] += size[1])
            for (first[2] = lo[2]; first[2] < hi[2]; first[2] += size[2]) {
                for (int i = 0; i < 3; i++) last[i] = first[i] + size[i] < hi[i] ? first[i] + size[i] : hi[i];
                if (each_tile(k, first, last, work)) return 1;
            }
    return 0;
}

static void pair_end(pair *k)
{
    if (!k) return;
    box *all[] = {&k->grey1, &k->valid1, &k->grey2, &k->valid2, &k->scratch};
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) free(all[i]->v);
    for (int i = 0; i < 2; i++) free(k->counts[i]);
    free(k);
}

/* NULL when memory ran out. */
static pair *pair_start(const hpcdvc_modal_images *m)
{
    pair *k;
    if (posix_memalign((void **)&k, 64, sizeof *k)) return NULL;
    memset(k, 0, sizeof *k);
    k->m = m, k->is_3d = m->im1->shape[0] > 1, k->last = m->im1->shape[0], k->way = way_of(m->phi);
    for (int i = 0; i < 2; i++) k->counts[i] = calloc((size_t)m->bins * m->bins + 1, sizeof **k->counts);
    if (k->counts[0] && k->counts[1]) return k;
    pair_end(k);
    return NULL;
}

#endif
