/* Registration of the labels of an image: each is a window as large as its box, of which its own voxels count.
 *
 * The label is dilated (or eroded) by a ball; gradient and interpolation see what lies around it. Of each row only the columns
 * from the first to the last voxel of the label are sampled and summed up. */
#ifndef HPCDVC_LABEL_WINDOWS_H
#define HPCDVC_LABEL_WINDOWS_H

#include "particle.h"
#include "rim.h"
#include "windows.h"

#define SOME 0.1 /* of a part of the window that must be of the label, for it to have a say */

/* The labels of one call, and room that is kept from one to the next. */
typedef struct {
    job k;
    hpcdvc_settings own;         /* with the half size of the label */
    const hpcdvc_settings *settings, *linear; /* of all labels, and those with linear interpolation for hard edges; or NULL */
    const hpcdvc_volume *labels;
    const hpcdvc_label_settings *how;
    uint8_t *mask, *depth;
    int32_t *span;
    int64_t mask_size, span_size;
} label_job;

/* Make the window that of a label. Returns 1 if memory ran out. */
static int shape_label(label_job *l, const hpcdvc_label_point *p)
{
    job *k = &l->k;
    const int grown = l->how->dilate > 0 ? l->how->dilate : 0;
    int n[3];
    l->own = *l->settings;
    for (int i = 0; i < 3; i++) {
        const int by = i > 0 || k->is_3d ? grown : 0;
        n[i] = p->high[i] - p->low[i] + 1 + 2 * by;
        k->ref.corner[i] = (int64_t)p->low[i] - by;
        k->ref.before[i] = (int)((int64_t)nearbyint(p->position[i]) - k->ref.corner[i]);
        l->own.half[i] = n[i] / 2 > 0 ? n[i] / 2 : i > 0 || k->is_3d;
    }
    const int64_t rows = (int64_t)n[0] * n[1], size = rows * n[2];
    if (size > l->mask_size) {
        free(l->mask), free(l->depth);
        l->mask = malloc(size), l->depth = malloc(size), l->mask_size = l->mask && l->depth ? size : 0;
    }
    if (2 * rows > l->span_size) {
        free(l->span);
        l->span = malloc(2 * rows * sizeof *l->span), l->span_size = l->span ? 2 * rows : 0;
    }
    return !l->mask || !l->depth || !l->span || make_room(k, n);
}

/* First and last column of each row, and how many parts of the window hold something of the label. */
static void find_spans(label_job *l)
{
    job *k = &l->k;
    const int *n = k->w.n, deep = k->is_3d ? ALONG : 1;
    int64_t held[ALONG * ALONG * ALONG] = {0};
    for (int z = 0; z < n[0]; z++)
        for (int y = 0; y < n[1]; y++) {
            const int64_t row = (int64_t)z * n[1] + y;
            const uint8_t *own = l->mask + row * n[2];
            int first = n[2], last = 0;
            int64_t *of = held + (deep * z / n[0] * ALONG + ALONG * y / n[1]) * ALONG;
            for (int part = 0; part < ALONG; part++)
                for (int x = first_of_part(part, n[2]); x < first_of_part(part + 1, n[2]); x++)
                    if (own[x]) first = x < first ? x : first, last = x + 1, of[part]++;
            l->span[2 * row] = first < last ? first : 0, l->span[2 * row + 1] = last;
        }
    const double full = (double)n[0] * n[1] * n[2] / (deep * ALONG * ALONG);
    k->ref.parts = 0;
    for (int i = 0; i < deep * ALONG * ALONG; i++) k->ref.parts += held[i] > SOME * full;
}

