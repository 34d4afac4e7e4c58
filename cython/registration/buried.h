/* Motions that a label shows no sign of, as the rotation of a sphere without texture: noise in the gradient would make one up.
 *
 * The normal matrix is compared with what noise alone would add to its diagonal. In the directions where that is much of it
 * nothing is changed from then on, so that the others come to rest, and the variance says that nothing is known. */
#ifndef HPCDVC_BURIED_H
#define HPCDVC_BURIED_H

#include "noise.h"

#define NEARLY_ALL 1.5     /* times what noise adds, below which a direction is buried in it */
#define OF_VOXELS 2e-4     /* of the mean squared gradient, in each component: twice what voxels make of the edge of a sphere */
#define LOOK_AFTER 3       /* iterations, whatever the steps are: turned at random they do not get smaller */
#define STIFF 1e6          /* times what noise adds */
#define SLIGHTLY 0.3       /* part of the largest change: what goes along with a rotation is not unknown like that */
#define ANY_ROTATION 3.3   /* variance of an entry of F where any rotation is possible, pi^2 / 3 */

/* Mean square of the gradient. */
static double gradient_square(const job *k)
{
    const double *M = k->ref.sums.M;
    return (M[39] + M[91] + M[143]) / k->ref.sums.n;
}

/* Variance of a component of the gradient by noise. */
static double noise_of_gradient(const job *k)
{
    return k->state.noise * (k->ref.smoothed ? k->s->smooth_gradient.noise : k->s->gradient.noise);
}

/* The same by noise and by the voxels of edges. */
static double gradient_noise(const job *k)
{
    return noise_of_gradient(k) + (k->ref.own ? OF_VOXELS * gradient_square(k) : 0);
}

/* Eigenvalues, on the diagonal, and eigenvectors, the columns of V, of a symmetric n x n matrix by Jacobi rotations. */
static void eigen(double *A, int n, double *V)
{
    for (int i = 0; i < n * n; i++) V[i] = i % (n + 1) == 0;
    for (int sweep = 0; sweep < 12; sweep++)
        for (int p = 0; p < n; p++)
            for (int q = p + 1; q < n; q++) {
                if (fabs(A[n * p + q]) < 1e-15 * sqrt(fabs(A[(n + 1) * p] * A[(n + 1) * q]))) continue;
                const double theta = (A[(n + 1) * q] - A[(n + 1) * p]) / (2 * A[n * p + q]);
                const double t = (theta < 0 ? -1 : 1) / (fabs(theta) + sqrt(theta * theta + 1)), c = 1 / sqrt(t * t + 1), s = t * c;
                for (int i = 0; i < n; i++) {
                    const double a = A[n * i + p], b = A[n * i + q], v = V[n * i + p], w = V[n * i + q];
                    A[n * i + p] = c * a - s * b, A[n * i + q] = s * a + c * b;
                    V[n * i + p] = c * v - s * w, V[n * i + q] = s * v + c * w;
                }
                for (int i = 0; i < n; i++) {
                    const double a = A[n * p + i], b = A[n * q + i];
                    A[n * p + i] = c * a - s * b, A[n * q + i] = s * a + c * b;
                }
            }
}

/* Sum of squared distances from the point along an axis. */
static double moment_along(const job *k, int axis)
{
    return k->ref.own ? k->ref.second_moment[axis] : k->s->half[axis] * (k->s->half[axis] + 1) / 3.0 * k->ref.sums.n;
}

/* What noise adds to the diagonal of the normal matrix of the unknowns. */
static void noise_on_diagonal(const job *k, double noise, double added[12])
{
    const hpcdvc_settings *s = k->s;
    const double moments[4] = {moment_along(k, 0), moment_along(k, 1), moment_along(k, 2), k->ref.sums.n};
    for (int c = 0; c < s->unknowns; c++) {
        added[c] = 0;
        for (int m = 0; m < 12; m++) added[c] += noise * s->basis[12 * m + c] * s->basis[12 * m + c] * moments[m % 4];
    }
}

/* The normal matrix beside what noise adds to its diagonal, root squared: eigenvalues on the diagonal of A, eigenvectors in V. */
static void beside_noise(const job *k, double A[144], double V[144], double root[12])
{
    const hpcdvc_settings *s = k->s;
    const int p = s->unknowns;
    double added[12];
    noise_on_diagonal(k, gradient_noise(k), added);
    for (int c = 0; c < p; c++) root[c] = sqrt(fmax(added[c], 1e-300));
    for (int c = 0; c < p; c++)
        for (int d = 0; d < p; d++) {
            double v = 0;
            for (int m = 0; m < 12; m++)
                for (int n = 0; n < 12; n++) v += s->basis[12 * m + c] * k->ref.sums.M[12 * m + n] * s->basis[12 * n + d];
            A[p * c + d] = v / (root[c] * root[d]);
        }
    eigen(A, p, V);
}

/* Find the directions that are buried, when looked at again only if they are fewer: the residual of a match that is still far
 * buries more. Returns 1 if others are than before. */
static int find_buried(job *k)
{
    const int p = k->s->unknowns, before = k->state.buried_count;
    double A[144], V[144], root[12] = {0};
    int count = 0;
    beside_noise(k, A, V, root);
    for (int e = 0; e < p; e++) count += A[(p + 1) * e] < NEARLY_ALL;
    if (k->state.looked_for_buried && count >= before) return 0;
    k->state.looked_for_buried = 1, k->state.buried_count = 0;
    memcpy(k->state.buried_root, root, sizeof root);
    for (int e = 0; e < p; e++) {
        if (!(A[(p + 1) * e] < NEARLY_ALL)) continue;
        for (int c = 0; c < p; c++) k->state.buried_along[k->state.buried_count][c] = V[p * c + e];
        k->state.buried_count++;
    }
    k->ref.stale |= count != before;
    return count != before;
}

