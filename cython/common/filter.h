/* Filters along one axis of a box: by taps, or recursive. */
#ifndef HPCDVC_FILTER_H
#define HPCDVC_FILTER_H

#include "box.h"

/* out[i] = in[i] + pole out[i -+ 1] from one end of a box to the other and back, over planes (axis 0) or rows (1). */
static void recurse(box *b, int axis, double pole, int z0, int z1)
{
    const float p = (float)pole, start = (float)(1 / (1 - pole)); /* as if the first went on for ever */
    const int64_t step = axis == 0 ? b->sz : b->sy, line = axis == 0 ? b->sy * b->n[1] : b->sy;
    const int n = b->n[axis];
    for (int z = axis == 0 ? 0 : z0; z < (axis == 0 ? 1 : z1); z++) {
        float *first = b->v + z * b->sz;
        for (int64_t x = 0; x < line; x++) first[x] *= start;
        for (int i = 1; i < n; i++) {
            float *r = first + i * step, *q = r - step;
            for (int64_t x = 0; x < line; x++) r[x] += p * q[x];
        }
        float *last = first + (n - 1) * step;
        for (int64_t x = 0; x < line; x++) last[x] *= start;
        for (int i = n - 2; i >= 0; i--) {
            float *r = first + i * step, *q = r + step;
            for (int64_t x = 0; x < line; x++) r[x] += p * q[x];
        }
    }
}

INLINE void filter_rows(const float *in, int64_t in_sz, int64_t in_sy, int64_t step, const float *h, int radius,
                        int odd, float *out, int64_t out_sz, int64_t out_sy, const int n[3])
{
    for (int z = 0; z < n[0]; z++)
        for (int y = 0; y < n[1]; y++) {
            const float *p = in + z * in_sz + y * in_sy;
            float *o = out + z * out_sz + y * out_sy;
            for (int x = 0; x < n[2]; x += VL) {
                const float *ahead = p + x, *back = p + x;
                vf sum = odd ? splat(0) : h[0] * load(p + x);
                for (int k = 1; k <= radius; k++) {
                    ahead += step, back -= step;
                    sum += h[k] * (odd ? load(ahead) - load(back) : load(ahead) + load(back));
                }
                store(o + x, sum);
            }
        }
}

INLINE void filter_parity(const float *in, int64_t in_sz, int64_t in_sy, int64_t step, const hpcdvc_taps *taps, int odd,
                          float *out, int64_t out_sz, int64_t out_sy, const int n[3])
{
    const float *h = taps->h;
    switch (taps->radius) { /* the radii of our own filters, so that their loops are unrolled */
    case 1: filter_rows(in, in_sz, in_sy, step, h, 1, odd, out, out_sz, out_sy, n); break;
    case 4: filter_rows(in, in_sz, in_sy, step, h, 4, odd, out, out_sz, out_sy, n); break;
    case 6: filter_rows(in, in_sz, in_sy, step, h, 6, odd, out, out_sz, out_sy, n); break;
    case 9: filter_rows(in, in_sz, in_sy, step, h, 9, odd, out, out_sz, out_sy, n); break;
    case 11: filter_rows(in, in_sz, in_sy, step, h, 11, odd, out, out_sz, out_sy, n); break;
    case 16: filter_rows(in, in_sz, in_sy, step, h, 16, odd, out, out_sz, out_sy, n); break;
    default: filter_rows(in, in_sz, in_sy, step, h, taps->radius, odd, out, out_sz, out_sy, n);
    }
}

/* Filter along one axis: out[i] = sum_k h[k] (in[i + k] +- in[i - k]); `in` points at the first output voxel. */
static void filter(const float *in, int64_t in_sz, int64_t in_sy, int64_t step, const hpcdvc_taps *taps, int odd,
                   float *out, int64_t out_sz, int64_t out_sy, const int n[3])
{
    if (odd) filter_parity(in, in_sz, in_sy, step, taps, 1, out, out_sz, out_sy, n);
    else filter_parity(in, in_sz, in_sy, step, taps, 0, out, out_sz, out_sy, n);
}

#endif
