"""Settings and the filters that follow from them, as the kernels of windows and of whole images read them."""

import numpy as np

from hpcdvc.registration.control import GROWTH, LEAST_CONTRAST, LEAST_VARIANCE, NEAR, VOLUME_RATIO
from hpcdvc.registration.filters import (
    GradientFilter,
    gaussian_gradient,
    keys_noise,
    spline_filter,
    spline_gradient,
    with_noise,
)
from hpcdvc.registration.settings import Settings, Window

#: Ratio of variances from which curvature of the field in a window is believed; noise gives 1, +- 0.33 in 3-D.
CURVATURE_THRESHOLD = 2.0
#: Central differences over five voxels, nearly as true as the derivative of a spline and much shorter.
FIVE_POINTS = GradientFilter(np.array([0, 8, -1]) / 12, np.ones(1))


def basis(dimensions: int, rigid: bool) -> np.ndarray:
    """(12, unknowns) changes of the rows of Phi: what a window may do."""
    axes = range(3 - dimensions, 3)
    columns = [(i, 3, i, 3, 0.0) for i in axes]
    if rigid:
        columns += [(i, j, j, i, -1.0) for i in axes for j in axes if i < j]
    else:
        columns += [(i, j, i, j, 0.0) for i in axes for j in axes]
    result = np.zeros((12, len(columns)))
    for c, (i, j, k, m, value) in enumerate(columns):
        result[4 * i + j, c] = 1
        if value:
            result[4 * k + m, c] = value
    return result


#: What the kernel of whole images, which never asks for it, is handed in the place of a window.
NO_WINDOW = Window((0, 0, 0), min_valid=0.0, shape_order="1", read_margin=0)


class KernelSettings:
    """What the kernels of windows and of whole images are told; a whole image knows one gradient and no curvature.

    Parameters
    ----------
    settings : Settings
    gradient : another one than the settings ask for
    """

    def __init__(self, settings: Settings, gradient: GradientFilter | None = None):
        iterations, window, order = settings.iterations, settings.window or NO_WINDOW, settings.interpolation.order
        self.dimensions, self.znssd = settings.dimensions, settings.interpolation.criterion == "znssd"
        self.half_window_size, self.margin, self.min_valid = window.half_size, window.read_margin, window.min_valid
        self.grey_low, self.grey_high = window.grey_low, window.grey_high
        self.max_iterations, self.min_delta_phi = iterations.max_iterations, iterations.min_delta_phi
        self.rigid, self.update_gradient = iterations.rigid, iterations.update_gradient
        self.min_zncc, self.near, self.growth = iterations.min_zncc, NEAR, GROWTH
        self.least_volume_ratio, self.greatest_volume_ratio = VOLUME_RATIO
        self.least_variance, self.least_contrast = LEAST_VARIANCE, LEAST_CONTRAST
        corrected = window.shape_order == "auto"
        self.curvature_threshold = CURVATURE_THRESHOLD if corrected and not iterations.rigid else 0.0
        self.shading = corrected and self.znssd and order > 1  # trilinear interpolation disturbs more than shading
        self.basis = basis(settings.dimensions, iterations.rigid)
        self.interpolation, self.curvature_interpolation = spline_filter(order), spline_filter(max(order, 3))
        self.keys_noise = keys_noise(np.arange(16) / 16)
        self._take_gradients(settings, gradient)

    def _take_gradients(self, settings: Settings, other: GradientFilter | None) -> None:
        """The gradient in use at first, a smoother one for much noise, and what the first falls short of."""
        dimensions, order, method = settings.dimensions, settings.interpolation.order, settings.gradient.method
        spline = spline_gradient(order)
        asked = {"finite_differences": spline_gradient(1), "gaussian": gaussian_gradient(settings.gradient.sigma)}
        first, smooth = other or asked.get(method, spline), gaussian_gradient(1.0)
        true = FIVE_POINTS if order == 1 else spline
        may_change = settings.window is not None and not settings.iterations.update_gradient
        self.adaptive, self.calibrate = may_change and method is None, may_change and first is not true
        self.gradient, self.smooth_gradient, self.true_gradient = (
            with_noise(g, dimensions) for g in (first, smooth, true)
        )
        self.noise_with_smooth = first.covariance(smooth, dimensions)
        self.noise_with_true = first.covariance(true, dimensions)
