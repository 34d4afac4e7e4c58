/* Motions that a label shows no sign of, as the rotation of a sphere without texture: noise in the gradient would make one up.
 *
 * What noise alone adds to the diagonal of the normal matrix is compared with what is there. Where that is most of it steps are
 * damped, so that the other unknowns come to rest, and the variance says that nothing is known. */
#ifndef HPCDVC_BURIED_H
#define HPCDVC_BURIED_H

#include "noise.h"

#define NEARLY_ALL 0.4      /* part of the diagonal that is noise, from which an unknown is buried in it */
#define DAMPING 10.0        /* times what noise adds */
#define ANY_ROTATION 3.3    /* variance of an entry of F where any rotation is possible, pi^2 / 3 */

/* Sum over the voxels that count of the squared coordinate that goes with an entry of Phi. */
INLINE double moment_of(const job *k, int entry) { return entry % 4 < 3 ? k->ref.second_moment[entry % 4] : k->ref.sums.n; }

/* Part of the diagonal of an unknown that noise of the gradient makes up; `variance` of a component of that. */
static double part_of_noise(const job *k, int unknown, double variance)
{
    const hpcdvc_settings *s = k->s;
    double by_noise = 0, all = 0;
    for (int m = 0; m < 12; m++) {
        const double b = s->basis[12 * m + unknown];
        if (b == 0) continue;
        by_noise += b * b * variance * moment_of(k, m);
        for (int n = 0; n < 12; n++) all += b * k->ref.sums.M[12 * m + n] * s->basis[12 * n + unknown];
    }
    return all > 0 ? fmin(by_noise / all, 0.99) : 0.99;
}

static double gradient_noise(const job *k)
{
    return k->state.noise * (k->ref.smoothed ? k->s->smooth_gradient.noise : k->s->gradient.noise);
}

/* Damp steps from now on, if an unknown is buried. Returns 1 if so. */
static int find_buried(job *k)
{
    const double variance = gradient_noise(k);
    int buried = 0;
    for (int c = 0; c < k->s->unknowns; c++) buried |= part_of_noise(k, c, variance) > NEARLY_ALL;
    k->state.damping = buried ? DAMPING * variance : 0;
    if (buried) k->ref.stale = 1;
    return buried;
}

/* Factorise the normal matrix, damped or not. Returns 1 if it is singular. */
static int factorise_damped(job *k, double damping)
{
    double M[144];
    memcpy(M, k->ref.sums.M, sizeof M);
    for (int m = 0; m < 12 && damping > 0; m++) M[13 * m] += damping * moment_of(k, m);
    return factorise(M, k->s, &k->ref.factor);
}

/* Variances of Phi: nothing is known of what is buried. */
static void forget_buried(job *k, double variance[12])
{
    const double noise = gradient_noise(k), *moment = k->ref.second_moment;
    for (int c = 0; c < k->s->unknowns; c++) {
        if (!(part_of_noise(k, c, noise) > NEARLY_ALL)) continue;
        for (int m = 0; m < 12; m++)
            if (k->s->basis[12 * m + c] != 0)
                variance[m] = fmax(variance[m], m % 4 < 3 ? ANY_ROTATION : (moment[0] + moment[1] + moment[2]) / k->ref.sums.n);
    }
}

#endif
