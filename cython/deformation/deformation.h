/* Deformed images: what the extension calls. Arrays are ZYX, lengths are voxels. */
#ifndef HPCDVC_DEFORMATION_H
#define HPCDVC_DEFORMATION_H

#include "records_deformation.h"
#include "table.h"

/* Tiles of the deformed image, worked on one after the other. They lie on multiples of their size, so that no result
 * depends on the slab that is asked for. */
enum { TILE_Z = 16, TILE_Y = 32, TILE_X = 64, TILE = TILE_Z * TILE_Y * TILE_X };

typedef struct {
    /* Returns 0, or 1 when memory ran out. */
    int (*deform)(const hpcdvc_slab *);
} hpcdvc_deformation_kernels;

KERNEL_TABLES(hpcdvc_deformation_kernels, hpcdvc_deformation)

#endif
