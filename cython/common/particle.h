/* The voxels of one particle of a label image, dilated or eroded by a ball, with or without those of other particles. */
#ifndef HPCDVC_PARTICLE_H
#define HPCDVC_PARTICLE_H

#include <stdlib.h>

#include "simd.h"
#include "volume.h"

INLINE int64_t label_at(const hpcdvc_volume *labels, int64_t at)
{
    switch (labels->type) {
    case TYPE_U1: return ((const uint8_t *)labels->data)[at];
    case TYPE_I1: return ((const int8_t *)labels->data)[at];
    case TYPE_U2: return ((const uint16_t *)labels->data)[at];
    case TYPE_I2: return ((const int16_t *)labels->data)[at];
    case TYPE_U4: return ((const uint32_t *)labels->data)[at];
    default: return ((const int32_t *)labels->data)[at];
    }
}

#define LOOK_UP_ROW(NAME, TYPE)                                                                                        \
    static void look_up_row_##NAME(const void *row, int64_t n, int64_t label, uint8_t *found)                          \
    {                                                                                                                  \
        const TYPE *v = row, own = (TYPE)label;                                                                        \
        for (int64_t x = 0; x < n; x++) found[x] = (uint8_t)(v[x] == own ? 1 : 2 * (v[x] != 0));                       \
    }

LOOK_UP_ROW(u1, uint8_t)
LOOK_UP_ROW(i1, int8_t)
LOOK_UP_ROW(u2, uint16_t)
LOOK_UP_ROW(i2, int16_t)
LOOK_UP_ROW(u4, uint32_t)
LOOK_UP_ROW(i4, int32_t)

/* What stands at a voxel of a box: 0 nothing, 1 the particle, 2 another one. Outside the image is nothing. `label` is one that the
 * type of the labels holds. */
static void look_up(const hpcdvc_volume *labels, int64_t label, const int64_t origin[3], const int n[3], uint8_t *found)
{
    static void (*const look_up_row[])(const void *, int64_t, int64_t, uint8_t *) = {
        look_up_row_u1, look_up_row_i1, look_up_row_u2, look_up_row_i2, look_up_row_u4, look_up_row_i4};
    int lo[3], hi[3];
    memset(found, 0, (size_t)n[0] * n[1] * n[2]);
    if (!inside(labels, origin, n, lo, hi)) return;
    for (int z = lo[0]; z < hi[0]; z++)
        for (int y = lo[1]; y < hi[1]; y++) {
            const char *row = (const char *)labels->data + voxel(labels, origin, z, y, lo[2]) * type_bytes[labels->type];
            look_up_row[labels->type](row, hi[2] - lo[2], label, found + ((int64_t)z * n[1] + y) * n[2] + lo[2]);
        }
}

/* Whether all (eroding) or one (dilating) of the voxels of the ball about a voxel is of the particle. */
INLINE int ball_test(const uint8_t *at, const int64_t *steps, int count, int eroding)
{
    for (int i = 0; i < count; i++)
        if ((at[steps[i]] == 1) != eroding) return !eroding;
    return eroding;
}

/* 1 in `mask` for each voxel of the box [origin, origin + n) that belongs to the particle; dilated ones of other particles only if
 * they are to be kept. Returns how many, -1 when memory ran out. */
static int64_t particle_mask(const hpcdvc_volume *labels, int64_t label, int dilate, int keep_others,
                             const int64_t origin[3], const int n[3], uint8_t *mask)
{
    const int radius = abs(dilate), flat = labels->shape[0] == 1;
    const int pad[3] = {flat ? 0 : radius, radius, radius};
    int64_t from[3], count = 0;
    int wide[3], ball = 0;
    for (int i = 0; i < 3; i++) from[i] = origin[i] - pad[i], wide[i] = n[i] + 2 * pad[i];
    uint8_t *found = malloc((size_t)wide[0] * wide[1] * wide[2]);
    int64_t *steps = malloc(sizeof *steps * (2 * pad[0] + 1) * (2 * pad[1] + 1) * (2 * pad[2] + 1));
    if (!found || !steps) {
        free(found), free(steps);
        return -1;
    }
    look_up(labels, label, from, wide, found);
    for (int z = -pad[0]; z <= pad[0]; z++)
        for (int y = -pad[1]; y <= pad[1]; y++)
            for (int x = -pad[2]; x <= pad[2]; x++)
                if (z * z + y * y + x * x <= radius * radius) steps[ball++] = ((int64_t)z * wide[1] + y) * wide[2] + x;
    for (int z = 0; z < n[0]; z++)
        for (int y = 0; y < n[1]; y++)
            for (int x = 0; x < n[2]; x++) {
                const uint8_t *at = found + ((int64_t)(z + pad[0]) * wide[1] + y + pad[1]) * wide[2] + x + pad[2];
                const int kept = *at != 2 || keep_others;
                const int here = *at == 1, sure = dilate == 0 || here == (dilate > 0); /* the middle of the ball decides */
                const int own = kept && (sure ? here : ball_test(at, steps, ball, dilate < 0));
                *mask++ = own, count += own;
            }
    free(found), free(steps);
    return count;
}

#endif
