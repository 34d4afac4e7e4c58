/* Boxes of grey values that are the same wherever the box begins and ends, also beside voxels that do not count. */
#ifndef HPCDVC_GREY_BOX_H
#define HPCDVC_GREY_BOX_H

#include "filter.h"

enum { REACH = 8 }; /* columns from which a voxel that does not count takes its grey value */

/* Columns more at each end of a box that are read for these. */
INLINE int margin_of(const hpcdvc_volume *im) { return im->type < TYPE_F4 ? 0 : REACH; }

static int count_invalid(const float *r, int n)
{
    int count = 0;
    for (int x = 0; x < n; x++) count += !(fabsf(r[x]) <= FLT_MAX);
    return count;
}

/* Voxels of a row that are not finite become 0 in `ok`, and take the grey value of the next one to the left, else to
 * the right, else 0. */
static void fill_row(float *r, float *ok, int n)
{
    float last = 0;
    for (int x = 0, age = REACH; x < n; x++) {
        ok[x] = isfinite(r[x]) ? 1 : 0;
        if (ok[x] > 0) last = r[x], age = 0;
        else r[x] = age++ < REACH ? last : NAN;
    }
    for (int x = n - 1, age = REACH; x >= 0; x--) {
        if (ok[x] > 0) last = r[x], age = 0;
        else if (age++ >= REACH) last = 0;
        if (isnan(r[x])) r[x] = last;
    }
}

/* Read [origin, origin + n), which touches the image, as grey - offset, continued past the image. Returns the number of
 * voxels that are not finite (then `valid` is filled, 0 for them and their direct neighbours), -1 if memory ran out. */
static int64_t read_grey(const hpcdvc_volume *im, const int64_t origin[3], const int n[3], double offset, box *b,
                         box *valid, box *scratch)
{
    int lo[3], hi[3];
    int64_t invalid = 0;
    if (box_shape(b, n)) return -1;
    memcpy(b->origin, origin, sizeof b->origin);
    inside(im, origin, n, lo, hi);
    for (int z = lo[0]; z < hi[0]; z++) {
        prefetch_plane(im, origin, z + 1, lo, hi);
        for (int y = lo[1]; y < hi[1]; y++) {
            float *r = row_of(b, z, y) + lo[2];
            const int length = hi[2] - lo[2];
            row_reads[im->type]((const char *)im->data + voxel(im, origin, z, y, lo[2]) * type_bytes[im->type], length,
                                offset, 1, r);
            if (im->type >= TYPE_F4) invalid += count_invalid(r, length);
        }
    }
    if (invalid > 0) {
        if (box_shape(valid, n)) return -1;
        memcpy(valid->origin, origin, sizeof valid->origin);
        for (int64_t i = 0; i < valid->sz * n[0]; i++) valid->v[i] = 1;
        for (int z = lo[0]; z < hi[0]; z++)
            for (int y = lo[1]; y < hi[1]; y++)
                fill_row(row_of(b, z, y) + lo[2], row_of(valid, z, y) + lo[2], hi[2] - lo[2]);
        if (grow_invalid(valid, scratch)) return -1;
    }
    continue_past(b, lo, hi);
    return invalid;
}

#endif
