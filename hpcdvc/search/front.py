"""A front that spreads from a starting point over its neighbours: who is next, and what motion is expected there.

Points are treated in rounds. In one are all points that have a good neighbour and have not been treated before; they do
not depend on each other, so any number of ranks may share them. Who is good, and so which round a point is in, depends
on the measurements of earlier rounds only.
"""

import numpy as np

from hpcdvc.fields.neighbours import affine_fit

#: So many of the nearest neighbours within the radius count.
NEIGHBOURS = 40
#: Where the front ends, it jumps over gaps of up to so many times the radius.
LEAPS = (2.0, 4.0)
#: Unit of distances of the fit of F, voxels: displacements are rounded, so that two neighbours alone tell little of F.
#: The F that they were measured with counts as much as displacements of others four voxels away.
UNIT = 40.0
#: F is fitted to those within so many times the radius: behind a front there may be a single layer within it.
WIDER = 2.0


class Front:
    """The state of a propagation; the same on all ranks.

    Parameters
    ----------
    positions : (n, 3) ZYX, voxels
    start : (3,) position of the starting point
    displacement : (3,) its displacement
    radius : of the neighbourhood, voxels; doubled until most points have a neighbour in it
    width : distance at which a neighbour weighs 1/e, voxels
    fitted : F is expected, too: the motion is the affine fit of those of the neighbours instead of their mean
    """

    def __init__(
        self,
        positions: np.ndarray,
        start: np.ndarray,
        displacement: np.ndarray,
        radius: float,
        width: float,
        fitted: bool = False,
    ):
        from scipy.spatial import cKDTree

        count = len(positions)
        self._positions = np.concatenate([positions, np.asarray(start, float)[None]])
        self._phi = np.tile(np.eye(4)[:3], (count + 1, 1, 1))
        self._phi[count, :, 3] = displacement
        self._width, self._fitted = width, fitted
        self._good, self._treated = np.zeros(count + 1, bool), np.zeros(count + 1, bool)
        self._good[count] = self._treated[count] = True
        tree = cKDTree(self._positions)
        self.radius = self._enough(tree, radius)
        k = min(NEIGHBOURS + 1, count + 1)
        self._distances, self._neighbours = tree.query(
            self._positions, k=[*range(1, k + 1)], distance_upper_bound=self.radius
        )
        own = self._neighbours == np.arange(count + 1)[:, None]
        self._neighbours = np.where(own, count + 1, self._neighbours).astype(np.int64)  # count + 1: none
        self._reverse = np.argsort(self._neighbours, axis=None, kind="stable")
        self._first = np.searchsorted(self._neighbours.ravel()[self._reverse], np.arange(count + 2))
        self._fresh = np.array([count])
        self._leap = self.radius

    @staticmethod
    def _enough(tree, radius: float) -> float:
        """The radius, doubled until most points have a neighbour in it, and the starting point has one."""
        if len(tree.data) < 2:
            return radius
        distances, _ = tree.query(tree.data, k=[2])
        wanted = max(float(np.median(distances)), float(distances[-1, 0]))
        while radius < wanted:
            radius *= 2
        return radius

    def next(self) -> np.ndarray:
        """Numbers of the points of the next round, ascending; none at the end."""
        k = self._neighbours.shape[1]
        spans = [np.arange(self._first[p], self._first[p + 1]) for p in self._fresh]
        rows = self._reverse[np.concatenate(spans)] // k if spans else np.empty(0, np.int64)
        rows = np.unique(rows[~self._treated[rows]])
        self._leap = self.radius
        for leap in LEAPS:
            if len(rows):
                break
            self._leap = leap * self.radius
            rows = self._beyond(self._leap)
        return rows

    def _beyond(self, radius: float) -> np.ndarray:
        from scipy.spatial import cKDTree

        left = np.flatnonzero(~self._treated)
        if not len(left):
            return left
        distances, _ = cKDTree(self._positions[self._good]).query(self._positions[left], distance_upper_bound=radius)
        return left[np.isfinite(distances)]

    def guesses(self, numbers: np.ndarray) -> np.ndarray:
        """(m, 3, 4) Phi expected at points from their good neighbours, which weigh exp(-d^2 / width^2).

        Parameters
        ----------
        numbers : (m,) points of this round
        """
        reach = max(self._leap, WIDER * self.radius) if self._fitted else self._leap
        if reach > self.radius:
            distances, neighbours = self._good_neighbours(numbers, reach)
        else:
            distances, neighbours = self._distances[numbers], self._neighbours[numbers]
        known = np.append(self._good, False)[neighbours]
        weights = np.where(known, np.exp(-(np.where(known, distances, 0) ** 2) / self._width**2), 0)
        # far away all weights may be too small for a number: then all are alike
        weights = np.where(weights.sum(axis=1, keepdims=True) > 1e-300, weights, known)
        neighbours, whole = np.where(known, neighbours, -1), weights.sum(axis=1)[:, None]
        if self._fitted:
            here, unit = self._positions[numbers], np.full(3, UNIT)
            return affine_fit(self._positions, self._phi, neighbours, here, unit, weights / whole)
        result = np.tile(np.eye(4)[:3], (len(numbers), 1, 1))
        result[:, :, 3] = (weights[:, :, None] * self._phi[:, :, 3][neighbours]).sum(axis=1) / whole
        return result

    def _good_neighbours(self, numbers: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
        from scipy.spatial import cKDTree

        good = np.flatnonzero(self._good)
        tree, k = cKDTree(self._positions[good]), min(NEIGHBOURS, len(good))
        distances, found = tree.query(self._positions[numbers], k=[*range(1, k + 1)], distance_upper_bound=radius)
        return distances, np.append(good, len(self._positions))[found]

    def take(self, numbers: np.ndarray, phi: np.ndarray, good: np.ndarray) -> None:
        """What was measured in a round.

        Parameters
        ----------
        numbers : (m,) its points
        phi : (m, 3, 4)
        good : (m,) bool, whether others may start from them
        """
        self._treated[numbers], self._good[numbers] = True, good
        self._phi[numbers[good]] = phi[good]
        self._fresh = numbers[good]

    @property
    def left(self) -> np.ndarray:
        """Numbers of the points that were not treated."""
        return np.flatnonzero(~self._treated)
