"""Standard deviations of sums over the displacements of many points, whose errors are correlated.

A mean, an elongation and a mean strain are all such sums, sum_a b_a . u_a. With s_a the standard deviations of the
points and r_ab the correlations of their errors the variance is sum_ab b_a s_a r_ab s_b b_b, component by component:
errors of different components are independent.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from hpcdvc.fields.grid import Grid
from hpcdvc.fields.overlap import WindowOverlap

#: Terms up to which all pairs are looked at.
FEW = 400


@dataclass(frozen=True, eq=False)
class Errors:
    """Errors of the displacements of points.

    Attributes
    ----------
    positions : (n, 3) ZYX, voxels
    variance : (n, 3) of the displacements, voxels squared; NaN where not known
    overlap : how the errors of two points are correlated; None: not at all
    grid : of the points, or None
    """

    positions: np.ndarray
    variance: np.ndarray
    overlap: WindowOverlap | None = None
    grid: Grid | None = None

    def deviation(self, numbers: np.ndarray, weights: np.ndarray) -> float:
        """Standard deviation of a sum.

        Parameters
        ----------
        numbers : (k,) of the points that have a part in it
        weights : (k, 3) factors on their displacements

        Returns
        -------
        float : NaN where the variance of one of them is not known
        """
        used = (weights != 0).any(axis=0)
        if not used.any():
            return 0.0
        weights = weights[:, used]
        terms = np.where(weights == 0, 0, weights * np.sqrt(self.variance[numbers][:, used]))
        return float(np.sqrt(np.maximum((terms * self._shared(numbers, terms)).sum(), 0)))

    def _shared(self, numbers: np.ndarray, terms: np.ndarray) -> np.ndarray:
        """(k, c): what the correlations make of terms (k, c)."""
        if self.overlap is None:
            return terms
        if self.grid is None or len(numbers) <= FEW:
            return _shared_by(self.overlap.correlation, self.overlap, self.positions[numbers], terms)
        on_grid = np.zeros((self.grid.size, terms.shape[1]))
        np.add.at(on_grid, numbers, terms)
        return self.overlap.shared(self.grid, on_grid)[numbers]


def _shared_by(
    correlation: Callable[[np.ndarray], np.ndarray], overlap: WindowOverlap, positions: np.ndarray, terms: np.ndarray
) -> np.ndarray:
    """What the correlations of windows make of terms (k, c), pair by pair where these overlap."""
    if len(positions) <= FEW:
        return correlation(positions[:, None] - positions) @ terms
    from scipy.spatial import cKDTree  # slow to load

    near = cKDTree(positions / overlap.size).query_pairs(1, p=np.inf, output_type="ndarray")
    between = correlation(positions[near[:, 0]] - positions[near[:, 1]])[:, None]
    shared = terms.copy()
    for here, there in (near.T, near.T[::-1]):
        np.add.at(shared, here, between * terms[there])
    return shared


def slope_deviation(
    positions: np.ndarray, variance: np.ndarray, axes: tuple[int, int], overlap: WindowOverlap | None
) -> float:
    """Standard deviation of the mean small strain e_ik of the F that windows have measured themselves.

    Parameters
    ----------
    positions : (k, 3) of the windows, ZYX, voxels
    variance : (k, 3, 3) of their F
    axes : i and k
    overlap : of the windows; None: their errors are independent

    Returns
    -------
    float : NaN where a variance is not known
    """
    i, k = axes
    total = 0.0
    for row, column in {(i, k), (k, i)}:
        terms = np.sqrt(variance[:, row, column])[:, None] / len(positions)
        shared = terms
        if overlap is not None:
            shared = _shared_by(partial(overlap.correlation_of_slopes, axis=column), overlap, positions, terms)
        total += (terms * shared).sum() * (1 if i == k else 0.25)
    return float(np.sqrt(np.maximum(total, 0)))


def is_turned_only(variance: np.ndarray) -> bool:
    """Whether F (k, 3, 3) with these variances is of rigid motions: nothing on its diagonal was free to err."""
    return bool((np.diagonal(variance, axis1=1, axis2=2) == 0).all() and (variance > 0).any())


def turn_deviation(
    positions: np.ndarray, f: np.ndarray, variance: np.ndarray, axes: tuple[int, int], overlap: WindowOverlap | None
) -> float:
    """The same as `slope_deviation` of windows or particles that were displaced and turned only.

    Their F errs by F W, and W is skew: its entries W_mn and W_nm are one error, of which a strain near F = I knows
    nothing.

    Parameters
    ----------
    f : (k, 3, 3)
    positions, variance, axes, overlap : as there

    Returns
    -------
    float : NaN where a variance is not known
    """
    i, k = axes
    factors = np.zeros_like(f)
    factors[:, :, k] += 0.5 * f[:, i]
    factors[:, :, i] += 0.5 * f[:, k]
    total = 0.0
    for m, n in ((0, 1), (0, 2), (1, 2)):
        terms = (factors[:, m, n] - factors[:, n, m]) * np.sqrt(variance[:, m, n]) / len(positions)
        shared = terms = terms[:, None]
        if overlap is not None:
            along = [partial(overlap.correlation_of_slopes, axis=axis) for axis in (m, n)]
            shared = sum(_shared_by(one, overlap, positions, terms) for one in along) / 2
        total += (terms * shared).sum()
    return float(np.sqrt(np.maximum(total, 0)))
