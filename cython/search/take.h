/* Windows of im1 and regions of im2 as the search wants them. */
#ifndef HPCDVC_SEARCH_TAKE_H
#define HPCDVC_SEARCH_TAKE_H

#include "grey.h"
#include "particle.h"
#include "search.h"
#include "texture.h"

#define FARTHEST 1e9 /* voxels: a start beyond is outside any image */
#define WIDEST 1e4   /* voxels: no window is made of more along an axis */

static int is_identity(const double Phi[12])
{
    for (int i = 0; i < 12; i++)
        if (i % 4 < 3 && Phi[i] != (i % 5 == 0)) return 0;
    return 1;
}

/* F^-1; not finite where there is none. */
static void invert(const double Phi[12], double inverse[9])
{
    double c[9];
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            const int a = (i + 1) % 3, b = (i + 2) % 3, d = (j + 1) % 3, e = (j + 2) % 3;
            c[3 * i + j] = Phi[4 * a + d] * Phi[4 * b + e] - Phi[4 * a + e] * Phi[4 * b + d];
        }
    const double det = Phi[0] * c[0] + Phi[1] * c[1] + Phi[2] * c[2];
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) inverse[3 * i + j] = c[3 * j + i] / det;
}

/* A box of im1 that holds all that a deformed window is made of. */
typedef struct {
    int64_t origin[3];
    int n[3];
    double inverse[9], centre[3]; /* source = centre + inverse (voxel - centre) */
} source_box;

/* Returns 1 where F is singular, or stretches beyond all bounds. */
static int find_source(const hpcdvc_search_point *p, const int64_t origin[3], const int n[3], source_box *box)
{
    source_box s;
    invert(p->Phi, s.inverse);
    memcpy(s.centre, p->position, sizeof s.centre);
    for (int i = 0; i < 3; i++) {
        double low = INFINITY, high = -INFINITY;
        for (int corner = 0; corner < 8; corner++) {
            double x = s.centre[i];
            for (int j = 0; j < 3; j++)
                x += s.inverse[3 * i + j] * (origin[j] + (corner >> j & 1) * (n[j] - 1) - s.centre[j]);
            low = fmin(low, x), high = fmax(high, x);
        }
        if (!(fabs(low) < FARTHEST && high - low < WIDEST)) return 1;
        s.origin[i] = (int64_t)floor(low), s.n[i] = (int)((int64_t)ceil(high) - s.origin[i]) + 1;
    }
    *box = s;
    return 0;
}

/* Grey value between voxels, linear along each axis; NaN where a voxel that is needed is outside or not finite. */
static double between_voxels(const hpcdvc_volume *im, const double x[3])
{
    int64_t low[3], step[3];
    double part[3], sum = 0;
    for (int i = 0; i < 3; i++) {
        const double base = floor(x[i]);
        if (!(base >= 0 && base < im->shape[i])) return NAN;
        low[i] = (int64_t)base, part[i] = x[i] - base, step[i] = part[i] > 0;
        if (low[i] + step[i] >= im->shape[i]) return NAN;
    }
    for (int corner = 0; corner < 8; corner++) {
        double weight = 1;
        int64_t at = 0;
        for (int i = 0; i < 3; i++) {
            const int up = corner >> i & 1;
            weight *= up ? part[i] : 1 - part[i];
            at = at * im->shape[i] + low[i] + (up ? step[i] : 0);
        }
        if (weight > 0) sum += weight * voxel_value(im, at);
    }
    return sum;
}

