/* The window of im1 about a point, made ready. */
#ifndef HPCDVC_REFERENCE_H
#define HPCDVC_REFERENCE_H

#include "gradient.h"

/* Sum of g . h over every `skip`-th plane of the window of im1; h holds those planes only. */
static double dot(const job *k, float *const g[3], float *const h[3], int skip)
{
    double sum = 0;
    for (int i = k->is_3d ? 0 : 1; i < 3; i++)
        for (int z = 0; z * skip < k->w.n[0]; z++) {
            const float *of_g = g[i] + z * skip * k->w.sz, *of_h = h[i] + z * k->w.sz;
            vf plane = splat(0);
            for (int64_t v = 0; v < k->w.sz; v += VL) plane += load(of_g + v) * load(of_h + v);
            sum += total(plane);
        }
    return sum;
}

/* How much length_ratio the true gradient is than g along g, from every third plane; g is 0 where a voxel does not count. */
static double true_length_ratio(job *k)
{
    const int skip = 3, R = (k->ref.grey.n[1] - k->w.n[1]) / 2, is_3d = k->is_3d;
    const int n[3] = {(k->w.n[0] + skip - 1) / skip, k->w.n[1], k->w.n[2]};
    const int64_t step[3] = {k->ref.grey.sz, k->ref.grey.sy, 1};
    const float *first = row_of(&k->ref.grey, is_3d ? R : 0, R) + R;
    double squares = 0;
    for (int i = is_3d ? 0 : 1; i < 3; i++) {
        filter(first, k->ref.grey.sz * skip, k->ref.grey.sy, step[i], &k->s->true_gradient.derivative, 1, k->ref.second[i], k->w.sz,
               k->w.sy, n);
        for (int z = 0; z < k->w.n[0]; z += skip) {
            vf plane = splat(0);
            for (int64_t v = z * k->w.sz; v < (z + 1) * k->w.sz; v += VL) plane += load(k->w.g[i] + v) * load(k->w.g[i] + v);
            squares += total(plane);
        }
    }
    return squares > 0 ? dot(k, k->w.g, k->ref.second, skip) / squares : 1;
}

/* How many voxels of a box the mask of the image leaves out. */
static double masked(const hpcdvc_volume *im, const int64_t origin[3], const int n[3])
{
    int64_t count = 0;
    int lo[3], hi[3];
    if (!im->mask || !inside(im, origin, n, lo, hi)) return 0;
    for (int z = lo[0]; z < hi[0]; z++)
        for (int y = lo[1]; y < hi[1]; y++) {
            const uint8_t *row = im->mask + voxel(im, origin, z, y, lo[2]);
            for (int x = 0; x < hi[2] - lo[2]; x++) count += !row[x];
        }
    return (double)count;
}

/* Sums of the voxels of a label that count, without outliers. */
static hpcdvc_grey_sums grey_of_label(const job *k)
{
    hpcdvc_grey_sums g = {0};
    const int bytes = type_bytes[k->im1->type];
    const uint8_t *own = k->ref.own;
    int lo[3], hi[3];
    if (!inside(k->im1, k->ref.corner, k->w.n, lo, hi)) return g;
    for (int z = lo[0]; z < hi[0]; z++)
        for (int y = lo[1]; y < hi[1]; y++) {
            const uint8_t *row = own + ((int64_t)z * k->w.n[1] + y) * k->w.n[2];
            const char *grey = (const char *)k->im1->data + voxel(k->im1, k->ref.corner, z, y, 0) * bytes;
            for (int x = lo[2]; x < hi[2]; x++) {
                const int from = x;
                while (x < hi[2] && row[x]) x++;
                if (x > from) row_sums[k->im1->type](grey + from * bytes, x - from, &g);
            }
        }
    for (int i = 0; i < k->search.list[0].count; i++) {
        const outlier *o = k->search.list[0].of + i;
        int64_t p[3];
        for (int j = 0; j < 3; j++) p[j] = o->at[j] - k->ref.corner[j];
        const int within = p[0] >= 0 && p[1] >= 0 && p[2] >= 0 && p[0] < k->w.n[0] && p[1] < k->w.n[1] && p[2] < k->w.n[2];
        if (within && own[(p[0] * k->w.n[1] + p[1]) * k->w.n[2] + p[2]]) correct_sums_by(o, &g);
    }
    return g;
}

/* Read the window of im1 about a point. Returns a status, NOT_EVALUATED if all is well. */
static int prepare_reference(job *k, const hpcdvc_point *p)
{
    const hpcdvc_settings *s = k->s;
    const double voxels = k->ref.whole;
    for (int i = 0; i < 3; i++) {
        if (!isfinite(p->position[i]) || fabs(p->position[i]) > 1e9) return BAD_START;
        double nearest = nearbyint(p->position[i]);
        k->ref.corner[i] = (int64_t)nearest - k->ref.before[i];
        k->w.first[i] = nearest - p->position[i] - k->ref.before[i];
    }
    for (int i = 0; i < 12; i++)
        if (!isfinite(p->Phi[i]) || fabs(p->Phi[i]) > 1e9) return BAD_START;
    hpcdvc_grey_sums g = k->ref.own ? grey_of_label(k) : grey(k->im1, k->ref.corner, k->w.n);
    k->ref.in_image = (double)g.count;
    const double unmasked = voxels - (k->ref.own ? 0 : masked(k->im1, k->ref.corner, k->w.n));
    if (k->ref.too_small || unmasked == 0 || unmasked < s->min_valid * voxels) return NO_SPECIMEN;
    if (g.count == 0) return FEW_VALID_VOXELS;
    k->ref.offset = g.sum / g.count;
    if (!(k->ref.offset > s->grey_low && k->ref.offset < s->grey_high)) return NO_SPECIMEN;
    if (g.count < s->min_valid * voxels) return FEW_VALID_VOXELS;
    if (k->search.list[0].count && !k->ref.own) correct_sums(k->search.list, k->ref.corner, k->w.n, &g), k->ref.offset = g.sum / g.count;
    double variance = g.sum_squares / g.count - k->ref.offset * k->ref.offset;
    if (!(variance > ROUNDING * k->ref.offset * k->ref.offset)) return SINGULAR;
    k->ref.offset = (float)k->ref.offset; /* as the row readers subtract it */
    k->ref.scale = 1 / sqrt(variance);
    int R = filter_radius(&s->gradient);
    if (s->calibrate && filter_radius(&s->true_gradient) > R) R = filter_radius(&s->true_gradient);
    int Rz = k->is_3d ? R : 0, n[3] = {k->w.n[0] + 2 * Rz, k->w.n[1] + 2 * R, k->w.n[2] + 2 * R};
    int64_t origin[3] = {k->ref.corner[0] - Rz, k->ref.corner[1] - R, k->ref.corner[2] - R};
    int64_t dropped = read_box(k->im1, origin, n, k->ref.offset, k->ref.scale, &k->ref.grey, &k->ref.valid, &k->scratch);
    if (dropped == -1) return NO_MEMORY;
    replace_outliers(k->search.list, k->im1, k->ref.offset, k->ref.scale, &k->ref.grey);
    take_window(k, dropped);
    if (k->ref.counted < s->unknowns) return FEW_VALID_VOXELS;
    if (take_gradient(k, &s->gradient, k->w.g)) return NO_MEMORY;
    for (int i = 0; i < 3; i++) clear_excluded(k, k->w.g[i]);
    k->ref.length_ratio = s->calibrate ? true_length_ratio(k) : 1;
    return NOT_EVALUATED;
}

#endif
