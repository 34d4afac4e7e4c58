"""Starts of a discrete measurement that are made of fields: of what neighbours do, of a registration that goes on."""

from dataclasses import replace

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.field import Field
from hpcdvc.fields.phi import at_points
from hpcdvc.fields.status import Status
from hpcdvc.labels.boxes import label_image
from hpcdvc.labels.contacts import CARVED, mean_diameter, mesh_neighbours
from hpcdvc.labels.scan import centres_of, scan_labels
from hpcdvc.output.tsv import write_tsv

METHODS = ("getLabel", "get_label", "mesh")


def get_displacement_from_neighbours(
    labels: np.ndarray,
    field: Field,
    file_name: str | None = None,
    method: str = "getLabel",
    neighbours_range: float | None = None,
    centres_of_mass: np.ndarray | None = None,
    previous: Field | None = None,
) -> Field:
    """Give labels that were not measured the mean displacement of their neighbours, to start from.

    Parameters
    ----------
    labels : (nz, ny, nx) or (ny, nx) label image
    field : rows of its labels
    file_name : of a .tsv table that is written as well
    method : "getLabel" (or "get_label"): neighbours are the labels in the box of a label and a margin about it. "mesh":
        those that a Delaunay triangulation of the centres of mass joins to it
    neighbours_range : the margin, by default the mean radius; or the greatest circumradius of the triangulation, by
        default five mean diameters; voxels
    centres_of_mass : of `centres_of_mass(labels)`, not compact; for the triangulation; None: they are found here
    previous : field of the step before: F is that of the label there, and the neighbours give the increment of the
        displacement since. None, or a label that was not measured there: F is the identity

    Returns
    -------
    Field
        The same rows. Those that were filled have status 1, "not measured", no iterations, and NaN for their quality.
        A row without a measured neighbour stays as it is, and so does one without a specimen (status -5).

    Raises
    ------
    UserError
        They are no labels, a field is none of labels, or the method is not known.
    """
    if method not in METHODS:
        raise UserError(f'the method "{method}" is not known: "getLabel" or "mesh"')
    image = label_image(labels)
    particles, numbers = scan_labels(image), _labels(field)
    failed = ~field.measured & (field.return_status != Status.NO_SPECIMEN) & np.isin(numbers, particles["label"])
    usable = field.measured & np.isfinite(field.phi).all(axis=(1, 2)) & (numbers != 0)
    phi, step = field.phi.copy(), field.phi[:, :3, 3]
    phi[failed, :3, :3] = np.eye(3)
    base = np.zeros((len(field), 3))
    if previous is not None:
        before, known = _earlier(previous, numbers)
        both = failed & known
        phi[both, :3, :3], base[both] = before[both, :3, :3], before[both, :3, 3]
        step, usable = step - np.where(known[:, None], before[:, :3, 3], 0), usable & known
    found = _neighbours(image, particles, numbers[failed], method, neighbours_range, centres_of_mass)
    means, filled = _means_of_neighbours(found, numbers, step, failed, usable)
    phi[filled, :3, 3] = (base + means)[filled]
    phi[failed & ~filled] = field.phi[failed & ~filled]
    result = _with_start(field, phi, filled)
    if file_name is not None:
        write_tsv(file_name, result)
    return result


def merge_registration_and_discrete_fields(
    registration: Field, discrete: Field, file_name: str | None = None, reg_tsv_bin_ratio: float = 1.0
) -> Field:
    """Motions of labels, and then that of the whole image: where labels are to be looked for after both.

    A point x of a label has moved to y = x + t. There the registration (F', about c') is applied: the motion of both is
    F' F, and t + t' + (F' - I)(y - c').

    Parameters
    ----------
    registration : one row, from the image that the field ends in to the next one
    discrete : n rows of labels, from the first image to that one
    file_name : of a .tsv table that is written as well
    reg_tsv_bin_ratio : factor on position and displacement of the registration, 2 if its images were binned by 2

    Returns
    -------
    Field
        The rows of `discrete` with these motions; the row of label 0, which tables of spam have, stays as it is

    Raises
    ------
    UserError
        The registration has several rows, or is not finite.
    """
    if len(registration) != 1:
        raise UserError(f"a registration has one row, this field has {len(registration)}")
    first, centre = registration.phi[0].copy(), registration.positions[0] * reg_tsv_bin_ratio
    first[:3, 3] *= reg_tsv_bin_ratio
    if not (np.isfinite(first).all() and np.isfinite(centre).all()):
        raise UserError("the registration is not finite: it has failed, and nothing can start from it")
    rows = _labels(discrete) != 0
    own = discrete.phi[rows]
    there = at_points(first, centre, discrete.positions[rows] + own[:, :3, 3])
    phi = discrete.phi.copy()
    phi[rows, :3, :3] = sum(there[:, :3, k, None] * own[:, k, None, :3] for k in range(3))
    phi[rows, :3, 3] = own[:, :3, 3] + there[:, :3, 3]
    result = replace(discrete, phi=phi)
    if file_name is not None:
        write_tsv(file_name, result)
    return result


