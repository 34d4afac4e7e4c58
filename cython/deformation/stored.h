/* What is stored of interpolated values: rounded and clipped to the type of the volume. */
#ifndef HPCDVC_STORED_H
#define HPCDVC_STORED_H

#include "tile.h"

/* Adding and taking away 1.5 * 2^52 rounds a double to the nearest integer, in vectors and without a call. */
#define ROUNDED(x) (((x) + 6755399441055744.0) - 6755399441055744.0)

#define PUT_INTEGERS(NAME, TYPE, LOW, HIGH)                                                                            \
    static void put_##NAME(const float *v, const uint8_t *state, double offset, int n, void *out)                      \
    {                                                                                                                  \
        TYPE *o = out;                                                                                                 \
        for (int i = 0; i < n; i++) {                                                                                  \
            double x = (double)v[i] + offset;                                                                          \
            x = x < LOW ? LOW : x > HIGH ? HIGH : x;                                                                   \
            o[i] = state[i] ? (TYPE)ROUNDED(x) : 0;                                                                    \
        }                                                                                                              \
    }
#define PUT_REALS(NAME, TYPE)                                                                                          \
    static void put_##NAME(const float *v, const uint8_t *state, double offset, int n, void *out)                      \
    {                                                                                                                  \
        TYPE *o = out;                                                                                                 \
        for (int i = 0; i < n; i++) o[i] = state[i] == WANTED ? (TYPE)((double)v[i] + offset) : state[i] ? (TYPE)NAN : 0;    \
    }

PUT_INTEGERS(u1, uint8_t, 0.0, 255.0)
PUT_INTEGERS(i1, int8_t, -128.0, 127.0)
PUT_INTEGERS(u2, uint16_t, 0.0, 65535.0)
PUT_INTEGERS(i2, int16_t, -32768.0, 32767.0)
PUT_INTEGERS(u4, uint32_t, 0.0, 4294967295.0)
PUT_INTEGERS(i4, int32_t, -2147483648.0, 2147483647.0)
PUT_REALS(f4, float)
PUT_REALS(f8, double)

typedef void (*row_put)(const float *, const uint8_t *, double, int, void *);
static const row_put row_puts[] = {put_u1, put_i1, put_u2, put_i2, put_u4, put_i4, put_f4, put_f8};

/* Voxel of the slab at column x of row (z, y) of a tile. */
INLINE int64_t slab_voxel(const tile *t, int z, int y, int x)
{
    const hpcdvc_slab *s = t->s;
    return ((t->at[0] + z - s->first) * t->im->shape[1] + t->at[1] + y) * t->im->shape[2] + t->at[2] + x;
}

/* Store columns [first, last) of t->line. */
static void put_row(tile *t, int z, int y, int first, int last)
{
    const hpcdvc_slab *s = t->s;
    const int at = voxel_of(z, y);
    const int64_t to = slab_voxel(t, z, y, first);
    if (t->gain)
        for (int x = first; x < last; x++)
            t->line[x] = (float)((t->line[x] + t->offset) * t->gain[at + x] - t->offset);
    row_puts[s->type](t->line + first, t->state + at + first, t->offset, last - first,
                      (char *)s->values + to * type_bytes[s->type]);
    for (int x = first; x < last; x++) s->inside[to + x - first] = t->state[at + x] == WANTED;
}

#define COPIERS(BYTES, TYPE)                                                                                            \
    static void copy_##BYTES(const void *voxels, const int64_t *from, const uint8_t *state, int n, void *out)          \
    {                                                                                                                  \
        const TYPE *v = voxels;                                                                                        \
        TYPE *o = out;                                                                                                 \
        for (int x = 0; x < n; x++)                                                                                    \
            if (state[x]) o[x] = v[from[x]];                                                                           \
    }

COPIERS(1, uint8_t)
COPIERS(2, uint16_t)
COPIERS(4, uint32_t)
COPIERS(8, uint64_t)

/* Order 0: copy the nearest voxels of a row, by their size and not by what they mean. */
static void copy_row(tile *t, int z, int y, int first, int last)
{
    const hpcdvc_slab *s = t->s;
    const int at = voxel_of(z, y);
    const int64_t to = slab_voxel(t, z, y, 0), sy = t->im->shape[2], sz = sy * t->im->shape[1];
    const double *pz = t->p[0] + at, *py = t->p[1] + at, *px = t->p[2] + at;
    const uint8_t *state = t->state + at;
    int64_t from[TILE_X];
    for (int x = first; x < last; x++) { /* sources are >= 0: to truncate is to round down */
        from[x] = state[x] ? (int64_t)(pz[x] + 0.5) * sz + (int64_t)(py[x] + 0.5) * sy + (int64_t)(px[x] + 0.5) : 0;
    }
    const int bytes = type_bytes[s->type], n = last - first;
    char *out = (char *)s->values + (to + first) * bytes;
    switch (bytes) {
    case 1: copy_1(t->im->data, from + first, state + first, n, out); break;
    case 2: copy_2(t->im->data, from + first, state + first, n, out); break;
    case 4: copy_4(t->im->data, from + first, state + first, n, out); break;
    default: copy_8(t->im->data, from + first, state + first, n, out);
    }
    for (int x = first; x < last; x++) s->inside[to + x] = state[x] == WANTED;
}

#endif
