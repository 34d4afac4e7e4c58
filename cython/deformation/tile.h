/* One tile of a deformed image: where its voxels come from, the part of the image that they need, and what is stored. */
#ifndef HPCDVC_TILE_H
#define HPCDVC_TILE_H

#include "deformation.h"
#include "spline.h"

#define EDGE 1e-6 /* voxels outside that still count as inside */

enum { NOT_WANTED, WANTED, INVALID };

typedef struct {
    const hpcdvc_slab *s;
    const hpcdvc_volume *im;
    int64_t at[3];   /* voxel of the deformed image at the corner of the tile */
    int n[3];        /* voxels of the tile */
    int exact;       /* every voxel's source is in p; otherwise those of rows are affine */
    double *p[3];    /* sources, ZYX, at (z * TILE_Y + y) * TILE_X + x */
    uint8_t *state;  /* of every voxel */
    float *gain;     /* of every voxel's grey value; or NULL */
    float line[TILE_X + 2 * VL];
    double offset;   /* of the grey values in the boxes */
    int64_t invalid; /* voxels of the boxes */
    box raw, coefficients, valid, scratch;
} tile;

/* Part of a tile: voxels [lo, hi). */
typedef struct {
    int lo[3], hi[3];
} range;

INLINE int voxel_of(int z, int y) { return (z * TILE_Y + y) * TILE_X; }

/* Source of voxel x of row (z, y) under an affine mapping. */
INLINE void source_at(const tile *t, int z, int y, int x, double p[3])
{
    const double at[3] = {(double)(t->at[0] + z), (double)(t->at[1] + y), (double)(t->at[2] + x)};
    for (int i = 0; i < 3; i++) {
        const double *A = t->s->map->affine + 4 * i;
        p[i] = A[0] * at[0] + A[1] * at[1] + A[2] * at[2] + A[3];
    }
}

/* Voxels with a source outside the image are not wanted; a source just outside is moved to the edge. */
static void keep_inside(tile *t)
{
    for (int z = 0; z < t->n[0]; z++)
        for (int y = 0; y < t->n[1]; y++) {
            uint8_t *state = t->state + voxel_of(z, y);
            double outside[TILE_X], inner[3][TILE_X]; /* distance; nan is outside, too */
            for (int x = 0; x < TILE_X; x++) outside[x] = state[x] == NOT_WANTED;
            for (int i = 0; i < 3; i++) {
                const double *p = t->p[i] + voxel_of(z, y), end = (double)t->im->shape[i] - 1;
                for (int x = 0; x < TILE_X; x++) {
                    inner[i][x] = p[x] < 0 ? 0 : p[x] > end ? end : p[x];
                    outside[x] += fabs(p[x] - inner[i][x]);
                }
            }
            for (int i = 0; i < 3; i++) {
                double *p = t->p[i] + voxel_of(z, y);
                for (int x = 0; x < TILE_X; x++) p[x] = outside[x] <= EDGE ? inner[i][x] : NAN;
            }
            for (int x = 0; x < TILE_X; x++) state[x] = outside[x] <= EDGE ? WANTED : NOT_WANTED;
        }
}

static void bounds_of_voxels(const tile *t, const range *r, double low[3], double high[3])
{
    for (int i = 0; i < 3; i++) {
        double least[TILE_X], most[TILE_X]; /* by column, for vectors */
        for (int x = 0; x < TILE_X; x++) least[x] = INFINITY, most[x] = -INFINITY;
        for (int z = r->lo[0]; z < r->hi[0]; z++)
            for (int y = r->lo[1]; y < r->hi[1]; y++) {
                const double *p = t->p[i] + voxel_of(z, y);
                for (int x = r->lo[2]; x < r->hi[2]; x++) {
                    least[x] = p[x] < least[x] ? p[x] : least[x]; /* nan is neither */
                    most[x] = p[x] > most[x] ? p[x] : most[x];
                }
            }
        low[i] = INFINITY, high[i] = -INFINITY;
        for (int x = 0; x < TILE_X; x++) low[i] = fmin(low[i], least[x]), high[i] = fmax(high[i], most[x]);
    }
}