def _labels(field: Field) -> np.ndarray:
    labels = (field.extra or {}).get("label")
    if labels is None:
        raise UserError(f"a field of labels is needed: these {len(field)} rows have none")
    return labels.astype(np.int64)


def _earlier(previous: Field, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Phi (n, 4, 4) of labels in an earlier field, and whether they were measured there (n,)."""
    row_of = {label: row for row, label in enumerate(_labels(previous).tolist())}
    rows = np.array([row_of.get(label, -1) for label in numbers.tolist()], np.int64)
    known = (rows >= 0) & (previous.measured & np.isfinite(previous.phi).all(axis=(1, 2)))[rows]
    return previous.phi[rows], known


def _means_of_neighbours(
    found: dict[int, np.ndarray | list[int]],
    numbers: np.ndarray,
    step: np.ndarray,
    wanted: np.ndarray,
    usable: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Mean step (n, 3) of the usable neighbours of the rows that are wanted, and which rows have some (n,)."""
    row_of = dict(zip(numbers[usable].tolist(), np.flatnonzero(usable).tolist(), strict=True))
    means, filled = np.zeros(step.shape), np.zeros(len(step), bool)
    for row in np.flatnonzero(wanted):
        rows = [row_of[label] for label in found[int(numbers[row])] if label in row_of]
        if rows:
            means[row], filled[row] = step[rows].mean(axis=0), True
    return means, filled


def _neighbours(
    image: np.ndarray,
    particles: np.ndarray,
    wanted: np.ndarray,
    method: str,
    reach: float | None,
    centres: np.ndarray | None,
) -> dict[int, np.ndarray | list[int]]:
    """Labels that are neighbours of each wanted one, by its label."""
    flat = len(image) == 1
    if method == "mesh":
        radius = CARVED * mean_diameter(particles, flat) if reach is None else reach
        places = centres_of(particles) if centres is None else np.asarray(centres)[particles["label"]]
        found: dict[int, list[int]] = {int(label): [] for label in wanted}
        for pair in mesh_neighbours(particles["label"], places, radius, flat).tolist() if len(wanted) else ():
            for one, other in (pair, pair[::-1]):
                if one in found:
                    found[one].append(other)
        return found
    margin = int(np.ceil(mean_diameter(particles, flat) / 2 if reach is None else reach))
    boxes = particles[np.searchsorted(particles["label"], wanted)]
    return {
        int(label): np.setdiff1d(np.unique(image[_box(one, margin)]), [0, label]).tolist()
        for label, one in zip(wanted, boxes, strict=True)
    }


def _box(particle: np.void, margin: int) -> tuple[slice, ...]:
    low = np.maximum(particle["low"] - margin, 0)
    return tuple(slice(int(a), int(b) + 1) for a, b in zip(low, particle["high"] + margin, strict=True))


def _with_start(field: Field, phi: np.ndarray, filled: np.ndarray) -> Field:
    """A field with other Phi, whose filled rows are no results."""
    extra = {name: values.copy() for name, values in (field.extra or {}).items()}
    for values in extra.values():
        if values.dtype.kind == "f":
            values[filled] = np.nan
    return replace(
        field,
        phi=phi,
        return_status=np.where(filled, Status.MAX_ITERATIONS, field.return_status).astype(field.return_status.dtype),
        iterations=np.where(filled, 0, field.iterations),
        error=np.where(filled, np.nan, field.error),
        delta_phi_norm=np.where(filled, np.nan, field.delta_phi_norm),
        extra=extra,
    )
