/* Scores of a window at all displacements, each with a bound of what float32 may have changed in it. */
#ifndef HPCDVC_SEARCH_SCORE_H
#define HPCDVC_SEARCH_SCORE_H

#include "boxsums.h"
#include "search.h"
#include "texture.h"

/* A sum of products in float32, by FFT or directly, errs by less than this part of the product of the norms (measured:
 * 3e-7 at most). */
#define ERROR 2e-6
#define NONE (-INFINITY) /* score where there is none */

/* Sums over the voxels that count in both images, of grey values about the offsets, in units of the scales. */
typedef struct {
    double n, a, aa, b, bb, ab;
} pair_sums;

/* What the search of one window works with. */
typedef struct {
    const hpcdvc_search_settings *s;
    const hpcdvc_search_point *p;
    const hpcdvc_search_window *w;
    const hpcdvc_search_region *g;
    int n[3], lags[3];
    int64_t size;                     /* displacements */
    const float *a, *ok1, *b, *ok2;
    const float *ab, *mb, *mbb, *am, *aam, *mm;
    float *score, *error;             /* of each displacement */
    uint8_t *seen;
    int32_t *waiting;                 /* displacements to be looked at */
    double *n_sums, *b_sums, *bb_sums, *room; /* box sums, and where they are made */
    float *grey, *ok;                 /* a window of im2 beyond the region */
} hunt;

INLINE int enough_voxels(const hunt *h, double n) { return n >= h->s->min_valid * h->w->whole && n >= 3; }

/* Level that was subtracted from im1 or im2, in units of the scale. */
INLINE double level1(const hunt *h) { return h->w->offset * h->w->scale; }
INLINE double level2(const hunt *h) { return h->g->offset * h->g->scale; }

static double zncc_of(const pair_sums *q)
{
    const double aa = q->aa - q->a * q->a / q->n, bb = q->bb - q->b * q->b / q->n;
    return (q->ab - q->a * q->b / q->n) / sqrt(aa * bb);
}

/* Correlation of the grey values as they are. */
static double ncc_of(const hunt *h, const pair_sums *q)
{
    const double oa = level1(h), ob = level2(h);
    const double aa = q->aa + 2 * oa * q->a + q->n * oa * oa, bb = q->bb + 2 * ob * q->b + q->n * ob * ob;
    return (q->ab + oa * q->b + ob * q->a + q->n * oa * ob) / sqrt(aa * bb);
}

/* NONE where the voxels are too few or have no texture. */
static double score_of(const hunt *h, const pair_sums *q)
{
    if (!enough_voxels(h, q->n)) return NONE;
    if (!has_texture(q->n, q->a, q->aa, level1(h)) || !has_texture(q->n, q->b, q->bb, level2(h))) return NONE;
    return h->s->plain ? ncc_of(h, q) : zncc_of(q);
}

/* What the sums may be wrong by. */
static pair_sums errors_of(const hunt *h)
{
    const double a = sqrt(h->w->squares), b = sqrt(h->g->squares);
    pair_sums e = {0};
    e.ab = ERROR * a * b;
    if (h->am) e.a = ERROR * a * sqrt(h->g->count), e.aa = ERROR * sqrt(h->w->fourth * h->g->count);
    if (h->mb) e.b = ERROR * b * sqrt(h->w->count), e.bb = ERROR * sqrt(h->g->fourth * h->w->count);
    return e;
}

INLINE pair_sums sums_at(const hunt *h, int64_t lag)
{
    pair_sums q;
    q.n = h->mm ? rint(h->mm[lag]) : h->am ? h->n_sums[lag] : h->w->count;
    q.a = h->am ? h->am[lag] : h->w->sum, q.aa = h->am ? h->aam[lag] : h->w->squares;
    q.b = h->mb ? h->mb[lag] : h->b_sums[lag], q.bb = h->mb ? h->mbb[lag] : h->bb_sums[lag];
    q.ab = h->ab[lag];
    return q;
}

/* Bound of the error of a score, where there is no doubt that there is texture. */
INLINE double error_of(const hunt *h, const pair_sums *q, const pair_sums *e, double score)
{
    const double oa = h->s->plain ? level1(h) : -q->a / q->n, ob = h->s->plain ? level2(h) : -q->b / q->n;
    const double aa = q->aa + 2 * oa * q->a + q->n * oa * oa, bb = q->bb + 2 * ob * q->b + q->n * ob * ob;
    const double of_aa = e->aa + 2 * fabs(oa) * e->a, of_bb = e->bb + 2 * fabs(ob) * e->b;
    const double of_ab = e->ab + fabs(oa) * e->b + fabs(ob) * e->a;
    return of_ab / sqrt(aa * bb) + fabs(score) * (of_aa / aa + of_bb / bb);
}

