"""Dense results: a file of the kind `image` with an array for each column, which all ranks fill by rows.

It is ImageData whose cells are the pixels, one layer for each projection. Floating point is float32, vectors are
(x, y, z) as in all files of ours; no pixel has a row of `hpcdvc.fields.field.ROW`.
"""

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from hpcdvc.fields.field import status_counts
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.status import Family, explain_counts, point_counts, status_table
from hpcdvc.options.voxel_size import VoxelSize
from hpcdvc.output import files, schema, tiff, voxel_size, vtkhdf
from hpcdvc.output.columns import VECTOR, Column, columns_of
from hpcdvc.output.contents import explain
from hpcdvc.output.slab_file import ImageWriter, ScaledWriter, SlabFile, contiguous, key_in_hdf, put_facts
from hpcdvc.output.stored import Stored, opened
from hpcdvc.output.transports import GatheredFile, put_text
from hpcdvc.output.xdmf import write_xdmf

SCHEMA = "hpcdvc-image"
CELLS = "VTKHDF/CellData"
#: Bytes for the statuses, which are known when all pixels are: their place is in the file before.
STATUS_BYTES = 16384
#: Pixels of which statuses are counted, or pictures made, at a time.
PIXELS = 2**24


@dataclass(frozen=True)
class DenseArray:
    """One array of such a file, by rows.

    Attributes
    ----------
    path : final name of the file
    shape : (P * H, W) or (P * H, W, components)
    dtype : of its numbers
    """

    path: str
    shape: tuple[int, ...]
    dtype: np.dtype


@dataclass(frozen=True)
class DenseFile(SlabFile):
    """A dense result to be written.

    Attributes
    ----------
    stem : path without extension
    shape : (P, H, W): projections, rows, columns; P = 1 for one image. Its planes are rows, number p * H + y
    columns : names of its arrays, see `hpcdvc.output.columns`; `returnStatus` is among them
    metadata : what to remember, anything JSON can hold; "key" tells this run from others
    views : "tif": pictures of each column beside it; "vtk": a text by which older programs find its arrays
    advice : what to try, by status, which the file stores with the reasons
    later : those of the columns that are filled when all rows of the others are there
    units : of columns that have another one than is declared
    turned : the pictures show the displacement of im2 to im1, as other programs have it
    extend : adds to the file when it is laid out
    family : what the result is made by
    """

    stem: str
    shape: tuple[int, int, int]
    columns: tuple[str, ...]
    metadata: dict
    views: tuple[str, ...] = ()
    advice: Mapping[int, str] = field(default_factory=dict)
    later: tuple[str, ...] = ()
    units: Mapping[str, str] = field(default_factory=dict)
    turned: bool = False
    extend: Callable[["h5py.File"], None] | None = None
    family: Family = Family.REGISTRATION

    @property
    def path(self) -> str:
        """The HDF5 file."""
        return f"{self.stem}.hdf"

    @property
    def planes(self) -> int:
        """Rows of all projections."""
        return self.shape[0] * self.shape[1]

    @property
    def file_bytes(self) -> int:
        """Disk space that it takes with its pictures."""
        pixel = sum(_pixel_bytes(column) for column, _ in self.written())
        shown = 4 * len(self.view_paths())
        return math.prod(self.shape) * (pixel + shown) + 2**17

    def declared(self) -> list[Column]:
        """Its columns."""
        return _declared(self.columns)

    @property
    def size(self) -> VoxelSize | None:
        """Of a voxel, where the file has lengths in its unit."""
        return voxel_size.of_metadata(self.metadata)

    def written(self) -> list[tuple[Column, float]]:
        """Its arrays: the columns, those of lengths also in voxels, and what the numbers of each are multiplied by."""
        return voxel_size.written(self.declared(), self.size)

    def array(self, column: Column) -> DenseArray:
        """The array of a column."""
        return DenseArray(self.path, (self.planes, self.shape[2], *column.components.shape), dense_type(column))

    def writers(self, place: tuple[str, dict[str, int]], later: bool = False) -> list[ImageWriter]:
        """One for each column, or for each of those that are filled later, in their order."""
        return [self._writer(column, place) for column in self.declared() if (column.name in self.later) == later]

    def _writer(self, column: Column, place: tuple[str, dict[str, int]]) -> ImageWriter:
        """That of a column, which fills all its arrays."""
        path, offsets = place
        writers = [
            (ImageWriter(self.array(one), (path, offsets[one.name])), factor)
            for one, factor in voxel_size.written([column], self.size)
        ]
        return writers[0][0] if len(writers) == 1 else ScaledWriter(writers)

    def key_in(self, path: str | Path) -> str | None:
        """Key of the run that made a file."""
        return key_in_hdf(path)

    def lay_out(self, path: Path) -> dict[str, int]:
        """Lay out an empty file; returns where its arrays begin, by column, and its statuses."""
        with GatheredFile(path) as out:
            ours = out.file.create_group("hpcdvc")
            ours.attrs["schema_version"] = schema.SCHEMA_VERSION
            texts = {"schema": SCHEMA, "component_order": "xyz", "array_order": "zyx"}
            for name, text in {**texts, "kind": "image", "family": self.family.value}.items():
                put_text(ours, name, text)
            put_facts(ours, self.metadata)
            offsets = {"statuses": contiguous(ours, "statuses", (), np.dtype(f"S{STATUS_BYTES}"))}
            root = out.file.create_group("VTKHDF")
            root.attrs["Version"] = np.array([1, 0], "i8")
            vtkhdf.write_image(root, Grid((-0.5,) * 3, (1.0,) * 3, tuple(n + 1 for n in self.shape)), self._factor)
            offsets |= self._lay_out_arrays(root.create_group("CellData"))
            if self.extend:
                self.extend(out.file)
        return offsets

    def _lay_out_arrays(self, data: "h5py.Group") -> dict[str, int]:
        shown = {column.components is VECTOR: column.name for column in reversed(self.declared())}
        for what, name in shown.items():
            data.attrs["Vectors" if what else "Scalars"] = np.bytes_(name)
        offsets = {}
        for column, _ in self.written():
            shape = (*self.shape, *column.components.shape)
            offsets[column.name] = contiguous(data, column.name, shape, dense_type(column))
            explain(data[column.name], column, self.units.get(column.name))
        return offsets

    @property
    def _factor(self) -> float:
        return voxel_size.factor_of(self.size)

    def offsets_in(self, path: str) -> dict[str, int]:
        """Where the arrays and the statuses begin in a file that was laid out."""
        with opened(path) as stored:
            found = {name: stored.dataset(f"{CELLS}/{name}") for name in self._names}
            return {
                "statuses": stored.find("hpcdvc/statuses").id.get_offset(),
                **{name: dataset.id.get_offset() for name, dataset in found.items()},
            }

    @property
    def _names(self) -> list[str]:
        return [column.name for column, _ in self.written()]

    def settle(self, path: str) -> None:
        """Note how the pixels ended and give the file, which is at `path` until then, its final name, on one rank."""
        if path != self.path:
            with files.write_errors(self.path):
                self._write_statuses(path)
        super().settle(path)

    def _write_statuses(self, path: str) -> None:
        offsets = self.offsets_in(path)
        statuses = np.memmap(path, np.int32, "r", offsets["returnStatus"], (math.prod(self.shape),))
        counts: dict[int, int] = {}
        for start in range(0, len(statuses), PIXELS):
            for status, count in status_counts(statuses[start : start + PIXELS]).items():
                counts[status] = counts.get(status, 0) + count
        text = json.dumps(explain_counts(counts, self.advice, self.family)).encode().ljust(STATUS_BYTES, b"\0")
        descriptor = files.open_alone(path, os.O_RDWR)
        try:
            os.pwrite(descriptor, text, offsets["statuses"])
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def view_paths(self) -> list[str]:
        """Its pictures, and the text."""
        pictures = picture_names(self.columns) if "tif" in self.views else []
        return [f"{self.stem}-{name}.tif" for name in pictures] + [f"{self.stem}.xdmf"] * ("vtk" in self.views)

    def write_views(self) -> None:
        """Make the pictures and the text from the file (one rank)."""
        if "tif" in self.views:
            write_pictures(self.stem, self.path, self.columns, self.turned)
        if "vtk" in self.views:
            places = [(column, f"{CELLS}/{column.name}") for column, _ in self.written()]
            write_xdmf(f"{self.stem}.xdmf", self.path, self.shape, places, self._factor)

    def counts(self) -> dict[str, int]:
        """How many pixels there are, without a specimen, and measured, from the file (one rank)."""
        return point_counts(self._statuses(), self.family)

    def summary(self) -> str | None:
        """How the pixels ended, from the file, as a table (one rank)."""
        return status_table(self._statuses())

    def _statuses(self) -> dict[str, dict]:
        from hpcdvc.output.reader import read_statuses

        return read_statuses(self.path)[0]


