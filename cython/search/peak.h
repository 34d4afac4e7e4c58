/* The best displacement: exactly which, whether it is the only one, whether it lies on the border, and its fraction. */
#ifndef HPCDVC_SEARCH_PEAK_H
#define HPCDVC_SEARCH_PEAK_H

#include "score.h"

#define HILL 0.7  /* part of the height of the peak down to which all that is connected belongs to it */
#define FOOT 0.3  /* below, nothing is looked at */

INLINE void place_of(const hunt *h, int64_t lag, int place[3])
{
    place[0] = (int)(lag / (h->lags[1] * (int64_t)h->lags[2]));
    place[1] = (int)(lag / h->lags[2] % h->lags[1]), place[2] = (int)(lag % h->lags[2]);
}

INLINE int64_t lag_of(const hunt *h, const int place[3])
{
    return ((int64_t)place[0] * h->lags[1] + place[1]) * h->lags[2] + place[2];
}

INLINE int is_inside(const hunt *h, const int place[3])
{
    for (int i = 0; i < 3; i++)
        if (place[i] < 0 || place[i] >= h->lags[i]) return 0;
    return 1;
}

/* The displacement of the greatest score in float64, of equal ones the first; all that may be it are tried. Returns -1
 * where there is none. */
static int64_t find_best(hunt *h, double sure, double *best)
{
    int64_t found = -1;
    *best = NONE;
    for (int64_t lag = 0; lag < h->size; lag++) {
        if (!(h->score[lag] + h->error[lag] >= sure) || h->score[lag] == (float)NONE) continue;
        const pair_sums q = exact_at(h, lag);
        const double score = score_of(h, &q);
        h->score[lag] = (float)score, h->error[lag] = 0;
        if (score > *best) *best = score, found = lag;
    }
    return found;
}

/* Mark the neighbours of a displacement that belong to the same hill. Returns how many were added to `waiting`. */
static int64_t climb_down(hunt *h, int64_t lag, double base, double height, int64_t waiting)
{
    int place[3], next[3];
    place_of(h, lag, place);
    for (int step = 0; step < 27; step++) {
        next[0] = place[0] + step / 9 - 1, next[1] = place[1] + step / 3 % 3 - 1, next[2] = place[2] + step % 3 - 1;
        if (!is_inside(h, next)) continue;
        const int64_t there = lag_of(h, next);
        const double score = h->score[there] - base;
        if (h->seen[there] || !(score > FOOT * height)) continue;
        if (score < HILL * height && !(h->score[there] < h->score[lag])) continue;
        h->seen[there] = 1, h->waiting[waiting++] = (int32_t)there;
    }
    return waiting;
}

/* Best score outside the peak: beside all that is connected with it above HILL of its height, and its slopes. NAN where
 * there is none. Heights count from `base`. */
static double second_best(hunt *h, int64_t best, double base)
{
    memset(h->seen, 0, h->size);
    int64_t waiting = 0;
    const double height = h->score[best] - base;
    h->seen[best] = 1, h->waiting[waiting++] = (int32_t)best;
    while (waiting > 0) {
        const int64_t lag = h->waiting[--waiting];
        waiting = climb_down(h, lag, base, height, waiting);
    }
    int64_t second = -1;
    for (int64_t lag = 0; lag < h->size; lag++)
        if (!h->seen[lag] && (second < 0 || h->score[lag] > h->score[second])) second = lag;
    if (second < 0) return NAN;
    const pair_sums q = exact_at(h, second);
    const double score = score_of(h, &q);
    return score > NONE ? score : NAN;
}

/* Mean of all scores: what the height of a peak of plain correlation counts from. */
static double mean_score(const hunt *h)
{
    double sum = 0, count = 0;
    for (int64_t lag = 0; lag < h->size; lag++)
        if (h->score[lag] > NONE && h->error[lag] < 1) sum += h->score[lag], count++;
    return count > 0 ? sum / count : 0;
}

