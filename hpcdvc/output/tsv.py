"""Fields as tab-separated text, in the column sets of spam: one header line, one line per point.

Readers go by the names of the columns, so further columns stand at the end.
"""

from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.field import Field
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.status import Status
from hpcdvc.output import files, views

_DISPLACEMENT = ("Zdisp", "Ydisp", "Xdisp")
_GRADIENT = tuple(f"F{i}{j}" for i in "zyx" for j in "zyx")
_PHI = ("Fzz", "Fzy", "Fzx", "Zdisp", "Fyz", "Fyy", "Fyx", "Ydisp", "Fxz", "Fxy", "Fxx", "Xdisp")

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
#: columns of ours, written after those of the set where the field has them
FURTHER = ("Zdisp_std", "Ydisp_std", "Xdisp_std", "zncc", "validFraction")
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
_INTEGERS = ("NodeNumber", "Label", "iterations", "returnStatus", "LabelDilate")
#: bytes of one number, to compare with the free space
_NUMBER_BYTES = 12


def write_tsv(path: str | Path, field: Field, kind: str = "T1") -> None:
    """Write a field as text with nine significant digits; points that did not converge keep their last iterate.

    Parameters
    ----------
    path : file to write; an existing one is replaced
    field : n points
    kind : column set, "T1", "T2" or "T3"

    Raises
    ------
    RunError : no space left, or the file cannot be written
    """
    names = [*COLUMN_SETS[kind], *(name for name in FURTHER if views.has_column(field, name))]
    if names[0] == "NodeNumber" and kind == "T2" and views.has_column(field, "Label"):
        names[0] = "Label"
    columns = [views.column(field, name) for name in names]
    formats = ["%d" if name in _INTEGERS else "%.9g" for name in names]
    with (
        files.whole_file(path, len(field) * len(names) * _NUMBER_BYTES) as temporary,
        open(temporary, "w", encoding="ascii", newline="\n") as stream,
    ):
        stream.write("\t".join(names) + "\n")
        files.write_table(stream, columns, formats, "\t")


def read_tsv(path: str | Path) -> Field:
    """Read a field from text: files of ours, and those of spam (also with the old names of the columns).

    Parameters
    ----------
    path : the table

    Returns
    -------
    Field : `grid` is set where the points are numbered nodes of a regular grid. F is the identity and the status
        "converged" where the file has no such columns. `extra` holds what else is known: `label`, `CC`,
        `label_dilate`, `zncc`, `valid_fraction`, `variance` (n, 12; those of F are NaN)

    Raises
    ------
    UserError : no such file, or not such a table; the sentence names the file and the line
    """
    names, table = _read_table(Path(path))
    columns = dict(zip(names, table.T, strict=True))
    missing = [name for name in (*views.POSITIONS, *_DISPLACEMENT) if name not in columns]
    gradient = [name for name in _GRADIENT if name not in columns]
    missing += gradient if len(gradient) < len(_GRADIENT) else []
    if missing:
        raise UserError(f"{path} is not a table of displacements: no column {', '.join(missing)}")

    count = len(table)
    phi = np.tile(np.eye(4), (count, 1, 1))
    for name in _PHI:
        if name in columns:
            phi[:, *views.PHI_ENTRIES[name]] = columns[name]
    positions = np.stack([columns[name] for name in views.POSITIONS], axis=1)
    zeros, converged = np.zeros(count), np.full(count, float(Status.CONVERGED))
    return Field(
        positions=positions,
        phi=phi,
        return_status=_integers(path, "returnStatus", columns.get("returnStatus", converged)),
        error=columns.get("error", zeros).copy(),
        iterations=_integers(path, "iterations", columns.get("iterations", zeros)),
        delta_phi_norm=columns.get("deltaPhiNorm", zeros).copy(),
        grid=_grid_of(positions) if "NodeNumber" in columns else None,
        extra=_extra(path, columns),
    )


def _extra(path: str | Path, columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    extra = {}
    for name, key in views.EXTRAS.items():
        if name in columns:
            extra[key] = _integers(path, name, columns[name]) if name in _INTEGERS else columns[name].copy()
    if all(name in columns for name in views.DEVIATIONS):
        extra["variance"] = np.full((len(columns["Zpos"]), 12), np.nan)
        for name, entry in views.DEVIATIONS.items():
            extra["variance"][:, entry] = columns[name] ** 2
    return extra


def _read_table(path: Path) -> tuple[list[str], np.ndarray]:
    """Names of the columns, and the numbers (rows, columns)."""
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    try:
        with open(path, encoding="utf-8") as stream:
            header = stream.readline().rstrip("\n")
            if not header:
                raise UserError(f"{path} is empty" if not path.stat().st_size else f"{path} has no header line")
            if not any(line.strip() for line in stream):
                raise UserError(f"{path} has a header line, but no rows")
        names = [OTHER_NAMES.get(name.strip(), name.strip()) for name in header.split("\t")]
        table = np.loadtxt(str(path), delimiter="\t", comments=None, skiprows=1, ndmin=2, encoding="utf-8")
    except UnicodeDecodeError:
        raise UserError(f"{path} is not a text file") from None
    except ValueError as error:
        if isinstance(error, UserError):
            raise
        raise UserError(next(_faults(path), f"{path} is not a table of numbers: {error}")) from None
    if table.shape[1] != len(names):
        raise UserError(f"{path}, line 2: {table.shape[1]} columns, but the header names {len(names)}")
    if len(set(names)) < len(names):
        raise UserError(f"{path} names the column {max(names, key=names.count)} twice")
    return names, table


def _faults(path: Path) -> Iterator[str]:
    """Sentences on the lines that are no rows of the table."""
    with open(path, encoding="utf-8") as stream:
        width = stream.readline().count("\t") + 1
        for number, line in enumerate(stream, start=2):
            entries = line.rstrip("\n").split("\t")
            if line.strip() and len(entries) != width:
                yield f"{path}, line {number}: {len(entries)} columns, but the header names {width}"
            for entry in entries if line.strip() else ():
                try:
                    float(entry)
                except ValueError:
                    yield f"{path}, line {number}: {entry.strip()!r} is not a number"


def _integers(path: str | Path, name: str, values: np.ndarray) -> np.ndarray:
    bad = np.flatnonzero(~(np.abs(values) < 2**31))
    if bad.size:
        raise UserError(f"{path}, row {bad[0] + 1}: {name} is {values[bad[0]]:g}, not a whole number")
    return values.astype(np.int32)


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
