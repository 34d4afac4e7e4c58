/* Whether the texture inside of a label matches, or its outline alone.
 *
 * The outline is most of the contrast of a grain: it correlates wherever the texture is. So the voxels deeper than the rim are
 * looked at by themselves, about their mean. Where their residual is no noise, and matches no better than by chance, the outline has
 * been pulled by the texture that it met: neighbours along it by the same speckle, so that few of them average it. */
#ifndef HPCDVC_INSIDE_H
#define HPCDVC_INSIDE_H

#include "chance.h"

#define FEWEST_INSIDE 100.0 /* voxels: with fewer an outline cannot be told from the texture, and the whole label is looked at */
#define PULLED 0.1 /* voxels: standard deviation of a pulled outline from which on it is no match; three of them are too far off */

/* Voxels inside, and means of their products 0, 1 and 2 voxels apart: of im1, of the warped im2 in its units, of the residual. */
typedef struct {
    double count, at[3][3];
} inside_look;

/* Marks the voxels of a row of a label that are of it with those `deep` from them along the axes. */
static void mark_row_inside(const job *k, int z, int y, int partial, int deep, const int span[2])
{
    const window *w = &k->w;
    const int *n = w->n, dz = k->is_3d ? deep : 0;
    float *in = w->ok_before + z * w->sz + y * w->sy;
    const float *ok = w->ok + z * w->sz + y * w->sy;
    memset(in, 0, w->sy * sizeof(float));
    if (z < dz || z >= n[0] - dz || y < deep || y >= n[1] - deep) return;
    const int from = span[0] > deep ? span[0] : deep, to = span[1] < n[2] - deep ? span[1] : n[2] - deep;
    const int64_t row = (int64_t)n[2] * deep, plane = (int64_t)n[1] * n[2] * dz;
    const uint8_t *own = k->ref.own + ((int64_t)z * n[1] + y) * n[2];
    for (int x = from; x < to; x++) {
        const uint8_t *at = own + x;
        in[x] = at[0] & at[-deep] & at[deep] & at[-row] & at[row] & at[-plane] & at[plane];
    }
    if (partial)
        for (int x = from; x < to; x++) in[x] = ok[x] > 0 ? in[x] : 0;
}

/* Marks what is inside in `ok_before`, which is free once the iterations have ended: how many voxels, and the means of both images. */
static double mark_inside(const job *k, int partial, int deep, double mean[2])
{
    const window *w = &k->w;
    double count = 0;
    mean[0] = mean[1] = 0;
    for (int z = 0; z < w->n[0]; z++)
        for (int y = 0; y < w->n[1]; y++) {
            const int64_t row = z * w->sz + y * w->sy;
            vf voxels = {0}, one = {0}, two = {0};
            int span[2];
            span_of(w, z, y, span, span + 1);
            mark_row_inside(k, z, y, partial, deep, span);
            for (int x = span[0]; x < span[1]; x += VL) {
                const vf in = load(w->ok_before + row + x);
                voxels += in, one += load(w->a + row + x) * in, two += load(w->b + row + x) * in;
            }
            count += total(voxels), mean[0] += total(one), mean[1] += total(two);
        }
    for (int i = 0; i < 2; i++) mean[i] /= fmax(count, 1);
    mean[1] = k->state.gain * mean[1] + k->state.shift;
    return count;
}

/* What is looked at of VL voxels, less its mean; 0 where `in` is. */
INLINE void greys_of(const job *k, int64_t at, vf in, const double mean[2], vf grey[3])
{
    grey[0] = (load(k->w.a + at) - splat((float)mean[0])) * in;
    grey[1] = (load(k->w.b + at) * splat((float)k->state.gain) + splat((float)(k->state.shift - mean[1]))) * in;
    grey[2] = grey[0] - grey[1];
}

