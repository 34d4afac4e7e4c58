"""The result file: VTKHDF, which ParaView opens by itself, with everything of ours under ``/hpcdvc``.

A regular grid becomes ImageData, one with a single layer (two dimensions) an UnstructuredGrid of squares between the
nodes, free points one of vertices. Arrays are declared in `hpcdvc.output.columns`.
"""

import json
import traceback
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from hpcdvc.errors import RunError
from hpcdvc.fields.field import ROW, Field, status_counts
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.status import Family, explain_counts
from hpcdvc.output import files, schema, voxel_size
from hpcdvc.output.contents import Block, Elements, Mesh, write_contents
from hpcdvc.output.reader import read_field, read_metadata, read_statuses, read_table
from hpcdvc.output.transports import CollectiveFile, GatheredFile, choose_transport

if TYPE_CHECKING:
    from hpcdvc.ranks.team import Team

__all__ = [
    "choose_transport",
    "read_field",
    "read_metadata",
    "read_statuses",
    "read_table",
    "save_field",
    "write_field",
    "write_series",
]

#: bytes of an HDF5 file beside its arrays, with room for metadata
OVERHEAD = 1 << 20


def write_field(
    path: str | Path,
    rows: np.ndarray,
    start: int,
    grid: Grid | None,
    metadata: dict,
    team: "Team | None" = None,
    transport: str = "gather",
    positions: np.ndarray | None = None,
    extra: dict[str, np.ndarray] | None = None,
    tables: dict[str, np.ndarray] | None = None,
    family: Family = Family.REGISTRATION,
    advice: Mapping[int, str] = MappingProxyType({}),
    mesh: Mesh | None = None,
    elements: Elements | None = None,
) -> None:
    """Write a field; all ranks call this together. The file exists whole under its name, or not at all.

    Parameters
    ----------
    path : the result file, `<stem>.hdf`; an existing one is replaced
    rows : ``ROW`` records ordered by index: all of them on rank 0 ("gather"), or this rank's ("parallel"). A negative
        index marks a point that is not measured yet.
    start : number of the first of `rows` in the field
    grid : the grid of the nodes, or None for free points
    metadata : what to remember, by name, anything JSON can hold ("parameters", "provenance"); that of rank 0 is taken.
        With a "voxel_size", 6.5um, lengths are in its unit, see `hpcdvc.output.voxel_size`
    team : ranks of the run, None = serial
    transport : "gather" or "parallel", see `choose_transport`
    positions : (n, 3) ZYX, voxels, of `rows`, where there is no grid
    extra : columns that are not in the rows ("CC", "label"), for `rows`, ZYX; each is declared in
        `hpcdvc.output.columns`
    tables : what else is kept under ``/hpcdvc``, structured arrays by name, the same on all ranks
    family : what the field was made by: it decides which rows are measured
    advice : what to try, by status, which the file stores with the reasons
    mesh : the rows are its cells, which rank 0 has all; there is no grid then
    elements : the rows are the nodes of these tetrahedra, which rank 0 has all

    Raises
    ------
    RunError : no space left, or the file cannot be written; on every rank
    UserError : such a file has no column of one of the names in `extra`; on every rank
    """
    total, extra, done = grid.size if grid else len(rows), extra or {}, rows["index"] >= 0
    members, size = schema.members_of_rows(rows, extra), voxel_size.of_metadata(metadata)
    block = Block(members, done, start, total, grid, positions, tables or {}, family, mesh, elements, size)
    _write(path, block, extra, metadata, advice, team, transport)


def save_field(
    path: str | Path,
    field: Field,
    metadata: dict,
    team: "Team | None" = None,
    transport: str = "gather",
    tables: dict[str, np.ndarray] | None = None,
    advice: Mapping[int, str] = MappingProxyType({}),
    elements: Elements | None = None,
) -> None:
    """Write a field that all ranks have: the columns that it has, and no others. All ranks call this together.

    Parameters
    ----------
    path : the result file, `<stem>.hdf`; an existing one is replaced
    field : n points, the same on all ranks; of `extra` each column is declared in `hpcdvc.output.columns`
    metadata, team, transport, tables, advice, elements : as in `write_field`

    Raises
    ------
    RunError, UserError : as in `write_field`
    """
    together = transport == "parallel" and team is not None
    own = slice(*team.spans(len(field))) if together else slice(None)
    members = {name: values[own] for name, values in schema.members_of_field(field).items()}
    done, positions = np.ones(len(field), bool)[own], None if field.grid else field.positions[own]
    size = voxel_size.of_metadata(metadata)
    start, about = own.start or 0, {"elements": elements, "size": size}
    block = Block(members, done, start, len(field), field.grid, positions, tables or {}, field.family, **about)
    further = set(field.extra or {}) - set(ROW.names)
    _write(path, block, further, metadata, advice, team, transport)


