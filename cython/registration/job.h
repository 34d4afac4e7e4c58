/* What the registration of one window needs; kept from point to point so that nothing is allocated in between. */
#ifndef HPCDVC_JOB_H
#define HPCDVC_JOB_H

#include "affine_rows.h"
#include "normal.h"
#include "outlier_list.h"
#include "registration.h"
#include "spline.h"

enum { CONVERGED = 2, MAX_ITERATIONS = 1, NOT_EVALUATED = 0, ERROR_GROWTH = -1, SINGULAR = -2, VOLUME_CHANGE = -3,
       SINGULAR_PHI = -4, NO_SPECIMEN = -5, FEW_VALID_VOXELS = -6, BAD_START = -7, LEFT_IMAGE = -8,
       DECORRELATED = -9, TWO_MOTIONS = -13 };

#define ALONG 4 /* parts of a window along an axis, see parts.h */
#define ROUNDING 1e-12 /* variance beside the square of the grey values that float32 cannot tell from rounding */

/* The window of im1, made ready once. */
typedef struct {
    int64_t corner[3];           /* first voxel of the window */
    int before[3];               /* voxels of the window before that of the point, along each axis */
    double whole;                /* voxels that it would have: all, or those of a label */
    const uint8_t *own;          /* of a label: 1 for each of its voxels in the window; or NULL */
    int rim;                     /* how deep it goes into the label, from the outermost voxels of its mask */
    int too_small;               /* it has no more voxels than -vt */
    double second_moment[3];     /* of a label: sum of squared distances from the point */
    int parts;                   /* parts of the window (parts.h) that hold something */
    double offset, scale;        /* grey values are taken as (grey - offset) * scale */
    box grey, step1, step2;      /* im1 with room for the filters, and filter steps */
    box valid;
    double in_image, counted;    /* voxels: finite and unmasked; those that also have a gradient */
    int partial, is_whole;       /* voxels are left out; the window lies in im1 and all of it counts */
    float *second[3];            /* the second gradient */
    int smoothed, refused;       /* it is in use; it is no better for the residual of this window */
    int outlier_beside;          /* something stands out beside the window */
    double length_ratio;         /* (sum of g.true gradient) / (sum of g.g) as it looks with all noise */
    reference_sums sums;
    int stale, sums_partial;     /* the sums must be made again; they left voxels out */
    factor factor;               /* of their normal matrix */
} reference_part;

/* The part of im2 that the window is mapped to. */
typedef struct {
    const hpcdvc_interpolation *spline; /* in use */
    box coefficients, valid;
    int is_read, has_invalid, is_crossed; /* is_crossed: the window reaches beyond im2 */
    double offset;
    int offset_is_given;         /* else it is chosen near the mean of what is read */
    double interpolated_squares; /* sum of im2^2, interpolated, over every third plane */
    double contrast_loss;        /* standard deviation of the interpolated window / without interpolation */
    int contrast_due;            /* measure it again */
} target_part;

/* Where the iterations are. */
typedef struct {
    double Phi[12];              /* about the point */
    double start[12];            /* that of the point */
    match_sums sums;
    double squares, zncc;        /* sum of squared residuals in units of scale, correlation */
    double gain, shift;          /* residual = a - gain b - shift */
    double noise;                /* variance of that of one image, in units of scale, when last looked at */
    double step_used;            /* factor on the last step */
    double step_gain;            /* (sum of g.g) / (sum of g.true gradient): noise makes g too long, smoothing too short */
    int looked_for_buried, buried_count; /* directions that a label shows nothing of (buried.h), in units of buried_root */
    double buried_along[12][12], buried_root[12];
    double noise_excess;         /* part of the normal matrix that counts in the variance */
    int settled;                 /* near the end with voxels left out: the others may only become fewer */
    int buried;                  /* noise hides the gradient: the length of steps is not known */
    int shaded;                  /* times that shading was taken out of im1 */
    double shading[12];          /* what its unknowns add to the diagonal of the inverse normal matrix */
    double colour;               /* of the residual that curvature leaves; 1 where nothing was to be seen */
    double curvature[30];        /* what is known of it, by the terms of curvature.h in units of the half window; uncorrected steps */
    double explained;            /* part of the squared residuals that curvature explains */
    int heavy_tails;             /* of the residual at rest: outliers */
    double curvature_part;       /* of the correction for curvature that is taken */
    int no_memory;               /* memory ran out where no status is returned */
} iteration_state;

