/* Voxels of a box that stand out of their neighbours, as outliers do and bright speckles on a dark ground. */
#ifndef HPCDVC_STANDING_OUT_H
#define HPCDVC_STANDING_OUT_H

#include "job.h"

#define MOST_OUTLIERS 0.08 /* part of the voxels; more are the texture */
#define SAMPLES 250        /* that a median is taken of */

static int by_size(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Sorts the values. */
static float median(float *of, int count)
{
    qsort(of, count, sizeof *of, by_size);
    return count ? of[count / 2] : 0;
}

/* Greatest square; four at a time, so that none waits for the one before. */
static float peak_square(const float *v, int64_t count)
{
    vf most[4] = {{0}};
    int64_t i = 0;
    for (; i + 4 * VL <= count; i += 4 * VL)
        for (int j = 0; j < 4; j++) most[j] = larger(load(v + i + j * VL) * load(v + i + j * VL), most[j]);
    for (; i + VL <= count; i += VL) most[0] = larger(load(v + i) * load(v + i), most[0]);
    return greatest(larger(larger(most[0], most[1]), larger(most[2], most[3])));
}

/* Median difference of neighbours along x. */
static float median_step(const box *b)
{
    float steps[SAMPLES];
    const int columns = b->n[2] - 1;
    const int64_t all = (int64_t)b->n[0] * b->n[1] * columns, stride = all / SAMPLES + 1;
    int count = 0;
    for (int64_t i = stride / 2; i < all; i += stride) {
        const float *v = b->v + i / columns * b->sy + i % columns;
        steps[count++] = fabsf(v[1] - v[0]);
    }
    return median(steps, count);
}

static double voxels_of(const box *b) { return (double)b->n[0] * b->n[1] * b->n[2]; }

/* Sum of squares about the mean, of the part that lies in the image. */
static double squares_of(const hpcdvc_volume *im, const box *b)
{
    double sum = 0, squares = 0, count = 0;
    int lo[3], hi[3];
    if (!inside(im, b->origin, b->n, lo, hi)) return 0;
    for (int z = lo[0]; z < hi[0]; z++)
        for (int y = lo[1]; y < hi[1]; y++) {
            const float *v = row_of(b, z, y);
            for (int x = lo[2]; x < hi[2]; x++) sum += v[x], squares += (double)v[x] * v[x];
            count += hi[2] - lo[2];
        }
    return squares - sum * sum / count;
}

/* A voxel, and the median of its four or six neighbours in its place. */
static outlier outlier_at(const box *b, const int at[3], int is_3d)
{
    const int64_t step[3] = {1, b->sy, b->sz};
    const int count = is_3d ? 6 : 4;
    const float *here = row_of(b, at[0], at[1]) + at[2];
    float v[6];
    for (int i = 0; i < count; i++) v[i] = here[i % 2 ? step[i / 2] : -step[i / 2]];
    median(v, count);
    return (outlier){{b->origin[0] + at[0], b->origin[1] + at[1], b->origin[2] + at[2]}, *here, (v[count / 2 - 1] + v[count / 2]) / 2};
}

/* How far VL voxels lie beyond all their neighbours but one, above or below. */
INLINE vf stand_out_by(const float *v, int64_t sy, int64_t sz, int is_3d)
{
    const int64_t step[6] = {-1, 1, -sy, sy, -sz, sz};
    const vf here = load(v);
    vf high = load(v - 1), low = high, second_high = splat(-1e30f), second_low = splat(1e30f);
    for (int i = 1; i < (is_3d ? 6 : 4); i++) {
        const vf a = load(v + step[i]);
        second_high = larger(second_high, smaller(high, a)), high = larger(high, a);
        second_low = smaller(second_low, larger(low, a)), low = smaller(low, a);
    }
    return larger(here - second_high, second_low - here);
}

/* The same of columns [first, last) of a row, and more behind them; returns the most. */
INLINE float row_stands_out(const float *v, int first, int last, int64_t sy, int64_t sz, int is_3d, float *by)
{
    vf most = {0};
    for (int x = first; x < last; x += VL) {
        const vf out = stand_out_by(v + x, sy, sz, is_3d);
        most = larger(most, out);
        store(by + x, out);
    }
    return greatest(most);
}

/* List the voxels of a box within [lo, hi) that stand out by more than `least`. Returns 1 if memory ran out. */
static int list_all(job *k, const box *b, const int lo[3], const int hi[3], float least, outlier_list *list)
{
    const double most = MOST_OUTLIERS * voxels_of(b);
    if (box_shape(&k->scratch, (const int[3]){1, 1, b->n[2] + VL})) return 1;
    float *by = k->scratch.v;
    for (int z = lo[0]; z < hi[0] && list->count <= most; z++)
        for (int y = lo[1]; y < hi[1]; y++) {
            const float *v = row_of(b, z, y);
            const float stands_out = k->is_3d ? row_stands_out(v, lo[2], hi[2], b->sy, b->sz, 1, by)
                                              : row_stands_out(v, lo[2], hi[2], b->sy, b->sz, 0, by);
            if (!(stands_out > least)) continue;
            for (int x = lo[2]; x < hi[2]; x++) {
                if (!(by[x] > least)) continue;
                const outlier one = outlier_at(b, (const int[3]){z, y, x}, k->is_3d);
                if (add_outlier(list, &one)) return 1;
            }
        }
    return 0;
}

/* List those among the neighbours of what is replaced that stand out now, and replace them. Returns 1 if memory ran out. */
static int list_neighbours(box *b, const int lo[3], const int hi[3], int is_3d, float least, outlier_list *list)
{
    for (int i = 0; i < list->count; i++)
        for (int j = is_3d ? 0 : 2; j < 6; j++) {
            int at[3], within = 1;
            for (int a = 0; a < 3; a++) {
                at[a] = (int)(list->of[i].at[a] - b->origin[a]) + (j / 2 == a ? j % 2 * 2 - 1 : 0);
                within = within && at[a] >= lo[a] && at[a] < hi[a];
            }
            if (!within) continue;
            float *v = row_of(b, at[0], at[1]) + at[2];
            if (!(stand_out_by(v, b->sy, b->sz, is_3d)[0] > least)) continue;
            const outlier one = outlier_at(b, at, is_3d);
            *v = (float)one.now;
            outlier *known = known_outlier(list, one.at); /* one whose neighbours have been replaced meanwhile */
            if (known) known->now = one.now;
            else if (add_outlier(list, &one)) return 1;
        }
    return 0;
}

/* List all voxels of a box that stand out by more than `least`, in units of the box; `clean` becomes the box without them.
 * Returns 1 if memory ran out. */
static int list_what_stands_out(job *k, const hpcdvc_volume *im, const box *raw, box *clean, float least, outlier_list *list)
{
    int lo[3], hi[3];
    list->count = 0;
    if (box_shape(clean, raw->n)) return 1;
    memcpy(clean->origin, raw->origin, sizeof raw->origin);
    memcpy(clean->v, raw->v, raw->sz * raw->n[0] * sizeof *raw->v);
    if (!inside(im, raw->origin, raw->n, lo, hi)) return 0;
    for (int i = k->is_3d ? 0 : 1; i < 3; i++) {
        if (lo[i] < 1) lo[i] = 1;
        if (hi[i] > raw->n[i] - 1) hi[i] = raw->n[i] - 1;
    }
    if (list_all(k, raw, lo, hi, least, list)) return 1;
    replace_outliers(list, im, 0, 1, clean);
    return list_neighbours(clean, lo, hi, k->is_3d, least, list);
}

#endif
