/* Sums over a whole image for its registration, block by block.
 *
 * A block is a range of planes and rows of im1. It is worked through in tiles that fit the caches, by what also
 * registers windows: im1 and im2 are read as they are, and the float32 copies never outgrow a tile. Of a label only its own
 * voxels are summed up; the gradient sees what lies around it. */
#ifndef HPCDVC_SUMS_H
#define HPCDVC_SUMS_H

#include "gradient.h"
#include "warp.h"
#include "warped_gradient.h"

/* The job of a tile, and the voxels of a label that alone count. */
typedef struct {
    job k; /* first: a pointer to it is one to all */
    const hpcdvc_volume *label;  /* 0 for voxels that do not count; NULL: all of im1 do */
    int64_t first[3];            /* its first voxel in im1 */
    uint8_t *own;                /* those of a tile */
} sums_job;

/* Take the voxels of the label in the tile; outside its box there are none. Returns how many. */
static int64_t take_own(sums_job *s)
{
    const int *n = s->k.w.n;
    int64_t origin[3], count = 0;
    int lo[3], hi[3];
    memset(s->own, 0, (size_t)n[0] * n[1] * n[2]);
    for (int i = 0; i < 3; i++) origin[i] = s->k.ref.corner[i] - s->first[i];
    if (!inside(s->label, origin, n, lo, hi)) return 0;
    for (int z = lo[0]; z < hi[0]; z++)
        for (int y = lo[1]; y < hi[1]; y++) {
            const uint8_t *from = (const uint8_t *)s->label->data + voxel(s->label, origin, z, y, 0);
            uint8_t *to = s->own + ((int64_t)z * n[1] + y) * n[2];
            for (int x = lo[2]; x < hi[2]; x++) count += to[x] = from[x];
        }
    return count;
}

/* Make the window of the job the tile [lo, hi). */
static void shape_tile(job *k, const int64_t lo[3], const int64_t hi[3], const double centre[3])
{
    window *w = &k->w;
    for (int i = 0; i < 3; i++) {
        const int n = (int)(hi[i] - lo[i]);
        if (n != w->n[i]) k->ref.is_whole = 0;
        w->n[i] = n, k->ref.corner[i] = lo[i], w->first[i] = (double)lo[i] - centre[i];
    }
    w->sy = PADDED(w->n[2]), w->sz = w->sy * w->n[1];
}

/* Grey values and gradient of im1 in the tile. Returns a status. */
static int read_tile(job *k)
{
    const hpcdvc_settings *s = k->s;
    const int R = filter_radius(&s->gradient), Rz = k->is_3d ? R : 0;
    const int n[3] = {k->w.n[0] + 2 * Rz, k->w.n[1] + 2 * R, k->w.n[2] + 2 * R};
    const int64_t origin[3] = {k->ref.corner[0] - Rz, k->ref.corner[1] - R, k->ref.corner[2] - R};
    const int64_t dropped = read_box(k->im1, origin, n, k->ref.offset, k->ref.scale, &k->ref.grey, &k->ref.valid, &k->scratch);
    if (dropped == -1) return NO_MEMORY;
    take_window(k, dropped);
    if (k->ref.counted == 0 || s->update_gradient) return NOT_EVALUATED;
    if (take_gradient(k, &s->gradient, k->w.g)) return NO_MEMORY;
    for (int i = 0; i < 3; i++) clear_excluded(k, k->w.g[i]);
    return NOT_EVALUATED;
}

/* The outermost voxels of the tile were read for the gradient only. */
static void drop_halo(window *w, int is_3d)
{
    for (int z = 0; z < w->n[0]; z++)
        for (int y = 0; y < w->n[1]; y++) {
            const int64_t at = z * w->sz + y * w->sy;
            const int outer = (is_3d && (z == 0 || z == w->n[0] - 1)) || y == 0 || y == w->n[1] - 1;
            clear_ends(w->ok + at, outer ? w->n[2] : 1, w->n[2] - 1, w->n[2]);
            clear_ends(w->b + at, outer ? w->n[2] : 1, w->n[2] - 1, w->n[2]);
        }
}

static void add(double *to, const double *from, int n)
{
    for (int i = 0; i < n; i++) to[i] += from[i];
}

static void add_contrast(const job *k, hpcdvc_match *m)
{
    m->contrast_bb += sum_of_planes(&k->w, CONTRAST_SKIP, 2);
    m->contrast_b += sum_of_planes(&k->w, CONTRAST_SKIP, 1);
    m->interpolated_bb += k->target.interpolated_squares;
    m->contrast_n += voxels_of_planes(&k->w, CONTRAST_SKIP);
}

