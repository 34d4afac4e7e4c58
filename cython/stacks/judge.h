/* Whether the best displacement of a pixel is a match: better than chance, and better than any other place. */
#ifndef HPCDVC_STACKS_JUDGE_H
#define HPCDVC_STACKS_JUDGE_H

#include "peak.h"

#define CHANCE_ODDS 2.5   /* against a correlation by chance, their logarithm */
#define DEVIATIONS 3.5    /* by which the misfits of two places must differ; noise makes them differ by one */
#define EXACT 1e-6        /* misfit that is rounding, where grey values are all about their level */
#define ABOVE_ROUNDING 10 /* what the curvature must be more */
#define UNIQUE 0.95       /* a second peak of so much of the height of the first is as good */
#define FLATTEST 1e-4     /* curvature of the correlation, in units of its height */
#define UNSURE 0.3        /* standard deviation of a displacement, pixels */
#define LIFT_UNSURE 0.25  /* part of what a peak between pixels is higher that its Taylor series may be wrong by */
#define ALONG_EDGE 0.1    /* least curvature over the greatest, below which it may be of noise alone */
#define OF_EDGE 0.25      /* of the fourth difference along both axes, the curvature that an edge seems to have */
#define LEFT_OF_EDGE 0.05 /* as ALONG_EDGE, of the curvature without that */
#define NOISE_PEAK 14     /* curvature of the highest of peaks of noise, in units of that by which misfits differ */
#define IS_NONE(v) (!((v) >= NONE / 2)) /* NaN, too */

/* What is found at one pixel. */
typedef struct {
    int status;
    int lag, y, x;       /* best displacement of the range */
    double offset[2];    /* of the peak from there */
    double height;       /* how good it is there */
} match;

/* Correlation at the top of the peak, and its curvature along each axis in units of it. */
typedef struct {
    double c, curvature[2];
    double misfit;       /* that is left there at least, as far as is known */
    double least_curvature; /* of all directions: along an edge it is small */
    double along_edge;      /* the least that may be left of it, where the correlation across is no quadratic function */
    double variance;     /* of the window of the template */
    double exact;        /* misfit that is rounding */
    double n;            /* its frames */
    double around[9];    /* correlations at the displacements around the best */
} look;

/* How many values of a window, and displacements, are news of each other, and how many values were all of its texture of
 * the kind; and how many values for misfits, of which some is noise, whose pixels are all news, and some is not. */
typedef struct {
    double values, most, trials, partly;
} independent;

INLINE int is_axis(const tile *t, int axis) { return t->d->lags[axis] > 1; }

/* The values around the best displacement. Returns a status: MEASURED where all of them can tell. */
static int look_around(const tile *t, int x, const match *m, double v[9])
{
    const float top = t->good[(int64_t)m->lag * TILE + x];
    const int *beyond = t->d->beyond, *lags = t->d->lags;
    int status = MEASURED;
    for (int i = 0; i < 9; i++) {
        const int dy = i / 3 - 1, dx = i % 3 - 1;
        v[i] = top;
        if ((dy && !is_axis(t, 0)) || (dx && !is_axis(t, 1))) continue;
        v[i] = t->good[(int64_t)(m->lag + dy * t->d->lags[1] + dx) * TILE + x];
        if (IS_NONE(v[i])) return FEW_VALID;
        const int y = m->y + dy, at = m->x + dx;
        const int inside = y >= beyond[0] && y < lags[0] - beyond[0] && at >= beyond[1] && at < lags[1] - beyond[1];
        if (!inside && v[i] > top) status = BORDER_OF_RANGE;
    }
    return status;
}

static look look_at_correlation(const tile *t, int64_t row, int x, const match *m)
{
    double s[SUMS];
    sums_at(t, row, x, m->lag, s);
    look l = {0, {0, 0}, 0, 0, 0, own_variance(t, s), EXACT, s[N], {0}};
    double *c = l.around;
    l.exact *= fmax(fmax(s[AA] / l.variance, s[BB] / other_variance(t, s)), 1);
    for (int i = 0; i < 9; i++) {
        const int dy = is_axis(t, 0) ? i / 3 - 1 : 0, dx = is_axis(t, 1) ? i % 3 - 1 : 0;
        sums_at(t, row, x, m->lag + dy * t->d->lags[1] + dx, s);
        c[i] = correlation(t, s);
    }
    const expansion e = expand(c, is_axis(t, 0), is_axis(t, 1));
    const double y = -e.fyy / e.f, x_bend = -e.fxx / e.f, xy = -e.fxy / e.f, slope[2] = {e.fy / e.f, e.fx / e.f};
    const double least = (y + x_bend) / 2 - sqrt((y - x_bend) * (y - x_bend) / 4 + xy * xy);
    l.curvature[0] = fmax(y, FLATTEST), l.curvature[1] = fmax(x_bend, FLATTEST);
    /* across an edge the correlation is no quadratic function, which looks like curvature along it: to fourth order so */
    const double mixed = c[0] + c[2] + c[6] + c[8] - 2 * (c[1] + c[3] + c[5] + c[7]) + 4 * c[4];
    l.least_curvature = is_axis(t, 0) && is_axis(t, 1) ? least : is_axis(t, 0) ? y : x_bend;
    l.along_edge = l.least_curvature - (is_axis(t, 0) && is_axis(t, 1) ? OF_EDGE * fmax(mixed, 0) / e.f : 0);
    double lift = 1;
    for (int axis = 0; axis < 2; axis++) /* where a cost is least the correlation need not have a peak */
        if (fabs(slope[axis]) < l.curvature[axis]) lift += slope[axis] * slope[axis] / (2 * l.curvature[axis]);
    l.c = fmin(e.f * lift, 1);
    l.misfit = fmax(fmax(1 - l.c, LIFT_UNSURE * e.f * (lift - 1)), l.exact);
    return l;
}

