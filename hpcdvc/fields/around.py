"""The rows of a field around points: those within a radius, or so many that are nearest.

On a grid they are found by index arithmetic, among scattered points by a k-d tree. What a point gets does not depend on
the other points that are asked for with it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import product

import numpy as np

from hpcdvc.fields.grid import Grid

#: Nodes that are looked at about a point to find the nearest; where these are too few a tree finds them.
MOST_CANDIDATES = 3000
#: Nodes within the first radius per node that is wanted, and the factor on a radius that held too few.
SPARE, WIDER = 1.6, 1.6
#: Neighbours that are looked at in one go.
CACHED = 2**15


def squared_length(vectors: np.ndarray) -> np.ndarray:
    """Square of the length of vectors (..., 3)."""
    return vectors[..., 0] ** 2 + vectors[..., 1] ** 2 + vectors[..., 2] ** 2


def axes_of(positions: np.ndarray) -> np.ndarray:
    """Axes along which positions (n, 3) differ."""
    return np.flatnonzero(np.ptp(positions, axis=0) > 0) if len(positions) else np.arange(3)


@lru_cache(maxsize=4)
def steps_within(grid: Grid, radius: float, slack: float) -> np.ndarray:
    """Steps (k, 3) from the node that is nearest to a point to all that may lie within a radius of the point.

    Parameters
    ----------
    grid : of the nodes
    radius : voxels
    slack : how far at most the point lies from that node along each axis, in node spacings
    """
    shape, spacing = np.array(grid.shape), np.array(grid.spacing)
    reach = np.minimum(np.floor(radius / spacing + slack + 1e-9), shape - 1).astype(int)
    steps = np.array(list(product(*[range(-n, n + 1) for n in reach])))
    least = np.maximum(np.abs(steps) - slack, 0) * spacing
    result = steps[(least**2).sum(axis=1) <= radius**2 * (1 + 1e-9)]
    result.flags.writeable = False  # all callers share it
    return result


def nodes_at(grid: Grid, usable: np.ndarray, home: np.ndarray, steps: np.ndarray, mirrored: bool = False) -> np.ndarray:
    """Nodes some steps away from others.

    Parameters
    ----------
    grid : n nodes
    usable : (n,) bool, those that count
    home : (m, 3) places in the grid, ZYX
    steps : (k, 3) nodes
    mirrored : beyond the border the grid is repeated as in a mirror on its outer face; else there is nothing

    Returns
    -------
    (m, k) int64 numbers, -1 for none
    """
    number, inside = np.zeros((len(home), len(steps)), np.int64), True
    for axis, n in enumerate(grid.shape):
        place = home[:, axis, None] + steps[:, axis]
        if mirrored:
            place = place % (2 * n)
            place = np.minimum(place, 2 * n - 1 - place)
        inside = inside & (place >= 0) & (place < n)
        number = number * n + place
    number = np.where(inside, number, 0)
    return np.where(inside & usable[number], number, -1)


@dataclass(frozen=True)
class Around:
    """Rows around points.

    Attributes
    ----------
    positions : (n, 3) of all rows, ZYX, voxels
    usable : (n,) bool, rows that count
    grid : of the rows, where they have one
    radius : distance within which rows are taken, voxels; or None
    count : how many are taken, the nearest, where there is no radius; all where there are fewer
    at_nodes : the points are nodes of the grid themselves
    """

    positions: np.ndarray
    usable: np.ndarray
    grid: Grid | None = None
    radius: float | None = None
    count: int | None = None
    at_nodes: bool = False

    def __call__(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows around points.

        Parameters
        ----------
        points : (m, 3) ZYX, voxels

        Returns
        -------
        numbers : (m, k) int64 array of rows, -1 for none
        distances : (m, k) voxels, inf for none
        """
        if self.radius is not None:
            return self._candidates(points, self.radius) if self.grid else self._ball(points)
        # no radius is ever large enough where more rows are wanted than there are
        some_left = self.grid is not None and self.count <= len(self._rows)
        return self._nearest_nodes(points) if some_left else self._nearest(points)

    def blocks(self, points: np.ndarray) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """The same of a few points at a time, whose neighbours fit into the cache; the slice says which of them.

        Parameters
        ----------
        points : (m, 3) ZYX, voxels
        """
        if self.radius is None:
            width = self.count
        elif self.grid:
            width = len(self._offsets(self.radius))
        else:
            width = self._tree.query_ball_point(points, self.radius, return_length=True).max(initial=1)
        step = max(int(CACHED // max(width, 1)), 1)
        for first in range(0, len(points), step):
            some = slice(first, first + step)
            yield some, *self(points[some])

    def distances(self, numbers: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Distance (m, k) of rows from points, inf where there is no row."""
        away = self.positions[numbers] - points[:, None]
        return np.where(numbers < 0, np.inf, np.sqrt(squared_length(away)))

    @cached_property
    def offsets(self) -> np.ndarray | None:
        """(k, 3) voxels, from a point to its neighbours, where these are the same for all points; else None."""
        same = self.grid is not None and self.radius is not None and self.at_nodes
        return self._offsets(self.radius) * np.array(self.grid.spacing) if same else None

    @cached_property
    def axes(self) -> np.ndarray:
        """Axes along which the rows that count differ."""
        return axes_of(self.positions[self.usable])

    @cached_property
    def holds_all(self) -> bool:
        """Whether no larger radius would find more."""
        return self.radius is None or self.radius > self._extent

    @cached_property
    def wider(self) -> "Around":
        """The same within twice the radius."""
        result = replace(self, radius=2 * self.radius)
        known = ("axes", "_extent", "_rows", "_tree")  # what took a look at all rows is the same
        vars(result).update({name: vars(self)[name] for name in known if name in vars(self)})
        return result

    @cached_property
    def _extent(self) -> float:
        return np.ptp(self.positions, axis=0).sum() if len(self.positions) else 0

    @cached_property
    def _rows(self) -> np.ndarray:
        return np.flatnonzero(self.usable)

    @cached_property
    def _tree(self):
        from scipy.spatial import cKDTree  # slow to load, and grids do without

        return cKDTree(self.positions[self._rows])

    def _nearest(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        count = min(self.count, len(self._rows))
        if count == 0:
            return np.full((len(points), 1), -1, np.int64), np.full((len(points), 1), np.inf)
        numbers = self._rows[self._tree.query(points, k=[*range(1, count + 1)])[1]]
        return numbers, self.distances(numbers, points)

    def _ball(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = self._tree.query_ball_point(points, self.radius, return_sorted=True)
        lengths = np.fromiter(map(len, found), np.int64, len(found))
        numbers = np.full((len(points), max(lengths.max(initial=0), 1)), -1, np.int64)
        if lengths.any():
            numbers[np.arange(numbers.shape[1]) < lengths[:, None]] = self._rows[np.concatenate(found).astype(np.int64)]
        return numbers, self.distances(numbers, points)

    def _offsets(self, radius: float) -> np.ndarray:
        """Steps (k, 3) from the nearest node of a point to all that may lie within a radius of the point."""
        return steps_within(self.grid, radius, 0.0 if self.at_nodes else 0.5)

    def _candidates(self, points: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
        """All usable nodes within a radius."""
        shape = np.array(self.grid.shape)
        home = np.rint((points - np.array(self.grid.origin)) / np.array(self.grid.spacing)).astype(np.int64)
        steps = self._offsets(radius)
        numbers = nodes_at(self.grid, self.usable, np.clip(home, 0, shape - 1), steps)
        if self.at_nodes:
            away = np.sqrt(squared_length(steps * np.array(self.grid.spacing)))
            return numbers, np.where(numbers < 0, np.inf, away)
        distances = self.distances(numbers, points)
        far = distances > radius
        numbers[far], distances[far] = -1, np.inf
        return numbers, distances

    def _nearest_nodes(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        axes = np.array(self.grid.shape) > 1
        size, dimensions = np.prod(np.array(self.grid.spacing)[axes]), np.count_nonzero(axes)
        ball = {0: 1.0, 1: 2.0, 2: np.pi, 3: 4 * np.pi / 3}[dimensions]
        radius = (SPARE * (self.count + 1) * size / ball) ** (1 / max(dimensions, 1))
        numbers = np.full((len(points), self.count), -1, np.int64)
        distances = np.full(numbers.shape, np.inf)
        left = np.arange(len(points))
        while len(left) and len(self._offsets(radius)) <= MOST_CANDIDATES:
            some, away = self._candidates(points[left], radius)
            order = np.argsort(away, axis=1, kind="stable")[:, : self.count]
            found = np.take_along_axis(some, order, axis=1)
            enough = (found >= 0).sum(axis=1) == self.count
            numbers[left[enough]] = found[enough]
            distances[left[enough]] = np.take_along_axis(away, order, axis=1)[enough]
            left, radius = left[~enough], radius * WIDER
        if len(left):
            some, away = self._nearest(points[left])
            numbers[left, : some.shape[1]], distances[left, : some.shape[1]] = some, away
        return numbers, distances
