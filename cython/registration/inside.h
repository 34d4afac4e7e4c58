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

/* Whether a voxel of a label, and those so far from it along the axes, are of the label. */
INLINE int is_inside(const job *k, int deep, const int at[3])
{
    const int *n = k->w.n;
    const int64_t step[3] = {(int64_t)n[1] * n[2], n[2], 1}, v = at[0] * step[0] + at[1] * step[1] + at[2];
    if (!k->ref.own[v]) return 0;
    for (int i = k->is_3d ? 0 : 1; i < 3; i++)
        if (at[i] < deep || at[i] >= n[i] - deep || !k->ref.own[v - deep * step[i]] || !k->ref.own[v + deep * step[i]]) return 0;
    return 1;
}

/* What is looked at of a voxel, less its mean. */
INLINE void grey_of(const job *k, int64_t at, const double mean[3], double grey[3])
{
    const double one = k->w.a[at], two = k->state.gain * k->w.b[at] + k->state.shift;
    grey[0] = one - mean[0], grey[1] = two - mean[1], grey[2] = one - two - mean[2];
}

/* Marks what is inside in `ok_before`, which is free once the iterations have ended. Returns how many voxels these are. */
static double mark_inside(const job *k, int partial, int deep, double mean[3])
{
    const window *w = &k->w;
    const double none[3] = {0};
    double count = 0, grey[3];
    mean[0] = mean[1] = mean[2] = 0;
    for (int z = 0; z < w->n[0]; z++)
        for (int y = 0; y < w->n[1]; y++)
            for (int x = 0; x < w->n[2]; x++) {
                const int64_t v = z * w->sz + y * w->sy + x;
                w->ok_before[v] = is_inside(k, deep, (const int[3]){z, y, x}) && (!partial || w->ok[v] > 0);
                if (!(w->ok_before[v] > 0)) continue;
                grey_of(k, v, none, grey);
                count++;
                for (int i = 0; i < 3; i++) mean[i] += grey[i];
            }
    for (int i = 0; i < 3; i++) mean[i] /= fmax(count, 1);
    return count;
}

static void look_inside(const job *k, int partial, int deep, inside_look *look)
{
    const window *w = &k->w;
    const float *in = w->ok_before;
    const int64_t step[3] = {w->sz, w->sy, 1};
    double mean[3], one[3], other[3], pairs[3] = {0};
    memset(look, 0, sizeof *look);
    look->count = mark_inside(k, partial, deep, mean);
    if (deep && look->count < FEWEST_INSIDE) return;
    for (int z = 0; z < w->n[0]; z++)
        for (int y = 0; y < w->n[1]; y++)
            for (int x = 0; x < w->n[2]; x++) {
                const int at[3] = {z, y, x};
                const int64_t v = z * w->sz + y * w->sy + x;
                if (!(in[v] > 0)) continue;
                grey_of(k, v, mean, one);
                pairs[0]++;
                for (int i = 0; i < 3; i++) look->at[i][0] += one[i] * one[i];
                for (int axis = k->is_3d ? 0 : 1; axis < 3; axis++)
                    for (int lag = 1; lag < 3 && at[axis] + lag < w->n[axis] && in[v + lag * step[axis]] > 0; lag++) {
                        grey_of(k, v + lag * step[axis], mean, other);
                        pairs[lag]++;
                        for (int i = 0; i < 3; i++) look->at[i][lag] += one[i] * other[i];
                    }
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
