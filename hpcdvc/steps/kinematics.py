"""Fields at points, and how coherent they are, for Python users: arrays in, arrays out."""

from collections.abc import Callable

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.around import Around
from hpcdvc.fields.field import Field, row_with
from hpcdvc.fields.local import interpolated, local_coherency, quadratic_at
from hpcdvc.fields.passing import registration_at, with_labels
from hpcdvc.fields.phi import part_of_rows
from hpcdvc.fields.status import Family
from hpcdvc.options.common import PARTS
from hpcdvc.ranks.progress import Progress
from hpcdvc.steps.tables import BLOCK

WEIGHTS = ("inverse", "gaussian", "mean", "median")


def estimate_local_quadratic_coherency(
    points: np.ndarray,
    displacements: np.ndarray,
    neighbour_radius: float | None = None,
    n_neighbours: int | None = None,
    epsilon: float = 0.1,
    verbose: bool = False,
    comm=None,
) -> np.ndarray:
    """Local quadratic coherency of displacements: how far each is from the quadratic through it and its neighbours.

    Masullo & Theunissen 2016, doi 10.1007/s00348-015-2097-5; below 0.1 a point is coherent.

    Parameters
    ----------
    points : (n, 3) array, ZYX, voxels
    displacements : (n, 3) array, ZYX, voxels
    neighbour_radius : distance within which points are neighbours, voxels; doubled where it holds no more than 27
    n_neighbours : number of nearest points instead, the point itself among them
    epsilon : what displacements differ by anyway, voxels
    verbose : show progress
    comm : mpi4py communicator whose ranks share the work, each calling this with the same arrays; None: serial

    Returns
    -------
    (n,) array

    Raises
    ------
    UserError
        The arrays do not fit each other, or not one of radius and number of neighbours is given.
    """
    points = _vectors("points", points)
    around, displacements = _around_displacements(points, displacements, neighbour_radius, n_neighbours)
    return _shared(len(points), lambda some: local_coherency(around, displacements, some, epsilon), (), verbose, comm)


def estimate_displacement_from_quadratic_fit(
    field_coords: np.ndarray,
    displacements: np.ndarray,
    points_to_estimate: np.ndarray,
    neighbour_radius: float | None = None,
    n_neighbours: int | None = None,
    epsilon: float = 0.1,
    verbose: bool = False,
    comm=None,
) -> np.ndarray:
    """Displacements at points, each from the quadratic that fits those of its neighbours best.

    Masullo & Theunissen 2016, doi 10.1007/s00348-015-2097-5.

    Parameters
    ----------
    field_coords : (n, 3) array, ZYX, voxels: where the displacements are known
    displacements : (n, 3) array, ZYX, voxels
    points_to_estimate : (m, 3) array, ZYX, voxels
    neighbour_radius : distance within which points are neighbours, voxels; doubled where it holds no more than 27
    n_neighbours : number of nearest points instead
    epsilon : what displacements differ by anyway, voxels
    verbose : show progress
    comm : mpi4py communicator whose ranks share the work, each calling this with the same arrays; None: serial

    Returns
    -------
    (m, 3) array, NaN where there are no neighbours

    Raises
    ------
    UserError
        The arrays do not fit each other, or not one of radius and number of neighbours is given.
    """
    positions, points = _vectors("field_coords", field_coords), _vectors("points_to_estimate", points_to_estimate)
    around, displacements = _around_displacements(positions, displacements, neighbour_radius, n_neighbours)

    def fitted(some: np.ndarray) -> np.ndarray:
        return quadratic_at(around, displacements, points[some], epsilon)[0][:, :, 3]

    return _shared(len(points), fitted, (3,), verbose, comm)


