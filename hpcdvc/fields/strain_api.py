"""Transformation gradients of displacement fields, for Python users."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from hpcdvc.errors import UserError
from hpcdvc.fields.cells import cell_gradients
from hpcdvc.fields.gradients import Displacements, Support, ball_support, cell_support, gradients
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.overlap import WindowOverlap


@dataclass(frozen=True, eq=False)
class GradientField:
    """Transformation gradients, and how certain they are.

    Attributes
    ----------
    f : (..., 3, 3) array, ZYX; NaN where too few displacements are known
    covariance : (..., 3, 3, 3) array, [i, k, l] of F_ik and F_il, for `strain_deviations`; None where the variances of
        the displacements were not given. Rows of F are taken as independent
    """

    f: np.ndarray
    covariance: np.ndarray | None


def geers_gradients(
    displacements: ArrayLike,
    node_spacing: ArrayLike,
    radius: float = 1.5,
    variance: ArrayLike | None = None,
    half_window_size: ArrayLike | None = None,
) -> GradientField:
    """F at the nodes of a grid, from an affine fit to the neighbours of each [Geers 1996].

    Parameters
    ----------
    displacements : (nz, ny, nx, 3) array, ZYX, voxels; NaN where not measured. One layer in z: two dimensions
    node_spacing : one number, or three ZYX, voxels
    radius : neighbours no further than this, in units of the largest node spacing
    variance : of the displacements, in the same shape
    half_window_size : one number, or three ZYX, voxels: how errors of neighbours are correlated; None: not at all

    Returns
    -------
    GradientField : with the leading axes of `displacements`; exact for affine fields, at the boundary of the grid and
        next to missing nodes as well

    Raises
    ------
    UserError : arrays of other shapes, or a radius that reaches no neighbour

    References
    ----------
    Geers, De Borst & Brekelmans 1996, Computing strain fields from discrete displacement fields in 2D-solids,
    https://doi.org/10.1016/0020-7683(95)00240-5
    """
    field = _field(displacements, node_spacing, variance)
    return _found(field, ball_support(field.grid, radius), half_window_size)


def q8_gradients(
    displacements: ArrayLike,
    node_spacing: ArrayLike,
    variance: ArrayLike | None = None,
    half_window_size: ArrayLike | None = None,
) -> GradientField:
    """F of the cells between the nodes of a grid: that of a trilinear element at its middle.

    Parameters
    ----------
    displacements, node_spacing, variance, half_window_size : as for `geers_gradients`

    Returns
    -------
    GradientField : one less along each axis that has more than one layer

    Raises
    ------
    UserError : arrays of other shapes
    """
    field = _field(displacements, node_spacing, variance)
    return _found(field, cell_support(field.grid), half_window_size)


def polynomial_gradients(
    displacements: ArrayLike,
    node_spacing: ArrayLike,
    order: int = 2,
    radius: float = 2.0,
    variance: ArrayLike | None = None,
    half_window_size: ArrayLike | None = None,
) -> GradientField:
    """F at the nodes of a grid, of a polynomial fitted to each and its neighbours.

    Parameters
    ----------
    displacements, node_spacing, radius, variance, half_window_size : as for `geers_gradients`
    order : 1 or 2; where the neighbours leave a quadratic open an affine one is taken

    Returns
    -------
    GradientField : with the leading axes of `displacements`

    Raises
    ------
    UserError : arrays of other shapes, another order, or a radius that reaches no neighbour
    """
    if order not in (1, 2):
        raise UserError(f"a polynomial of order 1 or 2 is fitted, not of {order}")
    field = _field(displacements, node_spacing, variance)
    return _found(field, ball_support(field.grid, radius, order, with_itself=True), half_window_size)


def bagi_gradients(
    points: ArrayLike, connectivity: ArrayLike, displacements: ArrayLike, variance: ArrayLike | None = None
) -> GradientField:
    """F of the tetrahedra (triangles in two dimensions) between scattered points, in which displacements are linear.

    Parameters
    ----------
    points : (n, 3) array, ZYX, voxels
    connectivity : (m, 4) or (m, 3) point numbers, as of `hpcdvc.fields.triangulation.triangulate`
    displacements : (n, 3) array, ZYX, voxels
    variance : of the displacements, whose errors are independent, in the same shape

    Returns
    -------
    GradientField : of m cells

    Raises
    ------
    UserError : arrays of other shapes
    """
    points, displacements = np.asarray(points, float), np.asarray(displacements, float)
    cells, known = np.asarray(connectivity), None if variance is None else np.asarray(variance, float)
    shapes = {array.shape for array in (points, displacements, known) if array is not None}
    if shapes != {(len(points), 3)} or cells.ndim != 2 or cells.shape[1] not in (3, 4) or cells.dtype.kind not in "iu":
        raise UserError(
            "points, displacements and variances are (n, 3) arrays, connectivity is (m, 4) or (m, 3) numbers"
        )
    if cells.size and not (cells.min() >= 0 and cells.max() < len(points)):
        raise UserError(f"connectivity names points from {cells.min()} to {cells.max()}, and there are {len(points)}")
    return GradientField(*cell_gradients(points, cells, displacements, known))


def _field(displacements: ArrayLike, node_spacing: ArrayLike, variance: ArrayLike | None) -> Displacements:
    values = np.asarray(displacements, float)
    if values.ndim != 4 or values.shape[3] != 3:
        raise UserError(f"displacements are an array (nz, ny, nx, 3), not {values.shape}")
    known = None if variance is None else np.asarray(variance, float)
    if known is not None and known.shape != values.shape:
        raise UserError(f"variances of shape {known.shape} do not fit displacements of shape {values.shape}")
    spacing = _three("node_spacing", node_spacing)
    grid = Grid((0.0, 0.0, 0.0), tuple(map(float, spacing)), values.shape[:3])
    values = values.reshape(-1, 3)
    return Displacements(grid, values, np.isfinite(values).all(axis=1), None if known is None else known.reshape(-1, 3))


def _three(name: str, value: ArrayLike) -> np.ndarray:
    numbers = np.broadcast_to(np.asarray(value, float), (3,)) if np.size(value) in (1, 3) else np.zeros(3)
    if not (np.isfinite(numbers).all() and (numbers >= 0).all() and numbers.any()):
        raise UserError(f"{name} is one number or three, none below 0, not {value!r}")
    return numbers


def _found(field: Displacements, support: Support, half_window_size: ArrayLike | None) -> GradientField:
    half = (0, 0, 0) if half_window_size is None else _three("half_window_size", half_window_size)
    # windows of one voxel have no voxel in common
    overlap = WindowOverlap(tuple(int(n) for n in half))
    shape = support.grid_of(field.grid).shape
    f, covariance = gradients(field, support, np.arange(np.prod(shape)), overlap)
    return GradientField(f.reshape(*shape, 3, 3), None if covariance is None else covariance.reshape(*shape, 3, 3, 3))
