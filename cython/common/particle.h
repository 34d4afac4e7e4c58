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

#define LARGEST_BALL 100 /* radius, voxels */
#define FAR_AWAY 40000 /* squared distance of what is not near; with that of the greatest radius added it fits in 16 bits */

/* Lower each of the rows `to` to the row `from`, `by` voxels away, where that leaves less. */
INLINE void lower_row(uint16_t *to, const uint16_t *from, int n, int by)
{
    const uint16_t square = (uint16_t)(by * by);
    for (int x = 0; x < n; x++) {
        const uint16_t d = (uint16_t)(from[x] + square);
        to[x] = d < to[x] ? d : to[x];
    }
}

/* Squared distances along a row to its next voxel that is the particle, or that is not. Returns whether there is one. */
static int row_distances(const uint8_t *found, int n, int of_others, int radius, uint16_t *to)
{
    int any = 0;
    for (int x = 0; x < n; x++) {
        const int here = (found[x] == 1) != of_others;
        to[x] = here ? 0 : FAR_AWAY, any |= here;
    }
    if (!any) return 0;
    for (int way = 0; way < 2; way++)
        for (int i = 0, away = radius + 1; i < n; i++) {
            const int x = way ? n - 1 - i : i;
            away = to[x] == 0 ? 0 : away + 1;
            if (away <= radius && away * away < to[x]) to[x] = (uint16_t)(away * away);
        }
    return 1;
}

/* Squared distance, where it is not above that of the radius, of each voxel of a box to the next one that is the particle, or that is
 * not: along rows, then across them, then across `deep` planes. `rows`: which of them hold something. Room for two of each. */
static const uint16_t *distances(const uint8_t *found, const int n[3], int of_others, int radius, int deep, uint16_t *d,
                                 uint8_t *rows)
{
    const int64_t plane = (int64_t)n[1] * n[2], all = plane * n[0], count = (int64_t)n[0] * n[1];
    uint16_t *across = d + all;
    uint8_t *held = rows + count;
    for (int64_t row = 0; row < count; row++)
        rows[row] = (uint8_t)row_distances(found + row * n[2], n[2], of_others, radius, d + row * n[2]);
    for (int64_t v = 0; v < all; v++) across[v] = FAR_AWAY;
    for (int64_t row = 0; row < count; row++) held[row] = 0;
    for (int64_t row = 0; row < count; row++) {
        const int y = (int)(row % n[1]);
        for (int to = rows[row] ? (y > radius ? y - radius : 0) : n[1]; to < n[1] && to <= y + radius; to++)
            lower_row(across + (row - y + to) * n[2], d + row * n[2], n[2], to - y), held[row - y + to] = 1;
    }
    for (int64_t v = 0; v < all; v++) d[v] = FAR_AWAY;
    for (int64_t row = 0; row < count; row++) {
        const int z = (int)(row / n[1]);
        for (int to = held[row] ? (z > deep ? z - deep : 0) : n[0]; to < n[0] && to <= z + deep; to++)
            lower_row(d + to * plane + row % n[1] * n[2], across + row * n[2], n[2], to - z);
    }
    return d;
}

/* 1 in `mask` for each voxel of the box [origin, origin + n) that belongs to the particle; dilated ones of other particles only if
 * they are to be kept. Returns how many, -1 when memory ran out. */
static int64_t particle_mask(const hpcdvc_volume *labels, int64_t label, int dilate, int keep_others,
                             const int64_t origin[3], const int n[3], uint8_t *mask)
{
    const int radius = abs(dilate), flat = labels->shape[0] == 1;
    const int pad[3] = {flat ? 0 : radius, radius, radius};
    int64_t from[3], count = 0;
    int wide[3];
    for (int i = 0; i < 3; i++) from[i] = origin[i] - pad[i], wide[i] = n[i] + 2 * pad[i];
    const int64_t rows = (int64_t)wide[0] * wide[1], all = rows * wide[2];
    uint8_t *found = malloc((size_t)all), *held = radius ? malloc((size_t)(2 * rows)) : NULL;
    uint16_t *room = radius ? malloc((size_t)(2 * all) * sizeof *room) : NULL;
    if (!found || (radius && (!held || !room))) {
        free(found), free(held), free(room);
        return -1;
    }
    look_up(labels, label, from, wide, found);
    const uint16_t *away = radius ? distances(found, wide, dilate < 0, radius, pad[0], room, held) : NULL;
    for (int z = 0; z < n[0]; z++)
        for (int y = 0; y < n[1]; y++)
            for (int x = 0; x < n[2]; x++) {
                const int64_t at = ((int64_t)(z + pad[0]) * wide[1] + y + pad[1]) * wide[2] + x + pad[2];
                const int kept = found[at] != 2 || keep_others, near = radius && away[at] <= radius * radius;
                const int own = kept && (dilate > 0 ? near : found[at] == 1 && !near);
                *mask++ = own, count += own;
            }
    free(found), free(held), free(room);
    return count;
}

#endif
