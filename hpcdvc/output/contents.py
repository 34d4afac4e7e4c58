"""What stands in a result file: facts, geometry and columns, written by one rank or by all together."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import h5py
import numpy as np

from hpcdvc.fields.grid import Grid
from hpcdvc.fields.status import Family
from hpcdvc.options.voxel_size import VoxelSize
from hpcdvc.output import schema, voxel_size, vtkhdf
from hpcdvc.output.columns import COLUMNS, Column
from hpcdvc.output.transports import CollectiveFile, GatheredFile, put_text

#: What a mesh has at its nodes.
DISPLACEMENT = next(column for column in COLUMNS if column.name == "displacement")


@dataclass(frozen=True, eq=False)
class Mesh:
    """Cells whose rows a file holds.

    Attributes
    ----------
    points : (m, 3) nodes, ZYX, voxels
    cells : (n, 4) or (n, 3) integers, the corners of each row's tetrahedron or triangle
    displacements : (m, 3) of the nodes, ZYX, voxels
    """

    points: np.ndarray
    cells: np.ndarray
    displacements: np.ndarray

    @property
    def nbytes(self) -> int:
        """Of all its arrays."""
        return self.points.nbytes + self.cells.nbytes + self.displacements.nbytes


@dataclass(frozen=True, eq=False, repr=False)
class Elements:
    """The tetrahedra between the points of a file, and what is known of each beside the rows of the points.

    Attributes
    ----------
    cells : (k, 4) integers, the points of each
    members : what their columns are made from, see `hpcdvc.output.schema`; with `return_status`
    """

    cells: np.ndarray
    members: Mapping[str, np.ndarray]

    def __repr__(self) -> str:
        return f"<{len(self.cells)} tetrahedra; cells, members {', '.join(self.members)}>"

    @property
    def columns(self) -> list[Column]:
        """What is written of them."""
        return schema.present(self.members, "mesh")

    @property
    def nbytes(self) -> int:
        """Of all that is written of them."""
        return len(self.cells) * (5 * 8 + 1 + sum(column.row_bytes for column in self.columns))


@dataclass(frozen=True)
class Block:
    """Points `start`, `start` + 1, ... of a field of `total`.

    Attributes
    ----------
    members : what the columns are made from, see `hpcdvc.output.schema`
    done : (n,) bool, points that have come to an end
    mesh : the rows are its cells
    elements : the rows are the nodes of these tetrahedra
    size : of a voxel, where the file has lengths in its unit
    """

    members: Mapping[str, np.ndarray]
    done: np.ndarray
    start: int
    total: int
    grid: Grid | None
    positions: np.ndarray | None
    tables: dict
    family: Family
    mesh: Mesh | None = None
    elements: Elements | None = None
    size: VoxelSize | None = None

    @property
    def kind(self) -> str:
        """Kind of the file."""
        return "mesh" if self.elements else schema.kind_of(self.grid, self.total, self.members)

    @property
    def columns(self) -> list[Column]:
        """What is written."""
        return schema.present(self.members, self.kind)

    @property
    def lead(self) -> tuple[int, ...]:
        """Leading dimensions of every array: those of an image, or the number of points."""
        return self.grid.shape if vtkhdf.is_image(self.grid) else (self.total,)


def write_contents(
    out: GatheredFile | CollectiveFile, block: Block, metadata: dict, explained: dict[str, dict]
) -> None:
    """Fill an open file; all ranks of a collective one call this with the same facts.

    Parameters
    ----------
    out : the file
    block : points of this rank
    metadata : what to remember, by name
    explained : how many points ended how, see `hpcdvc.fields.status.explain_counts`
    """
    ours = out.file.create_group("hpcdvc")
    ours.attrs["schema_version"] = schema.SCHEMA_VERSION
    texts = {"schema": schema.SCHEMA, "component_order": "xyz", "array_order": "zyx"}
    for name, text in {**texts, "kind": block.kind, "family": block.family.value}.items():
        put_text(ours, name, text)
    grid = asdict(block.grid) if block.grid else None
    for name, value in {**metadata, "grid": grid, "statuses": explained}.items():
        put_text(ours, name, json.dumps(_finite(value)))
    root = out.file.create_group("VTKHDF")
    root.attrs["Version"] = np.array([1, 0], "i8")
    _write_geometry(out, block)
    group = "CellData" if block.mesh else "PointData"
    data = root.require_group(group)
    data.attrs["Vectors"] = np.bytes_("displacement")
    data.attrs["Scalars"] = np.bytes_("error")
    for column, factor in voxel_size.written(block.columns, block.size):
        _write_column(out, column, block, group, factor)
        explain(data[column.name], column)
    if block.elements:
        _write_elements(out, block)
    out.put("hpcdvc/done", block.done.astype("u1"), block.start, (block.total,))
    for name, table in block.tables.items():
        out.put(f"hpcdvc/{name}", table if block.start == 0 else table[:0], 0, table.shape)


def explain(data: "h5py.Dataset", column: Column, unit: str | None = None) -> None:
    """Say what the numbers of a column are; `unit` where it is another one than is declared, 1 for a number without."""
    for name, fact in {"unit": unit or column.unit or "1", "components": " ".join(column.components.names)}.items():
        if fact:
            put_text(data, name, fact)


def _write_elements(out: GatheredFile | CollectiveFile, block: Block) -> None:
    """What is known of tetrahedra, which one rank writes."""
    data = out.file["VTKHDF"].create_group("CellData")
    for column in block.elements.columns:
        values = column.to_file(schema.shown_values(column, block.elements.members, block.family))
        out.put(f"VTKHDF/CellData/{column.name}", values, 0, values.shape)
        explain(data[column.name], column)


def _write_column(out: GatheredFile | CollectiveFile, column: Column, block: Block, group: str, factor: float) -> None:
    """Write a column, times a factor, some points at a time."""
    needed = {name: block.members[name] for name in {column.made_from, "return_status"}}

    def make(first: int, last: int) -> np.ndarray:
        some = {name: values[first:last] for name, values in needed.items()}
        return voxel_size.scaled(column.to_file(schema.shown_values(column, some, block.family)), factor)

    width = make(0, 0).shape[1:]
    name, shape = f"VTKHDF/{group}/{column.name}", block.lead + width
    out.fill(name, make, len(block.done), np.dtype(column.dtype), block.start, shape)


def _write_geometry(out: GatheredFile | CollectiveFile, block: Block) -> None:
    factor = voxel_size.factor_of(block.size)
    if block.mesh:
        return _write_cells(out, block.mesh, block.size)
    if vtkhdf.is_image(block.grid):
        return vtkhdf.write_image(out.file["VTKHDF"], block.grid, factor)
    positions, (cells, kind) = block.positions, vtkhdf.vertices(0 if block.elements else block.total)
    if block.grid:
        positions = block.grid.positions()[block.start : block.start + len(block.done)]
        cells, kind = vtkhdf.flat_cells(block.grid.shape)
    if block.elements:
        cells, kind = block.elements.cells[:, vtkhdf.TURNED], vtkhdf.VTK_OF[4]
    positions = np.asarray(positions)
    vtkhdf.write_mesh(out, positions, block.start, block.total, cells, kind, factor)
    return None if block.grid else write_positions(out, positions, block.start, block.total, block.size)


def write_positions(
    out: GatheredFile | CollectiveFile, positions: np.ndarray, start: int, total: int, size: VoxelSize | None
) -> None:
    """Write the positions of points in voxels beside those in the unit of a voxel size, where there is one.

    Parameters
    ----------
    out : open file, with its points
    positions : (n, 3) ZYX, voxels, of the points `start`, `start` + 1, ...
    start, total : number of the first point given, and of all points
    size : of a voxel
    """
    if size is None:
        return
    name, column = f"VTKHDF/PointData/{voxel_size.POSITIONS}", voxel_size.POSITION
    out.file["VTKHDF"].require_group("PointData")
    out.put(name, column.to_file(positions), start, (total, 3))
    explain(out.file[name], column)
    put_text(out.file["VTKHDF/Points"], "unit", size.unit)


def _write_cells(out: GatheredFile | CollectiveFile, mesh: Mesh, size: VoxelSize | None) -> None:
    """A mesh, which one rank writes, with the displacements of its nodes as `hpcdvc.output.mesh` reads them."""
    factor = voxel_size.factor_of(size)
    vtkhdf.write_mesh(out, mesh.points, 0, len(mesh.points), mesh.cells, vtkhdf.VTK_OF[mesh.cells.shape[1]], factor)
    write_positions(out, mesh.points, 0, len(mesh.points), size)
    data = out.file["VTKHDF"].require_group("PointData")
    data.attrs["Vectors"] = np.bytes_("displacement")
    for column, times in voxel_size.written([DISPLACEMENT], size):
        displacements = voxel_size.scaled(column.to_file(mesh.displacements), times)
        out.put(f"VTKHDF/PointData/{column.name}", displacements, 0, displacements.shape)
        explain(data[column.name], column)


def _finite(value):
    """The same value with infinities and NaN as strings: JSON has none."""
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
