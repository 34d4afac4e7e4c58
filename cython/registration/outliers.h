/* Outlying voxels (zingers, salt and pepper): looked for where the residual has tails that noise has not, or where a window
 * did not converge; the window is then measured with the grey values of their neighbours in their place.
 *
 * Bright speckles on a dark ground stand out of their neighbours, too. So what stands out is taken for an outlier only
 * where the other image has nothing like it, as soon as there is a match to compare by. */
#ifndef HPCDVC_OUTLIERS_H
#define HPCDVC_OUTLIERS_H

#include "match.h"

#define HEAVY_TAILS 8.0       /* mean fourth power of the residual beside its mean square, squared: 3 for Gaussian noise */
#define UNLIKE_PLANES 1.5     /* mean square of the residual beside that of some planes */
#define FAR_ABOVE 2.0         /* largest grey value beside the window of im1 and in it, both about the mean */
#define STANDS_OUT 2.5        /* times the median difference of neighbours, beyond all neighbours but one */
#define MATTERS 0.5            /* times the contrast: less would not matter */
#define STANDS_FAR_OUT 5.0    /* where there is no match to compare by */
#define WORTH_A_TRIAL 0.05    /* part of the variance of an image that such voxels must make up */
#define SURELY_NO_NOISE 6.0   /* robust standard deviations of the residual */
#define UNLIKE_IN_OTHER 0.7   /* part by which it stands out that the other image must have nothing of */
#define MOST_OUTLIERS 0.08    /* part of the voxels; more are the texture */
#define SAMPLES 1000          /* that a median is taken of */

