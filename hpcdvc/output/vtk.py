"""Fields as legacy VTK text, named and ordered (X Y Z) as the users of spam know them."""

from collections.abc import Container, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from hpcdvc.fields.field import Field
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.status import Family
from hpcdvc.options.voxel_size import VoxelSize
from hpcdvc.output import files, schema, views, voxel_size
from hpcdvc.output.columns import SYMMETRIC
from hpcdvc.output.contents import Elements
from hpcdvc.output.vtkhdf import TURNED, VTK_OF, VTK_VERTEX

#: what the second line says before the family
TITLE = "hpcdvc field,"
#: and before the size of a voxel
SIZE = ", voxel "
#: lengths in a unit, from which those in voxels are found again to nine digits
EXACT = "%.17g"
#: keyword and line below it by the number of components
HEADS = {1: ("SCALARS", "LOOKUP_TABLE default\n"), 3: ("VECTORS", ""), 9: ("TENSORS", "")}
#: xx xy xz yx ... of a symmetric tensor xx yy zz xy yz xz
WHOLE = (0, 3, 5, 3, 1, 4, 5, 4, 2)


def write_vtk(
    path: str | Path,
    field: Field,
    only: Container[str] | None = None,
    elements: Elements | None = None,
    size: VoxelSize | None = None,
) -> None:
    """Write the columns of a field that are declared for such files (`vtk`).

    Nodes of a grid become cells of the size of the node spacing, each with its node in the middle, so that they lie
    on what the HDF5 file shows; free points become vertices, or the corners of tetrahedra. Not a number stays that.

    Parameters
    ----------
    path : file to write; an existing one is replaced
    field : n points
    only : names of the columns that are wanted; None: all
    elements : the tetrahedra between the points
    size : of a voxel: geometry and displacements are in its unit, and the displacements also in voxels

    Raises
    ------
    RunError : no space left, or the file cannot be written
    """
    arrays = [
        (one.vtk, voxel_size.scaled(values[:, WHOLE] if column.components is SYMMETRIC else values, factor))
        for column, values in views.vtk_arrays(field)
        if only is None or column.name in only
        for one, factor in voxel_size.written([column], size)
    ]
    of_cells = list(_of_cells(elements, field.family)) if elements else []
    room = sum(values.size for _, values in arrays + of_cells) * 16 + (0 if field.grid else len(field) * 60)
    room += 60 * len(elements.cells) if elements else 0
    with (
        files.whole_file(path, room) as temporary,
        files.fill(temporary, encoding="ascii", newline="\n") as stream,
    ):
        title = f"{TITLE} {field.family}" + (SIZE + size.text if size else "")
        stream.write(f"# vtk DataFile Version 2.0\n{title}\nASCII\n\n")
        if field.grid:
            _write_cells(stream, field.grid, voxel_size.factor_of(size))
        else:
            cells = np.arange(len(field))[:, None] if elements is None else elements.cells[:, TURNED]
            _write_mesh(stream, field.positions, cells, voxel_size.factor_of(size))
        _write_arrays(stream, arrays)
        if of_cells:
            stream.write(f"\nCELL_DATA {len(elements.cells)}\n")
            _write_arrays(stream, of_cells)


def _of_cells(elements: Elements, family: Family) -> Iterator[tuple[str, np.ndarray]]:
    """Names and values (k,) or (k, components), XYZ, of the columns of tetrahedra."""
    for column in elements.columns:
        values = column.to_file(schema.shown_values(column, elements.members, family))
        yield column.vtk or column.name, values[:, WHOLE] if column.components is SYMMETRIC else values


def _write_arrays(stream: IO[str], arrays: Iterable[tuple[str, np.ndarray]]) -> None:
    for name, values in arrays:
        table = values if values.ndim > 1 else values[:, None]
        keyword, below = HEADS[table.shape[1]]
        # readers give up a file with a float that float32 cannot hold
        stream.write(f"\n{keyword} {name} double\n{below}")
        _write_numbers(stream, table)


def _write_cells(stream: IO[str], grid: Grid, factor: float) -> None:
    corner = np.subtract(grid.origin, np.divide(grid.spacing, 2))
    stream.write("DATASET STRUCTURED_POINTS\n")
    stream.write(f"DIMENSIONS {_xyz(np.add(grid.shape, 1))}\n")
    stream.write(f"ASPECT_RATIO {_xyz(grid.spacing, factor)}\n")
    stream.write(f"ORIGIN {_xyz(corner, factor)}\n")
    stream.write(f"\nCELL_DATA {grid.size}\n")


def _write_mesh(stream: IO[str], positions: np.ndarray, cells: np.ndarray, factor: float) -> None:
    """Points, their positions times a factor, and cells (k, corners) of them: vertices or tetrahedra."""
    count, corners = cells.shape
    kind, number = ("float", "%.9g") if factor == 1 else ("double", EXACT)
    stream.write(f"DATASET UNSTRUCTURED_GRID\nPOINTS {len(positions)} {kind}\n")
    _write_numbers(stream, factor * positions[:, ::-1], number)
    stream.write(f"\nCELLS {count} {count * (corners + 1)}\n")
    files.write_table(stream, [np.full(count, corners), *cells.T], ["%d"] * (corners + 1), " ")
    stream.write(f"\nCELL_TYPES {count}\n")
    files.write_table(stream, [np.full(count, VTK_VERTEX if corners == 1 else VTK_OF[corners])], ["%d"], " ")
    stream.write(f"\nPOINT_DATA {len(positions)}\n")


def _write_numbers(stream: IO[str], table: np.ndarray, number: str = "%.9g") -> None:
    files.write_table(stream, list(table.T), [number] * table.shape[1], " ")


def _xyz(values: Sequence[float], factor: float = 1.0) -> str:
    return " ".join(f"{value:.9g}" if factor == 1 else EXACT % (value * factor) for value in values[::-1])
