/* Whether all parts of a window have moved alike: four parts along each axis, the displacement that each misses.
 *
 * By noise alone the parts miss as much as their residuals let expect (an F test). Where they miss more, what they miss is
 * part of the error: in the middle, where the point is; all over; and as the change of the result when one part is left out
 * (the jackknife by groups: Miller 1974, doi 10.1093/biomet/61.1.1). A jump in the middle cannot be seen in three parts: the
 * slope of the fit takes the means of the outer ones. */
#ifndef HPCDVC_PARTS_H
#define HPCDVC_PARTS_H

#include "chance.h"
#include "colour.h"
#include "curvature.h"
#include "rough_parts.h"

#define SURELY 4.0        /* standard deviations of F beyond 1 from which on parts differ */
#define INTERPOLATED_NOISE 1.6 /* F of noise that interpolation has made smooth is hardly ever larger */
#define OF_COLOUR 0.1    /* part of the colour of the residual: rings and blur give less, motions more */
#define ROUGHLY 0.8        /* part of F that the rough ratio may be short of it */
#define SUSPICIOUS 4.0    /* so many times that F: trilinear interpolation of a noisy image is hardly ever the cause */
#define BY_NOISE 3.0      /* the jackknife of noise is hardly ever so many times the variance */
#define INTERPOLATION 0.3 /* part of the squared residual that Keys' interpolation leaves where trilinear explains most */
#define WORTHLESS 0.35    /* voxels: larger standard deviations say that one motion does not describe the window */
/* Sums: products of the gradient zz yy xx zy zx yx, residual by gradient, squared residual; and with what gain and offset of
 * a part take: voxels, grey value, its square, gradient, gradient by grey value, residual, residual by grey value. The grey value
 * is the mean of both images: the noise in it is not that in the residual, their difference. */
#define QUANTITIES 21
#define WITHOUT_GAIN 10

typedef struct {
    int count;
    double sum[PARTS][QUANTITIES];
    double x[PARTS][4], xx[PARTS][4]; /* means of z, y, x, 1 and of their squares */
} window_parts;

static const int pair_of[3][3] = {{0, 3, 4}, {3, 1, 5}, {4, 5, 2}};

/* Adds plane z. `inside`: 1 where a column lies in a part, a padded row for each. */
INLINE void sum_plane_of_parts(const job *k, int z, int partial, int quantities, const float *inside, vf sum[ALONG * ALONG][QUANTITIES])
{
    const window *w = &k->w;
    const int is_3d = k->is_3d;
    const vf gain = splat((float)k->state.gain), shift = splat((float)k->state.shift);
    for (int part = 0; part < ALONG; part++)
        for (int x = 0; x < w->n[2]; x += VL) {
            vf s[QUANTITIES] = {{0}};
            for (int y = first_of_part(part, w->n[1]); y < first_of_part(part + 1, w->n[1]); y++) {
                const int64_t at = z * w->sz + y * w->sy + x;
                const vf one = load(w->a + at), two = gain * load(w->b + at) + shift, grey = 0.5f * (one + two);
                vf r = one - two, g[3] = {{0}}, ok = splat(1);
                for (int i = is_3d ? 0 : 1; i < 3; i++) g[i] = load(w->g[i] + at);
                if (partial) {
                    ok = load(w->ok + at);
                    r *= ok;
                    for (int i = 0; i < 3; i++) g[i] *= ok;
                }
                s[1] += g[1] * g[1], s[2] += g[2] * g[2], s[5] += g[1] * g[2];
                if (is_3d) s[0] += g[0] * g[0], s[3] += g[0] * g[1], s[4] += g[0] * g[2], s[6] += r * g[0];
                s[7] += r * g[1], s[8] += r * g[2], s[9] += r * r;
                if (quantities == WITHOUT_GAIN) continue;
                s[10] += ok, s[11] += ok * grey, s[12] += ok * grey * grey, s[19] += r, s[20] += r * grey;
                for (int i = 0; i < 3; i++) s[13 + i] += g[i], s[16 + i] += g[i] * grey;
            }
            const int last = x + VL < w->n[2] ? x + VL - 1 : w->n[2] - 1;
            for (int column = ALONG * x / w->n[2]; column <= ALONG * last / w->n[2]; column++) {
                const vf in = load(inside + column * w->sy + x);
                for (int q = 0; q < quantities; q++) sum[ALONG * part + column][q] += in * s[q];
            }
        }
}

