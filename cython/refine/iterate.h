/* Gauss-Newton from the start of a window to where it matches.
 *
 * The warped image R is fitted by gain x I + offset + gain x gradient of I x change: the columns are those of the
 * template alone, so that noise in R, which interpolation smooths more between pixels than on them, draws the result
 * nowhere (inverse composition: Baker & Matthews 2004, doi 10.1023/B:VISI.0000011205.11775.fd). */
#ifndef HPCDVC_ITERATE_H
#define HPCDVC_ITERATE_H

#include "warped.h"

/* hpcdvc.fields.status.Status */
enum {
    CONVERGED = 2,
    MAX_ITERATIONS = 1,
    SINGULAR = -2,
    FEW_VALID_VOXELS = -6,
    DECORRELATED = -9
};

/* Least weight of what is there in a window. */
#define LEAST_PART 0.5
/* Largest change of length in the window, of its own. */
#define MOST_STRAIN 0.3
/* The correlation may fall from c to 1 - GROWTH (1 - c): it is that of noise, too, which is smoothed between pixels. */
#define GROWTH 1.05

/* Square of the taps of `derivative`: its variance of unit white noise. */
#define DERIVATIVE_NOISE (2 * (4.0 / 9 + 1.0 / 144))

static double correlation(const equations *e, const warped_sums *s)
{
    const double weight = e->N[1][1], I = e->N[0][1] / weight, R = s->b[1] / weight;
    const double II = e->N[0][0] / weight - I * I, RR = s->RR / weight - R * R;
    return II > 0 && RR > 0 ? (s->b[0] / weight - R * I) / sqrt(II * RR) : 0;
}

/* w <- w o change^-1, the change in units of the half window. Returns the largest of its entries. */
static double compose(warp *w, const double *change, int affine, int half)
{
    double most = 0, D[2][2] = {{1, 0}, {0, 1}}, moved[2];
    const int terms = affine ? 3 : 1;
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < terms; j++) most = fmax(most, fabs(change[terms * i + j]));
        moved[i] = change[terms * i];
        if (affine) D[i][0] += change[3 * i + 1] / half, D[i][1] += change[3 * i + 2] / half;
    }
    const double det = D[0][0] * D[1][1] - D[0][1] * D[1][0];
    const double inverse[2][2] = {{D[1][1] / det, -D[0][1] / det}, {-D[1][0] / det, D[0][0] / det}};
    warp n;
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 2; j++) n.A[i][j] = w->A[i][0] * inverse[0][j] + w->A[i][1] * inverse[1][j];
        n.place[i] = w->place[i] - n.A[i][0] * moved[0] - n.A[i][1] * moved[1];
    }
    *w = n;
    return most;
}

/* Whether the warp is too far from the start. */
static int is_astray(const hpcdvc_refinement *job, const warp *w, const double from[2])
{
    for (int i = 0; i < 2; i++) {
        const double strain = fabs(w->A[i][i] - 1) + fabs(w->A[i][1 - i]);
        if (!(fabs(w->place[i] - from[i]) <= job->most_moved && strain <= MOST_STRAIN)) return 1;
    }
    return 0;
}

/* Standard deviations of the displacement: what the correlation lacks is white noise, as much of it in both images. */
static void find_std(const template *t, const equations *e, double score, double std[2])
{
    double squares = 0;
    for (int64_t i = 0; i < t->side * t->stride; i++) squares += (double)t->weight[i] * t->weight[i];
    const double weight = e->N[1][1], mean = e->N[0][1] / weight, values = weight / squares;
    const double free = values - e->columns;
    const double noise = free > 0 ? (e->N[0][0] / weight - mean * mean) * fmax(1 - score, 0) * values / free : NAN;
    for (int i = 0; i < 2; i++) {
        const int column = 2 + i * (e->columns - 2) / 2;
        double unit[MOST_COLUMNS] = {0}, inverse[MOST_COLUMNS];
        unit[column] = 1;
        solve(e, unit, inverse);
        /* noise makes the gradient steeper, but the displacement hangs on that of the texture */
        const double slope = e->N[column][column], texture = slope - DERIVATIVE_NOISE * noise * weight;
        std[i] = sqrt(2 * noise * squares * inverse[column]) * slope / fmax(texture, 0.1 * slope);
    }
}

