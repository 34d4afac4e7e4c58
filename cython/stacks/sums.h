/* Sums of one pixel at one displacement, and what follows from them. */
#ifndef HPCDVC_STACKS_SUMS_H
#define HPCDVC_STACKS_SUMS_H

#include "score.h"

/* n, a, aa, b, bb, ab as in score.h; of the means of windows of single frames q = sum J S, am = sum J^2, bm = sum S^2. */
enum { N, A, AA, B, BB, AB, Q, AM, BM, SUMS };

INLINE void sums_at(const tile *t, int64_t row, int x, int64_t lag, double s[SUMS])
{
    const int64_t own = own_place(t, row) + x, other = other_place(t, row, lag) + x;
    const int64_t at = (lag * t->most + row) * TILE + x;
    s[Q] = s[AM] = s[BM] = 0;
    if (t->d->partial) {
        s[N] = t->map[COUNTS][at], s[A] = t->map[OWN][at], s[AA] = t->map[OWN_SQUARES][at];
        s[B] = t->map[OTHER][at], s[BB] = t->map[OTHER_SQUARES][at], s[AB] = t->map[BOTH][at];
        return;
    }
    s[N] = t->d->own.frames, s[AB] = t->map[PRODUCTS][at];
    s[A] = t->own->of[SUM][own], s[AA] = t->own->of[SQUARES][own];
    s[B] = t->other->of[SUM][other], s[BB] = t->other->of[SQUARES][other];
    if (!t->d->local_mean) return;
    s[Q] = t->map[PRODUCTS_OF_MEANS][at];
    s[AM] = t->own->of[OF_MEANS][own], s[BM] = t->other->of[OF_MEANS][other];
}

/* About the mean of all frames, or about those of single ones. */
INLINE double own_variance(const tile *t, const double s[SUMS])
{
    return s[AA] - (t->d->local_mean ? s[AM] : s[A] * s[A] / s[N]);
}
INLINE double other_variance(const tile *t, const double s[SUMS])
{
    return s[BB] - (t->d->local_mean ? s[BM] : s[B] * s[B] / s[N]);
}
INLINE double covariance(const tile *t, const double s[SUMS])
{
    return s[AB] - (t->d->local_mean ? s[Q] : s[A] * s[B] / s[N]);
}

/* Zero-mean normalised correlation; 0 where there is no texture. */
INLINE double correlation(const tile *t, const double s[SUMS])
{
    const double aa = own_variance(t, s), bb = other_variance(t, s);
    return aa > 0 && bb > 0 ? covariance(t, s) / sqrt(aa * bb) : 0;
}

/* Transmission T and visibility V of the specimen. */
INLINE void specimen(const tile *t, const double s[SUMS], double *T, double *V)
{
    *V = 1;
    if (t->d->metric == UMPA) {
        *T = (s[N] + s[A] + s[B] + s[AB]) / (s[N] + 2 * s[B] + s[BB]);
        return;
    }
    const double bb = other_variance(t, s), kappa = bb > 0 ? fmax(covariance(t, s) / bb, 0) : 0;
    *T = t->d->local_mean ? (s[N] + s[A] + s[B] + s[Q]) / (s[N] + 2 * s[B] + s[BM]) : 1 + (s[A] - kappa * s[B]) / s[N];
    *V = kappa / *T;
}

#endif