/* Sum of squares of a - gain b - shift: where they match well, too small to be a difference of the other sums. */
static double sum_residual(const window *w, int partial, float gain, float shift)
{
    double sum = 0;
    for (int z = 0; z < w->n[0]; z++) {
        vf plane = splat(0);
        float rest = 0;
        for (int y = 0; y < w->n[1]; y++) {
            const int64_t at = z * w->sz + y * w->sy;
            const float *a = w->a + at, *b = w->b + at, *ok = w->ok + at;
            int x = 0;
            for (; x + VL <= w->n[2]; x += VL) {
                vf d = load(a + x) - gain * load(b + x) - shift;
                if (partial) d *= load(ok + x);
                plane += d * d;
            }
            for (; x < w->n[2]; x++) {
                const float d = (a[x] - gain * b[x] - shift) * (partial ? ok[x] : 1);
                rest += d * d;
            }
        }
        sum += total(plane) + rest;
    }
    return sum;
}

/* Add the sums of one tile. Returns a status, NOT_EVALUATED if all is well. */
static int sum_tile(job *k, const hpcdvc_trial *trial, const int64_t lo[3], const int64_t hi[3], hpcdvc_reference *r,
                    hpcdvc_match *m)
{
    const int ug = k->s->update_gradient, is_3d = k->is_3d;
    const int64_t from[3] = {lo[0] - (ug && is_3d), lo[1] - ug, lo[2] - ug};
    const int64_t to[3] = {hi[0] + (ug && is_3d), hi[1] + ug, hi[2] + ug};
    int partial;
    shape_tile(k, from, to, trial->centre);
    if (k->ref.own && take_own((sums_job *)k) == 0) return NOT_EVALUATED;
    int status = read_tile(k);
    if (status != NOT_EVALUATED || k->ref.counted == 0) return status;
    k->target.is_read = 0, k->target.has_invalid = 0, k->state.settled = ug || trial->contrast;
    if (k->state.settled) memcpy(k->w.ok_before, k->w.in1, k->w.sz * k->w.n[0] * sizeof(float));
    status = warp(k, &partial);
    if (status == LEFT_IMAGE) return NOT_EVALUATED;
    if (status != NOT_EVALUATED) return status;
    if (ug) {
        gradient_of_warped(k, 1);
        drop_halo(&k->w, is_3d);
    }
    if (r) {
        sum_reference(&k->w, partial, &k->ref.sums);
        r->n += k->ref.sums.n, r->a += k->ref.sums.a, r->aa += k->ref.sums.aa;
        add(r->g, k->ref.sums.g, 12), add(r->ag, k->ref.sums.ag, 12), add(r->M, k->ref.sums.M, 144);
    }
    sum_match(&k->w, &k->state.sums);
    m->b += k->state.sums.b, m->bb += k->state.sums.bb, m->ab += k->state.sums.ab;
    add(m->bg, k->state.sums.bg, 12);
    if (trial->residual) m->residual += sum_residual(&k->w, partial, (float)trial->gain, (float)trial->shift);
    if (trial->contrast) add_contrast(k, m);
    return NOT_EVALUATED;
}

/* Whether all voxels of a block count, whatever the tiles find. */
static int block_is_whole(const job *k, const hpcdvc_trial *trial, const int64_t lo[3], const int64_t hi[3])
{
    if (!trial->finite || k->im1->mask || k->im2->mask || k->ref.own || k->s->update_gradient) return 0;
    for (int i = k->is_3d ? 0 : 1; i < 3; i++) {
        double low = trial->centre[i] + trial->phi[4 * i + 3], high = low;
        for (int j = 0; j < 3; j++) {
            const double a = trial->phi[4 * i + j] * ((double)lo[j] - trial->centre[j]);
            const double b = trial->phi[4 * i + j] * ((double)hi[j] - 1 - trial->centre[j]);
            low += fmin(a, b), high += fmax(a, b);
        }
        if (low < 0 || high > (double)k->im2->shape[i] - 1) return 0;
    }
    return 1;
}

static int sum_block(job *k, const hpcdvc_trial *trial, const int64_t lo[3], const int64_t hi[3], hpcdvc_reference *r,
                     hpcdvc_match *m)
{
    const int whole = block_is_whole(k, trial, lo, hi);
    hpcdvc_reference *wanted = whole && r->known ? NULL : r;
    memset(m, 0, sizeof *m);
    if (wanted) memset(r, 0, sizeof *r), r->known = whole;
    for (int64_t z = lo[0]; z < hi[0]; z += trial->tile[0])
        for (int64_t y = lo[1]; y < hi[1]; y += trial->tile[1])
            for (int64_t x = lo[2]; x < hi[2]; x += trial->tile[2]) {
                const int64_t first[3] = {z, y, x};
                int64_t last[3];
                for (int i = 0; i < 3; i++) last[i] = first[i] + trial->tile[i] < hi[i] ? first[i] + trial->tile[i] : hi[i];
                const int status = sum_tile(k, trial, first, last, wanted, m);
                if (status != NOT_EVALUATED) return status;
            }
    return NOT_EVALUATED;
}

