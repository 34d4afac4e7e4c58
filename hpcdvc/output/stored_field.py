"""The arrays of a field in a file of ours, read some points at a time, so that they stand in memory once."""

import math
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass

import h5py
import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.field import Field
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.status import Family
from hpcdvc.output import schema, voxel_size, vtkhdf
from hpcdvc.output.columns import KINDS, Column, Components, columns_of, components_named, to_memory
from hpcdvc.output.stored import Stored
from hpcdvc.output.transports import POINTS_AT_ONCE

#: What the positions of free points are called; no array has such a name.
POINTS = "VTKHDF/Points"
CELLS = "VTKHDF/CellData"


@dataclass(frozen=True)
class Plan:
    """What is to be read from a file.

    Attributes
    ----------
    grid : of the points, or None
    family : of the field
    group : where they are: of cells, where a file of points has such, else of points
    lead : leading dimensions of the arrays in the file
    columns : declared columns by what they are made from
    unknown : names of other arrays
    arrays : shape and type of all of them in memory, and of the positions of the points under `POINTS`
    """

    grid: Grid | None
    family: Family
    group: str
    lead: tuple[int, ...]
    columns: dict[str, Column]
    unknown: list[str]
    arrays: dict[str, tuple[tuple[int, ...], np.dtype]]

    @classmethod
    def of(cls, stored: Stored, grid: Grid | None, family: Family, members: Container[str] | None) -> "Plan":
        """What is there and wanted: `members` by name, None all.

        Raises
        ------
        UserError : the file holds no field, or its arrays do not fit together
        """
        kind = stored.text("hpcdvc", "kind")
        if kind == "image":
            raise UserError(f"{stored.path} has a value for each pixel and no field of nodes: measure one with -ns")
        # one cell is called a registration, as one point is
        of_cells = kind in ("points", "registration") and isinstance(stored.find(CELLS), h5py.Group)
        group = CELLS if of_cells else "VTKHDF/PointData"
        data = stored.find(group)
        for name in ("Phi", "returnStatus"):
            if name not in data:
                raise UserError(f"{stored.path} holds no field: it has no column {name}")
        count = grid.size if grid else _count(stored, of_cells)
        lead = grid.shape if vtkhdf.is_image(grid) else (count,)
        # a file that does not say its kind, or says a new one, may have all columns of points
        known = {column.name: column for column in columns_of(kind if kind in KINDS else "labels")}
        ours = {column.made_from for column in known.values()}
        columns, unknown = {}, []
        arrays = {POINTS: ((count, 3), np.dtype(float))}
        for name in data:
            if name in voxel_size.TWINS:
                continue  # of what is made from Phi
            column = known.get(name)
            made_from = column.made_from if column else name
            if (members is not None and made_from not in members) or (column and column.derived):
                continue
            if column:
                columns[made_from] = column
                _dataset(stored, group, column, lead)
                arrays[made_from] = ((count, *column.components.shape), np.dtype(column.dtype))
            elif name not in ours and stored.holds_numbers(f"{group}/{name}", lead):
                unknown.append(name)
                found = stored.dataset(f"{group}/{name}")
                components = _components(stored, found, len(lead))
                shape = components.shape if components else found.shape[len(lead) :]
                arrays[name] = ((count, *shape), found.dtype)
        return cls(grid, family, group, lead, columns, unknown, arrays)

    def fill(self, stored: Stored, found: Mapping[str, np.ndarray], start: int, stop: int) -> None:
        """Read planes `start` to `stop` - 1 of all arrays into those in memory, some points at a time."""
        per_plane, positions = math.prod(self.lead[1:]), self._positions(stored)
        step = max(POINTS_AT_ONCE // per_plane, 1)
        for first in range(start, stop, step):
            planes = slice(first, min(first + step, stop))
            rows = slice(planes.start * per_plane, planes.stop * per_plane)
            for name, column in self.columns.items():
                found[name][rows] = _read_known(stored, self.group, column, self.lead, planes)
            for name in self.unknown:
                found[name][rows] = _read_unknown(stored, f"{self.group}/{name}", len(self.lead), planes)
            found[POINTS][rows] = positions(rows)

    def _positions(self, stored: Stored) -> Callable[[slice], np.ndarray]:
        """From some rows to their positions (rows, 3) ZYX: nodes, points, or middles of cells, which are all alike."""
        if self.grid:
            return lambda rows: self.grid.positions(np.arange(rows.start, rows.stop))
        points = stored.dataset(voxel_size.points_in_voxels(stored), (None, 3))
        if self.group != CELLS:
            return lambda rows: points[rows][:, ::-1]
        corners, nodes = stored.dataset("VTKHDF/Connectivity", (None,)), points[:][:, ::-1]
        width = corners.shape[0] // self.lead[0]

        def middles(rows: slice) -> np.ndarray:
            some = corners[rows.start * width : rows.stop * width].reshape(-1, width)
            if some.dtype.kind not in "iu" or not ((some >= 0) & (some < len(nodes))).all():
                raise stored.damaged("its cells do not fit its points")
            return nodes[some].mean(axis=1)

        return middles

    def field(self, found: dict[str, np.ndarray]) -> Field:
        """The field of these arrays."""
        return schema.field_of_members(found, self.grid, found.pop(POINTS), self.family)


def _count(stored: Stored, of_cells: bool) -> int:
    if not of_cells:
        return stored.dataset(POINTS, (None, 3)).shape[0]
    count = stored.dataset("VTKHDF/Offsets", (None,)).shape[0] - 1
    if count < 1 or stored.dataset("VTKHDF/Connectivity", (None,)).shape[0] % count:
        raise stored.damaged("its cells do not fit its points")
    return count


def _read_known(stored: Stored, group: str, column: Column, lead: tuple[int, ...], planes: slice) -> np.ndarray:
    """(rows, ...), ZYX, of some planes of a column."""
    found = _dataset(stored, group, column, lead)
    array = found[planes].reshape(-1, *found.shape[len(lead) :])
    unfit = schema.unfit(array, np.dtype(column.dtype))
    if unfit:
        raise stored.damaged(f"{column.name} {unfit[1]}")
    return to_memory(array, column.components)


def _read_unknown(stored: Stored, path: str, dimensions: int, planes: slice) -> np.ndarray:
    """(rows, ...) of some planes of an array that is not declared, ZYX where its components say how."""
    found = stored.dataset(path)
    array, components = found[planes], _components(stored, found, dimensions)
    array = array.reshape(-1, *array.shape[dimensions:])
    return to_memory(array, components) if components else array


def _components(stored: Stored, found: "h5py.Dataset", dimensions: int) -> Components | None:
    """The components of an array that is not declared, where it says known ones that fit."""
    components = components_named(stored.text(found.name, "components") or "")
    if components is None:
        return None
    width = (math.prod(components.shape),) if components.shape else ()
    return components if found.shape[dimensions:] == width else None


def _dataset(stored: Stored, group: str, column: Column, lead: tuple[int, ...]) -> "h5py.Dataset":
    """A column in the file, which has the shape that it should have."""
    width = (math.prod(column.components.shape),) if column.components.shape else ()
    return stored.dataset(f"{group}/{column.name}", (*lead, *width))
