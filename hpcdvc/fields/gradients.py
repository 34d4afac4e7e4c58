"""Transformation gradients F of a displacement field on a grid, and the errors of F.

All modes are one: at each place a polynomial is fitted by least squares to the displacements of the nodes of a support
that are there, and its gradient is a sum over them, F - I = sum_a u_a (x) c_a. What a place gets does not depend on the
places that are asked for with it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.overlap import WindowOverlap

#: Part of the largest singular value that the smallest must be above: nodes in one plane leave a gradient open.
OPEN = 1e-6
#: (m, k) bool from (m, 3) places and (m, k, 3) nodes, ZYX, voxels: whether the specimen connects them.
Connected = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Support:
    """Nodes that the gradient at a place is made of.

    Attributes
    ----------
    offsets : (k, 3) integers, ZYX, steps of the grid, from a node
    centre : (3,) place of the gradient from that node, steps of the grid
    order : of the polynomial, 1 or 2
    complete : all of them are needed, not only as many as leave no gradient open
    """

    offsets: np.ndarray
    centre: np.ndarray
    order: int = 1
    complete: bool = False

    def grid_of(self, grid: Grid) -> Grid:
        """The places, one for each node about which a support of this kind has all its corners."""
        if not self.centre.any():
            return grid
        origin = np.array(grid.origin) + self.centre * np.array(grid.spacing)
        shape = np.array(grid.shape) - (self.centre > 0)
        return Grid(tuple(map(float, origin)), grid.spacing, tuple(map(int, shape)))

    @property
    def extent(self) -> np.ndarray:
        """(3,) distance from the first to the last node along each axis, steps of the grid."""
        return np.ptp(self.offsets, axis=0)


def ball_support(grid: Grid, radius: float, order: int = 1, with_itself: bool = False) -> Support:
    """Nodes no further than a radius.

    Parameters
    ----------
    grid : of the nodes; an axis with one layer has no neighbours
    radius : in units of the largest node spacing
    order : of the polynomial
    with_itself : the node itself is one of them

    Raises
    ------
    UserError
        An axis has no neighbours within the radius.
    """
    spacing, wide = np.array(grid.spacing), np.array(grid.shape) > 1
    longest = radius * spacing[wide].max(initial=0) * (1 + 1e-9)
    reach = np.where(wide, np.minimum(longest // spacing, np.array(grid.shape) - 1), 0).astype(int)
    if (reach[wide] < 1).any():
        raise UserError(
            f"radius {radius:g} reaches no neighbour: it is in units of the largest node spacing, 1 or more"
        )
    offsets = np.array(list(product(*(range(-n, n + 1) for n in reach))))
    distance = np.linalg.norm(offsets * spacing, axis=1)
    kept = (distance <= longest) & (with_itself | offsets.any(axis=1))
    return Support(offsets[kept], np.zeros(3), order)


def cell_support(grid: Grid) -> Support:
    """The corners of the cell between neighbouring nodes: 8, in two dimensions 4."""
    wide = np.array(grid.shape) > 1
    return Support(np.array(list(product(*((0, 1) if w else (0,) for w in wide)))), np.where(wide, 0.5, 0.0), 1, True)


@dataclass(frozen=True, eq=False)
class Displacements:
    """Displacements of the nodes of a grid.

    Attributes
    ----------
    grid : n nodes
    values : (n, 3) array, ZYX, voxels
    usable : (n,) bool
    variance : (n, 3) of the values, or None where they are not known
    """

    grid: Grid
    values: np.ndarray
    usable: np.ndarray
    variance: np.ndarray | None = None


def gradients(
    field: Displacements,
    support: Support,
    numbers: np.ndarray,
    overlap: WindowOverlap | None = None,
    connected: Connected | None = None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """F at places of a grid.

    Parameters
    ----------
    field : displacements at the nodes
    support : which of them count at a place
    numbers : (m,) places that are wanted, of `support.grid_of(field.grid)`
    overlap : how the errors of two nodes are correlated; None: there is no covariance
    connected : which nodes the specimen connects with a place; None: all

    Returns
    -------
    f : (m, 3, 3) array, ZYX; NaN where too few nodes are there
    covariance : (m, 3, 3, 3) array, [i, k, l] of F_ik and F_il; those of different i are taken as independent. None
        where the variances or the overlap are not known
    """
    nodes, present, weights = gradient_weights(field, support, numbers, connected)
    values = np.where(present[..., None], field.values[nodes], 0)
    f = np.tile(np.eye(3), (len(numbers), 1, 1))
    for a in range(present.shape[1]):  # one node after the other: the same sum whichever places are asked for
        f += np.where(present[:, a, None, None], values[:, a, :, None] * weights[:, a, None, :], 0)
    f[np.isnan(weights[:, 0, 0])] = np.nan
    if field.variance is None or overlap is None:
        return f, None
    places = _places(field.grid, support)
    correlation = overlap.correlation(places[:, None] - places[None])
    return f, _covariance(weights, np.where(present[..., None], field.variance[nodes], 0), correlation)


def gradient_weights(
    field: Displacements, support: Support, numbers: np.ndarray, connected: Connected | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The sums that F is: F_ik = delta_ik + sum_a u_i(a) weights_k(a) over the nodes of a support that are there.

    Parameters
    ----------
    field, support, numbers, connected : as for `gradients`

    Returns
    -------
    nodes : (m, k) numbers of the nodes
    present : (m, k) bool, whether they are there and count
    weights : (m, k, 3) array, 1 / voxel, 0 where a node is not present; NaN where too few are
    """
    nodes, present = _nodes_of(field, support, numbers, connected)
    axes = np.flatnonzero(support.extent)
    return nodes, present, _weights(present, _places(field.grid, support), axes, support)


