/* Registration of windows and of whole images: what the extension calls. Arrays are ZYX, lengths are voxels. */
#ifndef HPCDVC_REGISTRATION_H
#define HPCDVC_REGISTRATION_H

#include "records_registration.h"
#include "table.h"

typedef struct {
    /* One window per point. Returns 0, or 1 when memory ran out. */
    int (*register_windows)(const hpcdvc_volume *im1, const hpcdvc_volume *im2, const hpcdvc_settings *settings,
                            const hpcdvc_point *points, hpcdvc_row *rows, int64_t count);
    /* One label per point; `linear`: the settings of those with hard edges, or NULL. Returns the same. */
    int (*register_labels)(const hpcdvc_volume *im1, const hpcdvc_volume *im2, const hpcdvc_volume *labels,
                           const hpcdvc_settings *settings, const hpcdvc_settings *linear, const hpcdvc_label_settings *how,
                           const hpcdvc_label_point *points, hpcdvc_row *rows, int64_t count);
    /* 1 in `mask` for each voxel of the box of n voxels from `origin` on that is of a label, dilated. Returns how many, -1
     * when memory ran out. */
    int64_t (*label_mask)(const hpcdvc_volume *labels, int64_t label, int dilate, int keep_others, const int64_t *origin,
                          const int *n, uint8_t *mask);
    /* What the sums over blocks need, for tiles of at most so many voxels; the volumes and settings stay with the
     * caller. label: 1 for the voxels that alone count, its first one at `first` of im1; or NULL. NULL when memory ran
     * out. */
    void *(*start_sums)(const hpcdvc_volume *im1, const hpcdvc_volume *im2, const hpcdvc_settings *settings,
                        const int64_t *tile, const hpcdvc_volume *label, const int64_t *first);
    void (*end_sums)(void *sums);
    /* blocks: lo[3], hi[3] of each. Returns 0 or a negative status, NO_MEMORY among them. */
    int (*sum_blocks)(void *sums, const hpcdvc_trial *trial, const int64_t *blocks, int64_t count,
                      hpcdvc_reference *references, hpcdvc_match *matches);
    hpcdvc_grey_sums (*sum_planes)(const hpcdvc_volume *im, int64_t first, int64_t last);
    /* Returns 1 when memory ran out. */
    int (*bin_planes)(const hpcdvc_volume *im, const int64_t *cell, const int64_t *top, const int64_t *n, int64_t first,
                      int64_t last, float *out);
} hpcdvc_registration_kernels;

KERNEL_TABLES(hpcdvc_registration_kernels, hpcdvc_registration)

enum { NO_MEMORY = -99 }; /* a status that no row keeps */

#endif
