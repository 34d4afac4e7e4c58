/* Interpolated values of a part of a tile, from the coefficients that cover it. */
#ifndef HPCDVC_SAMPLING_H
#define HPCDVC_SAMPLING_H

#include "stored.h"

/* Columns [first, last) of a row with affine sources p + x slope that lie in the image. */
static void columns_in(const hpcdvc_volume *im, const double p[3], const double slope[3], int *first, int *last)
{
    double lo = *first, hi = *last - 1;
    for (int i = 0; i < 3; i++) {
        const double end = (double)im->shape[i] - 1 + EDGE;
        if (fabs(slope[i]) < 1e-12) {
            if (p[i] < -EDGE || p[i] > end) hi = -1;
            continue;
        }
        const double a = (-EDGE - p[i]) / slope[i], b = (end - p[i]) / slope[i];
        lo = fmax(lo, fmin(a, b)), hi = fmin(hi, fmax(a, b));
    }
    if (hi < lo) {
        *last = *first;
        return;
    }
    *first = (int)ceil(lo), *last = (int)floor(hi) + 1;
    if (*last < *first) *last = *first;
}

/* A row whose sources are affine. */
INLINE void sample_affine(tile *t, int z, int y, int first, int last, int taps, int is_3d)
{
    const double *A = t->s->map->affine, slope[3] = {A[2], A[6], A[10]};
    uint8_t *state = t->state + voxel_of(z, y);
    double p[3], q[3];
    int from = first, to = last;
    source_at(t, z, y, 0, p);
    columns_in(t->im, p, slope, &from, &to);
    for (int x = first; x < last; x++) state[x] = x >= from && x < to && state[x] ? WANTED : NOT_WANTED;
    for (int i = 0; i < 3; i++) q[i] = p[i] - (double)t->coefficients.origin[i];
    sample_row(&t->coefficients, q, slope, from, to, taps, is_3d, 1, t->line);
    if (t->invalid > 0)
        for (int x = from; x < to; x++) {
            const double at[3] = {p[0] + x * slope[0], p[1] + x * slope[1], p[2] + x * slope[2]};
            if (state[x] && touches_invalid(t->im, at)) state[x] = INVALID;
        }
}

