/* A brick of im1: grey values and gradient of the part that its tetrahedra touch. */
#ifndef HPCDVC_BRICK_H
#define HPCDVC_BRICK_H

#include "grey.h"
#include "tetrahedron.h"

typedef struct {
    const hpcdvc_mesh_images *m;
    int64_t corner[3];  /* first voxel of the brick */
    range in;           /* the part in use */
    double offset, offset2; /* grey values of im1 and im2 are taken less this */
    int pad[3];         /* voxels that the boxes of grey values begin before the part */
    box grey, valid, gradient[3], scratch;
    int has_invalid;
} brick;

static void brick_end(brick *b)
{
    box *all[] = {&b->grey, &b->valid, b->gradient, b->gradient + 1, b->gradient + 2, &b->scratch};
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) free(all[i]->v);
}

/* Column 0 of row (z, y), counted from the corner of the brick, in a box that begins so many voxels before the part. */
INLINE float *row_at(const brick *b, const box *of, const int pad[3], int z, int y)
{
    return row_of(of, z - b->in.lo[0] + pad[0], y - b->in.lo[1] + pad[1]) - b->in.lo[2] + pad[2];
}

INLINE const float *grey_at(const brick *b, int z, int y) { return row_at(b, &b->grey, b->pad, z, y); }
INLINE const float *valid_at(const brick *b, int z, int y) { return row_at(b, &b->valid, b->pad, z, y); }
INLINE const float *gradient_at(const brick *b, int axis, int z, int y)
{
    static const int none[3] = {0};
    return row_at(b, b->gradient + axis, none, z, y);
}

/* A value near those of an image in the brick, whatever part of it is in use, so that float32 holds what they differ by:
 * the images may have other scales. */
static double near_mean(const hpcdvc_volume *im, const int64_t corner[3])
{
    const int64_t left = im->shape[0] - corner[0];
    const int64_t middle[3] = {corner[0] + (left < BRICK_Z ? left : BRICK_Z) / 2, corner[1], corner[2]};
    const int plane[3] = {1, BRICK_Y, BRICK_X};
    const hpcdvc_grey_sums g = grey(im, middle, plane);
    const double mean = g.count ? g.sum / (double)g.count : 0;
    return im->type < TYPE_F4 ? rint(mean) : mean;
}

/* Read the part of im1 that is in use. Returns 1 when memory ran out. */
static int read_brick(brick *b)
{
    const hpcdvc_taps *taps = &b->m->gradient;
    const int R = taps->radius, margin = margin_of(b->m->im1);
    int n[3], wide[3];
    int64_t origin[3];
    b->offset = near_mean(b->m->im1, b->corner);
    for (int i = 0; i < 3; i++) {
        b->pad[i] = R + margin;
        n[i] = b->in.hi[i] - b->in.lo[i], wide[i] = n[i] + 2 * b->pad[i];
        origin[i] = b->corner[i] + b->in.lo[i] - b->pad[i];
    }
    const int64_t invalid = read_grey(b->m->im1, origin, wide, b->offset, &b->grey, &b->valid, &b->scratch);
    if (invalid < 0) return 1;
    b->has_invalid = invalid > 0;
    const int64_t step[3] = {b->grey.sz, b->grey.sy, 1};
    for (int i = 0; i < 3; i++) {
        box *g = b->gradient + i;
        if (box_shape(g, n)) return 1;
        const float *first = grey_at(b, b->in.lo[0], b->in.lo[1]) + b->in.lo[2];
        filter(first, b->grey.sz, b->grey.sy, step[i], taps, 1, g->v, g->sz, g->sy, n);
    }
    return 0;
}

/* Ranges of all voxels of two. */
static range joined(const range *a, const range *b)
{
    range r = *a;
    for (int i = 0; i < 3; i++) {
        if (b->lo[i] < r.lo[i]) r.lo[i] = b->lo[i];
        if (b->hi[i] > r.hi[i]) r.hi[i] = b->hi[i];
    }
    return r;
}

/* Go to the brick of the first piece, and read what its pieces need. Returns how many these are, -1 when memory ran
 * out; a part without voxels has hi = lo. */
static int64_t next_brick(brick *b, const hpcdvc_piece *pieces, int64_t left)
{
    const int size[3] = {BRICK_Z, BRICK_Y, BRICK_X};
    int64_t count = 0;
    int found = 0;
    for (int i = 0; i < 3; i++) b->corner[i] = (int64_t)pieces->brick[i] * size[i], b->in.lo[i] = b->in.hi[i] = 0;
    for (; count < left && memcmp(pieces[count].brick, pieces->brick, sizeof pieces->brick) == 0; count++) {
        const range r = range_of(b->m, pieces[count].element, b->corner);
        if (is_empty(&r)) continue;
        b->in = found ? joined(&b->in, &r) : r;
        found = 1;
    }
    return found && read_brick(b) ? -1 : count;
}

#endif
