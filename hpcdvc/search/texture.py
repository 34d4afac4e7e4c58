"""How strong the texture of the windows of an image is along all axes, and where it is strongest.

How well the displacement of a window can be measured along a direction depends on the sum of the squared gradients
along it. The smallest eigenvalue of the structure tensor, which holds these sums, is what the worst direction has: it
is 0 in a blank window, and small where all gradients are parallel, as at the flat face of a grain.

J. Shi and C. Tomasi, Good features to track, CVPR 1994; B. Pan et al., Study on subset size selection in digital image
correlation for speckle patterns, Optics Express 16, 2008 (the sum of squared gradients).
"""

from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np

#: Standard deviation of the Gaussian that gradients are taken with, voxels, and how far it reaches.
SIGMA, REACH = 1.0, 3
#: Most voxels along an edge of a block, in three dimensions and in two; most cells along it.
EDGE, FLAT_EDGE = 128, 512
#: A place is the strongest of all within so many voxels at most.
WIDEST = 8


@dataclass(frozen=True)
class Blocks:
    """An image cut into blocks, and blocks into cells, each of which holds one candidate at most.

    A candidate is the strongest voxel of the box of `near` voxels on each side. Whoever treats a block sees all that it
    depends on, so candidates do not depend on who that is.

    Attributes
    ----------
    shape : of the image, ZYX
    half : half window, ZYX; 0 along z in two dimensions
    """

    shape: tuple[int, int, int]
    half: tuple[int, int, int]

    @property
    def near(self) -> tuple[int, ...]:
        """Voxels on each side among which a candidate is the strongest, ZYX."""
        return tuple(0 if n == 1 else min(max(h, 1), WIDEST) for n, h in zip(self.shape, self.half, strict=True))

    @property
    def cells(self) -> tuple[int, ...]:
        """Cells of a block along each axis."""
        edge = FLAT_EDGE if self.shape[0] == 1 else EDGE
        most = (edge // (m + 1) for m in self.near)
        return tuple(min(c, -(-n // (m + 1))) for c, n, m in zip(most, self.shape, self.near, strict=True))

    @property
    def edges(self) -> tuple[int, ...]:
        """Voxels of a block along each axis."""
        return tuple(c * (m + 1) for c, m in zip(self.cells, self.near, strict=True))

    @property
    def counts(self) -> tuple[int, ...]:
        """Blocks along each axis."""
        return tuple(-(-n // e) for n, e in zip(self.shape, self.edges, strict=True))

    @property
    def count(self) -> int:
        """Number of blocks."""
        return int(np.prod(self.counts))

    @property
    def dtype(self) -> np.dtype:
        """Of a row, the candidates of a block: where they are, and how strong; 0 behind the last."""
        most = int(np.prod(self.cells))
        return np.dtype([("index", "<i8"), ("position", "<i4", (most, 3)), ("strength", "<f4", (most,))], align=True)

    @property
    def voxels(self) -> float:
        """Voxels that are looked at for each block."""
        reach = 2 * (np.array(self.half) + self.near + REACH * (np.array(self.shape) > 1))
        return float(np.prod(np.array(self.edges) + reach))

    def box(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """First voxel of a block, and the one behind its last."""
        low = np.array(np.unravel_index(number, self.counts)) * self.edges
        return low, np.minimum(low + self.edges, self.shape)


class Texture:
    """An image whose points are looked at, block by block.

    Parameters
    ----------
    image : (nz, ny, nx) array of grey values; nz = 1 in two dimensions
    mask : (nz, ny, nx) uint8 array, 0 = voxel that does not count; or None
    mean, std : of the grey values
    blocks : Blocks of the image
    least_valid : least part of a window that must count
    """

    def __init__(
        self,
        image: np.ndarray,
        mask: np.ndarray | None,
        mean: float,
        std: float,
        blocks: Blocks,
        least_valid: float = 0.5,
    ):
        self._image, self._mask, self._mean, self._std = image, mask, mean, std
        self._blocks, self._least_valid = blocks, least_valid
        self._axes = [axis for axis in range(3) if image.shape[axis] > 1 or axis > 0]

    def candidates(self, numbers: np.ndarray) -> np.ndarray:
        """Rows of some blocks, see `Blocks.dtype`."""
        rows = np.zeros(len(numbers), self._blocks.dtype)
        rows["index"] = numbers
        for row, number in zip(rows, numbers, strict=True):
            positions, strengths = self._block(int(number))
            row["position"][: len(positions)], row["strength"][: len(positions)] = positions, strengths
        return rows

    def _block(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Candidates of one block, in the order Z, Y, X."""
        from scipy import ndimage

        blocks = self._blocks
        low, high = blocks.box(number)
        near = np.array(blocks.near)
        first, last = np.maximum(low - near, 0), np.minimum(high + near, blocks.shape)
        strength = self.strength(first, last)
        best = ndimage.maximum_filter(strength, 2 * near + 1, mode="constant")
        inner = tuple(slice(a, b) for a, b in zip(low - first, high - first, strict=True))
        found = (strength[inner] == best[inner]) & (strength[inner] > 0)
        places = np.argwhere(found) + low
        # of equal ones in a cell the first
        cells = np.ravel_multi_index(tuple(((places - low) // (near + 1)).T), blocks.cells)
        _, chosen = np.unique(cells, return_index=True)
        chosen.sort()
        return places[chosen], strength[inner][found][chosen]

    def strength(self, first: np.ndarray, last: np.ndarray) -> np.ndarray:
        """Smallest eigenvalue of the structure tensor of the windows about the voxels of a box.

        Parameters
        ----------
        first, last : (3,) first voxel, and the one behind the last

        Returns
        -------
        float32 array
            Per voxel of a whole window, in units of the squared standard deviation of the grey values per squared
            voxel. 0 where the window reaches out of the image, or too little of it counts.
        """
        from scipy import ndimage

        half, shape = np.array(self._blocks.half), np.array(self._blocks.shape)
        grey, valid = self._read(first, last)
        gradients = [_gradient(grey, axis, self._axes) for axis in self._axes]
        if valid is not None:
            # next to what does not count a gradient is that of the edge
            size = np.where(shape > 1, 2 * REACH + 1, 1)
            inside = ndimage.minimum_filter(valid, size, mode="constant", cval=1)
            gradients = [np.where(inside, gradient, 0) for gradient in gradients]
        size = 2 * half + 1
        cut = tuple(slice(margin, margin + n) for margin, n in zip(first - self._low(first), last - first, strict=True))
        tensor = {
            (i, j): ndimage.uniform_filter(gradients[i] * gradients[j], size, mode="constant")[cut].astype(float)
            for i, j in combinations_with_replacement(range(len(gradients)), 2)
        }
        strength = np.maximum(_least_eigenvalue(tensor), 0).astype(np.float32)
        for axis in self._axes:
            place = np.arange(first[axis], last[axis])
            outside = (place < half[axis]) | (place > shape[axis] - 1 - half[axis])
            strength[(slice(None),) * axis + (outside,)] = 0
        if valid is not None:
            counts = ndimage.uniform_filter(valid.astype(np.float32), size, mode="constant")[cut]
            strength[(counts < self._least_valid - 1e-6) | (valid[cut] == 0)] = 0
        return strength

    def _low(self, first: np.ndarray) -> np.ndarray:
        """First voxel of what a box depends on."""
        return np.maximum(first - self._margin, 0)

    @property
    def _margin(self) -> np.ndarray:
        return np.array(self._blocks.half) + 2 * REACH * (np.array(self._blocks.shape) > 1)

    def _read(self, first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Grey values, float32, and which of them count, uint8, or None where all do."""
        ends = zip(self._low(first), np.minimum(last + self._margin, self._blocks.shape), strict=True)
        part = tuple(slice(a, b) for a, b in ends)
        grey = self._image[part].astype(float)
        valid = None if self._mask is None else self._mask[part] != 0
        finite = np.abs(grey) <= np.finfo(np.float32).max  # as everywhere else
        if not finite.all():
            grey = np.where(finite, grey, self._mean)
            valid = finite if valid is None else valid & finite
        grey = (grey - self._mean) / self._std
        return grey.astype(np.float32), None if valid is None else valid.astype(np.uint8)


def _gradient(grey: np.ndarray, axis: int, axes: list[int]) -> np.ndarray:
    """Derivative along one axis of the grey values smoothed by a Gaussian."""
    from scipy import ndimage

    for other in axes:
        grey = ndimage.gaussian_filter1d(grey, SIGMA, other, order=int(other == axis), mode="nearest", radius=REACH)
    return grey


def _least_eigenvalue(tensor: dict[tuple[int, int], np.ndarray]) -> np.ndarray:
    """Of symmetric matrices of two or three rows, by the formulas for these."""
    if (2, 2) not in tensor:
        a, b, c = tensor[0, 0], tensor[0, 1], tensor[1, 1]
        return (a + c) / 2 - np.hypot((a - c) / 2, b)
    mean = (tensor[0, 0] + tensor[1, 1] + tensor[2, 2]) / 3
    a, d, f = (tensor[i, i] - mean for i in range(3))
    b, c, e = tensor[0, 1], tensor[0, 2], tensor[1, 2]
    p = np.sqrt((a * a + d * d + f * f + 2 * (b * b + c * c + e * e)) / 6)
    half = (a * (d * f - e * e) - b * (b * f - e * c) + c * (b * e - d * c)) / 2
    ratio = np.divide(half, p**3, out=np.zeros_like(p), where=p > 0)
    return mean + 2 * p * np.cos(np.arccos(np.clip(ratio, -1, 1)) / 3 + 2 * np.pi / 3)
