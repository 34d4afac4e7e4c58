/* The kernels of the refinement of local shifts for one instruction set (VL, VARIANT). */
#include "iterate.h"

static int refine(const hpcdvc_refinement *job, const hpcdvc_refine_point *points, hpcdvc_refined *to, int64_t count)
{
    template t;
    if (make_template(job, &t)) return 1;
    for (int64_t i = 0; i < count; i++) refine_point(job, points + i, &t, to + i);
    free_template(&t);
    return 0;
}

static int prefilter_frame(const float *grey, int64_t rows, int64_t columns, const hpcdvc_taps *taps, float *to)
{
    /* along y, then along x: one more vector behind each row is written, and one behind all is read */
    const int radius = taps->radius, across = PADDED((int)columns + 2 * radius) + VL;
    const int64_t wide = columns + 2 * radius;
    const int high[3] = {1, (int)rows, (int)wide}, flat[3] = {1, 1, (int)columns};
    float *grown = calloc((rows + 2 * radius) * across, sizeof(float)), *half = calloc(rows * across, sizeof(float));
    float *line = calloc(across, sizeof(float));
    if (grown && half && line) {
        for (int64_t y = 0; y < rows + 2 * radius; y++)
            memcpy(grown + y * across, grey + y * wide, wide * sizeof(float));
        filter(grown + radius * across, 0, across, across, taps, 0, half, 0, across, high);
        for (int64_t y = 0; y < rows; y++) {
            filter(half + y * across + radius, 0, 0, 1, taps, 0, line, 0, 0, flat);
            memcpy(to + y * columns, line, columns * sizeof(float));
        }
    }
    const int failed = !grown || !half || !line;
    free(grown), free(half), free(line);
    return failed;
}

const hpcdvc_refine_kernels FUNCTIONS(hpcdvc_refine) = {.prefilter = prefilter_frame, .refine = refine};
