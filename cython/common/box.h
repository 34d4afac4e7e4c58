/* Boxes of grey values in float32: read from a volume of any type, continued past the image. */
#ifndef HPCDVC_BOX_H
#define HPCDVC_BOX_H

#include <stdlib.h>

#include "simd.h"
#include "volume.h"

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

/* Continue a box past the part [lo, hi) that lies in the image, along all axes. */
static void continue_past(box *b, const int lo[3], const int hi[3])
{
    int from[3] = {lo[0], lo[1], lo[2]}, to[3] = {hi[0], hi[1], hi[2]};
    for (int axis = 2; axis >= 0; axis--) {
        if (lo[axis] > 0 || hi[axis] < b->n[axis]) extend(b, axis, lo[axis], hi[axis], from, to);
        from[axis] = 0, to[axis] = b->n[axis];
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

/* Mark the direct neighbours of invalid voxels invalid too: their gradient saw a made-up value. Returns 1 if memory
 * ran out. */
static int grow_invalid(box *valid, box *scratch)
{
    if (box_shape(scratch, valid->n)) return 1;
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
    return 0;
}

/* Read [origin, origin + n) as (grey - offset) * scale, continued past the image.
 * Returns the number of invalid voxels (then `valid` is filled), -1 if memory ran out, -2 if all is outside. */
__attribute__((unused))
static int64_t read_box(const hpcdvc_volume *im, const int64_t origin[3], const int n[3], double offset,
                        double scale, box *b, box *valid, box *scratch)
{
    int lo[3], hi[3];
    if (box_shape(b, n)) return -1;
    memcpy(b->origin, origin, sizeof b->origin);
    /* Filters run over what lies behind a row, too: filtered from window to window it would grow beyond all limits. */
    for (int row = 1; row <= n[0] * n[1]; row++) store(b->v + row * b->sy - VL, splat(0));
    if (!inside(im, origin, n, lo, hi)) return -2;
    for (int z = lo[0]; z < hi[0]; z++) {
        prefetch_plane(im, origin, z + 1, lo, hi);
        for (int y = lo[1]; y < hi[1]; y++)
            row_reads[im->type]((const char *)im->data + voxel(im, origin, z, y, lo[2]) * type_bytes[im->type],
                                hi[2] - lo[2], offset, scale, row_of(b, z, y) + lo[2]);
    }
    int64_t dropped = drop_invalid(im, b, valid, lo, hi);
    if (dropped < 0 || (dropped > 0 && grow_invalid(valid, scratch))) return -1;
    continue_past(b, lo, hi);
    return dropped;
}

#endif
