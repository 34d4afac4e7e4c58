/* Grey values of im2 along a row of the warped window, by spline interpolation of order 1, 3 or 5: B-splines
 * (Unser 1999, doi 10.1109/79.799930), at order 3 the cubic o-MOMS, the B-spline plus 1/42 of its second derivative
 * (Blu, Thevenaz & Unser 2001, doi 10.1109/83.931101): as many taps, half the bias.
 *
 * Along an x row the coordinates are affine, so the integer parts of z, y and of x minus the column are
 * piecewise constant: inside such a segment all taps are contiguous loads and no gather is needed. */
#ifndef HPCDVC_SPLINE_H
#define HPCDVC_SPLINE_H

#include "filter.h"

/* Kinds of interpolation: 2, 4 and 6 are the splines of so many taps; KEYS has four and takes grey values instead of
 * coefficients (Keys 1981, doi 10.1109/TASSP.1981.1163711). */
#define KEYS 14
#define TAPS(kind) ((kind) % 10)

/* Weights at fraction t of the neighbours. */
INLINE void weights(vf t, int kind, vf *w)
{
    vf u = 1.0f - t;
    if (kind == 2) {
        w[0] = u, w[1] = t;
    } else if (kind == KEYS) {
        w[0] = -0.5f * t * u * u;
        w[1] = 1.0f + t * t * (1.5f * t - 2.5f);
        w[2] = 1.0f + u * u * (1.5f * u - 2.5f);
        w[3] = -0.5f * u * t * t;
    } else if (kind == 4) {
        const float sixth = 1.0f / 6.0f, q = 1.0f / 42.0f;
        w[0] = u * (sixth * u * u + q);
        w[1] = (2.0f / 3.0f - 2.0f * q) + t * (3.0f * q - t + 0.5f * t * t);
        w[2] = (2.0f / 3.0f - 2.0f * q) + u * (3.0f * q - u + 0.5f * u * u);
        w[3] = t * (sixth * t * t + q);
    } else {
        const float k = 1.0f / 120.0f;
        vf t2 = t * t, u2 = u * u;
        w[0] = k * u2 * u2 * u;
        w[1] = k * (26.0f + t * (-50.0f + t * (20.0f + t * (20.0f + t * (-20.0f + 5.0f * t)))));
        w[2] = k * (66.0f + t2 * (-60.0f + t2 * (30.0f - 10.0f * t)));
        w[3] = k * (66.0f + u2 * (-60.0f + u2 * (30.0f - 10.0f * u)));
        w[4] = k * (26.0f + u * (-50.0f + u * (20.0f + u * (20.0f + u * (-20.0f + 5.0f * u)))));
        w[5] = k * t2 * t2 * t;
    }
}

/* Columns until t + i * slope leaves [0, 1). */
INLINE int run_length(double t, double slope, int most)
{
    const double end = t + slope * (most - 1);
    if (end >= 0 && end < 1) return most; /* most rows: no division */
    double steps = slope > 0 ? (1 - t) / slope : slope < 0 ? t / -slope : most;
    if (steps >= most) return most;
    int n = (int)steps + 1;
    return n > most ? most : n;
}

INLINE vf load_power(const float *p, int power)
{
    const vf v = load(p);
    return power == 2 ? v * v : v;
}

/* VL interpolated values, or those of the squared coefficients; p: first tap, layers: 1 for 2-D images. */
INLINE vf interpolate(const float *p, int64_t sz, int64_t sy, int kind, int layers, int power, vf tz, vf ty, vf tx)
{
    const int taps = TAPS(kind);
    vf wz[6], wy[6], wx[6], sum = splat(0);
    weights(tx, kind, wx);
    weights(ty, kind, wy);
    if (layers > 1) weights(tz, kind, wz);
    for (int a = 0; a < layers; a++) {
        vf plane = splat(0);
        for (int b = 0; b < taps; b++) {
            const float *r = p + a * sz + b * sy;
            vf line = wx[0] * load_power(r, power);
            for (int c = 1; c < taps; c++) line += wx[c] * load_power(r + c, power);
            plane += wy[b] * line;
        }
        sum = layers > 1 ? sum + wz[a] * plane : plane;
    }
    return sum;
}

