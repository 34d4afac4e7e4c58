/* Boxes of grey values: read from a volume of any type, extended past the image, filtered along an axis. */
#ifndef HPCDVC_WINDOW_H
#define HPCDVC_WINDOW_H

#include <math.h>
#include <stdlib.h>

#include "correlate.h"
#include "simd.h"

typedef struct {
    float *v;      /* v[z * sz + y * sy + x] */
    int64_t size;  /* floats allocated */
    int n[3];
    int64_t sz, sy;
    int64_t origin[3]; /* voxel of the image at v[0] */
} box;

static int box_shape(box *b, const int n[3])
{
    memcpy(b->n, n, sizeof b->n);
    b->sy = PADDED(n[2]);
    b->sz = b->sy * n[1];
    int64_t need = b->sz * n[0] + 2 * VL; /* vector loops run past the end of a row */
    if (need > b->size) {
        free(b->v);
        b->v = NULL;
        b->size = 0;
        if (posix_memalign((void **)&b->v, 64, need * sizeof(float))) return 1;
        b->size = need;
        memset(b->v, 0, need * sizeof(float));
    }
    return 0;
}

INLINE float *row_of(const box *b, int z, int y) { return b->v + z * b->sz + y * b->sy; }

/* Row readers, one pair per type. WIDE: holds the square of a voxel; REAL: holds a voxel without rounding. */
#define ROW_READERS(NAME, TYPE, WIDE, REAL, FINITE)                                                        \
    static void sum_##NAME(const void *row, int64_t n, grey_sums *g)                                       \
    {                                                                                                      \
        const TYPE *p = row;                                                                               \
        WIDE s = 0, ss = 0;                                                                                \
        int64_t count = 0;                                                                                 \
        for (int64_t i = 0; i < n; i++) {                                                                  \
            const WIDE v = (WIDE)p[i];                                                                     \
            if (FINITE) s += v, ss += v * v, count++;                                                      \
        }                                                                                                  \
        g->sum += (double)s, g->sum_squares += (double)ss, g->count += count;                              \
    }                                                                                                      \
    static void read_##NAME(const void *row, int64_t n, double offset, double scale, float *out)           \
    {                                                                                                      \
        const TYPE *p = row;                                                                               \
        const REAL o = (REAL)offset, k = (REAL)scale;                                                      \
        for (int64_t i = 0; i < n; i++) out[i] = (float)(((REAL)p[i] - o) * k);                            \
    }

ROW_READERS(u1, uint8_t, uint64_t, float, 1)
ROW_READERS(i1, int8_t, int64_t, float, 1)
ROW_READERS(u2, uint16_t, uint64_t, float, 1)
ROW_READERS(i2, int16_t, int64_t, float, 1)
ROW_READERS(u4, uint32_t, double, double, 1)
ROW_READERS(i4, int32_t, double, double, 1)
ROW_READERS(f4, float, double, double, isfinite(v))
ROW_READERS(f8, double, double, double, isfinite(v))

typedef void (*row_sum)(const void *, int64_t, grey_sums *);
typedef void (*row_read)(const void *, int64_t, double, double, float *);
static const row_sum row_sums[] = {sum_u1, sum_i1, sum_u2, sum_i2, sum_u4, sum_i4, sum_f4, sum_f8};
static const row_read row_reads[] = {read_u1, read_i1, read_u2, read_i2, read_u4, read_i4, read_f4, read_f8};
static const int type_bytes[] = {1, 1, 2, 2, 4, 4, 4, 8};

/* The part of [origin, origin + n) inside the image: lo and hi relative to origin. Returns 0 if empty. */
static int inside(const hpcdvc_volume *im, const int64_t origin[3], const int n[3], int lo[3], int hi[3])
{
    for (int k = 0; k < 3; k++) {
        lo[k] = origin[k] < 0 ? (int)(origin[k] < -n[k] ? n[k] : -origin[k]) : 0;
        hi[k] = origin[k] + n[k] > im->shape[k] ? (int)(im->shape[k] - origin[k]) : n[k];
        if (hi[k] <= lo[k]) return 0;
    }
    return 1;
}

static int64_t voxel(const hpcdvc_volume *im, const int64_t origin[3], int z, int y, int x)
{
    return ((origin[0] + z) * im->shape[1] + origin[1] + y) * im->shape[2] + origin[2] + x;
}

/* Ask for the rows of a plane that will be read soon: they lie far apart, so the processor does not guess them. */
static void prefetch_plane(const hpcdvc_volume *im, const int64_t origin[3], int z, const int lo[3], const int hi[3])
{
    const int64_t bytes = type_bytes[im->type];
    if (z >= hi[0]) return;
    for (int y = lo[1]; y < hi[1]; y++) {
        const char *p = (const char *)im->data + voxel(im, origin, z, y, lo[2]) * bytes;
        for (int64_t b = 0; b < (hi[2] - lo[2]) * bytes + 63; b += 64) __builtin_prefetch(p + b);
    }
}

