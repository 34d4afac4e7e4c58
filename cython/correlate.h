/* Registration of many correlation windows: data shared by the C variants and the Cython wrapper.
 * Arrays are ZYX, lengths are voxels. The structs mirror hpcdvc.fields.field.POINT and hpcdvc.fields.field.ROW. */
#ifndef HPCDVC_CORRELATE_H
#define HPCDVC_CORRELATE_H

#include <stdint.h>

#define MAX_TAPS 33 /* longest filter: radius 32 */

typedef struct {
    int64_t index;
    double position[3];
    double Phi[12];
} hpcdvc_point;

typedef struct {
    int64_t index;
    double Phi[12];
    double variance[12];
    double error, delta_phi_norm, zncc, valid_fraction;
    int32_t return_status, iterations;
} hpcdvc_row;

enum { TYPE_U1, TYPE_I1, TYPE_U2, TYPE_I2, TYPE_U4, TYPE_I4, TYPE_F4, TYPE_F8 };

typedef struct {
    const void *data;    /* C-contiguous voxels */
    const uint8_t *mask; /* same shape, 0 = excluded; or NULL */
    int64_t shape[3];
    int type;
} hpcdvc_volume;

typedef struct {
    double sum, sum_squares;
    int64_t count;
} grey_sums;

/* A filter by its taps: h[0], h[1] ... h[radius]; h[-k] = h[k] (smoothing) or -h[k] (derivative). */
typedef struct {
    int radius;
    float h[MAX_TAPS];
} hpcdvc_taps;

/* Gradient along one axis: derivative taps on it, smoothing taps on the two others.
 * noise = variance of the gradient of unit white noise. */
typedef struct {
    hpcdvc_taps derivative, smoothing;
    double noise;
} hpcdvc_gradient;

/* A spline that interpolates im2. */
typedef struct {
    int taps;              /* 2, 4 or 6 per axis */
    int poles;             /* grey values -> spline coefficients: recursive along z and y ... */
    double pole[2];
    int pad;               /* voxels that the recursion needs to forget how it began */
    hpcdvc_taps prefilter; /* ... and by these taps along x, where lanes cannot follow a recursion */
    double noise[16];      /* variance of interpolated unit noise at 16 fractions of a voxel, one axis */
} hpcdvc_interpolation;

typedef struct {
    int dimensions;      /* 2 or 3 */
    int half[3], margin; /* of windows */
    int znssd;      /* 1: gain and offset of each window eliminated; 0: plain sum of squares */
    int max_iterations, update_gradient;
    double min_delta_phi, min_valid, grey_low, grey_high, min_zncc;
    double near, growth, least_volume_ratio, greatest_volume_ratio, least_variance, least_contrast; /* control.py */
    int unknowns;   /* columns of the basis */
    double basis[12 * 12]; /* the change of the 12 entries of Phi per unknown: basis[12 * row + column] */
    int rigid;
    double curvature_threshold; /* of F; 0: no correction */
    hpcdvc_interpolation interpolation, curvature_interpolation;
    double keys_noise[16]; /* as hpcdvc_interpolation.noise, of Keys' interpolation */
    hpcdvc_gradient gradient;        /* in use at first */
    hpcdvc_gradient smooth_gradient; /* taken where the residual says that noise is high, if `adaptive` */
    hpcdvc_gradient true_gradient;   /* what the first falls short of, if `calibrate` */
    int adaptive, calibrate;
    double noise_with_smooth, noise_with_true; /* covariance with the first gradient, of unit white noise */
} hpcdvc_settings;

typedef int (*hpcdvc_register)(const hpcdvc_volume *, const hpcdvc_volume *, const hpcdvc_settings *,
                               const hpcdvc_point *, hpcdvc_row *, int64_t);

/* Each variant returns 0, or 1 when memory ran out. */
int hpcdvc_register_v1(const hpcdvc_volume *im1, const hpcdvc_volume *im2, const hpcdvc_settings *settings,
                       const hpcdvc_point *points, hpcdvc_row *rows, int64_t count);
#ifdef HPCDVC_X86
int hpcdvc_register_v3(const hpcdvc_volume *im1, const hpcdvc_volume *im2, const hpcdvc_settings *settings,
                       const hpcdvc_point *points, hpcdvc_row *rows, int64_t count);
int hpcdvc_register_v4(const hpcdvc_volume *im1, const hpcdvc_volume *im2, const hpcdvc_settings *settings,
                       const hpcdvc_point *points, hpcdvc_row *rows, int64_t count);
#endif

#endif