/* Sums of the finite voxels of planes [first, last). */
static hpcdvc_grey_sums sum_planes(const hpcdvc_volume *im, int64_t first, int64_t last)
{
    hpcdvc_grey_sums g = {0};
    const int64_t row = im->shape[2], size = type_bytes[im->type];
    for (int64_t r = first * im->shape[1]; r < last * im->shape[1]; r++)
        row_sums[im->type]((const char *)im->data + r * row * size, row, &g);
    return g;
}

/* Means of cells of voxels: cell[3] voxels each, the first cell at top[3]; out holds planes [first, last) of n[1] rows of
 * n[2] cells. NaN where a voxel is not finite. Returns 1 if memory ran out. */
static int bin_planes(const hpcdvc_volume *im, const int64_t cell[3], const int64_t top[3],
                                       const int64_t n[3], int64_t first, int64_t last, float *out)
{
    const int64_t columns = n[2] * cell[2], size = type_bytes[im->type];
    const double part = 1.0 / (double)(cell[0] * cell[1] * cell[2]);
    const int few = cell[0] * cell[1] * cell[2] <= 8; /* float32 holds the sum of so many 16-bit integers */
    float *row = malloc(columns * sizeof(float)), *sum = malloc(columns * sizeof(float));
    double *long_sum = malloc(columns * sizeof(double));
    const int failed = !row || !sum || !long_sum;
    for (int64_t z = first; z < last && !failed; z++)
        for (int64_t y = 0; y < n[1]; y++) {
            memset(sum, 0, columns * sizeof *sum), memset(long_sum, 0, columns * sizeof *long_sum);
            for (int64_t r = 0; r < cell[0] * cell[1]; r++) {
                const int64_t from[3] = {top[0] + z * cell[0] + r / cell[1], top[1] + y * cell[1] + r % cell[1], top[2]};
                row_reads[im->type]((const char *)im->data + voxel(im, from, 0, 0, 0) * size, columns, 0, 1, row);
                if (few)
                    for (int64_t x = 0; x < columns; x++) sum[x] += row[x];
                else
                    for (int64_t x = 0; x < columns; x++) long_sum[x] += row[x];
            }
            for (int64_t x = 0; x < n[2]; x++) {
                double v = 0;
                for (int64_t i = x * cell[2]; i < (x + 1) * cell[2]; i++) v += few ? sum[i] : long_sum[i];
                v *= part;
                *out++ = isfinite(v) ? (float)v : NAN;
            }
        }
    free(row), free(sum), free(long_sum);
    return failed;
}

static void end_sums(void *sums)
{
    free(((sums_job *)sums)->own);
    job_end(sums);
    free(sums);
}

static void *start_sums(const hpcdvc_volume *im1, const hpcdvc_volume *im2, const hpcdvc_settings *settings,
                        const int64_t tile[3], const hpcdvc_volume *label, const int64_t first[3])
{
    sums_job *s = calloc(1, sizeof *s);
    int n[3];
    for (int i = 0; i < 3; i++) n[i] = (int)tile[i] + (i > 0 || settings->dimensions == 3 ? 2 : 0); /* a halo for update_gradient */
    if (!s) return NULL;
    if (job_start(&s->k, im1, im2, settings, n) || (label && !(s->own = malloc((size_t)n[0] * n[1] * n[2])))) {
        end_sums(s);
        return NULL;
    }
    s->label = label, s->k.ref.own = s->own;
    memcpy(s->first, first, sizeof s->first);
    return s;
}

static int sum_blocks(void *sums, const hpcdvc_trial *trial, const int64_t *blocks, int64_t count,
                                       hpcdvc_reference *references, hpcdvc_match *matches)
{
    job *k = sums;
    int status = NOT_EVALUATED;
    k->target.spline = &k->s->interpolation, k->target.offset_is_given = 1, k->target.contrast_due = trial->contrast, k->target.contrast_loss = 1;
    k->ref.offset = trial->offset1, k->target.offset = trial->offset2, k->ref.scale = trial->scale;
    memcpy(k->state.Phi, trial->phi, sizeof k->state.Phi);
    for (int64_t b = 0; b < count && status == NOT_EVALUATED; b++)
        status = sum_block(k, trial, blocks + 6 * b, blocks + 6 * b + 3, references + b, matches + b);
    return status;
}

#endif
