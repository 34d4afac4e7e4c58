/* The window of the template: grey values and gradient of all frames, side by side as they are summed up. */
#ifndef HPCDVC_TEMPLATE_H
#define HPCDVC_TEMPLATE_H

#include <math.h>
#include <stdlib.h>

#include "refine.h"
#include "simd.h"

/* Unknowns of the change of the warp; with those of gain and offset. */
enum { MOST_UNKNOWNS = 6, MOST_COLUMNS = 2 + MOST_UNKNOWNS };

/* Arrays are (row of the window, frame, column); rows of `stride` floats. */
typedef struct {
    int side, frames;
    int64_t stride;
    float *grey, *slope[2]; /* grey values less `offset` */
    float *ok;              /* 1 where a pixel of both images is there, 0 elsewhere; all 1 in windows that are whole */
    float *weight;          /* (row, column), 0 behind the last column */
    double offset;
} template;

static void free_template(template *t)
{
    free(t->grey);
    memset(t, 0, sizeof *t);
}

/* Returns 1 when memory ran out. */
static int make_template(const hpcdvc_refinement *job, template *t)
{
    memset(t, 0, sizeof *t);
    t->side = 2 * job->half + 1, t->frames = (int)job->frames, t->stride = PADDED(t->side);
    const int64_t plane = t->side * t->stride, size = plane * t->frames;
    float *room = calloc(4 * size + plane + VL, sizeof(float)); /* parts of rows begin anywhere */
    if (!room) return 1;
    t->grey = room, t->slope[0] = room + size, t->slope[1] = room + 2 * size, t->ok = room + 3 * size;
    t->weight = room + 4 * size;
    for (int y = 0; y < t->side; y++)
        memcpy(t->weight + y * t->stride, job->weights + y * t->side, t->side * sizeof(float));
    return 0;
}

INLINE int64_t at_pixel(const hpcdvc_refinement *job, int64_t frame, int64_t y, int64_t x)
{
    return (frame * job->rows + y - job->first + MARGIN) * job->columns + x + MARGIN;
}

/* Pixels that are missing in rows [y0, y1] and columns [x0, x1]. */
INLINE int missing(const hpcdvc_refinement *job, const int32_t *counts, int64_t y0, int64_t y1, int64_t x0, int64_t x1)
{
    if (!counts) return 0;
    const int64_t across = job->columns + 1;
    const int32_t *above = counts + (y0 - job->first + MARGIN) * across, *below = above + (y1 - y0 + 1) * across;
    return below[x1 + MARGIN + 1] - below[x0 + MARGIN] - above[x1 + MARGIN + 1] + above[x0 + MARGIN];
}

/* Mean over the frames of the values there: what is left when it is taken off is small, and so are rounding errors. */
static double mean_at(const hpcdvc_refinement *job, const float *values, int64_t y, int64_t x)
{
    double sum = 0;
    for (int64_t k = 0; k < job->frames; k++) sum += values[at_pixel(job, k, y, x)];
    return sum / job->frames;
}

/* The derivative by five taps: that of fourth order. */
INLINE vf derivative(const float *p, int64_t step)
{
    return (2.0f / 3) * (load(p + step) - load(p - step)) - (1.0f / 12) * (load(p + 2 * step) - load(p - 2 * step));
}

static void take_template(const hpcdvc_refinement *job, const int64_t pixel[2], template *t)
{
    t->offset = mean_at(job, job->grey, pixel[0], pixel[1]);
    for (int y = 0; y < t->side; y++)
        for (int k = 0; k < t->frames; k++) {
            const float *p = job->grey + at_pixel(job, k, pixel[0] - job->half + y, pixel[1] - job->half);
            const int64_t to = (y * t->frames + k) * t->stride;
            for (int x = 0; x < t->side; x += VL) {
                store(t->grey + to + x, load(p + x) - (float)t->offset);
                store(t->slope[0] + to + x, derivative(p + x, job->columns));
                store(t->slope[1] + to + x, derivative(p + x, 1));
            }
        }
}

#endif
