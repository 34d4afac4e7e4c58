/* Outlying voxels (zingers, salt and pepper): looked for where the residual has tails that noise has not, or where a window
 * did not converge; the window is then measured with the median of their neighbours in their place.
 *
 * Bright speckles on a dark ground stand out of their neighbours, too. So what stands out is taken for an outlier only
 * where the other image has nothing like it, as soon as there is a match to compare by. */
#ifndef HPCDVC_OUTLIERS_H
#define HPCDVC_OUTLIERS_H

#include "chance.h"
#include "match.h"
#include "standing_out.h"
#include "warp.h"

#define HEAVY_TAILS 6.0     /* mean fourth power of the residual beside its mean square, squared: 3 +- 0.5 for Gaussian noise */
#define UNLIKE_PLANES 1.5   /* mean square of the residual beside that of some planes */
#define FAR_ABOVE 2.0       /* largest grey value beside the window of im1 and in it, both about the mean */
#define STANDS_OUT 2.5      /* times the median difference of neighbours, beyond all neighbours but one */
#define STRICTLY 2          /* compared, whatever stands out must be unlike the other image */
#define STANDS_FAR_OUT 5.0  /* where there is no match to compare by */
#define MATTERS 0.5         /* times the contrast: less would not matter */
#define WORTH_A_TRIAL 0.05  /* part of the squares of as many voxels as a window has that such voxels must make up */
#define SURELY_NO_NOISE 6.0 /* robust standard deviations of the residual */
#define UNLIKE_IN_OTHER 0.7 /* part by which it stands out that the other image must have nothing of */
#define MOSTLY 1.5          /* times as much stands out that the other image has nothing like as what it has */
#define EXPLAINS 0.1        /* part of the squared residual that outliers must make up */
/* Voxels around the window that are searched, beside those that interpolation needs. */
#define LOOK 3     /* to see whether there are any */
#define FILTERED 4 /* those that a filter takes along */
#define START 6    /* where the window may move further */

/* Whether the residual of a window at rest has tails that noise has not, in the planes looked at or in the others. */
static int has_heavy_tails(const job *k, const residual_look *look)
{
    const double square = look->at[0];
    return look->rrrr > HEAVY_TAILS * square * square || k->state.squares > UNLIKE_PLANES * square * k->ref.sums.n;
}

/* Whether something stands out beside the window of im1, where only the filters of its gradient see it. */
static int has_outlier_beside(const job *k)
{
    const box *b = &k->ref.grey;
    return peak_square(b->v, b->sz * b->n[0]) > FAR_ABOVE * FAR_ABOVE * peak_square(k->w.a, k->w.sz * k->w.n[0]);
}

/* Robust standard deviation of the residual. */
static double usual_residual(const job *k)
{
    float r[SAMPLES];
    const window *w = &k->w;
    const int64_t all = (int64_t)w->n[0] * w->n[1] * w->n[2], stride = all / SAMPLES + 1;
    int count = 0;
    for (int64_t i = stride / 2; i < all; i += stride) {
        const int64_t at = i / w->n[2] * w->sy + i % w->n[2];
        if (w->a[at] != 0) r[count++] = fabsf(w->a[at] - (float)k->state.gain * w->b[at] - (float)k->state.shift);
    }
    return 1.4826 * median(r, count);
}

/* A box at a point by Keys' interpolation; NaN past its edge. */
static double value_at(const box *b, const double point[3], int is_3d)
{
    double weight[3][4] = {{1}}, sum = 0;
    int first[3] = {0};
    for (int i = is_3d ? 0 : 1; i < 3; i++) {
        const double p = point[i] - b->origin[i], t = p - floor(p), u = 1 - t;
        if (!(p >= 1 && p < b->n[i] - 2)) return NAN;
        first[i] = (int)floor(p) - 1;
        weight[i][0] = -0.5 * t * u * u, weight[i][1] = 1 + t * t * (1.5 * t - 2.5);
        weight[i][2] = 1 + u * u * (1.5 * u - 2.5), weight[i][3] = -0.5 * u * t * t;
    }
    for (int z = 0; z < (is_3d ? 4 : 1); z++)
        for (int y = 0; y < 4; y++)
            for (int x = 0; x < 4; x++)
                sum += weight[0][z] * weight[1][y] * weight[2][x] * row_of(b, first[0] + z, first[1] + y)[first[2] + x];
    return sum;
}

