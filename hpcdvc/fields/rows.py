"""Rows of fields as records to be changed and written."""

from pathlib import Path

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.field import ROW, Field


def some_rows(field: Field, chosen: np.ndarray) -> Field:
    """Some rows of a field, which then has no grid; `chosen` is (n,) bool or numbers."""
    extra = {name: values[chosen] for name, values in (field.extra or {}).items()}
    names = ("positions", "phi", "return_status", "error", "iterations", "delta_phi_norm")
    return Field(*(getattr(field, name)[chosen] for name in names), None, extra, field.family)


def without_background(field: Field) -> Field:
    """A field of particles without the row of label 0 that tables of spam have, not measured or at 0 0 0."""
    labels = (field.extra or {}).get("label")
    if labels is None or len(field) < 2:
        return field
    background = (labels == 0) & ~(field.measured & field.positions.any(axis=1))
    return some_rows(field, ~background) if background.any() else field


def check_once(
    path: str | Path, labels: np.ndarray | None, positions: np.ndarray, steps: np.ndarray | None = None
) -> None:
    """Refuse a field that has a particle, or where there are no labels a point, in two rows.

    Parameters
    ----------
    path : its file, for the message
    labels : (n,) of its particles, or None
    positions : (n, 3) ZYX, voxels
    steps : (n,) numbers of the pairs of a series, which may have the same points; None: there is one

    Raises
    ------
    UserError
        It has; the sentence says in which.
    """
    # labels that are nowhere all stand at 0 0 0
    keys = positions if labels is None else labels[:, None]
    keys = keys if steps is None else np.column_stack([keys, steps])
    order = np.lexsort(keys.T[::-1])
    same = np.flatnonzero((keys[order[1:]] == keys[order[:-1]]).all(axis=1))
    if same.size:
        first, second = sorted(int(row) + 1 for row in order[same[0] : same[0] + 2])
        what = "have the same label" if labels is not None else "are the same point"
        raise UserError(f"{path}: rows {first} and {second} {what}")


def rows_from(field: Field, numbers: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Rows of a field as they are.

    Parameters
    ----------
    field : n rows
    numbers : (m,) of those that are wanted
    dtype : from `row_type_of`

    Returns
    -------
    (m,) array of `dtype`; what the field does not have is NaN or 0
    """
    rows, extra = blank_rows(numbers, dtype), field.extra or {}
    rows["Phi"] = field.phi[numbers, :3]
    for name in ("return_status", "error", "iterations", "delta_phi_norm"):
        rows[name] = getattr(field, name)[numbers]
    for name in (name for name in dtype.names if name in extra):
        rows[name] = extra[name][numbers]
    return rows


def blank_rows(numbers: np.ndarray, dtype: np.dtype = ROW) -> np.ndarray:
    """Rows (m,) of these numbers in which nothing is known: NaN, and 0 where that is no number of the type."""
    rows = np.zeros(len(numbers), dtype)
    for name in dtype.names:
        if dtype[name].base.kind == "f":
            rows[name] = np.nan
    rows["index"] = numbers
    return rows
