"""Results that were read, also as tables, data sets and meshes of other packages, each imported when asked for."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import import_module
from math import prod
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.field import Field
from hpcdvc.output import schema, views
from hpcdvc.output.columns import PHI, PHI_ROWS, SYMMETRIC, Column
from hpcdvc.output.voxel_size import FACT
from hpcdvc.output.vtkhdf import TURNED

if TYPE_CHECKING:
    from pathlib import Path

    import matplotlib.figure
    import pandas
    import pyvista
    import xarray

    from hpcdvc.output.contents import Elements

#: Ends of the names of components where a table has no name for them, and coordinates of dimensions, by their number.
AXES = {3: ("z", "y", "x"), 9: tuple(i + j for i in "zyx" for j in "zyx"), 6: ("zz", "zy", "zx", "yy", "yx", "xx")}
#: Columns that tables show by the names of the numbers in Phi.
NAMES = {
    "displacement": ("Zdisp", "Ydisp", "Xdisp"),
    "F": tuple(f"F{pair}" for pair in AXES[9]),
}


@dataclass(repr=False, eq=False)
class Result(Field):
    """A field that was read from a file.

    Displacement, F and standard deviations are NaN where a row is not measured; `phi` keeps the last iterate there.
    ``result["zncc"]`` is a column by its name in the file, (n, ...), ZYX; `columns` has all of them.

    Attributes
    ----------
    path : the file
    metadata : what it says about itself: parameters, provenance, statuses, ...; empty for tables and VTK files
    elements : the tetrahedra of a mesh between the points, `cells` (k, 4), and what is known of them; None
    """

    path: str = ""
    metadata: dict = field(default_factory=dict)
    elements: "Elements | None" = None

    @property
    def displacement(self) -> np.ndarray:
        """(n, 3) displacements, ZYX, voxels; NaN where not measured."""
        return self["displacement"]

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """All columns, (n, ...), ZYX, by the names that they have in the file."""
        return {name: self[name] for name in self.names}

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        known = [column.name for column in self.declared()]
        made_from = {column.made_from for column in self.declared()}
        return known + [name for name in self.extra or {} if name not in made_from]

    def __getitem__(self, name: str) -> np.ndarray:
        """A column by its name, or a number of one by its name in tables; KeyError where there is none of this name."""
        if name in views.POSITIONS and name not in (self.extra or {}):
            return self.positions[:, views.POSITIONS.index(name)]
        column, part = self._found(name)
        if column is None:
            return self.extra[name]
        values = schema.shown_values(column, schema.members_of_field(self), self.family)
        return values if part is None else values.reshape(len(values), -1)[:, part]

    def _found(self, name: str) -> tuple[Column | None, int | None]:
        """Declaration of a column, None where there is no such, and which of its numbers is meant."""
        declared = list(self.declared())
        for column in declared:
            if name in (column.name, column.made_from) and not (column.derived and name == column.made_from):
                return column, None
        if name in (self.extra or {}):
            return None, None
        parts = {}
        for column in sorted(declared, key=lambda one: one.components is not PHI):  # Phi does not blank what failed
            parts |= {part: (column, k) for k, part in enumerate(names_of(column))}
        if name in parts:
            return parts[name]
        raise KeyError(no_column(name, self.names, parts))

    def unit_of(self, name: str) -> str:
        """Unit of a column; empty where it has none, or is not declared."""
        column, _ = self._found(name)
        return column.unit if column else ""

    def component_names(self, name: str) -> tuple[str, ...]:
        """Names of the numbers of a column."""
        column, part = self._found(name)
        return (name,) if part is not None else _names(name, self[name], column)

    def __contains__(self, name: str) -> bool:
        """Whether there is a column of this name."""
        return name in self.names

    def declared(self) -> Iterator[Column]:
        """Columns that this version of the file format knows."""
        return iter(schema.present(schema.members_of_field(self), views.kind_of_field(self)))

    def save(self, path: "str | Path") -> None:
        """Write it as `<name>.hdf`, `.tsv` or `.vtk`; an existing file is replaced, `hpcdvc.read` gives it back.

        Raises
        ------
        UserError : the name has another end
        RunError : no space left, or the file cannot be written
        """
        from hpcdvc.output.save import save

        save(path, self)

    def to_pandas(self) -> "pandas.DataFrame":
        """A table with a row for each point and a column for each number, in the names of tables; needs pandas.

        Raises
        ------
        UserError : pandas is not installed
        """
        return to_pandas(self)

    def to_xarray(self) -> "xarray.Dataset":
        """The columns on z, y and x of a grid, or along the points; vectors and tensors ZYX; needs xarray.

        Raises
        ------
        UserError : xarray is not installed
        """
        return to_xarray(self)

    def to_pyvista(self) -> "pyvista.DataSet":
        """The grid, the mesh or the points, with the columns as ParaView shows them: X Y Z; needs pyvista.

        Raises
        ------
        UserError : pyvista is not installed
        """
        return to_pyvista(self)

    def plot(
        self, column: str = "displacement", *, z: float | None = None, y: float | None = None, x: float | None = None
    ) -> "matplotlib.figure.Figure":
        """Cuts through the field along planes of its grid, and how each node ended; points are seen along one axis.

        Nodes that are not measured are hatched, and the legend says why, with the number of nodes of the whole field.

        Parameters
        ----------
        column : a column by its name, or one of its numbers: ``"Zdisp"``, ``"zncc"``
        z, y, x : where to cut across each axis, voxels: the nearest layer of nodes; none: through the middle along each

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        UserError : there is one row, a cut is outside the grid, or matplotlib is not installed
        KeyError : there is no such column
        """
        from hpcdvc.output.cuts import plot

        return plot(self, column, {axis: at for axis, at in zip("zyx", (z, y, x), strict=True) if at is not None})

    def in_words(self) -> str:
        """The same of a mesh with its tetrahedra."""
        words = super().in_words()
        if self.elements is None:
            return words
        return words.replace(
            f"{len(self)} points", f"mesh of {len(self)} nodes and {len(self.elements.cells)} tetrahedra", 1
        )

    def __repr__(self) -> str:
        unit = f"voxels of {self.metadata[FACT]}" if FACT in self.metadata else "voxels"
        return f"<{self.in_words()}\n lengths in {unit}; columns {', '.join(self.names)}>"


def to_pandas(result: Result) -> "pandas.DataFrame":
    """See `Result.to_pandas`."""
    pandas = package("pandas")
    found = dict(zip(views.POSITIONS, result.positions.T, strict=True))
    for name, values, column in _shown(result):
        found |= dict(zip(_names(name, values, column), values.reshape(len(values), -1).T, strict=True))
    labels = found.pop("Label", None)
    numbers = np.arange(len(result)) if labels is None else labels
    return pandas.DataFrame(found, pandas.Index(numbers, name="NodeNumber" if labels is None else "Label"))


def to_xarray(result: Result) -> "xarray.Dataset":
    """See `Result.to_xarray`."""
    xarray = package("xarray")
    grid = result.grid
    if grid:
        axes = [o + s * np.arange(n) for o, s, n in zip(grid.origin, grid.spacing, grid.shape, strict=True)]
        lead, shape = ("z", "y", "x"), grid.shape
        coordinates = {name: (name, axis, {"units": "voxel"}) for name, axis in zip("zyx", axes, strict=True)}
    else:
        lead, shape = ("point",), (len(result),)
        coordinates = {name: ("point", result.positions[:, k], {"units": "voxel"}) for k, name in enumerate("zyx")}
    variables = {}
    for name, values, column in _shown(result):
        parts = values.shape[1:]
        if parts == (6,):
            further = ("symmetric",)
        else:
            further = {0: (), 1: ("component",), 2: ("component", "derivative")}[len(parts)]
        coordinates |= {part: list(AXES[size]) for part, size in zip(further, parts, strict=True) if size in AXES}
        facts = {"units": column.unit, "meaning": column.meaning} if column else {}
        variables[name] = ((*lead, *further), values.reshape(*shape, *parts), facts)
    about = {"path": result.path, "family": str(result.family), **result.metadata.get("parameters", {})}
    return xarray.Dataset(variables, coordinates, {name: value for name, value in about.items() if value is not None})


def to_pyvista(result: Result) -> "pyvista.DataSet":
    """See `Result.to_pyvista`."""
    pyvista = package("pyvista")
    grid = result.grid
    if grid:
        mesh = pyvista.ImageData(dimensions=grid.shape[::-1], spacing=grid.spacing[::-1], origin=grid.origin[::-1])
    elif result.elements is not None:
        cells = {pyvista.CellType.TETRA: result.elements.cells[:, TURNED]}
        mesh = pyvista.UnstructuredGrid(cells, np.ascontiguousarray(result.positions[:, ::-1]))
    else:
        mesh = pyvista.PolyData(np.ascontiguousarray(result.positions[:, ::-1]))
    for name, values, column in _shown(result):
        mesh.point_data[name] = column.to_file(values) if column else values
    mesh.point_data.active_vectors_name = "displacement"
    return mesh


def _shown(result: Result) -> Iterator[tuple[str, np.ndarray, Column | None]]:
    """Name, values (n, ...) and declaration of all columns but Phi and its variances, which others say again."""
    known = {column.name: column for column in result.declared()}
    for name in result.names:
        column = known.get(name)
        if column is None or column.components not in (PHI, PHI_ROWS):
            yield name, result[name], column


def _names(name: str, values: np.ndarray, column: Column | None) -> tuple[str, ...]:
    """Names of the numbers of a column."""
    if column:
        return names_of(column)
    width = prod(values.shape[1:])
    return tuple(f"{name}_{end}" for end in AXES.get(width) or range(width)) if values.ndim > 1 else (name,)


def names_of(column: Column) -> tuple[str, ...]:
    """Names of the numbers of a declared column, those of tables where these have it."""
    if column.tsv or column.name in NAMES:
        return column.tsv or NAMES[column.name]
    width = prod(column.components.shape)
    ends = AXES.get(width) if column.components is not SYMMETRIC else AXES[6]
    return tuple(f"{column.name}_{end}" for end in ends or range(width)) if column.components.shape else (column.name,)


def no_column(name: str, names: Iterable[str], parts: Iterable[str] = ()) -> str:
    """A sentence on a column that is not there, with names near to it among the columns and their numbers."""
    near = get_close_matches(str(name), dict.fromkeys([*names, *parts]), n=3, cutoff=0.5)
    return f"no column {name!r}: " + (f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names)}")


def package(name: str) -> ModuleType:
    """A package that not everybody has; UserError where it cannot be imported."""
    try:
        return import_module(name)
    except ImportError as error:
        raise UserError(f"to_{name} needs {name}, which cannot be imported ({error}): pip install {name}") from error