/* Read the window deformed by F. `masked` counts voxels that the mask, or the particle, leaves out. */
static int64_t read_deformed(const hpcdvc_volume *im1, const source_box *s, const uint8_t *particle, const int64_t origin[3],
                             const int n[3], const grey_range *range, float *a, float *ok, int64_t *masked,
                             int64_t *whole)
{
    int64_t count = 0, at = 0;
    for (int z = 0; z < n[0]; z++)
        for (int y = 0; y < n[1]; y++)
            for (int x = 0; x < n[2]; x++, at++) {
                const double r[3] = {origin[0] + z - s->centre[0], origin[1] + y - s->centre[1], origin[2] + x - s->centre[2]};
                double from[3];
                int64_t near[3];
                for (int i = 0; i < 3; i++) {
                    from[i] = s->centre[i] + s->inverse[3 * i] * r[0] + s->inverse[3 * i + 1] * r[1] + s->inverse[3 * i + 2] * r[2];
                    if (fabs(from[i] - rint(from[i])) < 1e-9) from[i] = rint(from[i]);
                    near[i] = (int64_t)rint(from[i]);
                }
                int own = 1, counts = 1;
                if (particle)
                    own = particle[((near[0] - s->origin[0]) * s->n[1] + near[1] - s->origin[1]) * s->n[2] + near[2] - s->origin[2]];
                *whole += own;
                for (int i = 0; i < 3; i++) counts &= near[i] >= 0 && near[i] < im1->shape[i];
                if (own && counts && im1->mask && !im1->mask[(near[0] * im1->shape[1] + near[1]) * im1->shape[2] + near[2]])
                    counts = 0, (*masked)++;
                const double v = own && counts ? between_voxels(im1, from) : NAN;
                ok[at] = isfinite(v) ? 1 : 0;
                a[at] = isfinite(v) ? (float)((v - range->offset) * range->scale) : 0;
                count += isfinite(v) != 0;
            }
    return count;
}

/* Voxels inside the image that the mask leaves out, of the particle or of the whole box. */
static int64_t count_masked(const hpcdvc_volume *im1, const uint8_t *particle, const int64_t origin[3], const int n[3])
{
    int lo[3], hi[3];
    int64_t masked = 0;
    if (!im1->mask || !inside(im1, origin, n, lo, hi)) return 0;
    for (int z = lo[0]; z < hi[0]; z++)
        for (int y = lo[1]; y < hi[1]; y++) {
            const int64_t at = voxel(im1, origin, z, y, 0);
            const uint8_t *own = particle ? particle + ((int64_t)z * n[1] + y) * n[2] : NULL;
            for (int x = lo[2]; x < hi[2]; x++) masked += !im1->mask[at + x] && (!own || own[x]);
        }
    return masked;
}

/* Leave out what is not of the particle. Returns how many voxels are left. */
static int64_t keep_particle(const uint8_t *particle, int64_t size, float *a, float *ok)
{
    int64_t count = 0;
    for (int64_t i = 0; i < size; i++) {
        if (!particle[i]) a[i] = ok[i] = 0;
        count += ok[i] > 0;
    }
    return count;
}

/* The tests before a window is looked for, in their order. Returns a status. */
static int judge_window(const hpcdvc_search_settings *s, const grey_range *range, int64_t masked, hpcdvc_search_window *w)
{
    const double left = w->whole - masked, mean = w->offset + w->sum / w->count / w->scale;
    if (w->whole <= s->min_volume) return NO_SPECIMEN;
    if (left < s->min_valid * w->whole || left == 0) return NO_SPECIMEN;
    if (w->count > 0 && !(mean > s->grey_low && mean < s->grey_high)) return NO_SPECIMEN;
    if (w->count < s->min_valid * w->whole || w->count < 3) return FEW_VALID_VOXELS;
    return has_texture(w->count, w->sum, w->squares, range->offset * range->scale) ? NOT_EVALUATED : NO_TEXTURE;
}

