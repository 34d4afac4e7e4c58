/* Which labels touch, and by how many faces of voxels, in one pass over some planes. */
#ifndef HPCDVC_CONTACTS_H
#define HPCDVC_CONTACTS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "records_labels.h"

/* Contacts by pair of labels: places of `contacts`, -1 where there is none; as `particle_table`. */
typedef struct {
    hpcdvc_contact *contacts;
    int64_t *places;
    int64_t count, capacity;
    int64_t last; /* the one met last: its neighbours are mostly of the same pair */
} contact_table;

static int64_t place_of_pair(const contact_table *t, const int64_t pair[2])
{
    const uint64_t hash = ((uint64_t)pair[0] * 0x9E3779B97F4A7C15u ^ (uint64_t)pair[1]) * 0xC2B2AE3D27D4EB4Fu;
    int64_t at = (int64_t)(hash >> 20) & (t->capacity - 1);
    while (t->places[at] >= 0 && memcmp(t->contacts[t->places[at]].labels, pair, 2 * sizeof *pair))
        at = (at + 1) & (t->capacity - 1);
    return at;
}

/* Returns 1 when memory ran out. */
static int grow_contacts(contact_table *t)
{
    const int64_t capacity = t->capacity ? 2 * t->capacity : 1024;
    hpcdvc_contact *contacts = realloc(t->contacts, capacity / 2 * sizeof *contacts);
    if (!contacts) return 1;
    t->contacts = contacts;
    int64_t *places = malloc(capacity * sizeof *places);
    if (!places) return 1;
    free(t->places);
    t->places = places, t->capacity = capacity;
    memset(places, 0xff, capacity * sizeof *places);
    for (int64_t i = 0; i < t->count; i++) places[place_of_pair(t, t->contacts[i].labels)] = i;
    return 0;
}

/* One face between two voxels. Returns 1 when memory ran out. */
static int add_face(contact_table *t, int64_t a, int64_t b)
{
    const int64_t pair[2] = {a < b ? a : b, a < b ? b : a};
    if (t->count && !memcmp(t->contacts[t->last].labels, pair, sizeof pair)) return t->contacts[t->last].faces++, 0;
    if (2 * t->count >= t->capacity && grow_contacts(t)) return 1;
    const int64_t at = place_of_pair(t, pair);
    if (t->places[at] < 0) {
        t->contacts[t->count] = (hpcdvc_contact){{pair[0], pair[1]}, 0};
        t->places[at] = t->count++;
    }
    t->last = t->places[at];
    t->contacts[t->last].faces++;
    return 0;
}

/* Faces of the voxels of a row to the next in x, in y (the row below, or NULL) and in z (that behind, or NULL). */
#define CONTACTS_OF_ROW(NAME, TYPE)                                                                                    \
    static int contacts_##NAME(contact_table *t, const void *row, const void *below, const void *behind, int64_t n)    \
    {                                                                                                                  \
        const TYPE *v = row, *along[3] = {v + 1, below, behind};                                                       \
        for (int k = 0; k < 3; k++)                                                                                    \
            for (int64_t x = 0; along[k] && x < n - (k == 0); x++)                                                     \
                if (v[x] != along[k][x] && v[x] && along[k][x] && add_face(t, v[x], along[k][x])) return 1;            \
        return 0;                                                                                                      \
    }

CONTACTS_OF_ROW(u1, uint8_t)
CONTACTS_OF_ROW(i1, int8_t)
CONTACTS_OF_ROW(u2, uint16_t)
CONTACTS_OF_ROW(i2, int16_t)
CONTACTS_OF_ROW(u4, uint32_t)
CONTACTS_OF_ROW(i4, int32_t)

/* Planes [first, last), and their faces to plane `last`. The caller frees what is in the table. Returns 1 when memory
 * ran out. */
static int contacts_of_planes(const hpcdvc_volume *labels, int64_t first, int64_t last, contact_table *t)
{
    static int (*const of_row[])(contact_table *, const void *, const void *, const void *, int64_t) = {
        contacts_u1, contacts_i1, contacts_u2, contacts_i2, contacts_u4, contacts_i4};
    static const int bytes[] = {1, 1, 2, 2, 4, 4};
    const int64_t *n = labels->shape, step = n[2] * bytes[labels->type];
    memset(t, 0, sizeof *t);
    for (int64_t z = first; z < last; z++)
        for (int64_t y = 0; y < n[1]; y++) {
            const char *row = (const char *)labels->data + (z * n[1] + y) * step;
            const char *below = y + 1 < n[1] ? row + step : NULL, *behind = z + 1 < n[0] ? row + n[1] * step : NULL;
            if (of_row[labels->type](t, row, below, behind, n[2])) return 1;
        }
    return 0;
}

#endif
