/* Sums over blocks of a whole image: data shared by the C variants and the Cython wrapper. Arrays are ZYX. */
#ifndef HPCDVC_WHOLE_H
#define HPCDVC_WHOLE_H

#include "correlate.h"

/* Two images at a trial: x2 = centre + t + F (x1 - centre), grey values taken as (grey - offset) * scale. */
typedef struct {
    double Phi[12], centre[3];
    double offset1, offset2, scale;
    int64_t tile[3];
    int finite;   /* no voxel of either image is NaN or infinite */
    int contrast; /* measure what interpolation takes of the contrast */
    int residual; /* sum up the squares of im1 - gain im2 - shift, in units of the sums */
    double gain, shift;
} hpcdvc_pair;

/* Sums that do not change with Phi as long as the same voxels count. */
typedef struct {
    double known; /* 1: of all voxels of the block, and up to date */
    double n, a, aa, g[12], ag[12], M[144];
} hpcdvc_reference;

typedef struct {
    double b, bb, ab, bg[12], residual;
    double contrast_n, contrast_b, contrast_bb, interpolated_bb; /* over every CONTRAST_SKIP-th plane of each tile */
} hpcdvc_match;

#define DECLARE(VARIANT)                                                                                           \
    /* What the sums need, for tiles of at most so many voxels; the volumes and settings stay with the caller. */    \
    void *hpcdvc_start_sums_##VARIANT(const hpcdvc_volume *im1, const hpcdvc_volume *im2,                          \
                                      const hpcdvc_settings *settings, const int64_t tile[3]);                     \
    void hpcdvc_end_sums_##VARIANT(void *sums);                                                                    \
    /* blocks: lo[3], hi[3] of each. Returns 0 or a negative status. */                                            \
    int hpcdvc_sum_blocks_##VARIANT(void *sums, const hpcdvc_pair *pair, const int64_t *blocks, int64_t count,     \
                                    hpcdvc_reference *references, hpcdvc_match *matches);                          \
    grey_sums hpcdvc_sum_planes_##VARIANT(const hpcdvc_volume *im, int64_t first, int64_t last);                   \
    int hpcdvc_bin_planes_##VARIANT(const hpcdvc_volume *im, const int64_t cell[3], const int64_t top[3],          \
                                    const int64_t n[3], int64_t first, int64_t last, float *out);
DECLARE(v1)
#ifdef HPCDVC_X86
DECLARE(v3)
DECLARE(v4)
#endif
#undef DECLARE

#endif
