"""The result file: VTKHDF, which ParaView opens by itself, with everything of ours under ``/hpcdvc``.

A regular grid becomes ImageData, one with a single layer (two dimensions) an UnstructuredGrid of squares between the
nodes, free points one of vertices. Arrays are declared in `hpcdvc.output.columns`.
"""

import json
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import h5py
import numpy as np

from hpcdvc.errors import RunError, UserError
from hpcdvc.fields.field import Field, status_counts
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.status import Family, explain_counts
from hpcdvc.output import files, schema, vtkhdf
from hpcdvc.output.columns import KINDS, Column, columns_of, components_named, to_memory
from hpcdvc.output.contents import Block, write_contents
from hpcdvc.output.transports import CollectiveFile, GatheredFile, choose_transport

if TYPE_CHECKING:
    from hpcdvc.ranks.team import Team

__all__ = ["choose_transport", "read_field", "read_metadata", "read_table", "write_field", "write_series"]

#: bytes of an HDF5 file beside its arrays, with room for metadata
OVERHEAD = 1 << 20
#: attributes of ``/hpcdvc`` that are stored as they are; all others are JSON
PLAIN_ATTRIBUTES = ("schema", "schema_version", "component_order", "array_order", "kind", "family")


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
) -> None:
    """Write a field; all ranks call this together. The file exists whole under its name, or not at all.

    Parameters
    ----------
    path : the result file, `<stem>.hdf`; an existing one is replaced
    rows : ``ROW`` records ordered by index: all of them on rank 0 ("gather"), or this rank's ("parallel"). A negative
        index marks a point that is not measured yet.
    start : number of the first of `rows` in the field
    grid : the grid of the nodes, or None for free points
    metadata : what to remember, by name, anything JSON can hold ("parameters", "provenance"); that of rank 0 is taken
    team : ranks of the run, None = serial
    transport : "gather" or "parallel", see `choose_transport`
    positions : (n, 3) ZYX, voxels, of `rows`, where there is no grid
    extra : columns that are not in the rows ("CC", "label"), for `rows`, ZYX; each is declared in
        `hpcdvc.output.columns`
    tables : what else is kept under ``/hpcdvc``, structured arrays by name, the same on all ranks
    family : what the field was made by: it decides which rows are measured
    advice : what to try, by status, which the file stores with the reasons

    Raises
    ------
    RunError : no space left, or the file cannot be written; on every rank
    UserError : such a file has no column of one of the names in `extra`; on every rank
    """
    block = Block(rows, start, grid.size if grid else len(rows), grid, positions, extra or {}, tables or {}, family)
    if transport == "parallel" and team is not None:
        return _write_together(path, block, metadata, advice, team)
    agree = team.agree if team else lambda write: write()
    return agree(lambda: _write_alone(path, block, metadata, advice))


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
    with files.whole_file(path, len(text)) as temporary:
        temporary.write_text(text + "\n")


def read_field(path: str | Path) -> Field:
    """Read a field from a file of ours.

    Returns
    -------
    Field : `extra` holds all further columns of the file, ZYX: `zncc`, `valid_fraction`, `variance` (n, 12), ...
        Those that this version does not know keep their name, and the order of their components where that is
        unknown, too

    Raises
    ------
    UserError : no such file, or not one of ours
    """
    with _opened(path) as file:
        root = file["VTKHDF"]
        grid = _read_grid(file)
        positions = None if grid else root["Points"][...][:, ::-1]
        family = Family(file["hpcdvc"].attrs.get("family", Family.REGISTRATION))
        known = {column.name: column for column in columns_of(_read_kind(file))}
        members = {
            known[name].made_from if name in known else name: _read_column(data, known.get(name), grid)
            for name, data in root["PointData"].items()
            if name not in known or not known[name].derived
        }
    for name in ("Phi", "return_status"):
        if name not in members:
            raise UserError(f"{path} holds no field: it has no column {name}")
    return schema.field_of_members(members, grid, positions, family)


def _read_kind(file: "h5py.File") -> str:
    """Kind of the file, or one that has all columns of points where the file does not say it, or says a new one."""
    kind = file["hpcdvc"].attrs.get("kind")
    return kind if kind in KINDS else "labels"


def _read_column(data: "h5py.Dataset", column: Column | None, grid: Grid | None) -> np.ndarray:
    """(n, ...), ZYX."""
    array = data[...].reshape(-1, *data.shape[3 if vtkhdf.is_image(grid) else 1 :])
    components = column.components if column else components_named(data.attrs.get("components", ""))
    return to_memory(array, components) if components else array


def read_metadata(path: str | Path) -> dict:
    """What a file of ours says about itself: schema, parameters, provenance, statuses, ...

    Raises
    ------
    UserError : no such file, or not one of ours
    """
    with _opened(path) as file:
        attributes = dict(file["hpcdvc"].attrs)
    attributes["schema_version"] = int(attributes["schema_version"])
    return {k: v if k in PLAIN_ATTRIBUTES else json.loads(v) for k, v in attributes.items()}


def read_table(path: str | Path, name: str) -> np.ndarray:
    """A table that a file of ours keeps beside its columns.

    Raises
    ------
    UserError : no such file, not one of ours, or without this table
    """
    with _opened(path) as file:
        if name not in file["hpcdvc"]:
            raise UserError(f"{path} holds no {name}: it was made by an older version; --force makes it again")
        return file["hpcdvc"][name][...]


@contextmanager
def _opened(path: str | Path) -> "Iterator[h5py.File]":
    if not Path(path).is_file():
        raise UserError(f"{path}: no such file")
    try:
        file = h5py.File(path, "r", locking=False)
    except OSError:
        raise UserError(f"{path} is not an HDF5 file, or it is damaged") from None
    with file:
        if "hpcdvc" not in file or "PointData" not in file.get("VTKHDF", ()):
            raise UserError(f"{path} is an HDF5 file, but not a result of hpcdvc")
        version = int(file["hpcdvc"].attrs["schema_version"])
        if version > schema.SCHEMA_VERSION:
            raise UserError(
                f"{path} has version {version} of the file format; this hpcdvc reads up to {schema.SCHEMA_VERSION}"
            )
        yield file


def _read_grid(file: "h5py.File") -> Grid | None:
    grid = json.loads(file["hpcdvc"].attrs["grid"])
    return Grid(**{name: tuple(values) for name, values in grid.items()}) if grid else None


def _write_alone(path: str | Path, block: Block, metadata: dict, advice: Mapping[int, str]) -> None:
    schema.check_known(block.extra, block.kind)
    explained = explain_counts(status_counts(block.rows["return_status"]), advice, block.family)
    with files.whole_file(path, _size(block)) as temporary, GatheredFile(temporary) as out:
        write_contents(out, block, metadata, explained)


def _write_together(path: str | Path, block: Block, metadata: dict, advice: Mapping[int, str], team: "Team") -> None:
    grid, metadata = team.broadcast((block.grid, metadata))  # an attribute that differs between ranks is a silent race
    shares = team.all_gather((len(block.rows), status_counts(block.rows["return_status"])))
    counts = sum((Counter(share) for _, share in shares), Counter())
    block = replace(block, grid=grid, total=sum(count for count, _ in shares))
    team.agree_all(lambda: schema.check_known(block.extra, block.kind))
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
    geometry = 0 if block.grid else 3 * 8 + 8 + 8 + 1
    per_point = sum(column.row_bytes for column in block.columns) + geometry + 1
    return block.total * per_point + sum(table.nbytes for table in block.tables.values()) + OVERHEAD
