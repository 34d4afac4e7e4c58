/* How many values of the windows of one stack have something of their own to say. */
#ifndef HPCDVC_STACKS_NEWS_H
#define HPCDVC_STACKS_NEWS_H

#include "moments.h"

#define OF_SPECKLE 9 /* fourth moment of an exponential distribution, in units of its squared variance */

/* Sums over the frames: of what is there, of grey values and their powers, and of their mean squared. */
enum { THERE, FIRST, SECOND, THIRD, FOURTH, STILL, POWERS };

/* One row of a stack. */
static void sum_powers(const hpcdvc_stack *s, int64_t row, double *const planes[POWERS])
{
    for (int64_t x = 0; x < s->columns; x += VL) {
        vd sums[POWERS] = {{0}};
        for (int64_t k = 0; k < s->frames; k++) {
            const int64_t at = (row * s->frames + k) * s->columns + x;
            const vd v = WIDE(load(s->grey + at)), vv = v * v;
            sums[FIRST] += v, sums[SECOND] += vv, sums[THIRD] += vv * v, sums[FOURTH] += vv * vv;
            if (s->there) sums[THERE] += WIDE(load(s->there + at));
        }
        if (!s->there) sums[THERE] += (double)s->frames;
        sums[STILL] = sums[FIRST] * sums[FIRST] / (sums[THERE] + 1e-9);
        for (int i = 0; i < POWERS; i++) store_wide(planes[i] + row * s->columns + x, sums[i]);
    }
}

/* Speckle has at most nine times its squared variance as fourth moment, corners and hot pixels have more: few of their
 * pixels tell anything. Frames whose mean has all of the variance are all the same. */
static void find_parts(const double s[POWERS], float *textured, float *still)
{
    const double n = s[THERE], mean = s[FIRST] / n, mm = mean * mean, variance = s[SECOND] - n * mm;
    const double fourth = s[FOURTH] - 4 * mean * s[THIRD] + 6 * mm * s[SECOND] - 3 * n * mm * mm;
    const double part = n * (s[STILL] - n * mm) / variance - 1;
    *textured = (float)(fourth > 0 ? fmin(OF_SPECKLE * variance * variance / (n * fourth), 1) : 1);
    *still = (float)(n > 1 && variance > 0 ? fmin(fmax(part / (n - 1), 0), 1) : 0);
}

/* Returns 1 when memory ran out. */
static int find_news(const hpcdvc_dense *d, const hpcdvc_stack *s, moments *m)
{
    const int ny = 2 * d->half[0] + 1, nx = 2 * d->half[1] + 1;
    const int64_t size = s->rows * s->columns;
    weights wy = {0}, wx = {0};
    double *planes[POWERS], *room = malloc(POWERS * size * sizeof *room);
    m->textured = malloc(size * sizeof(float)), m->still = malloc(size * sizeof(float));
    const int failed = !room || !m->textured || !m->still || make_weights(d->taps_y, ny, &wy) || make_weights(d->taps_x, nx, &wx);
    if (!failed) {
        for (int i = 0; i < POWERS; i++) planes[i] = room + i * size;
        for (int64_t row = 0; row < s->rows; row++) sum_powers(s, row, planes);
        for (int i = 0; i < POWERS; i++) window_sums(planes[i], s->rows, s->columns, wy.grey, ny, wx.grey, nx);
        for (int64_t i = 0; i < m->rows * m->columns; i++) {
            double sums[POWERS];
            for (int which = 0; which < POWERS; which++) sums[which] = planes[which][i];
            find_parts(sums, m->textured + i, m->still + i);
        }
    }
    free(room), free(wy.grey), free(wx.grey);
    return failed;
}

#endif