def write_series(path: str | Path, names: list[str], times: list[float]) -> None:
    """Write a `.hdf.series` file, which ParaView plays as one data set in time.

    Parameters
    ----------
    path : `<stem>.hdf.series`
    names : files of the steps, relative to the directory of `path`
    times : time of each step
    """
    steps = [{"name": name, "time": float(time)} for name, time in zip(names, times, strict=True)]
    text = json.dumps({"file-series-version": "1.0", "files": steps}, indent=1)
    with files.whole_file(path, len(text)) as temporary, files.fill(temporary, encoding="utf-8") as file:
        file.write(text + "\n")


def _write(
    path: str | Path,
    block: Block,
    names: Iterable[str],
    metadata: dict,
    advice: Mapping[int, str],
    team: "Team | None",
    transport: str,
) -> None:
    """Write the points of all ranks; `names` are those of the columns that are not in the rows."""
    if transport == "parallel" and team is not None:
        return _write_together(path, block, names, metadata, advice, team)
    agree = team.agree if team else lambda write: write()
    return agree(lambda: _write_alone(path, block, names, metadata, advice))


def _write_alone(
    path: str | Path, block: Block, names: Iterable[str], metadata: dict, advice: Mapping[int, str]
) -> None:
    schema.check_known(names, block.kind)
    explained = explain_counts(status_counts(block.members["return_status"]), advice, block.family)
    with files.whole_file(path, _size(block)) as temporary, GatheredFile(temporary) as out:
        write_contents(out, block, metadata, explained)


def _write_together(
    path: str | Path, block: Block, names: Iterable[str], metadata: dict, advice: Mapping[int, str], team: "Team"
) -> None:
    grid, metadata = team.broadcast((block.grid, metadata))  # an attribute that differs between ranks is a silent race
    shares = team.all_gather((len(block.done), status_counts(block.members["return_status"])))
    counts = sum((Counter(share) for _, share in shares), Counter())
    size = voxel_size.of_metadata(metadata)
    block = replace(block, grid=grid, size=size, total=sum(count for count, _ in shares))
    team.agree_all(lambda: schema.check_known(names, block.kind))
    explained = team.broadcast(explain_counts(counts, advice, block.family))
    temporary = team.agree(lambda: _prepare(path, _size(block)))
    try:
        with files.write_errors(path), files.removed_on_errors(temporary):
            out = CollectiveFile(temporary, team.comm)
            write_contents(out, block, metadata, explained)
            out.file.flush()
            out.file.close()
    except Exception as error:
        if team.size == 1:
            raise
        # the other ranks wait inside HDF5 for this one: nothing but an abort reaches them
        traceback.print_exception(error, limit=0 if isinstance(error, RunError) else None, chain=False)
        team.abort(1)
    team.agree(lambda: _settle(temporary, path))


def _prepare(path: str | Path, size: int) -> Path:
    """Find out what can be found out before all ranks enter HDF5 together; the temporary file."""
    with files.write_errors(path):
        return files.prepare(path, size)


def _settle(temporary: Path, path: str | Path) -> None:
    with files.write_errors(path), files.removed_on_errors(temporary):
        files.settle(temporary, path)


def _size(block: Block) -> int:
    mesh = 3 * block.mesh.nbytes if block.mesh else block.elements.nbytes if block.elements else 0
    geometry = 0 if block.grid else 3 * 8 + 8 + 8 + 1
    per_point = sum(column.row_bytes for column, _ in voxel_size.written(block.columns, block.size)) + geometry + 1
    per_point += 3 * 8 * (block.size is not None)
    return block.total * per_point + sum(table.nbytes for table in block.tables.values()) + mesh + OVERHEAD
