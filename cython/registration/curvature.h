/* The part of the displacement at the point that an affine window misses when the field is curved inside it.
 *
 * One more Gauss-Newton step with all quadratic terms (30 unknowns in 3-D, 12 in 2-D; second-order shape functions:
 * Lu & Cary 2000, doi 10.1007/BF02326485) at the affine optimum. The quadratic terms multiply the random error of
 * the displacement by about 2.2, so the step is shrunk by how much they explain of the residual beyond noise:
 * (1 - threshold / F), F the ratio of an analysis of variance, for noise of the colour that the rest of the residual has. Without
 * curvature F is near 1 and nothing changes. The error of trilinear interpolation follows the texture and is much, so the
 * residual is that of a cubic spline. */
#ifndef HPCDVC_CURVATURE_H
#define HPCDVC_CURVATURE_H

#include "colour.h"
#include "match.h"
#include "motion.h"
#include "noise.h"
#include "warp.h"

#define TERMS 10
/* Rough F, in 2-D and 3-D, that is worth a closer look: of a trilinear residual; of that of a spline */
static const double suspicious_ratio[2] = {8.0, 10.0};
#define LEAST_RATIO 2.5           /* of white noise it is 1 +- 0.33 */
static const double clean_ratio[2] = {4.0, 18.0}; /* and so much more in a window without noise */

/* Exponents of z, y, x; the first four in the order of the columns of Phi. */
static const int exponents[TERMS][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {0, 0, 0}, {2, 0, 0},
                                        {0, 2, 0}, {0, 0, 2}, {1, 1, 0}, {1, 0, 1}, {0, 1, 1}};

typedef double plane_moments[6][5][5]; /* of g_i g_j: [pair][power of y][power of x] */

/* Sums of g_i g_j y^b x^a over one plane, a + b <= 4; coordinates in units of the half window. */
INLINE void plane_matrix(const job *k, int z, int partial, plane_moments result)
{
    static const int pi[6] = {0, 1, 2, 0, 0, 1}, pj[6] = {0, 1, 2, 1, 2, 2};
    const window *w = &k->w;
    const float ux = 1.0f / k->s->half[2], uy = 1.0f / k->s->half[1];
    vf sum[6][5][5] = {{{{0}}}};
    for (int y = 0; y < w->n[1]; y++) {
        const int64_t at = z * w->sz + y * w->sy;
        const vf yc = splat(uy * (float)(w->first[1] + y));
        vf row[6][5] = {{{0}}}, xc = (lanes() + (float)w->first[2]) * ux;
        for (int x = 0; x < w->n[2]; x += VL, xc += splat(VL * ux)) {
            vf g[3];
            for (int i = 0; i < 3; i++) {
                g[i] = load(w->g[i] + at + x);
                if (partial) g[i] *= load(w->ok + at + x);
            }
            for (int p = 0; p < 6; p++) {
                vf gg = g[pi[p]] * g[pj[p]];
                for (int a = 0; a < 5; a++, gg *= xc) row[p][a] += gg;
            }
        }
        for (int p = 0; p < 6; p++)
            for (int a = 0; a < 5; a++) {
                vf v = row[p][a];
                for (int b = 0; a + b < 5; b++, v *= yc) sum[p][b][a] += v;
            }
    }
    for (int p = 0; p < 6; p++)
        for (int b = 0; b < 5; b++)
            for (int a = 0; a + b < 5; a++) result[p][b][a] = total(sum[p][b][a]);
}

/* Normal matrix of all terms: N[(i, q), (j, r)] = sum of g_i g_j x^(q + r). */
INLINE void curvature_matrix(const job *k, int partial, double N[3 * TERMS][3 * TERMS])
{
    static const int pair[3][3] = {{0, 3, 4}, {3, 1, 5}, {4, 5, 2}};
    double moments[6][5][5][5] = {{{{0}}}};
    for (int z = 0; z < k->w.n[0]; z++) {
        const double zc = k->s->half[0] ? (k->w.first[0] + z) / k->s->half[0] : 0;
        plane_moments m;
        plane_matrix(k, z, partial, m);
        for (int p = 0; p < 6; p++)
            for (int b = 0; b < 5; b++)
                for (int a = 0; a + b < 5; a++) {
                    double v = m[p][b][a];
                    for (int c = 0; a + b + c < 5; c++, v *= zc) moments[p][c][b][a] += v;
                }
    }
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            for (int q = 0; q < TERMS; q++)
                for (int r = 0; r < TERMS; r++) {
                    const int *e = exponents[q], *f = exponents[r];
                    N[TERMS * i + q][TERMS * j + r] = moments[pair[i][j]][e[0] + f[0]][e[1] + f[1]][e[2] + f[2]];
                }
}

