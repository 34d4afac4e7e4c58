/* Gradient of the warped im2, for update_gradient. */
#ifndef HPCDVC_WARPED_GRADIENT_H
#define HPCDVC_WARPED_GRADIENT_H

#include "job.h"

/* Gradient of the warped im2 by central differences (one-sided at the ends), 0 next to voxels that do not count. */
static void gradient_of_warped(job *k, int partial)
{
    const window *w = &k->w;
    const int64_t step[3] = {w->sz, w->sy, 1};
    for (int i = k->is_3d ? 0 : 1; i < 3; i++)
        for (int z = 0; z < w->n[0]; z++)
            for (int y = 0; y < w->n[1]; y++)
                for (int x = 0; x < w->n[2]; x++) {
                    const int at[3] = {z, y, x};
                    const int64_t here = z * w->sz + y * w->sy + x;
                    const int64_t lo = at[i] > 0 ? here - step[i] : here;
                    const int64_t hi = at[i] < w->n[i] - 1 ? here + step[i] : here;
                    float d = (w->b[hi] - w->b[lo]) / (float)(hi - lo > step[i] ? 2 : 1);
                    w->g[i][here] = partial ? d * w->ok[hi] * w->ok[lo] * w->ok[here] : d;
                }
}

#endif
