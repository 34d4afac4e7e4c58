/* Gauss-Newton registration of correlation windows.
 *
 * The gradient comes from im1 (or from the warped im2 with update_gradient) and Phi <- Phi (I + delta): the
 * forward compositional scheme of Baker & Matthews 2004 (doi 10.1023/B:VISI.0000011205.11775.fd) with the
 * zero-mean normalised criterion (Pan, Xie & Wang 2010, doi 10.1364/AO.49.005501), whose gain and offset are
 * eliminated in every window. */
#ifndef HPCDVC_WINDOWS_H
#define HPCDVC_WINDOWS_H

#include "buried.h"
#include "chance.h"
#include "curvature.h"
#include "inside.h"
#include "outliers.h"
#include "parts.h"
#include "photometry.h"
#include "warp.h"
#include "warped_gradient.h"


/* Whether other voxels count than at the last sums over im1. */
static int voxels_changed(const window *w)
{
    if (!w->span) return memcmp(w->ok, w->ok_before, w->sz * w->n[0] * sizeof(float)) != 0;
    for (int z = 0; z < w->n[0]; z++)
        for (int y = 0; y < w->n[1]; y++) {
            const int64_t at = z * w->sz + y * w->sy;
            int from, to;
            span_of(w, z, y, &from, &to);
            if (from < to && memcmp(w->ok + at + from, w->ok_before + at + from, (to - from) * sizeof(float))) return 1;
        }
    return 0;
}

/* Bring the sums over im1 up to date with the voxels that count now. Returns a status. */
static int refresh(job *k, int partial)
{
    if (k->s->update_gradient) {
        gradient_of_warped(k, partial);
        k->ref.stale = 1;
    }
    if (partial != k->ref.sums_partial || (partial && voxels_changed(&k->w))) k->ref.stale = 1;
    if (!k->ref.stale) return NOT_EVALUATED;
    sum_reference(&k->w, partial, &k->ref.sums);
    if (partial) memcpy(k->w.ok_before, k->w.ok, k->w.sz * k->w.n[0] * sizeof(float));
    k->ref.stale = 0, k->ref.sums_partial = partial;
    if (k->ref.in_image * k->ref.sums.n < k->s->min_valid * k->ref.whole * k->ref.counted || k->ref.sums.n < k->s->unknowns + 3)
        return LEFT_IMAGE;
    return factorise_unburied(k) ? SINGULAR : NOT_EVALUATED;
}

/* What a window at rest is worth. Returns a status. */
static int judge(job *k, int partial, double variance[12])
{
    residual_look look;
    if (k->state.buried || k->state.zncc < k->s->min_zncc) return DECORRELATED;
    look_at_residual(k, partial, &look);
    const residual_parts parts = interpret(k, &look);
    if (!better_than_chance(k, &parts)) return DECORRELATED;
    k->state.heavy_tails = k->ref.outlier_beside || has_heavy_tails(k, &look);
    const double coloured = inflation(k, &look, &parts), pull = pull_on_outline(k, partial, &parts), factor = pull > coloured ? pull : coloured;
    const int is_outline = pull > 1 && pull * largest_variance(variance) > PULLED * PULLED;
    double by_parts[12];
    memcpy(by_parts, variance, sizeof by_parts);
    const int status = compare_parts(k, partial, by_parts);
    for (int i = 0; i < 12; i++) variance[i] = fmax(factor * variance[i], by_parts[i]);
    if (status == CONVERGED && (is_outline || is_found_by_chance(k, &parts))) return DECORRELATED;
    return status == CONVERGED && is_doubtful(k, &parts, factor, variance) ? TWO_MOTIONS : status;
}

