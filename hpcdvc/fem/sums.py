"""Sums over the voxels of the tetrahedra of a mesh, which the equations of global DVC are made of.

The displacement u is linear in each tetrahedron of the mesh, which lies in im1: f = im1, g = im2, and r(x) = f(x) -
a g(x + u(x)) - b is the residual at the voxel centres x in the mesh. Gain a and offset b are taken into account
afterwards, from sums that do not know them.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fem.quality import corner_determinants
from hpcdvc.kernels.fem import BRICK, LARGEST, sum_matrix, sum_step
from hpcdvc.kernels.records import dtype
from hpcdvc.kernels.volume import Volume
from hpcdvc.registration.filters import SplineFilter, prefilter_taps, spline_gradient
from hpcdvc.registration.levels import as_volume

#: Gradients that the right-hand side can be made with.
GRADIENTS = ("im1", "both")
#: Voxels that a tetrahedron takes the time of beside its own.
OVERHEAD = 50


@dataclass(frozen=True)
class Sums:
    """Sums over the voxels of each of k elements that count: whose grey value and gradient in im1 are known, and whose
    place in im2 too.

    The right-hand side of an element is F - a G - b H, its sum of squared residuals ff + a^2 gg + n b^2 - 2 a fg -
    2 b f + 2 a b g.

    Attributes
    ----------
    F, G, H : (k, 12) sums of N_a grad_i times f, g(x + u) and 1; index 3 a + i, a = node of the element, i = z, y, x
    n, f, g, ff, fg, gg : (k,) number of voxels, and sums of grey values and of their products
    """

    F: np.ndarray
    G: np.ndarray
    H: np.ndarray
    n: np.ndarray
    f: np.ndarray
    g: np.ndarray
    ff: np.ndarray
    fg: np.ndarray
    gg: np.ndarray

    @property
    def moments(self) -> np.ndarray:
        """(k, 6) n, f, g, ff, fg, gg side by side."""
        return np.column_stack([self.n, self.f, self.g, self.ff, self.fg, self.gg])


def matrix_sums(
    reference_volume: np.ndarray,
    points: np.ndarray,
    connectivity: np.ndarray,
    order: int = 3,
    pieces: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Matrices of the elements: sums of N_a N_b grad_i f grad_j f over their voxels.

    A voxel belongs to the tetrahedron that its centre lies in; on a face, an edge or a node to that towards larger x
    (then y, then z), so that a mesh counts every voxel once. Those outside the image, and those that are not finite or
    next to one that is not, do not count.

    Parameters
    ----------
    reference_volume : (nz, ny, nx) array, im1
    points : (n, 3) array, nodes, ZYX, voxels
    connectivity : (k, 4) integer array, nodes of each tetrahedron
    order : of the spline whose gradient is taken, 1 (central differences), 3 or 5
    pieces : of these elements in im1, where `pieces_of` has told; None: they are found here

    Returns
    -------
    (k, 78) array : upper triangle, row by row, of the symmetric matrices (12, 12); index 3 a + i, a = node of the
        element, i = z, y, x
    (k,) int64 array : voxels that count; 0 for an element that is too small to hold one

    Raises
    ------
    UserError
        Arrays that are not these, nodes that do not exist or are not finite.
    """
    image, points, connectivity = _volume(reference_volume), *checked_mesh(points, connectivity)
    sums = np.zeros(len(connectivity), dtype("matrix_sums"))
    if pieces is None:
        pieces = pieces_of(points, connectivity, image.shape)
    sum_matrix(Volume(image), points, connectivity, pieces, _gradient(order), sums)
    return np.ascontiguousarray(sums["matrix"]), np.ascontiguousarray(sums["voxels"])


