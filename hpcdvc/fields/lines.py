"""An extensometer between two places of a field, and what there is along a line."""

from collections.abc import Mapping

import numpy as np

from hpcdvc.fields.cells import cell_gradients
from hpcdvc.fields.gauged import AXES, Gauged
from hpcdvc.fields.gradients import Displacements, gradients
from hpcdvc.fields.strain import PAIRS

_ROWS, _COLUMNS = np.triu_indices(3)


def elongation(field: Gauged, ends: np.ndarray) -> dict[str, float] | None:
    """An extensometer between two places.

    Parameters
    ----------
    field : with n points
    ends : (2, 3) ZYX, voxels

    Returns
    -------
    dict of ``length`` after the deformation, voxels, ``strain`` = deformed / initial distance - 1 and ``strain_std``;
    None where an end is not between measured points
    """
    numbers, weights = field.between(ends)
    if np.isnan(weights).any():
        return None
    moved = (weights[..., None] * field.displacement[numbers]).sum(axis=1)
    before, after = ends[1] - ends[0], ends[1] + moved[1] - ends[0] - moved[0]
    initial, length = np.linalg.norm(before), np.linalg.norm(after)
    along = after / length / initial if length > 0 else np.full(3, np.nan)
    signed = np.concatenate([-weights[0], weights[1]])
    deviation = field.deviation(numbers.ravel(), signed[:, None] * along)
    # the difference of the squares: the strain of a small motion is not the difference of two large numbers
    change = (after - before) @ (after + before) / (initial * (length + initial))
    return {"length": float(length), "strain": float(change), "strain_std": deviation}


def profile(field: Gauged, places: np.ndarray) -> dict[str, np.ndarray]:
    """Displacement and small strain along a line.

    Parameters
    ----------
    field : with n points
    places : (m, 3) ZYX, voxels

    Returns
    -------
    dict of (m,) columns; NaN where a place is not between measured points, or has no strain there
    """
    numbers, weights = field.between(places)
    moved = (weights[..., None] * field.displacement[numbers]).sum(axis=1)
    deviations = np.full(moved.shape, np.nan)
    for row in np.flatnonzero(np.isfinite(weights[:, 0])) if field.errors is not None else ():
        for axis in range(3):
            part = np.zeros((weights.shape[1], 3))
            part[:, axis] = weights[row]
            deviations[row, axis] = field.errors.deviation(numbers[row], part)
    found = {f"{name}disp": moved[:, k] for k, name in enumerate(AXES)}
    found |= {f"{name}disp_std": deviations[:, k] for k, name in enumerate(AXES)}
    f = _gradients_along(field, numbers, weights)
    small = 0.5 * (f + np.swapaxes(f, 1, 2)) - np.eye(3)
    return found | {f"e{pair}": small[:, i, k] for i, k, pair in zip(_ROWS, _COLUMNS, PAIRS, strict=True)}


def _gradients_along(field: Gauged, numbers: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(m, 3, 3) F between points: of the nodes of a grid as in `mean_strain`, else of the tetrahedron there."""
    f = np.full((len(weights), 3, 3), np.nan)
    there = np.flatnonzero(np.isfinite(weights[:, 0]))
    if field.grid is None:
        width = 3 if field.flat else 4
        f[there], _ = cell_gradients(field.positions, numbers[there, :width], field.displacement)
        return f
    if field.support:
        on_grid = Displacements(field.grid, field.displacement, field.measured)
        used = np.unique(numbers[there][weights[there] != 0])
        of_nodes = np.full((field.grid.size, 3, 3), np.nan)
        of_nodes[used], _ = gradients(on_grid, field.support, used)
    elif field.f is not None:
        of_nodes = field.f
    else:
        return f
    parts = np.where((weights[there] == 0)[..., None, None], 0, of_nodes[numbers[there]])
    f[there] = (weights[there][..., None, None] * parts).sum(axis=1)
    return f


def line_places(ends: np.ndarray, count: int) -> Mapping[str, np.ndarray]:
    """Places along a line, both ends included: (count,) distances from its beginning and (count, 3) positions."""
    parts = np.linspace(0, 1, count)
    places = ends[0] + parts[:, None] * (ends[1] - ends[0])
    places[-1] = ends[1]
    return {"distance": parts * np.linalg.norm(ends[1] - ends[0]), "places": places}
