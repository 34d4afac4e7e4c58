/* The other image where the warp takes the window to, and its sums with the template. */
#ifndef HPCDVC_WARPED_H
#define HPCDVC_WARPED_H

#include "spline.h"

#include "equations.h"

enum { TAPS_OF_CUBIC = 4 };

/* A pixel of the window at d from its middle lies at place + A d. */
typedef struct {
    double place[2], A[2][2];
} warp;

typedef struct {
    double b[MOST_COLUMNS], RR; /* R times the columns of the equations, and itself */
} warped_sums;

/* Whether the window lies in the other image; from and to: the pixels about it. */
static int find_extent(const hpcdvc_refinement *job, const warp *w, int64_t from[2], int64_t to[2])
{
    const double last[2] = {(double)job->height - 1, (double)job->width - 1}, slack = 1e-9;
    for (int i = 0; i < 2; i++) {
        const double reach = job->half * (fabs(w->A[i][0]) + fabs(w->A[i][1]));
        const double low = w->place[i] - reach, high = w->place[i] + reach;
        if (!(low >= -slack && high <= last[i] + slack)) return 0;
        from[i] = (int64_t)floor(low + slack), to[i] = (int64_t)ceil(high - slack);
    }
    /* of the band: always, where it is as wide as it has to be */
    return from[0] >= job->first && to[0] < job->first + job->rows - 2 * MARGIN;
}

/* Leave out what is missing in either image. Returns the weight of what is there, of one frame on average. */
static double mark_missing(const hpcdvc_refinement *job, const int64_t pixel[2], const warp *w, template *t)
{
    double sum = 0;
    for (int y = 0; y < t->side; y++)
        for (int k = 0; k < t->frames; k++)
            for (int x = 0; x < t->side; x++) {
                const int64_t dy = y - job->half, dx = x - job->half;
                int64_t corner[2];
                for (int i = 0; i < 2; i++) corner[i] = (int64_t)floor(w->place[i] + w->A[i][0] * dy + w->A[i][1] * dx);
                const uint8_t *here = job->grey_missing, *there = job->other_missing;
                int ok = !here || !here[at_pixel(job, k, pixel[0] + dy, pixel[1] + dx)];
                for (int i = 0; ok && there && i < 4; i++)
                    ok = !there[at_pixel(job, k, corner[0] + i / 2, corner[1] + i % 2)];
                t->ok[(y * t->frames + k) * t->stride + x] = (float)ok;
                sum += ok * t->weight[y * t->stride + x];
            }
    return sum / t->frames;
}

/* Products of R with itself and the columns, of one pixel of the window in all frames: RR, RI, R, Ry, Rx. */
INLINE void multiply_warped(const hpcdvc_refinement *job, const template *t, int y, int x, const float *taps,
                            const vf fraction[2], float offset, int partial, vf p[5])
{
    vf wy[TAPS_OF_CUBIC], wx[TAPS_OF_CUBIC];
    weights(fraction[0], TAPS_OF_CUBIC, wy);
    weights(fraction[1], TAPS_OF_CUBIC, wx);
    for (int i = 0; i < 5; i++) p[i] = splat(0);
    for (int k = 0; k < t->frames; k++, taps += job->rows * job->columns) {
        const int64_t at = (y * t->frames + k) * t->stride + x;
        vf R = splat(-offset);
        for (int b = 0; b < TAPS_OF_CUBIC; b++) {
            const float *r = taps + b * job->columns;
            R += wy[b] * (wx[0] * load(r) + wx[1] * load(r + 1) + wx[2] * load(r + 2) + wx[3] * load(r + 3));
        }
        if (partial) R *= load(t->ok + at);
        p[0] += R * R, p[1] += R * load(t->grey + at), p[2] += R;
        p[3] += R * load(t->slope[0] + at), p[4] += R * load(t->slope[1] + at);
    }
}

/* Sums over the window, row by row, in parts whose pixels lie between the same columns and rows. */
INLINE void sum_warped(const hpcdvc_refinement *job, const template *t, const warp *w, double offset, int affine,
                       int partial, warped_sums *s)
{
    const double step[2] = {w->A[0][1], w->A[1][1] - 1};
    vf first[5] = {{0}}, by_y[2] = {{0}}, by_x[2] = {{0}};
    for (int y = 0; y < t->side; y++)
        for (int x = 0; x < t->side;) {
            const int dy = y - job->half, dx = x - job->half;
            double fraction[2];
            int64_t corner[2];
            int n = t->side - x;
            for (int i = 0; i < 2; i++) {
                const double p = w->place[i] + w->A[i][0] * dy + w->A[i][1] * dx, whole = floor(p);
                corner[i] = (int64_t)whole, fraction[i] = p - whole;
                n = run_length(fraction[i], step[i], n);
            }
            const float *taps = job->coefficients + at_pixel(job, 0, corner[0] - 1, corner[1] - 1);
            for (int v = 0; v < n; v += VL) {
                const vf column = lanes() + (float)v, far = (vf)((vi)splat(1) & (column < splat((float)n)));
                const vf weight = far * load(t->weight + y * t->stride + x + v);
                vf at[2], p[5];
                for (int i = 0; i < 2; i++) at[i] = (float)fraction[i] + (float)step[i] * column;
                multiply_warped(job, t, y, x + v, taps + v, at, (float)offset, partial, p);
                for (int i = 0; i < 5; i++) p[i] *= weight, first[i] += p[i];
                if (!affine) continue;
                for (int i = 0; i < 2; i++) by_y[i] += p[3 + i] * along(t, y), by_x[i] += p[3 + i] * across(t, x + v);
            }
            x += n;
        }
    const int terms = affine ? 3 : 1;
    s->RR = total(first[0]), s->b[0] = total(first[1]), s->b[1] = total(first[2]);
    for (int i = 0; i < 2; i++) {
        s->b[2 + terms * i] = total(first[3 + i]);
        if (affine) s->b[3 + 3 * i] = total(by_y[i]), s->b[4 + 3 * i] = total(by_x[i]);
    }
}

#endif
