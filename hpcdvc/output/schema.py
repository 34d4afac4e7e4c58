"""Between the rows that are measured, the columns of a file and a `Field` in memory."""

from collections.abc import Iterable, Mapping

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.field import ROW, Field
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.status import Family, is_measured
from hpcdvc.output import columns as declared
from hpcdvc.output.columns import Column, columns_of

SCHEMA = "hpcdvc-phi-field"
SCHEMA_VERSION = 1

#: member of ``ROW`` -> attribute of `Field`; the others are in `Field.extra`
ATTRIBUTES = ("return_status", "error", "iterations", "delta_phi_norm")


def kind_of(grid: Grid | None, count: int, names: Iterable[str]) -> str:
    """Kind of the file of a field.

    Parameters
    ----------
    grid : its grid, or None
    count : number of its points
    names : of its columns that are not in the rows
    """
    if grid:
        return "grid"
    if "label" in names:
        return "labels"
    return "registration" if count == 1 else "points"


def check_known(names: Iterable[str], kind: str) -> None:
    """Make sure that nothing is lost: every name is that of a column which such a file takes beside the rows.

    Raises
    ------
    UserError
        One is not.
    """
    for name in sorted(set(names) - {column.made_from for column in columns_of(kind) if not in_rows(column)}):
        known = [column for column in declared.COLUMNS if column.made_from == name]
        if not known:
            raise UserError(f"nothing is written: the column {name} is not declared in hpcdvc.output.columns")
        if in_rows(known[0]):
            raise UserError(f"nothing is written: the column {name} stands in the rows, it is not given beside them")
        raise UserError(f"nothing is written: a file of kind {kind} has no column {name}")


def in_rows(column: Column) -> bool:
    """Whether a column is made from the rows."""
    return column.made_from in ROW.names


def members_of_rows(rows: np.ndarray, extra: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What the columns are made from: members of ``ROW`` records, and columns that are not in them."""
    return {**extra, **{name: rows[name] for name in ROW.names}}


def members_of_field(field: Field) -> dict[str, np.ndarray]:
    """What the columns are made from, of a field."""
    return {"Phi": field.phi[:, :3], **{name: getattr(field, name) for name in ATTRIBUTES}, **(field.extra or {})}


def present(members: Mapping[str, np.ndarray], kind: str) -> list[Column]:
    """Columns of a kind of file that can be made from these members."""
    return [column for column in columns_of(kind) if column.made_from in members]


def unfit(given: np.ndarray, dtype: np.dtype) -> tuple[int, str] | None:
    """Where numbers (n, ...) do not fit into the type of a column.

    Returns
    -------
    (row, words) of the first that is no whole number of that type, where one is wanted; None if all fit
    """
    if dtype.kind == "f" or not given.size:
        return None
    limits, rows = np.iinfo(dtype), given.reshape(len(given), -1)
    bad = np.argwhere(~((rows >= limits.min) & (rows <= limits.max) & (rows == np.floor(rows))))
    if not len(bad):
        return None
    what = "a whole number" if dtype.kind == "i" else f"a whole number from 0 to {limits.max}"
    return int(bad[0][0]), f"is {rows[tuple(bad[0])]:.17g}, not {what}"


def values(column: Column, members: Mapping[str, np.ndarray]) -> np.ndarray:
    """Contents of a column, also of rows that are not measured; (n, ...), ZYX."""
    return column.make(members[column.made_from]) if column.make else members[column.made_from]


def shown_values(column: Column, members: Mapping[str, np.ndarray], family: Family) -> np.ndarray:
    """Contents of a column, NaN where its declaration says so; (n, ...), ZYX."""
    made = values(column, members)
    if column.blank:
        made = np.array(made, column.dtype)
        made[~is_measured(members["return_status"], family)] = np.nan
    return made


def field_of_members(
    members: Mapping[str, np.ndarray],
    grid: Grid | None = None,
    positions: np.ndarray | None = None,
    family: Family = Family.REGISTRATION,
) -> Field:
    """Field of what its columns are made from.

    Parameters
    ----------
    members : arrays of n rows by name, ZYX: `Phi` (n, 4, 4) and `return_status` must be there
    grid : grid of n nodes, or None
    positions : (n, 3) ZYX, voxels, where there is no grid
    family : what the field was made by
    """
    rest = dict(members)
    count, phi = len(members["Phi"]), rest.pop("Phi")
    status, error, iterations, change = (
        rest.pop(name, np.zeros(count, ROW[name])).astype(ROW[name], copy=False) for name in ATTRIBUTES
    )
    positions = grid.positions() if positions is None else np.asarray(positions, dtype=float)
    return Field(positions, phi, status, error, iterations, change, grid, rest, family)
