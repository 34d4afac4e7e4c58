/* Which voxels a tetrahedron holds, exactly.
 *
 * A voxel centre lies in a tetrahedron if it lies on the inner side of its four faces. These are decided in whole
 * numbers. A centre on a face counts as if it were moved by next to nothing along x, by next to nothing of that along y
 * and of that along z: no face holds it then. So every voxel in a mesh belongs to one tetrahedron, also on faces, edges
 * and nodes, and no tetrahedron needs to know its neighbours. */
#ifndef HPCDVC_FACES_H
#define HPCDVC_FACES_H

#include <math.h>
#include <string.h>

#include "fem.h"
#include "simd.h"

typedef __int128 whole;

/* A face: positive on the inner side, in units that do not matter, at voxels counted from the corner of the brick. */
typedef struct {
    whole start, step[3];
    double value, slope[3]; /* the same, rounded ... */
    double slack;           /* ... by less than this */
    double inverse, near;   /* -1 / slope along x, and what is less wrong than this where the face cuts a row */
} face;

INLINE int64_t to_fixed(double x) { return (int64_t)rint(x * (double)((int64_t)1 << SHIFT)); }

/* As a cast, which is a call. */
INLINE double rounded(whole w) { return (double)(int64_t)(w >> 64) * 0x1p64 + (double)(uint64_t)w; }

/* The face through a, b and c, with d on its inner side. Returns 0 if the four lie in a plane. */
static int face_through(const int64_t a[3], const int64_t b[3], const int64_t c[3], const int64_t d[3],
                        const int64_t corner[3], face *f)
{
    whole normal[3], inner = 0;
    f->start = 0;
    for (int i = 0; i < 3; i++) {
        const int j = (i + 1) % 3, k = (i + 2) % 3;
        normal[i] = (whole)(b[j] - a[j]) * (c[k] - a[k]) - (whole)(b[k] - a[k]) * (c[j] - a[j]);
        inner += normal[i] * (d[i] - a[i]);
    }
    for (int i = 0; i < 3; i++) {
        if (inner < 0) normal[i] = -normal[i];
        f->start += normal[i] * ((corner[i] << SHIFT) - a[i]);
        f->step[i] = normal[i] << SHIFT, f->slope[i] = rounded(f->step[i]);
    }
    f->value = rounded(f->start);
    f->slack = 0x1p-49 * (fabs(f->value) + BRICK_X * (fabs(f->slope[0]) + fabs(f->slope[1]) + fabs(f->slope[2])));
    f->inverse = f->near = 0;
    if (f->step[2] != 0) f->inverse = -1 / f->slope[2], f->near = f->slack / fabs(f->slope[2]) + 0x1p-40;
    return inner != 0;
}

static int is_inner(const face *f, int z, int y, int x)
{
    const whole s = f->start + f->step[0] * z + f->step[1] * y + f->step[2] * x;
    if (s != 0) return s > 0;
    for (int i = 2; i > 0; i--)
        if (f->step[i] != 0) return f->step[i] > 0;
    return f->step[0] > 0;
}

/* Leave of the columns [from, to) of a row those on the inner side of four faces. In whole numbers, but for guesses. */
static void cut_exactly(const face f[4], int z, int y, int *from, int *to)
{
    for (int a = 0; a < 4; a++, f++) {
        if (f->step[2] == 0) {
            if (!is_inner(f, z, y, 0)) *to = *from;
            continue;
        }
        const int up = f->step[2] > 0;
        const double cut = (f->value + z * f->slope[0] + y * f->slope[1]) * f->inverse;
        int first = (int)fmin(fmax(cut, *from), *to); /* from which on they are inside (up), or outside */
        while (first > *from && is_inner(f, z, y, first - 1) == up) first--;
        while (first < *to && is_inner(f, z, y, first) != up) first++;
        *(up ? from : to) = first;
    }
}

/* Leave of rows [lo, hi) of a plane what lies on the inner side of a face: between `enter` and `leave`, wrong by less
 * than f->near. */
INLINE void cut_plane(const face *f, int z, int lo, int hi, double *restrict enter, double *restrict leave)
{
    const double s = f->value + z * f->slope[0], start = s * f->inverse, step = f->slope[1] * f->inverse;
    if (f->step[2] == 0) {
        for (int y = lo; y < hi; y++) {
            const double at = s + y * f->slope[1];
            if (fabs(at) > f->slack ? at < 0 : !is_inner(f, z, y, 0)) leave[y] = -INFINITY;
        }
    } else if (f->slope[2] > 0) {
        for (int y = lo; y < hi; y++) enter[y] = start + y * step > enter[y] ? start + y * step : enter[y];
    } else {
        for (int y = lo; y < hi; y++) leave[y] = start + y * step < leave[y] ? start + y * step : leave[y];
    }
}

#endif
