"""Deformation functions at other points, seen from another registration, and of a grid and labels in one."""

import numpy as np

from hpcdvc.fields.around import Around
from hpcdvc.fields.field import ROW, Field
from hpcdvc.fields.local import interpolated
from hpcdvc.fields.phi import at_points, displacement_at, part_of, part_of_rows
from hpcdvc.fields.rows import blank_rows, rows_from
from hpcdvc.fields.status import Status


def passed_rows(phi: np.ndarray, numbers: np.ndarray, dtype: np.dtype = ROW) -> np.ndarray:
    """Rows of Phi that were made for points: status 1, and -12 with NaN where there is none.

    Parameters
    ----------
    phi : (m, 3, 4)
    numbers : (m,) of the points
    dtype : of the rows
    """
    rows = blank_rows(numbers, dtype)
    some = np.isfinite(phi).all(axis=(1, 2))
    rows["Phi"][some] = phi[some]
    # "interpolated" in a field made of others
    rows["return_status"] = np.where(some, Status.MAX_ITERATIONS, Status.NOT_REACHED)
    return rows


def registration_at(phi: np.ndarray, centre: np.ndarray, points: np.ndarray, part: str) -> np.ndarray:
    """A registration at points: the displacement of all of it, and a part of its F.

    Parameters
    ----------
    phi : (4, 4) about the centre
    centre : (3,) ZYX, voxels
    points : (m, 3) ZYX, voxels
    part : "all", "rigid" or "no"

    Returns
    -------
    (m, 3, 4) array
    """
    result = at_points(phi, centre, points)[:, :3]
    result[:, :, :3] = part_of(phi, part)[:3, :3]
    return result


def field_at(around: Around, phi: np.ndarray, points: np.ndarray, part: str, surrounded: bool = False) -> np.ndarray:
    """A field at points: the mean of the rows around each, by the inverse of their distance.

    Parameters
    ----------
    around : which rows count for a point
    phi : (n, 4, 4) of all rows
    points : (m, 3) ZYX, voxels
    part : of F, "all", "rigid" or "no"
    surrounded : only where the point lies in the box of its neighbours

    Returns
    -------
    (m, 3, 4) array, NaN where there are no neighbours
    """
    return part_of_rows(interpolated(around, phi, points, surrounded=surrounded), part)


def without_registration(
    field: Field, registration: Field, part: str, numbers: np.ndarray, dtype: np.dtype
) -> np.ndarray:
    """Rows of a field less the displacement that a part of a registration has there; F stays.

    Parameters
    ----------
    field : n rows
    registration : one row
    part : "all", "rigid" or "no": what is taken of its F, about its centre
    numbers : (m,) of the rows that are wanted
    dtype : of the rows

    Returns
    -------
    (m,) array of `dtype`; measured rows keep their status, the others are -12 where theirs would pass for measured
    """
    rows = rows_from(field, numbers, dtype)
    phi = part_of(registration.phi[0], part)
    rows["Phi"][:, :, 3] -= displacement_at(phi, registration.positions[0], field.positions[numbers])
    lost = ~field.measured[numbers]
    rows["Phi"][lost, :, 3] = np.nan
    rows["return_status"][lost & (rows["return_status"] > 0)] = Status.NOT_REACHED
    return rows


def with_labels(
    field: Field,
    discrete: list[Field],
    labels: list[np.ndarray],
    numbers: np.ndarray,
    dtype: np.dtype,
    bin_ratio: float = 1.0,
    prefer_label: bool = False,
) -> np.ndarray:
    """Rows of a grid, from the particle that a node lies in where the node itself is not measured.

    Parameters
    ----------
    field : n nodes
    discrete : measured particles, for each label image; with `label`, positions as in the image of the field
    labels : (nz, ny, nx) images; the first in which a node lies in a measured particle counts
    numbers : (m,) of the nodes that are wanted
    dtype : of the rows
    bin_ratio : voxels of the image of the field in one of a label image
    prefer_label : take the particle also where the node is measured

    Returns
    -------
    (m,) array of `dtype`: measured nodes as they are, 1 where a particle lends its Phi, -12 and NaN for the others
    """
    measured = field.measured[numbers]
    rows = passed_rows(np.full((len(numbers), 3, 4), np.nan), numbers, dtype)
    rows[measured] = rows_from(field, numbers[measured], dtype)
    left = np.ones(len(numbers), bool) if prefer_label else ~measured
    for particles, image in zip(discrete, labels, strict=True):
        points = field.positions[numbers]
        row = _particles_at(particles, image, points / bin_ratio)
        row[~left] = -1
        found = row >= 0
        phi = particles.phi[row[found]].copy()
        phi[:, :3, 3] = displacement_at(phi, particles.positions[row[found]], points[found])
        rows[found] = passed_rows(phi[:, :3], numbers[found], dtype)
        left &= ~found
    return rows


def _particles_at(particles: Field, image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Row (m,) of the measured particle that each point lies in, -1 for none."""
    places = np.trunc(points).astype(np.int64)
    inside = ((places >= 0) & (places < image.shape)).all(axis=1)
    label = np.zeros(len(points), np.int64)
    label[inside] = image[tuple(places[inside].T)]
    known = particles.extra["label"].astype(np.int64)
    good = np.flatnonzero(particles.measured & np.isfinite(particles.phi).all(axis=(1, 2)) & (known > 0))
    good = good[np.argsort(known[good], kind="stable")]
    if not len(good):
        return np.full(len(points), -1)
    place = np.minimum(np.searchsorted(known[good], label), len(good) - 1)
    return np.where(known[good][place] == label, good[place], -1)