/* Returns 1 when memory ran out. */
static int take_window(const hpcdvc_volume *im1, const hpcdvc_volume *labels, const hpcdvc_search_settings *s,
                       const hpcdvc_search_point *p, float *a, float *ok, hpcdvc_search_window *w)
{
    int64_t origin[3], size = 1, masked = 0, whole = 0;
    int n[3], finite = 1;
    memset(w, 0, sizeof *w);
    for (int i = 0; i < 12; i++) finite &= isfinite(p->Phi[i]) != 0;
    for (int i = 0; i < 3; i++) {
        origin[i] = (int64_t)rint(p->position[i]) + p->box_low[i], n[i] = p->box_high[i] - p->box_low[i] + 1, size *= n[i];
    }
    source_box from = {{origin[0], origin[1], origin[2]}, {n[0], n[1], n[2]}, {0}, {0}};
    const int deformed = finite && !is_identity(p->Phi);
    if (!finite || (deformed && find_source(p, origin, n, &from))) {
        memset(a, 0, size * sizeof *a), memset(ok, 0, size * sizeof *ok);
        w->status = BAD_START, w->scale = 1;
        return 0;
    }
    uint8_t *particle = NULL;
    if (labels) {
        particle = malloc((size_t)from.n[0] * from.n[1] * from.n[2]);
        if (!particle || (whole = particle_mask(labels, p->label, s->dilate, 0, from.origin, from.n, particle)) < 0) {
            free(particle);
            return 1;
        }
    }
    const grey_range range = range_of(im1, from.origin, from.n);
    int64_t count;
    if (deformed) {
        whole = 0;
        count = read_deformed(im1, &from, particle, origin, n, &range, a, ok, &masked, &whole);
    } else {
        count = read_grey(im1, origin, n, &range, a, ok);
        masked = count_masked(im1, particle, origin, n);
        if (particle) count = keep_particle(particle, size, a, ok);
        else whole = size;
    }
    free(particle);
    w->whole = whole, w->count = count, w->partial = count < size, w->offset = range.offset, w->scale = range.scale;
    sum_powers(a, size, &w->sum, &w->squares, &w->fourth);
    w->status = judge_window(s, &range, masked, w);
    if (w->status != NOT_EVALUATED) return 0;
    const texture_look look = look_at_texture(a, ok, n, w->count, w->sum / w->count);
    w->alike = look.alike, w->quiet = look.quiet;
    /* grey values of a texture that is alike all over the window have three times their squared variance as fourth moment */
    w->textured = fmin(3 * w->squares * w->squares / (w->count * w->fourth), 1);
    return 0;
}

static int take_windows(const hpcdvc_volume *im1, const hpcdvc_volume *labels, const hpcdvc_search_settings *settings,
                        const hpcdvc_search_point *points, int64_t count, float *a, float *ok,
                        hpcdvc_search_window *windows)
{
    for (int64_t i = 0; i < count; i++) {
        int64_t size = 1;
        for (int k = 0; k < 3; k++) size *= points[i].box_high[k] - points[i].box_low[k] + 1;
        if (take_window(im1, labels, settings, points + i, a + i * size, ok + i * size, windows + i)) return 1;
    }
    return 0;
}

static int take_regions(const hpcdvc_volume *im2, const hpcdvc_search_point *points, int64_t count, float *b, float *ok,
                        hpcdvc_search_region *regions)
{
    for (int64_t i = 0; i < count; i++) {
        const hpcdvc_search_point *p = points + i;
        int64_t origin[3], size = 1;
        int n[3];
        for (int k = 0; k < 3; k++) {
            n[k] = p->box_high[k] - p->box_low[k] + 1 + p->high[k] - p->low[k], size *= n[k];
            const double start = rint(p->Phi[4 * k + 3]), there = fabs(start) < FARTHEST ? start : FARTHEST;
            origin[k] = (int64_t)rint(p->position[k]) + (int64_t)there + p->box_low[k] + p->low[k];
        }
        const grey_range range = range_of(im2, origin, n);
        hpcdvc_search_region *g = regions + i;
        g->count = read_grey(im2, origin, n, &range, b, ok);
        g->partial = g->count < size, g->offset = range.offset, g->scale = range.scale;
        rough_powers(b, size, &g->sum, &g->squares, &g->fourth);
        const texture_look look = look_at_texture(b, ok, n, fmax(g->count, 1), g->sum / fmax(g->count, 1));
        g->alike = look.alike, g->quiet = look.quiet;
        b += size, ok += size;
    }
    return 0;
}

#endif
