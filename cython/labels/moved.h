/* Labels where they have moved to: a voxel goes to the label whose mask, linear between voxels, is greatest there. */
#ifndef HPCDVC_MOVED_H
#define HPCDVC_MOVED_H

#include <math.h>

#include "particle.h"
#include "records_labels.h"

/* The part of an image that is filled: planes [first, last) of ny x nx voxels. */
typedef struct {
    int64_t first, last, ny, nx;
    float threshold;
    float *best;     /* of the masks that have claimed a voxel, the greatest; `threshold` where none has */
    uint32_t *taken; /* label of that mask, 0 where none has */
    int64_t claims;  /* voxels of masks above the threshold, those that two labels claim counted twice */
} moved_slab;

/* The box [origin, origin + n) of the reference in which voxels [low, high] of the slab come from the label: with a
 * layer around the label that is empty. */
static int sources(const hpcdvc_moved *m, const int low[3], const int high[3], int64_t origin[3], int n[3])
{
    for (int k = 0; k < 3; k++) {
        const double *a = m->affine + 4 * k;
        double least = a[3], most = a[3];
        for (int j = 0; j < 3; j++) {
            const double at_low = a[j] * low[j], at_high = a[j] * high[j];
            least += fmin(at_low, at_high), most += fmax(at_low, at_high);
        }
        const double from = fmax(floor(least) - 1, m->box_low[k] - 1), to = fmin(floor(most) + 2, m->box_high[k] + 1);
        if (!(from < to)) return 0;
        origin[k] = (int64_t)from, n[k] = (int)(to - from) + 1;
    }
    return 1;
}

/* A mask at a place (voxels from its first one), linear between its voxels; 0 outside. */
INLINE float mask_at(const uint8_t *mask, const int n[3], double z, double y, double x)
{
    if (!(z >= 0 && z < n[0] - 1 && y >= 0 && y < n[1] - 1 && x >= 0 && x < n[2] - 1)) return 0;
    const int iz = (int)z, iy = (int)y, ix = (int)x;
    const uint8_t *p = mask + ((int64_t)iz * n[1] + iy) * n[2] + ix;
    const int64_t sy = n[2], sz = (int64_t)n[1] * n[2];
    const int corners = p[0] + p[1] + p[sy] + p[sy + 1] + p[sz] + p[sz + 1] + p[sz + sy] + p[sz + sy + 1];
    if (corners == 0 || corners == 8) return corners / 8;
    double rows[4];
    for (int k = 0; k < 4; k++) {
        const uint8_t *q = p + (k / 2) * sz + (k % 2) * sy;
        rows[k] = q[0] + (q[1] - q[0]) * (x - ix);
    }
    const double near = rows[0] + (rows[1] - rows[0]) * (y - iy), far = rows[2] + (rows[3] - rows[2]) * (y - iy);
    return (float)(near + (far - near) * (z - iz));
}

/* Of equally great masks the first keeps the voxel: labels come in ascending order. */
static void claim(moved_slab *s, int64_t at, float mask, uint32_t label)
{
    if (!(mask > s->threshold)) return;
    s->claims++;
    if (mask > s->best[at]) s->best[at] = mask, s->taken[at] = label;
}

/* Returns 1 when memory ran out. */
static int move_label(const hpcdvc_volume *labels, const hpcdvc_moved *m, int dilate, moved_slab *s)
{
    const int low[3] = {m->low[0] > s->first ? m->low[0] : (int)s->first, m->low[1], m->low[2]};
    const int high[3] = {m->high[0] < s->last ? m->high[0] : (int)s->last - 1, m->high[1], m->high[2]};
    int64_t origin[3];
    int n[3];
    if (low[0] > high[0] || low[1] > high[1] || low[2] > high[2] || !sources(m, low, high, origin, n)) return 0;
    uint8_t *mask = malloc((size_t)n[0] * n[1] * n[2]);
    if (!mask || particle_mask(labels, m->label, dilate, 0, origin, n, mask) < 0) {
        free(mask);
        return 1;
    }
    const double *a = m->affine;
    for (int z = low[0]; z <= high[0]; z++)
        for (int y = low[1]; y <= high[1]; y++) {
            const int64_t row = ((z - s->first) * s->ny + y) * s->nx;
            double at[3]; /* the same in whatever slab */
            for (int k = 0; k < 3; k++) at[k] = a[4 * k] * z + a[4 * k + 1] * y + a[4 * k + 3];
            for (int x = low[2]; x <= high[2]; x++)
                claim(s, row + x,
                      mask_at(mask, n, at[0] + a[2] * x - origin[0], at[1] + a[6] * x - origin[1],
                              at[2] + a[10] * x - origin[2]),
                      (uint32_t)m->label);
        }
    free(mask);
    return 0;
}

#endif
