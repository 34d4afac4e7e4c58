/* Sums over the voxels of tetrahedra of N_a times gradient times grey values of im1 and of the displaced im2. */
#ifndef HPCDVC_STEP_H
#define HPCDVC_STEP_H

#include "batch.h"
#include "source.h"

enum { PRODUCTS = 9 }; /* of a component of the gradient with im1, im2 and 1 */

/* Lanes in float64 are half as many: twice those of any others would be taken apart by the compiler. */
typedef double vd __attribute__((vector_size(4 * VL)));
typedef float half_of_vf __attribute__((vector_size(2 * VL)));

typedef struct {
    brick b;
    source s;
    tetrahedron t;
    int leaves;                      /* some voxels of the tetrahedron have sources outside im2 */
    batch v;
    double totals[4 * PRODUCTS];     /* of a shape function times a product */
    double f, g, ff, fg, gg;         /* of im1 and im2 */
    int64_t n;
    float ok[BRICK_X], slope[3][ROOM];
} step;

INLINE void halves(vf v, vd wide[2])
{
    const union {
        vf whole;
        half_of_vf half[2];
    } lanes_of = {v};
    for (int i = 0; i < 2; i++) wide[i] = __builtin_convertvector(lanes_of.half[i], vd);
}

INLINE double total_wide(vd v)
{
    double s = 0;
    for (int i = 0; i < VL / 2; i++) s += v[i];
    return s;
}

/* Add grey values and their products. */
static void add_grey(step *k, int end)
{
    vd f = {0}, g = {0}, ff = {0}, fg = {0}, gg = {0}, fw[2], gw[2];
    for (int at = 0; at < end; at += VL) {
        halves(load(k->v.f + at), fw), halves(load(k->v.g + at), gw);
        for (int i = 0; i < 2; i++)
            f += fw[i], g += gw[i], ff += fw[i] * fw[i], fg += fw[i] * gw[i], gg += gw[i] * gw[i];
    }
    k->f += total_wide(f), k->g += total_wide(g);
    k->ff += total_wide(ff), k->fg += total_wide(fg), k->gg += total_wide(gg);
}

/* Add the voxels of the batch, and empty it. */
static void add_products(step *k)
{
    vf sums[4 * PRODUCTS] = {{0}};
    const int end = fill_up(&k->v);
    for (int at = 0; at < end; at += VL) {
        const vf f = load(k->v.f + at), g = load(k->v.g + at);
        vf q[PRODUCTS], N[4];
        for (int i = 0; i < 3; i++) {
            const vf slope = load(k->v.slope[i] + at);
            q[i] = slope * f, q[3 + i] = slope * g, q[6 + i] = slope;
        }
        shape_of(&k->v, at, N);
        for (int a = 0; a < 4; a++)
            for (int i = 0; i < PRODUCTS; i++) sums[PRODUCTS * a + i] += N[a] * q[i];
    }
    add_grey(k, end);
    settle(sums, k->totals, 4 * PRODUCTS);
    k->v.count = 0;
}

/* Which columns of [from, to) count; those outside im2 are cut off. Returns how many. */
static int mark_row(step *k, int z, int y, const double start[3], const double slope[3], int *from, int *to)
{
    const brick *b = &k->b;
    int count = 0, first = *to, last = *from;
    for (int x = *from; x < *to; x++) {
        int in = 1;
        for (int i = 0; i < 3; i++) {
            const double p = start[i] + x * slope[i] + (double)b->corner[i];
            in &= p >= -EDGE && p <= (double)b->m->im2->shape[i] - 1 + EDGE;
        }
        if (in && x < first) first = x;
        if (in) last = x + 1;
        k->ok[x] = in && (!b->has_invalid || valid_at(b, z, y)[x] > 0) ? 1 : 0;
    }
    *from = first, *to = last < first ? first : last;
    if (k->s.has_invalid) drop_invalid_sources(&k->s, start, slope, *from, *to, k->ok);
    for (int x = *from; x < *to; x++) count += k->ok[x] > 0;
    return count;
}

INLINE void step_row(step *k, int z, int y, int from, int to, int kind, int both)
{
    const tetrahedron *t = &k->t;
    batch *v = &k->v;
    const double slope[3] = {t->source[0][2], t->source[1][2], t->source[2][2]};
    const int partial = k->leaves || k->b.has_invalid || k->s.has_invalid;
    double start[3];
    source_at(t, z, y, 0, start);
    const int count = partial ? mark_row(k, z, y, start, slope, &from, &to) : to - from, at = v->count - from;
    float *const slopes[3] = {k->slope[0] + at, k->slope[1] + at, k->slope[2] + at};
    if (count == 0) return;
    append_row(v, &k->b, t, z, y, from, to);
    sample_sources(&k->s, start, slope, from, to, kind, v->g + at, both ? slopes : NULL);
    const float gain = (float)k->b.m->gain;
    for (int i = 0; i < 3 && both; i++)
        for (int x = from; x < to; x++) v->slope[i][at + x] = 0.5f * (v->slope[i][at + x] + gain * slopes[i][x]);
    for (int x = from; x < to && partial; x++)
        if (k->ok[x] == 0) drop(v, at + x);
    v->count += to - from, k->n += count;
}

/* Add what was summed up to the sums of the element, with grey values as they are. */
static void finish_step(step *k, hpcdvc_step_sums *into)
{
    const double o1 = k->b.offset, o2 = k->b.offset2, n = (double)k->n, f = k->f, g = k->g;
    for (int r = 0; r < 12; r++) {
        const double *t = k->totals + PRODUCTS * (r / 3) + r % 3;
        into->F[r] += t[0] + o1 * t[6], into->G[r] += t[3] + o2 * t[6], into->H[r] += t[6];
    }
    into->n += n, into->f += f + n * o1, into->g += g + n * o2;
    into->ff += k->ff + o1 * (2 * f + n * o1);
    into->fg += k->fg + o2 * f + o1 * (g + n * o2);
    into->gg += k->gg + o2 * (2 * g + n * o2);
}

