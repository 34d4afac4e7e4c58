"""Fields as legacy VTK text, laid out as the users of spam know it: X Y Z, not-a-number written as 0."""

from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np

from hpcdvc.fields.field import Field
from hpcdvc.output import files, views

#: what a local DVC writes
LOCAL = ("error", "iterations", "returnStatus", "deltaPhiNorm")
VTK_VERTEX = 1


def write_vtk(
    path: str | Path,
    field: Field,
    half_window_size: Sequence[float] = (0, 0, 0),
    names: Sequence[str] = LOCAL,
) -> None:
    """Write displacements and scalars of a field.

    Nodes of a grid become cells of the size of the node spacing, the first of which begins at the first node minus
    `half_window_size`; free points become vertices.

    Parameters
    ----------
    path : file to write; an existing one is replaced
    field : n points
    half_window_size : ZYX, voxels
    names : scalars, columns as in the TSV

    Raises
    ------
    RunError : no space left, or the file cannot be written
    """
    size = len(field) * (3 + len(names)) * 16 + (0 if field.grid else len(field) * 60)
    with (
        files.whole_file(path, size) as temporary,
        open(temporary, "w", encoding="ascii", newline="\n") as stream,
    ):
        stream.write("# vtk DataFile Version 2.0\nhpcdvc field\nASCII\n\n")
        if field.grid:
            _write_cells(stream, field, half_window_size)
        else:
            _write_vertices(stream, field)
        stream.write("\nVECTORS displacements float\n")
        _write_numbers(stream, field.displacement[:, ::-1])
        for name in names:
            stream.write(f"\nSCALARS {name} float\nLOOKUP_TABLE default\n")
            _write_numbers(stream, views.column(field, name)[:, None])


def _write_cells(stream: IO[str], field: Field, half_window_size: Sequence[float]) -> None:
    grid = field.grid
    origin = np.subtract(grid.origin, half_window_size)
    stream.write("DATASET STRUCTURED_POINTS\n")
    stream.write(f"DIMENSIONS {_xyz(np.add(grid.shape, 1))}\n")
    stream.write(f"ASPECT_RATIO {_xyz(grid.spacing)}\n")
    stream.write(f"ORIGIN {_xyz(origin)}\n")
    stream.write(f"\nCELL_DATA {grid.size}\n")


def _write_vertices(stream: IO[str], field: Field) -> None:
    count = len(field)
    stream.write(f"DATASET UNSTRUCTURED_GRID\nPOINTS {count} float\n")
    _write_numbers(stream, field.positions[:, ::-1])
    stream.write(f"\nCELLS {count} {2 * count}\n")
    files.write_table(stream, [np.ones(count, int), np.arange(count)], ["%d", "%d"], " ")
    stream.write(f"\nCELL_TYPES {count}\n")
    files.write_table(stream, [np.full(count, VTK_VERTEX)], ["%d"], " ")
    stream.write(f"\nPOINT_DATA {count}\n")


def _write_numbers(stream: IO[str], table: np.ndarray) -> None:
    finite = np.where(np.isfinite(table), table, 0.0)
    files.write_table(stream, list(finite.T), ["%.9g"] * finite.shape[1], " ")


def _xyz(values: Sequence[float]) -> str:
    return " ".join(f"{value:.9g}" for value in values[::-1])
