/* Planes cut through a volume, of any type, byte order and alignment: between the voxels, or the nearest of them. */
#ifndef HPCDVC_PLANES_H
#define HPCDVC_PLANES_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* A coordinate this far outside, in voxels or nodes, is rounding. */
#define PLANES_EDGE 1e-9

typedef struct {
    const unsigned char *data;
    int64_t shape[3];
    int type, swapped; /* place in CHOICES["TYPE"]; the bytes of a number stand the other way round */
} planes_volume;

/* Displacements on a grid of nodes: NaN where there is none. */
typedef struct {
    const double *nodes; /* (nz, ny, nx, 3), or NULL: nothing moves */
    int64_t shape[3];
    double origin[3], spacing[3];
} planes_field;

/* Pixel (i, j) lies at origin + i down + j across. */
typedef struct {
    double origin[3], down[3], across[3];
} planes_plane;

/* Lower node and fraction along one axis of n points; 0 outside. An axis of one node holds everywhere if `layer`. */
static inline int planes_between(double p, int64_t n, int layer, int64_t *low, double *part)
{
    *low = 0, *part = 0;
    if (layer && n == 1) return isfinite(p);
    if (!(p >= -PLANES_EDGE && p <= (double)(n - 1) + PLANES_EDGE)) return 0;
    if (p <= 0) return 1;
    const int64_t i = (int64_t)p;
    if (i >= n - 1)
        *low = n - 1;
    else
        *low = i, *part = p - (double)i;
    return 1;
}

/* Add the displacement at p to it; NaN outside the nodes, or beside one that has none. */
static void planes_move(const planes_field *field, double p[3])
{
    int64_t low[3];
    double part[3], moved[3] = {0, 0, 0};
    for (int k = 0; k < 3; k++)
        if (!planes_between((p[k] - field->origin[k]) / field->spacing[k], field->shape[k], 1, low + k, part + k)) {
            p[0] = p[1] = p[2] = NAN;
            return;
        }
    for (int corner = 0; corner < 8; corner++) {
        double weight = 1;
        int64_t at = 0;
        for (int k = 0; k < 3; k++) {
            const int high = corner >> k & 1;
            weight *= high ? part[k] : 1 - part[k];
            at = at * field->shape[k] + low[k] + (high && part[k] > 0);
        }
        if (weight == 0) continue;
        for (int k = 0; k < 3; k++) moved[k] += weight * field->nodes[3 * at + k];
    }
    for (int k = 0; k < 3; k++) p[k] += moved[k];
}

/* Where the pixels of row i come from, (n, 3). */
static void planes_places(const planes_plane *plane, const planes_field *field, int64_t i, int64_t n, double *places)
{
    for (int64_t j = 0; j < n; j++) {
        double *p = places + 3 * j;
        for (int k = 0; k < 3; k++) p[k] = plane->origin[k] + (double)i * plane->down[k] + (double)j * plane->across[k];
        if (field->nodes) planes_move(field, p);
    }
}

static inline uint8_t planes_turn1(uint8_t b) { return b; }
static inline uint16_t planes_turn2(uint16_t b) { return __builtin_bswap16(b); }
static inline uint32_t planes_turn4(uint32_t b) { return __builtin_bswap32(b); }
static inline uint64_t planes_turn8(uint64_t b) { return __builtin_bswap64(b); }

