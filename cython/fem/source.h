/* The part of im2 that tetrahedra need, and its grey values and slopes along rows of displaced voxels. */
#ifndef HPCDVC_SOURCE_H
#define HPCDVC_SOURCE_H

#include "brick.h"
#include "spline.h"

#define EDGE 1e-6            /* voxels outside that still count as inside */
#define LARGEST_BOX (1 << 20) /* voxels of im2 that are read at a time */

/* Spline coefficients of a part of im2, in voxels from the corner of the brick. */
typedef struct {
    int64_t lo[3], hi[3];  /* the sources that they are for */
    box raw, step, coefficients, valid, scratch;
    int has_invalid;
} source;

static void source_end(source *s)
{
    box *all[] = {&s->raw, &s->step, &s->coefficients, &s->valid, &s->scratch};
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) free(all[i]->v);
}

INLINE void source_at(const tetrahedron *t, int z, int y, int x, double p[3])
{
    for (int i = 0; i < 3; i++) {
        const double *s = t->source[i];
        p[i] = s[0] * z + s[1] * y + s[2] * x + s[3];
    }
}

/* Voxels of im2 that the sources of the range lie between, their taps included. Returns 0 if none lies in im2; `leaves`
 * tells whether some do not. */
static int sources_of(const brick *b, const tetrahedron *t, int64_t lo[3], int64_t hi[3], int *leaves)
{
    const int half = b->m->interpolation.taps / 2;
    double first[3];
    source_at(t, t->in.lo[0], t->in.lo[1], t->in.lo[2], first);
    *leaves = 0;
    for (int i = 0; i < 3; i++) {
        const double start = (double)-b->corner[i], end = start + (double)b->m->im2->shape[i] - 1;
        double low = first[i], high = low;
        for (int j = 0; j < 3; j++) {
            const double d = t->source[i][j] * (t->in.hi[j] - 1 - t->in.lo[j]);
            low += d < 0 ? d : 0, high += d > 0 ? d : 0;
        }
        if (high < start - EDGE || low > end + EDGE) return 0;
        if (low < start || high > end) *leaves = 1;
        low = fmin(fmax(low, start), end), high = fmin(fmax(high, start), end);
        lo[i] = (int64_t)floor(low) - half, hi[i] = (int64_t)floor(high) + half + 2; /* one spare each: rounding */
    }
    return 1;
}

/* Voxels that are read for sources in [lo, hi). */
static double voxels_for(const brick *b, const int64_t lo[3], const int64_t hi[3])
{
    double voxels = 1;
    for (int i = 0; i < 3; i++) voxels *= (double)(hi[i] - lo[i] + 2 * b->m->interpolation.prefilter.radius);
    return voxels;
}

/* Grey values to coefficients along all axes, by taps: what becomes of a voxel does not depend on the box about it. */
static int prefilter_all(source *s, const hpcdvc_taps *taps, int margin)
{
    const int R = taps->radius;
    int n[3] = {s->raw.n[0] - 2 * margin, s->raw.n[1] - 2 * margin, s->raw.n[2] - 2 * (R + margin)};
    if (box_shape(&s->step, n)) return 1;
    filter(row_of(&s->raw, margin, margin) + R + margin, s->raw.sz, s->raw.sy, 1, taps, 0, s->step.v, s->step.sz, s->step.sy, n);
    n[1] -= 2 * R;
    if (box_shape(&s->raw, n)) return 1;
    filter(row_of(&s->step, 0, R), s->step.sz, s->step.sy, s->step.sy, taps, 0, s->raw.v, s->raw.sz, s->raw.sy, n);
    n[0] -= 2 * R;
    if (box_shape(&s->coefficients, n)) return 1;
    filter(row_of(&s->raw, R, 0), s->raw.sz, s->raw.sy, s->raw.sz, taps, 0, s->coefficients.v, s->coefficients.sz,
           s->coefficients.sy, n);
    return 0;
}

/* Make the coefficients for sources in [lo, hi). Returns 1 when memory ran out. */
static int read_source(const brick *b, source *s)
{
    const hpcdvc_volume *im = b->m->im2;
    const hpcdvc_taps *taps = &b->m->interpolation.prefilter;
    const int R = taps->radius, margin = margin_of(im);
    box *into = R > 0 ? &s->raw : &s->coefficients;
    int n[3];
    int64_t origin[3];
    for (int i = 0; i < 3; i++) {
        const int pad = R + margin;
        n[i] = (int)(s->hi[i] - s->lo[i]) + 2 * pad, origin[i] = b->corner[i] + s->lo[i] - pad;
    }
    const int64_t invalid = read_grey(im, origin, n, b->offset2, into, &s->valid, &s->scratch);
    if (invalid < 0 || (R > 0 && prefilter_all(s, taps, margin))) return 1;
    s->has_invalid = invalid > 0;
    for (int i = 0; i < 3; i++) {
        s->coefficients.origin[i] = s->lo[i] - (R == 0 ? margin : 0); /* from the corner of the brick */
        s->valid.origin[i] = origin[i] - b->corner[i];
    }
    return 0;
}

/* Grey values and, unless NULL, slopes of im2 at the sources of columns [from, to) of a row. As sample_row of spline.h,
 * but a source is rounded the same whatever box it lies in. */
INLINE void sample_sources(const source *s, const double start[3], const double slope[3], int from, int to, int kind,
                           float *out, float *const slopes[3])
{
    const box *c = &s->coefficients;
    const int64_t first = 1 - TAPS(kind) / 2;
    const vf lane = lanes();
    for (int x = from; x < to;) {
        double part[3];
        int64_t i[3];
        int n = to - x;
        for (int k = 0; k < 3; k++) {
            const double p = start[k] + x * slope[k], f = floor(p);
            i[k] = (int64_t)f - c->origin[k] + first, part[k] = p - f;
            n = run_length(part[k], k == 2 ? slope[2] - 1 : slope[k], n);
        }
        const float *base = c->v + i[0] * c->sz + i[1] * c->sy + i[2];
        vf t[3];
        for (int k = 0; k < 3; k++) t[k] = (float)part[k] + (float)(slope[k] - (k == 2)) * lane;
        for (int v = 0; v < n; v += VL) {
            store(out + x + v, interpolate(base + v, c->sz, c->sy, kind, TAPS(kind), 1, t[0], t[1], t[2]));
            if (slopes) {
                vf d[3];
                slopes_at(base + v, c->sz, c->sy, kind, t, d);
                for (int k = 0; k < 3; k++) store(slopes[k] + x + v, d[k]);
            }
            for (int k = 0; k < 3; k++) t[k] += splat((float)((slope[k] - (k == 2)) * VL));
        }
        x += n;
    }
}

/* 0 in `ok` where the cell of im2 that a source falls in has a voxel that does not count. */
static void drop_invalid_sources(const source *s, const double start[3], const double slope[3], int from, int to,
                                 float *ok)
{
    const box *v = &s->valid;
    for (int x = from; x < to; x++) {
        int c[3];
        for (int i = 0; i < 3; i++) c[i] = (int)((int64_t)floor(start[i] + x * slope[i]) - v->origin[i]);
        for (int z = 0; z < 2; z++)
            for (int y = 0; y < 2; y++) {
                const float *r = row_of(v, c[0] + z, c[1] + y) + c[2];
                if (r[0] == 0 || r[1] == 0) ok[x] = 0;
            }
    }
}

#endif
