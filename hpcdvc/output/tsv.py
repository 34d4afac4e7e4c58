"""Fields as tab-separated text, in the column sets of spam: one header line, one line per point.

Readers go by the names of the columns, so further columns stand at the end.
"""

import math
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.field import Field
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.rows import check_once
from hpcdvc.fields.status import Family, Status
from hpcdvc.output import columns as declared
from hpcdvc.output import files, numbers, schema, views
from hpcdvc.output.layout import DISPLACEMENT, GRADIENT, OTHER_NAMES, PHI, Layout
from hpcdvc.output.numbers import Head
from hpcdvc.ranks.tables import complete, known_everywhere

if TYPE_CHECKING:
    from hpcdvc.ranks.team import Team

#: column sets: T1 registration and local DVC, T2 search and fields made of fields, T3 labels
COLUMN_SETS = MappingProxyType(
    {
        "T1": ("NodeNumber", *views.POSITIONS, *PHI, "error", "iterations", "returnStatus", "deltaPhiNorm"),
        "T2": (
            *("NodeNumber", *views.POSITIONS, *PHI),
            *("pixelSearchCC", "returnStatus", "error", "deltaPhiNorm", "iterations"),
        ),
        "T3": (
            *("Label", *views.POSITIONS, *DISPLACEMENT, *GRADIENT),
            *("PSCC", "error", "iterations", "returnStatus", "deltaPhiNorm", "LabelDilate"),
        ),
    }
)
#: columns of whole numbers
INTEGERS = frozenset(name for column in declared.COLUMNS if column.dtype[:1] in ("i", "u") for name in column.tsv)
#: looks at a table that is replaced again and again, as a page in the browser does, beside the last one
TRIES = 3
#: bytes of one number, to compare with the free space
_NUMBER_BYTES = 12
#: rows whose positions are compared with those of a grid at a time
ROWS_COMPARED = 2**18
#: fields that all ranks have read, for `read_tsv` on rank 0, and the state of their files
_AHEAD: dict[str, tuple[tuple[int, int], Field]] = {}


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
        (n, 12; those of F are NaN); others by the name in the table. Statuses of spam become those of the table of
        statuses where they mean something else

    Raises
    ------
    UserError : no such file, not such a table, or a point is there twice; the sentence names the file and the line
    """
    state, field = _AHEAD.pop(str(path), (None, None))
    if field is not None and state == _state(path):
        return field
    for _ in range(TRIES):
        with suppress(numbers.Changed):
            return _read(path, numbers.read_head(path), None)
    return _read(path, numbers.read_head(path), None)


@contextmanager
def read_ahead(paths: Iterable[str], team: "Team") -> Iterator[None]:
    """Large tables are read by all ranks now; `read_tsv` gives them on rank 0 in the body of the ``with``. Collective.

    So what rank 0 plans alone may begin with a table of any size, and telling the others of it costs nothing. A file
    that changes in between is read anew; one that cannot be read is left for `read_tsv` to tell.

    Parameters
    ----------
    paths : files, of which tables are meant
    team : hpcdvc.ranks.team.Team
    """
    try:
        with known_everywhere() as known:
            for path in paths if team.size > 1 else ():
                with suppress(UserError):
                    head, state = team.agree(lambda path=path: (numbers.read_head(path), _state(path)))
                    if head.end >= numbers.READ_TOGETHER_FROM:
                        field = _read(path, head, team)
                        arrays = [*vars(field).values(), *field.extra.values()]
                        known += [array for array in arrays if isinstance(array, np.ndarray)]
                        _AHEAD.update({str(path): (state, field)} if team.rank == 0 else {})
            yield
    finally:
        _AHEAD.clear()


def _state(path: str | Path) -> tuple[int, int]:
    """What changes when a file is written."""
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


def read_together(path: str | Path, team: "Team", strain: bool = False) -> Field:
    """The same by all ranks, each a part of a large table: the same field on all of them. Collective.

    Parameters
    ----------
    path : the table
    team : hpcdvc.ranks.team.Team
    strain : a table of strain will do, too: it has no displacements, Phi is NaN

    Returns
    -------
    Field : of a large table its arrays stand in memory that the ranks of a node share, and are read-only

    Raises
    ------
    UserError : as in `read_tsv`, on every rank
    """
    head = team.agree(lambda: numbers.read_head(path))
    if team.size == 1 or head.end < numbers.READ_TOGETHER_FROM:
        return team.agree(lambda: _read(path, head, None, strain))
    return _read(path, head, team, strain)


def _read(path: str | Path, head: Head, team: "Team | None", strain: bool = False) -> Field:
    """The field, by all ranks of a team, or by one."""
    layout = Layout.of(head, strain)
    share = numbers.share_of(head, team)
    make = team.shared_array if team else np.zeros
    members = {part.name: make((share.total, *part.shape), part.dtype) for part in layout.parts}

    def fill() -> None:
        for rows, table in share.blocks():
            for part in layout.parts:
                members[part.name][rows] = part.values(head.path, table, rows.start)

    agree_all, agree, found = (team.agree_all, team.agree, team.any) if team else (_call, _call, bool)
    agree_all(fill)
    own = slice(share.first, share.first + share.count)
    if layout.of_particles_of_spam:
        _translate_few_voxels(members, own, found((members["label"][own] == 0).any()))
    if layout.family == Family.SEARCH:
        _translate_filtered(members, own)
    if team:
        members = {name: complete(team, array, share.ends) for name, array in members.items()}
    positions = members.pop("positions")
    grid = agree(lambda: _grid_or_once(path, positions, members, layout))
    if grid:
        if not layout.numbered:
            del members["label"]
        positions = make((share.total, 3), np.dtype(float))
        positions[own] = grid.positions(np.arange(own.start, own.stop))
        positions = complete(team, positions, share.ends) if team else positions
    return schema.field_of_members(members, grid, positions, layout.family)


def _call(function: Callable[[], object]) -> object:
    return function()


def _grid_or_once(
    path: str | Path, positions: np.ndarray, members: dict[str, np.ndarray], layout: Layout
) -> Grid | None:
    """The grid of the points; None, and no two of them are the same, if they form none.

    Numbers of nodes, from 0 on, stand in a column Label where spam has taken a registration from the field of a grid.
    """
    labels = members.get("label")
    as_labels = labels is not None and not layout.of_particles_of_spam and (labels == np.arange(len(labels))).all()
    grid = _grid_of(positions) if layout.numbered or as_labels else None
    if grid is None:
        check_once(path, labels, positions, members.get("step"))
    return grid


def _translate_few_voxels(members: dict[str, np.ndarray], own: slice, background: bool) -> None:
    """Status -4 of particles that spam has measured, whose tables begin with the background: too few voxels there."""
    if background:
        status = members["return_status"][own]
        status[status == Status.SINGULAR_PHI] = Status.FEW_VALID_VOXELS


def _translate_filtered(members: dict[str, np.ndarray], own: slice) -> None:
    """What spam's filter has replaced has these four numbers."""
    numbers_of_spam = {"return_status": 1, "error": 100, "delta_phi_norm": 100, "iterations": 0}
    if numbers_of_spam.keys() <= members.keys():
        same = [members[name][own] == number for name, number in numbers_of_spam.items()]
        members["return_status"][own][np.all(same, axis=0)] = Status.FILTERED


def _grid_of(positions: np.ndarray) -> Grid | None:
    """The grid whose nodes, X fastest, are these positions; None for a single point and for anything irregular."""
    if len(positions) < 2 or not np.isfinite(positions).all():
        return None
    axes = [np.unique(positions[:, k]) for k in range(3)]
    shape = tuple(len(axis) for axis in axes)
    if math.prod(shape) != len(positions):
        return None
    # an axis with one layer has no spacing: one voxel, as the z of an image in two dimensions
    spacing = tuple(float(axis[-1] - axis[0]) / (len(axis) - 1) if len(axis) > 1 else 1.0 for axis in axes)
    grid = Grid(tuple(float(axis[0]) for axis in axes), spacing, shape)
    for first in range(0, grid.size, ROWS_COMPARED):
        some = positions[first : first + ROWS_COMPARED]
        expected = grid.positions(np.arange(first, first + len(some)))
        if not np.allclose(expected, some, rtol=0, atol=1e-6 * max(spacing)):
            return None
    return grid
