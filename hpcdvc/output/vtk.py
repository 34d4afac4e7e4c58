"""Fields as legacy VTK text, named and ordered (X Y Z) as the users of spam know them."""

from collections.abc import Container, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from hpcdvc.fields.field import Field
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.status import Family
from hpcdvc.output import files, schema, views
from hpcdvc.output.columns import SYMMETRIC
from hpcdvc.output.contents import Elements
from hpcdvc.output.vtkhdf import TURNED, VTK_OF, VTK_VERTEX

#: what the second line says before the family
TITLE = "hpcdvc field,"
#: keyword and line below it by the number of components
HEADS = {1: ("SCALARS", "LOOKUP_TABLE default\n"), 3: ("VECTORS", ""), 9: ("TENSORS", "")}
#: xx xy xz yx ... of a symmetric tensor xx yy zz xy yz xz
WHOLE = (0, 3, 5, 3, 1, 4, 5, 4, 2)


def write_vtk(
    path: str | Path, field: Field, only: Container[str] | None = None, elements: Elements | None = None
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

    Raises
    ------
    RunError : no space left, or the file cannot be written
    """
    arrays = [
        (column.vtk, values[:, WHOLE] if column.components is SYMMETRIC else values)
        for column, values in views.vtk_arrays(field)
        if only is None or column.name in only
    ]
    of_cells = list(_of_cells(elements, field.family)) if elements else []
    size = sum(values.size for _, values in arrays + of_cells) * 16 + (0 if field.grid else len(field) * 60)
    size += 60 * len(elements.cells) if elements else 0
    with (
        files.whole_file(path, size) as temporary,
        files.fill(temporary, encoding="ascii", newline="\n") as stream,
    ):
        stream.write(f"# vtk DataFile Version 2.0\n{TITLE} {field.family}\nASCII\n\n")
        if field.grid:
            _write_cells(stream, field.grid)
        else:
            cells = np.arange(len(field))[:, None] if elements is None else elements.cells[:, TURNED]
            _write_mesh(stream, field.positions, cells)
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


def _write_cells(stream: IO[str], grid: Grid) -> None:
    corner = np.subtract(grid.origin, np.divide(grid.spacing, 2))
    stream.write("DATASET STRUCTURED_POINTS\n")
    stream.write(f"DIMENSIONS {_xyz(np.add(grid.shape, 1))}\n")
    stream.write(f"ASPECT_RATIO {_xyz(grid.spacing)}\n")
    stream.write(f"ORIGIN {_xyz(corner)}\n")
    stream.write(f"\nCELL_DATA {grid.size}\n")


def _write_mesh(stream: IO[str], positions: np.ndarray, cells: np.ndarray) -> None:
    """Points, and cells (k, corners) of them: vertices or tetrahedra."""
    count, corners = cells.shape
    stream.write(f"DATASET UNSTRUCTURED_GRID\nPOINTS {len(positions)} float\n")
    _write_numbers(stream, positions[:, ::-1])
    stream.write(f"\nCELLS {count} {count * (corners + 1)}\n")
    files.write_table(stream, [np.full(count, corners), *cells.T], ["%d"] * (corners + 1), " ")
    stream.write(f"\nCELL_TYPES {count}\n")
    files.write_table(stream, [np.full(count, VTK_VERTEX if corners == 1 else VTK_OF[corners])], ["%d"], " ")
    stream.write(f"\nPOINT_DATA {len(positions)}\n")


def _write_numbers(stream: IO[str], table: np.ndarray) -> None:
    files.write_table(stream, list(table.T), ["%.9g"] * table.shape[1], " ")


def _xyz(values: Sequence[float]) -> str:
    return " ".join(f"{value:.9g}" for value in values[::-1])