def interpolate_phi_field(
    field_coords: np.ndarray,
    phi_field: np.ndarray,
    points_to_interpolate: np.ndarray,
    n_neighbours: int | None = None,
    neighbour_radius: float | None = None,
    interpolate_f: str = "all",
    neighbour_distance_weight: str = "inverse",
    check_point_surrounded: bool = False,
    verbose: bool = False,
    comm=None,
) -> np.ndarray:
    """Deformation functions at points, from those of their neighbours.

    Parameters
    ----------
    field_coords : (n, 3) array, ZYX, voxels: where they are known
    phi_field : (n, 4, 4) array; those that are not finite are no neighbours
    points_to_interpolate : (m, 3) array, ZYX, voxels
    n_neighbours : number of nearest points; this or
    neighbour_radius : distance within which points are neighbours, voxels
    interpolate_f : part of F that is given: "all", "rigid" or "no" (F = I)
    neighbour_distance_weight : "inverse", 1 / (d + 1e-6); "gaussian", exp(-4 (d / s)^2) with s the distance of the
        farthest neighbour; "mean"; or "median" of each entry
    check_point_surrounded : give NaN to points that do not lie in the box of their neighbours
    verbose : show progress
    comm : mpi4py communicator whose ranks share the work, each calling this with the same arrays; None: serial

    Returns
    -------
    (m, 4, 4) array, NaN where there are no neighbours

    Raises
    ------
    UserError
        The arrays do not fit each other, not one of radius and number of neighbours is given, or a word is unknown.
    """
    positions, points = _vectors("field_coords", field_coords), _vectors("points_to_interpolate", points_to_interpolate)
    phi = np.asarray(phi_field, float)
    if phi.shape != (len(positions), 4, 4):
        raise UserError(f"phi_field must have the shape ({len(positions)}, 4, 4), not {phi.shape}")
    _check_word("interpolate_f", interpolate_f, PARTS)
    _check_word("neighbour_distance_weight", neighbour_distance_weight, WEIGHTS)
    around = _around(positions, np.isfinite(phi).all(axis=(1, 2)), neighbour_radius, n_neighbours)

    def at(some: np.ndarray) -> np.ndarray:
        found = interpolated(around, phi, points[some], neighbour_distance_weight, surrounded=check_point_surrounded)
        return _bordered(part_of_rows(found, interpolate_f))

    return _shared(len(points), at, (4, 4), verbose, comm)


def apply_registration_to_points(
    phi: np.ndarray, phi_centre: np.ndarray, points: np.ndarray, apply_f: str = "all"
) -> np.ndarray:
    """A registration of the whole image at points.

    Parameters
    ----------
    phi : (4, 4) array
    phi_centre : (3,) ZYX, voxels: the point that it was measured about
    points : (n, 3) array, ZYX, voxels
    apply_f : part of F that is given, "all", "rigid" or "no" (F = I); displacements are those of all of Phi

    Returns
    -------
    (n, 4, 4) array

    Raises
    ------
    UserError
        The arrays have other shapes, or the word is unknown.
    """
    phi, points = np.asarray(phi, float), _vectors("points", points)
    if phi.shape != (4, 4) or np.shape(phi_centre) != (3,):
        raise UserError(f"phi must be 4 x 4 and phi_centre have 3 numbers, not {phi.shape} and {np.shape(phi_centre)}")
    _check_word("apply_f", apply_f, PARTS)
    return _bordered(registration_at(phi, np.asarray(phi_centre, float), points, apply_f))


