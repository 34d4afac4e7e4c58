/* Boxes, volumes and sums of coordinates of all labels of some planes, in one pass over runs of one label. */
#ifndef HPCDVC_LABELS_H
#define HPCDVC_LABELS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "records_labels.h"

/* Labels by number: places of `particles`, -1 where there is none; open addressing, never more than half full. */
typedef struct {
    hpcdvc_particle *particles;
    int64_t *places;
    int64_t count, capacity; /* particles; places, a power of two */
} particle_table;

static int64_t place_in(const particle_table *t, int64_t label)
{
    uint64_t hash = (uint64_t)label * 0x9E3779B97F4A7C15u;
    int64_t at = (int64_t)(hash >> 20) & (t->capacity - 1);
    while (t->places[at] >= 0 && t->particles[t->places[at]].label != label) at = (at + 1) & (t->capacity - 1);
    return at;
}

/* Returns 1 when memory ran out. */
static int grow_table(particle_table *t)
{
    const int64_t capacity = t->capacity ? 2 * t->capacity : 1024;
    hpcdvc_particle *particles = realloc(t->particles, capacity / 2 * sizeof *particles);
    if (!particles) return 1;
    t->particles = particles;
    int64_t *places = malloc(capacity * sizeof *places);
    if (!places) return 1;
    free(t->places);
    t->places = places, t->capacity = capacity;
    memset(places, 0xff, capacity * sizeof *places);
    for (int64_t i = 0; i < t->count; i++) places[place_in(t, t->particles[i].label)] = i;
    return 0;
}

/* The particle of a label, a new one where there is none; NULL when memory ran out. */
static hpcdvc_particle *particle_of(particle_table *t, int64_t label)
{
    if (2 * t->count >= t->capacity && grow_table(t)) return NULL;
    const int64_t at = place_in(t, label);
    if (t->places[at] < 0) {
        hpcdvc_particle *p = t->particles + t->count;
        memset(p, 0, sizeof *p);
        p->label = label;
        for (int i = 0; i < 3; i++) p->low[i] = INT32_MAX, p->high[i] = -1;
        t->places[at] = t->count++;
    }
    return t->particles + t->places[at];
}

static void add_run(hpcdvc_particle *p, int64_t z, int64_t y, int64_t from, int64_t to)
{
    const int64_t length = to - from, first[3] = {z, y, from}, last[3] = {z, y, to - 1};
    for (int i = 0; i < 3; i++) {
        if (first[i] < p->low[i]) p->low[i] = (int32_t)first[i];
        if (last[i] > p->high[i]) p->high[i] = (int32_t)last[i];
    }
    p->volume += length;
    p->sum[0] += z * length, p->sum[1] += y * length, p->sum[2] += (from + to - 1) * length / 2;
}

#define SCAN_ROW(NAME, TYPE)                                                                                           \
    static int scan_row_##NAME(particle_table *t, const void *row, int64_t n, int64_t z, int64_t y)                    \
    {                                                                                                                  \
        const TYPE *v = row;                                                                                           \
        for (int64_t x = 0; x < n;) {                                                                                  \
            const int64_t from = x;                                                                                    \
            const TYPE label = v[x];                                                                                   \
            while (x < n && v[x] == label) x++;                                                                        \
            if (label == 0) continue;                                                                                  \
            hpcdvc_particle *p = particle_of(t, label);                                                                \
            if (!p) return 1;                                                                                          \
            add_run(p, z, y, from, x);                                                                                 \
        }                                                                                                              \
        return 0;                                                                                                      \
    }

SCAN_ROW(u1, uint8_t)
SCAN_ROW(i1, int8_t)
SCAN_ROW(u2, uint16_t)
SCAN_ROW(i2, int16_t)
SCAN_ROW(u4, uint32_t)
SCAN_ROW(i4, int32_t)

/* Planes [first, last) of labels of whole numbers. The caller frees what is in the table. Returns 1 when memory ran out. */
static int scan_planes(const hpcdvc_volume *labels, int64_t first, int64_t last, particle_table *t)
{
    static int (*const scan_row[])(particle_table *, const void *, int64_t, int64_t, int64_t) = {
        scan_row_u1, scan_row_i1, scan_row_u2, scan_row_i2, scan_row_u4, scan_row_i4};
    static const int bytes[] = {1, 1, 2, 2, 4, 4};
    memset(t, 0, sizeof *t);
    for (int64_t z = first; z < last; z++)
        for (int64_t y = 0; y < labels->shape[1]; y++) {
            const int64_t at = (z * labels->shape[1] + y) * labels->shape[2];
            const char *row = (const char *)labels->data + at * bytes[labels->type];
            if (scan_row[labels->type](t, row, labels->shape[2], z, y)) return 1;
        }
    return 0;
}

#endif
