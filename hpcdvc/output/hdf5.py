"""The result file: VTKHDF, which ParaView opens by itself, with everything of ours under ``/hpcdvc``.

A regular grid becomes ImageData, one with a single layer (two dimensions) an UnstructuredGrid of squares between the
nodes, free points one of vertices. Arrays are listed in `hpcdvc.output.schema`.
"""

import json
import math
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from hpcdvc.errors import RunError, UserError
from hpcdvc.fields.field import Field
from hpcdvc.fields.grid import Grid
from hpcdvc.output import files, schema, vtkhdf
from hpcdvc.output.transports import CollectiveFile, GatheredFile, choose_transport

if TYPE_CHECKING:
    from hpcdvc.ranks.team import Team

__all__ = ["choose_transport", "read_field", "read_metadata", "write_field", "write_series"]

#: bytes of an HDF5 file beside its arrays, with room for metadata
OVERHEAD = 1 << 20
#: attributes of ``/hpcdvc`` that are stored as they are; all others are JSON
PLAIN_ATTRIBUTES = ("schema", "schema_version", "component_order", "array_order")


@dataclass(frozen=True)
class _Block:
    """Rows `start`, `start` + 1, ... of a field of `total` points."""

    rows: np.ndarray
    start: int
    total: int
    grid: Grid | None
    positions: np.ndarray | None
    extra: dict

    @property
    def lead(self) -> tuple[int, ...]:
        """Leading dimensions of every array: those of an image, or the number of points."""
        return self.grid.shape if vtkhdf.is_image(self.grid) else (self.total,)


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
    extra : columns of the schema that are not in the rows ("CC", "label"), for `rows`, in the order of the file

    Raises
    ------
    RunError : no space left, or the file cannot be written; on every rank
    """
    if transport == "parallel" and team is not None:
        return _write_together(path, rows, start, grid, metadata, team, positions, extra or {})
    block = _Block(rows, start, grid.size if grid else len(rows), grid, positions, extra or {})
    return team.agree(lambda: _write_alone(path, block, metadata)) if team else _write_alone(path, block, metadata)


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
    Field : `extra` holds `zncc`, `valid_fraction`, `variance` (n, 12; ZYX) and what else the file has (`CC`, `label`)

    Raises
    ------
    UserError : no such file, or not one of ours
    """
    with _opened(path) as file:
        root = file["VTKHDF"]
        grid = _read_grid(file)
        positions = None if grid else root["Points"][...][:, ::-1]
        lead = 3 if vtkhdf.is_image(grid) else 1
        arrays = {
            name: data[...].reshape(-1, *data.shape[lead:])
            for name, data in root["PointData"].items()
            if name not in schema.DERIVED
        }
    measured = {column.name for column in schema.COLUMNS if column.from_rows}
    extra = {name: array for name, array in arrays.items() if name not in measured}
    return schema.field_of_rows(schema.rows_of_arrays(arrays), grid, positions, extra)


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


def _write_alone(path: str | Path, block: _Block, metadata: dict) -> None:
    with files.whole_file(path, _size(block)) as temporary, GatheredFile(temporary) as out:
        _write_contents(out, block, metadata, schema.status_counts(block.rows["return_status"]))


def _write_together(path, rows, start, grid, metadata, team, positions, extra) -> None:
    grid, metadata = team.broadcast((grid, metadata))  # an attribute that differs between ranks is a silent race
    shares = team.all_gather((len(rows), schema.status_counts(rows["return_status"])))
    total = sum(count for count, _ in shares)
    counts: dict[int, int] = {}
    for _, share in shares:
        for code, count in share.items():
            counts[code] = counts.get(code, 0) + count
    block = _Block(rows, start, total, grid, positions, extra)
    team.agree(lambda: _prepare(path, _size(block)))
    try:
        with files.disk_errors(path):
            out = CollectiveFile(files.temporary_name(path), team.comm)
            _write_contents(out, block, metadata, counts)
            out.file.flush()
            out.file.close()
    except Exception as error:
        if team.size == 1:
            raise
        # the other ranks wait inside HDF5 for this one: nothing but an abort reaches them
        traceback.print_exception(error, limit=0 if isinstance(error, RunError) else None, chain=False)
        team.abort(1)
    team.agree(lambda: _settle(path))


def _prepare(path: str | Path, size: int) -> None:
    """Find out what can be found out before all ranks enter HDF5 together."""
    with files.disk_errors(path):
        files.prepare(path, size)
        files.temporary_name(path).touch()


def _settle(path: str | Path) -> None:
    with files.disk_errors(path):
        files.settle(path)


def _size(block: _Block) -> int:
    geometry = 0 if block.grid else 3 * 8 + 8 + 8 + 1
    per_point = sum(column.row_bytes for column in schema.columns(block.extra)) + geometry + 1
    return block.total * per_point + OVERHEAD


def _write_contents(out: GatheredFile | CollectiveFile, block: _Block, metadata: dict, counts: dict[int, int]) -> None:
    ours = out.file.create_group("hpcdvc")
    ours.attrs["schema"] = schema.SCHEMA
    ours.attrs["schema_version"] = schema.SCHEMA_VERSION
    ours.attrs["component_order"] = "xyz"
    ours.attrs["array_order"] = "zyx"
    grid = asdict(block.grid) if block.grid else None
    for name, value in {**metadata, "grid": grid, "statuses": schema.status_table(counts)}.items():
        ours.attrs[name] = json.dumps(_finite(value))
    root = out.file.create_group("VTKHDF")
    root.attrs["Version"] = np.array([1, 0], "i8")
    _write_geometry(out, block)
    data = root.create_group("PointData")
    data.attrs["Vectors"] = np.bytes_("displacement")
    data.attrs["Scalars"] = np.bytes_("error")
    for column in schema.columns(block.extra):
        values = schema.values(column, block.rows, block.extra)
        out.put(f"VTKHDF/PointData/{column.name}", values, block.start, block.lead + values.shape[1:])
    done = (block.rows["index"] >= 0).astype("u1")
    out.put("hpcdvc/done", done, block.start, (block.total,))


def _write_geometry(out: GatheredFile | CollectiveFile, block: _Block) -> None:
    if vtkhdf.is_image(block.grid):
        return vtkhdf.write_image(out.file["VTKHDF"], block.grid)
    positions, (cells, kind) = block.positions, vtkhdf.vertices(block.total)
    if block.grid:
        positions = block.grid.positions()[block.start : block.start + len(block.rows)]
        cells, kind = vtkhdf.flat_cells(block.grid.shape)
    return vtkhdf.write_mesh(out, np.asarray(positions), block.start, block.total, cells, kind)


def _finite(value):
    """The same value with infinities and NaN as strings: JSON has none."""
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
