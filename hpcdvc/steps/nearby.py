"""Starts of points from what a few points around them have measured, and the choice where these disagree.

A window near a jump belongs to one of its sides: which one, the images know. So a point has several candidates there,
and the one that correlates best is its start.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hpcdvc.fields.neighbours import affine_fit
from hpcdvc.search.pixels import PixelSearch, search_points

#: Motions that differ by no more lead to the same place, voxels.
ALIKE = 1.0
#: A motion that is right has one among so many of its neighbours that leads to within so many voxels of it.
COMPANIONS, WITHIN = 26, 2.0


@dataclass(frozen=True)
class FewMotions:
    """What a few points have measured.

    Attributes
    ----------
    positions : (m, 3) ZYX, voxels
    phi : (m, 3, 4) about them
    """

    positions: np.ndarray
    phi: np.ndarray

    def _carried(self, numbers: np.ndarray, positions: np.ndarray) -> np.ndarray:
        """Phi (n, k, 3, 4) of rows (n, k) about the positions (n, 3); NaN for rows that there are not."""
        known = np.minimum(numbers, len(self.phi) - 1)
        carried = self.phi[known].copy()
        away = (positions[:, None] - self.positions[known])[..., None]
        carried[..., 3] += ((carried[..., :3] - np.eye(3)) @ away)[..., 0]
        carried[numbers != known] = np.nan
        return carried

    def coherent(self) -> "FewMotions":
        """Those that have a companion near them; all of them where they are too few to judge."""
        if len(self.phi) <= COMPANIONS:
            return self
        numbers = nearest(self._tree, self.positions, COMPANIONS)
        numbers = np.where(numbers == np.arange(len(numbers))[:, None], len(numbers), numbers)
        apart = np.abs(self._carried(numbers, self.positions)[..., 3] - self.phi[:, None, :, 3]).max(axis=2)
        some = (apart <= WITHIN).any(axis=1)
        return FewMotions(self.positions[some], self.phi[some])

    @property
    def largest(self) -> float:
        """Largest component of a displacement, voxels; 0 where nothing was measured."""
        return float(np.abs(self.phi[:, :, 3]).max(initial=0))

    def beyond(self, distance: float) -> bool:
        """Whether one that has a companion has moved farther, voxels; where none has, nobody looks for companions."""
        return self.largest > distance and self.coherent().largest > distance

    @cached_property
    def _tree(self):
        from scipy.spatial import cKDTree  # slow to load

        return cKDTree(self.positions)

    @cached_property
    def _spacing(self) -> np.ndarray:
        """(3,) typical distance between neighbours."""
        distances, _ = self._tree.query(self.positions, k=[min(2, len(self.positions))])
        return np.full(3, float(np.median(distances)) or 1.0)

    def starts(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Phi of points from the affine fit of those around them, and the candidates where these disagree.

        Parameters
        ----------
        positions : (n, 3) ZYX, voxels

        Returns
        -------
        fitted : (n, 3, 4) array
        candidates : (n, k + 1, 3, 4) array, the fitted one first, then those of neighbours, NaN where they are alike
        """
        numbers = nearest(self._tree, positions, around(self.positions))
        fitted = affine_fit(
            self.positions, self.phi, np.where(numbers < len(self.phi), numbers, -1), positions, self._spacing
        )
        carried = self._carried(numbers, positions)
        candidates = np.concatenate([fitted[:, None], carried], axis=1)
        for k in range(1, candidates.shape[1]):
            apart = np.abs(candidates[:, :k, :, 3] - candidates[:, k, None, :, 3]).max(axis=2)
            candidates[(apart <= ALIKE).any(axis=1), k] = np.nan
        return fitted, candidates


def around(positions: np.ndarray) -> int:
    """How many of some positions (n, 3) a point between them has about it: eight in a volume."""
    return 2 ** int((np.ptp(positions, axis=0) > 0).sum())


def nearest(tree, positions: np.ndarray, count: int) -> np.ndarray:
    """(n, count) numbers of the nearest points of a tree; that of its points where there are fewer."""
    return tree.query(positions, k=[*range(1, count + 1)])[1]


def best_of(
    candidates: np.ndarray, positions: np.ndarray, half: tuple[int, int, int], search: PixelSearch
) -> np.ndarray:
    """The candidate of each point from which its window correlates best, to the voxel.

    Parameters
    ----------
    candidates : (n, k, 3, 4) Phi, NaN where there are fewer
    positions : (n, 3) ZYX, voxels
    half : half window, ZYX, voxels
    search : of the images

    Returns
    -------
    (n, 3, 4) array; the first candidate where nothing correlates
    """
    row, place = np.nonzero(np.isfinite(candidates).all(axis=(2, 3)))
    several = np.bincount(row, minlength=len(candidates))[row] > 1
    row, place = row[several], place[several]
    step = np.sign(half)
    points = search_points(positions[row], candidates[row, place], half, np.stack([-step, step], axis=1).ravel())
    found = search(points)
    score = np.full(candidates.shape[:2], -np.inf)
    score[row, place] = np.nan_to_num(found["score"], nan=-np.inf)
    best = score.argmax(axis=1)
    chosen = candidates[np.arange(len(candidates)), best].copy()
    # a candidate that is off by a voxel starts from where the window was found
    moved = (place == best[row]) & (score[row, place] > -np.inf) & found["whole"].any(axis=1)
    chosen[row[moved], :, 3] = np.rint(chosen[row[moved], :, 3]) + found["whole"][moved]
    return chosen