/* The iterations on a prepared window. Returns a status. */
static int iterate(job *k, hpcdvc_row *row)
{
    const hpcdvc_settings *s = k->s;
    double previous = INFINITY;
    int status = NOT_EVALUATED, partial = 0, looked = 0, next_look = LOOK_AFTER;
    memset(k->state.shading, 0, sizeof k->state.shading), memset(k->state.curvature, 0, sizeof k->state.curvature);
    k->state.noise_excess = k->state.colour = 1, k->state.buried = k->state.shaded = 0, k->state.explained = 0, k->state.buried_count = k->state.looked_for_buried = 0;
    const double first_gain = k->state.step_gain = k->ref.length_ratio > 0.05 ? 1 / k->ref.length_ratio : 1;
    while (row->iterations < s->max_iterations && row->delta_phi_norm > s->min_delta_phi) {
        double A[12], delta[12], norm = 0;
        if ((status = warp(k, &partial)) != NOT_EVALUATED) return status;
        if ((status = refresh(k, partial)) != NOT_EVALUATED) return status;
        if ((status = evaluate(k, A)) != NOT_EVALUATED) return status;
        solve(&k->ref.factor, s, A, delta);
        k->state.step_used = k->state.step_gain;
        for (int i = 0; i < 12; i++) {
            delta[i] *= k->state.step_used;
            norm += delta[i] * delta[i];
        }
        if (!isfinite(norm)) return SINGULAR;
        row->delta_phi_norm = sqrt(norm) / fmin(2 * k->state.step_used, 1); /* a step of next to nothing is no rest */
        const int near = row->delta_phi_norm < s->near, early = !near && k->ref.own && row->iterations >= next_look;
        const int look = row->delta_phi_norm <= s->min_delta_phi || (!looked && (near || early));
        if (look) k->state.noise = noise_variance(k, partial);
        if ((status = compose(k, delta)) != NOT_EVALUATED) return status;
        if (row->iterations > s->max_iterations / 2 && s->growth * k->state.squares / k->ref.sums.n > previous) return ERROR_GROWTH;
        previous = k->state.squares / k->ref.sums.n;
        row->iterations++;
        if (look) {
            k->target.contrast_due = !looked && k->target.spline->taps == 2;
            k->state.settled = partial;
            looked = 1;
            const int at_rest = row->delta_phi_norm <= s->min_delta_phi, shaded = at_rest && correct_shading(k, partial, A);
            const int changed = choose_gradient(k, partial);
            if (k->ref.own) looked = !changed && !early; /* what is buried is seen in the new gradient */
            if (early) k->state.step_gain = fmin(k->state.step_gain, first_gain), next_look = row->iterations + LOOK_AFTER;
            if (changed || (k->ref.own && find_buried(k)) || k->target.contrast_due || shaded) row->delta_phi_norm = INFINITY;
            if (k->state.no_memory) return NO_MEMORY;
        }
    }
    if (row->delta_phi_norm > s->min_delta_phi) {
        k->state.noise = residual_variance(k);
        variances(k, row->variance);
        weigh_directions(k, row->variance);
        forget_buried(k, row->variance);
        return MAX_ITERATIONS;
    }
    variances(k, row->variance);
    weigh_directions(k, row->variance);
    forget_buried(k, row->variance);
    if (s->curvature_threshold > 0) correct_curvature(k, partial, row);
    if (k->state.no_memory) return NO_MEMORY;
    return judge(k, partial, row->variance);
}

/* The window about a point from a start on, with the outliers that are known left out. */
static void attempt(job *k, const hpcdvc_point *p, const double start[12], hpcdvc_row *row)
{
    double Phi[12];
    memcpy(Phi, start, sizeof Phi); /* may be that of the row */
    memset(row, 0, sizeof *row);
    k->target.spline = &k->s->interpolation;
    row->index = p->index;
    row->delta_phi_norm = row->error = INFINITY;
    k->target.is_read = k->ref.smoothed = k->ref.refused = k->target.has_invalid = 0, k->ref.stale = 1, k->state.settled = 0, k->target.contrast_due = 0, k->target.contrast_loss = 1;
    k->state.squares = k->state.zncc = k->ref.sums.n = NAN;
    row->return_status = prepare_reference(k, p);
    if (row->return_status == NOT_EVALUATED) k->ref.outlier_beside = has_outlier_beside(k);
    row->valid_fraction = row->return_status == BAD_START ? NAN : k->ref.in_image / k->ref.whole;
    for (int i = 0; i < 12; i++) row->variance[i] = row->Phi[i] = NAN;
    row->zncc = NAN;
    if (row->return_status != NOT_EVALUATED) {
        for (int i = 0; i < 12; i++) row->Phi[i] = i % 4 == 3 ? NAN : i % 5 == 0;
        return;
    }
    memcpy(k->state.Phi, Phi, sizeof k->state.Phi);
    memcpy(k->state.start, p->Phi, sizeof k->state.start);
    if (k->s->rigid && rigid_part(k->state.Phi))
        row->return_status = SINGULAR_PHI;
    else
        row->return_status = iterate(k, row);
    memcpy(row->Phi, k->state.Phi, sizeof row->Phi);
    if (!isfinite(k->state.squares)) return;
    row->zncc = k->state.zncc;
    row->error = k->state.squares / k->ref.scale / (k->ref.sums.a + k->ref.sums.n * k->ref.offset * k->ref.scale);
    row->valid_fraction = k->ref.sums.n / k->ref.whole;
}

