/* The window of im2 under Phi: which part of im2 it needs, and its interpolated grey values. */
#ifndef HPCDVC_WARP_H
#define HPCDVC_WARP_H

#include "job.h"

/* Position in im2 of the first voxel of row (z, y) of the window. */
INLINE void row_start(const job *k, int z, int y, double p[3])
{
    const double x0[3] = {k->w.first[0] + z, k->w.first[1] + y, k->w.first[2]};
    for (int i = 0; i < 3; i++) {
        const double *F = k->state.Phi + 4 * i, point = k->ref.corner[i] - k->w.first[i];
        p[i] = point + F[3] + F[0] * x0[0] + F[1] * x0[1] + F[2] * x0[2];
    }
}

/* Smallest and largest coordinates of the warped window. */
static void window_bounds(const job *k, double low[3], double high[3])
{
    double p[3];
    row_start(k, 0, 0, p);
    for (int i = 0; i < 3; i++) {
        low[i] = high[i] = p[i];
        for (int j = 0; j < 3; j++) {
            double d = k->state.Phi[4 * i + j] * (k->w.n[j] - 1);
            low[i] += d < 0 ? d : 0, high[i] += d > 0 ? d : 0;
        }
    }
}

/* Make sure that the coefficients cover the warped window. Returns a status, NOT_EVALUATED if all is well. */
static int cover_window(job *k)
{
    const int taps = k->target.spline->taps, is_3d = k->is_3d;
    double low[3], high[3];
    int64_t from[3], to[3];
    int covered = k->target.is_read, n[3], wide[3];
    const int longest = k->w.n[0] > k->w.n[1] ? k->w.n[0] : k->w.n[1];
    const int64_t most = 4 * (int64_t)(longest > k->w.n[2] ? longest : k->w.n[2]) + 32; /* a flat window may be turned */
    window_bounds(k, low, high);
    for (int i = 0; i < 3; i++) {
        const double last = (double)k->im2->shape[i] - 1;
        if (!(high[i] >= 0) || !(low[i] <= last)) return LEFT_IMAGE;
        from[i] = (int64_t)floor(low[i] < 0 ? 0 : low[i]) - taps / 2; /* one spare: rounding below an integer */
        to[i] = (int64_t)floor(high[i] > last ? last : high[i]) + taps / 2 + 1;
        if (i == 0 && !is_3d) from[i] = 0, to[i] = 1;
        covered = covered && from[i] >= k->target.coefficients.origin[i]
                  && to[i] <= k->target.coefficients.origin[i] + k->target.coefficients.n[i];
    }
    if (covered) return NOT_EVALUATED;
    int64_t origin[3];
    for (int i = 0; i < 3; i++) {
        const int in_use = i > 0 || is_3d, R = in_use * (i == 2 ? k->target.spline->prefilter.radius : k->target.spline->pad);
        from[i] -= in_use * k->s->margin, to[i] += in_use * k->s->margin;
        if (to[i] - from[i] > most) return VOLUME_CHANGE;
        n[i] = (int)(to[i] - from[i]), wide[i] = n[i] + 2 * R, origin[i] = from[i] - R;
    }
    if (!k->target.is_read && !k->target.offset_is_given) {
        /* any value near the mean will do: it only keeps float32 sums small */
        const int64_t middle[3] = {(from[0] + to[0]) / 2, from[1], from[2]};
        const int plane[3] = {1, n[1], n[2]};
        hpcdvc_grey_sums g = grey(k->im2, middle, plane);
        k->target.offset = g.count ? (float)(g.sum / g.count) : 0;
    }
    const int filtered = k->target.spline->poles > 0;
    box *raw = filtered ? &k->ref.grey : &k->target.coefficients; /* im1's box is free again once its gradient is taken */
    int64_t dropped = read_box(k->im2, origin, wide, k->target.offset, k->ref.scale, raw, &k->target.valid, &k->scratch);
    if (dropped == -1) return NO_MEMORY;
    if (dropped == -2) return LEFT_IMAGE;
    replace_outliers(k->search.list + 1, k->im2, k->target.offset, k->ref.scale, raw);
    memcpy(k->target.valid.origin, origin, sizeof origin);
    if (filtered) {
        if (box_shape(&k->target.coefficients, n)) return NO_MEMORY;
        memcpy(k->target.coefficients.origin, from, sizeof from);
        prefilter(k->target.spline, is_3d ? k->target.spline->pad : 0, raw, &k->target.coefficients);
    }
    k->target.has_invalid = dropped > 0, k->target.is_read = 1;
    return NOT_EVALUATED;
}

