/* What the registration of one window needs; kept from point to point so that nothing is allocated in between. */
#ifndef HPCDVC_JOB_H
#define HPCDVC_JOB_H

#include "normal.h"
#include "registration.h"
#include "spline.h"

enum { CONVERGED = 2, MAX_ITERATIONS = 1, NOT_EVALUATED = 0, ERROR_GROWTH = -1, SINGULAR = -2, VOLUME_CHANGE = -3,
       SINGULAR_PHI = -4, GREY_THRESHOLD = -5, FEW_VALID_VOXELS = -6, BAD_GUESS = -7, LEFT_IMAGE = -8,
       DECORRELATED = -9 };

typedef struct {
    const hpcdvc_volume *im1, *im2;
    const hpcdvc_settings *s;
    const hpcdvc_interpolation *spline; /* in use */
    int thick;                   /* 3-D */
    window w;
    float *store, *second[3];    /* all arrays of the window; the second gradient */
    box grey1, step1, step2;     /* im1 with room for the filters, and filter steps */
    box coefficients;            /* of im2, around the window */
    box valid1, valid2, scratch;
    int64_t corner[3];           /* first voxel of the window in im1 */
    double Phi[12];              /* about the point */
    double offset1, offset2, scale;
    int offset_is_given;         /* that of im2; else it is chosen near the mean of what is read */
    double in_im1, valid_in_im1; /* voxels: finite and unmasked; those that also have a gradient */
    int partial1, in1_is_whole, bad2, have_coefficients;
    int settled;                 /* near the end with voxels left out: the others may only become fewer */
    int stale, partial;          /* the reference sums must be made again; they left voxels out */
    int smoothed;                /* the second gradient is in use */
    reference_sums r;
    match_sums m;
    factor f;
    double interpolated_squares; /* sum of im2^2, interpolated, over every third plane */
    double contrast_loss;        /* standard deviation of the interpolated window / without interpolation */
    int contrast_due;            /* measure it again */
    double squares, zncc;        /* sum of squared residuals in units of scale, correlation */
    double gain, shift;          /* residual = a - gain b - shift */
    double longer;               /* (sum of g.true gradient) / (sum of g.g) as it looks with all noise */
    double noise;                /* variance of that of one image, in units of scale, when last looked at */
    double step_used;            /* factor on the last step */
    double step_gain;            /* (sum of g.g) / (sum of g.true gradient): noise makes g too long, smoothing too short */
    double noise_excess;         /* part of the normal matrix that counts in the variance */
    int no_memory;               /* memory ran out where no status is returned */
} job;

/* n: the largest window. Returns 1 if memory ran out. */
static int job_start(job *k, const hpcdvc_volume *im1, const hpcdvc_volume *im2, const hpcdvc_settings *s, const int n[3])
{
    memset(k, 0, sizeof *k);
    k->im1 = im1, k->im2 = im2, k->s = s, k->thick = s->dimensions == 3;
    memcpy(k->w.n, n, sizeof k->w.n);
    k->w.sy = PADDED(k->w.n[2]);
    k->w.sz = k->w.sy * k->w.n[1];
    const int64_t size = k->w.sz * k->w.n[0] + 2 * VL;
    float **arrays[] = {&k->w.a, &k->w.b, &k->w.g[0], &k->w.g[1], &k->w.g[2], &k->w.in1, &k->w.ok, &k->w.was,
                        &k->second[0], &k->second[1], &k->second[2]};
    const int count = sizeof arrays / sizeof *arrays - (s->adaptive || s->calibrate ? 0 : 3); /* no second gradient */
    if (posix_memalign((void **)&k->store, 64, count * PADDED(size) * sizeof(float))) return 1;
    memset(k->store, 0, count * PADDED(size) * sizeof(float));
    for (int i = 0; i < count; i++) *arrays[i] = k->store + i * PADDED(size);
    return 0;
}

static void job_end(job *k)
{
    box *boxes[] = {&k->grey1, &k->step1, &k->step2, &k->coefficients, &k->valid1, &k->valid2, &k->scratch};
    for (unsigned i = 0; i < sizeof boxes / sizeof *boxes; i++) free(boxes[i]->v);
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

/* Columns outside [first, last) of a padded row are 0. */
INLINE void clear_ends(float *row, int first, int last, int64_t padded)
{
    for (int x = 0; x < first; x++) row[x] = 0;
    for (int64_t x = last; x < padded; x++) row[x] = 0;
}

#endif
