/* Squared Euclidean distances of voxels from the nearest voxel of the background, exact (Meijster et al. 2000). */
#ifndef HPCDVC_DISTANCES_H
#define HPCDVC_DISTANCES_H

#include <stdint.h>
#include <stdlib.h>

/* Where there is no background; as it is stored, and as it is computed with: further than any voxel is. */
#define NO_BACKGROUND UINT32_MAX
#define FAR_AWAY ((int64_t)1 << 40)
/* Lines that are gathered at a time: they lie side by side in memory. */
#define LINES 16

/* Room for lines of n voxels. */
typedef struct {
    int64_t *values, *vertices, *starts;
} distances_room;

static void free_room(distances_room *room)
{
    free(room->values), free(room->vertices), free(room->starts);
}

/* Returns 1 when memory ran out; the caller frees it either way. */
static int make_room(distances_room *room, int64_t n)
{
    room->values = malloc(LINES * n * sizeof(int64_t));
    room->vertices = malloc(n * sizeof(int64_t));
    room->starts = malloc(n * sizeof(int64_t));
    return !room->values || !room->vertices || !room->starts;
}

static inline int64_t parabola(const int64_t *f, int64_t i, int64_t x) { return f[i] + (x - i) * (x - i); }

/* The last place where the parabola of i < u is not above that of u. */
static inline int64_t last_below(const int64_t *f, int64_t i, int64_t u)
{
    const int64_t a = u * u - i * i + f[u] - f[i], b = 2 * (u - i);
    return a >= 0 ? a / b : -((b - 1 - a) / b);
}

/* The lower envelope of the parabolas f[i] + (x - i)^2 along a line, into `out`, whose entries are `step` apart. */
static void lower_envelope(const int64_t *f, int64_t n, distances_room *room, uint32_t *out, int64_t step)
{
    int64_t *vertex = room->vertices, *start = room->starts, q = 0;
    vertex[0] = start[0] = 0;
    for (int64_t u = 1; u < n; u++) {
        while (q >= 0 && parabola(f, vertex[q], start[q]) > parabola(f, u, start[q])) q--;
        if (q < 0) {
            vertex[q = 0] = u;
            continue;
        }
        const int64_t from = 1 + last_below(f, vertex[q], u);
        if (from < n) q++, vertex[q] = u, start[q] = from;
    }
    for (int64_t x = n - 1; x >= 0; x--) {
        const int64_t found = parabola(f, vertex[q], x);
        out[x * step] = found >= FAR_AWAY ? NO_BACKGROUND : (uint32_t)found;
        if (x == start[q]) q--;
    }
}

/* The same along some lines side by side, of what stands there. */
static void along_lines(uint32_t *first, int64_t n, int64_t step, int64_t lines, distances_room *room)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < lines; k++) {
            const uint32_t found = first[i * step + k];
            room->values[k * n + i] = found == NO_BACKGROUND ? FAR_AWAY : found;
        }
    for (int64_t k = 0; k < lines; k++) lower_envelope(room->values + k * n, n, room, first + k, step);
}

/* Squares of the distances along rows of a mask. */
static void along_row(const uint8_t *mask, int64_t n, uint32_t *out)
{
    int64_t nearest = -1;
    for (int64_t x = 0; x < n; x++) {
        if (!mask[x]) nearest = x;
        out[x] = nearest < 0 ? NO_BACKGROUND : (uint32_t)((x - nearest) * (x - nearest));
    }
    nearest = -1;
    for (int64_t x = n - 1; x >= 0; x--) {
        if (!mask[x]) nearest = x;
        if (nearest >= 0 && (uint32_t)((nearest - x) * (nearest - x)) < out[x]) out[x] = (uint32_t)((nearest - x) * (nearest - x));
    }
}

/* Planes of a mask, each by itself. Returns 1 when memory ran out. */
static int distances_in_planes(const uint8_t *mask, int64_t planes, int64_t ny, int64_t nx, uint32_t *out)
{
    distances_room room = {0};
    const int failed = make_room(&room, ny);
    for (int64_t z = 0; z < planes && !failed; z++) {
        uint32_t *plane = out + z * ny * nx;
        for (int64_t y = 0; y < ny; y++) along_row(mask + (z * ny + y) * nx, nx, plane + y * nx);
        for (int64_t x = 0; x < nx; x += LINES) along_lines(plane + x, ny, nx, nx - x < LINES ? nx - x : LINES, &room);
    }
    free_room(&room);
    return failed;
}

/* Rows [first, last) of all planes, from what `distances_in_planes` has found. Returns 1 when memory ran out. */
static int distances_across_planes(uint32_t *squares, int64_t nz, int64_t ny, int64_t nx, int64_t first, int64_t last)
{
    distances_room room = {0};
    const int failed = make_room(&room, nz);
    for (int64_t y = first; y < last && !failed; y++)
        for (int64_t x = 0; x < nx; x += LINES)
            along_lines(squares + y * nx + x, nz, ny * nx, nx - x < LINES ? nx - x : LINES, &room);
    free_room(&room);
    return failed;
}

#endif