def dense_type(column: Column) -> np.dtype:
    """Type of a column in a dense result: floating point has 32 bits."""
    dtype = np.dtype(column.dtype)
    return np.dtype("f4") if dtype.kind == "f" else dtype


def _pixel_bytes(column: Column) -> int:
    return dense_type(column).itemsize * math.prod(column.components.shape)


def _declared(names: Iterable[str]) -> list[Column]:
    known = {column.name: column for column in columns_of("image")}
    return [known[name] for name in names]


def picture_names(names: Iterable[str]) -> list[str]:
    """Ends of the names of the pictures of some columns."""
    return [name for column in _declared(names) for name, _ in pictures_of(column)]


def pictures_of(column: Column) -> list[tuple[str, int | None]]:
    """Names of the pictures of a column, and the component in the file that each shows; images have no z."""
    if column.components is VECTOR:
        return [(name, "xyz".index(name[0].lower())) for name in column.tif[1:]]
    return [((column.tif or (column.name,))[0], None)]


def write_pictures(stem: str | Path, path: str | Path, names: Iterable[str], turned: bool = False) -> list[Path]:
    """Write `<stem>-<name>.tif`, float32, for each picture of the columns of a dense result; a page a projection.

    Parameters
    ----------
    stem : folder and beginning of the names
    path : the result
    names : of the columns
    turned : the displacement the other way round

    Raises
    ------
    RunError : no space left, or a file cannot be written
    """
    paths = []
    with opened(path) as stored:
        for column in _declared(names):
            place = place_of(stored, column.name) or f"{CELLS}/{column.name}"
            dataset = stored.dataset(voxel_size.in_voxels(stored, place))
            sign = -1 if turned and column.name == "displacement" else 1
            for name, component in pictures_of(column):
                paths.append(Path(f"{stem}-{name}.tif"))
                tiff.write_pages(paths[-1], dataset.shape[:3], _pages(dataset, component, sign))
    return paths


def place_of(stored: Stored, name: str) -> str | None:
    """Where a column stands in an open file; None where it does not. Grey values of a volume are those of points."""
    places = (f"{CELLS}/{name}", f"VTKHDF/PointData/{name}")
    return next((place for place in places if stored.find(place) is not None), None)


def _pages(dataset: "h5py.Dataset", component: int | None, sign: int) -> Iterator[np.ndarray]:
    for p in range(dataset.shape[0]):
        page = dataset[p] if component is None else dataset[p, ..., component]
        yield sign * page.astype(np.float32)
