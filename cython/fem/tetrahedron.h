/* One tetrahedron in a brick: the voxels that it may hold, its faces, shape functions and displacement. */
#ifndef HPCDVC_TETRAHEDRON_H
#define HPCDVC_TETRAHEDRON_H

#include "faces.h"

/* Voxels [lo, hi) of a brick, from its corner. */
typedef struct {
    int lo[3], hi[3];
} range;

typedef struct {
    range in;             /* outside of it the tetrahedron holds no voxel of the brick */
    face faces[4];
    double shape[4][4];   /* N_a = shape[a] . (z, y, x, 1), voxels counted from the corner of the brick */
    double source[3][4];  /* the same for x + u(x), less the corner */
} tetrahedron;

INLINE int is_empty(const range *r)
{
    return r->lo[0] >= r->hi[0] || r->lo[1] >= r->hi[1] || r->lo[2] >= r->hi[2];
}

INLINE const double *node_of(const hpcdvc_mesh_images *m, int64_t element, int a)
{
    return m->points + 3 * m->connectivity[4 * element + a];
}

/* Voxels of a brick within the box about a tetrahedron, and within im1. */
static range range_of(const hpcdvc_mesh_images *m, int64_t element, const int64_t corner[3])
{
    const int size[3] = {BRICK_Z, BRICK_Y, BRICK_X};
    range r;
    for (int i = 0; i < 3; i++) {
        double low = INFINITY, high = -INFINITY;
        for (int a = 0; a < 4; a++) {
            const double p = node_of(m, element, a)[i];
            low = p < low ? p : low, high = p > high ? p : high;
        }
        const int64_t left = m->im1->shape[i] - corner[i], end = left < size[i] ? left : size[i];
        const int64_t up = ((int64_t)1 << SHIFT) - 1, first = ((to_fixed(low) + up) >> SHIFT) - corner[i];
        const int64_t last = (to_fixed(high) >> SHIFT) - corner[i];
        r.lo[i] = first < 0 ? 0 : first > end ? (int)end : (int)first;
        r.hi[i] = last < 0 ? 0 : last >= end ? (int)end : (int)last + 1;
    }
    return r;
}

/* Shape functions from the rows of the inverse of the edges. Returns 0 for a tetrahedron without volume. */
static int shape_functions(const double *const p[4], const int64_t corner[3], double shape[4][4])
{
    double e[3][3], volume = 0;
    for (int a = 0; a < 3; a++)
        for (int i = 0; i < 3; i++) e[a][i] = p[a + 1][i] - p[0][i];
    for (int i = 0; i < 3; i++) {
        const int j = (i + 1) % 3, k = (i + 2) % 3;
        volume += e[0][i] * (e[1][j] * e[2][k] - e[1][k] * e[2][j]);
    }
    if (!(fabs(volume) > 0)) return 0;
    memset(shape[0], 0, sizeof shape[0]);
    shape[0][3] = 1;
    for (int a = 0; a < 3; a++) {
        const double *f = e[(a + 1) % 3], *g = e[(a + 2) % 3];
        double *N = shape[a + 1];
        N[3] = 0;
        for (int i = 0; i < 3; i++) {
            const int j = (i + 1) % 3, k = (i + 2) % 3;
            N[i] = (f[j] * g[k] - f[k] * g[j]) / volume;
            N[3] += N[i] * ((double)corner[i] - p[0][i]);
        }
        for (int i = 0; i < 4; i++) shape[0][i] -= N[i];
    }
    return 1;
}

/* Sources of the voxels, x + u(x). Returns 0 for nodes so far away that no voxel has one in im2. */
static int place(tetrahedron *t, const hpcdvc_mesh_images *m, int64_t element)
{
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 4; j++) t->source[i][j] = i == j;
    for (int a = 0; a < 4; a++)
        for (int i = 0; i < 3; i++) {
            const double u = m->displacements[3 * m->connectivity[4 * element + a] + i];
            if (!(fabs(u) <= (double)((int64_t)1 << SHIFT))) return 0;
            for (int j = 0; j < 4; j++) t->source[i][j] += t->shape[a][j] * u;
        }
    return 1;
}

/* Range, shape functions and sources of a tetrahedron. Returns 0 if no voxel of the brick can count. */
static int locate(tetrahedron *t, const hpcdvc_mesh_images *m, int64_t element, const int64_t corner[3])
{
    const double *p[4];
    t->in = range_of(m, element, corner);
    if (is_empty(&t->in)) return 0;
    for (int a = 0; a < 4; a++) p[a] = node_of(m, element, a);
    if (!shape_functions(p, corner, t->shape)) return 0;
    return !m->displacements || place(t, m, element);
}

/* Make a tetrahedron ready. Returns 0 if no voxel of the brick can count. */
static int prepare(tetrahedron *t, const hpcdvc_mesh_images *m, int64_t element, const int64_t corner[3])
{
    static const int others[4][3] = {{1, 2, 3}, {0, 2, 3}, {0, 1, 3}, {0, 1, 2}};
    int64_t q[4][3];
    if (!locate(t, m, element, corner)) return 0;
    for (int a = 0; a < 4; a++)
        for (int i = 0; i < 3; i++) q[a][i] = to_fixed(node_of(m, element, a)[i]);
    for (int a = 0; a < 4; a++)
        if (!face_through(q[others[a][0]], q[others[a][1]], q[others[a][2]], q[a], corner, t->faces + a)) return 0;
    return 1;
}

/* Where the rows of a plane enter and leave a tetrahedron. */
typedef struct {
    double enter[BRICK_Y], leave[BRICK_Y];
    double near; /* they are wrong by less than this */
} crossing;

static void cross(const tetrahedron *t, int z, crossing *c)
{
    const int lo = t->in.lo[1], hi = t->in.hi[1];
    c->near = 0;
    for (int y = lo; y < hi; y++) c->enter[y] = t->in.lo[2] - 0.5, c->leave[y] = t->in.hi[2] - 0.5;
    for (int a = 0; a < 4; a++) {
        cut_plane(t->faces + a, z, lo, hi, c->enter, c->leave);
        if (t->faces[a].near > c->near) c->near = t->faces[a].near;
    }
}

/* Whether a place is so close to a voxel that rounded numbers do not tell on which side it is. */
INLINE int is_close(double part, double near) { return part <= near || part >= 1 - near; }

/* The columns [from, to) of row (z, y) that it holds. Returns 0 if there are none. */
INLINE int row_in(const tetrahedron *t, const crossing *c, int z, int y, int *from, int *to)
{
    const double enter = c->enter[y], leave = c->leave[y];
    int exactly = c->near > 0.25;
    if (!(enter <= leave + c->near)) return 0;
    if (!exactly) {
        *from = (int)(enter + 1), *to = (int)(leave + 1); /* the next voxel */
        exactly = is_close(enter + 1 - *from, c->near) || is_close(leave + 1 - *to, c->near);
    }
    if (exactly) {
        *from = t->in.lo[2], *to = t->in.hi[2];
        cut_exactly(t->faces, z, y, from, to);
    }
    return *from < *to;
}

#endif