/* Part of the values of two windows that have something of their own to say: K frames that correlate by r with each
 * other, and those of the other stack by s, are worth K / (1 + (K - 1) r s). What never moves is seen once. */
static double news_of(const tile *t, int64_t own, int64_t other)
{
    const double still = (double)t->own->still[own] * t->other->still[other];
    return t->own->textured[own] / (1 + (t->d->own.frames - 1) * still);
}

/* Independent values and trials: pixels within which the correlation falls off are no news of each other, though
 * frames always are; and displacements within them are one. */
static void count_independent(const tile *t, const look *l, double news, independent *n)
{
    double alike = 1, trials = 1;
    for (int axis = 0; axis < 2; axis++) {
        if (is_axis(t, axis)) alike *= sqrt(M_PI / l->curvature[axis]);
        trials *= t->d->lags[axis] - 2 * t->d->beyond[axis];
    }
    alike = fmin(fmax(alike, 1), t->pixels);
    n->most = t->d->own.frames * t->pixels / alike, n->values = news * n->most, n->trials = fmax(trials / alike, 1);
    n->partly = t->d->own.frames * t->pixels * sqrt(news / alike);
}

/* Correlation that unrelated textures hardly ever have at the best place. */
INLINE double chance(double values, double trials) { return sqrt(1 - exp(-2 * (CHANCE_ODDS + log(trials)) / values)); }

/* Whether noise as large as the residual moves the peak by much in some direction, or has made it along an edge. */
static int is_flat(const tile *t, const look *l, const independent *n)
{
    if (!is_axis(t, 0) && !is_axis(t, 1)) return 0;
    const double of_noise = NOISE_PEAK * l->misfit / sqrt(t->d->own.frames * t->pixels);
    const double greatest = fmax(l->curvature[0], l->curvature[1]);
    if (l->least_curvature < ALONG_EDGE * greatest && l->least_curvature < of_noise) return 1;
    if (l->along_edge < LEFT_OF_EDGE * greatest && l->along_edge < of_noise) return 1;
    const double variance = 2 * l->misfit / (n->partly * l->least_curvature * l->c);
    return !(l->least_curvature > fmax(FLATTEST, ABOVE_ROUNDING * l->exact) && variance < UNSURE * UNSURE);
}

/* What a peak is fitted to. */
static double peak_value(const tile *t, int64_t row, int x, int64_t lag)
{
    const float good = t->good[lag * TILE + x];
    double s[SUMS];
    if (!t->d->of_correlation || IS_NONE(good)) return good;
    sums_at(t, row, x, lag, s);
    return correlation(t, s);
}

/* Quadratic function about the middle of `peak_size` displacements, moved inside the map. Returns a status. */
static int find_polynomial(const tile *t, int64_t row, int x, match *m)
{
    const hpcdvc_dense *d = t->d;
    double v[LARGEST * LARGEST], o[2];
    const int best[2] = {m->y, m->x};
    int half[2], middle[2], count = 0;
    for (int axis = 0; axis < 2; axis++) {
        const int size = d->peak_size < d->lags[axis] ? d->peak_size : d->lags[axis];
        half[axis] = (size - 1) / 2, middle[axis] = best[axis];
        if (middle[axis] < half[axis]) middle[axis] = half[axis];
        if (middle[axis] > d->lags[axis] - 1 - half[axis]) middle[axis] = d->lags[axis] - 1 - half[axis];
    }
    if (d->peak_dim == 1) { /* the column and the row of the best displacement, each on its own */
        for (int axis = 0; axis < 2; axis++) {
            for (int i = -half[axis]; i <= half[axis]; i++) {
                const int64_t lag = axis ? m->y * d->lags[1] + middle[1] + i : (middle[0] + i) * d->lags[1] + m->x;
                v[i + half[axis]] = peak_value(t, row, x, lag);
                if (IS_NONE(v[i + half[axis]])) return FEW_VALID;
            }
            const expansion e = fit_quadratic(v, axis ? 0 : half[0], axis ? half[1] : 0);
            if (!find_maximum(&e, !axis && half[0], axis && half[1], 1, o)) return AMBIGUOUS;
            if (half[axis] && !(fabs(o[axis]) < half[axis])) return AMBIGUOUS;
            m->offset[axis] = o[axis] + middle[axis] - best[axis];
            m->height += value_at(&e, o) - peak_value(t, row, x, m->lag);
        }
        return MEASURED;
    }
    for (int y = -half[0]; y <= half[0]; y++)
        for (int i = -half[1]; i <= half[1]; i++) {
            v[count] = peak_value(t, row, x, (int64_t)(middle[0] + y) * d->lags[1] + middle[1] + i);
            if (IS_NONE(v[count++])) return FEW_VALID;
        }
    const expansion e = fit_quadratic(v, half[0], half[1]);
    if (!find_maximum(&e, half[0], half[1], 0, o)) return AMBIGUOUS;
    m->height = value_at(&e, o);
    for (int axis = 0; axis < 2; axis++) {
        if (half[axis] && !(fabs(o[axis]) < half[axis])) return AMBIGUOUS;
        m->offset[axis] = o[axis] + middle[axis] - best[axis];
    }
    return MEASURED;
}

