/* Grey values of a box, made ready: offset and scale, and which voxels count. */
#ifndef HPCDVC_SEARCH_GREY_H
#define HPCDVC_SEARCH_GREY_H

#include "simd.h"
#include "volume.h"

#define LEAST_VARIANCE 1e-10  /* of what is compared, in units of its mean square: below there is no texture */
#define ROUNDING 1e-12        /* variance beside the square of the grey values that is rounding */
#define SMALLEST_SQUARE 1e-30

typedef struct {
    double offset, scale;
} grey_range;

/* Sums over every `skip`-th plane of a box. */
static hpcdvc_grey_sums grey_of_planes(const hpcdvc_volume *im, const int64_t origin[3], const int n[3], int skip)
{
    if (skip == 1) return grey(im, origin, n);
    hpcdvc_grey_sums all = {0};
    const int plane[3] = {1, n[1], n[2]};
    for (int z = 0; z < n[0]; z += skip) {
        const int64_t there[3] = {origin[0] + z, origin[1], origin[2]};
        const hpcdvc_grey_sums g = grey(im, there, plane);
        all.sum += g.sum, all.sum_squares += g.sum_squares, all.count += g.count;
    }
    return all;
}

/* Offset near the mean, and a power of two as scale, so that no digit of whole numbers changes; a few planes tell them. */
static grey_range range_of(const hpcdvc_volume *im, const int64_t origin[3], const int n[3])
{
    hpcdvc_grey_sums g = grey_of_planes(im, origin, n, 1 + n[0] / 8);
    if (g.count < 3) g = grey(im, origin, n);
    grey_range r = {0, 1};
    const double mean = g.sum / g.count, variance = g.sum_squares / g.count - mean * mean;
    r.offset = im->type < TYPE_F4 ? rint(mean) : mean;
    if (variance > 0) r.scale = ldexp(1, -ilogb(sqrt(variance)));
    return r;
}

static double voxel_value(const hpcdvc_volume *im, int64_t at)
{
    switch (im->type) {
    case TYPE_U1: return ((const uint8_t *)im->data)[at];
    case TYPE_I1: return ((const int8_t *)im->data)[at];
    case TYPE_U2: return ((const uint16_t *)im->data)[at];
    case TYPE_I2: return ((const int16_t *)im->data)[at];
    case TYPE_U4: return ((const uint32_t *)im->data)[at];
    case TYPE_I4: return ((const int32_t *)im->data)[at];
    case TYPE_F4: return ((const float *)im->data)[at];
    default: return ((const double *)im->data)[at];
    }
}

/* Read a box as (grey - offset) * scale; what is outside, masked or not finite is 0, in `ok` too. Returns how many
 * voxels count. */
static int64_t read_grey(const hpcdvc_volume *im, const int64_t origin[3], const int n[3], const grey_range *range,
                         float *v, float *ok)
{
    const int64_t size = (int64_t)n[0] * n[1] * n[2];
    int lo[3], hi[3];
    const int some = inside(im, origin, n, lo, hi);
    if (!some || (int64_t)(hi[0] - lo[0]) * (hi[1] - lo[1]) * (hi[2] - lo[2]) < size) {
        memset(v, 0, size * sizeof *v);
        memset(ok, 0, size * sizeof *ok);
    }
    if (!some) return 0;
    int64_t count = 0;
    for (int z = lo[0]; z < hi[0]; z++) {
        prefetch_plane(im, origin, z + 1, lo, hi);
        for (int y = lo[1]; y < hi[1]; y++) {
            const int64_t at = voxel(im, origin, z, y, lo[2]);
            const int length = hi[2] - lo[2];
            float *r = v + ((int64_t)z * n[1] + y) * n[2] + lo[2], *good = ok + (r - v);
            row_reads[im->type]((const char *)im->data + at * type_bytes[im->type], length, range->offset, range->scale, r);
            for (int x = 0; x < length; x++) good[x] = 1;
            if (im->mask || im->type >= TYPE_F4)
                for (int x = 0; x < length; x++)
                    if ((im->mask && !im->mask[at + x]) || !isfinite(r[x])) good[x] = r[x] = 0, count--;
            count += length;
        }
    }
    return count;
}

/* float64 lanes, as many as of float32 */
typedef double vd __attribute__((vector_size(8 * VL)));
#define WIDE(v) __builtin_convertvector(v, vd)

INLINE double total_wide(vd v)
{
    double s = 0;
    for (int i = 0; i < VL; i++) s += v[i];
    return s;
}

#endif
