"""A step of what hpcdvc-view shows: a result in a file, or a field in memory as if it were one, and its cells."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from hpcdvc.fields.field import Field
from hpcdvc.fields.grid import Grid
from hpcdvc.output import views
from hpcdvc.output.columns import Column
from hpcdvc.output.notebook import Result
from hpcdvc.pages.result_file import ResultFile


@dataclass(frozen=True, eq=False)
class FieldResult(ResultFile):
    """A field in memory as if it stood in a file.

    Attributes
    ----------
    rows : n points
    nodes : their grid, or that which is drawn in its place
    """

    rows: Result = None
    nodes: Grid | None = None

    @classmethod
    def of(cls, found: Field, path: str, metadata: dict | None = None) -> "FieldResult":
        """Any field; a registration, of one row, is a node as large as its image."""
        members = {one.name: getattr(found, one.name) for one in fields(Field)}
        result = Result(**members, path=path, metadata=metadata or {})
        kind, grid = views.kind_of_field(result), found.grid
        if kind == "registration":
            grid = _whole(found.positions[0], metadata or {})
        told = {"kind": kind, "family": found.family, **(metadata or {})}
        return cls(path, None, told, {}, "", grid.shape if grid else (len(found),), result, grid)

    @property
    def grid(self) -> Grid | None:
        """See `ResultFile.grid`."""
        return self.nodes

    @cached_property
    def positions(self) -> np.ndarray:
        """See `ResultFile.positions`."""
        return self.rows.positions

    @cached_property
    def columns(self) -> dict[str, Column]:
        """See `ResultFile.columns`."""
        known = {column.name: column for column in self.rows.declared()}
        return {name: known.get(name) or Column(name, "f8", "", name.replace("_", " ")) for name in self.rows.names}

    def values(self, name: str, part: tuple | slice = ()) -> np.ndarray:
        """See `ResultFile.values`."""
        return self._read(name, part).astype(float)

    def _read(self, name: str, part: tuple | slice) -> np.ndarray:
        found = self._arrays.get(name)
        if found is None:
            found = self._arrays[name] = self.rows[name]
        return found.reshape(*self.lead, *found.shape[1:])[part]

    @cached_property
    def _arrays(self) -> dict[str, np.ndarray]:
        return {}


def _whole(centre: np.ndarray, metadata: dict) -> Grid:
    """One node, whose cell is the image that a registration is of."""
    shape = ((metadata.get("provenance") or {}).get("im1") or {}).get("shape")
    if not (isinstance(shape, list) and len(shape) == 3 and all(type(n) is int and n > 0 for n in shape)):
        shape = [2 * float(place) + 1 for place in centre]
    return Grid(tuple((float(n) - 1) / 2 for n in shape), tuple(map(float, shape)), (1, 1, 1))


@dataclass(frozen=True, eq=False)
class Mesh:
    """Cells between points.

    Attributes
    ----------
    points : (m, 3) ZYX, voxels
    cells : (k, 4) tetrahedra, or (k, 3) triangles of an image
    of_cells : the rows of the result are the cells, not the points
    """

    points: np.ndarray
    cells: np.ndarray
    of_cells: bool = False


@dataclass(eq=False)
class Source:
    """One step.

    Attributes
    ----------
    name : what the step is called
    path : of its file
    open : opens its result
    mesh : its cells, where it has such
    cells : opens what is known of the cells beside the rows; None where nothing is
    progress : points that are measured and all, of a run that has not ended; None of one that has
    at_work : that run may go on; it has stopped otherwise
    """

    name: str
    path: str
    open: Callable[[], AbstractContextManager[ResultFile]]
    mesh: Mesh | None = None
    cells: Callable[[], AbstractContextManager[ResultFile]] | None = None
    progress: tuple[int, int] | None = None
    at_work: bool = False

    @classmethod
    def in_memory(cls, result: FieldResult, name: str | None = None, **more) -> "Source":
        """Of a field."""
        return cls(name or os.path.basename(result.path), result.path, lambda: nullcontext(result), **more)