/* The score at a place that may lie beyond the range: there the window of im2 is read for it. */
static double score_at(const hunt *h, const hpcdvc_volume *im2, const int place[3])
{
    pair_sums q;
    if (is_inside(h, place)) {
        q = exact_at(h, lag_of(h, place));
    } else {
        int64_t origin[3];
        const grey_range range = {h->g->offset, h->g->scale};
        for (int i = 0; i < 3; i++)
            origin[i] = (int64_t)rint(h->p->position[i]) + (int64_t)rint(h->p->Phi[4 * i + 3]) + h->p->box_low[i]
                        + h->p->low[i] + place[i];
        read_grey(im2, origin, h->n, &range, h->grey, h->ok);
        hpcdvc_search_region g = *h->g;
        g.partial = 1;
        hunt there = *h;
        there.g = &g;
        q = exact_sums(&there, h->grey, h->ok, h->n[2], (int64_t)h->n[1] * h->n[2]);
    }
    return score_of(h, &q);
}

/* Whether the best lies on the border of the range; an axis of one displacement has none. */
static int on_border(const hunt *h, const int place[3])
{
    for (int i = 0; i < 3; i++)
        if (h->lags[i] > 1 && (place[i] == 0 || place[i] == h->lags[i] - 1)) return 1;
    return 0;
}

/* Scores of the best and of its neighbours, by step 0 to 26; NONE along an axis of one displacement. */
static void look_around(const hunt *h, const hpcdvc_volume *im2, const int place[3], int only_beyond, double scores[27])
{
    for (int step = 0; step < 27; step++) {
        const int move[3] = {step / 9 - 1, step / 3 % 3 - 1, step % 3 - 1};
        int next[3], possible = 1;
        for (int i = 0; i < 3; i++) next[i] = place[i] + move[i], possible &= h->lags[i] > 1 || move[i] == 0;
        scores[step] = possible && !(only_beyond && is_inside(h, next)) ? score_at(h, im2, next) : NONE;
    }
}

/* Fraction of a voxel of the maximum of the parabola that fits best the scores about the best one. Returns 0 where there
 * is no such maximum, or a neighbour has no score. */
static int find_fraction(const hunt *h, const double scores[27], double fraction[3])
{
    double A[3][3] = {{0}}, g[3] = {0}, x[3] = {0};
    int used[3], axes = 0;
    for (int i = 0; i < 3; i++)
        if (h->lags[i] > 1) used[axes++] = i;
    double points = 0, mean = 0, along[3] = {0};
    for (int step = 0; step < 27; step++) {
        const int move[3] = {step / 9 - 1, step / 3 % 3 - 1, step % 3 - 1};
        int possible = 1;
        for (int i = 0; i < 3; i++) possible &= h->lags[i] > 1 || move[i] == 0;
        if (!possible) continue;
        if (!(scores[step] > NONE)) return 0;
        points++, mean += scores[step];
        for (int i = 0; i < axes; i++) {
            const int mi = move[used[i]];
            g[i] += mi * scores[step], along[i] += mi * mi * scores[step];
            for (int j = 0; j < i; j++) A[i][j] += mi * move[used[j]] * scores[step];
        }
    }
    if (axes == 0) return 0;
    mean /= points;
    /* least squares on 3^axes points: sums of moves^2 are 2/3 points, of products of two moves 4/9, of their spread 2/9 */
    for (int i = 0; i < axes; i++) {
        g[i] /= points * 2 / 3;
        A[i][i] = 2 * (along[i] - mean * points * 2 / 3) / (points * 2 / 9);
        for (int j = 0; j < i; j++) A[i][j] /= points * 4 / 9, A[j][i] = A[i][j];
    }
    /* -A = L L^T, which only a maximum has */
    double L[3][3] = {{0}};
    for (int i = 0; i < axes; i++)
        for (int j = 0; j <= i; j++) {
            double sum = -A[i][j];
            for (int k = 0; k < j; k++) sum -= L[i][k] * L[j][k];
            if (i == j && !(sum > 0)) return 0;
            L[i][j] = i == j ? sqrt(sum) : sum / L[j][j];
        }
    for (int i = 0; i < axes; i++) {
        x[i] = g[i];
        for (int k = 0; k < i; k++) x[i] -= L[i][k] * x[k];
        x[i] /= L[i][i];
    }
    for (int i = axes - 1; i >= 0; i--) {
        for (int k = i + 1; k < axes; k++) x[i] -= L[k][i] * x[k];
        x[i] /= L[i][i];
        if (!(fabs(x[i]) <= 1)) return 0;
    }
    for (int i = 0; i < axes; i++) fraction[used[i]] = x[i];
    return 1;
}

#endif