/* Once more without what stands out at the rim. Returns 1 if that was better, and the row is changed. */
static int register_trimmed(label_job *l, const hpcdvc_point *p, hpcdvc_row *row)
{
    job *k = &l->k;
    const int grown = l->how->dilate > 0 ? l->how->dilate : 0;
    hpcdvc_row again;
    const int restless = row->return_status == MAX_ITERATIONS && row->zncc > GOOD_MATCH;
    if (row->return_status != TWO_MOTIONS && !restless && !(row->return_status == CONVERGED && k->state.heavy_tails)) return 0;
    if (memcmp(row->Phi, k->state.Phi, sizeof row->Phi)) { /* the last trial was no better */
        attempt(k, p, row->Phi, &again);
        if (!has_matched(&again) && again.return_status != MAX_ITERATIONS) return 0;
    }
    take_residual_of(k, k->ref.partial, k->w.a, NULL);
    find_depth(l->mask, k->w.n, k->is_3d, grown + RIM, l->depth);
    if (sharpness(k, l->depth, 1) > SHARP) return 0;
    const int64_t left = trim(k, l->depth, l->mask);
    if (left == k->ref.counted || left < (1 - MOST_OF_LABEL) * k->ref.whole) return 0;
    find_spans(l);
    double before = 0, after = 0;
    attempt(k, p, row->Phi, &again);
    for (int i = 3; i < 12; i += 4) before += row->variance[i], after += again.variance[i];
    if (k->state.no_memory) again.return_status = NO_MEMORY;
    const int better = again.return_status == NO_MEMORY
                       || (again.return_status == CONVERGED && (row->return_status != CONVERGED || after < CLEARLY_LESS * before));
    if (better) *row = again;
    return better && again.return_status == CONVERGED;
}

/* Once more with linear interpolation, where edges lie between voxels: others ring there. */
static void register_hard_edges(label_job *l, const hpcdvc_point *p, hpcdvc_row *row)
{
    job *k = &l->k;
    hpcdvc_row again;
    if (!l->linear || row->iterations == 0 || !(sharpness(k, l->mask, SKIP) > SHARP)) return;
    const hpcdvc_settings before = l->own;
    l->own = *l->linear;
    memcpy(l->own.half, before.half, sizeof before.half);
    register_window(k, p, &again);
    if (again.return_status == CONVERGED || row->return_status != CONVERGED) *row = again;
    else l->own = before;
}

static void register_label(label_job *l, const hpcdvc_label_point *p, hpcdvc_row *row)
{
    job *k = &l->k;
    hpcdvc_point point = {.index = p->index};
    memcpy(point.position, p->position, sizeof point.position), memcpy(point.Phi, p->Phi, sizeof point.Phi);
    const int64_t count = particle_mask(l->labels, p->label, l->how->dilate, l->how->keep_others, k->ref.corner, k->w.n, l->mask);
    if (count < 0) {
        row->return_status = NO_MEMORY;
        return;
    }
    find_spans(l);
    k->ref.whole = (double)count;
    k->ref.too_small = count <= l->how->min_volume;
    k->ref.own = l->mask, k->ref.rim = RIM + (l->how->dilate > 0 ? l->how->dilate : 0), k->w.span = l->span;
    register_window(k, &point, row);
    register_hard_edges(l, &point, row);
    for (int i = 0; i < RIM_ROUNDS && register_trimmed(l, &point, row); i++) continue;
}

static int register_labels(const hpcdvc_volume *im1, const hpcdvc_volume *im2, const hpcdvc_volume *labels,
                           const hpcdvc_settings *settings, const hpcdvc_settings *linear, const hpcdvc_label_settings *how,
                           const hpcdvc_label_point *points, hpcdvc_row *rows, int64_t count)
{
    label_job l;
    const int none[3] = {1, 1, 1};
    memset(&l, 0, sizeof l);
    l.own = *settings, l.settings = settings, l.linear = linear, l.labels = labels, l.how = how;
    int failed = job_start(&l.k, im1, im2, &l.own, none);
    for (int64_t i = 0; i < count && !failed; i++) {
        failed = shape_label(&l, points + i);
        if (failed) break;
        register_label(&l, points + i, rows + i);
        failed = rows[i].return_status == NO_MEMORY;
    }
    free(l.mask), free(l.depth), free(l.span);
    job_end(&l.k);
    return failed;
}

#endif
