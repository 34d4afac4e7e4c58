"""Two planes of nodes of a grid: how far each has moved, and the strain between them."""

from collections.abc import Mapping

import numpy as np

from hpcdvc.fields.gauged import AXES, Gauged, column_names, scatter_of
from hpcdvc.fields.interpolation import EDGE


def two_planes(field: Gauged, axis: int, places: tuple[float, float]) -> dict[str, float] | None:
    """Mean displacement of two planes across an axis of a grid, and the strain between them.

    Parameters
    ----------
    field : on a grid
    axis : across the planes
    places : of the planes, voxels, within the grid

    Returns
    -------
    dict of numbers, those of the planes begin with ``A_`` and ``B_``; the strain is that of the columns measured
    in both planes. None where nothing is measured in one of them
    """
    found: dict[str, float] = {}
    columns = [_columns_at(field, axis, place) for place in places]
    if not all(there.any() for *_, there in columns):
        return None
    for name, (below, above, part, there) in zip("AB", columns, strict=True):
        count = int(there.sum())
        found[f"{name}_columns"] = count
        numbers, shares, moved = _of_columns(field, below, above, part, there)
        for k, letter in enumerate(AXES):
            weights = np.zeros((len(numbers), 3))
            weights[:, k] = shares / count
            three = (moved[:, k].mean(), scatter_of(moved[:, k]), field.deviation(numbers, weights))
            found |= {f"{name}_{key}": float(v) for key, v in zip(column_names(f"{letter}disp"), three, strict=True)}
    return found | _between_planes(field, axis, places, columns)


def _of_columns(
    field: Gauged, below: np.ndarray, above: np.ndarray, part: float, there: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nodes of some columns, their parts, and the displacements (m, 3) in the plane."""
    sides = [(numbers[there], weight) for numbers, weight in ((below, 1 - part), (above, part)) if weight != 0]
    moved = sum(weight * field.displacement[numbers] for numbers, weight in sides)
    shares = np.concatenate([np.full(len(numbers), weight) for numbers, weight in sides])
    return np.concatenate([numbers for numbers, _ in sides]), shares, moved


def _between_planes(field: Gauged, axis: int, places: tuple[float, float], columns: list) -> Mapping[str, float]:
    both = columns[0][3] & columns[1][3]
    if not both.any():
        return {"strain_columns": 0, "strain": np.nan, "strain_std": np.nan}
    count, length = int(both.sum()), places[1] - places[0]
    (first, a, moved_a), (second, b, moved_b) = (_of_columns(field, *column[:3], both) for column in columns)
    numbers, shares = np.concatenate([first, second]), np.concatenate([-a, b])
    weights = np.zeros((len(numbers), 3))
    weights[:, axis] = shares / count / length
    strain = float((moved_b - moved_a)[:, axis].mean() / length)
    return {"strain_columns": count, "strain": strain, "strain_std": field.deviation(numbers, weights)}


def _columns_at(field: Gauged, axis: int, place: float) -> tuple[np.ndarray, np.ndarray, float, np.ndarray]:
    """The nodes of a grid below and above a plane, column by column.

    Parameters
    ----------
    field : on a grid
    axis : across the plane
    place : of the plane, voxels

    Returns
    -------
    below, above : (m,) numbers of the nodes of each column
    part : of the node above
    there : (m,) bool, columns that are measured there
    """
    grid = field.grid
    step = (place - grid.origin[axis]) / grid.spacing[axis] if grid.shape[axis] > 1 else 0.0
    step = float(np.rint(step)) if abs(step - np.rint(step)) < EDGE else step
    low = min(int(step), max(grid.shape[axis] - 2, 0))
    part = step - low
    nodes = np.arange(grid.size).reshape(grid.shape)
    below, above = (nodes.take(n, axis).ravel() for n in (low, min(low + 1, grid.shape[axis] - 1)))
    there = np.ones(len(below), bool)
    for numbers, weight in ((below, 1 - part), (above, part)):
        there &= field.measured[numbers] | (weight == 0)
    return below, above, part, there
