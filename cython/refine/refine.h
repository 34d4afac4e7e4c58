/* Gauss-Newton refinement of local shifts: what the extension calls. Axes are y, x; lengths are pixels. */
#ifndef HPCDVC_REFINE_H
#define HPCDVC_REFINE_H

#include "records_refine.h"
#include "table.h"

/* Rows and columns of both images beyond the band: taps of the gradient, and of the spline. */
enum { MARGIN = 2 };
/* Rows of any values behind both images, which vectors may read. */
enum { BEHIND = 8 };

typedef struct {
    /* Coefficients of the spline of `rows` x `columns` grey values, which are `radius` rows and columns more on all
     * sides. Returns 1 when memory ran out. */
    int (*prefilter)(const float *, int64_t rows, int64_t columns, const hpcdvc_taps *, float *);
    /* Returns 1 when memory ran out. */
    int (*refine)(const hpcdvc_refinement *, const hpcdvc_refine_point *, hpcdvc_refined *, int64_t count);
} hpcdvc_refine_kernels;

KERNEL_TABLES(hpcdvc_refine_kernels, hpcdvc_refine)

#endif
