/* Records that are met again and again, found by the numbers that they begin with: an open-addressing hash table. */
#ifndef HPCDVC_DISTINCT_H
#define HPCDVC_DISTINCT_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "simd.h"

/* Places of `records`, -1 where there is none; never more than half full. */
typedef struct {
    char *records;
    int64_t *places;
    int64_t count, capacity; /* records; places, a power of two */
    size_t size;             /* bytes of a record */
    int keys;                /* numbers that it begins with, 1 or 2 */
} distinct_table;

/* The caller frees `records` and `places`. */
static void start_table(distinct_table *t, size_t size, int keys)
{
    memset(t, 0, sizeof *t);
    t->size = size, t->keys = keys;
}

/* `size` and `keys` are those of the table, known when it is compiled. */
INLINE int64_t place_in(const distinct_table *t, size_t size, int keys, const int64_t *key)
{
    uint64_t hash = (uint64_t)key[0] * 0x9E3779B97F4A7C15u;
    if (keys == 2) hash = (hash ^ (uint64_t)key[1]) * 0xC2B2AE3D27D4EB4Fu;
    int64_t at = (int64_t)(hash >> 20) & (t->capacity - 1);
    for (; t->places[at] >= 0; at = (at + 1) & (t->capacity - 1)) {
        const int64_t *of = (const int64_t *)(t->records + t->places[at] * size);
        if (of[0] == key[0] && (keys == 1 || of[1] == key[1])) break;
    }
    return at;
}

/* Returns 1 when memory ran out. */
static int grow_table(distinct_table *t)
{
    const int64_t capacity = t->capacity ? 2 * t->capacity : 1024;
    char *records = realloc(t->records, capacity / 2 * t->size);
    if (!records) return 1;
    t->records = records;
    int64_t *places = malloc(capacity * sizeof *places);
    if (!places) return 1;
    free(t->places);
    t->places = places, t->capacity = capacity;
    memset(places, 0xff, capacity * sizeof *places);
    for (int64_t i = 0; i < t->count; i++) places[place_in(t, t->size, t->keys, (const int64_t *)(t->records + i * t->size))] = i;
    return 0;
}

/* The record of some numbers, a new one of zeros after them where there is none, and `is_new`; NULL when memory ran out. */
INLINE void *record_of(distinct_table *t, size_t size, int keys, const int64_t *key, int *is_new)
{
    if (2 * t->count >= t->capacity && grow_table(t)) return NULL;
    const int64_t at = place_in(t, size, keys, key);
    *is_new = t->places[at] < 0;
    if (*is_new) {
        char *record = t->records + t->count * size;
        memset(record, 0, size);
        memcpy(record, key, keys * sizeof *key);
        t->places[at] = t->count++;
    }
    return t->records + t->places[at] * size;
}

#endif