/* Sub-pixel place and height. Returns a status. */
static int find_peak(const tile *t, int64_t row, int x, const double around[9], match *m)
{
    m->height = around[4], m->offset[0] = m->offset[1] = 0;
    if (t->d->peak == WHOLE) return MEASURED;
    if (t->d->peak == POLYNOMIAL) return find_polynomial(t, row, x, m);
    const int along_y = is_axis(t, 0), along_x = is_axis(t, 1), apart = t->d->peak_dim == 1;
    expansion e = expand(around, along_y, along_x);
    if (apart) e.fxy = 0;
    if (!find_maximum(&e, along_y, along_x, apart, m->offset)) return AMBIGUOUS;
    if (!(fabs(m->offset[0]) < 1 && fabs(m->offset[1]) < 1)) return AMBIGUOUS;
    m->height = value_at(&e, m->offset);
    return MEASURED;
}

/* How good another place must be to be as good: misfits of noise differ by sqrt(3 / n) of themselves. A texture that
 * repeats itself has a peak between pixels, which is higher than the pixels beside it. What chance makes is no rival. */
static float doubtful_from(const tile *t, const look *l, const match *m, const independent *n)
{
    const double noise = 1 + DEVIATIONS * sqrt(3 / n->partly), by_chance = chance(n->most, n->trials), lift = 1 + (l->curvature[0] + l->curvature[1]) / 8;
    if (t->d->metric == NCC) {
        const double top = fmin(m->height, 1);
        return (float)fmax(fmin(1 - noise * fmax(1 - top, l->exact), UNIQUE * top / lift), by_chance);
    }
    const double scale = t->d->own.frames / l->n * l->variance, misfit = fmax(-m->height, l->exact * scale);
    const double top = UNIQUE * sqrt(fmax(1 - misfit / scale, 0)) / lift;
    return (float)-fmin(fmax(noise * misfit, scale * (1 - top * top)), scale * (1 - by_chance * by_chance));
}

/* Status and sub-pixel place of a pixel, and what other places are compared with. */
static void judge_pixel(const tile *t, int64_t row, int x, match *m, float *doubtful, float *radius)
{
    const int64_t own = own_place(t, row) + x;
    const double least = t->d->partial ? 1 - LEAST_PART : 0, most = t->d->partial ? MOST_SATURATED : 0;
    const double n = t->d->own.frames, s = t->own->of[SUM][own], ss = t->own->of[SQUARES][own];
    double around[9];
    *doubtful = INFINITY, *radius = 0;
    m->status = SATURATED;
    if (t->own->of[CLIPPED][own] > most) return;
    m->status = FEW_VALID;
    if (t->own->of[MISSING][own] > least) return;
    m->status = NO_TEXTURE;
    if (!has_texture(ss - s * s / n, ss, n, t->d->level[0])) return;
    m->status = FEW_VALID;
    if (IS_NONE(t->chosen[(int64_t)m->lag * TILE + x])) return;
    if ((m->status = look_around(t, x, m, around)) != MEASURED) return;
    m->status = SATURATED;
    if (t->other->of[CLIPPED][other_place(t, row, m->lag) + x] > most) return;
    const look l = look_at_correlation(t, row, x, m);
    independent count;
    count_independent(t, &l, news_of(t, own, other_place(t, row, m->lag) + x), &count);
    m->status = NO_MATCH;
    if (!(fmin(l.c, 1 - EXACT) >= chance(count.values, count.trials))) return;
    m->status = AMBIGUOUS;
    if (is_flat(t, &l, &count)) return;
    const double scale = t->d->own.frames / l.n * l.variance;
    if ((m->status = find_peak(t, row, x, t->d->of_correlation ? l.around : around, m)) != MEASURED) return;
    if (t->d->of_correlation) m->height = -scale * (1 - fmin(m->height * m->height, 1)); /* the cost there */
    m->status = NO_MATCH;
    if (t->d->metric == NCC && m->height < t->d->least_score) return;
    m->status = MEASURED;
    *doubtful = doubtful_from(t, &l, m, &count);
    double flattest = INFINITY;
    for (int axis = 0; axis < 2; axis++)
        if (is_axis(t, axis)) flattest = fmin(flattest, l.curvature[axis]);
    *radius = (float)(1 + 1.5 / sqrt(flattest));
}

#endif
