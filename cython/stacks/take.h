/* Frames of a band side by side, row by row, about their level: how the other kernels want them. */
#ifndef HPCDVC_STACKS_TAKE_H
#define HPCDVC_STACKS_TAKE_H

#include <math.h>
#include <string.h>

#include "simd.h"
#include "stacks.h"

/* One row of a frame: 0 where there is no grey value. */
static void take_row(const float *from, int64_t n, float level, float scale, float *grey, float *there,
                     float *missing, float *saturated)
{
    for (int64_t x = 0; x < n; x++) {
        const float v = (from[x] - level) * scale, ok = v - v == 0;
        grey[x] = ok ? v : 0, missing[x] -= ok, saturated[x] += from[x] == INFINITY;
        if (there) there[x] = ok;
    }
}

static void take_band(const hpcdvc_band *b, int64_t top, int64_t left, const hpcdvc_stack *s)
{
    for (int64_t row = 0; row < s->rows; row++) {
        float *missing = s->missing + row * s->columns, *saturated = s->saturated + row * s->columns;
        for (int64_t x = 0; x < s->columns; x++) missing[x] = s->frames, saturated[x] = 0;
        for (int64_t k = 0; k < s->frames; k++) {
            const int64_t at = (row * s->frames + k) * s->columns;
            float *grey = s->grey + at, *there = s->there ? s->there + at : NULL;
            memset(grey, 0, s->columns * sizeof *grey);
            if (there) memset(there, 0, s->columns * sizeof *there);
            const int64_t y = top + row;
            const int64_t from = left < 0 ? -left : 0, to = b->columns - left < s->columns ? b->columns - left : s->columns;
            if (y < 0 || y >= b->rows || from >= to) continue;
            take_row(b->data + (k * b->rows + y) * b->columns + left + from, to - from, (float)b->level[k],
                     (float)b->scale[k], grey + from, there ? there + from : NULL, missing + from, saturated + from);
        }
    }
}

#endif
