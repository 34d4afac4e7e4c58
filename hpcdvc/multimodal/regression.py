"""What im1 says about the grey values of im2: their mean at equal grey value of im1.

Seen through it, im1 is an image of the modality of im2, and what registers images of one modality serves.
"""

from dataclasses import dataclass

import numpy as np

CLASSES = 32  # of grey values of im1, of equal numbers of voxels


@dataclass(frozen=True)
class Regression:
    """Mean grey value of im2 by the grey value of im1, linear between knots.

    Attributes
    ----------
    greys : (k,) grey values of im1, ascending
    means : (k,) mean grey values of im2 there

    References
    ----------
    The correlation ratio, the part of the variance of im2 that this function explains: Roche, Malandain, Pennec, Ayache
    1998, doi 10.1007/BFb0056301
    """

    greys: np.ndarray
    means: np.ndarray

    @classmethod
    def of(cls, one: np.ndarray, two: np.ndarray) -> "Regression | None":
        """That of grey values of the same places, arrays of one shape, NaN = does not count; None: nothing counts."""
        valid = np.isfinite(one) & np.isfinite(two)
        one, two = one[valid].astype(float), two[valid].astype(float)
        if not len(one):
            return None
        number = np.searchsorted(class_edges(one, CLASSES), one, side="right")
        counts, greys, means = (np.bincount(number, weights) for weights in (None, one, two))
        some = counts > 0
        return cls(greys[some] / counts[some], means[some] / counts[some])

    def __call__(self, one: np.ndarray) -> np.ndarray:
        """im1 as im2 would show it, float32; NaN stays."""
        return np.interp(one, self.greys, self.means).astype(np.float32)


def class_edges(values: np.ndarray, classes: int) -> np.ndarray:
    """Grey values between classes of about equal numbers of voxels, ascending; fewer where many are equal."""
    return np.unique(np.nanquantile(values, np.arange(1, classes) / classes))


def ranked(image: np.ndarray) -> np.ndarray:
    """Grey values by their rank, -0.5 to 0.5, float32: a few bright voxels weigh no more than others. NaN stays."""
    order = np.sort(image[np.isfinite(image)], axis=None)
    below, upto = (np.searchsorted(order, image, side=side) for side in ("left", "right"))
    ranks = (below + upto) / (2 * max(len(order), 1)) - 0.5
    return np.where(np.isfinite(image), ranks, np.nan).astype(np.float32)


def moved(two: np.ndarray, motion: np.ndarray, shape: tuple[int, int, int], stride: int = 1) -> np.ndarray:
    """im2 where voxels of im1 lie in it, linearly interpolated.

    Parameters
    ----------
    two : (mz, my, mx) array; NaN = does not count
    motion : (3, 4) rotation and displacement about the centres of the images
    shape : (nz, ny, nx) of im1
    stride : every so many voxels of im1 along each axis, from voxel 0

    Returns
    -------
    float32 array of the shape of im1[::stride, ::stride, ::stride]; NaN outside of im2
    """
    from scipy import ndimage

    axes = [np.arange(0, n, stride) - (n - 1) / 2 for n in shape]
    middle = (np.array(two.shape) - 1) / 2 + motion[:, 3]
    z, y, x = np.ix_(*axes)
    at = np.stack([m + a * z + b * y + c * x for m, (a, b, c) in zip(middle, motion[:, :3], strict=True)])
    return ndimage.map_coordinates(two, at, order=1, cval=np.nan, output=np.float32)
