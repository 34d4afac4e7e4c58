"""Where views of a tomographic scan look from: directions in the frame of the volume, sizes, angles."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Geometry:
    """Views of a scan with parallel beams.

    Parameters
    ----------
    p, u, w : (n, 3) float64
        Of each view, in the frame x, y, z of the volume: direction of the beam, of pixels j, of pixels k; orthonormal.
    shape : (J, K) pixels of a view
    volume : (X, Y, Z) voxels
    inner, outer : (n,) float64
        Angles about the inner and the outer axis, radian; NaN where only directions are known.
    """

    p: np.ndarray
    u: np.ndarray
    w: np.ndarray
    shape: tuple[int, int]
    volume: tuple[int, int, int]
    inner: np.ndarray
    outer: np.ndarray

    @property
    def single_axis(self) -> bool:
        """Whether all views turn about z, so that each plane z of the volume has rows of its own in all views."""
        return bool((np.abs(self.w - self.w[0]) < 1e-12).all() and abs(abs(self.w[0, 2]) - 1) < 1e-12)
