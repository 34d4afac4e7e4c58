/* Rows of im1 under an affine map: which of their voxels lie in im2, and where it has grey values that count. */
#ifndef HPCDVC_AFFINE_ROWS_H
#define HPCDVC_AFFINE_ROWS_H

#include "box.h"

/* Columns outside [first, last) of a padded row are 0. */
INLINE void clear_ends(float *row, int first, int last, int64_t padded)
{
    for (int x = 0; x < first; x++) row[x] = 0;
    for (int64_t x = last; x < padded; x++) row[x] = 0;
}

/* Columns [first, last) of a row of `n` whose positions start + x slope lie in an image of this shape. */
static void columns_inside(const double start[3], const double slope[3], const int64_t shape[3], int is_3d, int n, int *first,
                           int *last)
{
    double lo = 0, hi = n - 1;
    for (int i = is_3d ? 0 : 1; i < 3; i++) {
        const double end = (double)shape[i] - 1 + 1e-6;
        if (fabs(slope[i]) < 1e-12) {
            if (start[i] < -1e-6 || start[i] > end) hi = -1;
            continue;
        }
        double a = (-1e-6 - start[i]) / slope[i], b = (end - start[i]) / slope[i];
        lo = fmax(lo, fmin(a, b)), hi = fmin(hi, fmax(a, b));
    }
    if (hi < lo) lo = hi = -1; /* none */
    *first = (int)ceil(lo) < 0 ? 0 : (int)ceil(lo), *last = (int)floor(hi) + 1;
    if (*last < *first) *last = *first;
}

/* 0 in `ok` where the cell of im2 that a voxel falls in holds an invalid voxel; v: 0 where one is. */
static void drop_bad_cells(const box *v, const double start[3], const double slope[3], int is_3d, int first, int last, float *ok)
{
    for (int x = first; x < last; x++) {
        int64_t c[3];
        for (int i = 0; i < 3; i++) {
            c[i] = (int64_t)floor(start[i] + x * slope[i]) - v->origin[i];
            if (c[i] < 0) c[i] = 0;
            if (c[i] > v->n[i] - 2) c[i] = v->n[i] > 1 ? v->n[i] - 2 : 0;
        }
        for (int z = 0; z < (is_3d ? 2 : 1); z++)
            for (int y = 0; y < 2; y++) {
                const float *r = row_of(v, (int)c[0] + z, (int)c[1] + y) + c[2];
                if (r[0] == 0 || r[1] == 0) ok[x] = 0;
            }
    }
}

#endif
