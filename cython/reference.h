/* The window of im1: grey values, which voxels count, gradient. */
#ifndef HPCDVC_REFERENCE_H
#define HPCDVC_REFERENCE_H

#include "job.h"

static int filter_radius(const hpcdvc_gradient *d)
{
    return d->smoothing.radius > d->derivative.radius ? d->smoothing.radius : d->derivative.radius;
}

/* Gradient of im1 by three one-dimensional filters per component, into g[3] (window layout). */
static int take_gradient(job *k, const hpcdvc_gradient *d, float *const g[3])
{
    const box *f = &k->grey1;
    const int R = (f->n[1] - k->w.n[1]) / 2, thick = k->w.n[0] > 1;
    for (int i = thick ? 0 : 1; i < 3; i++) {
        if (d->smoothing.radius == 0) {
            int64_t step = i == 0 ? f->sz : i == 1 ? f->sy : 1;
            filter(f->v + (thick ? R : 0) * f->sz + R * f->sy + R, f->sz, f->sy, step, &d->derivative, 1, g[i],
                   k->w.sz, k->w.sy, k->w.n);
            continue;
        }
        const hpcdvc_taps *t[3];
        for (int j = 0; j < 3; j++) t[j] = j == i ? &d->derivative : &d->smoothing;
        int first[3] = {f->n[0], k->w.n[1], f->n[2]}, second[3] = {k->w.n[0], k->w.n[1], f->n[2]};
        if (box_shape(&k->step1, first) || box_shape(&k->step2, second)) return 1;
        filter(f->v + R * f->sy, f->sz, f->sy, f->sy, t[1], i == 1, k->step1.v, k->step1.sz, k->step1.sy, first);
        const box *last = &k->step1;
        if (thick) {
            filter(k->step1.v + R * k->step1.sz, k->step1.sz, k->step1.sy, k->step1.sz, t[0], i == 0, k->step2.v,
                   k->step2.sz, k->step2.sy, second);
            last = &k->step2;
        }
        filter(last->v + R, last->sz, last->sy, 1, t[2], i == 2, g[i], k->w.sz, k->w.sy, k->w.n);
    }
    return 0;
}

/* Zero what does not count: padding always, excluded voxels if there are any. */
static void clear_excluded(job *k, float *array)
{
    for (int z = 0; z < k->w.n[0]; z++)
        for (int y = 0; y < k->w.n[1]; y++) {
            float *r = array + z * k->w.sz + y * k->w.sy, *in1 = k->w.in1 + z * k->w.sz + y * k->w.sy;
            clear_ends(r, 0, k->w.n[2], k->w.sy);
            if (k->partial1)
                for (int x = 0; x < k->w.n[2]; x++) r[x] *= in1[x];
        }
}

/* 1 in in1 for the voxels of the window inside im1 that `dropped` ones are not among; returns how many. */
static double mark_window(job *k, int64_t dropped)
{
    const int R = (k->grey1.n[1] - k->w.n[1]) / 2, Rz = k->w.n[0] > 1 ? R : 0;
    int lo[3] = {0}, hi[3] = {0};
    double count = 0;
    inside(k->im1, k->corner, k->w.n, lo, hi);
    for (int z = 0; z < k->w.n[0]; z++)
        for (int y = 0; y < k->w.n[1]; y++) {
            float *in1 = k->w.in1 + z * k->w.sz + y * k->w.sy;
            int row = z >= lo[0] && z < hi[0] && y >= lo[1] && y < hi[1];
            for (int x = 0; x < k->w.sy; x++) {
                in1[x] = row && x >= lo[2] && x < hi[2];
                if (dropped && in1[x] > 0) in1[x] = row_of(&k->valid1, z + Rz, y + R)[x + R];
                count += in1[x];
            }
        }
    return count;
}

/* Which voxels of the window count in im1; copies the grey values beside. */
static void take_window(job *k, int64_t dropped)
{
    const box *f = &k->grey1;
    const int R = (f->n[1] - k->w.n[1]) / 2, Rz = k->w.n[0] > 1 ? R : 0;
    const double voxels = (double)k->w.n[0] * k->w.n[1] * k->w.n[2];
    for (int z = 0; z < k->w.n[0]; z++)
        for (int y = 0; y < k->w.n[1]; y++)
            memcpy(k->w.a + z * k->w.sz + y * k->w.sy, row_of(f, z + Rz, y + R) + R, k->w.n[2] * sizeof(float));
    int lo[3], hi[3], whole = inside(k->im1, k->corner, k->w.n, lo, hi) && !dropped;
    for (int i = 0; i < 3 && whole; i++) whole = lo[i] == 0 && hi[i] == k->w.n[i];
    if (!whole || !k->in1_is_whole) k->valid_in_im1 = mark_window(k, dropped);
    k->in1_is_whole = whole;
    k->partial1 = k->valid_in_im1 < voxels;
    clear_excluded(k, k->w.a);
}

