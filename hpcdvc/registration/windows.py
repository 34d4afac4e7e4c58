"""Registration of correlation windows: a pair of images made ready, points in, rows out.

The measured Phi maps a window of im1 to im2 about its point: im1(x) = im2(c + t + F (x - c)), arrays ZYX. The
iterations are in the kernel; what it is told is in settings.py, how they go in docs/theory/registration.md.
"""

import math

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.field import ROW
from hpcdvc.kernels.registration import register_points
from hpcdvc.kernels.settings import settings_record
from hpcdvc.kernels.volume import Volume
from hpcdvc.registration.kernel_settings import KernelSettings
from hpcdvc.registration.settings import Settings, dimensions_of


class WindowRegistration:
    """A pair of images made ready: call it with points, get rows.

    Parameters
    ----------
    im1, im2 : (nz, ny, nx) arrays of grey values (u1, i1, u2, i2, u4, i4, f4, f8); 2-D images have nz = 1
    settings : Settings, with a window
    mask1 : (nz, ny, nx) uint8 array, 0 = voxel of im1 that does not count

    Raises
    ------
    UserError
        The settings have no window, or other dimensions than the images.
    """

    def __init__(self, im1: np.ndarray, im2: np.ndarray, settings: Settings, mask1: np.ndarray | None = None):
        if settings.window is None:
            raise UserError("a window is needed to register windows")
        if {dimensions_of(im1.shape), dimensions_of(im2.shape)} != {settings.dimensions}:
            raise UserError(f"images of {im1.shape} and {im2.shape} voxels have not {settings.dimensions} dimensions")
        self._im1, self._im2 = Volume(im1, mask1), Volume(im2)
        self._settings = settings_record(KernelSettings(settings))

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Rows (hpcdvc.fields.field.ROW), one per point (hpcdvc.fields.field.POINT)."""
        rows = np.zeros(len(points), ROW)
        register_points(self._im1, self._im2, self._settings, np.ascontiguousarray(points), rows)
        return rows


def register_windows(
    im1: np.ndarray, im2: np.ndarray, points: np.ndarray, settings: Settings, mask1: np.ndarray | None = None
) -> np.ndarray:
    """Measure the deformation function of the window about each point.

    Parameters
    ----------
    im1, im2, settings, mask1 : see `WindowRegistration`
    points : structured array of hpcdvc.fields.field.POINT: position ZYX (voxels) and the Phi to start from

    Returns
    -------
    structured array of hpcdvc.fields.field.ROW, one row per point

    References
    ----------
    Baker & Matthews 2004, doi 10.1023/B:VISI.0000011205.11775.fd; Pan, Xie & Wang 2010, doi 10.1364/AO.49.005501
    """
    return WindowRegistration(im1, im2, settings, mask1)(points)


def seconds_per_window(settings: Settings) -> float:
    """Rough cost of one window on one core: nanoseconds per voxel and iteration as measured, five iterations."""
    nanoseconds = {1: 3, 3: 9, 5: 25}[settings.interpolation.order]
    return 5e-9 * nanoseconds * math.prod(2 * half + 1 for half in settings.window.half_size) + 1e-5