/* Between the eight voxels around: what is not finite in float32 is not covered, nor is what lies outside. */
#define PLANES_LINEAR(NAME, TYPE, BITS, TURN)                                                                          \
    static inline double planes_load_##NAME(const unsigned char *p, int swapped)                                       \
    {                                                                                                                  \
        BITS bits;                                                                                                     \
        TYPE value;                                                                                                    \
        memcpy(&bits, p, sizeof bits);                                                                                 \
        if (swapped) bits = TURN(bits);                                                                                \
        memcpy(&value, &bits, sizeof value);                                                                           \
        return (double)value;                                                                                          \
    }                                                                                                                  \
    static void planes_linear_##NAME(const planes_volume *v, const double *p, int64_t n, float *out, uint8_t *covered) \
    {                                                                                                                  \
        const int64_t *m = v->shape;                                                                                   \
        for (int64_t j = 0; j < n; j++, p += 3) {                                                                      \
            int64_t z, y, x;                                                                                           \
            double a, b, c;                                                                                            \
            out[j] = 0, covered[j] = 0;                                                                                \
            if (!planes_between(p[0], m[0], 0, &z, &a) || !planes_between(p[1], m[1], 0, &y, &b) ||                    \
                !planes_between(p[2], m[2], 0, &x, &c))                                                                \
                continue;                                                                                              \
            const int64_t one = c > 0 ? sizeof(TYPE) : 0, row = b > 0 ? m[2] * sizeof(TYPE) : 0,                       \
                          layer = a > 0 ? m[1] * m[2] * sizeof(TYPE) : 0;                                              \
            const unsigned char *q = v->data + ((z * m[1] + y) * m[2] + x) * sizeof(TYPE);                             \
            double side[2];                                                                                            \
            for (int k = 0; k < 2; k++, q += layer) {                                                                  \
                const double l0 = planes_load_##NAME(q, v->swapped), l1 = planes_load_##NAME(q + one, v->swapped),     \
                             h0 = planes_load_##NAME(q + row, v->swapped),                                             \
                             h1 = planes_load_##NAME(q + row + one, v->swapped);                                       \
                const double lo = l0 + c * (l1 - l0), hi = h0 + c * (h1 - h0);                                         \
                side[k] = lo + b * (hi - lo);                                                                          \
            }                                                                                                          \
            const float grey = (float)(side[0] + a * (side[1] - side[0]));                                             \
            if (isfinite(grey)) out[j] = grey, covered[j] = 1;                                                         \
        }                                                                                                              \
    }

PLANES_LINEAR(u1, uint8_t, uint8_t, planes_turn1)
PLANES_LINEAR(i1, int8_t, uint8_t, planes_turn1)
PLANES_LINEAR(u2, uint16_t, uint16_t, planes_turn2)
PLANES_LINEAR(i2, int16_t, uint16_t, planes_turn2)
PLANES_LINEAR(u4, uint32_t, uint32_t, planes_turn4)
PLANES_LINEAR(i4, int32_t, uint32_t, planes_turn4)
PLANES_LINEAR(f4, float, uint32_t, planes_turn4)
PLANES_LINEAR(f8, double, uint64_t, planes_turn8)

typedef void (*planes_row)(const planes_volume *, const double *, int64_t, float *, uint8_t *);
static const planes_row planes_rows[] = {planes_linear_u1, planes_linear_i1, planes_linear_u2, planes_linear_i2,
                                         planes_linear_u4, planes_linear_i4, planes_linear_f4, planes_linear_f8};
static const int planes_bytes[] = {1, 1, 2, 2, 4, 4, 4, 8};

/* The voxel that holds each place, copied in the byte order of this machine; 0 outside. */
static void planes_nearest_row(const planes_volume *v, const double *p, int64_t n, unsigned char *out, uint8_t *covered)
{
    const int size = planes_bytes[v->type];
    memset(out, 0, (size_t)(n * size));
    for (int64_t j = 0; j < n; j++, p += 3) {
        int64_t at = 0;
        covered[j] = 1;
        for (int k = 0; k < 3; k++) {
            const double nearest = floor(p[k] + 0.5);
            if (!(nearest >= 0 && nearest < (double)v->shape[k])) covered[j] = 0;
            if (covered[j]) at = at * v->shape[k] + (int64_t)nearest;
        }
        if (!covered[j]) continue;
        for (int b = 0; b < size; b++) out[j * size + b] = v->data[at * size + (v->swapped ? size - 1 - b : b)];
    }
}

/* Rows of a plane; `places` holds 3 columns numbers. */
static void planes_linear(const planes_volume *v, const planes_plane *plane, const planes_field *field, int64_t rows,
                          int64_t columns, double *places, float *out, uint8_t *covered)
{
    for (int64_t i = 0; i < rows; i++) {
        planes_places(plane, field, i, columns, places);
        planes_rows[v->type](v, places, columns, out + i * columns, covered + i * columns);
    }
}

static void planes_nearest(const planes_volume *v, const planes_plane *plane, const planes_field *field, int64_t rows,
                           int64_t columns, double *places, unsigned char *out, uint8_t *covered)
{
    for (int64_t i = 0; i < rows; i++) {
        planes_places(plane, field, i, columns, places);
        planes_nearest_row(v, places, columns, out + i * columns * planes_bytes[v->type], covered + i * columns);
    }
}

#endif