/* `ok_before` is free once the iterations have ended. */
static void sum_parts(const job *k, int partial, int quantities, window_parts *p)
{
    const window *w = &k->w;
    float *inside = w->ok_before;
    memset(p, 0, sizeof *p);
    p->count = k->is_3d ? PARTS : ALONG * ALONG;
    for (int column = 0; column < ALONG; column++)
        for (int x = 0; x < w->sy; x++) inside[column * w->sy + x] = x < w->n[2] && ALONG * x / w->n[2] == column;
    for (int z = 0; z < w->n[0]; z++) {
        vf sum[ALONG * ALONG][QUANTITIES] = {{{0}}};
        if (quantities > WITHOUT_GAIN) sum_plane_of_parts(k, z, partial, QUANTITIES, inside, sum);
        else if (partial) sum_plane_of_parts(k, z, 1, WITHOUT_GAIN, inside, sum);
        else sum_plane_of_parts(k, z, 0, WITHOUT_GAIN, inside, sum);
        for (int i = 0; i < ALONG * ALONG; i++)
            for (int q = 0; q < quantities; q++) p->sum[ALONG * ALONG * (ALONG * z / w->n[0]) + i][q] += total(sum[i][q]);
    }
}

/* Each part gets a gain and an offset of its own: what they take is shading, no motion. */
static void free_of_shading(window_parts *p)
{
    for (int b = 0; b < p->count; b++) {
        double *s = p->sum[b];
        const double det = s[10] * s[12] - s[11] * s[11];
        if (!(det > 1e-6 * s[10] * s[12])) continue;
        const double gain = (s[10] * s[20] - s[11] * s[19]) / det, offset = (s[12] * s[19] - s[11] * s[20]) / det;
        double of_g[3][2];
        for (int i = 0; i < 3; i++)
            of_g[i][0] = (s[12] * s[13 + i] - s[11] * s[16 + i]) / det, of_g[i][1] = (s[10] * s[16 + i] - s[11] * s[13 + i]) / det;
        for (int i = 0; i < 3; i++) {
            for (int j = 0; j <= i; j++) s[pair_of[i][j]] -= of_g[i][0] * s[13 + j] + of_g[i][1] * s[16 + j];
            s[6 + i] -= offset * s[13 + i] + gain * s[16 + i];
        }
        s[9] -= offset * s[19] + gain * s[20];
    }
}

/* Where the parts are, and what curvature explains of them. */
static void place_parts(const job *k, window_parts *p)
{
    for (int b = 0; b < p->count; b++) {
        const int part[3] = {b / (ALONG * ALONG), b / ALONG % ALONG, b % ALONG};
        p->x[b][3] = p->xx[b][3] = 1;
        for (int i = k->is_3d ? 0 : 1; i < 3; i++) {
            const int from = first_of_part(part[i], k->w.n[i]), to = first_of_part(part[i] + 1, k->w.n[i]);
            const double middle = k->w.first[i] + 0.5 * (from + to - 1);
            p->x[b][i] = middle, p->xx[b][i] = middle * middle + ((to - from) * (double)(to - from) - 1) / 12;
        }
        double explained[3] = {0};
        for (int i = 0; i < 3; i++)
            for (int q = 0; q < TERMS; q++) {
                const int *e = exponents[q];
                if (!k->is_3d && e[0]) continue;
                double mean = 1;
                for (int j = 0; j < 3; j++)
                    if (e[j]) mean *= (e[j] == 1 ? p->x[b][j] : p->xx[b][j] / k->s->half[j]) / k->s->half[j];
                explained[i] += k->state.curvature[TERMS * i + q] * mean;
            }
        double *s = p->sum[b], before[3] = {s[6], s[7], s[8]};
        for (int i = 0; i < 3; i++) {
            for (int j = 0; j < 3; j++) s[6 + i] -= s[pair_of[i][j]] * explained[j];
            s[9] -= explained[i] * (before[i] + s[6 + i]);
        }
    }
}

