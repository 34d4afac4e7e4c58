/* Outlying voxels of an image about one window, and the grey values that the window is measured with in their place. */
#ifndef HPCDVC_OUTLIER_LIST_H
#define HPCDVC_OUTLIER_LIST_H

#include "box.h"

typedef struct {
    int64_t at[3];
    double was, now; /* grey values */
} outlier;

typedef struct {
    outlier *of;
    int count, room;
} outlier_list;

/* Returns 1 if memory ran out. */
static int add_outlier(outlier_list *list, const outlier *one)
{
    if (list->count == list->room) {
        const int room = list->room ? 2 * list->room : 256;
        outlier *of = realloc(list->of, room * sizeof *of);
        if (!of) return 1;
        list->of = of, list->room = room;
    }
    list->of[list->count++] = *one;
    return 0;
}

static outlier *known_outlier(const outlier_list *list, const int64_t at[3])
{
    for (int i = 0; i < list->count; i++)
        if (!memcmp(list->of[i].at, at, sizeof list->of[i].at)) return list->of + i;
    return NULL;
}

static int same_outliers(const outlier_list *a, const outlier_list *b)
{
    int same = a->count == b->count;
    for (int i = 0; same && i < a->count; i++) same = !memcmp(a->of[i].at, b->of[i].at, sizeof a->of[i].at);
    return same;
}

/* Sum of squares that outliers brought in. */
static double squares_brought(const outlier_list *list)
{
    double sum = 0;
    for (int i = 0; i < list->count; i++) {
        const double d = list->of[i].was - list->of[i].now;
        sum += d * d;
    }
    return sum;
}

/* Place of voxel `at` in a box of this origin and size, or -1. */
INLINE int64_t place_in(const box *b, const int64_t at[3])
{
    int64_t p[3];
    for (int i = 0; i < 3; i++) {
        p[i] = at[i] - b->origin[i];
        if (p[i] < 0 || p[i] >= b->n[i]) return -1;
    }
    return p[0] * b->sz + p[1] * b->sy + p[2];
}

/* Grey values, read as (grey - offset) * scale, of a box without the outliers. */
static void replace_outliers(const outlier_list *list, const hpcdvc_volume *im, double offset, double scale, box *b)
{
    int lo[3], hi[3];
    if (list->count == 0) return;
    for (int i = 0; i < list->count; i++) {
        const int64_t place = place_in(b, list->of[i].at);
        if (place >= 0) b->v[place] = (float)((list->of[i].now - offset) * scale);
    }
    if (inside(im, b->origin, b->n, lo, hi)) continue_past(b, lo, hi);
}

static void correct_sums_by(const outlier *o, hpcdvc_grey_sums *g)
{
    g->sum += o->now - o->was, g->sum_squares += o->now * o->now - o->was * o->was;
}

/* Sums over a box of an image, corrected. */
static void correct_sums(const outlier_list *list, const int64_t origin[3], const int n[3], hpcdvc_grey_sums *g)
{
    for (int i = 0; i < list->count; i++) {
        const outlier *o = list->of + i;
        int within = 1;
        for (int j = 0; j < 3; j++) within = within && o->at[j] >= origin[j] && o->at[j] < origin[j] + n[j];
        if (within) correct_sums_by(o, g);
    }
}

#endif