/* Taps side by side, of which there are four or six, in lane l of VL voxels: summed over planes and rows. */
#define SUM_TAPS(WIDTH)                                                                                                \
    typedef float v##WIDTH __attribute__((vector_size(4 * WIDTH)));                                                    \
    typedef float v##WIDTH##_unaligned __attribute__((vector_size(4 * WIDTH), aligned(4), may_alias));                 \
    INLINE float sum_taps##WIDTH(const float *c, int64_t sz, int64_t sy, int taps, int layers, const vf *wz,           \
                                 const vf *wy, const vf *wx, int l)                                                    \
    {                                                                                                                  \
        v##WIDTH all = {0};                                                                                            \
        float sum = 0;                                                                                                 \
        for (int a = 0; a < layers; a++) {                                                                             \
            v##WIDTH plane = {0};                                                                                      \
            for (int b = 0; b < taps; b++) plane += wy[b][l] * *(const v##WIDTH##_unaligned *)(c + a * sz + b * sy);   \
            all += layers > 1 ? wz[a][l] * plane : plane;                                                              \
        }                                                                                                              \
        for (int i = 0; i < taps; i++) sum += wx[i][l] * all[i];                                                       \
        return sum;                                                                                                    \
    }

SUM_TAPS(4)
SUM_TAPS(8)

/* VL voxels with any sources: fractions and the places of their first taps. */
INLINE vf interpolate_any(const float *c, const int32_t *place, int64_t sz, int64_t sy, int taps, int layers, vf tz,
                          vf ty, vf tx)
{
    vf wz[6], wy[6], wx[6], value = splat(0);
    weights(tx, taps, wx);
    weights(ty, taps, wy);
    if (layers > 1) weights(tz, taps, wz);
    if (taps == 2) {
        for (int a = 0; a < layers; a++) {
            vf plane = splat(0);
            for (int b = 0; b < 2; b++) {
                const float *r = c + a * sz + b * sy;
                vf left, right;
                for (int l = 0; l < VL; l++) left[l] = r[place[l]], right[l] = r[place[l] + 1];
                plane += wy[b] * (wx[0] * left + wx[1] * right);
            }
            value += layers > 1 ? wz[a] * plane : plane;
        }
        return value;
    }
    for (int l = 0; l < VL; l++)
        value[l] = taps == 4 ? sum_taps4(c + place[l], sz, sy, taps, layers, wz, wy, wx, l)
                             : sum_taps8(c + place[l], sz, sy, taps, layers, wz, wy, wx, l);
    return value;
}

/* A row of voxels that each have their own source. */
INLINE void sample_any(tile *t, int z, int y, int first, int last, int taps, int is_3d)
{
    const box *c = &t->coefficients;
    const int at = voxel_of(z, y);
    const int32_t step[3] = {(int32_t)c->sz, (int32_t)c->sy, 1};
    int32_t place[TILE_X + VL] = {0}; /* of the first tap; voxels without a source take any voxel of the box */
    float f[3][TILE_X + VL];
    uint8_t *state = t->state + at;
    for (int i = 0; i < 3; i++) {
        const double *p = t->p[i] + at, origin = (double)(c->origin[i] + (i > 0 || is_3d ? taps / 2 - 1 : 0));
        double q[TILE_X];
        for (int x = first; x < last; x++) q[x] = p[x] >= origin ? p[x] - origin : 0; /* nan to 0 */
        for (int x = first; x < last; x++) {
            const int32_t n = (int32_t)q[x];
            place[x] += n * step[i], f[i][x] = (float)(q[x] - (double)n);
        }
    }
    for (int x = first; x < last; x += VL)
        store(t->line + x, interpolate_any(c->v, place + x, c->sz, c->sy, taps, is_3d ? taps : 1, load(f[0] + x),
                                           load(f[1] + x), load(f[2] + x)));
    if (t->invalid > 0)
        for (int x = first; x < last; x++) {
            const double p[3] = {t->p[0][at + x], t->p[1][at + x], t->p[2][at + x]};
            if (state[x] && touches_invalid(t->im, p)) state[x] = INVALID;
        }
}

INLINE void sample_rows(tile *t, const range *r, int taps, int is_3d, int exact)
{
    for (int z = r->lo[0]; z < r->hi[0]; z++)
        for (int y = r->lo[1]; y < r->hi[1]; y++) {
            if (exact) sample_any(t, z, y, r->lo[2], r->hi[2], taps, is_3d);
            else sample_affine(t, z, y, r->lo[2], r->hi[2], taps, is_3d);
            put_row(t, z, y, r->lo[2], r->hi[2]);
        }
}

INLINE void sample_kind(tile *t, const range *r, int taps)
{
    if (t->im->shape[0] > 1) {
        if (t->exact) sample_rows(t, r, taps, 1, 1);
        else sample_rows(t, r, taps, 1, 0);
    } else {
        if (t->exact) sample_rows(t, r, taps, 0, 1);
        else sample_rows(t, r, taps, 0, 0);
    }
}

/* The planes of the range that belong to the slab. */
static void sample(tile *t, const range *whole)
{
    range part = *whole, *r = &part;
    const int64_t first = t->s->first - t->at[0], last = t->s->last - t->at[0];
    if (r->lo[0] < first) r->lo[0] = (int)first;
    if (r->hi[0] > last) r->hi[0] = (int)last;
    switch (t->s->spline->taps) {
    case 2: sample_kind(t, r, 2); break;
    case 4: sample_kind(t, r, 4); break;
    default: sample_kind(t, r, 6);
    }
}

#endif
