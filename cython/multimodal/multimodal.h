/* Two images of other modalities: what the extension calls. Arrays are ZYX, lengths are voxels. */
#ifndef HPCDVC_MULTIMODAL_H
#define HPCDVC_MULTIMODAL_H

#include "records_multimodal.h"
#include "table.h"

/* im1 is worked through in tiles of at most so many voxels, in 3-D and 2-D. */
enum { TILE_Z = 16, TILE_Y = 32, TILE_X = 128, FLAT_Y = 64 };

/* blocks: lo[3], hi[3] of each. All return 0, or 1 when memory ran out. */
typedef struct {
    /* Sums of each block; the histogram (bins, bins), im1 by im2, is added to. */
    int (*sum_blocks)(const hpcdvc_modal_images *, const int64_t *blocks, int64_t count, hpcdvc_modal_sums *sums,
                      int64_t *histogram);
    int (*count_blocks)(const hpcdvc_modal_images *, const int64_t *blocks, int64_t count, int64_t *histogram);
    /* By bins of im1, of each block (bins, 3): voxels, sums of im2 and of its square; added to. */
    int (*moments_of_blocks)(const hpcdvc_modal_images *, const int64_t *blocks, int64_t count, double *moments);
    /* Planes [first, last) of im1: - score / sqrt(weight), and the entry of the diagram (bins, bins); NaN and 0 where a
     * voxel does not count. */
    int (*fill_planes)(const hpcdvc_modal_images *, const uint8_t *diagram, int64_t first, int64_t last, float *residual,
                       uint8_t *phase);
    /* Shares of components, phases first, in a histogram (bins, bins) of parts; near (phases, bins, bins): the bins that shape
     * a phase; background: its density. Room for the densities of all, each as far as it reaches, and for (bins, bins). */
    void (*expect)(const hpcdvc_modal_component *, int64_t count, int64_t phases, double background, const double *parts,
                   const uint8_t *near, int64_t bins, double *densities, double *whole, hpcdvc_modal_share *shares);
} hpcdvc_multimodal_kernels;

KERNEL_TABLES(hpcdvc_multimodal_kernels, hpcdvc_multimodal)

#endif
