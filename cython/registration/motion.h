/* Changes of Phi. */
#ifndef HPCDVC_MOTION_H
#define HPCDVC_MOTION_H

#include "job.h"

/* Nearest rotation to F by the polar iteration of Higham 1986 (doi 10.1137/0907079). Returns 1 if singular. */
static int make_rotation(double F[9])
{
    for (int it = 0; it < 30; it++) {
        double c[9], change = 0;
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 3; j++) {
                int a = (i + 1) % 3, b = (i + 2) % 3, d = (j + 1) % 3, e = (j + 2) % 3;
                c[3 * i + j] = F[3 * a + d] * F[3 * b + e] - F[3 * a + e] * F[3 * b + d];
            }
        double det = F[0] * c[0] + F[1] * c[1] + F[2] * c[2];
        if (!(fabs(det) > 1e-12)) return 1;
        for (int i = 0; i < 9; i++) {
            double next = 0.5 * (F[i] + c[i] / det);
            change += fabs(next - F[i]), F[i] = next;
        }
        if (change < 1e-15) break;
    }
    return 0;
}

static int rigid_part(double Phi[12])
{
    double F[9];
    for (int i = 0; i < 9; i++) F[i] = Phi[4 * (i / 3) + i % 3];
    if (make_rotation(F)) return 1;
    for (int i = 0; i < 9; i++) Phi[4 * (i / 3) + i % 3] = F[i];
    return 0;
}

/* Phi <- Phi (I + delta). Returns a status. */
static int compose(job *k, const double delta[12])
{
    double P[12];
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 4; j++) {
            P[4 * i + j] = k->state.Phi[4 * i + j];
            for (int q = 0; q < 3; q++) P[4 * i + j] += k->state.Phi[4 * i + q] * delta[4 * q + j];
        }
    memcpy(k->state.Phi, P, sizeof P);
    if (k->s->rigid && rigid_part(k->state.Phi)) return SINGULAR_PHI;
    double det = P[0] * (P[5] * P[10] - P[6] * P[9]) - P[1] * (P[4] * P[10] - P[6] * P[8])
                 + P[2] * (P[4] * P[9] - P[5] * P[8]);
    if (!isfinite(det) || !isfinite(P[3] + P[7] + P[11])) return SINGULAR_PHI;
    return det < k->s->least_volume_ratio || det > k->s->greatest_volume_ratio ? VOLUME_CHANGE : NOT_EVALUATED;
}

#endif