/* Where a voxel of im1 lies in im2 under Phi, or one of im2 in im1. */
static void map_voxel(const job *k, const int64_t at[3], int back, double to[3])
{
    const double *P = k->state.Phi;
    double c[3], d[3];
    for (int i = 0; i < 3; i++) c[i] = k->ref.corner[i] - k->w.first[i], d[i] = at[i] - c[i] - (back ? P[4 * i + 3] : 0);
    if (!back) {
        for (int i = 0; i < 3; i++) to[i] = c[i] + P[4 * i + 3] + P[4 * i] * d[0] + P[4 * i + 1] * d[1] + P[4 * i + 2] * d[2];
        return;
    }
    double adjugate[3][3], det = 0;
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            const int a = (i + 1) % 3, b = (i + 2) % 3, e = (j + 1) % 3, f = (j + 2) % 3;
            adjugate[j][i] = P[4 * a + e] * P[4 * b + f] - P[4 * a + f] * P[4 * b + e];
        }
    for (int i = 0; i < 3; i++) det += P[i] * adjugate[i][0];
    for (int i = 0; i < 3; i++) to[i] = c[i] + (adjugate[i][0] * d[0] + adjugate[i][1] * d[1] + adjugate[i][2] * d[2]) / det;
}

/* Whether the other image at the same place is unlike an outlier of im1 or (`back`) of im2; -1 if that place is not known. */
static int is_unlike(const job *k, int back, const box *other, const outlier *o, double noise)
{
    double at[3];
    map_voxel(k, o->at, back, at);
    const double there = value_at(other, at, k->is_3d), gain = k->state.gain, shift = k->state.shift;
    const double residual = back ? there - gain * o->was - shift : gain * there + shift - o->was;
    if (isnan(residual)) return -1;
    return residual / (back ? gain : 1) / (o->now - o->was) > UNLIKE_IN_OTHER && fabs(residual) > SURELY_NO_NOISE * noise;
}

/* Keep the voxels that the other image has nothing like. What stands out by less than `far` must be unlike the other image both
 * as it is and without what stands out of it; what stands out further only the latter: outliers of both images that meet are no
 * match. Adds up squares of what stands out and has its like there or has not, in units of im1. */
static void compare_with_other(const job *k, int back, const box *raw, const box *clean, double noise, double far,
                               outlier_list *list, double squares[2])
{
    const double gain = back ? k->state.gain : 1;
    int kept = 0;
    for (int i = 0; i < list->count; i++) {
        const outlier *o = list->of + i;
        const double out = gain * (o->was - o->now);
        const int as_it_is = is_unlike(k, back, raw, o, noise);
        if (as_it_is >= 0) squares[as_it_is] += out * out;
        if ((as_it_is || fabs(o->was - o->now) > far) && is_unlike(k, back, clean, o, noise) == 1) list->of[kept++] = *o;
    }
    list->count = kept;
}

/* The boxes of both images that are searched: all that the window and the filters before it see, with room for motion. */
static int place_search(job *k, int reach)
{
    double low[3], high[3];
    window_bounds(k, low, high);
    for (int i = 0; i < 3; i++) {
        int64_t *origin[2] = {&k->search.origin[0][i], &k->search.origin[1][i]};
        if (i == 0 && !k->is_3d) {
            *origin[0] = *origin[1] = 0, k->search.n[0][0] = k->search.n[1][0] = 1;
            continue;
        }
        if (!(fabs(low[i]) < 1e9 && high[i] - low[i] < 4.0 * k->w.n[i] + 32)) return 0;
        *origin[0] = k->ref.corner[i] - reach, k->search.n[0][i] = k->w.n[i] + 2 * reach;
        *origin[1] = (int64_t)floor(low[i]) - reach, k->search.n[1][i] = (int)((int64_t)floor(high[i]) + 2 + reach - *origin[1]);
    }
    return 1;
}

/* List what stands out of both boxes, by how many grey values neighbours differ there at least into `step`. Returns 0 if that is
 * not worth a trial. */
