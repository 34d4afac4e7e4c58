/* Which labels touch, and by how many faces of voxels, in one pass over some planes. */
#ifndef HPCDVC_CONTACTS_H
#define HPCDVC_CONTACTS_H

#include "distinct.h"
#include "records_labels.h"

/* One face between two voxels; `last` is the contact met last: its neighbours are mostly of the same pair. Returns 1 when memory
 * ran out. */
static int add_face(distinct_table *t, hpcdvc_contact **last, int64_t a, int64_t b)
{
    const int64_t pair[2] = {a < b ? a : b, a < b ? b : a};
    int is_new;
    if (!*last || memcmp((*last)->labels, pair, sizeof pair)) *last = record_of(t, sizeof **last, 2, pair, &is_new);
    if (!*last) return 1;
    (*last)->faces++;
    return 0;
}

/* Faces of the voxels of a row to the next in x, in y (the row below, or NULL) and in z (that behind, or NULL). */
#define CONTACTS_OF_ROW(NAME, TYPE)                                                                                    \
    static int contacts_##NAME(distinct_table *t, const void *row, const void *below, const void *behind, int64_t n)   \
    {                                                                                                                  \
        const TYPE *v = row, *along[3] = {v + 1, below, behind};                                                       \
        hpcdvc_contact *last = NULL;                                                                                   \
        for (int k = 0; k < 3; k++)                                                                                    \
            for (int64_t x = 0; along[k] && x < n - (k == 0); x++)                                                     \
                if (v[x] != along[k][x] && v[x] && along[k][x] && add_face(t, &last, v[x], along[k][x])) return 1;     \
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
static int contacts_of_planes(const hpcdvc_volume *labels, int64_t first, int64_t last, distinct_table *t)
{
    static int (*const of_row[])(distinct_table *, const void *, const void *, const void *, int64_t) = {
        contacts_u1, contacts_i1, contacts_u2, contacts_i2, contacts_u4, contacts_i4};
    static const int bytes[] = {1, 1, 2, 2, 4, 4};
    const int64_t *n = labels->shape, step = n[2] * bytes[labels->type];
    start_table(t, sizeof(hpcdvc_contact), 2);
    for (int64_t z = first; z < last; z++)
        for (int64_t y = 0; y < n[1]; y++) {
            const char *row = (const char *)labels->data + (z * n[1] + y) * step;
            const char *below = y + 1 < n[1] ? row + step : NULL, *behind = z + 1 < n[0] ? row + n[1] * step : NULL;
            if (of_row[labels->type](t, row, below, behind, n[2])) return 1;
        }
    return 0;
}

#endif
