/* A value for each label, written over a label image. */
#ifndef HPCDVC_PAINTED_H
#define HPCDVC_PAINTED_H

#include "particle.h"

/* Place of a label among n ascending ones, -1 where it is not there. */
static int64_t find_label(const int64_t *known, int64_t n, int64_t label)
{
    int64_t low = 0, high = n;
    while (low < high) {
        const int64_t middle = (low + high) / 2;
        if (known[middle] < label) low = middle + 1;
        else high = middle;
    }
    return low < n && known[low] == label ? low : -1;
}

/* Voxels [first, last) of the image, counted through; what has no value gets `nothing`. */
static void paint_voxels(const hpcdvc_volume *labels, int64_t first, int64_t last, const int64_t *known,
                         const float *values, int64_t n, float nothing, float *out)
{
    int64_t before = 0;
    float value = nothing;
    for (int64_t i = first; i < last; i++) {
        const int64_t label = label_at(labels, i);
        if (label != before) { /* labels come in runs */
            const int64_t at = label ? find_label(known, n, label) : -1;
            before = label, value = at < 0 ? nothing : values[at];
        }
        *out++ = value;
    }
}

#endif
