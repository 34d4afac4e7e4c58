/* The grey values of im1 in the window: which of them count, and their gradient. */
#ifndef HPCDVC_GRADIENT_H
#define HPCDVC_GRADIENT_H

#include "job.h"

static int filter_radius(const hpcdvc_gradient *d)
{
    return d->smoothing.radius > d->derivative.radius ? d->smoothing.radius : d->derivative.radius;
}

/* Gradient of im1 by three one-dimensional filters per component, into g[3] (window layout). */
static int take_gradient(job *k, const hpcdvc_gradient *d, float *const g[3])
{
    const box *f = &k->ref.grey;
    const int R = (f->n[1] - k->w.n[1]) / 2, is_3d = k->is_3d;
    for (int i = is_3d ? 0 : 1; i < 3; i++) {
        if (d->smoothing.radius == 0) {
            int64_t step = i == 0 ? f->sz : i == 1 ? f->sy : 1;
            filter(f->v + (is_3d ? R : 0) * f->sz + R * f->sy + R, f->sz, f->sy, step, &d->derivative, 1, g[i],
                   k->w.sz, k->w.sy, k->w.n);
            continue;
        }
        const hpcdvc_taps *t[3];
        for (int j = 0; j < 3; j++) t[j] = j == i ? &d->derivative : &d->smoothing;
        int first[3] = {f->n[0], k->w.n[1], f->n[2]}, second[3] = {k->w.n[0], k->w.n[1], f->n[2]};
        if (box_shape(&k->ref.step1, first) || box_shape(&k->ref.step2, second)) return 1;
        filter(f->v + R * f->sy, f->sz, f->sy, f->sy, t[1], i == 1, k->ref.step1.v, k->ref.step1.sz, k->ref.step1.sy, first);
        const box *last = &k->ref.step1;
        if (is_3d) {
            filter(k->ref.step1.v + R * k->ref.step1.sz, k->ref.step1.sz, k->ref.step1.sy, k->ref.step1.sz, t[0], i == 0, k->ref.step2.v,
                   k->ref.step2.sz, k->ref.step2.sy, second);
            last = &k->ref.step2;
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
            if (k->ref.partial)
                for (int x = 0; x < k->w.n[2]; x++) r[x] *= in1[x];
        }
}

/* 1 in in1 for the voxels of the window inside im1 that `dropped` ones are not among; returns how many. */
static double mark_window(job *k, int64_t dropped)
{
    const int R = (k->ref.grey.n[1] - k->w.n[1]) / 2, Rz = k->is_3d ? R : 0;
    int lo[3] = {0}, hi[3] = {0};
    double count = 0;
    inside(k->im1, k->ref.corner, k->w.n, lo, hi);
    for (int z = 0; z < k->w.n[0]; z++)
        for (int y = 0; y < k->w.n[1]; y++) {
            float *in1 = k->w.in1 + z * k->w.sz + y * k->w.sy;
            int row = z >= lo[0] && z < hi[0] && y >= lo[1] && y < hi[1];
            for (int x = 0; x < k->w.sy; x++) {
                in1[x] = row && x >= lo[2] && x < hi[2];
                if (dropped && in1[x] > 0) in1[x] = row_of(&k->ref.valid, z + Rz, y + R)[x + R];
                count += in1[x];
            }
        }
    return count;
}

/* Leave in in1 what is of the label. Rows without any of it are 0 in all that follows. Returns how many voxels are left. */
static double keep_label(job *k)
{
    const uint8_t *own = k->ref.own;
    double count = 0;
    memset(k->ref.second_moment, 0, sizeof k->ref.second_moment);
    for (int z = 0; z < k->w.n[0]; z++)
        for (int y = 0; y < k->w.n[1]; y++) {
            float *in1 = k->w.in1 + z * k->w.sz + y * k->w.sy;
            const double from_point[2] = {k->w.first[0] + z, k->w.first[1] + y};
            double in_row = 0;
            for (int x = 0; x < k->w.n[2]; x++) {
                if (!*own++) in1[x] = 0;
                in_row += in1[x], k->ref.second_moment[2] += in1[x] * (k->w.first[2] + x) * (k->w.first[2] + x);
            }
            for (int i = 0; i < 2; i++) k->ref.second_moment[i] += in_row * from_point[i] * from_point[i];
            count += in_row;
        }
    const int64_t bytes = k->w.sz * k->w.n[0] * sizeof(float);
    memset(k->w.b, 0, bytes), memset(k->w.ok, 0, bytes), memset(k->w.ok_before, 0, bytes);
    return count;
}

/* Which voxels of the window count in im1; copies the grey values beside. */
static void take_window(job *k, int64_t dropped)
{
    const box *f = &k->ref.grey;
    const int R = (f->n[1] - k->w.n[1]) / 2, Rz = k->is_3d ? R : 0;
    const double voxels = (double)k->w.n[0] * k->w.n[1] * k->w.n[2];
    for (int z = 0; z < k->w.n[0]; z++)
        for (int y = 0; y < k->w.n[1]; y++)
            memcpy(k->w.a + z * k->w.sz + y * k->w.sy, row_of(f, z + Rz, y + R) + R, k->w.n[2] * sizeof(float));
    int lo[3], hi[3], whole = inside(k->im1, k->ref.corner, k->w.n, lo, hi) && !dropped;
    for (int i = 0; i < 3 && whole; i++) whole = lo[i] == 0 && hi[i] == k->w.n[i];
    if (!whole || !k->ref.is_whole) k->ref.counted = mark_window(k, dropped);
    k->ref.is_whole = whole && !k->ref.own;
    if (k->ref.own) k->ref.counted = keep_label(k);
    k->ref.partial = k->ref.counted < voxels;
    clear_excluded(k, k->w.a);
}

#endif
