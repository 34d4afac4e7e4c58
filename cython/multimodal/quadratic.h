/* im2 between its voxels, with slopes: the quadratic B-spline whose coefficients are the grey values. Three taps along each axis,
 * slopes that are continuous, and the same width of what it smoothes by wherever between voxels (Unser 1999, doi
 * 10.1109/79.799930).
 *
 * With t from the nearest voxel, -1/2 to 1/2, and the grey values l, m, h before, at and behind it: m + (h - l) t / 2 +
 * (h - 2 m + l) (t^2 / 2 + 1 / 8), of slope (h - l) / 2 + (h - 2 m + l) t. */
#ifndef HPCDVC_QUADRATIC_H
#define HPCDVC_QUADRATIC_H

#include "box.h"

typedef float quad __attribute__((vector_size(16)));
typedef int32_t quad_index __attribute__((vector_size(16)));
typedef float quad_unaligned __attribute__((vector_size(16), aligned(4), may_alias));

INLINE quad load_quad(const float *p) { return *(const quad_unaligned *)p; }
INLINE void store_quad(float *p, quad v) { *(quad_unaligned *)p = v; }

#ifdef __clang__
#define PICK(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define PICK(a, b, ...) __builtin_shuffle(a, b, (quad_index){__VA_ARGS__})
#endif

/* a0 b0 a1 b1, a2 b2 a3 b3, a0 a1 b0 b1 and a2 a3 b2 b3: of these sums over lanes and transposes are made. */
INLINE quad first_two(quad a, quad b) { return PICK(a, b, 0, 4, 1, 5); }
INLINE quad last_two(quad a, quad b) { return PICK(a, b, 2, 6, 3, 7); }
INLINE quad lower(quad a, quad b) { return PICK(a, b, 0, 1, 4, 5); }
INLINE quad upper(quad a, quad b) { return PICK(a, b, 2, 3, 6, 7); }

INLINE vi whole(vf v) { return __builtin_convertvector(v, vi); }

/* Weights of three taps at t, and their slopes. */
INLINE void taps_at(vf t, vf w[3], vf d[3])
{
    d[0] = t - 0.5f, d[1] = -2.0f * t, d[2] = t + 0.5f;
    w[0] = 0.5f * d[0] * d[0], w[1] = 0.75f - t * t, w[2] = 0.5f * d[2] * d[2];
}

/* VL values and slopes along z, y and x; p: first tap. */
INLINE vf quadratic_at(const float *p, int64_t sz, int64_t sy, int is_3d, const vf t[3], vf slope[3])
{
    const vf half = 0.5f * t[2], bend = 0.125f + half * t[2], twice = t[2] + t[2];
    vf w[2][3], d[2][3], value = splat(0);
    taps_at(t[1], w[1], d[1]);
    if (is_3d) taps_at(t[0], w[0], d[0]);
    for (int i = 0; i < 3; i++) slope[i] = splat(0);
    for (int a = 0; a < (is_3d ? 3 : 1); a++) {
        vf plane = splat(0), plane_y = splat(0), plane_x = splat(0);
        for (int b = 0; b < 3; b++) {
            const float *r = p + a * sz + b * sy;
            const vf before = load(r), at = load(r + 1), behind = load(r + 2);
            const vf rise = behind - before, curve = (behind + before) - 2.0f * at;
            const vf line = at + curve * bend + rise * half;
            plane += w[1][b] * line, plane_y += d[1][b] * line, plane_x += w[1][b] * (rise + curve * twice);
        }
        if (!is_3d) {
            slope[1] = plane_y, slope[2] = 0.5f * plane_x;
            return plane;
        }
        value += w[0][a] * plane;
        slope[0] += d[0][a] * plane, slope[1] += w[0][a] * plane_y, slope[2] += w[0][a] * plane_x;
    }
    slope[2] *= 0.5f;
    return value;
}

/* How rows of im1 run through im2: steps along z, y and x per column, those of x beside the column itself, and the columns
 * until each has gone on by a voxel. */
typedef struct {
    double step[3], along[3], run[3];
} way;

INLINE way way_of(const double phi[12])
{
    way w;
    for (int k = 0; k < 3; k++) {
        w.step[k] = phi[4 * k + 2], w.along[k] = w.step[k] - (k == 2);
        w.run[k] = fabs(w.along[k]) > 1e-12 ? 1 / fabs(w.along[k]) : 1e12;
    }
    return w;
}

/* Columns [first, last) of a row of im1 that starts there in the box (ZYX). Along it coordinates are affine, so the nearest voxel
 * along z and y, and that along x less the column, are piecewise constant: taps are contiguous, see spline.h. */