def step_sums(
    f_volume: np.ndarray,
    g_volume: np.ndarray,
    points: np.ndarray,
    connectivity: np.ndarray,
    displacements: np.ndarray,
    gradient: str = "im1",
    order: int = 3,
    pieces: np.ndarray | None = None,
    gain: float = 1.0,
) -> Sums:
    """Sums of which the right-hand side and the residual of each element are made, for one displacement.

    Parameters
    ----------
    f_volume, g_volume : (nz, ny, nx) arrays, im1 and im2
    points, connectivity : see `matrix_sums`, also for which voxels count
    displacements : (n, 3) array of the nodes, from im1 to im2, ZYX, voxels
    gradient : "im1", or "both": mean of the gradient of im1 and of that of im2 at x + u(x), times the gain
    order : of the spline that interpolates im2 and whose gradient is taken, 1, 3 (the cubic o-MOMS) or 5
    pieces : see `matrix_sums`; the same for all displacements
    gain : grey values of im1 over those of im2

    Returns
    -------
    Sums
        Voxels whose x + u(x) is outside im2, or beside a voxel of im2 that is not finite, do not count.

    Raises
    ------
    UserError
        Arrays that are not these, nodes that do not exist or are not finite, or no such gradient.
    """
    one, two, (points, connectivity) = _volume(f_volume), _volume(g_volume), checked_mesh(points, connectivity)
    displacements = np.ascontiguousarray(displacements, float)
    if displacements.shape != points.shape or not np.isfinite(displacements).all():
        shapes = f"displacements of shape {displacements.shape} for points of shape {points.shape}"
        raise UserError(f"{shapes}: one finite displacement (ZYX) for each is needed")
    if gradient not in GRADIENTS:
        raise UserError(f'there is no gradient "{gradient}": {" or ".join(GRADIENTS)} is possible')
    derivative, both = _gradient(order), gradient == "both"
    taps = prefilter_taps(order)
    spline = SplineFilter(order, len(taps) - 1, [], taps, np.zeros(16))
    sums = np.zeros(len(connectivity), dtype("step_sums"))
    if pieces is None:
        pieces = pieces_of(points, connectivity, one.shape)
    mesh = (points, connectivity, displacements, pieces)
    sum_step(Volume(one), Volume(two), *mesh, derivative, spline, both, gain, sums)
    return Sums(*(np.ascontiguousarray(sums[field.name]) for field in fields(Sums)))


def sums_over_ranks(
    team,
    points: np.ndarray,
    connectivity: np.ndarray,
    sums: Callable[[np.ndarray], Sums | tuple[np.ndarray, ...]],
    own: np.ndarray | None = None,
) -> Sums | tuple[np.ndarray, ...] | None:
    """Sums over all elements, each summed up by one rank; the number of ranks changes no bit. Collective.

    Parameters
    ----------
    team : hpcdvc.ranks.team.Team
    points, connectivity : the whole mesh, see `matrix_sums`
    sums : from the (m, 4) connectivity of the elements of this rank to their sums: `matrix_sums` or `step_sums` with
        its other arguments
    own : numbers of the elements of this rank, as `share_of` tells once for all iterations; None: they are found here

    Returns
    -------
    Sums of all elements, or arrays as `sums` returns them, on rank 0; None elsewhere

    Raises
    ------
    UserError
        On all ranks, when `sums` raises it on one.
    """
    if own is None:
        own = share_of(points, connectivity, team.rank, team.size)
    result = team.agree_all(lambda: sums(connectivity[own]))
    arrays = result if isinstance(result, tuple) else tuple(getattr(result, field.name) for field in fields(Sums))
    widths = [(*a.shape[1:],) for a in arrays]
    row = np.dtype(
        [("index", "i8"), *((str(i), a.dtype, w) for i, (a, w) in enumerate(zip(arrays, widths, strict=True)))]
    )
    rows = np.empty(len(own), row)
    rows["index"] = own
    for i, array in enumerate(arrays):
        rows[str(i)] = array
    rows, _ = team.collect(rows, len(connectivity))
    if team.rank > 0:
        return None
    every = tuple(np.ascontiguousarray(rows[str(i)]) for i in range(len(arrays)))
    return every if isinstance(result, tuple) else Sums(*every)


