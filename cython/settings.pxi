# Settings of a registration as C reads them, from hpcdvc.registration.kernel_settings.KernelSettings.

from libc.string cimport memset

cdef extern from "correlate.h":
    ctypedef struct hpcdvc_gradient:
        hpcdvc_taps derivative
        hpcdvc_taps smoothing
        double noise
    ctypedef struct hpcdvc_settings:
        int dimensions
        int half[3]
        int margin
        int znssd
        int max_iterations
        int update_gradient
        double min_delta_phi
        double min_valid
        double grey_low
        double grey_high
        double min_zncc
        double near
        double growth
        double least_volume_ratio
        double greatest_volume_ratio
        double least_variance
        double least_contrast
        int unknowns
        double basis[144]
        int rigid
        double curvature_threshold
        hpcdvc_interpolation interpolation
        hpcdvc_interpolation curvature_interpolation
        double keys_noise[16]
        hpcdvc_gradient gradient
        hpcdvc_gradient smooth_gradient
        hpcdvc_gradient true_gradient
        int adaptive
        int calibrate
        double noise_with_smooth
        double noise_with_true


cdef int fill_gradient(hpcdvc_gradient *gradient, object values) except -1:
    fill_taps(&gradient.derivative, values.derivative)
    fill_taps(&gradient.smoothing, values.smoothing)
    gradient.noise = values.noise
    return 0


cdef int fill_settings(hpcdvc_settings *s, object plan) except -1:
    memset(s, 0, sizeof(s[0]))
    for i in range(3):
        s.half[i] = plan.half_window_size[i]
    s.dimensions, s.margin, s.znssd = plan.dimensions, plan.margin, plan.znssd
    s.max_iterations, s.update_gradient, s.rigid = plan.max_iterations, plan.update_gradient, plan.rigid
    s.curvature_threshold = plan.curvature_threshold
    s.min_delta_phi, s.min_valid, s.min_zncc = plan.min_delta_phi, plan.min_valid, plan.min_zncc
    s.near, s.growth = plan.near, plan.growth
    s.least_volume_ratio, s.greatest_volume_ratio = plan.least_volume_ratio, plan.greatest_volume_ratio
    s.least_variance, s.least_contrast = plan.least_variance, plan.least_contrast
    s.grey_low, s.grey_high = plan.grey_low, plan.grey_high
    s.unknowns = plan.basis.shape[1]
    for i in range(12):
        for j in range(s.unknowns):
            s.basis[12 * i + j] = plan.basis[i, j]
    fill_interpolation(&s.interpolation, plan.interpolation)
    fill_interpolation(&s.curvature_interpolation, plan.curvature_interpolation)
    for i in range(16):
        s.keys_noise[i] = plan.keys_noise[i]
    fill_gradient(&s.gradient, plan.gradient)
    fill_gradient(&s.smooth_gradient, plan.smooth_gradient)
    fill_gradient(&s.true_gradient, plan.true_gradient)
    s.adaptive, s.calibrate = plan.adaptive, plan.calibrate
    s.noise_with_smooth, s.noise_with_true = plan.noise_with_smooth, plan.noise_with_true
    return 0
