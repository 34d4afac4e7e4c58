"""Neighbours of points among the nodes of a field, and the affine fit of what they have measured.

On a grid neighbours are found by index arithmetic, among scattered points by a k-d tree. What a point gets does not
depend on the other points that are asked for with it.
"""

from itertools import product

import numpy as np

from hpcdvc.fields.field import Field
from hpcdvc.fields.grid import Grid

#: Neighbours that are taken among scattered points, by dimensions.
COUNT = {1: 3, 2: 9, 3: 27}
#: Weight of the gradients of the neighbours against their displacements: it decides only where these leave open how the
#: displacement varies, as in one plane or on one line.
GRADIENT_WEIGHT = 0.01
#: A neighbour at the point itself (in units of the spacing, squared) does not weigh infinitely much.
NEAR = 0.01


def fit_from_neighbours(field: Field, usable: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Phi at points, from the affine fit of the usable rows around each.

    Parameters
    ----------
    field : n rows, with a grid or without
    usable : (n,) bool, rows that count
    points : (m, 3) ZYX, voxels

    Returns
    -------
    (m, 3, 4) array, NaN where there is no usable row to be found
    """
    if field.grid:
        numbers, spacing = neighbours_on_grid(field.grid, usable, points), np.array(field.grid.spacing)
    else:
        numbers, spacing = nearest_neighbours(field.positions, usable, points)
    return affine_fit(field.positions, field.phi, numbers, points, spacing)


def neighbours_on_grid(grid: Grid, usable: np.ndarray, points: np.ndarray, widest: int | None = None) -> np.ndarray:
    """Numbers of the usable nodes among the 3 x 3 x 3 about each point, one or more steps apart.

    Where there are too few of them for an affine fit the steps are doubled, until there are enough. Where all steps
    find none the nearest nodes are taken.

    Parameters
    ----------
    grid : n nodes
    usable : (n,) bool
    points : (m, 3) ZYX, voxels; outside the grid they count to the nearest node
    widest : most nodes that a step may have, and no nearest nodes then; default as many as the grid

    Returns
    -------
    (m, 27) int64 array, (m, 9) for a single layer; -1 where there is none
    """
    shape = np.array(grid.shape)
    home = np.rint((points - np.array(grid.origin)) / np.array(grid.spacing)).astype(np.int64)
    home = np.clip(home, 0, shape - 1)
    offsets = np.array(list(product(*[(-1, 0, 1) if n > 1 else (0,) for n in shape])))
    enough = np.count_nonzero(shape > 1) + 1
    found = np.full((len(points), len(offsets)), -1, np.int64)
    left, step = np.arange(len(points)), 1
    while len(left) and step <= (shape.max() if widest is None else widest):
        places = home[left, None] + step * offsets
        inside = ((places >= 0) & (places < shape)).all(axis=-1)
        numbers = np.ravel_multi_index(tuple(np.moveaxis(places, -1, 0)), grid.shape, mode="clip")
        numbers = np.where(inside & usable[numbers], numbers, -1)
        count, before = ((some >= 0).sum(axis=1) for some in (numbers, found[left]))
        found[left[count > before]] = numbers[count > before]
        left = left[np.maximum(count, before) < enough]
        step *= 2
    for row in np.flatnonzero((found < 0).all(axis=1)) if widest is None else ():
        nearest = _nearest(grid, np.flatnonzero(usable), points[row], len(offsets))
        found[row, : len(nearest)] = nearest
    return found


def _nearest(grid: Grid, numbers: np.ndarray, point: np.ndarray, count: int) -> np.ndarray:
    """Those of some nodes that are nearest to a point in units of the spacing; of equally near ones the first."""
    distance = (((grid.positions(numbers) - point) / np.array(grid.spacing)) ** 2).sum(axis=1)
    if count < len(numbers):
        numbers = numbers[distance <= np.partition(distance, count - 1)[count - 1]]
    return numbers[:count]


def nearest_neighbours(positions: np.ndarray, usable: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the nearest usable positions about each point, and how far they lie apart.

    Parameters
    ----------
    positions : (n, 3) ZYX, voxels
    usable : (n,) bool
    points : (m, 3) ZYX, voxels

    Returns
    -------
    numbers : (m, k) int64 array
    spacing : (3,) typical distance between neighbours, the same on all axes, voxels
    """
    from scipy.spatial import cKDTree  # slow to load, and grids do without

    rows = np.flatnonzero(usable)
    count = min(COUNT[max(int((np.ptp(positions, axis=0) > 0).sum()), 1)], len(rows))
    if count == 0:
        return np.full((len(points), 1), -1, np.int64), np.ones(3)
    tree = cKDTree(positions[rows])
    distances, _ = tree.query(positions[rows], k=min(2, len(rows)))
    spacing = float(np.median(distances.reshape(len(rows), -1)[:, -1])) or 1.0
    _, numbers = tree.query(points, k=[*range(1, count + 1)])
    return rows[numbers], np.full(3, spacing)


def affine_fit(
    positions: np.ndarray,
    phi: np.ndarray,
    neighbours: np.ndarray,
    points: np.ndarray,
    spacing: np.ndarray,
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """Affine displacement that fits those of the neighbours best, as Phi about each point.

    Moving least squares [Lancaster & Salkauskas 1981, doi 10.1090/S0025-5718-1981-0616367-1]: a + B r is fitted to the
    displacements t_i at the distances r_i, and with a small weight B to F_i - I, so that a single neighbour is enough.
    Neighbours weigh 1 / (r^2 + NEAR)^2 where no weights are given.

    Parameters
    ----------
    positions : (n, 3) ZYX, voxels
    phi : (n, 4, 4) or (n, 3, 4) array
    neighbours : (m, k) rows of both, -1 for none
    points : (m, 3) ZYX, voxels
    spacing : (3,) unit of distances, voxels: how much the gradients of the neighbours count
    weights : (m, k) of the neighbours, positive

    Returns
    -------
    (m, 3, 4) array, NaN where a point has no neighbour
    """
    left, right = np.zeros((len(points), 4, 4)), np.zeros((len(points), 4, 3))
    # one neighbour after the other: the sums of a point are the same whichever other points there are
    for place, numbers in enumerate(neighbours.T):
        r = (positions[numbers] - points) / spacing
        near = 1 / ((r * r)[:, 0] + (r * r)[:, 1] + (r * r)[:, 2] + NEAR) ** 2 if weights is None else weights[:, place]
        weight = np.where(numbers < 0, 0, near)
        weight, data = weight[:, None], np.where((numbers < 0)[:, None, None], 0, phi[numbers, :3])
        gradient = (data[:, :, :3] - np.eye(3)) * spacing
        basis = np.concatenate([np.ones((len(r), 1)), r], axis=1)
        left += (weight * basis)[:, :, None] * basis[:, None, :]
        left[:, [1, 2, 3], [1, 2, 3]] += GRADIENT_WEIGHT * weight
        right += (weight * basis)[:, :, None] * data[:, None, :, 3]
        right[:, 1:] += GRADIENT_WEIGHT * weight[:, None] * np.swapaxes(gradient, 1, 2)
    result = np.full((len(points), 3, 4), np.nan)
    some = (neighbours >= 0).any(axis=1)
    fitted = np.swapaxes(np.linalg.solve(left[some], right[some]), 1, 2)
    result[some, :, :3], result[some, :, 3] = np.eye(3) + fitted[:, :, 1:] / spacing, fitted[:, :, 0]
    return result


def affine_motion(positions: np.ndarray, phi: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """The one deformation function that fits the displacements of all rows best, about a centre.

    Parameters
    ----------
    positions : (n, 3) ZYX, voxels
    phi : (n, 4, 4) array
    centre : (3,) ZYX, voxels

    Returns
    -------
    (4, 4) array; where the rows leave a gradient open, as in one plane, the smallest
    """
    basis = np.column_stack([positions - centre, np.ones(len(positions))])
    result = np.eye(4)
    result[:3] += np.linalg.lstsq(basis, phi[:, :3, 3], rcond=None)[0].T
    return result
