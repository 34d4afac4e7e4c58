/* Sums over the windows of one stack, weighted by the window function, for every place of a window. */
#ifndef HPCDVC_STACKS_MOMENTS_H
#define HPCDVC_STACKS_MOMENTS_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "simd.h"
#include "stacks.h"

typedef double vd __attribute__((vector_size(8 * VL)));
typedef double vd_unaligned __attribute__((vector_size(8 * VL), aligned(8), may_alias));
#define WIDE(v) __builtin_convertvector(v, vd)
#define NARROW(v) __builtin_convertvector(v, vf)

INLINE vd load_wide(const double *p) { return *(const vd_unaligned *)p; }
INLINE void store_wide(double *p, vd v) { *(vd_unaligned *)p = v; }

/* Over all frames: grey values, their squares, the squares of the means of single frames; and the parts of the window
 * without grey values, and with saturated ones. */
enum { SUM, SQUARES, OF_MEANS, MISSING, CLIPPED, MOMENTS };

typedef struct {
    float *of[MOMENTS]; /* (rows, columns); NULL where it is not wanted */
    float *inverse;     /* what the metric divides by; see score.h */
    float *inverse2;
    float *excluded;    /* 0, or NONE where there is no window */
    float *means;       /* (rows, frames, columns), of the windows of single frames; or NULL */
    float *textured;    /* part of the values of a window that tell something; see news.h */
    float *still;       /* correlation of its frames with each other */
    int64_t rows, columns;
} moments;

static void free_moments(moments *m)
{
    for (int i = 0; i < MOMENTS; i++) free(m->of[i]);
    free(m->inverse), free(m->inverse2), free(m->excluded), free(m->means), free(m->textured), free(m->still);
}

/* Sums over the frames of one row: of grey values, or of their squares. */
static void sum_frames(const hpcdvc_stack *s, int64_t row, int which, double *sums)
{
    for (int64_t x = 0; x < s->columns; x += VL) {
        vd sum = {0}, squares = {0};
        for (int64_t k = 0; k < s->frames; k++) {
            const vd v = WIDE(load(s->grey + (row * s->frames + k) * s->columns + x));
            sum += v, squares += v * v;
        }
        store_wide(sums + x, which == SUM ? sum : squares);
    }
}

/* Weighted sums of a plane (rows, columns) over windows, in its place: (rows - ny + 1, columns) of which the last columns
 * mean nothing. */
static void window_sums(double *plane, int64_t rows, int64_t columns, const double *ty, int ny, const double *tx, int nx)
{
    for (int64_t y = 0; y < rows; y++) {
        double *p = plane + y * columns;
        for (int64_t x = 0; x + nx - 1 + VL <= columns; x += VL) {
            vd sum = {0};
            for (int w = 0; w < nx; w++) sum += tx[w] * load_wide(p + x + w);
            store_wide(p + x, sum); /* nothing to the left is read again */
        }
    }
    for (int64_t y = 0; y + ny <= rows; y++)
        for (int64_t x = 0; x < columns; x += VL) {
            vd sum = {0};
            for (int w = 0; w < ny; w++) sum += ty[w] * load_wide(plane + (y + w) * columns + x);
            store_wide(plane + y * columns + x, sum); /* nor above */
        }
}

/* Window functions of one axis: of grey values, and of what is only counted. */
typedef struct {
    double *grey, *even;
} weights;

static int make_weights(const float *taps, int n, weights *w)
{
    w->grey = malloc(2 * n * sizeof *w->grey), w->even = w->grey + n;
    if (!w->grey) return 1;
    for (int i = 0; i < n; i++) w->grey[i] = taps[i], w->even[i] = 1.0 / n;
    return 0;
}

static int fill_moment(const hpcdvc_stack *s, int which, const weights *wy, int ny, const weights *wx, int nx,
                       double *plane, moments *m)
{
    const int64_t size = s->rows * s->columns;
    const int counted = which == MISSING || which == CLIPPED;
    const float *counts = which == MISSING ? s->missing : s->saturated;
    if (!(m->of[which] = malloc(size * sizeof(float)))) return 1;
    if (counted) {
        for (int64_t i = 0; i < size; i++) plane[i] = counts[i] / (double)s->frames;
    } else {
        for (int64_t y = 0; y < s->rows; y++) sum_frames(s, y, which, plane + y * s->columns);
    }
    window_sums(plane, s->rows, s->columns, counted ? wy->even : wy->grey, ny, counted ? wx->even : wx->grey, nx);
    for (int64_t i = 0; i < (s->rows - ny + 1) * s->columns; i += VL) store(m->of[which] + i, NARROW(load_wide(plane + i)));
    return 0;
}

/* Means of the windows of single frames, and the sums of their squares. */
static int fill_means(const hpcdvc_stack *s, const weights *wy, int ny, const weights *wx, int nx, moments *m)
{
    const int64_t row = s->frames * s->columns, rows = s->rows - ny + 1;
    double *down = calloc(row + nx + VL, sizeof *down);
    m->means = malloc(s->rows * row * sizeof(float)), m->of[OF_MEANS] = malloc(s->rows * s->columns * sizeof(float));
    for (int64_t y = 0; y < rows && down && m->means && m->of[OF_MEANS]; y++) {
        float *means = m->means + y * row, *squares = m->of[OF_MEANS] + y * s->columns;
        for (int64_t x = 0; x < row; x += VL) {
            vd sum = {0};
            for (int w = 0; w < ny; w++) sum += wy->grey[w] * WIDE(load(s->grey + (y + w) * row + x));
            store_wide(down + x, sum);
        }
        for (int64_t x = 0; x < row; x += VL) {
            vd sum = {0};
            for (int w = 0; w < nx; w++) sum += wx->grey[w] * load_wide(down + x + w);
            store(means + x, NARROW(sum));
        }
        for (int64_t x = 0; x < s->columns; x += VL) {
            vd sum = {0};
            for (int64_t k = 0; k < s->frames; k++) {
                const vd v = WIDE(load(means + k * s->columns + x));
                sum += v * v;
            }
            store(squares + x, NARROW(sum));
        }
    }
    const int failed = !down || !m->means || !m->of[OF_MEANS];
    free(down);
    return failed;
}

/* Returns 1 when memory ran out. */
static int find_moments(const hpcdvc_dense *d, const hpcdvc_stack *s, moments *m)
{
    const int ny = 2 * d->half[0] + 1, nx = 2 * d->half[1] + 1;
    weights wy = {0}, wx = {0};
    double *plane = malloc(s->rows * s->columns * sizeof *plane);
    m->rows = s->rows - ny + 1, m->columns = s->columns;
    int failed = !plane || make_weights(d->taps_y, ny, &wy) || make_weights(d->taps_x, nx, &wx);
    for (int which = 0; which < MOMENTS && !failed; which++) {
        if (which != OF_MEANS) failed = fill_moment(s, which, &wy, ny, &wx, nx, plane, m);
        else if (d->local_mean) failed = fill_means(s, &wy, ny, &wx, nx, m);
    }
    free(plane), free(wy.grey), free(wx.grey);
    return failed;
}

#endif
