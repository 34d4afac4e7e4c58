"""Regular grids of nodes, and those that fit into an image."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hpcdvc.errors import UserError

#: Nodes that are so near to each other are the same, voxels.
SAME_NODE = 1e-3


@dataclass(frozen=True)
class Grid:
    """A regular grid of nodes: node (k, j, i) stands at origin + (k, j, i) * spacing (ZYX, voxels)."""

    origin: tuple[float, float, float]
    spacing: tuple[float, float, float]
    shape: tuple[int, int, int]

    @property
    def size(self) -> int:
        """Number of nodes."""
        return math.prod(self.shape)

    def positions(self, numbers: np.ndarray | None = None) -> np.ndarray:
        """Positions of nodes, (n, 3) float64, ZYX, X fastest: of all of them, or of those with these numbers."""
        axes = [o + s * np.arange(n) for o, s, n in zip(self.origin, self.spacing, self.shape, strict=True)]
        if numbers is None:
            return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
        places = np.unravel_index(numbers, self.shape)
        return np.stack([axis[place] for axis, place in zip(axes, places, strict=True)], axis=-1)

    def within(self, low: Sequence[int], high: Sequence[int]) -> "Grid | None":
        """Those of its nodes that lie in a box, from `low` (ZYX) on and before `high`; None where none does."""
        origin, counts = [], []
        for o, s, n, first, stop in zip(self.origin, self.spacing, self.shape, low, high, strict=True):
            places = o + s * np.arange(n)
            inside = np.flatnonzero((places >= first) & (places < stop))
            if not len(inside):
                return None
            origin.append(float(places[inside[0]]))
            counts.append(len(inside))
        return Grid(tuple(origin), self.spacing, tuple(counts))

    def numbers_in(self, other: "Grid") -> np.ndarray | None:
        """Numbers (n,) that its nodes have in another grid; None where one of them is no node of that one."""
        places = []
        for axis, count in enumerate(self.shape):
            nodes = self.origin[axis] + self.spacing[axis] * np.arange(count)
            place = np.rint((nodes - other.origin[axis]) / other.spacing[axis]).astype(np.int64)
            there = other.origin[axis] + other.spacing[axis] * place
            if (place < 0).any() or (place >= other.shape[axis]).any() or np.abs(there - nodes).max() > SAME_NODE:
                return None
            places.append(place)
        return np.ravel_multi_index(np.meshgrid(*places, indexing="ij"), other.shape).ravel()


def make_grid(shape: tuple[int, int, int], spacing: tuple[int, int, int]) -> Grid:
    """Nodes at spacing, 2 * spacing, ... inside an image; one layer at z = 0 for a 2-D image.

    Parameters
    ----------
    shape : (nz, ny, nx) of the image, voxels; nz = 1 for 2-D
    spacing : node spacing ZYX, voxels; z is ignored in 2-D

    Returns
    -------
    Grid : its positions() are the nodes, X fastest

    Raises
    ------
    UserError
        When no node lies inside.
    """
    origin, steps, counts = [], [], []
    for name, n, step in zip("ZYX", shape, spacing, strict=True):
        if name == "Z" and n == 1:
            origin, steps, counts = [0], [1], [1]
            continue
        origin.append(step)
        steps.append(step)
        counts.append((n - 1) // step)
        if counts[-1] < 1:
            raise UserError(f"no node inside: the node spacing of {step} in {name} is not smaller than the image ({n})")
    return Grid(tuple(map(float, origin)), tuple(map(float, steps)), tuple(counts))