static int by_size(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static float median(float *of, int count)
{
    qsort(of, count, sizeof *of, by_size);
    return count ? of[count / 2] : 0;
}

/* Whether the residual of a window at rest has tails that noise has not: looked for in four or five planes, and in whether
 * the others are like them. */
static int has_heavy_tails(const job *k, int partial)
{
    const window *w = &k->w;
    const int skip = 1 + w->n[0] / 5, planes = (w->n[0] + skip - 1) / skip;
    const vf gain = splat((float)k->state.gain), shift = splat((float)k->state.shift);
    double squares = 0, fourth = 0;
    for (int z = 0; z < w->n[0]; z += skip) {
        vf two = {0}, four = {0};
        for (int y = 0; y < w->n[1]; y++) {
            const int64_t at = z * w->sz + y * w->sy;
            int x = 0;
            for (; x + VL <= w->n[2]; x += VL) {
                vf r = load(w->a + at + x) - gain * load(w->b + at + x) - shift;
                if (partial) r *= load(w->ok + at + x);
                r *= r, two += r, four += r * r;
            }
            for (; x < w->n[2]; x++) {
                float r = w->a[at + x] - gain[0] * w->b[at + x] - shift[0];
                if (partial) r *= w->ok[at + x];
                r *= r, two[0] += r, four[0] += r * r;
            }
        }
        squares += total(two), fourth += total(four);
    }
    const double n = k->ref.sums.n * planes / w->n[0];
    return fourth * n > HEAVY_TAILS * squares * squares || k->state.squares * planes > UNLIKE_PLANES * squares * w->n[0];
}

INLINE float peak_of(const float *v, int64_t count)
{
    vf high = {0}, low = {0};
    float most = 0;
    for (int64_t i = 0; i + VL <= count; i += VL) {
        const vf a = load(v + i);
        for (int j = 0; j < VL; j++) high[j] = a[j] > high[j] ? a[j] : high[j], low[j] = a[j] < low[j] ? a[j] : low[j];
    }
    for (int j = 0; j < VL; j++) most = fmaxf(most, fmaxf(high[j], -low[j]));
    return most;
}

/* Whether something stands out beside the window of im1, where only the filters of its gradient see it. */
static int has_outlier_beside(const job *k)
{
    const box *b = &k->ref.grey;
    return peak_of(b->v, b->sz * b->n[0]) > FAR_ABOVE * peak_of(k->w.a, k->w.sz * k->w.n[0]);
}

/* Median difference of neighbours along x in a box. */
static float median_step(const box *b)
{
    float steps[SAMPLES];
    const int rows = b->n[0] * b->n[1], columns = b->n[2] - 1;
    const int64_t all = (int64_t)rows * columns, stride = all / SAMPLES + 1;
    int count = 0;
    for (int64_t i = stride / 2; i < all; i += stride) {
        const float *v = b->v + i / columns * b->sy + i % columns;
        steps[count++] = fabsf(v[1] - v[0]);
    }
    return median(steps, count);
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

/* The middle of the four or six neighbours. */
static float middle_of_neighbours(const box *b, int64_t at, int is_3d)
{
    const int64_t step[3] = {1, b->sy, b->sz};
    const int count = is_3d ? 6 : 4;
    float v[6];
    for (int i = 0; i < count; i++) {
        const float value = b->v[at + (i % 2 ? step[i / 2] : -step[i / 2])];
        int j = i;
        for (; j > 0 && v[j - 1] > value; j--) v[j] = v[j - 1];
        v[j] = value;
    }
    return (v[count / 2 - 1] + v[count / 2]) / 2;
}

/* How far a voxel lies beyond all its neighbours but one, above or below. */
INLINE float stands_out_by(const float *v, int64_t sy, int64_t sz, int is_3d)
{
    const int64_t step[6] = {-1, 1, -sy, sy, -sz, sz};
    float high = v[-1], second_high = -INFINITY, low = v[-1], second_low = INFINITY;
    for (int i = 1; i < (is_3d ? 6 : 4); i++) {
        const float a = v[step[i]], below = a < high ? a : high, above = a > low ? a : low;
        second_high = second_high > below ? second_high : below;
        high = high > a ? high : a;
        second_low = second_low < above ? second_low : above;
        low = low < a ? low : a;
    }
    const float up = *v - second_high, down = second_low - *v;
    return up > down ? up : down;
}

INLINE void rows_stand_out(const float *v, int n, int64_t sy, int64_t sz, int is_3d, float *out)
{
    for (int x = 1; x < n - 1; x++) out[x] = stands_out_by(v + x, sy, sz, is_3d);
}

static outlier outlier_at(const box *b, int z, int y, int x, int is_3d)
{
    const int64_t at = z * b->sz + y * b->sy + x;
    return (outlier){{b->origin[0] + z, b->origin[1] + y, b->origin[2] + x}, b->v[at], middle_of_neighbours(b, at, is_3d)};
}

/* Those among the neighbours of what is replaced that stand out by more than `least` now. Returns 1 if memory ran out. */
static int list_neighbours(box *b, const int lo[3], const int hi[3], int is_3d, float least, outlier_list *list)
{
    for (int i = 0; i < list->count; i++)
        for (int j = is_3d ? 0 : 2; j < 6; j++) {
            int at[3], within = 1;
            for (int a = 0; a < 3; a++) {
                at[a] = (int)(list->of[i].at[a] - b->origin[a]) + (j / 2 == a ? j % 2 * 2 - 1 : 0);
                within = within && at[a] >= lo[a] && at[a] < hi[a];
            }
            float *v = row_of(b, at[0], at[1]) + at[2];
            if (!within || !(stands_out_by(v, b->sy, b->sz, is_3d) > least)) continue;
            const outlier one = outlier_at(b, at[0], at[1], at[2], is_3d);
            *v = (float)one.now;
            outlier *known = known_outlier(list, one.at); /* one whose neighbours have been replaced meanwhile */
            if (known) known->now = one.now;
            else if (add_outlier(list, &one)) return 1;
        }
    return 0;
}

/* All voxels of a box that stand out by more than `least`, in units of the box; `clean` becomes the box without them.
 * Returns 1 if memory ran out. */
static int collect(job *k, const hpcdvc_volume *im, const box *raw, box *clean, float least, outlier_list *list)
{
    int lo[3], hi[3];
    if (box_shape(clean, raw->n) || box_shape(&k->scratch, (const int[3]){1, 1, raw->n[2]})) return 1;
    memcpy(clean->origin, raw->origin, sizeof raw->origin);
    memcpy(clean->v, raw->v, raw->sz * raw->n[0] * sizeof *raw->v);
    list->count = 0;
    if (!inside(im, raw->origin, raw->n, lo, hi)) return 0;
    for (int i = k->is_3d ? 0 : 1; i < 3; i++) lo[i] = lo[i] > 1 ? lo[i] : 1, hi[i] = hi[i] < raw->n[i] - 1 ? hi[i] : raw->n[i] - 1;
    float *by = k->scratch.v;
    const double most = MOST_OUTLIERS * raw->n[0] * raw->n[1] * raw->n[2];
    for (int z = lo[0]; z < hi[0]; z++)
        for (int y = lo[1]; y < hi[1]; y++) {
            if (k->is_3d) rows_stand_out(row_of(raw, z, y), raw->n[2], raw->sy, raw->sz, 1, by);
            else rows_stand_out(row_of(raw, z, y), raw->n[2], raw->sy, raw->sz, 0, by);
            for (int x = lo[2]; x < hi[2]; x++) {
                if (!(by[x] > least)) continue;
                const outlier one = outlier_at(raw, z, y, x, k->is_3d);
                if (add_outlier(list, &one)) return 1;
            }
            if (list->count > most) return 0;
        }
    replace_outliers(list, im, 0, 1, clean);
    return list_neighbours(clean, lo, hi, k->is_3d, least, list);
}

/* A box at a point by Keys' interpolation; NaN past its edge. */
static double value_at(const box *b, const double point[3], int is_3d)
{
    double weight[3][4] = {{1}}, sum = 0;
    int64_t first[3] = {0};
    for (int i = is_3d ? 0 : 1; i < 3; i++) {
        const double p = point[i] - b->origin[i], t = p - floor(p), u = 1 - t;
        first[i] = (int64_t)floor(p) - 1;
        if (!(p >= 1 && p < b->n[i] - 2)) return NAN;
        weight[i][0] = -0.5 * t * u * u, weight[i][1] = 1 + t * t * (1.5 * t - 2.5);
        weight[i][2] = 1 + u * u * (1.5 * u - 2.5), weight[i][3] = -0.5 * u * t * t;
    }
    for (int z = 0; z < (is_3d ? 4 : 1); z++)
        for (int y = 0; y < 4; y++)
            for (int x = 0; x < 4; x++)
                sum += weight[0][z] * weight[1][y] * weight[2][x] * row_of(b, (int)first[0] + z, (int)first[1] + y)[first[2] + x];
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
    double det = 0, inverse[3][3];
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            const int a = (i + 1) % 3, b = (i + 2) % 3, e = (j + 1) % 3, f = (j + 2) % 3;
            inverse[j][i] = P[4 * a + e] * P[4 * b + f] - P[4 * a + f] * P[4 * b + e];
        }
    for (int i = 0; i < 3; i++) det += P[i] * inverse[i][0];
    for (int i = 0; i < 3; i++) to[i] = c[i] + (inverse[i][0] * d[0] + inverse[i][1] * d[1] + inverse[i][2] * d[2]) / det;
}

/* Whether an image at a place is unlike an outlier of the other image. */
static int is_unlike(const job *k, int back, const box *other, const outlier *o, double noise)
{
    double at[3];
    map_voxel(k, o->at, back, at);
    const double there = value_at(other, at, k->is_3d), gain = k->state.gain, shift = k->state.shift;
    const double residual = back ? there - gain * o->was - shift : gain * there + shift - o->was;
    return residual / (back ? gain : 1) / (o->now - o->was) > UNLIKE_IN_OTHER && fabs(residual) > SURELY_NO_NOISE * noise;
}

/* Keep the voxels that the other image has nothing like, be it as it is or without what stands out of it. Where it has nothing
 * like most of them, outliers of both that meet are no match. */
static void compare_with_other(const job *k, int back, const box *raw, const box *clean, double noise, double far, outlier_list *list)
{
    double like = 0, unlike = 0;
    for (int i = 0; i < list->count; i++) {
        const double out = list->of[i].was - list->of[i].now;
        if (is_unlike(k, back, raw, list->of + i, noise)) unlike += out * out;
        else like += out * out;
    }
    int kept = 0;
    for (int i = 0; i < list->count; i++) {
        const outlier *o = list->of + i;
        const int must_differ = like > unlike || fabs(o->was - o->now) < far;
        if (is_unlike(k, back, clean, o, noise) && (!must_differ || is_unlike(k, back, raw, o, noise))) list->of[kept++] = *o;
    }
    list->count = kept;
}

/* Sum of squares of a box about its mean. */
static double squares_of(const box *b)
{
    double sum = 0, squares = 0;
    for (int row = 0; row < b->n[0] * b->n[1]; row++)
        for (int x = 0; x < b->n[2]; x++) {
            const double v = b->v[row * b->sy + x];
            sum += v, squares += v * v;
        }
    return squares - sum * sum / ((double)b->n[0] * b->n[1] * b->n[2]);
}

/* Sum of squares that outliers brought in. */
static double squares_brought(const outlier_list *list)
{
    double sum = 0;
    for (int i = 0; i < list->count; i++) {
        const double d = list->of[i].was - list->of[i].now;
        sum += d * d;
    }
    return sum;
}

/* The boxes of both images that matter, with room for the motion to come. Returns 0 if there are none. */
static int place_search(job *k, int room)
{
    const hpcdvc_interpolation *s = &k->s->interpolation;
    const int reach = s->taps / 2 + k->s->margin + 2 + room;
    double low[3], high[3];
    window_bounds(k, low, high);
    for (int i = 0; i < 3; i++) {
        const int wide = i > 0 || k->is_3d ? reach : 0;
        if (!(fabs(low[i]) < 1e9 && high[i] - low[i] < 4.0 * k->w.n[i] + 32)) return 0;
        k->search.n[0][i] = k->w.n[i] + 2 * wide, k->search.origin[0][i] = k->ref.corner[i] - wide;
        k->search.origin[1][i] = (int64_t)floor(low[i]) - wide;
        k->search.n[1][i] = (int)((int64_t)floor(high[i]) + 1 + wide - k->search.origin[1][i]) + (wide > 0);
        if (wide == 0) k->search.origin[1][i] = 0, k->search.n[1][i] = 1;
    }
    return 1;
}

/* Look for outliers about the window under Phi, `compare`d by it or not. Returns 1 if others than before are to be left out. */
static int find_outliers(job *k, const double Phi[12], int compare)
{
    box *raw[2] = {&k->ref.grey, &k->target.coefficients}, *clean[2] = {&k->ref.step1, &k->ref.step2};
    box *valid[2] = {&k->ref.valid, &k->target.valid};
    const hpcdvc_volume *im[2] = {k->im1, k->im2};
    const double offset[2] = {k->ref.offset, k->target.offset}, noise = compare ? usual_residual(k) : 0;
    memcpy(k->state.Phi, Phi, sizeof k->state.Phi);
    if (!k->search.placed && !place_search(k, compare ? 2 : 6)) return 0;
    k->search.placed = 1;
    outlier_list *found = k->search.found;
    int worth = compare;
    float step[2];
    for (int i = 0; i < 2; i++) {
        const int64_t dropped = read_box(im[i], k->search.origin[i], k->search.n[i], offset[i], k->ref.scale, raw[i], valid[i], &k->scratch);
        if (dropped == -2) return 0;
        step[i] = dropped == -1 ? 0 : median_step(raw[i]);
        const double voxels = (double)raw[i]->n[0] * raw[i]->n[1] * raw[i]->n[2], squares = compare ? 0 : squares_of(raw[i]);
        const double contrast = !compare ? sqrt(squares / voxels) : i ? 1 / k->state.gain : 1;
        const double least = fmax((compare ? STANDS_OUT : STANDS_FAR_OUT) * step[i], MATTERS * contrast);
        if (dropped == -1 || collect(k, im[i], raw[i], clean[i], (float)least, found + i)) {
            k->state.no_memory = 1;
            return 0;
        }
        if (found[i].count > MOST_OUTLIERS * voxels) return 0;
        worth = worth || squares_brought(found + i) > WORTH_A_TRIAL * squares;
    }
    if (!worth) return 0;
    int changed = 0;
    for (int i = 0; i < 2; i++) {
        if (compare) compare_with_other(k, i, raw[!i], clean[!i], noise, STANDS_FAR_OUT * step[i], found + i);
        changed |= found[i].count != k->search.list[i].count;
        for (int j = 0; j < found[i].count; j++) {
            outlier *o = found[i].of + j;
            changed = changed || memcmp(o->at, k->search.list[i].of[j].at, sizeof o->at);
            o->was = o->was / k->ref.scale + offset[i], o->now = o->now / k->ref.scale + offset[i];
        }
    }
    for (int i = 0; i < 2; i++) {
        outlier_list before = k->search.list[i];
        k->search.list[i] = found[i], found[i] = before;
    }
    return changed;
}

#endif
