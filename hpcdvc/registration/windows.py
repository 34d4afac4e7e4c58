"""Registration of correlation windows: the settings, the filters they imply, and the call of the kernel.

The measured Phi maps a window of im1 to im2 about its point: im1(x) = im2(c + t + F (x - c)), arrays ZYX.
"""

from dataclasses import dataclass

import numpy as np

from hpcdvc.fields.field import ROW
from hpcdvc.kernels.registration import Volume, register_points
from hpcdvc.registration.filters import (
    Gradient,
    Interpolation,
    gaussian_gradient,
    keys_noise,
    spline_gradient,
    with_noise,
)

#: By dimensions: ratio of variances from which curvature of the field in a window without noise is believed. The
#: interpolation error at sharp edges of real images follows the texture and gives up to 30; white noise gives about 1.
CURVATURE_THRESHOLD = {2: 8.0, 3: 30.0}


@dataclass(frozen=True)
class Settings:
    """How windows are registered.

    Attributes
    ----------
    half_window_size : voxels on each side of the point, ZYX; the window has 2 * half + 1 voxels per axis. 0 in z: 2-D
    order : order of the spline that interpolates im2: 1, 3 or 5
    criterion : "znssd" eliminates gain and offset of each window, "ssd" compares grey values as they are
    gradient : "spline" (derivative of the interpolating spline; central differences at order 1),
        "finite_differences" or "gaussian"; None chooses "spline" and, where the residual shows that noise is high,
        a Gaussian derivative of 1 voxel
    gaussian_sigma : width of the Gaussian derivative, voxels
    max_iterations, min_delta_phi : when to stop; min_delta_phi is the norm of the change of Phi
    min_valid : least fraction of valid voxels in a window
    grey_low, grey_high : windows whose mean grey value is not between them are skipped
    margin : voxels of im2 read around the window at first; wider moves read again
    update_gradient : gradient of the warped im2, renewed in every iteration
    rigid : rotation and translation only
    shape_order : "auto" corrects the displacement at the point for the curvature of the field inside the window, where
        the residual shows one; "1" leaves the affine optimum
    min_zncc : windows that correlate less are not called converged
    """

    half_window_size: tuple[int, int, int]
    order: int = 3
    criterion: str = "znssd"
    gradient: str | None = None
    gaussian_sigma: float = 1.0
    max_iterations: int = 50
    min_delta_phi: float = 1e-3
    min_valid: float = 0.5
    grey_low: float = -np.inf
    grey_high: float = np.inf
    margin: int = 1
    update_gradient: bool = False
    rigid: bool = False
    shape_order: str = "auto"
    min_zncc: float = 0.3


def basis(two_dimensional: bool, rigid: bool) -> np.ndarray:
    """(12, unknowns) changes of the rows of Phi: what a window may do."""
    axes = (1, 2) if two_dimensional else (0, 1, 2)
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


class Plan:
    """Settings with the filters that follow from them, as the kernel reads them.

    Parameters
    ----------
    settings : Settings
    """

    def __init__(self, settings: Settings):
        s = settings
        two_dimensional = s.half_window_size[0] == 0
        dimensions = 2 if two_dimensional else 3
        for name in ("half_window_size", "margin", "max_iterations", "min_delta_phi", "min_valid", "grey_low"):
            setattr(self, name, getattr(s, name))
        self.grey_high, self.min_zncc = s.grey_high, s.min_zncc
        self.update_gradient, self.rigid, self.znssd = s.update_gradient, s.rigid, s.criterion == "znssd"
        corrected = s.shape_order == "auto" and not s.rigid
        self.curvature_threshold = CURVATURE_THRESHOLD[dimensions] if corrected else 0.0
        self.basis = basis(two_dimensional, s.rigid)
        self.interpolation, self.curvature_interpolation = Interpolation(s.order), Interpolation(max(s.order, 3))
        self.keys_noise = keys_noise(np.arange(16) / 16)
        spline, five_points = spline_gradient(s.order), Gradient(np.array([0, 8, -1]) / 12, np.ones(1))
        first = {
            "finite_differences": spline_gradient(1),
            "gaussian": gaussian_gradient(s.gaussian_sigma),
            "five_points": five_points,
        }.get(s.gradient, spline)
        smooth, true = gaussian_gradient(1.0), five_points if s.order == 1 else spline
        self.adaptive = s.gradient is None and not s.update_gradient
        self.calibrate = first is not true and not s.update_gradient
        self.gradient, self.smooth_gradient, self.true_gradient = (
            with_noise(g, dimensions) for g in (first, smooth, true)
        )
        self.noise_with_smooth = first.covariance(smooth, dimensions)
        self.noise_with_true = first.covariance(true, dimensions)


class Registration:
    """A pair of images made ready: call it with points, get rows.

    Parameters
    ----------
    im1, im2 : (nz, ny, nx) arrays of grey values (u1, i1, u2, i2, u4, i4, f4, f8); 2-D images have nz = 1
    settings : Settings
    mask1 : (nz, ny, nx) uint8 array, 0 = voxel of im1 that does not count
    """

    def __init__(self, im1: np.ndarray, im2: np.ndarray, settings: Settings, mask1: np.ndarray | None = None):
        self._im1, self._im2, self._plan = Volume(im1, mask1), Volume(im2), Plan(settings)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Rows (hpcdvc.fields.field.ROW), one per point (hpcdvc.fields.field.POINT)."""
        rows = np.zeros(len(points), ROW)
        register_points(self._im1, self._im2, self._plan, np.ascontiguousarray(points), rows)
        return rows


def register_windows(
    im1: np.ndarray, im2: np.ndarray, points: np.ndarray, settings: Settings, mask1: np.ndarray | None = None
) -> np.ndarray:
    """Measure the deformation function of the window about each point.

    Parameters
    ----------
    im1, im2, settings, mask1 : see `Registration`
    points : structured array of hpcdvc.fields.field.POINT: position ZYX (voxels) and the Phi to start from

    Returns
    -------
    structured array of hpcdvc.fields.field.ROW, one row per point

    References
    ----------
    Baker & Matthews 2004, doi 10.1023/B:VISI.0000011205.11775.fd; Pan, Xie & Wang 2010, doi 10.1364/AO.49.005501
    """
    return Registration(im1, im2, settings, mask1)(points)


def seconds_per_window(settings: Settings) -> float:
    """Rough cost of one window on one core: nanoseconds per voxel and iteration as measured, five iterations."""
    nanoseconds = {1: 3, 3: 9, 5: 25}[settings.order]
    return 5e-9 * nanoseconds * np.prod([2 * half + 1 for half in settings.half_window_size]) + 1e-5