/* Outlying voxels of im1 and im2. */
typedef struct {
    outlier_list list[2], found[2]; /* left out; found last */
    int64_t origin[2][3];        /* where they are looked for */
    int n[2][3], placed;
} outlier_search;

typedef struct {
    const hpcdvc_volume *im1, *im2;
    const hpcdvc_settings *s;
    int is_3d;
    window w;
    float *store;                /* all arrays of the window and of the second gradient ... */
    int64_t room;                /* ... each of so many floats */
    float *residual;             /* laid out as the window */
    box scratch;
    reference_part ref;
    target_part target;
    outlier_search search;
    iteration_state state;
} job;

/* Room for a window. Returns 1 if memory ran out. */
static int make_room(job *k, const int n[3])
{
    const hpcdvc_settings *s = k->s;
    memcpy(k->w.n, n, sizeof k->w.n);
    k->w.sy = PADDED(k->w.n[2]);
    k->w.sz = k->w.sy * k->w.n[1];
    const int64_t size = k->w.sz * k->w.n[0] + 2 * VL;
    if (size <= k->room) return 0;
    free(k->store);
    k->store = NULL, k->room = 0;
    float **arrays[] = {&k->w.a, &k->w.b, &k->w.g[0], &k->w.g[1], &k->w.g[2], &k->w.in1, &k->w.ok, &k->w.ok_before,
                        &k->residual, &k->ref.second[0], &k->ref.second[1], &k->ref.second[2]};
    const int count = sizeof arrays / sizeof *arrays - (s->adaptive || s->calibrate ? 0 : 3); /* no second gradient */
    if (posix_memalign((void **)&k->store, 64, count * PADDED(size) * sizeof(float))) return 1;
    memset(k->store, 0, count * PADDED(size) * sizeof(float));
    for (int i = 0; i < count; i++) *arrays[i] = k->store + i * PADDED(size);
    k->room = size;
    return 0;
}

/* n: the largest window. Returns 1 if memory ran out. */
static int job_start(job *k, const hpcdvc_volume *im1, const hpcdvc_volume *im2, const hpcdvc_settings *s, const int n[3])
{
    memset(k, 0, sizeof *k);
    k->im1 = im1, k->im2 = im2, k->s = s, k->is_3d = s->dimensions == 3;
    memcpy(k->ref.before, s->half, sizeof k->ref.before);
    k->ref.whole = (double)n[0] * n[1] * n[2];
    k->ref.parts = (k->is_3d ? ALONG : 1) * ALONG * ALONG;
    return make_room(k, n);
}

static void job_end(job *k)
{
    box *boxes[] = {&k->ref.grey, &k->ref.step1, &k->ref.step2, &k->target.coefficients, &k->ref.valid, &k->target.valid, &k->scratch};
    for (unsigned i = 0; i < sizeof boxes / sizeof *boxes; i++) free(boxes[i]->v);
    for (int i = 0; i < 2; i++) free(k->search.list[i].of), free(k->search.found[i].of);
    free(k->store);
}

#define CONTRAST_SKIP 3 /* planes that stand for so many when contrast is measured */

/* Sum of b, or of b^2, over every `skip`-th plane of a window. */
INLINE double sum_of_planes(const window *w, int skip, int power)
{
    double sum = 0;
    for (int z = 0; z < w->n[0]; z += skip) {
        vf plane = splat(0);
        for (int64_t v = z * w->sz; v < (z + 1) * w->sz; v += VL) plane += power == 2 ? load(w->b + v) * load(w->b + v) : load(w->b + v);
        sum += total(plane);
    }
    return sum;
}

/* How many voxels of every `skip`-th plane count. */
static double voxels_of_planes(const window *w, int skip)
{
    double count = 0;
    for (int z = 0; z < w->n[0]; z += skip)
        for (int64_t v = z * w->sz; v < (z + 1) * w->sz; v++) count += w->ok[v];
    return count;
}

#endif
