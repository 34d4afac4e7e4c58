/* Whether the best score is a match: better than chance, and better than any other place. */
#ifndef HPCDVC_SEARCH_JUDGE_H
#define HPCDVC_SEARCH_JUDGE_H

#include "between.h"
#include "texture.h"

#define CHANCE_ODDS 2.5 /* against a score by chance, their logarithm */
#define DEVIATIONS 3.5  /* by which the misfits of two places must differ; noise makes them differ by one */
#define MISLED 0.7      /* part of the misfit that is no noise by which they must differ, too */
#define FEW 3.0         /* of fewer independent values nobody can say how much noise there is */
#define EXACT 1e-6      /* misfit that is rounding */
#define SHAPE 0.95      /* correlation of particles, which their shape tells, too, that is enough */
#define UNIQUE 0.9      /* a second peak of so much of the height of the first is as good */

/* Whether the best of all displacements is more than unrelated textures reach: count / alike independent values were
 * tried at so many independent displacements. A window of few tells little of its own texture, the region more. Noise
 * lowers the correlation of those that match and of those that do not alike. */
static int beats_chance(const hunt *h, double count, double height)
{
    const double alike = fmax(h->w->alike, fmin(h->g->alike, h->w->count)), values = count * h->w->textured / alike;
    if (h->p->label && height >= SHAPE) return 1;
    const double trials = fmax(fmax(h->size, h->p->tried) / alike, 1);
    const double quiet = values > FEW ? sqrt(h->w->quiet * h->g->quiet) : 1;
    const double correlation = fmin(height / quiet, 1 - EXACT);
    return height > 0 && -values / 2 * log(1 - correlation * correlation) >= CHANCE_ODDS + log(trials);
}

/* Part of the residual at the best place that is smooth, as noise is not. */
static double smooth_part(const hunt *h, int64_t best, const pair_sums *q)
{
    const int64_t row = h->n[2] + h->lags[2] - 1, plane = row * (h->n[1] + h->lags[1] - 1);
    int place[3];
    place_of(h, best, place);
    const double ma = q->a / q->n, mb = q->b / q->n, gain = (q->ab - q->a * mb) / (q->bb - q->b * mb);
    const float slope = (float)gain, shift = (float)(ma - gain * mb);
    float *r = h->grey, *ok = h->ok;
    for (int z = 0; z < h->n[0]; z++)
        for (int y = 0; y < h->n[1]; y++, r += h->n[2], ok += h->n[2]) {
            const int64_t at = (place[0] + z) * plane + (place[1] + y) * row + place[2];
            const int64_t own = r - h->grey;
            const float *a = h->a + own, *b = h->b + at, *ok1 = h->ok1 + own, *ok2 = h->ok2 + at;
            for (int x = 0; x < h->n[2]; x++) ok[x] = ok1[x] * ok2[x], r[x] = ok[x] * (a[x] - slope * b[x] - shift);
        }
    double mean[LAGS + 1];
    mean_products(h->grey, h->ok, h->n, 1 + h->n[0] / PLANES, mean);
    return mean[0] > 0 ? fmin(fmax((4 * mean[1] - mean[2]) / (3 * mean[0]), 0), 1) : 0;
}

/* Whether another place, farther than the displacement may be off, may be the right one. Were they equal, misfits would
 * differ by noise: sums of n squares of which half are of other voxels, so by sqrt(3 / n) of themselves. What is smooth
 * in the residual is no chance and does not average: the half voxel that a place is off, along an edge or a fibre where
 * windows slide, or a deformation. */
static int is_doubtful(const hunt *h, int64_t best, const pair_sums *q, const heights *top)
{
    const double noise = DEVIATIONS * sqrt(3 / (q->n * h->w->textured)), smooth = MISLED * smooth_part(h, best, q);
    return 1 - top->far <= (1 + noise + smooth) * fmax(1 - top->near, EXACT);
}

/* Whether, and how, the best score is a match. Returns a status. */
static int judge_best(hunt *h, const hpcdvc_volume *im2, int64_t best, const pair_sums *q, hpcdvc_found *f)
{
    int place[3];
    place_of(h, best, place);
    const double base = h->s->plain ? mean_score(h) : 0;
    f->second = second_best(h, best, base);
    f->border = on_border(h, place);
    double around[27];
    if (f->border) {
        look_around(h, im2, place, 1, around);
        for (int step = 0; step < 27; step++)
            if (around[step] > f->score) return BORDER_OF_RANGE;
    }
    const heights top = h->s->plain ? (heights){f->zncc, -1} : find_heights(h, place, h->error, (float *)h->room);
    if (!beats_chance(h, q->n, top.near)) return DECORRELATED;
    if (f->second - base >= UNIQUE * (f->score - base)) return AMBIGUOUS;
    if (!h->s->plain && is_doubtful(h, best, q, &top)) return AMBIGUOUS;
    if (!h->s->subvoxel) return MATCHED;
    double fraction[3] = {0};
    look_around(h, im2, place, 0, around);
    if (!find_fraction(h, around, fraction)) return MATCHED;
    for (int i = 0; i < 3; i++) f->displacement[i] += fraction[i];
    return MEASURED;
}

#endif
