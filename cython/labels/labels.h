/* Boxes, volumes and sums of coordinates of all labels of some planes, in one pass over runs of one label. */
#ifndef HPCDVC_LABELS_H
#define HPCDVC_LABELS_H

#include "distinct.h"
#include "records_labels.h"

/* The particle of a label, a new one where there is none; NULL when memory ran out. */
static hpcdvc_particle *particle_of(distinct_table *t, int64_t label)
{
    int is_new;
    hpcdvc_particle *p = record_of(t, sizeof *p, 1, &label, &is_new);
    for (int i = 0; p && is_new && i < 3; i++) p->low[i] = INT32_MAX, p->high[i] = -1;
    return p;
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
    static int scan_row_##NAME(distinct_table *t, const void *row, int64_t n, int64_t z, int64_t y)                    \
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
static int scan_planes(const hpcdvc_volume *labels, int64_t first, int64_t last, distinct_table *t)
{
    static int (*const scan_row[])(distinct_table *, const void *, int64_t, int64_t, int64_t) = {
        scan_row_u1, scan_row_i1, scan_row_u2, scan_row_i2, scan_row_u4, scan_row_i4};
    static const int bytes[] = {1, 1, 2, 2, 4, 4};
    start_table(t, sizeof(hpcdvc_particle), 1);
    for (int64_t z = first; z < last; z++)
        for (int64_t y = 0; y < labels->shape[1]; y++) {
            const int64_t at = (z * labels->shape[1] + y) * labels->shape[2];
            const char *row = (const char *)labels->data + at * bytes[labels->type];
            if (scan_row[labels->type](t, row, labels->shape[2], z, y)) return 1;
        }
    return 0;
}

#endif
