/* Boxes of grey values that are the same wherever the box begins and ends, also beside voxels that do not count. */
#ifndef HPCDVC_GREY_BOX_H
#define HPCDVC_GREY_BOX_H

#include "filter.h"

enum { REACH = 8 }; /* voxels from which one that does not count takes its grey value, along each axis */

/* Voxels more at each end of a box, along each axis, that are read for these. */
INLINE int margin_of(const hpcdvc_volume *im) { return im->type < TYPE_F4 ? 0 : REACH; }

static int count_invalid(const float *r, int n)
{
    int count = 0;
    for (int x = 0; x < n; x++) count += !(fabsf(r[x]) <= FLT_MAX);
    return count;
}

/* NaN in `n` rows of up to ACROSS columns, `step` apart, become the grey value of the next row before it, else behind it, that has one
 * there; those that have none so near stay. */
enum { ACROSS = 64 };
static void fill_across(float *rows, int64_t step, int n, int columns)
{
    for (int way = 0; way < 2; way++) {
        float last[ACROSS];
        int age[ACROSS];
        for (int x = 0; x < columns; x++) last[x] = 0, age[x] = REACH;
        for (int i = 0; i < n; i++) {
            float *r = rows + (way ? n - 1 - i : i) * step;
            for (int x = 0; x < columns; x++) {
                const int missing = isnan(r[x]), fill = missing && age[x] < REACH;
                r[x] = fill ? last[x] : r[x];
                last[x] = missing ? last[x] : r[x], age[x] = missing ? age[x] + 1 : 0;
            }
        }
    }
}

/* Voxels [lo, hi) that are not finite become 0 in `valid`, and take the grey value of the next one along x, else along y, else along
 * z; 0 where all are far: what a filter makes of voxels beside them hardly depends on it. */
static void fill_invalid(box *b, box *valid, const int lo[3], const int hi[3])
{
    for (int z = lo[0]; z < hi[0]; z++) {
        for (int y = lo[1]; y < hi[1]; y++) {
            float *r = row_of(b, z, y), *ok = row_of(valid, z, y);
            for (int x = lo[2]; x < hi[2]; x++) {
                ok[x] = isfinite(r[x]) ? 1 : 0;
                if (ok[x] == 0) r[x] = NAN;
            }
            fill_across(r + lo[2], 1, hi[2] - lo[2], 1);
        }
        for (int x = lo[2]; x < hi[2]; x += ACROSS)
            fill_across(row_of(b, z, lo[1]) + x, b->sy, hi[1] - lo[1], hi[2] - x < ACROSS ? hi[2] - x : ACROSS);
    }
    for (int y = lo[1]; y < hi[1]; y++)
        for (int x = lo[2]; x < hi[2]; x += ACROSS)
            fill_across(row_of(b, lo[0], y) + x, b->sz, hi[0] - lo[0], hi[2] - x < ACROSS ? hi[2] - x : ACROSS);
    for (int z = lo[0]; z < hi[0]; z++)
        for (int y = lo[1]; y < hi[1]; y++) {
            float *r = row_of(b, z, y);
            for (int x = lo[2]; x < hi[2]; x++) r[x] = isnan(r[x]) ? 0 : r[x];
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
        fill_invalid(b, valid, lo, hi);
        if (grow_invalid(valid, scratch)) return -1;
    }
    continue_past(b, lo, hi);
    return invalid;
}

#endif
