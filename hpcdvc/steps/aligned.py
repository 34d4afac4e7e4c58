"""The files of an alignment: the HDF5 file, and tables, geometry, pictures and stacks that are made from it."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hpcdvc.output import files, schema, voxel_size, vtkhdf
from hpcdvc.output.columns import columns_of
from hpcdvc.output.contents import explain
from hpcdvc.output.dense import SCHEMA, DenseArray
from hpcdvc.output.nxtomo import write_nxtomo
from hpcdvc.output.sinogram import draw_alignment
from hpcdvc.output.slab_file import ImageWriter, contiguous, key_in_hdf, put_facts
from hpcdvc.output.stored import opened
from hpcdvc.output.tiff import write_pages
from hpcdvc.output.transports import GatheredFile, put_text
from hpcdvc.tomography.aligned import aligned_frame
from hpcdvc.tomography.geo import write_geo
from hpcdvc.tomography.geometry import Geometry
from hpcdvc.tomography.settings import Alignment

if TYPE_CHECKING:
    import h5py

#: Bytes of the HDF5 file without its arrays, of a picture, and of a line of a table.
OVERHEAD, PICTURE, LINE = 2**20, 2**20, 200
FLOAT = np.dtype("<f4")
#: What the history has of each iteration beside the offsets.
FACTS = {"iteration": "i4", "stage": "i4", "step": "i4", "change": "f8", "residual": "f8"}
OFFSETS = ("view", "inner_angle", "outer_angle", "j_offset", "k_offset", "j_offset_free", "k_offset_free")


@dataclass(frozen=True, eq=False)
class AlignedFile:
    """The files of one alignment.

    Attributes
    ----------
    stem : path without extension
    metadata : what to remember, anything JSON can hold; "key" tells this run from others
    geometry, detector : of the scan
    iterations : how many there will be at most
    geo : path of the geometry; None: <stem>.geo
    stack : "tif" or "nxtomo": the aligned views are written as well
    absorbances : the views are such
    graph : pictures are drawn
    """

    stem: str
    metadata: dict
    geometry: Geometry
    detector: dict[str, list]
    iterations: int
    geo: str | None = None
    stack: str | None = None
    absorbances: bool = True
    graph: bool = True

    @property
    def path(self) -> str:
        """The HDF5 file."""
        return f"{self.stem}.hdf"

    @property
    def shapes(self) -> dict[str, tuple[int, int, int]]:
        """Of the arrays in the file: the volume ZYX, and views, each of rows k and columns j."""
        views = (self.geometry.views, *self.geometry.shape[::-1])
        return {"reconstruction": self.geometry.volume[::-1], "projections": views, "reference": views}

    @property
    def file_bytes(self) -> int:
        """Disk space that all files take, and the shards."""
        views = self.geometry.views
        arrays = 4 * sum(map(math.prod, self.shapes.values()))
        stack = 4 * math.prod(self.shapes["reference"]) * (self.stack is not None)
        tables = LINE * (2 * views + self.iterations) + PICTURE * self.graph
        return arrays + stack + tables + 2 * (self.iterations + 1) * (16 * views + 600) + OVERHEAD

    def is_ours(self) -> bool:
        """Whether the file was made by a run with this key; UserError if it is none of hpcdvc."""
        return key_in_hdf(self.path) == self.metadata["key"]

    def stored(self) -> dict:
        """What the file says of what it was made from."""
        with opened(self.path) as stored:
            found = {name: stored.json("hpcdvc", name) for name in self.metadata}
        return {name: value for name, value in found.items() if value is not None}

    def begun(self) -> bool:
        """Whether an earlier run has reserved its disk space."""
        return False

    def remembered(self) -> dict:
        """What the record of the run that made it can say after that run."""
        return self.stored_end()

    def stored_end(self) -> dict:
        """How the alignment ended, from the file (one rank)."""
        with opened(self.path) as stored:
            return {"end": stored.json("hpcdvc", "end")}

    def view_paths(self) -> list[str]:
        """Files beside it."""
        paths = [f"{self.stem}.tsv", f"{self.stem}-history.tsv", self.geo or f"{self.stem}.geo"]
        ends = {None: [], "tif": ["-aligned.tif"], "nxtomo": ["-aligned.nxs"]}[self.stack]
        return paths + [f"{self.stem}{end}" for end in ends + ["-sinogram.png"] * self.graph]

    def write(self, found: Alignment, end: dict) -> None:
        """Write the HDF5 file, on the rank that has the arrays.

        Parameters
        ----------
        found : what has come out
        end : how it ended, to be remembered (JSON-able)

        Raises
        ------
        RunError
            The disk does not take it.
        """
        arrays = {
            "reconstruction": found.reconstruction.transpose(2, 1, 0),
            "projections": found.projections.transpose(0, 2, 1),
            "reference": found.reference.transpose(0, 2, 1),
        }
        with files.whole_file(self.path, self.file_bytes) as temporary:
            offsets = self._lay_out(temporary, found, end)
            for name, array in arrays.items():
                writer = ImageWriter(DenseArray(self.path, array.shape, FLOAT), (str(temporary), offsets[name]))
                for number, plane in enumerate(array):
                    writer.write(number, plane)
                writer.close()

    def _lay_out(self, path: Path, found: Alignment, end: dict) -> dict[str, int]:
        """Write all but the planes of the large arrays; returns where these begin."""
        with GatheredFile(path) as out:
            ours = out.file.create_group("hpcdvc")
            ours.attrs["schema_version"] = schema.SCHEMA_VERSION
            texts = {"schema": SCHEMA, "kind": "image", "component_order": "xyz", "array_order": "zyx"}
            for name, text in {**texts, "end": json.dumps(end)}.items():
                put_text(ours, name, text)
            put_facts(ours, self.metadata)
            root = out.file.create_group("VTKHDF")
            root.attrs["Version"] = np.array([1, 0], "i8")
            shapes, factor = self.shapes, voxel_size.factor_of(voxel_size.of_metadata(self.metadata))
            offsets = {"reconstruction": _lay_out_volume(root, shapes["reconstruction"], factor)}
            for name in ("projections", "reference"):
                offsets[name] = contiguous(ours, name, shapes[name], FLOAT)
            history = ours.create_group("history")
            states = found.history
            tables = {name: np.array([getattr(state, name) for state in states], kind) for name, kind in FACTS.items()}
            tables["offsets"] = np.array([state.offsets for state in states])
            for name, values in tables.items():
                history.create_dataset(name, data=values, track_times=False)
            each = {"returnStatus": found.statuses, "residual": found.residuals, "likeness": found.likeness}
            views = ours.create_group("views")
            for name, values in each.items():
                views.create_dataset(name, data=values, track_times=False)
            angles = np.degrees(np.stack([self.geometry.inner, self.geometry.outer], axis=1))
            ours.create_dataset("angles", data=angles, track_times=False)
            ours.create_dataset("offsets_free", data=found.free, track_times=False)
        return offsets

    def write_views(self) -> None:
        """Write what stands beside the HDF5 file, from that file (one rank)."""
        with opened(self.path) as stored:
            offsets = stored.array("hpcdvc/history/offsets", (None, 2, self.geometry.views))
            angles = stored.array("hpcdvc/angles", (self.geometry.views, 2))
            free = stored.array("hpcdvc/offsets_free", (2, self.geometry.views))
            facts = [stored.array(f"hpcdvc/history/{name}", (len(offsets),)) for name in FACTS]
            views = np.arange(self.geometry.views)
            write_table(f"{self.stem}.tsv", OFFSETS, [views, *angles.T, *offsets[-1], *free])
            write_table(f"{self.stem}-history.tsv", tuple(FACTS), facts)
            write_geo(self.geo or f"{self.stem}.geo", self.geometry, *offsets[-1], self.detector)
            reference = stored.dataset("hpcdvc/reference", self.shapes["reference"])
            if self.graph:
                changes = dict(zip(FACTS, facts, strict=True))["change"]
                draw_alignment(f"{self.stem}-sinogram.png", reference, offsets, changes, angles[:, 0])
            frames = shifted(reference, offsets[-1])
            if self.stack == "tif":
                write_pages(f"{self.stem}-aligned.tif", reference.shape, frames)
            elif self.stack == "nxtomo":
                turns = np.degrees(self.geometry.turns)
                write_nxtomo(f"{self.stem}-aligned.nxs", reference.shape, frames, turns, self.absorbances)

    def summary(self) -> str | None:
        """Nothing to be said that the work has not said."""
        return None


def _lay_out_volume(root: "h5py.Group", shape: tuple[int, int, int], factor: float) -> int:
    data = vtkhdf.write_voxels(root, shape, "reconstruction", factor=factor)
    data.attrs["signal"] = np.bytes_("reconstruction")
    root.file.attrs["default"] = np.bytes_(data.name.strip("/"))  # where other commands look for an image
    offset = contiguous(data, "reconstruction", shape, FLOAT)
    (column,) = [column for column in columns_of("image") if column.name == "reconstruction"]
    explain(data["reconstruction"], column)
    return offset


def write_table(path: str, names: tuple[str, ...], columns: list[np.ndarray]) -> None:
    """Write columns as tab-separated text, whole numbers as such and others so that they are read back the same."""
    formats = ["%d" if column.dtype.kind in "iu" else "%.12g" for column in columns]
    size = sum(len(column) for column in columns) * 20
    with files.whole_file(path, size) as temporary, files.fill(temporary, encoding="utf-8") as file:
        file.write("\t".join(names) + "\n")
        files.write_table(file, columns, formats, "\t")


def shifted(reference: "h5py.Dataset", offsets: np.ndarray) -> Iterator[np.ndarray]:
    """Frames (rows k, columns j) of views as they would be without their offsets (2, n), of j and k."""
    for view, (j, k) in enumerate(offsets.T):
        values = reference[view].T
        yield aligned_frame(values, np.ones_like(values), j, k)
