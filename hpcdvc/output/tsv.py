"""Fields as tab-separated text, in the column sets of spam: one header line, one line per point.

Readers go by the names of the columns, so further columns stand at the end.
"""

from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

import numpy as np

from hpcdvc.errors import RunError, UserError, file_error, quoted, shortened
from hpcdvc.fields.field import Field
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.status import Family, Status
from hpcdvc.output import columns as declared
from hpcdvc.output import files, schema, views

_DISPLACEMENT = ("Zdisp", "Ydisp", "Xdisp")
_GRADIENT = tuple(f"F{i}{j}" for i in "zyx" for j in "zyx")
_PHI = next(column.tsv for column in declared.COLUMNS if column.name == "Phi")

#: column sets: T1 registration and local DVC, T2 search and fields made of fields, T3 labels
COLUMN_SETS = MappingProxyType(
    {
        "T1": ("NodeNumber", *views.POSITIONS, *_PHI, "error", "iterations", "returnStatus", "deltaPhiNorm"),
        "T2": (
            *("NodeNumber", *views.POSITIONS, *_PHI),
            *("pixelSearchCC", "returnStatus", "error", "deltaPhiNorm", "iterations"),
        ),
        "T3": (
            *("Label", *views.POSITIONS, *_DISPLACEMENT, *_GRADIENT),
            *("PSCC", "error", "iterations", "returnStatus", "deltaPhiNorm", "LabelDilate"),
        ),
    }
)
#: names in files of older versions, and T3's own name for the correlation coefficient
OTHER_NAMES = MappingProxyType(
    {f"F{k // 4 + 1}{k % 4 + 1}": name for k, name in enumerate(_PHI)}
    | {
        "SubPixReturnStat": "returnStatus",
        "SubPixDeltaPhiNorm": "deltaPhiNorm",
        "SubPixIterations": "iterations",
        "PSCC": "pixelSearchCC",
    }
)
#: columns of whole numbers
INTEGERS = frozenset(name for column in declared.COLUMNS if column.dtype[:1] in ("i", "u") for name in column.tsv)
#: bytes of one number, to compare with the free space
_NUMBER_BYTES = 12


def column_set_of(field: Field) -> str:
    """The column set of a field, which tells its family to readers."""
    if field.family != Family.REGISTRATION:
        return "T2"
    return "T3" if "label" in (field.extra or {}) else "T1"


def write_tsv(path: str | Path, field: Field, column_set: str | None = None) -> None:
    """Write a field as text with nine significant digits; points that are not measured keep their last iterate.

    Parameters
    ----------
    path : file to write; an existing one is replaced
    field : n points
    column_set : "T1", "T2" or "T3"; by default that of the family. Further columns that are declared for tables
        stand behind it

    Raises
    ------
    RunError : no space left, or the file cannot be written
    UserError : the field has a column that is not declared
    """
    table = views.table_columns(field)
    column_set = column_set or column_set_of(field)
    names = list(COLUMN_SETS[column_set])
    if column_set == "T2" and "Label" in table:
        names[0] = "Label"
    taken = {"NodeNumber", *(OTHER_NAMES.get(name, name) for name in names)}
    names += [name for name in table if name not in taken]
    zeros = np.zeros(len(field))  # what a set has and the field has not
    columns = [table.get(OTHER_NAMES.get(name, name), zeros) for name in names]
    formats = [_format(OTHER_NAMES.get(name, name), column) for name, column in zip(names, columns, strict=True)]
    with (
        files.whole_file(path, len(field) * len(names) * _NUMBER_BYTES) as temporary,
        files.fill(temporary, encoding="ascii", newline="\n") as stream,
    ):
        stream.write("\t".join(names) + "\n")
        files.write_table(stream, columns, formats, "\t")


def _format(name: str, values: np.ndarray) -> str:
    """How numbers of a column are written; labels have up to ten digits, whatever type they come in."""
    if values.dtype.kind in "iu":
        return "%d"
    return "%.17g" if name in INTEGERS else "%.9g"


