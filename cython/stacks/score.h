/* How well each displacement fits, from the sums over windows.
 *
 * Grey values are i of the template and r of the other image, about their level; with UMPA they are I - 1 and R - 1 of
 * frames whose level is one. n, a, aa, b, bb, ab: weighted sums of 1, i, i^2, r, r^2, i r over windows and frames.
 * - ncc: cov / sqrt(var i var r), where cov = ab - a b / n, var i = aa - a^2 / n, var r = bb - b^2 / n
 * - umpa, I = T R: least sum of (I - T R)^2. With D = I - R that is sum D^2 - (sum D R)^2 / sum R^2, whose terms are
 *   as small as the contrast, so that float32 is enough
 * - umpa-dark, I = T (1 + V (R - 1)): least sum over T and V, var i - cov^2 / var r; where cov is negative dark is light,
 *   which no specimen makes: such a displacement is not chosen, but tells the shape of a peak beside it
 * - umpa-dark about the means J, S of the windows of single frames, I = T (S + V (R - S)): that of umpa of J and S,
 *   and var i - cov^2 / var r about these means */
#ifndef HPCDVC_STACKS_SCORE_H
#define HPCDVC_STACKS_SCORE_H

#include "tile.h"

#define NONE (-1e30f)          /* where there is no window */
#define LEAST_VARIANCE 1e-10   /* of the grey values, in units of their mean square: below there is no texture ... */
#define ROUNDING 1e-12         /* ... and beside the square of their level, as it is rounding */
#define SMALLEST_SQUARE 1e-30
#define LEAST_PART (0.5 - 1e-6)    /* of the pixels and frames that a window must have, but for rounding ... */
#define MOST_SATURATED (0.1 + 1e-6) /* ... and that may be saturated */

INLINE int has_texture(double variance, double squares, double n, double level)
{
    return variance > LEAST_VARIANCE * squares && variance > n * (ROUNDING * level * level + SMALLEST_SQUARE);
}

/* Fill what the metric divides by, and which places have no window. */
static int prepare(const hpcdvc_dense *d, moments *m, int is_own)
{
    const int64_t size = m->rows * m->columns;
    const double n = d->own.frames, least = d->partial ? 1 - LEAST_PART : 0;
    m->inverse = malloc(size * sizeof(float)), m->inverse2 = malloc(size * sizeof(float));
    m->excluded = malloc(size * sizeof(float));
    if (!m->inverse || !m->inverse2 || !m->excluded) return 1;
    for (int64_t i = 0; i < size; i++) {
        const double s = m->of[SUM][i], ss = m->of[SQUARES][i], mm = d->local_mean ? m->of[OF_MEANS][i] : s * s / n;
        const double variance = ss - mm;
        const int textured = has_texture(variance, ss, n, d->level[!is_own]);
        m->excluded[i] = m->of[MISSING][i] > least ? NONE : 0;
        if (d->metric == NCC) m->inverse[i] = textured ? 1 / sqrt(variance) : 0;
        else if (is_own) m->inverse[i] = 0;
        else if (d->metric == UMPA) m->inverse[i] = 1 / (n + 2 * s + ss);
        else m->inverse[i] = textured ? 1 / variance : 0;
        m->inverse2[i] = 1 / (n + 2 * s + mm);
    }
    return 0;
}

INLINE vf root(vf v)
{
    for (int i = 0; i < VL; i++) v[i] = sqrtf(v[i]);
    return v;
}

/* How good it is, and the covariance. */
typedef struct {
    vf good, covariance;
} fit;

/* Pixels at one displacement, where no frame lacks grey values. */
INLINE fit fit_whole(const tile *t, int metric, int64_t own, int64_t other, const float *products,
                     const float *products_of_means)
{
    const moments *A = t->own, *B = t->other;
    const float per_frame = 1.0f / t->d->own.frames;
    const vf a = load(A->of[SUM] + own), b = load(B->of[SUM] + other), ab = load(products);
    const vf inverse = load(B->inverse + other), excluded = load(B->excluded + other);
    fit f = {excluded, ab - a * b * per_frame};
    if (metric == NCC) {
        f.good += f.covariance * load(A->inverse + own) * inverse;
        return f;
    }
    const vf aa = load(A->of[SQUARES] + own), bb = load(B->of[SQUARES] + other);
    if (metric == UMPA) {
        const vf d = a + ab - b - bb;
        f.good += d * d * inverse - (aa - 2 * ab + bb);
    } else if (!products_of_means) {
        f.good += f.covariance * f.covariance * inverse - (aa - a * a * per_frame);
    } else {
        const vf q = load(products_of_means), bm = load(B->of[OF_MEANS] + other), d = a + q - b - bm;
        f.covariance = ab - q;
        f.good += f.covariance * f.covariance * inverse + d * d * load(B->inverse2 + other) - (aa - 2 * q + bm);
    }
    return f;
}

/* Pixels at one displacement, where single frames lack grey values. Displacements of fewer values are compared by the
 * mean of the squares. */
INLINE fit fit_partial(const tile *t, int metric, int64_t other, const float *const map[MAPS])
{
    const float frames = t->d->own.frames, least = (float)LEAST_PART * frames;
    const vf n = load(map[COUNTS]), a = load(map[OWN]), aa = load(map[OWN_SQUARES]);
    const vf b = load(map[OTHER]), bb = load(map[OTHER_SQUARES]), ab = load(map[BOTH]);
    const vf some = larger(n, splat(1e-3f)), tiny = splat(SMALLEST_SQUARE);
    const vf va = aa - a * a / some, vb = bb - b * b / some;
    const vi few = n < splat(least);
    fit f = {(vf)(few & (vi)splat(NONE)) + load(t->other->excluded + other), ab - a * b / some};
    if (metric == NCC) {
        f.good += f.covariance / root(larger(larger(va, splat(0)) * larger(vb, splat(0)), tiny));
    } else if (metric == UMPA) {
        const vf d = a + ab - b - bb;
        f.good += (d * d / larger(n + 2 * b + bb, tiny) - (aa - 2 * ab + bb)) * (frames / some);
    } else {
        f.good += (f.covariance * f.covariance / larger(vb, tiny) - va) * (frames / some);
    }
    return f;
}

/* Fill `good` and `chosen` for a row of the tile. */
INLINE void score_row_of(const tile *t, int metric, int64_t row)
{
    const int64_t own = own_place(t, row);
    for (int64_t lag = 0; lag < t->lags; lag++) {
        const int64_t other = other_place(t, row, lag);
        for (int x = 0; x < t->width; x += VL) {
            const float *map[MAPS];
            for (int i = 0; i < MAPS; i++) map[i] = t->map[i] ? map_row(t, i, lag, row) + x : NULL;
            fit f;
            if (t->d->partial) f = fit_partial(t, metric, other + x, map);
            else f = fit_whole(t, metric, own + x, other + x, map[PRODUCTS], map[PRODUCTS_OF_MEANS]);
            store(t->good + lag * TILE + x, f.good);
            if (metric != UMPA_DARK) continue;
            const vi impossible = f.covariance <= splat(0);
            store(t->chosen + lag * TILE + x, (vf)((impossible & (vi)splat(NONE)) | (~impossible & (vi)f.good)));
        }
    }
}

static void score_row(const tile *t, int64_t row)
{
    if (t->d->metric == NCC) score_row_of(t, NCC, row);
    else if (t->d->metric == UMPA) score_row_of(t, UMPA, row);
    else score_row_of(t, UMPA_DARK, row);
}

#endif