/* Sums of the finite, unmasked voxels of a box. */
static grey_sums grey(const hpcdvc_volume *im, const int64_t origin[3], const int n[3])
{
    grey_sums g = {0};
    int lo[3], hi[3];
    if (!inside(im, origin, n, lo, hi)) return g;
    for (int z = lo[0]; z < hi[0]; z++) {
        prefetch_plane(im, origin, z + 1, lo, hi);
        for (int y = lo[1]; y < hi[1]; y++) {
            int64_t at = voxel(im, origin, z, y, lo[2]);
            const char *p = (const char *)im->data + at * type_bytes[im->type];
            if (!im->mask)
                row_sums[im->type](p, hi[2] - lo[2], &g);
            else
                for (int x = 0; x < hi[2] - lo[2]; x++)
                    if (im->mask[at + x]) row_sums[im->type](p + x * type_bytes[im->type], 1, &g);
        }
    }
    return g;
}

/* Continue a box past the image along one axis: f(-i) = 2 f(0) - f(i), which keeps slopes. */
static void extend(box *b, int axis, int lo, int hi, const int from[3], const int to[3])
{
    int64_t step = axis == 0 ? b->sz : axis == 1 ? b->sy : 1;
    for (int i = 0; i < b->n[axis]; i++) {
        if (i >= lo && i < hi) continue;
        int edge = i < lo ? lo : hi - 1, away = abs(edge - i), mirror = away < hi - lo ? away : hi - lo - 1;
        int64_t e = edge * step, m = (i < lo ? edge + mirror : edge - mirror) * step, d = i * step;
        for (int z = axis == 0 ? 0 : from[0]; z < (axis == 0 ? 1 : to[0]); z++)
            for (int y = axis == 1 ? 0 : from[1]; y < (axis == 1 ? 1 : to[1]); y++) {
                float *r = row_of(b, z, y);
                for (int x = axis == 2 ? 0 : from[2]; x < (axis == 2 ? 1 : to[2]); x++)
                    r[d + x] = 2 * r[e + x] - r[m + x];
            }
    }
}

/* Voxels that do not count (masked, not finite) are marked 0 in `valid` and take the grey value of their
 * neighbour in the row, so that no filter sees a step. Returns how many. */
static int64_t drop_invalid(const hpcdvc_volume *im, box *b, box *valid, const int lo[3], const int hi[3])
{
    int64_t dropped = 0;
    if (im->type < TYPE_F4 && !im->mask) return 0;
    if (box_shape(valid, b->n)) return -1;
    for (int64_t i = 0; i < valid->sz * valid->n[0]; i++) valid->v[i] = 1;
    for (int z = lo[0]; z < hi[0]; z++)
        for (int y = lo[1]; y < hi[1]; y++) {
            float *r = row_of(b, z, y), *ok = row_of(valid, z, y), last = 0;
            int64_t at = voxel(im, b->origin, z, y, 0);
            int bad = 0, first = -1;
            for (int x = lo[2]; x < hi[2]; x++) {
                if ((im->mask && !im->mask[at + x]) || !isfinite(r[x]))
                    ok[x] = 0, r[x] = last, bad++;
                else
                    last = r[x], first = first < 0 ? x : first;
            }
            for (int x = lo[2]; x < first; x++) r[x] = r[first];
            dropped += bad;
        }
    return dropped;
}

/* Mark the direct neighbours of invalid voxels invalid too: their gradient saw a made-up value. */
static void grow_invalid(box *valid, box *scratch)
{
    if (box_shape(scratch, valid->n)) return;
    memcpy(scratch->v, valid->v, valid->sz * valid->n[0] * sizeof(float));
    for (int z = 0; z < valid->n[0]; z++)
        for (int y = 0; y < valid->n[1]; y++)
            for (int x = 0; x < valid->n[2]; x++) {
                if (row_of(scratch, z, y)[x] > 0) continue;
                if (z > 0) row_of(valid, z - 1, y)[x] = 0;
                if (z < valid->n[0] - 1) row_of(valid, z + 1, y)[x] = 0;
                if (y > 0) row_of(valid, z, y - 1)[x] = 0;
                if (y < valid->n[1] - 1) row_of(valid, z, y + 1)[x] = 0;
                if (x > 0) row_of(valid, z, y)[x - 1] = 0;
                if (x < valid->n[2] - 1) row_of(valid, z, y)[x + 1] = 0;
            }
}

/* Read [origin, origin + n) as (grey - offset) * scale, continued past the image.
 * Returns the number of invalid voxels (then `valid` is filled), -1 if memory ran out, -2 if all is outside. */
