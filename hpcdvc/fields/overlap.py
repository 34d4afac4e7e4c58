"""How the errors of neighbouring windows are correlated: they share the voxels in which they overlap."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class WindowOverlap:
    """Windows about nodes.

    The error of the displacement of an affine window is, for a texture that is alike everywhere, the mean of the noise
    over its voxels. Two windows a distance d apart share the part prod (1 - |d_k| / w_k) of them, which is the
    correlation of their errors (docs/theory/strain.md).

    Attributes
    ----------
    half : half windows, ZYX, voxels; a window has 2 * half + 1
    """

    half: tuple[int, int, int]

    @property
    def size(self) -> np.ndarray:
        """(3,) edges of a window, ZYX, voxels."""
        return 2 * np.array(self.half) + 1

    def correlation(self, distance: np.ndarray) -> np.ndarray:
        """Correlation of the errors of windows so far apart.

        Parameters
        ----------
        distance : (..., 3) array, ZYX, voxels

        Returns
        -------
        (...) array, from 0 (no voxel shared) to 1
        """
        return np.maximum(1 - np.abs(distance) / self.size, 0).prod(axis=-1)
