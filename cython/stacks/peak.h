/* The place of a maximum between pixels, from the values around it. */
#ifndef HPCDVC_STACKS_PEAK_H
#define HPCDVC_STACKS_PEAK_H

#include "sums.h"

enum { LARGEST = 9 }; /* displacements along an axis that a quadratic function is fitted to */

/* Second-order Taylor expansion: value, derivatives along y and x, and second derivatives. */
typedef struct {
    double f, fy, fx, fyy, fxx, fxy;
} expansion;

/* v: 3 x 3 values; of an axis of a single displacement the outer ones are not read. */
INLINE expansion expand(const double v[9], int along_y, int along_x)
{
    expansion e = {v[4], 0, 0, 0, 0, 0};
    if (along_y) e.fy = (v[7] - v[1]) / 2, e.fyy = v[7] + v[1] - 2 * v[4];
    if (along_x) e.fx = (v[5] - v[3]) / 2, e.fxx = v[5] + v[3] - 2 * v[4];
    if (along_y && along_x) e.fxy = (v[8] + v[0] - v[2] - v[6]) / 4;
    return e;
}

INLINE double value_at(const expansion *e, const double o[2])
{
    return e->f + e->fy * o[0] + e->fx * o[1] + e->fyy / 2 * o[0] * o[0] + e->fxy * o[0] * o[1] + e->fxx / 2 * o[1] * o[1];
}

/* Place of the maximum of a quadratic function. Returns whether it has one. */
static int find_maximum(const expansion *e, int along_y, int along_x, int apart, double o[2])
{
    const double fxy = apart ? 0 : e->fxy, determinant = e->fyy * e->fxx - fxy * fxy;
    o[0] = o[1] = 0;
    if ((along_y && !(e->fyy < 0)) || (along_x && !(e->fxx < 0))) return 0;
    if (along_y && along_x) {
        if (!(determinant > 0)) return 0;
        o[0] = (fxy * e->fx - e->fxx * e->fy) / determinant, o[1] = (fxy * e->fy - e->fyy * e->fx) / determinant;
    } else if (along_y) {
        o[0] = -e->fy / e->fyy;
    } else if (along_x) {
        o[1] = -e->fx / e->fxx;
    }
    return 1;
}

/* Least squares of a quadratic function to (2 hy + 1) x (2 hx + 1) values, about the middle one. */
static expansion fit_quadratic(const double *v, int hy, int hx)
{
    const int ny = 2 * hy + 1, nx = 2 * hx + 1;
    const double my = hy * (hy + 1) / 3.0, mx = hx * (hx + 1) / 3.0; /* mean squares of the places */
    double f = 0, fy = 0, fx = 0, fyy = 0, fxx = 0, fxy = 0, yyyy = 0, xxxx = 0;
    for (int i = 0; i < ny; i++)
        for (int j = 0; j < nx; j++) {
            const double y = i - hy, x = j - hx, value = v[i * nx + j], yy = y * y - my, xx = x * x - mx;
            f += value, fy += y * value, fx += x * value, fxy += x * y * value;
            fyy += yy * value, fxx += xx * value, yyyy += yy * yy, xxxx += xx * xx;
        }
    const double count = ny * nx;
    expansion e = {f / count, 0, 0, 0, 0, 0};
    if (hy) e.fy = fy / (count * my), e.fyy = 2 * fyy / yyyy;
    if (hx) e.fx = fx / (count * mx), e.fxx = 2 * fxx / xxxx;
    if (hy && hx) e.fxy = fxy / (count * mx * my);
    e.f -= (e.fyy * my + e.fxx * mx) / 2;
    return e;
}

#endif
