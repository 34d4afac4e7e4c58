/* Sums over the voxels of a tetrahedron of products that are multiplied with its shape functions afterwards.
 *
 * The shape functions are linear: all sums of them follow from those of the products times 1, z, y, x, and squares of
 * these. Rows of a plane add up in float32, planes in float64. */
#ifndef HPCDVC_MOMENTS_H
#define HPCDVC_MOMENTS_H

#include "tetrahedron.h"

enum { PRODUCTS = 9, SQUARES = 6 }; /* products at most; zz, zy, zx, yy, yx, xx */

/* Sums over rows, times 1, y, x, yy, yx, xx; coordinates are those from the middle of the tetrahedron's range. */
typedef struct {
    vf by[6][PRODUCTS];
} plane_sums;

typedef struct {
    double zero[PRODUCTS], one[3][PRODUCTS], two[SQUARES][PRODUCTS];
} moments;

/* Add a row: sums of `count` products times 1, x and, at order 2, xx. */
INLINE void add_row(plane_sums *p, int count, int order, vf row[3][PRODUCTS], float y)
{
    for (int i = 0; i < count; i++) {
        p->by[0][i] += row[0][i], p->by[1][i] += y * row[0][i], p->by[2][i] += row[1][i];
        if (order == 1) continue;
        p->by[3][i] += y * y * row[0][i], p->by[4][i] += y * row[1][i], p->by[5][i] += row[2][i];
    }
}

/* Add a plane, and clear its sums. */
INLINE void add_plane(moments *m, plane_sums *p, int count, int order, double z)
{
    for (int i = 0; i < count; i++) {
        double s[6] = {0};
        for (int j = 0; j < (order == 1 ? 3 : 6); j++) s[j] = total(p->by[j][i]), p->by[j][i] = splat(0);
        m->zero[i] += s[0];
        m->one[0][i] += z * s[0], m->one[1][i] += s[1], m->one[2][i] += s[2];
        if (order == 1) continue;
        m->two[0][i] += z * z * s[0], m->two[1][i] += z * s[1], m->two[2][i] += z * s[2];
        m->two[3][i] += s[3], m->two[4][i] += s[4], m->two[5][i] += s[5];
    }
}

INLINE int middle_of(const range *r, int axis) { return (r->lo[axis] + r->hi[axis]) / 2; }

/* The shape functions about the middle of the range. */
static void shape_about_middle(const tetrahedron *t, double shape[4][4])
{
    memcpy(shape, t->shape, sizeof t->shape);
    for (int a = 0; a < 4; a++)
        for (int i = 0; i < 3; i++) shape[a][3] += shape[a][i] * middle_of(&t->in, i);
}

/* Sum of N_a times product i. */
INLINE double once(const double N[4], const moments *m, int i)
{
    return N[3] * m->zero[i] + N[0] * m->one[0][i] + N[1] * m->one[1][i] + N[2] * m->one[2][i];
}

/* Sum of N_a N_b times product i. */
INLINE double twice(const double A[4], const double B[4], const moments *m, int i)
{
    double sum = A[3] * B[3] * m->zero[i];
    for (int j = 0; j < 3; j++) sum += (A[3] * B[j] + A[j] * B[3]) * m->one[j][i];
    for (int j = 0, s = 0; j < 3; j++)
        for (int k = j; k < 3; k++, s++) sum += (j == k ? A[j] * B[j] : A[j] * B[k] + A[k] * B[j]) * m->two[s][i];
    return sum;
}

#endif
