"""Fields as tables, data sets and meshes of other packages, each imported when it is asked for."""

from collections.abc import Iterator
from importlib import import_module
from math import prod
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.output import views
from hpcdvc.output.columns import PHI, PHI_ROWS, SYMMETRIC, Column

if TYPE_CHECKING:
    import pandas
    import pyvista
    import xarray

    from hpcdvc.output.read import Result

#: Ends of the names of components where a table has no name for them, and coordinates of dimensions, by their number.
AXES = {3: ("z", "y", "x"), 9: tuple(i + j for i in "zyx" for j in "zyx"), 6: ("zz", "zy", "zx", "yy", "yx", "xx")}
#: Columns that tables show by the names of the numbers in Phi.
NAMES = {
    "displacement": ("Zdisp", "Ydisp", "Xdisp"),
    "F": tuple(f"F{pair}" for pair in AXES[9]),
}


def to_pandas(result: "Result") -> "pandas.DataFrame":
    """See `hpcdvc.output.read.Result.to_pandas`."""
    pandas = _package("pandas")
    found = dict(zip(views.POSITIONS, result.positions.T, strict=True))
    for name, values, column in _shown(result):
        found |= dict(zip(_names(name, values, column), values.reshape(len(values), -1).T, strict=True))
    labels = found.pop("Label", None)
    numbers = np.arange(len(result)) if labels is None else labels
    return pandas.DataFrame(found, pandas.Index(numbers, name="NodeNumber" if labels is None else "Label"))


def to_xarray(result: "Result") -> "xarray.Dataset":
    """See `hpcdvc.output.read.Result.to_xarray`."""
    xarray = _package("xarray")
    grid = result.grid
    if grid:
        axes = [o + s * np.arange(n) for o, s, n in zip(grid.origin, grid.spacing, grid.shape, strict=True)]
        lead, shape, coordinates = ("z", "y", "x"), grid.shape, dict(zip("zyx", axes, strict=True))
    else:
        lead, shape = ("point",), (len(result),)
        coordinates = {name: ("point", result.positions[:, k]) for k, name in enumerate("zyx")}
    variables = {}
    for name, values, column in _shown(result):
        parts = values.shape[1:]
        if parts == (6,):
            further = ("symmetric",)
        else:
            further = {0: (), 1: ("component",), 2: ("component", "derivative")}[len(parts)]
        coordinates |= {part: list(AXES[size]) for part, size in zip(further, parts, strict=True) if size in AXES}
        facts = {"unit": column.unit, "meaning": column.meaning} if column else {}
        variables[name] = ((*lead, *further), values.reshape(*shape, *parts), facts)
    about = {"path": result.path, "family": str(result.family), **result.metadata.get("parameters", {})}
    return xarray.Dataset(variables, coordinates, {name: value for name, value in about.items() if value is not None})


def to_pyvista(result: "Result") -> "pyvista.DataSet":
    """See `hpcdvc.output.read.Result.to_pyvista`."""
    pyvista = _package("pyvista")
    grid = result.grid
    if grid:
        mesh = pyvista.ImageData(dimensions=grid.shape[::-1], spacing=grid.spacing[::-1], origin=grid.origin[::-1])
    else:
        mesh = pyvista.PolyData(np.ascontiguousarray(result.positions[:, ::-1]))
    for name, values, column in _shown(result):
        mesh.point_data[name] = column.to_file(values) if column else values
    mesh.point_data.active_vectors_name = "displacement"
    return mesh


def _shown(result: "Result") -> Iterator[tuple[str, np.ndarray, Column | None]]:
    """Name, values (n, ...) and declaration of all columns but Phi and its variances, which others say again."""
    known = {column.name: column for column in result.declared()}
    for name in result.names:
        column = known.get(name)
        if column is None or column.components not in (PHI, PHI_ROWS):
            yield name, result[name], column


def _names(name: str, values: np.ndarray, column: Column | None) -> tuple[str, ...]:
    """Names of the numbers of a column."""
    width = prod(values.shape[1:])
    if column and (column.tsv or name in NAMES):
        return column.tsv or NAMES[name]
    ends = AXES.get(width) if column is None or column.components is not SYMMETRIC else AXES[6]
    return tuple(f"{name}_{end}" for end in ends or range(width)) if values.ndim > 1 else (name,)


def _package(name: str) -> ModuleType:
    """A package that not everybody has."""
    try:
        return import_module(name)
    except ImportError as error:
        raise UserError(f"to_{name} needs {name}, which cannot be imported ({error}): pip install {name}") from error