/* What each part misses (voxels) and its variance for a residual of unit variance. Returns the share of the squared residual. */
static double misses(const job *k, const window_parts *p, double missing[PARTS][3], double variance[PARTS][3])
{
    const int first = k->is_3d ? 0 : 1, d = 3 - first;
    double mean = 0, explained = 0, squares = 0;
    for (int b = 0; b < p->count; b++)
        for (int i = first; i < 3; i++) mean += p->sum[b][i] / p->count / d;
    for (int b = 0; b < p->count; b++) {
        double G[9], scale[3], y[3], m[3];
        for (int i = 0; i < d; i++) {
            for (int j = 0; j < d; j++) G[d * i + j] = p->sum[b][pair_of[first + i][first + j]] + (i == j) * 1e-3 * mean;
            y[i] = p->sum[b][6 + first + i];
        }
        for (int i = 0; i < 3; i++) missing[b][i] = variance[b][i] = 0;
        squares += p->sum[b][9];
        if (cholesky(G, d, scale)) continue;
        cholesky_solve(G, d, scale, y, m);
        for (int i = 0; i < d; i++) {
            double v[3] = {0};
            v[i] = 1;
            missing[b][first + i] = m[i], variance[b][first + i] = cholesky_form(G, d, scale, v);
            explained += m[i] * p->sum[b][6 + first + i];
        }
    }
    return squares > 0 ? fmin(fmax(explained / squares, 0), 1) : 0;
}

INLINE int is_inner(const job *k, int b)
{
    for (int i = 0; i < (k->is_3d ? 3 : 2); i++, b /= ALONG)
        if (b % ALONG != ALONG / 2 && b % ALONG != ALONG / 2 - 1) return 0;
    return 1;
}

/* x where T x = b, by Cramer's rule; where T is singular x is as large as that of a pivot of a thousandth. */
static void solve_3(const double T[9], const double b[3], double x[3])
{
    double c[9], det = 0;
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            const int p = (i + 1) % 3, q = (i + 2) % 3, r = (j + 1) % 3, s = (j + 2) % 3;
            c[3 * i + j] = T[3 * p + r] * T[3 * q + s] - T[3 * p + s] * T[3 * q + r];
        }
    for (int j = 0; j < 3; j++) det += T[j] * c[j];
    for (int i = 0; i < 3; i++) {
        x[i] = 0;
        for (int j = 0; j < 3; j++) x[i] += c[3 * j + i] * b[j] / fmax(det, 1e-3);
    }
}

/* Variances of Phi from how it changes when a part is left out, its texture alike all over and its voxels in one place. With the
 * inverse C of the normal matrix and a part of matrix x G x^T and right-hand side x h: change = -C x (1 - G x^T C x)^-1 h (Woodbury). */
static void jackknife(const job *k, const window_parts *p, double variance[12])
{
    double C[12][12], all[12] = {0}, whole[12] = {0};
    memset(variance, 0, 12 * sizeof *variance);
    for (int m = 0; m < 12; m++) {
        double e[12] = {0};
        e[m] = 1;
        solve(&k->ref.factor, k->s, e, C[m]);
    }
    for (int b = 0; b < p->count; b++)
        for (int m = 0; m < 12; m++) all[m] += p->sum[b][6 + m / 4] * p->x[b][m % 4];
    for (int m = 0; m < 12; m++)
        for (int n = 0; n < 12; n++) whole[m] += C[m][n] * all[n];
    for (int b = 0; b < p->count; b++) {
        const double *x = p->x[b], *s = p->sum[b];
        double W[3][3] = {{0}}, T[9], h[3], v[3];
        for (int m = 0; m < 12; m++)
            for (int n = 0; n < 12; n++) W[m / 4][n / 4] += x[m % 4] * x[n % 4] * C[m][n];
        for (int i = 0; i < 3; i++) {
            h[i] = s[6 + i];
            for (int j = 0; j < 3; j++) {
                T[3 * i + j] = i == j;
                for (int q = 0; q < 3; q++) T[3 * i + j] -= s[pair_of[i][q]] * W[q][j];
                for (int q = 0; q < 4; q++) h[i] -= s[pair_of[i][j]] * x[q] * whole[4 * j + q];
            }
        }
        solve_3(T, h, v);
        for (int m = 0; m < 12; m++) {
            double change = 0;
            for (int n = 0; n < 12; n++) change += C[m][n] * x[n % 4] * v[n / 4];
            variance[m] += k->state.step_gain * k->state.step_gain * change * change * (p->count - 1) / p->count;
        }
    }
}

