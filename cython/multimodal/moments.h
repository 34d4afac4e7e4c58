/* Sums over a block that a step of Newton's method is made of: of J J^T and of J s with J = slope x (position, 1), 12 numbers.
 *
 * Along a row only x changes, in a plane only x and y: so six products of slopes times 1, x, x^2 are summed in each voxel, y and z
 * come in by row and by plane. Rows and planes add up in float32, tiles in float64. */
#ifndef HPCDVC_MOMENTS_H
#define HPCDVC_MOMENTS_H

#include "simd.h"

static const int one_of[6] = {0, 1, 2, 0, 0, 1}, other_of[6] = {0, 1, 2, 1, 2, 2}; /* products of slopes */

/* Of a row: times 1, x (and x^2). */
typedef struct {
    vf product[6][3], scored[3][2];
} line_sums;

typedef struct {
    vf product[6][6], scored[3][3];          /* of a plane, times 1 x xx y xy yy, and 1 x y */
    double products[6][10], scores[3][4];    /* of planes, times 1 x xx y xy yy z xz yz zz, and 1 x y z */
} motion_sums;

/* VL voxels, their slopes times root of the weight, and x; scored: - score / root. */
INLINE void add_voxels(line_sums *r, const vf slope[3], vf scored, vf x)
{
    for (int i = 0; i < 3; i++) {
        const vf s = scored * slope[i];
        r->scored[i][0] += s, r->scored[i][1] += s * x;
    }
    for (int p = 0; p < 6; p++) {
        const vf both = slope[one_of[p]] * slope[other_of[p]], with_x = both * x;
        r->product[p][0] += both, r->product[p][1] += with_x, r->product[p][2] += with_x * x;
    }
}

INLINE void add_row(motion_sums *s, const line_sums *r, vf y)
{
    for (int p = 0; p < 6; p++) {
        const vf *q = r->product[p], with_y = y * q[0];
        for (int k = 0; k < 3; k++) s->product[p][k] += q[k];
        s->product[p][3] += with_y, s->product[p][4] += y * q[1], s->product[p][5] += y * with_y;
    }
    for (int i = 0; i < 3; i++) {
        const vf *q = r->scored[i];
        s->scored[i][0] += q[0], s->scored[i][1] += q[1], s->scored[i][2] += y * q[0];
    }
}

/* The plane is whole: the next one begins. */
static void add_plane(motion_sums *s, double z)
{
    for (int p = 0; p < 6; p++) {
        double t[6], *to = s->products[p];
        for (int k = 0; k < 6; k++) to[k] += t[k] = total(s->product[p][k]);
        to[6] += z * t[0], to[7] += z * t[1], to[8] += z * t[3], to[9] += z * z * t[0];
    }
    for (int i = 0; i < 3; i++) {
        double t[3], *to = s->scores[i];
        for (int k = 0; k < 3; k++) to[k] += t[k] = total(s->scored[i][k]);
        to[3] += z * t[0];
    }
    memset(s->product, 0, sizeof s->product), memset(s->scored, 0, sizeof s->scored);
}

/* Unknown 4 i + j: i is the direction of the slope (z, y, x), j = (z, y, x, 1). */
static void spread(const motion_sums *s, double matrix[144], double right[12])
{
    static const int of[4][4] = {{9, 8, 7, 6}, {8, 5, 4, 3}, {7, 4, 2, 1}, {6, 3, 1, 0}}, from[4] = {3, 2, 1, 0};
    for (int j = 0; j < 4; j++) {
        for (int i = 0; i < 3; i++) right[4 * i + j] = s->scores[i][from[j]];
        for (int p = 0; p < 6; p++)
            for (int q = 0; q < 4; q++) {
                matrix[(4 * one_of[p] + j) * 12 + 4 * other_of[p] + q] = s->products[p][of[j][q]];
                matrix[(4 * other_of[p] + q) * 12 + 4 * one_of[p] + j] = s->products[p][of[j][q]];
            }
    }
}

#endif