static void bounds_of_corners(const tile *t, const range *r, double low[3], double high[3])
{
    source_at(t, r->lo[0], r->lo[1], r->lo[2], low);
    memcpy(high, low, 3 * sizeof(double));
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 3; j++) {
            const double d = t->s->map->affine[4 * i + j] * (r->hi[j] - r->lo[j] - 1);
            low[i] += d < 0 ? d : 0, high[i] += d > 0 ? d : 0;
        }
        const double end = (double)t->im->shape[i] - 1;
        if (high[i] < -EDGE || low[i] > end + EDGE) low[0] = INFINITY;
        low[i] = low[i] < 0 ? 0 : low[i], high[i] = high[i] > end ? end : high[i];
        high[i] = high[i] < 0 ? 0 : high[i], low[i] = low[i] > end && low[i] < INFINITY ? end : low[i];
    }
}

/* Bounds of the sources that lie in the image. Returns 0 if there are none. */
static int source_bounds(const tile *t, const range *r, double low[3], double high[3])
{
    if (t->exact) bounds_of_voxels(t, r, low, high);
    else bounds_of_corners(t, r, low, high);
    return low[0] < INFINITY;
}

/* A value near those of the box, so that float32 holds what they differ by. Small integers need none; float32 only where
 * it takes digits: less than that would change voxels that are copied. */
static double near_mean(const tile *t, const int64_t origin[3], const int n[3])
{
    if (t->im->type <= TYPE_I2) return 0;
    const int64_t middle[3] = {origin[0] + (n[0] - 1) / 2, origin[1], origin[2]};
    const int plane[3] = {1, n[1], n[2]};
    const hpcdvc_grey_sums g = grey(t->im, middle, plane);
    const double mean = g.count ? rint(g.sum / g.count) : 0, square = g.count ? g.sum_squares / g.count : 0;
    return t->im->type == TYPE_F4 && mean * mean < 0.99 * square ? 0 : mean;
}

enum { READY, TOO_LARGE, FAILED };

/* Coefficients for all sources between low and high. */
static int cover_sources(tile *t, const double low[3], const double high[3], int64_t largest)
{
    const hpcdvc_interpolation *s = t->s->spline;
    const int half = s->taps / 2, is_3d = t->im->shape[0] > 1, filtered = s->poles > 0;
    int64_t from[3], origin[3], size = 1;
    int n[3], wide[3], pad[3] = {is_3d ? s->pad : 0, s->pad, filtered ? s->prefilter.radius : 0};
    for (int i = 0; i < 3; i++) {
        const int in_use = i > 0 || is_3d; /* one spare voxel: rounding below an integer */
        const int64_t last = (int64_t)floor(high[i]) + in_use * (half + 1);
        from[i] = (int64_t)floor(low[i]) - in_use * half;
        origin[i] = from[i] - pad[i];
        const int64_t extent = last - from[i] + 1;
        size *= extent + 2 * pad[i];
        if (size > largest) return TOO_LARGE;
        n[i] = (int)extent, wide[i] = n[i] + 2 * pad[i];
    }
    t->offset = near_mean(t, from, n);
    box *raw = filtered ? &t->raw : &t->coefficients;
    t->invalid = read_box(t->im, origin, wide, t->offset, 1, raw, &t->valid, &t->scratch);
    if (t->invalid < 0) return FAILED;
    if (filtered) {
        if (box_shape(&t->coefficients, n)) return FAILED;
        prefilter(s, pad[0], raw, &t->coefficients);
    }
    memcpy(t->coefficients.origin, from, sizeof from);
    return READY;
}

static int finite_at(const hpcdvc_volume *im, int64_t at)
{
    return im->type == TYPE_F4 ? isfinite(((const float *)im->data)[at]) : isfinite(((const double *)im->data)[at]);
}

/* Does a value that is interpolated at p lean on a voxel that is not finite? */
static int touches_invalid(const hpcdvc_volume *im, const double p[3])
{
    int64_t c[3], step[3] = {im->shape[1] * im->shape[2], im->shape[2], 1};
    for (int i = 0; i < 3; i++) {
        const double q = p[i] < 0 ? 0 : p[i] > (double)im->shape[i] - 1 ? (double)im->shape[i] - 1 : p[i];
        c[i] = (int64_t)floor(q + EDGE);
        if (q - c[i] <= EDGE || c[i] > im->shape[i] - 2) step[i] = 0;
    }
    const int64_t at = (c[0] * im->shape[1] + c[1]) * im->shape[2] + c[2];
    for (int corner = 0; corner < 8; corner++)
        if (!finite_at(im, at + (corner & 1) * step[2] + (corner >> 1 & 1) * step[1] + (corner >> 2) * step[0])) return 1;
    return 0;
}

#endif
