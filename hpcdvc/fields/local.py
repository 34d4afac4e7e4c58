"""A field at points, from the rows around them: weighted means, and fits of a polynomial to the displacements."""

from collections.abc import Iterator
from itertools import combinations_with_replacement

import numpy as np

from hpcdvc.fields.around import Around, squared_length

#: Added to distances, voxels: a row at the point itself does not weigh infinitely much.
NEAR = 1e-6
#: Rows that a quadratic fit has at least, where there are so many.
LEAST = 28
#: Ridge on the scaled coefficients of a fit that its rows leave open, as of a single layer; below what is measured.
RIDGE = 1e-14
#: Rows that are summed up in one go: always as many, so that sums do not depend on how many others there are.
STEP = 32


def weights_of(distances: np.ndarray, weight: str) -> np.ndarray:
    """Weights (m, k) of neighbours by their distances, 0 for none (inf).

    Parameters
    ----------
    distances : (m, k) voxels
    weight : "inverse", 1 / (d + 1e-6); "gaussian", exp(-4 (d / s)^2) with s the distance of the farthest of
        them; "mean", all alike
    """
    some = np.isfinite(distances)
    if weight == "inverse":
        return np.where(some, 1 / (distances + NEAR), 0)
    if weight == "gaussian":
        widest = np.where(some, distances, 0).max(axis=1, keepdims=True)
        scaled = np.where(some, distances, 0) / np.where(widest > 0, widest, 1)
        return np.where(some, np.exp(-4 * scaled**2), 0)
    return some.astype(float)


def interpolated(
    around: Around,
    phi: np.ndarray,
    points: np.ndarray,
    weight: str = "inverse",
    applied: bool = False,
    surrounded: bool = False,
) -> np.ndarray:
    """Weighted mean of the Phi of the rows around each point.

    Parameters
    ----------
    around : which rows count for a point
    phi : (n, 4, 4) or (n, 3, 4) of all rows
    points : (m, 3) ZYX, voxels
    weight : as in `weights_of`, or "median" of each entry of Phi
    applied : take the displacement that the Phi of each row has at the point, not the one at the row: exact for affine
        fields
    surrounded : only where the point lies in the box of its neighbours

    Returns
    -------
    (m, 3, 4) array, NaN where there are no neighbours
    """
    result = np.full((len(points), 3, 4), np.nan)
    for some, numbers, distances in around.blocks(points):
        here, none = points[some], numbers < 0
        if weight == "median":
            rows = np.stack([_at(around, phi, numbers[:, j], here, applied) for j in range(numbers.shape[1])], axis=1)
            found = median_of(rows.reshape(*numbers.shape, 12), ~none).reshape(-1, 3, 4)
        else:
            found = _mean(around, phi, numbers, weights_of(distances, weight), here, applied)
        if surrounded:
            places = around.positions[numbers]
            low = np.where(none[..., None], np.inf, places).min(axis=1)
            high = np.where(none[..., None], -np.inf, places).max(axis=1)
            found[~((here >= low) & (here <= high)).all(axis=1)] = np.nan
        result[some] = found
    return result


def _mean(around, phi, numbers, weights, points, applied) -> np.ndarray:
    # one neighbour after the other: the sums of a point are the same whichever other points there are
    total, sums = np.zeros(len(points)), np.zeros((len(points), 3, 4))
    for j in range(numbers.shape[1]):
        rows = np.where((weights[:, j] == 0)[:, None, None], 0, _at(around, phi, numbers[:, j], points, applied))
        total += weights[:, j]
        sums += weights[:, j, None, None] * rows
    with np.errstate(invalid="ignore"):
        return sums / total[:, None, None]


def _at(around: Around, phi: np.ndarray, numbers: np.ndarray, points: np.ndarray, applied: bool) -> np.ndarray:
    """Phi (m, 3, 4) of one row for each point, as the row has it or about the point."""
    rows = phi[numbers, :3]
    if applied:
        away = points - around.positions[numbers]
        slope = rows[:, :, :3] - np.eye(3)
        rows = rows.copy()
        rows[:, :, 3] += slope[:, :, 0] * away[:, :1] + slope[:, :, 1] * away[:, 1:2] + slope[:, :, 2] * away[:, 2:]
    return rows