static int64_t read_box(const hpcdvc_volume *im, const int64_t origin[3], const int n[3], double offset,
                        double scale, box *b, box *valid, box *scratch)
{
    int lo[3], hi[3];
    if (box_shape(b, n)) return -1;
    memcpy(b->origin, origin, sizeof b->origin);
    if (!inside(im, origin, n, lo, hi)) return -2;
    for (int z = lo[0]; z < hi[0]; z++) {
        prefetch_plane(im, origin, z + 1, lo, hi);
        for (int y = lo[1]; y < hi[1]; y++)
            row_reads[im->type]((const char *)im->data + voxel(im, origin, z, y, lo[2]) * type_bytes[im->type],
                                hi[2] - lo[2], offset, scale, row_of(b, z, y) + lo[2]);
    }
    int64_t dropped = drop_invalid(im, b, valid, lo, hi);
    if (dropped > 0) grow_invalid(valid, scratch);
    int from[3] = {lo[0], lo[1], lo[2]}, to[3] = {hi[0], hi[1], hi[2]};
    for (int axis = 2; axis >= 0; axis--) {
        if (lo[axis] > 0 || hi[axis] < n[axis]) extend(b, axis, lo[axis], hi[axis], from, to);
        from[axis] = 0, to[axis] = n[axis];
    }
    return dropped;
}

/* out[i] = in[i] + pole out[i -+ 1] from one end of a box to the other and back, over planes (axis 0) or rows (1). */
static void recurse(box *b, int axis, double pole, int z0, int z1)
{
    const float p = (float)pole, start = (float)(1 / (1 - pole)); /* as if the first went on for ever */
    const int64_t step = axis == 0 ? b->sz : b->sy, line = axis == 0 ? b->sy * b->n[1] : b->sy;
    const int n = b->n[axis];
    for (int z = axis == 0 ? 0 : z0; z < (axis == 0 ? 1 : z1); z++) {
        float *first = b->v + z * b->sz;
        for (int64_t x = 0; x < line; x++) first[x] *= start;
        for (int i = 1; i < n; i++) {
            float *r = first + i * step, *q = r - step;
            for (int64_t x = 0; x < line; x++) r[x] += p * q[x];
        }
        float *last = first + (n - 1) * step;
        for (int64_t x = 0; x < line; x++) last[x] *= start;
        for (int i = n - 2; i >= 0; i--) {
            float *r = first + i * step, *q = r + step;
            for (int64_t x = 0; x < line; x++) r[x] += p * q[x];
        }
    }
}

INLINE void filter_rows(const float *in, int64_t in_sz, int64_t in_sy, int64_t step, const float *h, int radius,
                        int odd, float *out, int64_t out_sz, int64_t out_sy, const int n[3])
{
    for (int z = 0; z < n[0]; z++)
        for (int y = 0; y < n[1]; y++) {
            const float *p = in + z * in_sz + y * in_sy;
            float *o = out + z * out_sz + y * out_sy;
            for (int x = 0; x < n[2]; x += VL) {
                const float *ahead = p + x, *back = p + x;
                vf sum = odd ? splat(0) : h[0] * load(p + x);
                for (int k = 1; k <= radius; k++) {
                    ahead += step, back -= step;
                    sum += h[k] * (odd ? load(ahead) - load(back) : load(ahead) + load(back));
                }
                store(o + x, sum);
            }
        }
}

INLINE void filter_parity(const float *in, int64_t in_sz, int64_t in_sy, int64_t step, const hpcdvc_taps *taps, int odd,
                          float *out, int64_t out_sz, int64_t out_sy, const int n[3])
{
    /* the radii of our own filters, so that their loops are unrolled */
#define RADIUS(r) case r: filter_rows(in, in_sz, in_sy, step, taps->h, r, odd, out, out_sz, out_sy, n); return;
    switch (taps->radius) { RADIUS(1) RADIUS(4) RADIUS(6) RADIUS(9) RADIUS(11) RADIUS(16) }
#undef RADIUS
    filter_rows(in, in_sz, in_sy, step, taps->h, taps->radius, odd, out, out_sz, out_sy, n);
}

/* Filter along one axis: out[i] = sum_k h[k] (in[i + k] +- in[i - k]); `in` points at the first output voxel. */
static void filter(const float *in, int64_t in_sz, int64_t in_sy, int64_t step, const hpcdvc_taps *taps, int odd,
                   float *out, int64_t out_sz, int64_t out_sy, const int n[3])
{
    if (odd) filter_parity(in, in_sz, in_sy, step, taps, 1, out, out_sz, out_sy, n);
    else filter_parity(in, in_sz, in_sy, step, taps, 0, out, out_sz, out_sy, n);
}

#endif
