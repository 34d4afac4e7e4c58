/* Gradient of the warped im2, for update_gradient. */
#ifndef HPCDVC_WARPED_GRADIENT_H
#define HPCDVC_WARPED_GRADIENT_H

#include "job.h"

/* Gradient of the warped im2 in a label, one-sided at its rim: that is where it has most of its gradient. */
static void gradient_of_label(job *k)
{
    const window *w = &k->w;
    const int64_t step[3] = {w->sz, w->sy, 1};
    for (int i = k->is_3d ? 0 : 1; i < 3; i++)
        for (int z = 0; z < w->n[0]; z++)
            for (int y = 0; y < w->n[1]; y++) {
                int from, to;
                span_of(w, z, y, &from, &to);
                for (int x = from; x < to; x++) {
                    const int at[3] = {z, y, x};
                    const int64_t here = z * w->sz + y * w->sy + x;
                    const int back = at[i] > 0 && w->ok[here - step[i]] > 0, on = at[i] < w->n[i] - 1 && w->ok[here + step[i]] > 0;
                    const float d = w->b[here + on * step[i]] - w->b[here - back * step[i]];
                    w->g[i][here] = back + on ? d * w->ok[here] / (float)(back + on) : 0;
                }
            }
}

/* Gradient of the warped im2 by central differences (one-sided at the ends), 0 next to voxels that do not count. */
static void gradient_of_warped(job *k, int partial)
{
    const window *w = &k->w;
    const int64_t step[3] = {w->sz, w->sy, 1};
    if (w->span && partial) {
        gradient_of_label(k);
        return;
    }
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
