/* The part of the displacement at the point that an affine window misses when the field is curved inside it.
 *
 * One more Gauss-Newton step with all quadratic terms (30 unknowns in 3-D, 12 in 2-D; second-order shape functions:
 * Lu & Cary 2000, doi 10.1007/BF02326485) at the affine optimum. The quadratic terms multiply the random error of
 * the displacement by about 2.2, so the step is shrunk by how much they explain of the residual beyond noise:
 * (1 - threshold / F), F the ratio of an analysis of variance. Without curvature F is near 1 (larger with trilinear interpolation, whose
 * error follows the texture) and nothing changes. */
#ifndef HPCDVC_CURVATURE_H
#define HPCDVC_CURVATURE_H

#include "motion.h"
#include "noise.h"

#define TERMS 10

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
INLINE void curvature_residual(const job *k, int partial, double B[3 * TERMS])
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
                vf r = load(w->a + at + x) - (float)k->gain * load(w->b + at + x) - (float)k->shift;
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

/* Rough F by a diagonal matrix: gradients taken as alike all over the window. Saves the matrix where F is small. */
static double rough_ratio(const job *k, const double B[3 * TERMS], double noise)
{
    double sum = 0;
    int count = 0;
    for (int i = k->w.n[0] > 1 ? 0 : 1; i < 3; i++)
        for (int q = 4; q < TERMS; q++) {
            if (k->w.n[0] == 1 && exponents[q][0]) continue;
            const double square = q < 7 ? 4.0 / 45 : 1.0 / 9, mean = q < 7 ? B[TERMS * i + 3] / 3 : 0;
            const double b = B[TERMS * i + q] - mean;
            sum += b * b / (square * k->r.M[13 * (4 * i + 3)]), count++;
        }
    return sum / count / noise;
}

/* Correct Phi for the curvature of the field inside the window; delta is the last affine step, taken already. */
static void correct_curvature(job *k, int partial, const double delta[12], double variance[12])
{
    const int flat = k->w.n[0] == 1, free_terms = flat ? 6 : 18;
    const double noise = 2 * noise_variance(k);
    double B[3 * TERMS], N[3 * TERMS][3 * TERMS], matrix[900], y[30], solution[30];
    int which[30], n = 0;
    if (!(noise > 0) || k->r.n < 3 * TERMS + 10) return;
    if (partial) curvature_residual(k, 1, B);
    else curvature_residual(k, 0, B);
    if (!partial && rough_ratio(k, B, noise) < 0.8 * k->s->curvature_threshold) return;
    if (partial) curvature_matrix(k, 1, N);
    else curvature_matrix(k, 0, N);
    for (int m = flat ? TERMS : 0; m < 3 * TERMS; m++)
        if (!flat || !exponents[m % TERMS][0]) which[n++] = m;
    double scale[30];
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) matrix[i * n + j] = N[which[i]][which[j]];
    if (cholesky(matrix, n, scale)) return;
    for (int i = 0; i < n; i++) y[i] = B[which[i]];
    cholesky_solve(matrix, n, scale, y, solution);
    double explained = 0, affine = 0;
    for (int i = 0; i < n; i++) explained += solution[i] * B[which[i]];
    const double unit[4] = {flat ? 1 : k->s->half[0], k->s->half[1], k->s->half[2], 1};
    double full[12] = {0}, A[12];
    for (int i = 0; i < n; i++)
        if (which[i] % TERMS < 4) full[4 * (which[i] / TERMS) + which[i] % TERMS] = solution[i] / unit[which[i] % TERMS];
    for (int m = 0; m < 12; m++) A[m] = B[TERMS * (m / 4) + m % 4] * unit[m % 4], affine += A[m] * delta[m] / k->step_used;
    explained -= affine; /* what the quadratic terms add */
    const double rest = fmax(k->squares - affine - explained, 0); /* rounding may leave less than nothing */
    const double left = 2 * rest / (k->r.n - n - 2) / (1 + interpolated_noise(k));
    const double ratio = left > 0 ? explained / free_terms / left : INFINITY;
    if (!(ratio > k->s->curvature_threshold)) return;
    const double part = 1 - k->s->curvature_threshold / ratio;
    double correction[12], size = 0;
    for (int m = 0; m < 12; m++) correction[m] = part * (k->step_used * full[m] - delta[m]);
    for (int i = 0; i < 3; i++) size += correction[4 * i + 3] * correction[4 * i + 3];
    if (size > 0.25) return; /* no small correction: leave the affine optimum */
    double before[12];
    memcpy(before, k->Phi, sizeof before);
    if (compose(k, correction) != NOT_EVALUATED) memcpy(k->Phi, before, sizeof before);
    const double scatter = left * k->step_gain * k->step_gain * k->noise_excess;
    for (int i = 0; i < n; i++) {
        const int q = which[i] % TERMS, m = 4 * (which[i] / TERMS) + q;
        if (q > 3) continue;
        double unit_vector[30] = {0};
        unit_vector[i] = 1 / unit[q];
        double of_full = scatter * cholesky_form(matrix, n, scale, unit_vector);
        double of_affine = variance[m] * left / noise;
        variance[m] = of_affine + part * part * (of_full > of_affine ? of_full - of_affine : 0);
    }
}

#endif