static int list_both(job *k, int compare, box *const raw[2], box *const clean[2], double step[2])
{
    box *valid[2] = {&k->ref.valid, &k->target.valid};
    const hpcdvc_volume *im[2] = {k->im1, k->im2};
    const double offset[2] = {k->ref.offset, k->target.offset};
    const double voxels = (double)k->w.n[0] * k->w.n[1] * k->w.n[2];
    outlier_list *found = k->search.found;
    int worth = compare;
    for (int i = 0; i < 2; i++) {
        const int64_t dropped = read_box(im[i], k->search.origin[i], k->search.n[i], offset[i], k->ref.scale, raw[i], valid[i], &k->scratch);
        k->state.no_memory = dropped == -1;
        if (dropped < 0) return 0;
        step[i] = median_step(raw[i]);
        const double squares = compare ? 0 : squares_of(im[i], raw[i]);
        const double contrast = !compare ? sqrt(squares / voxels_of(raw[i])) : i ? 1 / k->state.gain : 1;
        const double least = fmax((compare ? STANDS_OUT : STANDS_FAR_OUT) * step[i], MATTERS * contrast);
        k->state.no_memory = list_what_stands_out(k, im[i], raw[i], clean[i], (float)least, found + i);
        if (k->state.no_memory || found[i].count > MOST_OUTLIERS * voxels_of(raw[i])) return 0;
        worth = worth || squares_brought(found + i) > WORTH_A_TRIAL * squares * voxels / voxels_of(raw[i]);
    }
    return worth;
}

/* Keep what stands out of one image only. Returns 0 if it is the texture: unless it is most of what stands out and explains some
 * of the residual. */
static int compare_both(job *k, int compare, box *const raw[2], box *const clean[2], const double step[2])
{
    const double noise = usual_residual(k), part = (double)k->w.n[0] * k->w.n[1] * k->w.n[2] / voxels_of(raw[0]);
    double squares[2] = {0}; /* like the other image, unlike it */
    for (int i = 0; i < 2; i++)
        compare_with_other(k, i, raw[!i], clean[!i], noise, compare == STRICTLY ? INFINITY : STANDS_FAR_OUT * step[i], k->search.found + i, squares);
    return squares[1] > MOSTLY * squares[0] && squares[1] * part > EXPLAINS * k->state.squares;
}

/* Search the boxes, `compare`d by the match under Phi or not. Returns how many outliers are found. */
static int search_boxes(job *k, int compare)
{
    box *raw[2] = {&k->ref.grey, &k->target.coefficients}, *clean[2] = {&k->ref.step1, &k->ref.step2};
    const double offset[2] = {k->ref.offset, k->target.offset};
    double step[2];
    int worth = list_both(k, compare, raw, clean, step), count = 0;
    if (worth && compare) worth = compare_both(k, compare, raw, clean, step);
    for (int i = 0; i < 2; i++) {
        outlier_list *found = k->search.found + i;
        if (!worth) found->count = 0;
        count += found->count;
        for (outlier *o = found->of; o < found->of + found->count; o++)
            o->was = o->was / k->ref.scale + offset[i], o->now = o->now / k->ref.scale + offset[i]; /* grey values */
    }
    return count;
}

/* Look for outliers about the window under Phi. Returns 1 if others than before are to be left out. */
static int find_outliers(job *k, const double Phi[12], int compare)
{
    const int none = k->search.list[0].count + k->search.list[1].count == 0;
    memcpy(k->state.Phi, Phi, sizeof k->state.Phi);
    if (compare && none && !(place_search(k, LOOK) && search_boxes(k, 1))) return 0; /* in the window alone, at first */
    if (!k->search.placed && !place_search(k, k->s->interpolation.taps / 2 + k->s->margin + (compare ? FILTERED : START))) return 0;
    k->search.placed = 1;
    if (!search_boxes(k, compare) && none) return 0;
    int changed = 0;
    for (int i = 0; i < 2; i++) {
        changed = changed || !same_outliers(k->search.list + i, k->search.found + i);
        const outlier_list before = k->search.list[i];
        k->search.list[i] = k->search.found[i], k->search.found[i] = before;
    }
    return changed && !k->state.no_memory;
}

#endif
