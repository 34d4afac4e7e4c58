/* The equations of one step: the warped image R as a sum of the template I, 1, and the gradient of the template times
 * (1, dy, dx), where dy and dx are in units of the half window. */
#ifndef HPCDVC_EQUATIONS_H
#define HPCDVC_EQUATIONS_H

#include "template.h"

typedef struct {
    int columns;                    /* I, 1, slope y (1, dy, dx), slope x (1, dy, dx) */
    double N[MOST_COLUMNS][MOST_COLUMNS], L[MOST_COLUMNS][MOST_COLUMNS];
} equations;

INLINE vf across(const template *t, int x) { return (lanes() + (float)(x - t->side / 2)) * (2.0f / (t->side - 1)); }
INLINE float along(const template *t, int y) { return (float)(y - t->side / 2) * (2.0f / (t->side - 1)); }

/* Products of the columns, of one pixel of the window in all frames: II, I, 1, Iy, Ix, y, x, yy, yx, xx. */
INLINE void multiply(const template *t, int y, int x, int partial, vf p[10])
{
    for (int i = 0; i < 10; i++) p[i] = splat(0);
    for (int k = 0; k < t->frames; k++) {
        const int64_t at = (y * t->frames + k) * t->stride + x;
        vf I = load(t->grey + at), gy = load(t->slope[0] + at), gx = load(t->slope[1] + at);
        const vf ok = partial ? load(t->ok + at) : splat(1);
        if (partial) I *= ok, gy *= ok, gx *= ok;
        p[0] += I * I, p[1] += I, p[2] += ok;
        p[3] += I * gy, p[4] += I * gx, p[5] += gy, p[6] += gx;
        p[7] += gy * gy, p[8] += gy * gx, p[9] += gx * gx;
    }
}

/* Sum up the matrix N. */
INLINE void sum_equations(const template *t, int affine, int partial, equations *e)
{
    vf first[7] = {{0}}, by_y[4] = {{0}}, by_x[4] = {{0}}, square[3][6] = {{{0}}};
    for (int y = 0; y < t->side; y++)
        for (int x = 0; x < t->side; x += VL) {
            const vf weight = load(t->weight + y * t->stride + x), dy = splat(along(t, y)), dx = across(t, x);
            const vf power[6] = {splat(1), dy, dx, dy * dy, dy * dx, dx * dx};
            vf p[10];
            multiply(t, y, x, partial, p);
            for (int i = 0; i < 10; i++) p[i] *= weight;
            for (int i = 0; i < 7; i++) first[i] += p[i];
            if (affine)
                for (int i = 0; i < 4; i++) by_y[i] += p[3 + i] * dy, by_x[i] += p[3 + i] * dx;
            for (int i = 0; i < 3; i++)
                for (int j = 0; j < (affine ? 6 : 1); j++) square[i][j] += p[7 + i] * power[j];
        }
    static const int product[3][3] = {{0, 1, 2}, {1, 3, 4}, {2, 4, 5}};
    const int terms = affine ? 3 : 1;
    e->columns = 2 + 2 * terms;
    e->N[0][0] = total(first[0]), e->N[0][1] = total(first[1]), e->N[1][1] = total(first[2]);
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < terms; j++)
            for (int of = 0; of < 2; of++) {
                const int from = 2 * of + i; /* of I, then of 1 */
                e->N[of][2 + terms * i + j] = total(j == 0 ? first[3 + from] : j == 1 ? by_y[from] : by_x[from]);
            }
    for (int i = 0; i < 2; i++)
        for (int k = i; k < 2; k++)
            for (int j = 0; j < terms; j++)
                for (int l = 0; l < terms; l++)
                    e->N[2 + terms * i + j][2 + terms * k + l] = total(square[i + k][product[j][l]]);
    for (int i = 0; i < e->columns; i++)
        for (int j = 0; j < i; j++) e->N[i][j] = e->N[j][i];
}

/* N = L L'. Returns 1 when a column is none of its own. */
static int factorise(equations *e)
{
    for (int i = 0; i < e->columns; i++)
        for (int j = 0; j <= i; j++) {
            double rest = e->N[i][j];
            for (int k = 0; k < j; k++) rest -= e->L[i][k] * e->L[j][k];
            if (i == j) {
                if (!(rest > 1e-6 * e->N[i][i])) return 1;
                e->L[i][i] = sqrt(rest);
            } else {
                e->L[i][j] = rest / e->L[j][j];
            }
        }
    return 0;
}

static void solve(const equations *e, const double *b, double *c)
{
    for (int i = 0; i < e->columns; i++) {
        c[i] = b[i];
        for (int k = 0; k < i; k++) c[i] -= e->L[i][k] * c[k];
        c[i] /= e->L[i][i];
    }
    for (int i = e->columns - 1; i >= 0; i--) {
        for (int k = i + 1; k < e->columns; k++) c[i] -= e->L[k][i] * c[k];
        c[i] /= e->L[i][i];
    }
}

#endif
