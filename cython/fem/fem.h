/* Sums over the voxels of tetrahedra: what the extension calls. Arrays are ZYX, lengths are voxels. */
#ifndef HPCDVC_FEM_H
#define HPCDVC_FEM_H

#include "records_fem.h"
#include "table.h"

/* Images are worked through in bricks, which lie on multiples of their size: no sum depends on which other elements
 * are summed up with one. */
enum { BRICK_Z = 32, BRICK_Y = 32, BRICK_X = 64 };

/* Nodes are taken to multiples of 2^-SHIFT voxels where it is decided which voxels a tetrahedron holds; coordinates are
 * at most 2^SHIFT voxels, so that the products of three of them can be exact in 128 bits. */
enum { SHIFT = 20 };

typedef struct {
    /* Add the sums of all pieces to those of their elements. Returns 0, or 1 when memory ran out. */
    int (*sum_matrix)(const hpcdvc_mesh_images *, hpcdvc_matrix_sums *);
    int (*sum_step)(const hpcdvc_mesh_images *, hpcdvc_step_sums *);
} hpcdvc_fem_kernels;

KERNEL_TABLES(hpcdvc_fem_kernels, hpcdvc_fem)

#endif
