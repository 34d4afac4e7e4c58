/* Projections of volumes and their transpose: what the extension calls. Axes of volumes are x, y, z, those of views
 * j, k; lengths are voxels, which are pixels. */
#ifndef HPCDVC_TOMOGRAPHY_H
#define HPCDVC_TOMOGRAPHY_H

#include "records_tomography.h"
#include "table.h"

/* Zeros around what is read: before and behind each axis of a volume, on all sides of a view. */
enum { BEFORE = 1, BEHIND = 2, AROUND = 3 };

/* Each for float32 and for float64. */
typedef struct {
    void (*forward[2])(const hpcdvc_projection *);
    void (*adjoint[2])(const hpcdvc_projection *);
    /* the same of a single axis, for some planes z */
    void (*flat_forward[2])(const hpcdvc_projection *);
    void (*flat_adjoint[2])(const hpcdvc_projection *);
} hpcdvc_tomography_kernels;

KERNEL_TABLES(hpcdvc_tomography_kernels, hpcdvc_tomography)

#endif
