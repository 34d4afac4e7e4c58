/* The part of the displacement at the point that an affine window misses when the field is curved inside it.
 *
 * One more Gauss-Newton step with all quadratic terms (30 unknowns in 3-D, 12 in 2-D; second-order shape functions:
 * Lu & Cary 2000, doi 10.1007/BF02326485) at the affine optimum. The quadratic terms multiply the random error of
 * the displacement by about 2.2, so the step is shrunk by how much they explain of the residual beyond noise:
 * (1 - threshold / F), F the ratio of an analysis of variance. Without curvature F is near 1 and nothing changes. The error of
 * trilinear interpolation follows the texture and looks like curvature, so the residual is that of a cubic spline. */
#ifndef HPCDVC_CURVATURE_H
#define HPCDVC_CURVATURE_H

#include "match.h"
#include "motion.h"
#include "noise.h"
#include "warp.h"

#define TERMS 10
#define SURE 2.0                 /* F of white noise is 1 +- 0.33 */
/* Rough F of a trilinear residual, in 2-D and 3-D, that is worth a closer look. */
static const double suspicious_ratio[2] = {8.0, 10.0};
#define INTERPOLATION_ERROR 1e-3 /* of a cubic spline beside the texture, both squared; CT with a point spread */
#define MOST_INFLATION 9 /* of the variance of the displacement; 4.75 where the texture is alike all over */

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

/* F from which on curvature is believed. The interpolation error of a spline at sharp edges looks like curvature, with
 * F up to `curvature_threshold`, but it is small beside the texture: where the residual is larger than that, it is noise. */
static double believed(const job *k, double squares)
{
    const double beside_texture = squares / k->ref.sums.n; /* the texture of im1 has unit variance */
    return SURE + (k->s->curvature_threshold - SURE) * fmin(1, INTERPOLATION_ERROR / beside_texture);
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

/* Correction of the entries of Phi, all terms less affine terms at the same residual, and their new variances; `seen`
 * is the noise in the old ones. Returns 0 if there is no curvature to be seen. */
static int find_correction(job *k, int partial, const double B[3 * TERMS], double seen, double correction[12],
                           double variance[12])
{
    const int flat = k->w.n[0] == 1;
    const double unit[4] = {flat ? 1 : k->s->half[0], k->s->half[1], k->s->half[2], 1};
    double N[3 * TERMS][3 * TERMS], matrix[900], y[30], scale[30], solution[30], A[12], affine[12], wide[12];
    int which[3 * TERMS], n = terms_of(flat, which);
    if (partial) curvature_matrix(k, 1, N);
    else curvature_matrix(k, 0, N);
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) matrix[i * n + j] = N[which[i]][which[j]];
        y[i] = B[which[i]];
    }
    if (cholesky(matrix, n, scale)) return 0;
    cholesky_solve(matrix, n, scale, y, solution);
    double explained = 0, by_affine = 0;
    for (int i = 0; i < n; i++) explained += solution[i] * B[which[i]];
    for (int m = 0; m < 12; m++) A[m] = B[TERMS * (m / 4) + m % 4] * unit[m % 4];
    solve(&k->ref.factor, k->s, A, affine);
    for (int m = 0; m < 12; m++) by_affine += A[m] * affine[m];
    const double rest = fmax(k->state.squares - explained, 1e-12 * k->ref.sums.n); /* rounding can make it negative */
    const double left = rest / (k->ref.sums.n - n - 2) / (1 + interpolated_noise(k, k->target.spline->noise));
    const double priced = fmax(left, rounding_noise(k) / 2), ratio = (explained - by_affine) / (flat ? 6 : 18) / (2 * priced);
    const double threshold = believed(k, rest);
    if (!(ratio > threshold)) return 0;
    const double part = k->state.curvature_part = 1 - threshold / ratio;
    for (int m = 0; m < 12; m++) correction[m] = -part * k->state.step_gain * affine[m], wide[m] = 0;
    for (int i = 0; i < n; i++) {
        const int q = which[i] % TERMS, m = 4 * (which[i] / TERMS) + q;
        double v[30] = {0};
        if (q > 3) continue;
        correction[m] += part * k->state.step_gain * solution[i] / unit[q];
        v[i] = 1 / unit[q];
        wide[m] = 2 * priced * k->state.step_gain * k->state.step_gain * k->state.noise_excess * cholesky_form(matrix, n, scale, v);
        /* texture on one side only: the quadratic terms would extrapolate from there */
        if (q == 3 && wide[m] > MOST_INFLATION * variance[m] * 2 * priced / seen) return 0;
    }
    for (int m = 0; m < 12; m++) {
        const double narrow = variance[m] * 2 * priced / seen;
        variance[m] = narrow + part * part * fmax(wide[m] - narrow, 0);
    }
    for (int i = 0; i < n; i++) {
        const int q = which[i] % TERMS, m = 4 * (which[i] / TERMS) + q;
        k->state.curvature[which[i]] = part * (solution[i] - (q > 3 ? 0 : affine[m] * unit[q]));
    }
    /* where nothing is left of the residual but rounding, terms explain nothing */
    k->state.explained = k->state.squares > 0 ? fmin(fmax((explained - by_affine) / k->state.squares, 0), 1) : 0;
    return 1;
}

/* Correct Phi and its variances for the curvature of the field inside the window. */
static void correct_curvature(job *k, int partial, hpcdvc_row *row)
{
    const double squares = k->state.squares, zncc = k->state.zncc, seen = fmax(2 * k->state.noise, rounding_noise(k));
    double B[3 * TERMS], correction[12], before[12], new_variance[12], *variance = row->variance;
    if (!(seen > 0) || k->ref.sums.n < 3 * TERMS + 10) return;
    curvature_residual(k, partial, B);
    const double suspicious = k->target.spline->taps > 2 ? 0.7 * believed(k, squares) : suspicious_ratio[k->is_3d];
    if (!partial && rough_ratio(k, B, 2 * residual_variance(k)) < suspicious) return;
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
