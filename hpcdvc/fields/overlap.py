"""How the errors of neighbouring windows are correlated: they share the voxels in which they overlap."""

from dataclasses import dataclass

import numpy as np

from hpcdvc.fields.grid import Grid


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

    def correlation_of_slopes(self, distance: np.ndarray, axis: int) -> np.ndarray:
        """The same of the errors of a column of F, its derivative along one axis.

        That error is the sum of the noise times the distance x from the middle of the window: along the axis its
        correlation is sum x (x - d) / sum x^2 over the voxels that are shared.

        Parameters
        ----------
        distance : (..., 3) array, ZYX, voxels
        axis : of the derivative

        Returns
        -------
        (...) array, from -1 / 2 to 1
        """
        parts = np.maximum(1 - np.abs(distance) / self.size, 0)
        apart = 1 - parts[..., axis]
        parts[..., axis] = np.where(apart < 1, 1 - 3 * apart + 2 * apart**3, 0)
        return parts.prod(axis=-1)

    def shared(self, grid: Grid, values: np.ndarray) -> np.ndarray:
        """The correlations of all nodes of a grid times values there: sum_j correlation(x_i - x_j) v_j.

        Parameters
        ----------
        grid : n nodes
        values : (n, ...) array

        Returns
        -------
        (n, ...) array; one axis after the other, for the correlation is a product
        """
        from scipy.ndimage import correlate1d  # slow to load

        result = values.reshape(*grid.shape, -1)
        for axis, (spacing, size, count) in enumerate(zip(grid.spacing, self.size, grid.shape, strict=True)):
            reach = min(int(size / spacing), count - 1)
            if reach:
                part = np.maximum(1 - np.abs(np.arange(-reach, reach + 1)) * spacing / size, 0)
                result = correlate1d(result, part, axis=axis, mode="constant")
        return result.reshape(values.shape)
