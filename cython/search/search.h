/* Search of windows at whole-voxel displacements: what the extension calls. Arrays are ZYX, lengths are voxels. */
#ifndef HPCDVC_SEARCH_H
#define HPCDVC_SEARCH_H

#include "records_search.h"
#include "table.h"

/* Windows of one size, and so many displacements. */
typedef struct {
    int64_t count;
    int n[3];     /* voxels of a window */
    int lags[3];  /* displacements along each axis */
} search_batch;

/* Sums over the voxels that count in both, for each window at each displacement; NULL where it is not needed. */
typedef struct {
    float *ab;             /* of a b */
    float *mb, *mbb;       /* of b and b^2, where the window is partial */
    float *am, *aam;       /* of a and a^2, where the region is */
    float *mm;             /* their number, where both are */
} search_sums;

/* Arrays of a batch: grey values of the windows and of the regions, and 1 or 0 for each voxel that counts or not. */
typedef struct {
    const float *a, *ok1, *b, *ok2;
} search_grey;

typedef struct {
    /* All return 0, or 1 when memory ran out. labels: NULL where windows are boxes. */
    int (*take_windows)(const hpcdvc_volume *im1, const hpcdvc_volume *labels, const hpcdvc_search_settings *settings,
                        const hpcdvc_search_point *points, int64_t count, float *a, float *ok,
                        hpcdvc_search_window *windows);
    int (*take_regions)(const hpcdvc_volume *im2, const hpcdvc_search_point *points, int64_t count, float *b, float *ok,
                        hpcdvc_search_region *regions);
    int (*correlate)(const search_batch *batch, const search_grey *grey, const search_sums *sums);
    /* peaks: so many of the highest, 4 numbers each (displacement from the rounded start, score). */
    int (*find)(const hpcdvc_volume *im2, const hpcdvc_search_settings *settings, const hpcdvc_search_point *points,
                const search_batch *batch, const search_grey *grey, const hpcdvc_search_window *windows,
                const hpcdvc_search_region *regions, const search_sums *sums, hpcdvc_found *found, double *peaks,
                int64_t peak_count);
} hpcdvc_search_kernels;

KERNEL_TABLES(hpcdvc_search_kernels, hpcdvc_search)

enum { MEASURED = 2, MATCHED = 1, NOT_EVALUATED = 0, NO_TEXTURE = -2, NO_SPECIMEN = -5, FEW_VALID_VOXELS = -6,
       BAD_START = -7, LEFT_IMAGE = -8, DECORRELATED = -9, AMBIGUOUS = -10, BORDER_OF_RANGE = -11 };

#endif