/* Columns [first, last) of row (z, y) that lie in im2 and may count, and in `ok` which of them count; 0 where a label has none.
 * Out of line, as few rows need it: beside the loops of the interpolation it would cost all of them registers. */
static __attribute__((noinline)) int mark_row(const job *k, int z, int y, const double p[3], int *first, int *last)
{
    const int64_t at = z * k->w.sz + y * k->w.sy;
    const double slope[3] = {k->state.Phi[2], k->state.Phi[6], k->state.Phi[10]};
    float *ok = k->w.ok + at;
    int from, to;
    span_of(&k->w, z, y, &from, &to);
    if (from >= to) return 0;
    if (k->target.is_crossed) columns_inside(p, slope, k->im2->shape, k->is_3d, k->w.n[2], first, last);
    if (*first < from) *first = from;
    if (*last > to) *last = to;
    if (*last < *first) *last = *first;
    memcpy(ok, k->w.in1 + at, k->w.sy * sizeof(float));
    clear_ends(ok, *first, *last, k->w.sy);
    if (k->state.settled) /* no voxel comes back, or some would come and go for ever */
        for (int x = 0; x < k->w.n[2]; x++) ok[x] *= k->w.ok_before[at + x];
    if (k->target.has_invalid) drop_bad_cells(&k->target.valid, p, slope, k->is_3d, *first, *last, ok);
    return 1;
}

static __attribute__((noinline)) void clear_unmarked(const float *ok, int first, int last, float *b)
{
    for (int x = first; x < last; x++) b[x] = ok[x] > 0 ? b[x] : 0;
}

/* Every `skip`-th plane of the window. Inlined for every kind of interpolation: its loops are unrolled. */
INLINE void sample_planes(job *k, int partial, int taps, int is_3d, int power, int skip)
{
    const double slope[3] = {k->state.Phi[2], k->state.Phi[6], k->state.Phi[10]};
    for (int z = 0; z < k->w.n[0]; z += skip)
        for (int y = 0; y < k->w.n[1]; y++) {
            float *b = k->w.b + z * k->w.sz + y * k->w.sy;
            int first = 0, last = k->w.n[2];
            double p[3], q[3];
            row_start(k, z, y, p);
            if (partial && !mark_row(k, z, y, p, &first, &last)) continue; /* all of it is 0 */
            for (int i = 0; i < 3; i++) q[i] = p[i] - k->target.coefficients.origin[i];
            sample_row(&k->target.coefficients, q, slope, first, last, taps, is_3d, power, b);
            clear_ends(b, first, last, k->w.sy);
            if (partial) clear_unmarked(k->w.ok + (b - k->w.b), first, last, b);
        }
}

/* The window by trilinear interpolation of im2 or, with power 2, of its squares. */
INLINE void sample_linear(job *k, int partial, int power, int skip)
{
    if (k->is_3d) sample_planes(k, partial, 2, 1, power, skip);
    else sample_planes(k, partial, 2, 0, power, skip);
}

static void sample_window(job *k, int partial)
{
    switch (k->target.spline->taps) {
    case 2: sample_linear(k, partial, 1, 1); break;
    case 4:
        if (k->is_3d) sample_planes(k, partial, 4, 1, 1, 1);
        else sample_planes(k, partial, 4, 0, 1, 1);
        break;
    default:
        if (k->is_3d) sample_planes(k, partial, 6, 1, 1, 1);
        else sample_planes(k, partial, 6, 0, 1, 1);
    }
}

/* Sum over every third plane of the interpolated squares of im2: beside that of the squares of the interpolated im2 it
 * tells how much contrast trilinear interpolation took away. */
static void sum_interpolated_squares(job *k, int partial)
{
    sample_linear(k, partial, 2, CONTRAST_SKIP);
    k->target.interpolated_squares = sum_of_planes(&k->w, CONTRAST_SKIP, 1);
}

/* Fill b with im2 under Phi. *partial tells whether some voxels do not count. Returns a status. */
static int warp(job *k, int *partial_out)
{
    int status = cover_window(k);
    if (status != NOT_EVALUATED) return status;
    double low[3], high[3];
    window_bounds(k, low, high);
    int partial = k->ref.partial || k->target.has_invalid || k->state.settled;
    k->target.is_crossed = 0;
    for (int i = 0; i < 3; i++) k->target.is_crossed |= low[i] < -1e-6 || high[i] > (double)k->im2->shape[i] - 1 + 1e-6;
    partial |= k->target.is_crossed;
    if (k->target.spline->taps == 2 && k->target.contrast_due) sum_interpolated_squares(k, partial);
    sample_window(k, partial);
    *partial_out = partial;
    return NOT_EVALUATED;
}

#endif