/* Sum of g . h over every `skip`-th plane of the window of im1; h holds those planes only. */
static double dot(const job *k, float *const g[3], float *const h[3], int skip)
{
    double sum = 0;
    for (int i = k->w.n[0] > 1 ? 0 : 1; i < 3; i++)
        for (int z = 0; z * skip < k->w.n[0]; z++) {
            const float *of_g = g[i] + z * skip * k->w.sz, *of_h = h[i] + z * k->w.sz;
            vf plane = splat(0);
            for (int64_t v = 0; v < k->w.sz; v += VL) plane += load(of_g + v) * load(of_h + v);
            sum += total(plane);
        }
    return sum;
}

/* How much longer the true gradient is than g along g, from every third plane; g is 0 where a voxel does not count. */
static double missing_length(job *k)
{
    const int skip = 3, R = (k->grey1.n[1] - k->w.n[1]) / 2, thick = k->w.n[0] > 1;
    const int n[3] = {(k->w.n[0] + skip - 1) / skip, k->w.n[1], k->w.n[2]};
    const int64_t step[3] = {k->grey1.sz, k->grey1.sy, 1};
    const float *first = row_of(&k->grey1, thick ? R : 0, R) + R;
    double squares = 0;
    for (int i = thick ? 0 : 1; i < 3; i++) {
        filter(first, k->grey1.sz * skip, k->grey1.sy, step[i], &k->s->true_gradient.derivative, 1, k->second[i], k->w.sz,
               k->w.sy, n);
        for (int z = 0; z < k->w.n[0]; z += skip) {
            vf plane = splat(0);
            for (int64_t v = z * k->w.sz; v < (z + 1) * k->w.sz; v += VL) plane += load(k->w.g[i] + v) * load(k->w.g[i] + v);
            squares += total(plane);
        }
    }
    return squares > 0 ? dot(k, k->w.g, k->second, skip) / squares : 1;
}

/* Read the window of im1 about a point. Returns a status, NOT_EVALUATED if all is well. */
static int prepare_reference(job *k, const hpcdvc_point *p)
{
    const hpcdvc_settings *s = k->s;
    const double voxels = (double)k->w.n[0] * k->w.n[1] * k->w.n[2];
    for (int i = 0; i < 3; i++) {
        if (!isfinite(p->position[i]) || fabs(p->position[i]) > 1e9) return BAD_GUESS;
        double nearest = nearbyint(p->position[i]);
        k->corner[i] = (int64_t)nearest - s->half[i];
        k->w.first[i] = nearest - p->position[i] - s->half[i];
    }
    for (int i = 0; i < 12; i++)
        if (!isfinite(p->Phi[i]) || fabs(p->Phi[i]) > 1e9) return BAD_GUESS;
    grey_sums g = grey(k->im1, k->corner, k->w.n);
    k->in_im1 = (double)g.count;
    if (g.count == 0) return FEW_VALID_VOXELS;
    k->offset1 = g.sum / g.count;
    if (!(k->offset1 > s->grey_low && k->offset1 < s->grey_high)) return GREY_THRESHOLD;
    if (g.count < s->min_valid * voxels) return FEW_VALID_VOXELS;
    double variance = g.sum_squares / g.count - k->offset1 * k->offset1;
    if (!(variance > 1e-12 * k->offset1 * k->offset1)) return SINGULAR;
    k->offset1 = (float)k->offset1; /* as the row readers subtract it */
    k->scale = 1 / sqrt(variance);
    int R = filter_radius(&s->gradient);
    if (s->calibrate && filter_radius(&s->true_gradient) > R) R = filter_radius(&s->true_gradient);
    int Rz = k->w.n[0] > 1 ? R : 0, n[3] = {k->w.n[0] + 2 * Rz, k->w.n[1] + 2 * R, k->w.n[2] + 2 * R};
    int64_t origin[3] = {k->corner[0] - Rz, k->corner[1] - R, k->corner[2] - R};
    int64_t dropped = read_box(k->im1, origin, n, k->offset1, k->scale, &k->grey1, &k->valid1, &k->scratch);
    if (dropped == -1) return NO_MEMORY;
    take_window(k, dropped);
    if (k->valid_in_im1 < s->unknowns) return FEW_VALID_VOXELS;
    if (take_gradient(k, &s->gradient, k->w.g)) return NO_MEMORY;
    for (int i = 0; i < 3; i++) clear_excluded(k, k->w.g[i]);
    k->longer = s->calibrate ? missing_length(k) : 1;
    return NOT_EVALUATED;
}

#endif
