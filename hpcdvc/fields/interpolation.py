"""A field between its nodes."""

from itertools import product

import numpy as np

from hpcdvc.fields.field import Field
from hpcdvc.fields.grid import Grid

#: Places this far outside the grid, in units of its spacing, are rounding.
EDGE = 1e-9


def interpolate_on_grid(field: Field, usable: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Phi at points between the nodes of a grid.

    With the multilinear weights w_i of the corners x_i of its cell, a point p gets F = sum w_i F_i and the displacement
    t = sum w_i (t_i + (F_i - I)(p - x_i) / 2), which is exact where the displacement is quadratic: what the weights
    make of t_i alone errs by as much as what they make of the tangents, to the other side.

    Parameters
    ----------
    field : n rows on a grid
    usable : (n,) bool, rows that count
    points : (m, 3) ZYX, voxels

    Returns
    -------
    phi : (m, 3, 4) array, NaN where the cell has a corner that does not count, or the point is outside the grid
    variance : (m, 3) of the displacement, those of the nodes taken as independent; NaN also where they are not known
    """
    grid, (m, d) = field.grid, points.shape
    known = (field.extra or {}).get("variance")
    shape = np.array(grid.shape)
    place = np.where(shape > 1, (points - np.array(grid.origin)) / np.array(grid.spacing), 0.0)
    low = np.clip(np.floor(place), 0, np.maximum(shape - 2, 0)).astype(np.int64)
    part, share = place - low, np.where(shape > 1, 0.5, 1.0)  # across a single layer there is nothing but the tangent
    phi, variance = np.zeros((m, d, 4)), np.zeros((m, d))
    for corner in product(*[(0, 1) if n > 1 else (0,) for n in grid.shape]):
        weight = np.where(corner, part, 1 - part)
        weight = weight[:, 0] * weight[:, 1] * weight[:, 2]
        numbers = np.ravel_multi_index(tuple((low + corner).T), grid.shape)
        counts = np.where(weight == 0, 0, np.where(usable[numbers], weight, np.nan))
        rows = np.where((counts == 0)[:, None, None], 0, field.phi[numbers, :3])  # what does not count may be NaN
        slope, offset = rows[:, :, :3] - np.eye(3), points - field.positions[numbers]
        half = sum(share[k] * slope[:, :, k] * offset[:, None, k] for k in range(3))
        phi[:, :, :3] += counts[:, None, None] * rows[:, :, :3]
        phi[:, :, 3] += counts[:, None] * (rows[:, :, 3] + half)
        if known is None:
            variance[:] = np.nan
        else:
            variance += (counts**2)[:, None] * np.where((counts == 0)[:, None], 0, known[numbers, 3::4])
    outside = ((part < -EDGE) | (part > 1 + EDGE)).any(axis=1)
    phi[outside], variance[outside] = np.nan, np.nan
    return phi, variance


def corners_about(grid: Grid, usable: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Multilinear interpolation between the nodes of a grid, as a sum over the corners of the cell of each point.

    Parameters
    ----------
    grid : n nodes
    usable : (n,) bool, nodes that count
    points : (m, 3) ZYX, voxels

    Returns
    -------
    numbers : (m, k) of the corners
    weights : (m, k); NaN where a corner that has a part does not count, or the point is outside the grid, or off a
        single layer
    """
    shape, spacing = np.array(grid.shape), np.array(grid.spacing)
    place = (points - np.array(grid.origin)) / np.where(shape > 1, spacing, 1.0)
    place = np.where(np.abs(place - np.rint(place)) < EDGE, np.rint(place), place)
    outside = ((place < 0) | (place > shape - 1)).any(axis=1)
    low = np.clip(np.floor(place), 0, np.maximum(shape - 2, 0)).astype(np.int64)
    part = place - low
    corners = list(product(*[(0, 1) if n > 1 else (0,) for n in grid.shape]))
    numbers = np.stack([np.ravel_multi_index(tuple((low + corner).T), grid.shape) for corner in corners], axis=1)
    weights = np.stack([np.where(corner, part, 1 - part).prod(axis=1) for corner in corners], axis=1)
    outside |= ((weights != 0) & ~usable[numbers]).any(axis=1)
    weights[outside] = np.nan
    return numbers, weights
