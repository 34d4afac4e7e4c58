/* What other particles do at the rim of a label: where one has come near, or has left, grey values there are not the label's own.
 *
 * Such voxels stand out of the residual of the rim. They are left out, and the label is registered again. */
#ifndef HPCDVC_RIM_H
#define HPCDVC_RIM_H

#include "windows.h"

#define RIM 2              /* voxels of the rim inside the label, beside those that it was dilated by */
#define FAR_OUT 5.0        /* robust standard deviations of the residual of the rim */
#define MOST_OF_LABEL 0.35 /* part of its voxels that may be left out */
#define CLEARLY_LESS 0.5   /* part of the variance that is left where that was right */
#define RIM_ROUNDS 3
#define SKIP 3             /* every third plane tells how sharp a label is */
#define SHARP 0.25         /* rims above that are left whole: what stands out there is how edges fall between voxels */

/* Depth of each voxel of a label under its surface, 1 outermost, up to `deepest`; 0 where it is deeper, or none of the label. */
static void find_depth(const uint8_t *own, const int n[3], int is_3d, int deepest, uint8_t *depth)
{
    const int64_t step[3] = {(int64_t)n[1] * n[2], n[2], 1};
    memset(depth, 0, (size_t)n[0] * n[1] * n[2]);
    for (int now = 1; now <= deepest; now++)
        for (int z = 0; z < n[0]; z++)
            for (int y = 0; y < n[1]; y++)
                for (int x = 0; x < n[2]; x++) {
                    const int at[3] = {z, y, x};
                    const int64_t v = z * step[0] + y * step[1] + x;
                    int outside = 0;
                    if (!own[v] || depth[v]) continue;
                    for (int i = is_3d ? 0 : 1; i < 3 && !outside; i++)
                        for (int way = -1; way < 2; way += 2) {
                            const int there = at[i] + way >= 0 && at[i] + way < n[i];
                            const int64_t to = v + way * step[i];
                            outside |= !there || !own[to] || (depth[to] && depth[to] < now);
                        }
                    if (outside) depth[v] = (uint8_t)now;
                }
}

/* Median of the residual of the rim, as a standard deviation. */
static double usual_at_rim(const job *k, const uint8_t *depth)
{
    float r[4 * SAMPLES];
    const window *w = &k->w;
    const int64_t all = (int64_t)w->n[0] * w->n[1] * w->n[2];
    int64_t rim = 0, seen = 0;
    int count = 0;
    for (int64_t v = 0; v < all; v++) rim += depth[v] > 0;
    const int64_t stride = rim / (4 * SAMPLES) + 1;
    for (int64_t v = 0; v < all; v++)
        if (depth[v] && seen++ % stride == 0) r[count++] = fabsf(k->residual[v / w->n[2] * w->sy + v % w->n[2]]);
    return 1.4826 * median(r, count);
}

/* How much of the steps between neighbours in the rim has none on the other side: at most 0.17 where edges are blurred by half a
 * voxel and more, 0.3 to 0.5 where they lie between two voxels. */
static double sharpness(const job *k, const uint8_t *some, int skip)
{
    const window *w = &k->w;
    const int64_t step[3] = {w->sz, w->sy, 1};
    double one_sided = 0, all = 0;
    for (int z = skip / 2; z < w->n[0]; z += skip)
        for (int y = 0; y < w->n[1]; y++)
            for (int x = 0; x < w->n[2]; x++) {
                const int at[3] = {z, y, x};
                const float *here = w->a + z * step[0] + y * step[1] + x;
                if (!some[((int64_t)z * w->n[1] + y) * w->n[2] + x]) continue;
                for (int i = 0; i < 3; i++) {
                    if (at[i] == 0 || at[i] == w->n[i] - 1) continue;
                    const double up = fabsf(here[step[i]] - *here), down = fabsf(*here - here[-step[i]]);
                    one_sided += (up - down) * (up - down), all += (up + down) * (up + down);
                }
            }
    return one_sided / fmax(all, 1e-300);
}

/* Leave voxels of the rim that stand out, and their neighbours in it, out of `own`. Returns how many voxels are left. */
static int64_t trim(const job *k, const uint8_t *depth, uint8_t *own)
{
    const window *w = &k->w;
    const int64_t step[3] = {(int64_t)w->n[1] * w->n[2], w->n[2], 1}, all = step[0] * w->n[0];
    const double far = FAR_OUT * usual_at_rim(k, depth);
    int64_t left = 0;
    for (int64_t v = 0; v < all; v++) {
        if (!depth[v] || !(fabs(k->residual[v / w->n[2] * w->sy + v % w->n[2]]) > far)) continue;
        own[v] = 0;
        for (int i = 0; i < 3; i++)
            for (int way = -1; way < 2; way += 2) {
                const int64_t to = v + way * step[i];
                if (to >= 0 && to < all && depth[to]) own[to] = 0;
            }
    }
    for (int64_t v = 0; v < all; v++) left += own[v];
    return left;
}

#endif