def merge_regular_grid_and_discrete(
    regular_grid: Field,
    discrete: Field | list[Field],
    labelled_image: np.ndarray | list[np.ndarray],
    binning_labelled: float = 1,
    always_label: bool = True,
) -> Field:
    """A field of nodes in which those that lie in measured particles take the Phi of theirs.

    Parameters
    ----------
    regular_grid : field on the nodes of a grid
    discrete : field of particles, with their `label`, or several
    labelled_image : (nz, ny, nx) array of labels, or one for each field; the first in which a node lies in a measured
        particle counts
    binning_labelled : voxels of the image of the grid in one of the label images
    always_label : also where the node is measured; else only where it is not

    Returns
    -------
    Field
        Of the nodes. Those that take their particle's Phi have status 1; -12 and NaN where neither is measured.

    Raises
    ------
    UserError
        Fields and images are not as many, or a field has no labels.
    """
    fields = [discrete] if isinstance(discrete, Field) else list(discrete)
    images = [labelled_image] if isinstance(labelled_image, np.ndarray) else list(labelled_image)
    if len(fields) != len(images):
        raise UserError(f"{len(fields)} fields of particles and {len(images)} label images do not fit")
    if any("label" not in (field.extra or {}) for field in fields):
        raise UserError("a field of particles needs their labels, as extra['label']")
    if binning_labelled != 1:
        fields = [_enlarged(field, binning_labelled) for field in fields]
    images = [np.asarray(image)[None] if np.ndim(image) == 2 else np.asarray(image) for image in images]
    numbers = np.arange(len(regular_grid))
    rows = with_labels(regular_grid, fields, images, numbers, row_with(), binning_labelled, always_label)
    members = (rows[name] for name in ("return_status", "error", "iterations", "delta_phi_norm"))
    positions, grid = regular_grid.positions, regular_grid.grid
    return Field(positions, _bordered(rows["Phi"]), *members, grid, {}, Family.PASSED)


def _enlarged(field: Field, ratio: float) -> Field:
    phi = np.array(field.phi)
    phi[:, :3, 3] *= ratio
    members = (field.return_status, field.error, field.iterations, field.delta_phi_norm)
    return Field(field.positions * ratio, phi, *members, None, field.extra, field.family)


def _vectors(name: str, values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, float)
    if values.ndim != 2 or values.shape[1] != 3:
        raise UserError(f"{name} must have the shape (n, 3), not {values.shape}")
    return values


def _check_word(name: str, word: str, known: tuple[str, ...]) -> None:
    if word not in known:
        raise UserError(f"{name} must be one of {', '.join(known)}, not {word!r}")


def _around(positions: np.ndarray, usable: np.ndarray, radius: float | None, count: int | None) -> Around:
    if (radius is None) == (count is None):
        raise UserError("one of neighbour_radius and n_neighbours must be given")
    if not (radius or count) > 0:
        raise UserError("neighbour_radius and n_neighbours must be above 0")
    return Around(positions, usable & np.isfinite(positions).all(axis=1), None, radius, count)


def _around_displacements(
    positions: np.ndarray, displacements: np.ndarray, radius: float | None, count: int | None
) -> tuple[Around, np.ndarray]:
    """Points whose displacements are known, and the displacements (n, 3)."""
    displacements = _vectors("displacements", displacements)
    if len(positions) != len(displacements):
        raise UserError(f"{len(positions)} points and {len(displacements)} displacements do not fit")
    return _around(positions, np.isfinite(displacements).all(axis=1), radius, count), displacements


def _bordered(rows: np.ndarray) -> np.ndarray:
    """(n, 4, 4) of the upper three rows (n, 3, 4); NaN stays."""
    result = np.zeros((len(rows), 4, 4))
    result[:, :3], result[:, 3, 3] = rows, 1
    return result


def _shared(count: int, make: Callable, shape: tuple[int, ...], verbose: bool, comm) -> np.ndarray:
    """Values of all points; the ranks of a communicator share them, and all get them all."""
    rank, size = (0, 1) if comm is None else (comm.rank, comm.size)
    result, mine = np.empty((count, *shape)), range(BLOCK * rank, count, BLOCK * size)
    with Progress(count, quiet=rank > 0 or not verbose, unit="points") as progress:
        for first in mine:
            some = np.arange(first, min(first + BLOCK, count))
            result[some] = make(some)
            progress.update(min(first + BLOCK * size, count))
    if comm is not None:
        for parts in comm.allgather([(first, result[first : first + BLOCK]) for first in mine]):
            for first, values in parts:
                result[first : first + BLOCK] = values
    return result