/* Whether sums that may be that wrong leave open whether there is texture. */
INLINE int in_doubt(double n, double sum, double squares, double of_sum, double of_squares)
{
    const double variance = squares - sum * sum / n, error = of_squares + 2 * fabs(sum) / n * of_sum;
    return error > 0 && variance < 4 * error;
}

/* The scores where all voxels of the window and of the region count: a loop that vectors can follow. */
static void score_whole(hunt *h, double error)
{
    const double n = h->w->count, mean = h->w->sum / n, aa = h->w->squares - h->w->sum * mean;
    const double level = level2(h), least = n * (ROUNDING * level * level + SMALLEST_SQUARE), per_root = 1 / sqrt(aa);
    const double *b_sums = h->b_sums, *bb_sums = h->bb_sums;
    const float *ab = h->ab;
    float *score = h->score, *errors = h->error;
    for (int64_t lag = 0; lag < h->size; lag++) {
        const double b = b_sums[lag], squares = bb_sums[lag], bb = squares - b * b / n;
        const double root = per_root / sqrt(bb);
        const int textured = (bb > LEAST_VARIANCE * squares) & (bb > least);
        score[lag] = (float)(textured ? (ab[lag] - mean * b) * root : NONE);
        errors[lag] = (float)(error * root);
    }
}

/* The scores from sums that float32 may have changed. */
static void score_partial(hunt *h, const pair_sums *e)
{
    for (int64_t lag = 0; lag < h->size; lag++) {
        const pair_sums q = sums_at(h, lag);
        double score = NONE, error = 0;
        if (enough_voxels(h, q.n)) {
            if (in_doubt(q.n, q.a, q.aa, e->a, e->aa) || in_doubt(q.n, q.b, q.bb, e->b, e->bb)) {
                score = 0, error = 3;
            } else {
                score = score_of(h, &q);
                if (score > NONE) error = error_of(h, &q, e, score);
            }
        }
        h->score[lag] = (float)score, h->error[lag] = (float)error;
    }
}

/* Fills `score` and `error`. Returns the greatest score that is sure, NONE where there is none. */
static double score_all(hunt *h)
{
    const pair_sums e = errors_of(h);
    if (!h->mb) {
        box_sums(h->b, h->n, h->lags, 1, h->room, h->b_sums);
        box_sums(h->b, h->n, h->lags, 2, h->room, h->bb_sums);
        if (h->am) box_sums(h->ok2, h->n, h->lags, 1, h->room, h->n_sums);
    }
    if (h->mb || h->am || h->s->plain) score_partial(h, &e);
    else score_whole(h, e.ab);
    float sure = NONE;
    for (int64_t lag = 0; lag < h->size; lag++)
        if (h->score[lag] - h->error[lag] > sure) sure = h->score[lag] - h->error[lag];
    return sure;
}

/* Sums at one displacement in float64; b, ok2: where the window lies in the region, or in arrays of these strides. */
static pair_sums exact_sums(const hunt *h, const float *b, const float *ok2, int64_t row, int64_t plane)
{
    vd sum[6] = {{0}};
    double rest[6] = {0};
    const int full = !h->w->partial && !h->g->partial;
    const float *a = h->a, *ok1 = h->ok1;
    for (int z = 0; z < h->n[0]; z++)
        for (int y = 0; y < h->n[1]; y++, a += h->n[2], ok1 += h->n[2]) {
            const float *r = b + z * plane + y * row, *k = ok2 + z * plane + y * row;
            int x = 0;
            for (; x + VL <= h->n[2]; x += VL) {
                vd va = WIDE(load(a + x)), vb = WIDE(load(r + x));
                if (!full) {
                    const vd m = WIDE(load(ok1 + x) * load(k + x));
                    va *= m, vb *= m;
                    sum[0] += m, sum[1] += va, sum[2] += va * va;
                }
                sum[3] += vb, sum[4] += vb * vb, sum[5] += va * vb;
            }
            for (; x < h->n[2]; x++) {
                const double m = full ? 1 : ok1[x] * k[x], va = m * a[x], vb = m * r[x];
                rest[0] += m, rest[1] += va, rest[2] += va * va, rest[3] += vb, rest[4] += vb * vb, rest[5] += va * vb;
            }
        }
    for (int i = 0; i < 6; i++) rest[i] += total_wide(sum[i]);
    pair_sums q = {rest[0], rest[1], rest[2], rest[3], rest[4], rest[5]};
    if (full) q.n = h->w->count, q.a = h->w->sum, q.aa = h->w->squares;
    return q;
}

static pair_sums exact_at(const hunt *h, int64_t lag)
{
    const int64_t row = h->n[2] + h->lags[2] - 1, plane = row * (h->n[1] + h->lags[1] - 1);
    const int64_t z = lag / (h->lags[1] * (int64_t)h->lags[2]), y = lag / h->lags[2] % h->lags[1], x = lag % h->lags[2];
    const int64_t at = z * plane + y * row + x;
    return exact_sums(h, h->b + at, h->ok2 + at, row, plane);
}

#endif