#define ATTEMPTS 5      /* with outliers found anew from the match of the one before */
#define GOOD_MATCH 0.9  /* zncc of one that tells outliers for good */
#define BAD_MATCH 0.98  /* zncc of one that outliers of both images, close to each other by chance, may have made */
#define FAR_BETTER 0.5  /* part of 1 - zncc that is left where they have */

static int has_matched(const hpcdvc_row *row) { return row->return_status == CONVERGED || row->return_status == TWO_MOTIONS; }

/* Outliers of both images that lie close to each other pull a window to where they match: once more without all that
 * stands out. */
static void register_without_any(job *k, const hpcdvc_point *p, hpcdvc_row *row, hpcdvc_row *best)
{
    if (!find_outliers(k, p->Phi, 0)) return;
    attempt(k, p, p->Phi, row);
    if (row->return_status == TWO_MOTIONS && row->zncc > best->zncc && find_outliers(k, row->Phi, STRICTLY)) attempt(k, p, row->Phi, row);
    const double left = row->return_status == CONVERGED && best->return_status != CONVERGED ? 1 : FAR_BETTER;
    if (has_matched(row) && 1 - row->zncc < left * (1 - best->zncc)) *best = *row;
}

static void register_window(job *k, const hpcdvc_point *p, hpcdvc_row *row)
{
    const double *start = p->Phi;
    double zncc = 1; /* of the match that told the outliers */
    int blind = 0;
    k->search.list[0].count = k->search.list[1].count = k->search.placed = 0;
    k->state.heavy_tails = 0;
    attempt(k, p, start, row);
    if (!k->target.is_read) return;
    hpcdvc_row best = *row;
    for (int i = 0; i < ATTEMPTS; i++) {
        const int compare = row->return_status == CONVERGED || (row->return_status == TWO_MOTIONS && k->state.heavy_tails);
        if (row->return_status == NO_MEMORY || (compare ? !k->state.heavy_tails && zncc > GOOD_MATCH : blind)) break;
        zncc = compare ? row->zncc : 0, blind |= !compare;
        if (!find_outliers(k, compare ? row->Phi : start, compare)) break;
        attempt(k, p, compare ? row->Phi : start, row);
        if (row->return_status == CONVERGED || (row->return_status == TWO_MOTIONS && row->zncc > best.zncc)) best = *row;
    }
    if (!blind && k->state.heavy_tails && (row->return_status == TWO_MOTIONS || (row->return_status == CONVERGED && row->zncc < BAD_MATCH)))
        register_without_any(k, p, row, &best);
    if (k->state.no_memory || row->return_status == NO_MEMORY) row->return_status = NO_MEMORY;
    else *row = best;
}

static int register_windows(const hpcdvc_volume *im1, const hpcdvc_volume *im2, const hpcdvc_settings *settings,
                            const hpcdvc_point *points, hpcdvc_row *rows, int64_t count)
{
    job k;
    int n[3];
    for (int i = 0; i < 3; i++) n[i] = 2 * settings->half[i] + 1;
    int failed = job_start(&k, im1, im2, settings, n);
    for (int64_t i = 0; i < count && !failed; i++) {
        register_window(&k, points + i, rows + i);
        failed = rows[i].return_status == NO_MEMORY;
    }
    job_end(&k);
    return failed;
}

#endif