/* Adds the products of a row with what is `lag` further along an axis, where all between is inside, too. */
INLINE void add_products(const job *k, int64_t row, const int span[2], int axis, int lag, const double mean[2], inside_look *look,
                         double *pairs)
{
    const int64_t step = axis == 0 ? k->w.sz : axis == 1 ? k->w.sy : 1;
    const float *in = k->w.ok_before + row;
    vf count = {0}, sum[3] = {{0}}, one[3], other[3];
    for (int x = span[0]; x < span[1]; x += VL) {
        vf both = load(in + x);
        for (int i = 1; i <= lag; i++) both *= load(in + x + i * step);
        if (axis == 2) both = (vf)((vi)both & (lanes() + (float)x < splat((float)(k->w.n[2] - lag)))); /* not on to the next row */
        greys_of(k, row + x, both, mean, one), greys_of(k, row + x + lag * step, both, mean, other);
        count += both;
        for (int i = 0; i < 3; i++) sum[i] += one[i] * other[i];
    }
    *pairs += total(count);
    for (int i = 0; i < 3; i++) look->at[i][lag] += total(sum[i]);
}

static void look_inside(const job *k, int partial, int deep, inside_look *look)
{
    const window *w = &k->w;
    double mean[2], pairs[3] = {0};
    memset(look, 0, sizeof *look);
    look->count = mark_inside(k, partial, deep, mean);
    if (deep && look->count < FEWEST_INSIDE) return;
    for (int z = 0; z < w->n[0]; z++)
        for (int y = 0; y < w->n[1]; y++) {
            const int at[3] = {z, y, 0};
            int span[2];
            span_of(w, z, y, span, span + 1);
            add_products(k, z * w->sz + y * w->sy, span, 2, 0, mean, look, pairs);
            for (int axis = k->is_3d ? 0 : 1; axis < 3; axis++)
                for (int lag = 1; lag < 3 && at[axis] + lag < w->n[axis]; lag++)
                    add_products(k, z * w->sz + y * w->sy, span, axis, lag, mean, look, pairs + lag);
        }
    for (int i = 0; i < 3; i++)
        for (int lag = 0; lag < 3; lag++) look->at[i][lag] /= fmax(pairs[lag], 1);
}

/* s^2 of the residual: the largest that so few voxels do not rule out, up to that of a speckle. */
static double size_of_residual(const inside_look *look, double speckle)
{
    const double *at = look->at[2], most = fmin(at[2] + 3 / sqrt(look->count) * at[0], 0.99 * at[1]), possible[3] = {at[0], at[1], most};
    return fmax(size_of_smooth(at, SMALLEST), fmin(size_of_smooth(possible, speckle), speckle));
}

/* Whether what is inside of both matches better than by chance, `left` the smooth part of the residual. */
static int texture_matches(const job *k, const inside_look *look, double left)
{
    double both[3];
    for (int i = 0; i < 3; i++) both[i] = look->at[0][i] + look->at[1][i];
    const double speckle = pow(M_PI * size_of_smooth(both, SMALLEST), k->is_3d ? 1.5 : 1);
    const residual_parts inside = {.speckles = look->count / fmax(speckle, 1)};
    const double texture = smooth_part(look->at[0]) + smooth_part(look->at[1]);
    return 1 - left / fmax(texture, left) >= fmin(chance(&inside, TRIALS), MOST_CHANCE);
}

/* Factor on the variances where the outline alone has matched; else 1. An edge is one all along itself: what averages the residual
 * are its speckles, fewer than in `likeness`, where the gradient changes its sign. */
static double pull_on_outline(const job *k, int partial, const residual_parts *p)
{
    inside_look look;
    if (!k->ref.own) return 1;
    look_inside(k, partial, k->ref.rim, &look);
    const int is_small = look.count < FEWEST_INSIDE;
    if (is_small) look_inside(k, partial, 0, &look);
    const double left = smooth_part(look.at[2]), all = look.at[2][0];
    if (!(left > (INTERPOLATED + 3 / sqrt(look.count)) * all) || (!is_small && texture_matches(k, &look, left))) return 1;
    const double size = size_of_residual(&look, p->speckle), across = size * p->speckle / (size + p->speckle);
    const double alike = pow(2 * M_PI * size, k->is_3d ? 1 : 0.5) * sqrt(2 * M_PI * across); /* along the edge, and across it */
    return 1 + left / all * (fmax(alike, 1) - 1);
}

#endif
