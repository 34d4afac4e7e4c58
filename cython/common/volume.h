/* Volumes of grey values of any type: rows are read and summed up, converted as they are read. */
#ifndef HPCDVC_VOLUME_H
#define HPCDVC_VOLUME_H

#include <float.h>
#include <math.h>
#include <stdint.h>

#include "records_common.h"

/* Row readers, one pair per type. SQUARE: holds the square of a voxel; WIDE: holds a sum of them; REAL: holds a voxel without
 * rounding. What is not finite in float32 does not count. */
#define ROW_READERS(NAME, TYPE, SQUARE, WIDE, REAL, FINITE)                                                        \
    static void sum_##NAME(const void *row, int64_t n, hpcdvc_grey_sums *g)                                       \
    {                                                                                                      \
        const TYPE *p = row;                                                                               \
        WIDE s = 0, ss = 0;                                                                                \
        int64_t count = 0;                                                                                 \
        for (int64_t i = 0; i < n; i++) {                                                                  \
            const SQUARE v = (SQUARE)p[i];                                                                 \
            if (FINITE) s += (WIDE)v, ss += (WIDE)(v * v), count++;                                        \
        }                                                                                                  \
        g->sum += (double)s, g->sum_squares += (double)ss, g->count += count;                              \
    }                                                                                                      \
    static void read_##NAME(const void *row, int64_t n, double offset, double scale, float *out)           \
    {                                                                                                      \
        const TYPE *p = row;                                                                               \
        const REAL o = (REAL)offset, k = (REAL)scale;                                                      \
        for (int64_t i = 0; i < n; i++) out[i] = (float)(((REAL)p[i] - o) * k);                            \
    }

ROW_READERS(u1, uint8_t, uint32_t, uint64_t, float, 1)
ROW_READERS(i1, int8_t, int32_t, int64_t, float, 1)
ROW_READERS(u2, uint16_t, uint32_t, uint64_t, float, 1)
ROW_READERS(i2, int16_t, int32_t, int64_t, float, 1)
ROW_READERS(u4, uint32_t, double, double, double, 1)
ROW_READERS(i4, int32_t, double, double, double, 1)
ROW_READERS(f4, float, double, double, double, isfinite(v))
ROW_READERS(f8, double, double, double, double, fabs(v) <= FLT_MAX)

typedef void (*row_sum)(const void *, int64_t, hpcdvc_grey_sums *);
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

/* Sums of the unmasked voxels of a box that count. */
__attribute__((unused)) static hpcdvc_grey_sums grey(const hpcdvc_volume *im, const int64_t origin[3], const int n[3])
{
    hpcdvc_grey_sums g = {0};
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

#endif