def _places(grid: Grid, support: Support) -> np.ndarray:
    """(k, 3) where the nodes of a support stand, from where the gradient does, voxels."""
    return (support.offsets - support.centre) * np.array(grid.spacing)


def corners(grid: Grid, support: Support, numbers: np.ndarray) -> np.ndarray:
    """Numbers of the nodes at some places: the corners of a cell, (m, 8) or (m, 4), or the node there, (m, 1)."""
    steps = np.stack(np.unravel_index(numbers, support.grid_of(grid).shape), axis=-1)
    offsets = support.offsets if support.centre.any() else np.zeros((1, 3), int)
    return np.ravel_multi_index(tuple(np.moveaxis(steps[:, None] + offsets, -1, 0)), grid.shape)


def _nodes_of(
    field: Displacements, support: Support, numbers: np.ndarray, connected: Connected | None
) -> tuple[np.ndarray, np.ndarray]:
    """(m, k) numbers of the nodes of each support, and whether they are there and count."""
    grid = field.grid
    steps = np.stack(np.unravel_index(numbers, support.grid_of(grid).shape), axis=-1)
    at = steps[:, None] + support.offsets
    inside = ((at >= 0) & (at < np.array(grid.shape))).all(axis=-1)
    nodes = np.ravel_multi_index(tuple(np.moveaxis(at, -1, 0)), grid.shape, mode="clip")
    present = inside & field.usable[nodes] & np.isfinite(field.values[nodes]).all(axis=-1)
    if connected is not None:
        spacing, origin = np.array(grid.spacing), np.array(grid.origin)
        present &= connected(origin + (steps + support.centre) * spacing, origin + at * spacing)
    return nodes, present


def _weights(present: np.ndarray, places: np.ndarray, axes: np.ndarray, support: Support) -> np.ndarray:
    """(m, k, 3): the c_a of each place, 1 / voxel; NaN where the nodes that are there leave the gradient open.

    Most places have the same nodes: each set of them is solved once.
    """
    sets, which = np.unique(np.packbits(present, axis=1), axis=0, return_inverse=True)
    sets = np.unpackbits(sets, axis=1, count=present.shape[1]).astype(bool)
    found = np.full((len(sets), present.shape[1], 3), np.nan)
    left = sets.all(axis=1) if support.complete else np.ones(len(sets), bool)
    for order in range(support.order, 0, -1):  # where a quadratic is left open, an affine one
        solved = _solve(sets[left], places, axes, order)
        found[np.flatnonzero(left)] = solved
        left = left & np.isnan(found[:, 0, 0])
    return found[which.reshape(-1)]


def _solve(sets: np.ndarray, places: np.ndarray, axes: np.ndarray, order: int) -> np.ndarray:
    """Weights of the gradient at the origin, of least squares over each set of places; NaN where it is left open."""
    scale = np.abs(places).max(axis=0)
    r = places[:, axes] / scale[axes]
    basis = [np.ones(len(r)), *r.T]
    if order == 2:
        basis += [r[:, i] * r[:, j] for i in range(len(axes)) for j in range(i, len(axes))]
    matrices = sets[..., None] * np.stack(basis, axis=1)
    if matrices.shape[1] < matrices.shape[2]:
        return np.full((*sets.shape, 3), np.nan)
    u, s, vt = np.linalg.svd(matrices, full_matrices=False)
    solved = s[:, -1] > OPEN * s[:, 0]
    inverse = 1 / np.where(solved[:, None], s, 1)
    slopes = (u * inverse[:, None]) @ vt[:, :, 1 : 1 + len(axes)]
    result = np.zeros((*sets.shape, 3))
    result[..., axes] = slopes / scale[axes]
    result[~solved] = np.nan
    return result


def _covariance(weights: np.ndarray, variance: np.ndarray, correlation: np.ndarray) -> np.ndarray:
    """(m, 3, 3, 3) of F, from the (m, k, 3) weights, (m, k, 3) variances of displacements and (k, k) correlations."""
    m, k, _ = weights.shape
    terms = np.sqrt(variance).transpose(0, 2, 1)[:, :, None] * weights.transpose(0, 2, 1)[:, None]
    # stacks of small products: each is the same whichever others there are
    shared = (terms.reshape(m, 9, k) @ correlation).reshape(m, 3, 3, k)
    return shared @ np.ascontiguousarray(terms).transpose(0, 1, 3, 2)