INLINE void step_rows(step *k, hpcdvc_step_sums *into, int kind, int both)
{
    const range *r = &k->t.in;
    int from, to;
    k->f = k->g = k->ff = k->fg = k->gg = 0, k->n = 0;
    memset(k->totals, 0, sizeof k->totals);
    for (int z = r->lo[0]; z < r->hi[0]; z++) {
        crossing c;
        cross(&k->t, z, &c);
        for (int y = r->lo[1]; y < r->hi[1]; y++)
            if (row_in(&k->t, &c, z, y, &from, &to)) {
                if (is_full(&k->v)) add_products(k);
                step_row(k, z, y, from, to, kind, both);
            }
    }
    add_products(k);
    finish_step(k, into);
}

static void step_of(step *k, hpcdvc_step_sums *into)
{
    switch (k->b.m->interpolation.taps + k->b.m->both) {
    case 2: step_rows(k, into, 2, 0); break;
    case 3: step_rows(k, into, 2, 1); break;
    case 4: step_rows(k, into, 4, 0); break;
    case 5: step_rows(k, into, 4, 1); break;
    case 6: step_rows(k, into, 6, 0); break;
    default: step_rows(k, into, 6, 1);
    }
}

/* A tetrahedron whose sources need too much of im2 at a time: its range in two. Returns 1 when memory ran out. */
static int step_in_parts(step *k, hpcdvc_step_sums *into)
{
    int64_t lo[3], hi[3];
    const range whole = k->t.in;
    int longest = 0, failed = 0;
    for (int i = 1; i < 3; i++)
        if (whole.hi[i] - whole.lo[i] > whole.hi[longest] - whole.lo[longest]) longest = i;
    const int middle = (whole.lo[longest] + whole.hi[longest]) / 2;
    for (int part = 0; part < 2 && !failed; part++) {
        k->t.in = whole;
        if (part) k->t.in.lo[longest] = middle;
        else k->t.in.hi[longest] = middle;
        if (is_empty(&k->t.in) || !sources_of(&k->b, &k->t, lo, hi, &k->leaves)) continue;
        if (whole.hi[longest] - whole.lo[longest] > 1 && voxels_for(&k->b, lo, hi) > LARGEST_BOX) {
            failed = step_in_parts(k, into);
            continue;
        }
        memcpy(k->s.lo, lo, sizeof lo), memcpy(k->s.hi, hi, sizeof hi);
        failed = read_source(&k->b, &k->s);
        if (!failed) step_of(k, into);
    }
    return failed;
}

/* Sum up `count` pieces of a brick whose sources lie in what is read for them. Returns 1 when memory ran out. */
static int step_together(step *k, const hpcdvc_piece *pieces, int64_t count, hpcdvc_step_sums *sums)
{
    int64_t lo[3], hi[3];
    if (count == 0) return 0;
    if (read_source(&k->b, &k->s)) return 1;
    for (int64_t i = 0; i < count; i++)
        if (prepare(&k->t, k->b.m, pieces[i].element, k->b.corner) && sources_of(&k->b, &k->t, lo, hi, &k->leaves))
            step_of(k, sums + pieces[i].element);
    return 0;
}

/* Sum up the pieces of a brick, as many at a time as need not too much of im2. Returns 1 when memory ran out. */
static int step_brick(step *k, const hpcdvc_piece *pieces, int64_t count, hpcdvc_step_sums *sums)
{
    int64_t first = 0, lo[3], hi[3], from[3], to[3];
    int any = 0, leaves;
    k->b.offset2 = near_mean(k->b.m->im2, k->b.corner);
    for (int64_t i = 0; i < count; i++) {
        if (!locate(&k->t, k->b.m, pieces[i].element, k->b.corner)) continue;
        if (!sources_of(&k->b, &k->t, from, to, &leaves)) continue;
        const int alone = voxels_for(&k->b, from, to) > LARGEST_BOX;
        for (int j = 0; j < 3; j++) {
            lo[j] = any && k->s.lo[j] < from[j] ? k->s.lo[j] : from[j];
            hi[j] = any && k->s.hi[j] > to[j] ? k->s.hi[j] : to[j];
        }
        if (alone || voxels_for(&k->b, lo, hi) > LARGEST_BOX) {
            if (any && step_together(k, pieces + first, i - first, sums)) return 1;
            first = i, any = 0;
            memcpy(lo, from, sizeof lo), memcpy(hi, to, sizeof hi);
        }
        if (alone) {
            const int ready = prepare(&k->t, k->b.m, pieces[i].element, k->b.corner);
            if (ready && step_in_parts(k, sums + pieces[i].element)) return 1;
            first = i + 1;
            continue;
        }
        memcpy(k->s.lo, lo, sizeof lo), memcpy(k->s.hi, hi, sizeof hi), any = 1;
    }
    return any && step_together(k, pieces + first, count - first, sums);
}

static int sum_step(const hpcdvc_mesh_images *m, hpcdvc_step_sums *sums)
{
    step *k;
    if (posix_memalign((void **)&k, 64, sizeof *k)) return 1;
    memset(k, 0, sizeof *k);
    k->b.m = m;
    int64_t count = 0;
    int failed = 0;
    for (int64_t first = 0; first < m->count && !failed; first += count) {
        count = next_brick(&k->b, m->pieces + first, m->count - first);
        failed = count < 0 || step_brick(k, m->pieces + first, count, sums);
    }
    brick_end(&k->b), source_end(&k->s);
    free(k);
    return failed;
}

#endif