/* Moments of the grey values, from those of what was left when a constant had been taken off each image. */
static void find_moments(const equations *e, const warped_sums *s, double of_I, double of_R, double to[6])
{
    const double weight = e->N[1][1], I = e->N[0][1], R = s->b[1];
    to[0] = weight;
    to[1] = I + of_I * weight;
    to[2] = R + of_R * weight;
    to[3] = e->N[0][0] + 2 * of_I * I + of_I * of_I * weight;
    to[4] = s->b[0] + of_I * R + of_R * I + of_I * of_R * weight;
    to[5] = s->RR + 2 * of_R * R + of_R * of_R * weight;
}

INLINE void sum_of(const hpcdvc_refinement *job, const template *t, int partial, equations *e)
{
    if (job->affine && partial) sum_equations(t, 1, 1, e);
    else if (job->affine) sum_equations(t, 1, 0, e);
    else if (partial) sum_equations(t, 0, 1, e);
    else sum_equations(t, 0, 0, e);
}

INLINE void sums_of_warped(const hpcdvc_refinement *job, const template *t, const warp *w, double offset, int partial,
                           warped_sums *s)
{
    if (job->affine && partial) sum_warped(job, t, w, offset, 1, 1, s);
    else if (job->affine) sum_warped(job, t, w, offset, 1, 0, s);
    else if (partial) sum_warped(job, t, w, offset, 0, 1, s);
    else sum_warped(job, t, w, offset, 0, 0, s);
}

/* The equations at a warp. Returns 0, or the status of a window that has none. */
static int prepare(const hpcdvc_refinement *job, const int64_t pixel[2], const warp *w, int here, int *partial,
                   template *t, equations *e)
{
    int64_t from[2], to[2];
    if (!find_extent(job, w, from, to)) return FEW_VALID_VOXELS;
    const int was = *partial;
    *partial = here || missing(job, job->other_counts, from[0], to[0], from[1], to[1]);
    if (*partial && !job->partial) return FEW_VALID_VOXELS;
    if (*partial && mark_missing(job, pixel, w, t) < LEAST_PART) return FEW_VALID_VOXELS;
    if (!*partial && was == 0) return 0; /* those of the last step */
    sum_of(job, t, *partial, e);
    return factorise(e) ? SINGULAR : 0;
}

static void refine_point(const hpcdvc_refinement *job, const hpcdvc_refine_point *point, template *t,
                         hpcdvc_refined *r)
{
    warp w = {{point->pixel[0] + point->start[0], point->pixel[1] + point->start[1]}, {{1, 0}, {0, 1}}};
    const double start[2] = {w.place[0], w.place[1]};
    const int64_t y = point->pixel[0], x = point->pixel[1], half = job->half;
    const int here = missing(job, job->grey_counts, y - half, y + half, x - half, x + half);
    int partial = -1; /* not known yet */
    equations e;
    memset(r, 0, sizeof *r);
    take_template(job, point->pixel, t);
    double offset = 0;
    for (r->iterations = 1; r->iterations <= job->most_iterations; r->iterations++) {
        const int failed = prepare(job, point->pixel, &w, here, &partial, t, &e);
        if (failed) {
            r->return_status = failed;
            return;
        }
        if (r->iterations == 1)
            offset = mean_at(job, job->coefficients, llround(w.place[0]), llround(w.place[1]));
        warped_sums s;
        double c[MOST_COLUMNS], change[MOST_UNKNOWNS];
        sums_of_warped(job, t, &w, offset, partial, &s);
        solve(&e, s.b, c);
        const double score = correlation(&e, &s);
        if (r->iterations == 1) r->start_score = score;
        if (!(c[0] > 0)) break;
        for (int i = 2; i < e.columns; i++) change[i - 2] = c[i] / c[0];
        const warp used = w;
        const double most = compose(&w, change, job->affine, job->half);
        if (is_astray(job, &w, start)) break;
        if (most >= job->tolerance) continue;
        if (1 - score > GROWTH * (1 - r->start_score) + 1e-6) break;
        r->return_status = CONVERGED;
        for (int i = 0; i < 2; i++) {
            r->displacement[i] = w.place[i] - point->pixel[i];
            for (int j = 0; j < 2; j++) r->gradient[2 * i + j] = used.A[i][j] - (i == j);
        }
        find_std(t, &e, score, r->std);
        find_moments(&e, &s, t->offset, offset, r->moments);
        return;
    }
    r->return_status = r->iterations > job->most_iterations ? MAX_ITERATIONS : DECORRELATED;
}

#endif
