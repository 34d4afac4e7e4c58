"""Label images whose labels have moved, planes at a time: what is filled where is a matter of the labels alone."""

import numpy as np

from hpcdvc.kernels.labels import move
from hpcdvc.kernels.records import dtype
from hpcdvc.kernels.volume import Volume

#: A label that has moved: where it may be now, where it was, and the map from the former to the latter.
MOVED = dtype("moved")
#: Part of the voxels of a mask, linear between voxels, from which on a voxel is the label's.
THRESHOLD = 0.5


def moved_labels(
    particles: np.ndarray, phi: np.ndarray, centres: np.ndarray, dilate: int, shape: tuple[int, int, int]
) -> np.ndarray:
    """Labels and where their motions take them.

    A voxel p of the moved image comes from c + F^-1 (p - c - t).

    Parameters
    ----------
    particles : (n,) array of hpcdvc.labels.scan.PARTICLE, ascending
    phi : (n, 4, 4) or (n, 3, 4) motions, finite, with a positive determinant of F
    centres : (n, 3) points about which they are, ZYX, voxels
    dilate : radius of the ball by which labels are dilated before they move, voxels; negative erodes
    shape : (nz, ny, nx) of the image

    Returns
    -------
    (m,) array of MOVED, ascending; without labels that have left the image as a whole
    """
    gradient, target = phi[:, :3, :3], centres + phi[:, :3, 3]
    inverse = np.linalg.inv(gradient)
    # a mask is above 0 less than a voxel beyond its last one
    low, high = (particles[name].astype(float) for name in ("low", "high"))
    low, high = low - max(dilate, 0) - 1, high + max(dilate, 0) + 1
    middle = target + _times(gradient, (low + high) / 2 - centres)
    half = _times(np.abs(gradient), (high - low) / 2)
    moved = np.zeros(len(particles), MOVED)
    moved["label"] = particles["label"]
    limits = np.array(shape)
    moved["low"] = np.clip(np.ceil(middle - half), 0, limits)
    moved["high"] = np.clip(np.floor(middle + half), -1, limits - 1)
    moved["box_low"], moved["box_high"] = particles["low"] - max(dilate, 0), particles["high"] + max(dilate, 0)
    moved["affine"][:, :, :3] = inverse
    moved["affine"][:, :, 3] = centres - _times(inverse, target)
    return moved[(moved["low"] <= moved["high"]).all(axis=1)]


def _times(matrices: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """(n, 3, 3) times (n, 3), entry by entry."""
    return sum(matrices[:, :, k] * vectors[:, k, None] for k in range(3))


class MovedLabels:
    """A label image whose labels have moved.

    Labels are masks, linear between voxels. A voxel belongs to the label whose mask is greatest there, if it is above
    the threshold; of equally great masks, to that of the smallest number.

    Parameters
    ----------
    labels : (nz, ny, nx) array of whole numbers
    moved : from `moved_labels`
    dilate : as there
    threshold : 0 to 1
    """

    def __init__(self, labels: np.ndarray, moved: np.ndarray, dilate: int = 0, threshold: float = THRESHOLD) -> None:
        self._labels, self._moved, self._dilate, self._threshold = Volume(labels), moved, dilate, threshold
        self._low, self._high = (np.ascontiguousarray(moved[name][:, 0]) for name in ("low", "high"))
        self.dtype = labels.dtype

    def planes(self, first: int, last: int) -> tuple[np.ndarray, int]:
        """Planes [first, last) of the moved image; a voxel is the same whatever planes are asked for.

        Returns
        -------
        labels : (last - first, ny, nx) array of the type of the image
        claims : voxels that labels claim; those that several claim are counted as often
        """
        some = self._moved[(self._low < last) & (self._high >= first)]
        taken, claims = move(self._labels, some, self._dilate, self._threshold, first, last)
        return taken.astype(self.dtype, copy=False), claims
