/* Dense maps: the rows of a band, tile by tile. */
#ifndef HPCDVC_STACKS_DENSE_H
#define HPCDVC_STACKS_DENSE_H

#include "correlate.h"
#include "judge.h"

enum { ROOM = 4 << 20, MOST_ROWS = 64, VALUES = 5 }; /* floats of the maps of a tile, if that is enough for one row */

/* The best displacement of the range, of equal ones the first. */
static void find_best(const tile *t, match *matches)
{
    const int *beyond = t->d->beyond, *lags = t->d->lags;
    for (int x = 0; x < t->width; x += VL) {
        vf top = splat(-INFINITY);
        vi best = (vi){0} + beyond[0] * lags[1] + beyond[1]; /* where nothing can be told */
        for (int y = beyond[0]; y < lags[0] - beyond[0]; y++)
            for (int i = beyond[1]; i < lags[1] - beyond[1]; i++) {
                const int lag = y * lags[1] + i;
                const vf v = load(t->chosen + (int64_t)lag * TILE + x);
                const vi higher = v > top;
                top = larger(v, top), best = (higher & lag) | (~higher & best);
            }
        for (int lane = 0; lane < VL; lane++) {
            match *m = matches + x + lane;
            m->lag = best[lane], m->y = m->lag / lags[1], m->x = m->lag % lags[1];
        }
    }
}

/* Other places that are as good, farther off than the peak is wide. */
static void find_rivals(const tile *t, const float *doubtful, const float *radius, match *matches)
{
    const int *beyond = t->d->beyond, *lags = t->d->lags;
    for (int x = 0; x < t->width; x += VL) {
        const vf bar = load(doubtful + x), far = load(radius + x);
        vf best_y, best_x;
        vi found = {0};
        for (int lane = 0; lane < VL; lane++) best_y[lane] = matches[x + lane].y, best_x[lane] = matches[x + lane].x;
        for (int y = beyond[0]; y < lags[0] - beyond[0]; y++)
            for (int i = beyond[1]; i < lags[1] - beyond[1]; i++) {
                const vf v = load(t->chosen + ((int64_t)y * lags[1] + i) * TILE + x);
                const vf dy = (float)y - best_y, dx = (float)i - best_x;
                found |= (v >= bar) & (larger(larger(dy, -dy), larger(dx, -dx)) > far);
            }
        for (int lane = 0; lane < VL; lane++)
            if (found[lane] && matches[x + lane].status == MEASURED) matches[x + lane].status = AMBIGUOUS;
    }
}

/* Transmission and visibility at the peak. Returns whether the displacements around it can tell. */
static int find_specimen(const tile *t, int64_t row, int x, const match *m, double *T, double *V)
{
    const hpcdvc_dense *d = t->d;
    int step[2] = {(int)rint(m->offset[0]), (int)rint(m->offset[1])};
    double s[9][SUMS], at[SUMS];
    if (!d->whole_values && abs(step[0]) < 2 && abs(step[1]) < 2 && fabs(m->offset[0]) < 1 && fabs(m->offset[1]) < 1)
        step[0] = step[1] = 0; /* all around the best displacement is there */
    const int y = m->y + step[0], i = m->x + step[1];
    const double rest[2] = {m->offset[0] - step[0], m->offset[1] - step[1]};
    for (int j = 0; j < 9; j++) {
        const int dy = is_axis(t, 0) ? j / 3 - 1 : 0, dx = is_axis(t, 1) ? j % 3 - 1 : 0;
        if (d->whole_values && j != 4) continue;
        if (y + dy < 0 || y + dy >= d->lags[0] || i + dx < 0 || i + dx >= d->lags[1]) return 0;
        const int64_t lag = (int64_t)(y + dy) * d->lags[1] + i + dx;
        if (IS_NONE(t->good[lag * TILE + x])) return 0;
        sums_at(t, row, x, lag, s[j]);
    }
    for (int which = 0; which < SUMS; which++) {
        double v[9];
        for (int j = 0; j < 9; j++) v[j] = s[d->whole_values ? 4 : j][which];
        const expansion e = expand(v, is_axis(t, 0), is_axis(t, 1));
        at[which] = d->whole_values ? v[4] : value_at(&e, rest);
    }
    specimen(t, at, T, V);
    return 1;
}

static void write_pixel(const tile *t, int64_t row, int x, match *m)
{
    const hpcdvc_dense *d = t->d;
    const int64_t columns = (d->columns + d->step - 1) / d->step;
    const int64_t at = (t->first + row) * columns + (t->left + x) / d->step;
    float *values = d->values + VALUES * at;
    double T = NAN, V = NAN;
    if (m->status == MEASURED && d->metric != NCC && !find_specimen(t, row, x, m, &T, &V)) m->status = AMBIGUOUS;
    d->statuses[at] = m->status;
    for (int i = 0; i < VALUES; i++) values[i] = NAN;
    if (m->status != MEASURED) return;
    values[0] = (float)(m->y - d->beyond[0] + m->offset[0]), values[1] = (float)(m->x - d->beyond[1] + m->offset[1]);
    values[2] = (float)(d->metric == NCC ? fmin(m->height, 1) : fmax(-m->height, 0));
    values[3] = (float)T, values[4] = (float)V;
}