/* F of noise is hardly ever more. */
static double hardly_more(double among, double within) { return fmax(1 + SURELY * sqrt(2 / among + 2 / within), INTERPOLATED_NOISE); }

/* What the parts miss of the squared residual, per degree of freedom, beside the rest: 1 by noise; in units of what is hardly
 * ever more. */
static double ratio_of_parts(const job *k, int with_gain, window_parts *p, double missing[PARTS][3], double variance[PARTS][3])
{
    if (with_gain) free_of_shading(p);
    place_parts(k, p);
    const double share = misses(k, p, missing, variance), d = k->is_3d ? 3 : 2, among = fmax(k->ref.parts * d - k->s->unknowns, 1);
    const double within = k->ref.sums.n - k->ref.parts * (d + 2 * with_gain) - 2;
    if (!(within > among)) return 0;
    return share / among / fmax((1 - share) / within, 1e-12) / hardly_more(among, within);
}

/* Whether trilinear interpolation explains most of the residual: in Keys' interpolation there is less of it. */
static int is_interpolation_error(const job *k)
{
    return k->target.spline->taps == 2 && 2 * k->state.noise * k->ref.sums.n < INTERPOLATION * k->state.squares;
}

/* Adds to the variances of Phi what its parts show. Returns a status. */
static int compare_parts(job *k, int partial, double variance[12])
{
    const double known = k->state.squares, zncc = k->state.zncc;
    window_parts p;
    double missing[PARTS][3], unit_variance[PARTS][3], by_part[12], squares = known;
    for (int i = k->is_3d ? 0 : 1; i < 3; i++)
        if (k->w.n[i] < ALONG) return CONVERGED;
    const double suspicious = k->target.spline->taps == 2 ? SUSPICIOUS : 1, among = (k->is_3d ? 3 : 2) * k->ref.parts;
    if (rough_ratio_of_parts(k, partial) < ROUGHLY * suspicious * hardly_more(among, k->ref.sums.n)) return CONVERGED;
    sum_parts(k, partial, WITHOUT_GAIN, &p);
    if (ratio_of_parts(k, 0, &p, missing, unit_variance) < suspicious) return CONVERGED;
    if (k->target.spline->taps == 2) {
        if (is_interpolation_error(k)) return CONVERGED;
        const int failed = sample_for_curvature(k, &partial);
        squares = k->state.squares;
        k->state.squares = known, k->state.zncc = zncc;
        if (failed) return k->state.no_memory ? NO_MEMORY : CONVERGED;
    }
    sum_parts(k, partial, QUANTITIES, &p);
    const double ratio = ratio_of_parts(k, 1, &p, missing, unit_variance);
    if (ratio < 1) return CONVERGED;
    take_residual_of(k, partial, k->w.a, NULL);
    if (ratio < OF_COLOUR * colour(k, k->w.g)) return CONVERGED;
    jackknife(k, &p, by_part);
    const double sure = fmin(2 * (ratio - 1), 1);
    const double residual = squares / (k->ref.sums.n - k->s->unknowns - 2), step = k->state.step_gain * k->state.step_gain;
    const double inner = k->is_3d ? 8 : 4;
    double largest = 0;
    for (int i = k->is_3d ? 0 : 1; i < 3; i++) {
        double all = 0, middle = 0, mean = 0; /* weighted by the texture */
        for (int b = 0; b < p.count; b++) mean += p.sum[b][i] / p.count;
        for (int b = 0; b < p.count; b++) {
            const double weight = p.sum[b][i] / mean, square = missing[b][i] * missing[b][i], noise = residual * unit_variance[b][i];
            all += weight * (square - noise) / p.count;
            if (is_inner(k, b)) middle += weight * (square - noise) / inner;
        }
        all = sure * step * fmax(all, 0), middle = sure * step * fmax(middle, 0);
        for (int j = 0; j < 4; j++) {
            double *v = variance + 4 * i + j;
            *v += sure * fmax(by_part[4 * i + j] - BY_NOISE * *v, 0);
            if (j == 3) *v += all + middle;
            else if (k->s->half[j]) *v += 3 * all / (k->s->half[j] * k->s->half[j]); /* of a slope over the window */
        }
        largest = fmax(largest, variance[4 * i + 3]);
    }
    return largest > WORTHLESS * WORTHLESS ? TWO_MOTIONS : CONVERGED;
}

#endif
