"""Gradients in tetrahedra (triangles in two dimensions) between scattered points, and which of them hold a point.

The displacement is linear in each of them. That is the strain of a cell of particles of Bagi [Bagi 1996, Stress and
strain in granular assemblies, https://doi.org/10.1016/0167-6636(95)00044-5], of which the corners are the particles.
"""

import numpy as np

from hpcdvc.fields.grid import Grid
from hpcdvc.fields.overlap import WindowOverlap

#: Barycentric coordinates down to this belong to a cell: rounding on its faces.
FACE = 1e-9
#: Pairs of a cell and a point that are looked at together.
PAIRS = 2_000_000


def cell_gradients(
    points: np.ndarray,
    cells: np.ndarray,
    displacements: np.ndarray,
    variance: np.ndarray | None = None,
    overlap: WindowOverlap | None = None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """F of cells.

    Parameters
    ----------
    points : (n, 3) ZYX, voxels; at z = 0 where the cells are triangles
    cells : (m, 4) or (m, 3) numbers of points; a triangle leaves z alone
    displacements : (n, 3) of the points, voxels
    variance : (n, 3) of the displacements, or None
    overlap : how the errors of two points are correlated; None: not at all

    Returns
    -------
    f : (m, 3, 3) array, NaN where a corner is not finite
    covariance : (m, 3, 3, 3) array, [i, k, l] of F_ik and F_il; None without the variances
    """
    weights = shape_gradients(points, cells)
    moved = displacements[cells]
    f = np.tile(np.eye(3), (len(cells), 1, 1))
    for a in range(cells.shape[1]):
        f += moved[:, a, :, None] * weights[:, a, None]
    if variance is None:
        return f, None
    terms = np.sqrt(variance[cells]).transpose(0, 2, 1)[..., None] * weights[:, None]
    shared = terms
    if overlap is not None:
        corners = points[cells]
        shared = overlap.correlation(corners[:, :, None] - corners[:, None])[:, None] @ terms
    return f, np.swapaxes(terms, 2, 3) @ shared


def shape_gradients(points: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Gradients of the linear functions that are 1 at one corner and 0 at the others.

    Parameters
    ----------
    points, cells : as for `cell_gradients`

    Returns
    -------
    (m, 4, 3) or (m, 3, 3) array, 1 / voxel, ZYX
    """
    axes = slice(4 - cells.shape[1], 3)
    edges = (points[cells[:, 1:]] - points[cells[:, :1]])[..., axes]
    weights = np.zeros((*cells.shape, 3))
    weights[:, 1:, axes] = np.swapaxes(np.linalg.inv(edges), 1, 2)
    weights[:, 0] = -weights[:, 1:].sum(axis=1)
    return weights


def cells_at_nodes(points: np.ndarray, cells: np.ndarray, grid: Grid) -> np.ndarray:
    """The cell that each node of a grid lies in.

    Parameters
    ----------
    points, cells : as for `cell_gradients`
    grid : of the nodes

    Returns
    -------
    (nodes,) int64 array, the first cell that holds a node, -1 where none does
    """
    found = np.full(grid.size, len(cells), np.int64)
    weights, origin, spacing = shape_gradients(points, cells), np.array(grid.origin), np.array(grid.spacing)
    low, high = points[cells].min(axis=1), points[cells].max(axis=1)
    first = np.maximum(np.ceil((low - origin) / spacing - FACE), 0).astype(np.int64)
    last = np.minimum(np.floor((high - origin) / spacing + FACE), np.array(grid.shape) - 1).astype(np.int64)
    extent = np.maximum(last - first + 1, 0)  # nodes in the box of each cell
    counts = extent.prod(axis=1)
    ends = np.cumsum(counts)
    starts = np.unique(np.searchsorted(ends, np.arange(0, ends[-1] + 1, PAIRS), side="right"))
    for start, stop in zip(starts, [*starts[1:], len(cells)], strict=True):
        some = np.repeat(np.arange(start, stop), counts[start:stop])
        place = np.arange(len(some)) - (ends - counts)[some] + (ends - counts)[min(start, len(cells) - 1)]
        rows, x = np.divmod(place, extent[some, 2])
        z, y = np.divmod(rows, extent[some, 1])
        steps = first[some] + np.stack([z, y, x], axis=1)
        offset = origin + steps * spacing - points[cells[some, 0]]
        shares = (weights[some, 1:] * offset[:, None]).sum(axis=2)
        inside = (shares >= -FACE).all(axis=1) & (shares.sum(axis=1) <= 1 + FACE)
        nodes = np.ravel_multi_index(tuple(steps[inside].T), grid.shape)
        np.minimum.at(found, nodes, some[inside])
    return np.where(found < len(cells), found, -1)


def cells_holding(points: np.ndarray, cells: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The cells that places lie in, and the parts that their corners have there.

    Parameters
    ----------
    points, cells : as for `cell_gradients`
    places : (k, 3) ZYX, voxels

    Returns
    -------
    numbers : (k,) the first cell that holds a place, -1 where none does
    shares : (k, 4) or (k, 3) barycentric coordinates, NaN where there is no cell
    """
    weights, first = shape_gradients(points, cells), points[cells[:, 0]]
    low, high = points[cells].min(axis=1) - FACE, points[cells].max(axis=1) + FACE
    numbers, found = np.full(len(places), -1, np.int64), np.full((len(places), cells.shape[1]), np.nan)
    for k, place in enumerate(places):
        near = np.flatnonzero(((place >= low) & (place <= high)).all(axis=1))
        shares = (weights[near] * (place - first[near])[:, None]).sum(axis=2)
        shares[:, 0] += 1
        inside = np.flatnonzero((shares >= -FACE).all(axis=1))
        if inside.size:
            numbers[k], found[k] = near[inside[0]], shares[inside[0]]
    return numbers, found


def grid_between(points: np.ndarray, spacing: tuple[int, int, int]) -> Grid | None:
    """Nodes at multiples of a spacing within the box of some points, at z = 0 where all of them are; None: no node."""
    flat = not points[:, 0].any()
    step = np.array([1, *spacing[1:]] if flat else spacing)
    first, last = np.ceil(points.min(axis=0) / step), np.floor(points.max(axis=0) / step)
    shape = tuple(int(n) for n in last - first + 1)
    return Grid(tuple(map(float, first * step)), tuple(map(float, step)), shape) if min(shape) > 0 else None