static void measure_row(const tile *t, int64_t row)
{
    match matches[TILE];
    float doubtful[TILE], radius[TILE];
    score_row(t, row);
    find_best(t, matches);
    for (int x = 0; x < t->width; x++) {
        doubtful[x] = INFINITY, radius[x] = 0, matches[x].status = 0;
        if (t->left + x < t->d->columns && (t->left + x) % t->d->step == 0)
            judge_pixel(t, row, x, matches + x, doubtful + x, radius + x);
    }
    find_rivals(t, doubtful, radius, matches);
    for (int x = 0; x < t->width; x++)
        if (t->left + x < t->d->columns && (t->left + x) % t->d->step == 0) write_pixel(t, row, x, matches + x);
}

/* Arrays whose products are wanted. */
typedef struct {
    pairing of[MAPS];
    int count;
    float *squares[2]; /* of the grey values of each stack */
} pairings;

static float *squares_of(const hpcdvc_stack *s)
{
    const int64_t size = s->rows * s->frames * s->columns;
    float *v = malloc(size * sizeof *v);
    for (int64_t i = 0; v && i < size; i++) v[i] = s->grey[i] * s->grey[i];
    return v;
}

/* Grey values are 0 where they are missing: products need no more, sums of one stack the places of the other. */
static int make_pairings(const hpcdvc_dense *d, const moments *own, const moments *other, pairings *p)
{
    const int ny = 2 * d->half[0] + 1, nx = 2 * d->half[1] + 1;
    static const float one = 1;
    const pairing windows = {d->own.grey, d->other.grey, d->own.columns, d->other.columns, ny, nx, d->taps_y, d->taps_x};
    p->count = 1, p->of[PRODUCTS] = windows;
    if (d->local_mean) {
        p->count = 2, p->of[PRODUCTS_OF_MEANS] = windows;
        pairing *q = p->of + PRODUCTS_OF_MEANS;
        q->a = own->means, q->b = other->means, q->ny = q->nx = 1, q->ty = q->tx = &one;
    }
    if (!d->partial) return 0;
    p->count = MAPS;
    for (int i = 0; i < MAPS; i++) p->of[i] = windows;
    if (!(p->squares[0] = squares_of(&d->own)) || !(p->squares[1] = squares_of(&d->other))) return 1;
    p->of[COUNTS].a = d->own.there, p->of[COUNTS].b = d->other.there;
    p->of[OWN].b = p->of[OWN_SQUARES].b = d->other.there, p->of[OWN_SQUARES].a = p->squares[0];
    p->of[OTHER].a = p->of[OTHER_SQUARES].a = d->own.there, p->of[OTHER_SQUARES].b = p->squares[1];
    return 0;
}

/* Room for a tile, of as many rows as are worth while: those of its windows that hang over are summed once more. */
static int make_room(tile *t, const pairings *p)
{
    const hpcdvc_dense *d = t->d;
    const int ny = 2 * d->half[0] + 1, nx = 2 * d->half[1] + 1;
    t->lags = (int64_t)d->lags[0] * d->lags[1];
    t->most = ROOM / (t->lags * TILE * p->count);
    t->most = t->most < 1 ? 1 : t->most > MOST_ROWS ? MOST_ROWS : t->most;
    int failed = 0;
    for (int i = 0; i < p->count; i++) failed |= !(t->map[i] = malloc(t->lags * t->most * TILE * sizeof(float)));
    t->lines = malloc(TOGETHER * (TILE + nx + 4 * VL) * sizeof(float));
    t->across = malloc(TOGETHER * ((t->most - 1) * d->step + ny) * TILE * sizeof(float));
    t->good = malloc(t->lags * TILE * sizeof(float));
    t->chosen = d->metric == UMPA_DARK ? malloc(t->lags * TILE * sizeof(float)) : t->good;
    return failed || !t->lines || !t->across || !t->good || !t->chosen;
}

static void measure_tiles(tile *t, const pairings *p)
{
    const hpcdvc_dense *d = t->d;
    for (t->first = 0; t->first < d->rows; t->first += t->most) {
        t->rows = d->rows - t->first < t->most ? d->rows - t->first : t->most;
        for (t->left = 0; t->left < d->columns; t->left += TILE) {
            const int64_t left = d->columns - t->left;
            t->width = left < TILE ? (int)((left + 2 * VL - 1) / (2 * VL) * 2 * VL) : TILE;
            for (int i = 0; i < p->count; i++) correlate_tile(t, p->of + i, t->map[i]);
            for (int64_t row = 0; row < t->rows; row++) measure_row(t, row);
        }
    }
}

static int measure_dense(const hpcdvc_dense *d)
{
    moments own = {0}, other = {0};
    pairings p = {0};
    tile t = {.d = d, .own = &own, .other = &other};
    double y = 0, x = 0; /* sums of the squares of the window function */
    for (int i = 0; i < 2 * d->half[0] + 1; i++) y += d->taps_y[i] * d->taps_y[i];
    for (int i = 0; i < 2 * d->half[1] + 1; i++) x += d->taps_x[i] * d->taps_x[i];
    t.pixels = 1 / (y * x);
    const int failed = find_moments(d, &d->own, &own) || find_moments(d, &d->other, &other) || find_news(d, &d->own, &own)
                       || find_news(d, &d->other, &other) || prepare(d, &own, 1) || prepare(d, &other, 0)
                       || make_pairings(d, &own, &other, &p) || make_room(&t, &p);
    if (!failed) measure_tiles(&t, &p);
    for (int i = 0; i < MAPS; i++) free(t.map[i]);
    if (t.chosen != t.good) free(t.chosen);
    free(t.lines), free(t.across), free(t.good);
    free(p.squares[0]), free(p.squares[1]);
    free_moments(&own), free_moments(&other);
    return failed;
}

#endif