/* Right-hand side of all terms: B[(i, q)] = sum of residual g_i x^q. */
INLINE void sum_residual_terms(const job *k, int partial, double B[3 * TERMS])
{
    const window *w = &k->w;
    const float ux = 1.0f / k->s->half[2], uy = 1.0f / k->s->half[1];
    memset(B, 0, 3 * TERMS * sizeof *B);
    for (int z = 0; z < w->n[0]; z++) {
        const double zc = k->s->half[0] ? (w->first[0] + z) / k->s->half[0] : 0;
        vf sum[3][3][3] = {{{{0}}}};
        for (int y = 0; y < w->n[1]; y++) {
            const int64_t at = z * w->sz + y * w->sy;
            const vf yc = splat(uy * (float)(w->first[1] + y));
            vf row[3][3] = {{{0}}}, xc = (lanes() + (float)w->first[2]) * ux;
            for (int x = 0; x < w->n[2]; x += VL, xc += splat(VL * ux)) {
                vf r = load(w->a + at + x) - (float)k->state.gain * load(w->b + at + x) - (float)k->state.shift;
                if (partial) r *= load(w->ok + at + x);
                for (int i = 0; i < 3; i++) {
                    vf v = r * load(w->g[i] + at + x);
                    row[i][0] += v, v *= xc, row[i][1] += v, row[i][2] += v * xc;
                }
            }
            for (int i = 0; i < 3; i++)
                for (int a = 0; a < 3; a++) {
                    vf v = row[i][a];
                    for (int b = 0; a + b < 3; b++, v *= yc) sum[i][b][a] += v;
                }
        }
        for (int i = 0; i < 3; i++)
            for (int q = 0; q < TERMS; q++) {
                const int *e = exponents[q];
                B[TERMS * i + q] += total(sum[i][e[1]][e[2]]) * (e[0] == 0 ? 1 : e[0] == 1 ? zc : zc * zc);
            }
    }
}

static void curvature_residual(const job *k, int partial, double B[3 * TERMS])
{
    if (partial) sum_residual_terms(k, 1, B);
    else sum_residual_terms(k, 0, B);
}

/* Rough F by a diagonal matrix: gradients taken as alike all over the window. Saves the matrix where F is small. */
static double rough_ratio(const job *k, const double B[3 * TERMS], double noise)
{
    double sum = 0;
    int count = 0;
    for (int i = k->is_3d ? 0 : 1; i < 3; i++)
        for (int q = 4; q < TERMS; q++) {
            if (k->w.n[0] == 1 && exponents[q][0]) continue;
            const double square = q < 7 ? 4.0 / 45 : 1.0 / 9, mean = q < 7 ? B[TERMS * i + 3] / 3 : 0;
            const double b = B[TERMS * i + q] - mean;
            sum += b * b / (square * k->ref.sums.M[13 * (4 * i + 3)]), count++;
        }
    return sum / count / noise;
}

/* Rough F that is worth a closer look. The error of interpolation at sharp edges gives large ones in windows that have no
 * noise; it is small beside the texture. */
static double suspicious(const job *k)
{
    if (k->target.spline->taps == 2) return suspicious_ratio[k->is_3d];
    return LEAST_RATIO + clean_ratio[k->is_3d] * cleanness(k);
}

/* The window once more with the spline that curvature is measured with. Returns 1 if that is not possible. */
static int sample_for_curvature(job *k, int *partial)
{
    double A[12];
    k->target.spline = &k->s->curvature_interpolation;
    k->target.is_read = 0, k->target.contrast_loss = 1;
    const int status = warp(k, partial);
    k->state.no_memory = status == NO_MEMORY;
    return status != NOT_EVALUATED || evaluate(k, A) != NOT_EVALUATED;
}

/* Terms of a 2-D or 3-D window as indices (i, q); returns how many. */
static int terms_of(int flat, int which[3 * TERMS])
{
    int n = 0;
    for (int m = flat ? TERMS : 0; m < 3 * TERMS; m++)
        if (!flat || !exponents[m % TERMS][0]) which[n++] = m;
    return n;
}

/* The step with all terms, and what it does to the residual. */
typedef struct {
    int n, which[3 * TERMS];
    double matrix[9 * TERMS * TERMS], scale[3 * TERMS], solution[3 * TERMS];
    double affine[12];           /* the step without the quadratic terms */
    double gain, rest;           /* squares of the residual that the quadratic terms explain; that no term does */
} curvature_step;

/* Returns 1 if the equations are singular. */
static int find_step(const job *k, int partial, const double B[3 * TERMS], const double unit[4], curvature_step *c)
{
    double N[3 * TERMS][3 * TERMS], y[3 * TERMS], A[12], explained = 0, by_affine = 0;
    const int n = c->n = terms_of(k->w.n[0] == 1, c->which);
    if (partial) curvature_matrix(k, 1, N);
    else curvature_matrix(k, 0, N);
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) c->matrix[i * n + j] = N[c->which[i]][c->which[j]];
        y[i] = B[c->which[i]];
    }
    if (cholesky(c->matrix, n, c->scale)) return 1;
    cholesky_solve(c->matrix, n, c->scale, y, c->solution);
    for (int i = 0; i < n; i++) explained += c->solution[i] * B[c->which[i]];
    for (int m = 0; m < 12; m++) A[m] = B[TERMS * (m / 4) + m % 4] * unit[m % 4];
    solve(&k->ref.factor, k->s, A, c->affine);
    for (int m = 0; m < 12; m++) by_affine += A[m] * c->affine[m];
    c->gain = explained - by_affine;
    c->rest = fmax(k->state.squares - explained, 1e-12 * k->ref.sums.n); /* rounding can make it negative */
    return 0;
}