def share_of(points: np.ndarray, connectivity: np.ndarray, rank: int, size: int) -> np.ndarray:
    """Numbers of the elements of a rank: in the order of their z, about as many voxels for each.

    Parameters
    ----------
    points, connectivity : see `matrix_sums`
    rank, size : this rank, number of ranks

    Returns
    -------
    (m,) array, ascending
    """
    order = np.argsort(points[connectivity, 0].sum(axis=1), kind="stable")
    volume = np.abs(corner_determinants(points, connectivity)) / 6
    cost = np.cumsum((volume + OVERHEAD)[order])
    ends = np.searchsorted(cost, cost[-1:] * np.arange(1, size) / size if len(cost) else np.zeros(size - 1))
    bounds = np.concatenate([[0], ends, [len(order)]])
    return np.sort(order[bounds[rank] : bounds[rank + 1]])


def pieces_of(points: np.ndarray, connectivity: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Which elements may hold voxels of which bricks of an image.

    Parameters
    ----------
    points, connectivity : see `matrix_sums`
    shape : of the image

    Returns
    -------
    (m,) array of "piece" records, ordered by bricks
    """
    corners = [points[connectivity[:, a]] for a in range(4)]
    # nodes are rounded by less than this
    low = np.ceil(np.minimum.reduce(corners) - 2 / LARGEST).clip(0, shape).astype(np.int64)
    high = np.floor(np.maximum.reduce(corners) + 2 / LARGEST).clip(-1, np.array(shape) - 1).astype(np.int64)
    first, last = low // BRICK, high // BRICK
    n = np.where((high >= low).all(axis=1, keepdims=True), last - first + 1, 0)
    count = n.prod(axis=1)
    element = np.repeat(np.arange(len(n)), count)
    number = np.arange(len(element)) - np.repeat(np.cumsum(count) - count, count)
    of_z, of_y = (n[:, 1] * n[:, 2])[element], n[element, 2]
    brick = first[element] + np.stack([number // of_z, number % of_z // of_y, number % of_y], axis=1)
    bricks = -(-np.array(shape) // BRICK)
    order = np.argsort(brick @ [bricks[1] * bricks[2], bricks[2], 1], kind="stable")
    pieces = np.empty(len(element), dtype("piece"))
    pieces["element"], pieces["brick"] = element[order], brick[order]
    return pieces


def checked_mesh(points: np.ndarray, connectivity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A mesh as the kernels take it: float64 and int64, contiguous.

    Raises
    ------
    UserError
        Other shapes, nodes that do not exist, are not finite or too far away.
    """
    points, connectivity = np.ascontiguousarray(points, float), np.asarray(connectivity)
    if points.ndim != 2 or points.shape[1] != 3:
        raise UserError(f"points of shape {points.shape}: (n, 3) is needed")
    if connectivity.ndim != 2 or connectivity.shape[1] != 4 or connectivity.dtype.kind not in "iu":
        kind = f"a connectivity of shape {connectivity.shape} and type {connectivity.dtype}"
        raise UserError(f"{kind}: integers of shape (k, 4) are needed")
    if connectivity.size and not (0 <= connectivity.min() and connectivity.max() < len(points)):
        named = f"{connectivity.min()} to {connectivity.max()}"
        raise UserError(f"the connectivity names nodes from {named}, there are {len(points)}")
    if not (np.abs(points) <= LARGEST).all():
        raise UserError(f"a node of the mesh is not finite, or farther away than {LARGEST:.0f} voxels")
    return points, np.ascontiguousarray(connectivity, np.int64)


def _volume(image: np.ndarray) -> np.ndarray:
    """The image as kernels read it."""
    volume = as_volume(image)
    if volume.shape[0] == 1:
        raise UserError("tetrahedra need a 3-D image")
    return volume


def _gradient(order: int) -> np.ndarray:
    """Taps of the gradient of a spline."""
    if order not in (1, 3, 5):
        raise UserError(f"there is no spline of order {order}: 1, 3 and 5 are possible")
    return spline_gradient(order).derivative
