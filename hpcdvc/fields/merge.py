"""Motions one after the other: how a motion goes on, and increments as one motion."""

import numpy as np

from hpcdvc.fields.field import ROW, Field
from hpcdvc.fields.interpolation import interpolate_on_grid
from hpcdvc.fields.neighbours import affine_fit, neighbours_on_grid
from hpcdvc.fields.status import Status


def continued(last: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Phi of the next state of a motion that goes on as from the last but one state to the last.

    The increment, a map of space, is applied once more: Phi_next = Phi_last Phi_before^-1 Phi_last, all about the same
    point. Steady rotation about any axis, translation and strain rate are continued exactly.

    Parameters
    ----------
    last, before : (n, 4, 4) arrays, of the same reference and about the same points

    Returns
    -------
    (n, 4, 4) array
    """
    return last @ np.linalg.inv(before) @ last


def after(total: np.ndarray, step: np.ndarray) -> np.ndarray:
    """A motion, and then an increment: (F' F, t + t').

    Parameters
    ----------
    total : (n, 3, 4) or (n, 4, 4), about points x
    step : (n, 3, 4), about the points x + t

    Returns
    -------
    (n, 3, 4) array, about the points x
    """
    result = np.empty((len(step), 3, 4))
    # products entry by entry: a row is the same whichever others are made with it
    result[:, :, :3] = sum(step[:, :, k, None] * total[:, k, None, :3] for k in range(3))
    result[:, :, 3] = total[:, :3, 3] + step[:, :, 3]
    return result


def total_rows(increment: Field, before: Field | None, numbers: np.ndarray) -> np.ndarray:
    """Motion of points of the first image up to the end of an increment.

    A point x of the first image has moved to y = x + t. There the increment is (F', t'), about y; the total is
    (F' F, t + t'), about x. Variances of the displacements add up.

    Parameters
    ----------
    increment : from the image before to this one, on a grid
    before : total up to the image before, on the same grid; None when that is the first image
    numbers : (m,) nodes that are wanted

    Returns
    -------
    (m,) records of `ROW`; status as in the increment where it is the total, 1 where it was interpolated, -5 where the
    first image has no specimen, -12 where the total before or the increment at y is not measured
    """
    rows = np.zeros(len(numbers), ROW)
    rows["index"], rows["return_status"], rows["Phi"] = numbers, Status.NOT_REACHED, np.nan
    empty = (before or increment).return_status[numbers] == Status.NO_SPECIMEN
    rows["return_status"][empty] = Status.NO_SPECIMEN
    for name in ("error", "delta_phi_norm", "zncc", "valid_fraction", "variance", "curvature", "curvature_part"):
        rows[name] = np.nan
    if before is None:
        kept = increment.measured[numbers]
        rows["Phi"][kept] = increment.phi[numbers[kept], :3]
        for name in ("error", "iterations", "return_status", "delta_phi_norm"):
            rows[name][kept] = getattr(increment, name)[numbers[kept]]
        for name in ("zncc", "valid_fraction", "variance"):
            rows[name][kept] = increment.extra[name][numbers[kept]]
        return rows
    known = np.flatnonzero(before.measured[numbers])
    total = before.phi[numbers[known]]
    step, variance = _increment_at(increment, before.positions[numbers[known]] + total[:, :3, 3])
    found = np.isfinite(step).all(axis=(1, 2))
    rows["Phi"][known] = after(total, step)
    rows["Phi"][known[~found]] = np.nan
    rows["variance"][known, 3::4] = before.extra["variance"][numbers[known], 3::4] + variance
    rows["return_status"][known[found]] = Status.MAX_ITERATIONS  # "interpolated" in a field made of others
    return rows


def _increment_at(field: Field, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Phi (m, 3, 4) and variances (m, 3) of the displacement: interpolated, next to what is not measured fitted."""
    usable = field.measured
    phi, variance = interpolate_on_grid(field, usable, points)
    grid, left = field.grid, np.flatnonzero(~np.isfinite(phi).all(axis=(1, 2)))
    place = (points[left] - np.array(grid.origin)) / np.array(grid.spacing)
    last = np.array(grid.shape) - 1
    left = left[((place >= -1) & (place <= last + 1) | (last == 0)).all(axis=1)]
    numbers = neighbours_on_grid(grid, usable, points[left], widest=1)
    enough = (numbers >= 0).sum(axis=1) > np.count_nonzero(last)
    left, numbers = left[enough], numbers[enough]
    phi[left] = affine_fit(field.positions, field.phi, numbers, points[left], np.array(grid.spacing))
    nearest = np.where(numbers >= 0, numbers, numbers.max(axis=1, keepdims=True))
    variance[left] = field.extra["variance"][nearest, 3::4].max(axis=1)
    return phi, variance
