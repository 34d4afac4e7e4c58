/* From sums at all displacements to what was found, and how sure that is. */
#ifndef HPCDVC_SEARCH_FIND_H
#define HPCDVC_SEARCH_FIND_H

#include <stdlib.h>

#include "judge.h"

/* The highest local maxima: displacements from the rounded start, and scores; NAN behind the last. */
static void list_peaks(const hunt *h, double *peaks, int64_t count)
{
    for (int64_t i = 0; i < 4 * count; i++) peaks[i] = NAN;
    for (int64_t lag = 0; lag < h->size; lag++) {
        const double score = h->score[lag];
        if (!(score > NONE) || (peaks[4 * count - 1] >= score)) continue;
        int place[3], next[3], highest = 1;
        place_of(h, lag, place);
        for (int step = 0; step < 27 && highest; step++) {
            next[0] = place[0] + step / 9 - 1, next[1] = place[1] + step / 3 % 3 - 1, next[2] = place[2] + step % 3 - 1;
            if (!is_inside(h, next)) continue;
            const int64_t there = lag_of(h, next);
            highest = there < lag ? h->score[there] < score : h->score[there] <= score;
        }
        if (!highest) continue;
        int64_t at = count - 1;
        for (; at > 0 && !(peaks[4 * at - 1] >= score); at--) memcpy(peaks + 4 * at, peaks + 4 * at - 4, 4 * sizeof *peaks);
        for (int i = 0; i < 3; i++) peaks[4 * at + i] = place[i] + h->p->low[i];
        peaks[4 * at + 3] = score;
    }
}

/* Sum of squared differences of the grey values over the sum of those of im1. */
static double difference_of(const hunt *h, const pair_sums *q)
{
    const double ka = 1 / h->w->scale, kb = 1 / h->g->scale, o = h->w->offset - h->g->offset;
    const double squares = ka * ka * q->aa + kb * kb * q->bb - 2 * ka * kb * q->ab + 2 * o * (ka * q->a - kb * q->b) + q->n * o * o;
    return fmax(squares, 0) / (ka * q->a + q->n * h->w->offset);
}

static void find_one(hunt *h, const hpcdvc_volume *im2, hpcdvc_found *f, double *peaks, int64_t peak_count)
{
    memset(f, 0, sizeof *f);
    f->index = h->p->index, f->return_status = h->w->status;
    f->score = f->second = f->zncc = f->error = NAN;
    for (int i = 0; i < 3; i++) f->displacement[i] = NAN;
    f->valid_fraction = h->w->status == BAD_START ? NAN : h->w->whole > 0 ? h->w->count / h->w->whole : 0;
    for (int64_t i = 0; i < 4 * peak_count; i++) peaks[i] = NAN;
    if (h->w->status != NOT_EVALUATED) return;
    const double sure = score_all(h);
    double best;
    const int64_t lag = find_best(h, sure, &best);
    if (lag < 0) {
        int enough = 0;
        for (int64_t i = 0; i < h->size && !enough; i++) enough = enough_voxels(h, sums_at(h, i).n);
        f->return_status = enough ? NO_TEXTURE : LEFT_IMAGE;
        return;
    }
    const pair_sums q = exact_at(h, lag);
    int place[3];
    place_of(h, lag, place);
    f->score = best, f->zncc = zncc_of(&q), f->valid_fraction = q.n / h->w->whole, f->error = difference_of(h, &q);
    for (int i = 0; i < 3; i++) f->whole[i] = h->p->low[i] + place[i], f->displacement[i] = rint(h->p->Phi[4 * i + 3]) + f->whole[i];
    if (peak_count > 0) list_peaks(h, peaks, peak_count);
    f->return_status = judge_best(h, im2, lag, &q, f);
    if (f->return_status < MATCHED)
        for (int i = 0; i < 3; i++) f->displacement[i] = NAN;
}

/* Numbers that box sums, and then heights, work in. */
static int64_t room_of(const hunt *h)
{
    const int64_t sums = box_sums_room(h->n, h->lags), heights = find_heights_room(h->lags);
    return sums > heights ? sums : heights;
}

/* Memory of a hunt, in one piece. Returns NULL when it runs out. */
static char *make_room(hunt *h)
{
    const int64_t window = (int64_t)h->n[0] * h->n[1] * h->n[2] + VL, room = room_of(h);
    char *memory;
    const int64_t doubles = 3 * h->size + room, floats = 2 * h->size + 2 * window;
    if (posix_memalign((void **)&memory, 64, doubles * sizeof(double) + (floats + h->size) * 4 + h->size)) return NULL;
    h->n_sums = (double *)memory, h->b_sums = h->n_sums + h->size, h->bb_sums = h->b_sums + h->size;
    h->room = h->bb_sums + h->size;
    h->score = (float *)(h->room + room), h->error = h->score + h->size;
    h->grey = h->error + h->size, h->ok = h->grey + window;
    h->waiting = (int32_t *)(h->ok + window), h->seen = (uint8_t *)(h->waiting + h->size);
    return memory;
}

static int find_batch(const hpcdvc_volume *im2, const hpcdvc_search_settings *settings, const hpcdvc_search_point *points,
                      const search_batch *batch, const search_grey *grey, const hpcdvc_search_window *windows,
                      const hpcdvc_search_region *regions, const search_sums *sums, hpcdvc_found *found, double *peaks,
                      int64_t peak_count)
{
    hunt h = {0};
    int64_t window = 1, region = 1;
    h.s = settings, h.size = 1;
    for (int k = 0; k < 3; k++) {
        h.n[k] = batch->n[k], h.lags[k] = batch->lags[k];
        window *= h.n[k], h.size *= h.lags[k], region *= h.n[k] + h.lags[k] - 1;
    }
    char *memory = make_room(&h);
    if (!memory) return 1;
    for (int64_t i = 0; i < batch->count; i++) {
        h.p = points + i, h.w = windows + i, h.g = regions + i;
        h.a = grey->a + i * window, h.ok1 = grey->ok1 + i * window;
        h.b = grey->b + i * region, h.ok2 = grey->ok2 + i * region;
        h.ab = sums->ab + i * h.size;
        h.mb = sums->mb ? sums->mb + i * h.size : NULL, h.mbb = sums->mb ? sums->mbb + i * h.size : NULL;
        h.am = sums->am ? sums->am + i * h.size : NULL, h.aam = sums->am ? sums->aam + i * h.size : NULL;
        h.mm = sums->mm ? sums->mm + i * h.size : NULL;
        find_one(&h, im2, found + i, peaks ? peaks + 4 * i * peak_count : NULL, peaks ? peak_count : 0);
    }
    free(memory);
    return 0;
}

#endif
