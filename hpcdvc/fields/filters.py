"""Boxes of nodes, and smooth fields: numbers of rows in, values of these rows out."""

from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from hpcdvc.fields.around import CACHED, axes_of, nodes_at
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.local import basis_of, median_of, weighted_fit

#: The Gaussian ends at so many standard deviations.
WIDTH = 3


@dataclass(frozen=True)
class Boxes:
    """Boxes of nodes about nodes of a grid.

    Attributes
    ----------
    grid : n nodes
    usable : (n,) bool, those that count
    half : nodes on each side of the one in the middle, ZYX
    mirrored : beyond the border the grid is repeated as in a mirror on its outer face; else there is nothing
    """

    grid: Grid
    usable: np.ndarray
    half: tuple[int, int, int]
    mirrored: bool = False

    @cached_property
    def steps(self) -> np.ndarray:
        """(k, 3) steps from the middle to all nodes of a box."""
        return np.array(
            list(
                product(*[range(-n, n + 1) if m > 1 else (0,) for n, m in zip(self.half, self.grid.shape, strict=True)])
            )
        )

    @cached_property
    def axes(self) -> np.ndarray:
        """Axes along which the nodes that count differ."""
        return axes_of(self.grid.positions(np.flatnonzero(self.usable)))

    @property
    def offsets(self) -> np.ndarray:
        """(k, 3) voxels, from a node to those of its box."""
        return self.steps * np.array(self.grid.spacing)

    def blocks(self, numbers: np.ndarray):
        """A few nodes (m,) at a time: which of them, and the nodes (m, k) in their boxes, -1 for none."""
        count = max(CACHED // len(self.steps), 1)
        for first in range(0, len(numbers), count):
            some = slice(first, first + count)
            home = np.stack(np.unravel_index(numbers[some], self.grid.shape), axis=1)
            yield some, nodes_at(self.grid, self.usable, home, self.steps, self.mirrored)


def median_in_boxes(boxes: Boxes, values: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Median of each component over the nodes in the box about each of some nodes.

    Parameters
    ----------
    boxes : of the grid
    values : (n, ...) of all nodes
    numbers : (m,) of those that are wanted

    Returns
    -------
    (m, ...) array, NaN where no node counts
    """
    result = np.empty((len(numbers), *values.shape[1:]))
    for some, rows in boxes.blocks(numbers):
        result[some] = median_of(values[rows], rows >= 0)
    return result


def gaussian_in_boxes(boxes: Boxes, values: np.ndarray, numbers: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian mean of each component about each of some nodes: that of an affine fit, which borders do not shift.

    Parameters
    ----------
    boxes : of the grid
    values : (n, ...) of all nodes
    numbers : (m,) of those that are wanted
    sigma : standard deviation in units of the node spacing

    Returns
    -------
    (m, ...) array, NaN where no node counts
    """
    result = np.empty((len(numbers), *values.shape[1:]))
    squares = (boxes.steps**2).sum(axis=1)
    axes = np.flatnonzero(np.array(boxes.grid.shape) > 1)
    away = boxes.steps / max(max(boxes.half), 1)
    for some, rows in boxes.blocks(numbers):
        count = rows >= 0
        weights = count * np.exp(-squares / (2 * sigma**2))
        basis = basis_of(np.broadcast_to(away, (*rows.shape, 3)), axes, 1)
        # whole rows at once: they have too many components to look them up one after the other
        data = np.where(count[..., None], values[rows].reshape(*rows.shape, -1), 0)
        found = weighted_fit(basis, weights, np.swapaxes(data, 1, 2))[:, 0]
        found[~count.any(axis=1)] = np.nan
        result[some] = found.reshape(-1, *values.shape[1:])
    return result
