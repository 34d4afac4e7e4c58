/* What a part of the rows and columns is worked through with. */
#ifndef HPCDVC_STACKS_TILE_H
#define HPCDVC_STACKS_TILE_H

#include "news.h"

/* Sums of products at each displacement; a stack that lacks grey values in some frames needs all of them there. */
enum { PRODUCTS, PRODUCTS_OF_MEANS };
enum { COUNTS, OWN, OWN_SQUARES, OTHER, OTHER_SQUARES, BOTH, MAPS };

typedef struct {
    const hpcdvc_dense *d;
    const moments *own, *other;
    double pixels;             /* that a window is worth */
    int64_t lags;              /* displacements, those one pixel beyond the range counted */
    int64_t first, rows;       /* rows that are measured, counted from the first one asked for */
    int64_t left;              /* first column */
    int width;                 /* columns, a multiple of 2 VL, of which those beyond the image mean nothing */
    int64_t most;              /* rows that there is room for */
    float *map[MAPS];          /* (lags, most, TILE) sums at each displacement */
    float *lines, *across;     /* products of rows, and their sums along x */
    float *good;               /* (lags, TILE) of one row: how well each displacement fits; the higher the better */
    float *chosen;             /* the same, without those that no specimen can make; or `good` itself */
} tile;

INLINE const float *map_row(const tile *t, int map, int64_t lag, int64_t row)
{
    return t->map[map] + (lag * t->most + row) * TILE;
}

/* Where row `row` of the tile, at a displacement, is in the arrays of each stack. */
INLINE int64_t own_place(const tile *t, int64_t row)
{
    return (t->first + row) * t->d->step * t->own->columns + t->left;
}

INLINE int64_t other_place(const tile *t, int64_t row, int64_t lag)
{
    const int64_t y = lag / t->d->lags[1], x = lag % t->d->lags[1];
    return ((t->first + row) * t->d->step + y) * t->other->columns + t->left + x;
}

#endif