/* The normal matrix of the unknowns, stiff along what is buried, factorised. Returns 1 if it is singular. */
static int factorise_unburied(job *k)
{
    const hpcdvc_settings *s = k->s;
    const int p = s->unknowns;
    if (!k->state.buried_count) return factorise(k->ref.sums.M, s, &k->ref.factor);
    double *A = k->ref.factor.L;
    for (int c = 0; c < p; c++)
        for (int d = 0; d < p; d++) {
            double v = 0;
            for (int m = 0; m < 12; m++)
                for (int n = 0; n < 12; n++) v += s->basis[12 * m + c] * k->ref.sums.M[12 * m + n] * s->basis[12 * n + d];
            for (int e = 0; e < k->state.buried_count; e++)
                v += STIFF * k->state.buried_along[e][c] * k->state.buried_along[e][d] * k->state.buried_root[c] * k->state.buried_root[d];
            A[p * c + d] = v;
        }
    return cholesky(A, p, k->ref.factor.scale);
}

/* Variances of Phi where noise is more of the gradient in some directions than in others. N, what noise adds, makes the normal
 * matrix H too large: the variance is that of (H - N)^-1 (H - N / 2) (H - N)^-1, see judge_gradient. `share`: of noise in the
 * whole gradient. Returns 1, and does nothing, if a direction is nearly all noise. */
static int weigh_window(const job *k, double share, double variance[12])
{
    const hpcdvc_settings *s = k->s;
    const int p = s->unknowns;
    const double scatter = scatter_of(k), part = scatter * (1 - share) * (1 - share) / (1 - 0.5 * share);
    double A[144], H[144], scale[12], added[12], result[12];
    noise_on_diagonal(k, noise_of_gradient(k), added);
    for (int m = 0; m < 12; m++)
        for (int c = 0; c < p; c++) {
            H[12 * m + c] = 0;
            for (int n = 0; n < 12; n++) H[12 * m + c] += k->ref.sums.M[12 * m + n] * s->basis[12 * n + c];
        }
    for (int c = 0; c < p; c++)
        for (int d = 0; d <= c; d++) {
            double v = 0;
            for (int m = 0; m < 12; m++) v += s->basis[12 * m + c] * H[12 * m + d];
            A[p * c + d] = v - (c == d ? added[c] : 0);
        }
    if (cholesky(A, p, scale)) return 1;
    for (int m = 0; m < 12; m++) {
        const double *along = s->basis + 12 * m, all = cholesky_form(A, p, scale, along);
        double b[12], y[12], noise = 0;
        memcpy(b, along, sizeof b);
        cholesky_solve(A, p, scale, b, y);
        for (int c = 0; c < p; c++) noise += added[c] * y[c] * y[c];
        if (noise > all / (NEARLY_ALL - 1)) return 1;
        result[m] = part * (all + 0.5 * noise) + scatter * k->state.shading[m];
    }
    memcpy(variance, result, sizeof result);
    return 0;
}

/* Variances of Phi, whose step gain is that of the whole gradient: that of an edge is nearly free of noise, but says nothing of
 * a rotation about its normal, which rests on the texture alone; that of fibres says little along them. Each direction gets the
 * gain and the noise of its own. */
static void weigh_directions(const job *k, double variance[12])
{
    const int p = k->s->unknowns;
    const double noise = noise_of_gradient(k), share = noise * (k->is_3d ? 3 : 2) / gradient_square(k), scatter = scatter_of(k);
    if (k->state.buried || !(share > 0 && share < 0.5)) return;
    if (!k->ref.own && !weigh_window(k, share, variance)) return;
    double A[144], V[144], root[12] = {0};
    beside_noise(k, A, V, root);
    for (int e = 0; e < p; e++) {
        const double over = A[(p + 1) * e], own = noise / gradient_noise(k) / fmax(over, NEARLY_ALL);
        if (!(over >= NEARLY_ALL) && k->ref.own) continue; /* it is forgotten */
        const double gain = (1 - share) / (1 - own), factor = gain * gain * (1 - 0.5 * own) / (1 - 0.5 * share);
        for (int m = 0; m < 12; m++) {
            double along = 0;
            for (int c = 0; c < p; c++) along += k->s->basis[12 * m + c] * V[p * c + e] / root[c];
            variance[m] += scatter * (factor - 1) * along * along / over;
        }
    }
}

/* Variances of Phi: nothing is known of what is buried. */
static void forget_buried(const job *k, double variance[12])
{
    const double *moment = k->ref.second_moment, radius = (moment[0] + moment[1] + moment[2]) / k->ref.sums.n;
    for (int e = 0; e < k->state.buried_count; e++) {
        double along[12] = {0}, largest = 0;
        for (int m = 0; m < 12; m++) {
            for (int c = 0; c < k->s->unknowns; c++)
                along[m] += k->s->basis[12 * m + c] * k->state.buried_along[e][c] / k->state.buried_root[c];
            along[m] *= m % 4 < 3 ? sqrt(radius) : 1; /* all are voxels */
            largest = fmax(largest, fabs(along[m]));
        }
        for (int m = 0; m < 12; m++)
            if (fabs(along[m]) > SLIGHTLY * largest)
                variance[m] += (m % 4 < 3 ? ANY_ROTATION : radius) * along[m] * along[m] / (largest * largest);
    }
}

#endif
