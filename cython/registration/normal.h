/* Sums over a window and the normal equations of the twelve entries of the change of Phi.
 *
 * Unknown m = 4 i + j: i = direction of the gradient (z, y, x), j = (x_z, x_y, x_x, 1). Row and plane sums are
 * float32, planes add up in float64. */
#ifndef HPCDVC_NORMAL_H
#define HPCDVC_NORMAL_H

#include "products.h"

typedef struct {
    double b, bb, ab, bg[12];
} match_sums;

static void sum_reference(const window *w, int partial, reference_sums *r)
{
    if (partial) sum_products(w, 1, r);
    else sum_products(w, 0, r);
}

/* The sums that hold the warped im2; b must be 0 where a voxel does not count. */
static void sum_match(const window *w, match_sums *s)
{
    memset(s, 0, sizeof *s);
    for (int z = 0; z < w->n[0]; z++) {
        vf b1 = {0}, bb = {0}, ab = {0}, s1[3] = {{0}}, sx[3] = {{0}}, sy[3] = {{0}};
        for (int y = 0; y < w->n[1]; y++) {
            const int64_t at = z * w->sz + y * w->sy;
            const vf yc = splat((float)(w->first[1] + y));
            int from, to;
            span_of(w, z, y, &from, &to);
            vf row[3] = {{0}}, xc = lanes() + (float)(w->first[2] + from);
            for (int x = from; x < to; x += VL, xc += splat(VL)) {
                vf b = load(w->b + at + x);
                b1 += b, bb += b * b, ab += load(w->a + at + x) * b;
                for (int i = 0; i < 3; i++) {
                    vf bg = b * load(w->g[i] + at + x);
                    row[i] += bg, sx[i] += bg * xc;
                }
            }
            for (int i = 0; i < 3; i++) s1[i] += row[i], sy[i] += yc * row[i];
        }
        s->b += total(b1), s->bb += total(bb), s->ab += total(ab);
        for (int i = 0; i < 3; i++) {
            double t = total(s1[i]);
            s->bg[4 * i] += (w->first[0] + z) * t, s->bg[4 * i + 1] += total(sy[i]);
            s->bg[4 * i + 2] += total(sx[i]), s->bg[4 * i + 3] += t;
        }
    }
}

/* Cholesky factor of a symmetric n x n matrix, in place, the diagonal scaled to 1. Returns 1 if singular. */
static inline int cholesky(double *A, int n, double *scale)
{
    for (int i = 0; i < n; i++) {
        if (!(A[(n + 1) * i] > 0) || !isfinite(A[(n + 1) * i])) return 1;
        scale[i] = 1 / sqrt(A[(n + 1) * i]);
    }
    for (int i = 0; i < n; i++)
        for (int j = 0; j <= i; j++) {
            double v = A[n * i + j] * scale[i] * scale[j];
            for (int k = 0; k < j; k++) v -= A[n * i + k] * A[n * j + k];
            if (i == j && v < 1e-6) return 1; /* float32 sums carry about 1e-7 */
            A[n * i + j] = i == j ? sqrt(v) : v / A[(n + 1) * j];
        }
    return 0;
}

static inline void forward(const double *L, int n, const double *b, double *y)
{
    for (int i = 0; i < n; i++) {
        y[i] = b[i];
        for (int k = 0; k < i; k++) y[i] -= L[n * i + k] * y[k];
        y[i] /= L[(n + 1) * i];
    }
}

/* x = A^-1 b; b is used up. */
static inline void cholesky_solve(const double *L, int n, const double *scale, double *b, double *x)
{
    for (int i = 0; i < n; i++) b[i] *= scale[i];
    forward(L, n, b, x);
    for (int i = n - 1; i >= 0; i--) {
        for (int k = i + 1; k < n; k++) x[i] -= L[n * k + i] * x[k];
        x[i] /= L[(n + 1) * i];
    }
    for (int i = 0; i < n; i++) x[i] *= scale[i];
}

/* v^T A^-1 v */
static inline double cholesky_form(const double *L, int n, const double *scale, const double *v)
{
    double b[3 * 10], y[3 * 10], sum = 0;
    for (int i = 0; i < n; i++) b[i] = v[i] * scale[i];
    forward(L, n, b, y);
    for (int i = 0; i < n; i++) sum += y[i] * y[i];
    return sum;
}

/* Normal matrix in the unknowns of the run, factorised. */
typedef struct {
    double L[144], scale[12];
} factor;

/* Returns 1 if the matrix is singular. */
static inline int factorise(const double M[144], const hpcdvc_settings *s, factor *f)
{
    const int p = s->unknowns;
    double MT[144];
    for (int i = 0; i < 12; i++)
        for (int j = 0; j < p; j++) {
            double v = 0;
            for (int k = 0; k < 12; k++) v += M[12 * i + k] * s->basis[12 * k + j];
            MT[12 * i + j] = v;
        }
    for (int i = 0; i < p; i++)
        for (int j = 0; j < p; j++) {
            double v = 0;
            for (int k = 0; k < 12; k++) v += s->basis[12 * k + i] * MT[12 * k + j];
            f->L[p * i + j] = v;
        }
    return cholesky(f->L, p, f->scale);
}

/* delta (12 entries) = basis (basis^T M basis)^-1 basis^T A */
static inline void solve(const factor *f, const hpcdvc_settings *s, const double A[12], double delta[12])
{
    double b[12] = {0}, x[12];
    for (int i = 0; i < s->unknowns; i++)
        for (int k = 0; k < 12; k++) b[i] += s->basis[12 * k + i] * A[k];
    cholesky_solve(f->L, s->unknowns, f->scale, b, x);
    for (int m = 0; m < 12; m++) {
        delta[m] = 0;
        for (int i = 0; i < s->unknowns; i++) delta[m] += s->basis[12 * m + i] * x[i];
    }
}

#endif
