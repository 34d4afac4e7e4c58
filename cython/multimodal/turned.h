/* The SMOOTH spline where a row of im1 crosses many rows of im2: the few voxels in between do not fill the lanes of spline.h,
 * so that each voxel has its four taps along x side by side instead. */
#ifndef HPCDVC_TURNED_H
#define HPCDVC_TURNED_H

#include "spline.h"

typedef float quad __attribute__((vector_size(16)));
typedef float quad_unaligned __attribute__((vector_size(16), aligned(4), may_alias));

INLINE quad load_quad(const float *p) { return *(const quad_unaligned *)p; }

INLINE vi whole(vf v) { return __builtin_convertvector(v, vi); }

/* Rows of im2 that one of im1 crosses per voxel, from which on this takes less time. */
#define STEEP 0.16
INLINE int is_steep(const double slope[3]) { return fabs(slope[0]) + fabs(slope[1]) + fabs(slope[2] - 1) > STEEP; }

/* Weights of the taps along x at fraction t, and their slopes: those of `weights` of spline.h as polynomials. */
INLINE quad weights_along(float t)
{
    const quad c0 = {1 / 6.f, 2 / 3.f, 1 / 6.f, 0}, c1 = {-.5f, 0, .5f, 0}, c2 = {.5f, -1, .5f, 0}, c3 = {-1 / 6.f, .5f, -.5f, 1 / 6.f};
    return c0 + t * (c1 + t * (c2 + t * c3));
}
INLINE quad slopes_along(float t)
{
    const quad c1 = {-.5f, 0, .5f, 0}, c2 = {1, -2, 1, 0}, c3 = {-.5f, 1.5f, -1.5f, .5f};
    return c1 + t * (c2 + t * c3);
}

INLINE float total_quad(quad v) { return (v[0] + v[2]) + (v[1] + v[3]); }

/* VL places from column x on: first tap of each, fractions, and the weights along z and y. */
typedef struct {
    int32_t tap[VL];
    float t[VL], w[2][4][VL], d[2][4][VL];
} places;

INLINE void find_places(const box *c, const double start[3], const double slope[3], int x, int is_3d, places *at)
{
    const int64_t step[3] = {is_3d ? c->sz : 0, c->sy, 1};
    vi tap = {0};
    vf w[4], d[4];
    for (int i = 0; i < 3; i++) {
        const double p = start[i] + x * slope[i], f = floor(p);
        vf t = (float)(p - f) + (float)slope[i] * lanes();
        vi n = whole(t);
        n += __builtin_convertvector(n, vf) > t; /* true is -1 */
        t -= __builtin_convertvector(n, vf);
        tap += (n + (int32_t)((int64_t)f - 1)) * (int32_t)step[i];
        if (i == 2) store(at->t, t);
        else {
            weights(t, SMOOTH, w), slopes_of(t, SMOOTH, d);
            for (int k = 0; k < 4; k++) store(at->w[i][k], w[k]), store(at->d[i][k], d[k]);
        }
    }
    memcpy(at->tap, &tap, sizeof tap);
}

/* The value at place v, and the slopes along z, y and x. */
INLINE float value_at(const box *c, const places *at, int v, int is_3d, float *const slopes[3], int x)
{
    const float *first = c->v + at->tap[v];
    const quad along = weights_along(at->t[v]);
    quad value = {0}, z = {0}, y = {0};
    for (int a = 0; a < (is_3d ? 4 : 1); a++) {
        quad plane = {0}, slope_y = {0};
        for (int b = 0; b < 4; b++) {
            const quad row = load_quad(first + a * c->sz + b * c->sy);
            plane += at->w[1][b][v] * row;
            slope_y += at->d[1][b][v] * row;
        }
        value += is_3d ? at->w[0][a][v] * plane : plane;
        y += is_3d ? at->w[0][a][v] * slope_y : slope_y;
        if (is_3d) z += at->d[0][a][v] * plane;
    }
    slopes[0][x] = total_quad(z * along), slopes[1][x] = total_quad(y * along);
    slopes[2][x] = total_quad(value * slopes_along(at->t[v]));
    return total_quad(value * along);
}

/* As sample_row_with of spline.h. */
INLINE void sample_turned(const box *c, const double start[3], const double slope[3], int first, int last, int is_3d, float *out,
                          float *const slopes[3])
{
    places at;
    for (int x = first; x < last; x += VL) {
        find_places(c, start, slope, x, is_3d, &at);
        for (int v = 0; v < VL && x + v < last; v++) out[x + v] = value_at(c, &at, v, is_3d, slopes, x + v);
    }
}

#endif