def median_of(values: np.ndarray, some: np.ndarray) -> np.ndarray:
    """Median along axis 1 of values (m, k, ...) of those that count, (m, k) bool; NaN where none does."""
    middle = medians_of(np.moveaxis(values.reshape(*some.shape, -1), 2, 1), some)
    return middle.reshape(-1, *values.shape[2:])


def medians_of(values: np.ndarray, some: np.ndarray) -> np.ndarray:
    """Medians (m, c) along axis 2 of values (m, c, k) of those that count, (m, k) bool; NaN where none does."""
    count, rows = some.sum(axis=1), np.arange(len(some))
    ordered = np.sort(values if some.all() else np.where(some[:, None], values, np.inf), axis=2)
    places = [np.clip(place, 0, some.shape[1] - 1) for place in ((count - 1) // 2, count // 2)]
    low, high = (ordered[rows, :, place] for place in places)
    return np.where(count[:, None] > 0, (low + high) / 2, np.nan)


def values_at(values: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Values (m, c, k), of (n, c), of rows (m, k), 0 where there is none (-1); numpy loops over the last axis."""
    some, result = numbers >= 0, np.empty((len(numbers), values.shape[1], numbers.shape[1]))
    for place in range(values.shape[1]):
        result[:, place] = np.where(some, values[:, place][numbers], 0)
    return result


def basis_of(away: np.ndarray, axes: np.ndarray, order: int) -> np.ndarray:
    """Monomials (m, q, k) up to an order of 1 or 2 of offsets (m, k, 3) along some axes; the first is 1."""
    chosen = [c for degree in range(1, order + 1) for c in combinations_with_replacement(axes, degree)]
    basis = np.ones((len(away), 1 + len(chosen), away.shape[1]))
    for place, (first, *others) in enumerate(chosen, 1):
        basis[:, place] = away[..., first] * (away[..., others[0]] if others else 1)
    return basis


def weighted_fit(basis: np.ndarray, weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Coefficients of a fit to the neighbours of each point.

    Parameters
    ----------
    basis : (m, q, k), of the order of 1; or (1, q, k) where it is the same for all points
    weights : (m, k)
    values : (m, c, k)

    Returns
    -------
    (m, q, c) array
    """
    return np.linalg.solve(*_normal_equations(basis, weights, values))


def variance_of_fit(basis: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(m,) variance of the value at the points of such a fit, for a variance of 1 / weight of its rows."""
    left, right = _normal_equations(basis, weights, np.zeros((len(weights), 1, basis.shape[2])))
    right[:, 0] = 1
    return np.linalg.solve(left, right)[:, 0, 0]


def _normal_equations(basis: np.ndarray, weights: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(m, q, q), which can be solved, and (m, q, c)."""
    left, right = _same_basis(basis[0], weights, values) if len(basis) == 1 else _own_bases(basis, weights, values)
    whole, diagonal = left[:, 0, 0].copy(), np.arange(1, basis.shape[1])
    left[:, diagonal, diagonal] += RIDGE * whole[:, None]
    left[whole == 0] = np.eye(basis.shape[1])
    return left, right


def _same_basis(basis: np.ndarray, weights: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Normal equations (m, q, q) and (m, q, c)."""
    first, second = np.triu_indices(len(basis))
    # products of one point at a time: they are the same whichever other points there are
    sums = (weights[:, None] @ (basis[first] * basis[second]).T)[:, 0]
    left = np.empty((len(weights), len(basis), len(basis)))
    left[:, first, second] = left[:, second, first] = sums
    return left, np.swapaxes((values * weights[:, None]) @ basis.T, 1, 2)


def _own_bases(basis: np.ndarray, weights: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Normal equations (m, q, q) and (m, q, c)."""
    spare = -basis.shape[2] % STEP
    if spare:  # rows of weight 0
        basis, values = (np.pad(a, ((0, 0), (0, 0), (0, spare))) for a in (basis, values))
        weights = np.pad(weights, ((0, 0), (0, spare)))
    weighted, q = basis * weights[:, None], basis.shape[1]
    left, right = np.zeros((len(basis), q, q)), np.zeros((len(basis), q, values.shape[1]))
    for first in range(0, basis.shape[2], STEP):
        part = slice(first, first + STEP)
        left += weighted[..., part] @ np.swapaxes(basis[..., part], 1, 2)
        right += weighted[..., part] @ np.swapaxes(values[..., part], 1, 2)
    return left, right


def enough_around(around: Around, points: np.ndarray, least: int) -> Iterator[tuple[Around, np.ndarray, np.ndarray]]:
    """Neighbours of points, within a radius that is doubled where it holds fewer than wanted.

    Yields
    ------
    what found them; places of some of the points; their neighbours (m, k), -1 for none
    """
    left = np.arange(len(points))
    while len(left):
        short = []
        for some, numbers, _ in around.blocks(points[left]):
            enough = around.holds_all | ((numbers >= 0).sum(axis=1) >= least)
            if enough.any():
                yield around, left[some][enough], numbers[enough]
            short.append(left[some][~enough])
        left = np.concatenate(short)
        if len(left):
            around = around.wider


def quadratic_at(
    around: Around, displacements: np.ndarray, points: np.ndarray, epsilon: float = 0.1
) -> tuple[np.ndarray, np.ndarray]:
    """Displacement of a quadratic that is fitted to the rows around each point, and what these have in common.

    Rows weigh exp(-s_i^2 / 2 sqrt(k)): s_i is how far a displacement is from the median of all of them, k the mean of
    s_i + epsilon [Masullo & Theunissen 2016, doi 10.1007/s00348-015-2097-5].

    Parameters
    ----------
    around : which rows count for a point; a radius is doubled until it holds `LEAST` of them
    displacements : (n, 3) of all rows, voxels
    points : (m, 3) ZYX, voxels
    epsilon : what displacements differ by anyway, voxels

    Returns
    -------
    phi : (m, 3, 4), the displacement of the fit and its gradient, NaN where the rows are fewer than its terms
    length : (m,) median length of the displacements around, voxels
    """
    phi, length = np.full((len(points), 3, 4), np.nan), np.full(len(points), np.nan)
    axes = around.axes
    for around_these, some, numbers in enough_around(around, points, LEAST):
        count = numbers >= 0
        u = values_at(displacements, numbers)
        squares = squared_length(np.moveaxis(u - medians_of(u, count)[..., None], 1, 2))
        known = np.maximum(count.sum(axis=1), 1)
        k = np.where(count, np.sqrt(squares), 0).sum(axis=1) / known + epsilon
        weights = np.where(count, np.exp(-squares / (2 * np.sqrt(k))[:, None]), 0)
        away, scale = _scaled_offsets(around_these, numbers, points[some])
        # about the point itself: the constant term is the value there, the linear ones are the gradient
        basis = basis_of(away, axes, 2)
        found = weighted_fit(basis, weights, u)
        found[count.sum(axis=1) < basis.shape[1]] = np.nan
        phi[some, :, :3], phi[some, :, 3] = np.eye(3), found[:, 0]
        for place, axis in enumerate(axes, 1):
            phi[some, :, axis] += found[:, place] / scale
        length[some] = median_of(np.sqrt(squared_length(np.moveaxis(u, 1, 2))), count)
    return phi, length


def _scaled_offsets(around: Around, numbers: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray | float]:
    """Offsets (m, k, 3) of neighbours, or (1, k, 3), of the order of 1; and their scale, (m, 1) or a number, voxels."""
    if around.offsets is not None:
        return around.offsets[None] / around.radius, around.radius
    away = np.where((numbers >= 0)[..., None], around.positions[numbers] - points[:, None], 0)
    scale = np.maximum(np.abs(away).max(axis=(1, 2)), NEAR)
    return away / scale[:, None, None], scale[:, None]


def local_coherency(around: Around, displacements: np.ndarray, numbers: np.ndarray, epsilon: float = 0.1) -> np.ndarray:
    """How far rows are from the quadratic through the rows around them: their local quadratic coherency.

    The mean over the components of (fitted - measured)^2, by the square of the median length of the displacements
    around + epsilon [Masullo & Theunissen 2016, doi 10.1007/s00348-015-2097-5]; below 0.1 a row is coherent.

    Parameters
    ----------
    around : which rows count for a row, itself among them
    displacements : (n, 3) of all rows, voxels
    numbers : (m,) of the rows that are judged
    epsilon : what displacements differ by anyway, voxels

    Returns
    -------
    (m,) array
    """
    phi, length = quadratic_at(around, displacements, around.positions[numbers], epsilon)
    return ((phi[:, :, 3] - displacements[numbers]) ** 2).sum(axis=1) / 3 / (length + epsilon) ** 2
