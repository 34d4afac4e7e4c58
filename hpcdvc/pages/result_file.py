"""A result as pages show it: some planes or points of some columns at a time, whatever the size of the file."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property

import h5py
import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.status import Family, explain_counts, is_measured
from hpcdvc.options.voxel_size import VoxelSize
from hpcdvc.output import voxel_size
from hpcdvc.output.columns import COLUMNS, Column, to_memory
from hpcdvc.output.dense import SCHEMA as DENSE
from hpcdvc.output.kinds import is_hdf
from hpcdvc.output.reader import read_metadata
from hpcdvc.output.result import read_record
from hpcdvc.output.stored import Stored, opened

#: Most points that numbers and histograms are made of.
SAMPLE = 2**20


@dataclass(frozen=True, eq=False)
class ResultFile:
    """A result that is open.

    Attributes
    ----------
    path : of the .hdf file
    stored : the file
    metadata : what it says about itself
    record : what the record of its run says; empty where that is gone
    where : group of its columns
    lead : shape of the points as they stand in the file
    """

    path: str
    stored: Stored
    metadata: dict
    record: dict
    where: str
    lead: tuple[int, ...]

    @property
    def kind(self) -> str:
        """ "grid", "points", "labels", "mesh", "registration", or "image"."""
        return self.metadata.get("kind") or "image"

    @property
    def family(self) -> Family:
        """What the result was made by."""
        return Family(self.metadata.get("family") or Family.REGISTRATION)

    @cached_property
    def grid(self) -> Grid | None:
        """Its nodes; the pixels of an image; or None."""
        if self.kind == "image":
            return Grid((0.0,) * 3, (1.0,) * 3, self.lead)
        told = self.metadata.get("grid")
        return Grid(*(tuple(told[name]) for name in ("origin", "spacing", "shape"))) if told else None

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the points of a grid or an image, (n0, n1, n2); of others (n,)."""
        return tuple(self.grid.shape) if self.grid else self.lead

    @cached_property
    def positions(self) -> np.ndarray:
        """(n, 3) ZYX, voxels, of a result without a grid."""
        return self.stored.array(voxel_size.points_in_voxels(self.stored), (None, 3))[:, ::-1]

    @property
    def size(self) -> VoxelSize | None:
        """Of a voxel, where the result says it."""
        return voxel_size.of_metadata(self.metadata)

    def length_of(self, name: str) -> VoxelSize | None:
        """What a voxel is long in a column that is in voxels; None for others, and where the result does not say it."""
        column = self.columns[name]
        return self.size if column.unit in ("voxel", "pixel") and np.dtype(column.dtype or "f8").kind == "f" else None

    @cached_property
    def columns(self) -> dict[str, Column]:
        """Declarations of the columns that are there, by name."""
        return {
            name: replace(column, unit=said if (said := self._unit_said(name)) not in ("", "1") else column.unit)
            for name, column in _declared(self.stored, self.where).items()
            if self.stored.holds_numbers(f"{self.where}/{name}", self.lead)
        }

    def _unit_said(self, name: str) -> str:
        """The unit of a column in the file."""
        return self.stored.text(self._place(name), "unit")

    @property
    def pairs(self) -> int:
        """Pairs of images that it holds, each in a row; 1 of all results but those of hpcdvc-shift."""
        return self.lead[0] if "step" in self.columns else 1

    @property
    def history(self) -> dict[str, np.ndarray]:
        """Numbers of each iteration, by name; empty where the result keeps none."""
        found = self.stored.find("hpcdvc/history")
        if isinstance(found, h5py.Group):
            return {name: self.stored.array(f"hpcdvc/history/{name}") for name in found}
        table = self.stored.records("hpcdvc/iterations")
        return {} if table is None else {name: table[name] for name in table.dtype.names or ()}

    def values(self, name: str, part: tuple | slice = ()) -> np.ndarray:
        """A column of some points, ZYX, float64: (..., components of the column); NaN where the format says so."""
        column, made = self.columns[name], self._read(name, part)
        lead = made.shape[: made.ndim - (len(column.components.shape) > 0)]
        made = to_memory(made.reshape(-1, *made.shape[len(lead) :]), column.components)
        return made.reshape(*lead, *made.shape[1:]).astype(float)

    def statuses(self, part: tuple | slice = ()) -> np.ndarray | None:
        """How some points ended; None where the result does not say it."""
        if "returnStatus" not in self.columns:
            return None
        return self._read("returnStatus", part)

    def _read(self, name: str, part: tuple | slice) -> np.ndarray:
        """A part of a dataset; nodes of images in two dimensions stand in a file as points."""
        found = self.stored.dataset(self._place(name))
        if self.grid is None or found.shape[: len(self.shape)] == self.shape:
            return found[part]
        return found[...].reshape(*self.shape, *found.shape[1:])[part]

    def _place(self, name: str) -> str:
        """Where a column stands in voxels."""
        return voxel_size.in_voxels(self.stored, f"{self.where}/{name}")

    def measured(self, part: tuple | slice = ()) -> np.ndarray | bool:
        """Which points are measured; True where the result does not say it."""
        found = self.statuses(part)
        return True if found is None else is_measured(found, self.family)

    def known(self, name: str, part: tuple | slice = ()) -> np.ndarray:
        """A column of some points, (..., numbers), NaN where it is not measured."""
        values, measured = self.values(name, part), self.measured(part)
        inner = len(self.columns[name].components.shape)
        lead = values.shape[: values.ndim - inner]
        measured = np.broadcast_to(measured, lead)
        return np.where(measured[..., None], values.reshape(*lead, -1), np.nan)

    def sampled(self, name: str) -> np.ndarray:
        """(n, numbers) of a column, of measured points: of all, or where they are many of planes spread evenly."""
        values = self.values(name, self._sample)
        return values.reshape(self._measured_of_sample.size, -1)[self._measured_of_sample]

    @property
    def _sample(self) -> slice:
        per = int(np.prod(self.shape[1:], dtype=np.int64))
        return slice(None, None, max(1, -(-self.shape[0] * per // max(SAMPLE, per))))

    @cached_property
    def _measured_of_sample(self) -> np.ndarray:
        planes = len(range(self.shape[0])[self._sample])
        return np.broadcast_to(self.measured(self._sample), (planes, *self.shape[1:])).ravel()

    def middle(self, axis: int) -> int:
        """Number of the plane of a grid that is shown across an axis."""
        return self.shape[axis] // 2


@contextmanager
def open_result(path: str) -> Iterator[ResultFile]:
    """Open a result to look at it; UserError if there is none."""
    if not is_hdf(path):
        raise UserError(f"{path}: results end in .hdf; hpcdvc-convert makes one of a table")
    metadata = _metadata(path)
    with opened(path) as stored:
        pixels = metadata.get("schema") == DENSE and stored.find("VTKHDF/PointData") is None
        where = "VTKHDF/CellData" if pixels else "VTKHDF/PointData"
        columns = _declared(stored, where)
        if not columns:
            raise UserError(f"{path} is no result: it has no columns")
        column = next(iter(columns.values()))
        shape = stored.dataset(f"{where}/{column.name}").shape
        lead = shape[: len(shape) - (len(column.components.shape) > 0)]
        yield ResultFile(path, stored, metadata, read_record(path.removesuffix(".hdf")), where, lead)


def _declared(stored: Stored, where: str) -> dict[str, Column]:
    """Declarations of the columns of a file, by name, also of arrays that stand in one command's files only."""
    names = [name for name in stored.find(where) or () if name not in voxel_size.TWINS]
    known = {column.name: column for column in COLUMNS if column.name in names}
    return known | {name: Column(name, "f8", "", name.replace("_", " ")) for name in names if name not in known}


def _metadata(path: str) -> dict:
    """What a result of points, or a dense one, says about itself."""
    with opened(path) as stored:
        if stored.find("hpcdvc") is None:
            raise UserError(f"{path} is an HDF5 file, but not a result of hpcdvc")
        if stored.text("hpcdvc", "schema") == DENSE:
            found = {name: stored.text("hpcdvc", name) for name in ("schema", "family")}
            found |= {
                name: stored.json("hpcdvc", name)
                for name in ("key", "parameters", "provenance", "statuses", voxel_size.FACT)
            }
            voxel_size.in_file(stored)  # what it says is a size
            end = stored.json("hpcdvc", "end")
            if found["statuses"] is None and isinstance(end, dict):
                counts = end.get("statuses") or {code: 1 for code in (end.get("return_status"),) if code is not None}
                found["statuses"] = explain_counts({int(code): counts[code] for code in counts}, {})
            return {"kind": "image", **{name: value for name, value in found.items() if value is not None}}
    return read_metadata(path)