/* The colour of what is left of the residual: an error that follows the texture, as a wave that is not quadratic either,
 * blur or rings, looks like curvature by so much more than white noise. */
static double colour_of_rest(job *k, int partial, const curvature_step *c)
{
    double terms[3][3][3][3] = {{{{0}}}};
    for (int i = 0; i < c->n; i++) {
        const int *e = exponents[c->which[i] % TERMS];
        terms[c->which[i] / TERMS][e[0]][e[1]][e[2]] = c->solution[i];
    }
    take_residual_of(k, partial, k->w.a, terms);
    return colour(k, k->w.g);
}

/* Correction of the entries of Phi, all terms less affine terms at the same residual, and their new variances; `seen`
 * is the noise in the old ones. Returns 0 if there is no curvature to be seen. */
static int find_correction(job *k, int partial, const double B[3 * TERMS], double seen, double correction[12],
                           double variance[12])
{
    const int flat = k->w.n[0] == 1;
    const double unit[4] = {flat ? 1 : k->s->half[0], k->s->half[1], k->s->half[2], 1};
    double wide[12];
    curvature_step c;
    if (find_step(k, partial, B, unit, &c)) return 0;
    k->state.colour = colour_of_rest(k, partial, &c);
    const double left = c.rest / (k->ref.sums.n - c.n - 2) / (1 + interpolated_noise(k, k->target.spline->noise));
    const double priced = fmax(left, rounding_noise(k) / 2), scatter = 2 * priced * k->state.step_gain * k->state.step_gain;
    const double share = fmin(c.gain / k->state.squares, 1); /* of the residual, that curvature explains */
    const double by_noise = (flat ? 6 : 18) * 2 * priced * (1 + (k->state.colour - 1) * (1 - share));
    const double least = k->s->curvature_threshold * (1 + cleanness(k)) * by_noise; /* the error of interpolation has some of its own */
    if (!(c.gain > least)) return 0; /* so, too, where there is nothing to explain */
    const double part = k->state.curvature_part = 1 - least / c.gain;
    for (int m = 0; m < 12; m++) correction[m] = -part * k->state.step_gain * c.affine[m], wide[m] = 0;
    for (int i = 0; i < c.n; i++) {
        const int q = c.which[i] % TERMS, m = 4 * (c.which[i] / TERMS) + q;
        double v[3 * TERMS] = {0};
        if (q > 3) continue;
        correction[m] += part * k->state.step_gain * c.solution[i] / unit[q];
        v[i] = 1 / unit[q];
        wide[m] = scatter * k->state.noise_excess * cholesky_form(c.matrix, c.n, c.scale, v);
    }
    for (int m = 0; m < 12; m++) {
        const double narrow = variance[m] * 2 * priced / seen;
        variance[m] = narrow + part * part * fmax(wide[m] - narrow, 0);
    }
    for (int i = 0; i < c.n; i++) {
        const int q = c.which[i] % TERMS, m = 4 * (c.which[i] / TERMS) + q;
        k->state.curvature[c.which[i]] = part * (c.solution[i] - (q > 3 ? 0 : c.affine[m] * unit[q]));
    }
    k->state.explained = share;
    return 1;
}

/* Correct Phi and its variances for the curvature of the field inside the window. */
static void correct_curvature(job *k, int partial, hpcdvc_row *row)
{
    const double squares = k->state.squares, zncc = k->state.zncc, seen = fmax(2 * k->state.noise, rounding_noise(k));
    double B[3 * TERMS], correction[12], before[12], new_variance[12], *variance = row->variance;
    if (!(seen > 0) || k->ref.sums.n < 3 * TERMS + 10) return;
    curvature_residual(k, partial, B);
    if (!partial && rough_ratio(k, B, 2 * residual_variance(k)) < suspicious(k)) return;
    int found = 1;
    if (k->target.spline->taps < k->s->curvature_interpolation.taps) {
        found = !sample_for_curvature(k, &partial);
        if (k->state.no_memory) return;
        curvature_residual(k, partial, B);
    }
    memcpy(new_variance, variance, sizeof new_variance);
    found = found && find_correction(k, partial, B, seen, correction, new_variance);
    k->state.squares = squares, k->state.zncc = zncc;
    if (!found) return;
    memcpy(before, k->state.Phi, sizeof before);
    if (compose(k, correction) != NOT_EVALUATED) {
        memcpy(k->state.Phi, before, sizeof before), memset(k->state.curvature, 0, sizeof k->state.curvature);
        return;
    }
    memcpy(variance, new_variance, sizeof new_variance);
    row->curvature_part = (float)k->state.curvature_part;
    for (int i = 0; i < 3; i++) row->curvature[i] = (float)(k->state.Phi[4 * i + 3] - before[4 * i + 3]);
}

#endif