/* Slopes of the weights. */
INLINE void slopes_of(vf t, int kind, vf *w)
{
    const vf u = 1.0f - t;
    if (kind == 2) {
        w[0] = splat(-1), w[1] = splat(1);
    } else if (kind == 4) {
        const float q = 1.0f / 42.0f;
        w[0] = -(0.5f * u * u + q);
        w[1] = 3.0f * q + t * (1.5f * t - 2.0f);
        w[2] = -(3.0f * q + u * (1.5f * u - 2.0f));
        w[3] = 0.5f * t * t + q;
    } else {
        const float k = 1.0f / 24.0f;
        const vf t2 = t * t, u2 = u * u;
        w[0] = -k * u2 * u2;
        w[1] = k * (-10.0f + t * (8.0f + t * (12.0f + t * (-16.0f + 5.0f * t))));
        w[2] = k * t * (-24.0f + t2 * (24.0f - 10.0f * t));
        w[3] = -k * u * (-24.0f + u2 * (24.0f - 10.0f * u));
        w[4] = -k * (-10.0f + u * (8.0f + u * (12.0f + u * (-16.0f + 5.0f * u))));
        w[5] = k * t2 * t2;
    }
}

/* Slopes along z, y and x at VL places, and the values there; p: first tap. */
INLINE vf slopes_at(const float *p, int64_t sz, int64_t sy, int kind, const vf t[3], vf slope[3])
{
    const int taps = TAPS(kind);
    vf w[3][6], d[3][6], value = splat(0);
    for (int i = 0; i < 3; i++) weights(t[i], kind, w[i]), slopes_of(t[i], kind, d[i]), slope[i] = splat(0);
    for (int a = 0; a < taps; a++) {
        vf plane = splat(0), plane_y = splat(0), plane_x = splat(0);
        for (int b = 0; b < taps; b++) {
            const float *r = p + a * sz + b * sy;
            vf line = splat(0), line_x = splat(0);
            for (int c = 0; c < taps; c++) line += w[2][c] * load(r + c), line_x += d[2][c] * load(r + c);
            plane += w[1][b] * line, plane_y += d[1][b] * line, plane_x += w[1][b] * line_x;
        }
        value += w[0][a] * plane;
        slope[0] += d[0][a] * plane, slope[1] += w[0][a] * plane_y, slope[2] += w[0][a] * plane_x;
    }
    return value;
}

/* Columns [first, last) of one row: position start + x * slope (ZYX, relative to the coefficient box). */
INLINE void sample_row(const box *c, const double start[3], const double slope[3], int first, int last, int kind,
                       int is_3d, int power, float *out)
{
    const int taps = TAPS(kind);
    const vf lane = lanes();
    for (int x = first; x < last;) {
        double t[3];
        int64_t i[3];
        int n = last - x;
        for (int k = 0; k < 3; k++) {
            double p = start[k] + x * slope[k], f = floor(p);
            i[k] = (int64_t)f, t[k] = p - f;
            n = run_length(t[k], k == 2 ? slope[2] - 1 : slope[k], n);
        }
        const float *base = c->v + (is_3d ? (i[0] - taps / 2 + 1) * c->sz : 0) + (i[1] - taps / 2 + 1) * c->sy
                            + i[2] - taps / 2 + 1;
        vf tz = (float)t[0] + (float)slope[0] * lane, ty = (float)t[1] + (float)slope[1] * lane;
        vf tx = (float)t[2] + (float)(slope[2] - 1) * lane;
        for (int v = 0; v < n; v += VL) {
            store(out + x + v, interpolate(base + v, c->sz, c->sy, kind, is_3d ? taps : 1, power, tz, ty, tx));
            tz += splat((float)(slope[0] * VL)), ty += splat((float)(slope[1] * VL));
            tx += splat((float)((slope[2] - 1) * VL));
        }
        x += n;
    }
}

/* Grey values -> spline coefficients (Unser 1999, doi 10.1109/79.799930); `from` is wider by the pad in z and y, by the
 * taps in x, and used up. */
__attribute__((unused))
static void prefilter(const hpcdvc_interpolation *s, int pad_z, box *from, box *to)
{
    for (int i = 0; i < s->poles; i++) recurse(from, 0, s->pole[i], 0, 0);
    for (int i = 0; i < s->poles; i++) recurse(from, 1, s->pole[i], pad_z, from->n[0] - pad_z);
    const float *first = row_of(from, pad_z, s->pad) + s->prefilter.radius;
    filter(first, from->sz, from->sy, 1, &s->prefilter, 0, to->v, to->sz, to->sy, to->n);
}

#endif
