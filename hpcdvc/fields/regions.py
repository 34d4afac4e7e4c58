"""Means over a region of a field: displacement and strain, their scatter, and the standard deviations of the means."""

from dataclasses import dataclass

import numpy as np

from hpcdvc.fields.cells import cell_gradients, shape_gradients
from hpcdvc.fields.gauged import AXES, Gauged, column_names, scatter_of
from hpcdvc.fields.gradients import Displacements, Support, gradient_weights
from hpcdvc.fields.strain import PAIRS
from hpcdvc.fields.sums import is_turned_only, slope_deviation, turn_deviation

#: Nodes whose strain is made in one go.
BLOCK = 1024
_ROWS, _COLUMNS = np.triu_indices(3)


def means(field: Gauged, numbers: np.ndarray, own: bool = False) -> dict[str, float]:
    """All that a region gives: how many points, mean displacement and mean strain."""
    return {"points": len(numbers), **mean_displacement(field, numbers), **mean_strain(field, numbers, own)}


def mean_displacement(field: Gauged, numbers: np.ndarray) -> dict[str, float]:
    """Mean displacement of points, its scatter among them, and the standard deviation of the mean.

    Parameters
    ----------
    field : with n points
    numbers : (k,) of those that count, at least one
    """
    found = {}
    for axis, name in enumerate(AXES):
        values = field.displacement[numbers, axis]
        weights = np.zeros((len(numbers), 3))
        weights[:, axis] = 1 / len(numbers)
        numbers_of = (values.mean(), scatter_of(values), field.deviation(numbers, weights))
        found |= dict(zip(column_names(f"{name}disp"), map(float, numbers_of), strict=True))
    return found


@dataclass(frozen=True, eq=False)
class Strains:
    """F at places of a region, and the sum over displacements that their mean is.

    Attributes
    ----------
    f : (p, 3, 3)
    shares : (p,) parts that the places have of the mean
    numbers : (k,) points whose displacements it is made of
    slopes : (k, 3): mean F_ic = delta_ic + sum_a u_i(a) slopes_c(a)
    """

    f: np.ndarray
    shares: np.ndarray
    numbers: np.ndarray
    slopes: np.ndarray

    def weights(self, i: int, k: int) -> np.ndarray:
        """(k, 3) factors on the displacements that make the mean e_ik."""
        weights = np.zeros_like(self.slopes)
        weights[:, i] += 0.5 * self.slopes[:, k]
        weights[:, k] += 0.5 * self.slopes[:, i]
        return weights


def mean_strain(field: Gauged, numbers: np.ndarray, own: bool = False) -> dict[str, float]:
    """Mean small strain e = (F + F^T) / 2 - I of a region, its scatter, and the standard deviation of the mean.

    It is made of the displacements of the points of the region alone: on a grid by the affine fit to the neighbours of
    each node, elsewhere in the tetrahedra between the points, which weigh by their volumes. Where these leave it open,
    as in a single plane or of a single particle, it is made of the F of the points.

    Parameters
    ----------
    field : with n points
    numbers : (k,) of those of the region, at least one
    own : make it of the F of the points in any case

    Returns
    -------
    dict of ``strain_places``, how many nodes or tetrahedra have a strain, and for each component three numbers; NaN
    where there is no strain
    """
    strains = None if own else _strains(field, numbers)
    if strains is not None:
        f, shares = strains.f, strains.shares
    elif field.f is not None:
        f, shares = field.f[numbers], np.full(len(numbers), 1 / len(numbers))
    else:
        f, shares = np.full((0, 3, 3), np.nan), np.zeros(0)
    found: dict[str, float] = {"strain_places": len(f)}
    small = 0.5 * (f + np.swapaxes(f, 1, 2)) - np.eye(3)
    for i, k, pair in zip(_ROWS, _COLUMNS, PAIRS, strict=True):
        values = small[:, i, k]
        mean = float((shares * values).sum()) if len(f) else np.nan
        if strains is not None:
            deviation = field.deviation(strains.numbers, strains.weights(i, k))
        else:
            deviation = _own_deviation(field, numbers, (i, k)) if len(f) else np.nan
        found |= dict(zip(column_names(f"e{pair}"), (mean, scatter_of(values, shares), deviation), strict=True))
    return found


def _own_deviation(field: Gauged, numbers: np.ndarray, axes: tuple[int, int]) -> float:
    if field.flat and 0 in axes:
        return 0.0
    if field.f_variance is None or field.errors is None:
        return np.nan
    positions, variance = field.positions[numbers], field.f_variance[numbers]
    if is_turned_only(variance):
        return turn_deviation(positions, field.f[numbers], variance, axes, field.errors.overlap)
    return slope_deviation(positions, variance, axes, field.errors.overlap)


def _strains(field: Gauged, numbers: np.ndarray) -> Strains | None:
    """The strain of a region by its displacements; None where these leave it open."""
    chosen = np.zeros(len(field.positions), bool)
    chosen[numbers] = True
    if field.grid is None:
        return _strains_of_cells(field, chosen)
    return _strains_of_grid(field, chosen, field.support) if field.support else None


def _strains_of_grid(field: Gauged, chosen: np.ndarray, support: Support) -> Strains | None:
    on_grid = Displacements(field.grid, field.displacement, chosen)
    total, found, numbers = np.zeros((3, len(chosen))), [], np.flatnonzero(chosen)
    for start in range(0, len(numbers), BLOCK):
        nodes, present, weights = gradient_weights(on_grid, support, numbers[start : start + BLOCK])
        solved = np.isfinite(weights[:, 0, 0])
        nodes, present, weights = nodes[solved], present[solved], weights[solved]
        moved = np.where(present[..., None], field.displacement[nodes], 0)
        found.append(np.eye(3) + np.swapaxes(moved, 1, 2) @ weights)
        if not solved.any():
            continue
        there, low = nodes[present], nodes.min()  # a block reaches a few layers, not the whole grid
        for axis in range(3):
            sums = np.bincount(there - low, weights[..., axis][present])
            total[axis, low : low + len(sums)] += sums
    f = np.concatenate(found)
    some = np.flatnonzero(total.any(axis=0))
    count = len(f)
    return Strains(f, np.full(count, 1 / count), some, total[:, some].T / count) if count else None


def _strains_of_cells(field: Gauged, chosen: np.ndarray) -> Strains | None:
    cells = field.measured_cells(chosen)
    if cells is None:
        return None
    f, _ = cell_gradients(field.positions, cells, field.displacement)
    axes = slice(4 - cells.shape[1], 3)
    edges = (field.positions[cells[:, 1:]] - field.positions[cells[:, :1]])[..., axes]
    volumes = np.abs(np.linalg.det(edges))
    shares = volumes / volumes.sum()
    slopes = shares[:, None, None] * shape_gradients(field.positions, cells)
    total = np.stack([np.bincount(cells.ravel(), slopes[..., k].ravel(), len(chosen)) for k in range(3)], axis=1)
    some = np.flatnonzero(total.any(axis=1))
    return Strains(f, shares, some, total[some])