INLINE void sample_along(const box *c, const double start[3], const way *w, int first, int last, int is_3d, float *out,
                         float *const slopes[3])
{
    const int64_t step[3] = {c->sz, c->sy, 1};
    const float *p = c->v - 1;
    double from[3], end[3]; /* of the column, less the nearest voxel; where another one is the nearest */
    vf lane[3], on[3];
    for (int k = is_3d ? 0 : 1; k < 3; k++) {
        const double at = start[k] + first * w->along[k], nearest = floor(at + 0.5);
        from[k] = start[k] - nearest;
        end[k] = first + (0.5 + (w->along[k] > 0 ? nearest - at : at - nearest)) * w->run[k];
        p += ((int64_t)nearest - (k < 2)) * step[k];
        lane[k] = (float)w->along[k] * lanes(), on[k] = splat((float)(VL * w->along[k]));
    }
    for (int x = first; x < last;) {
        int stop = last;
        vf t[3] = {{0}};
        for (int k = is_3d ? 0 : 1; k < 3; k++) {
            t[k] = (float)(from[k] + x * w->along[k]) + lane[k];
            stop = end[k] < stop - 1 ? (int)end[k] + 1 : stop;
        }
        for (int v = x; v < stop; v += VL) {
            vf d[3];
            store(out + v, quadratic_at(p + v, c->sz, c->sy, is_3d, t, d));
            for (int k = is_3d ? 0 : 1; k < 3; k++) store(slopes[k] + v, d[k]), t[k] += on[k];
        }
        for (int k = is_3d ? 0 : 1; k < 3; k++) {
            if (end[k] >= stop) continue;
            const int sign = w->along[k] > 0 ? 1 : -1;
            from[k] -= sign, end[k] += w->run[k], p += sign * step[k];
        }
        x = stop;
    }
}

/* Rows of im2 that one of im1 crosses per voxel, from which on the few voxels in between do not fill the lanes above. */
#define STEEP 0.4
INLINE int is_steep(const way *w) { return fabs(w->along[0]) + fabs(w->along[1]) + fabs(w->along[2]) > STEEP; }

/* VL places from column x on: first tap of each, and where they are between taps: `bend` is t^2 / 2 + 1 / 8, w are weights. */
typedef struct {
    int32_t tap[VL];
    float t[3][VL], bend[3][VL], w[3][VL];
} places;

INLINE void find_places(const box *c, const double start[3], const double slope[3], int x, int is_3d, places *at)
{
    const int64_t step[3] = {is_3d ? c->sz : 0, c->sy, 1};
    vi tap = {0};
    for (int i = 0; i < 3; i++) {
        const double p = start[i] + x * slope[i] + 0.5, f = floor(p);
        vf t = (float)(p - f) + (float)slope[i] * lanes(), w[3], d[3];
        vi n = whole(t);
        n += __builtin_convertvector(n, vf) > t; /* true is -1 */
        t -= __builtin_convertvector(n, vf) + 0.5f;
        tap += (n + (int32_t)((int64_t)f - 1)) * (int32_t)step[i];
        store(at->t[i], t), store(at->bend[i], 0.125f + 0.5f * t * t);
        if (i > 0) continue;
        taps_at(t, w, d);
        for (int k = 0; k < 3; k++) store(at->w[k], w[k]);
    }
    memcpy(at->tap, &tap, sizeof tap);
}

/* Between three taps, and the slope there. */
INLINE quad between(quad before, quad at, quad behind, float t, float bend, quad *slope)
{
    const quad rise = 0.5f * (behind - before), curve = (behind + before) - 2.0f * at;
    *slope = rise + t * curve;
    return at + bend * curve + t * rise;
}

/* Slopes along z, y and x at place v, and the value there: each voxel has its taps along x side by side. */
INLINE quad value_at(const box *c, const places *at, int v, int is_3d)
{
    const quad w0 = {0.125f, 0.75f, 0.125f, 0}, w1 = {-0.5f, 0, 0.5f, 0}, w2 = {0.5f, -1, 0.5f, 0};
    const float *first = c->v + at->tap[v], t = at->t[2][v];
    quad plane[3], slope_y[3], value, z = {0}, y;
    for (int a = 0; a < (is_3d ? 3 : 1); a++, first += c->sz)
        plane[a] = between(load_quad(first), load_quad(first + c->sy), load_quad(first + 2 * c->sy), at->t[1][v], at->bend[1][v],
                           &slope_y[a]);
    value = plane[0], y = slope_y[0];
    if (is_3d) {
        value = between(plane[0], plane[1], plane[2], at->t[0][v], at->bend[0][v], &z);
        y = at->w[0][v] * slope_y[0] + at->w[1][v] * slope_y[1] + at->w[2][v] * slope_y[2];
    }
    const quad along = w0 + t * (w1 + t * w2), x = value * (w1 + t * (w2 + w2));
    z *= along, y *= along, value *= along;
    const quad zy = first_two(z, y) + last_two(z, y), xv = first_two(x, value) + last_two(x, value);
    return lower(zy, xv) + upper(zy, xv);
}

/* As sample_along. */
INLINE void sample_across(const box *c, const double start[3], const double slope[3], int first, int last, int is_3d, float *out,
                          float *const slopes[3])
{
    places at;
    for (int x = first; x < last; x += VL) {
        find_places(c, start, slope, x, is_3d, &at);
        for (int v = 0; v < VL && x + v < last; v++) {
            const quad found = value_at(c, &at, v, is_3d);
            for (int k = 0; k < 3; k++) slopes[k][x + v] = found[k];
            out[x + v] = found[3];
        }
    }
}

#endif
