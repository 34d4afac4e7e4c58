/* Sums over a box at every displacement, in float64: by sums that slide along one axis after the other. */
#ifndef HPCDVC_SEARCH_BOXSUMS_H
#define HPCDVC_SEARCH_BOXSUMS_H

#include "grey.h"

INLINE double powered(float v, int power) { return power == 2 ? (double)v * v : v; }

/* Along planes: `lags` planes of sums over n planes of values (power 1) or of their squares (2). */
INLINE void slide_planes(const float *in, int64_t plane, int n, int lags, int power, double *sum, double *out)
{
    memset(sum, 0, plane * sizeof *sum);
    for (int i = 0; i < n - 1; i++)
        for (int64_t x = 0; x < plane; x++) sum[x] += powered(in[i * plane + x], power);
    for (int i = 0; i < lags; i++) {
        const float *first = in + i * plane, *last = in + (i + n - 1) * plane;
        for (int64_t x = 0; x < plane; x++) {
            const double here = sum[x] + powered(last[x], power);
            out[i * plane + x] = here;
            sum[x] = here - powered(first[x], power);
        }
    }
}

/* Along the rows of a plane, in place: lags rows are left of n + lags - 1. */
static void slide_rows(double *v, int row, int n, int lags, double *sum)
{
    memset(sum, 0, row * sizeof *sum);
    for (int i = 0; i < n - 1; i++)
        for (int x = 0; x < row; x++) sum[x] += v[(int64_t)i * row + x];
    for (int i = 0; i < lags; i++) {
        double *first = v + (int64_t)i * row;
        const double *last = v + (int64_t)(i + n - 1) * row;
        for (int x = 0; x < row; x++) {
            const double here = sum[x] + last[x];
            sum[x] = here - first[x];
            first[x] = here;
        }
    }
}

static void slide_columns(const double *v, int n, int lags, double *out)
{
    double sum = 0;
    for (int x = 0; x < n - 1; x++) sum += v[x];
    for (int x = 0; x < lags; x++) {
        const double here = sum + v[x + n - 1];
        sum = here - v[x];
        out[x] = here;
    }
}

/* Numbers that box_sums works in. */
static int64_t box_sums_room(const int n[3], const int lags[3])
{
    return (int64_t)(lags[0] + 1) * (n[1] + lags[1] - 1) * (n[2] + lags[2] - 1);
}

/* out[lag] = sum over the window at that displacement. */
static void box_sums(const float *b, const int n[3], const int lags[3], int power, double *room, double *out)
{
    const int ny = n[1] + lags[1] - 1, nx = n[2] + lags[2] - 1;
    const int64_t plane = (int64_t)ny * nx;
    double *sum = room + lags[0] * plane;
    if (power == 2) slide_planes(b, plane, n[0], lags[0], 2, sum, room);
    else slide_planes(b, plane, n[0], lags[0], 1, sum, room);
    for (int z = 0; z < lags[0]; z++) {
        slide_rows(room + z * plane, nx, n[1], lags[1], sum);
        for (int y = 0; y < lags[1]; y++)
            slide_columns(room + z * plane + (int64_t)y * nx, n[2], lags[2], out + ((int64_t)z * lags[1] + y) * lags[2]);
    }
}

#endif