def read_tsv(path: str | Path) -> Field:
    """Read a field from text: files of ours, and those of spam (also with the old names of the columns).

    Parameters
    ----------
    path : the table

    Returns
    -------
    Field : `grid` is set where the points are numbered nodes of a regular grid. F is the identity and the status
        "converged" where the file has no such columns. The column set tells the family. `extra` holds all other
        columns: those declared in `hpcdvc.output.columns` by their names there, as `label`, `CC`, `zncc`, `variance`
        (n, 12; those of F are NaN); others by the name in the table

    Raises
    ------
    UserError : no such file, not such a table, or a point is there twice; the sentence names the file and the line
    """
    names, table = _read_table(Path(path))
    family = _family_of(names)
    columns = dict(zip([OTHER_NAMES.get(name, name) for name in names], table.T, strict=True))
    missing = [name for name in (*views.POSITIONS, *_DISPLACEMENT) if name not in columns]
    gradient = [name for name in _GRADIENT if name not in columns]
    missing += gradient if len(gradient) < len(_GRADIENT) else []
    if missing:
        raise UserError(f"{path} is not a table of displacements: no column {', '.join(missing)}")

    positions = np.stack([columns.pop(name) for name in views.POSITIONS], axis=1)
    grid = _grid_of(positions) if columns.pop("NodeNumber", None) is not None else None
    phi = np.tile(np.eye(4), (len(table), 1, 1))
    for k, name in enumerate(_PHI):
        if name in columns:
            phi[:, k // 4, k % 4] = columns.pop(name)
    if grid is None:
        _check_once(path, columns.get("Label"), positions)
    members = {"Phi": phi, "return_status": np.full(len(table), Status.CONVERGED), **_declared(path, columns)}
    return schema.field_of_members(members, grid, positions, family)


def _check_once(path: str | Path, labels: np.ndarray | None, positions: np.ndarray) -> None:
    """Refuse a table that has a particle, or where there are no labels a point, in two rows."""
    # labels that are nowhere all stand at 0 0 0
    keys = positions if labels is None else labels[:, None]
    order = np.lexsort(keys.T[::-1])
    same = np.flatnonzero((keys[order[1:]] == keys[order[:-1]]).all(axis=1))
    if same.size:
        first, second = sorted(int(row) + 1 for row in order[same[0] : same[0] + 2])
        what = "have the same label" if labels is not None else "are the same point"
        raise UserError(f"{path}: rows {first} and {second} {what}")


def _family_of(names: list[str]) -> Family:
    """That of the column set: T2 is the one with the status before the error, in the names of today."""
    if {"pixelSearchCC", "returnStatus", "error"} <= set(names) and names.index("returnStatus") < names.index("error"):
        return Family.SEARCH
    return Family.REGISTRATION


def _declared(path: str | Path, columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Columns of a table by the name of what they are made from; those that are not declared as they are."""
    left, found = dict(columns), {}
    for column in declared.COLUMNS:
        if column.tsv and all(name in left for name in column.tsv):
            parts = [_of_type(path, name, left.pop(name), np.dtype(column.dtype)) for name in column.tsv]
            array = np.stack(parts, axis=1).reshape(-1, *column.components.shape)
            if not column.derived:
                found[column.made_from] = array
            elif column.unmake:
                found[column.made_from] = column.unmake(array)
    return found | left


def _read_table(path: Path) -> tuple[list[str], np.ndarray]:
    """Names of the columns as they stand there, and the numbers (rows, columns)."""
    files.check_regular(path)
    try:
        with open(path, encoding="utf-8-sig") as stream:
            header = stream.readline().rstrip("\n")
            if not header:
                raise UserError(f"{path} is empty" if not path.stat().st_size else f"{path} has no header line")
            if not any(line.strip() for line in stream):
                raise UserError(f"{path} has a header line, but no rows")
        names = [name.strip() for name in header.split("\t")]
        table = np.loadtxt(str(path), delimiter="\t", comments=None, skiprows=1, ndmin=2, encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{path} is not a text file") from None
    except ValueError as error:
        if isinstance(error, UserError):
            raise
        reason = shortened(str(error))
        raise UserError(next(_faults(path), f"{path} is not a table of numbers: {reason}")) from None
    except MemoryError as error:
        raise RunError(f"not enough memory to read {path}") from error
    except OSError as error:
        raise file_error(path, error) or error from error
    if table.shape[1] != len(names):
        raise UserError(f"{path}, line 2: {table.shape[1]} columns, but the header names {len(names)}")
    today = [OTHER_NAMES.get(name, name) for name in names]
    if len(set(today)) < len(today):
        raise UserError(f"{path} names the column {quoted(max(today, key=today.count))} twice")
    return names, table


def _faults(path: Path) -> Iterator[str]:
    """Sentences on the lines that are no rows of the table."""
    with open(path, encoding="utf-8-sig") as stream:
        width = stream.readline().count("\t") + 1
        for number, line in enumerate(stream, start=2):
            entries = line.rstrip("\n").split("\t")
            if line.strip() and len(entries) != width:
                yield f"{path}, line {number}: {len(entries)} columns, but the header names {width}"
            for entry in entries if line.strip() else ():
                try:
                    float(entry)
                except ValueError:
                    yield f"{path}, line {number}: {quoted(entry.strip())} is not a number"


def _of_type(path: str | Path, name: str, values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The numbers of a column in its own type."""
    unfit = schema.unfit(values, dtype)
    if unfit:
        raise UserError(f"{path}, row {unfit[0] + 1}: {name} {unfit[1]}")
    return values.astype(dtype)


def _grid_of(positions: np.ndarray) -> Grid | None:
    """The grid whose nodes, X fastest, are these positions; None for a single point and for anything irregular."""
    if len(positions) < 2 or not np.isfinite(positions).all():
        return None
    axes = [np.unique(positions[:, k]) for k in range(3)]
    shape = tuple(len(axis) for axis in axes)
    if np.prod(shape) != len(positions):
        return None
    # an axis with one layer has no spacing: one voxel, as the z of an image in two dimensions
    spacing = tuple(float(axis[-1] - axis[0]) / (len(axis) - 1) if len(axis) > 1 else 1.0 for axis in axes)
    grid = Grid(tuple(float(axis[0]) for axis in axes), spacing, shape)
    return grid if np.allclose(grid.positions(), positions, rtol=0, atol=1e-6 * max(spacing)) else None
