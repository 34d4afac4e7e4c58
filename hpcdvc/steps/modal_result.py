"""The files of a registration across modalities: the HDF5 file, and tables, pictures and phases made from it."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hpcdvc.output import files, modal_pictures, schema, voxel_size, vtkhdf
from hpcdvc.output.columns import columns_of
from hpcdvc.output.contents import explain
from hpcdvc.output.dense import CELLS, SCHEMA, DenseArray
from hpcdvc.output.modal import ModalLevels
from hpcdvc.output.slab_file import ImageWriter, SlabFile, contiguous, key_in_hdf, put_facts
from hpcdvc.output.stored import Stored, opened
from hpcdvc.output.transports import GatheredFile, put_text
from hpcdvc.output.tsv import write_tsv
from hpcdvc.output.xdmf import write_xdmf

if TYPE_CHECKING:
    import h5py

#: Arrays with a value for each voxel, and bytes of each.
ARRAYS = {"phase_map": np.dtype("u1"), "residual": np.dtype("<f4")}
#: Bytes of the HDF5 file without them, and of each thing beside it.
OVERHEAD, PICTURE = 2**24, 2**20
PICTURES = ("histogram", "phases", "checkerboard")
#: What the pictures show, in the file.
MIXTURE = "hpcdvc/mixture"
SLICES = "hpcdvc/slices"


@dataclass(frozen=True)
class ModalFile(SlabFile):
    """The files of one registration across modalities.

    Attributes
    ----------
    stem : path without extension
    table : beginning of the paths of the tables, of which there is one for each level
    shape : (nz, ny, nx) of im1
    metadata : what to remember, anything JSON can hold; "key" tells this run from others
    binnings : of the levels, coarse to fine
    names : of the images
    extend : adds to the file when it is laid out
    """

    stem: str
    table: str
    shape: tuple[int, int, int]
    metadata: dict
    binnings: tuple[int, ...]
    names: tuple[str, str]
    extend: Callable[["h5py.File"], None] | None = None

    @property
    def path(self) -> str:
        """The HDF5 file."""
        return f"{self.stem}.hdf"

    @property
    def planes(self) -> int:
        """How many there are."""
        return self.shape[0]

    @property
    def file_bytes(self) -> int:
        """Disk space that all files take."""
        voxel = sum(dtype.itemsize for dtype in ARRAYS.values())
        return math.prod(self.shape) * voxel + OVERHEAD + PICTURE * len(PICTURES)

    def writers(self, place: tuple[str, dict[str, int]]) -> list[ImageWriter]:
        """Of the phase map and of the residual."""
        path, offsets = place
        return [
            ImageWriter(DenseArray(self.path, self.shape, dtype), (path, offsets[name]))
            for name, dtype in ARRAYS.items()
        ]

    def key_in(self, path: str | Path) -> str | None:
        """Key of the run that made a file."""
        return key_in_hdf(path)

    def with_contents(self, extend: Callable[["h5py.File"], None]) -> "ModalFile":
        """The same, with what is put into it beside the planes."""
        return replace(self, extend=extend)

    def begun(self) -> None:
        """Planes are made in a moment: none of an earlier run are gone on with."""

    def remembered(self) -> dict:
        """What the record of the run that made it can say after that run."""
        return {"end": stored_end(self.path)}

    def lay_out(self, path: Path) -> dict[str, int]:
        """Lay out a file with all but the planes; returns where these begin."""
        with GatheredFile(path) as out:
            ours = out.file.create_group("hpcdvc")
            ours.attrs["schema_version"] = schema.SCHEMA_VERSION
            texts = {"schema": SCHEMA, "component_order": "xyz", "array_order": "zyx"}
            for name, text in {**texts, "kind": "image", "family": "registration"}.items():
                put_text(ours, name, text)
            put_facts(ours, self.metadata)
            root = out.file.create_group("VTKHDF")
            root.attrs["Version"] = np.array([1, 0], "i8")
            data = vtkhdf.write_voxels(root, self.shape, "phase_map", factor=self._factor)
            declared = {column.name: column for column in columns_of("image")}
            offsets = {name: contiguous(data, name, self.shape, dtype) for name, dtype in ARRAYS.items()}
            for name in ARRAYS:
                explain(data[name], declared[name], "standard deviation" if name == "residual" else None)
            if self.extend:
                self.extend(out.file)
        return offsets

    @property
    def _factor(self) -> float:
        return voxel_size.factor_of(voxel_size.of_metadata(self.metadata))

    def view_paths(self) -> list[str]:
        """Files beside it."""
        tables = [f"{self.table}-PhiMMR-bin{binning}.tsv" for binning in self.binnings]
        ends = [*(f"-{name}.png" for name in PICTURES), "-phases.json", *([".xdmf"] if self.shape[0] == 1 else [])]
        return tables + [f"{self.stem}{end}" for end in ends]

    def write_views(self) -> None:
        """Write what stands beside the HDF5 file, from that file (one rank)."""
        with opened(self.path) as stored:
            levels = ModalLevels.stored(stored)
            for number, binning in enumerate(self.binnings):
                write_tsv(f"{self.table}-PhiMMR-bin{binning}.tsv", levels.field(number))
            phases = stored.text("hpcdvc", "phases")
            figures = figures_of(stored, self.names)
        path = f"{self.stem}-phases.json"
        with files.whole_file(path, len(phases)) as temporary, files.fill(temporary, encoding="utf-8") as file:
            file.write(phases)
        for name, figure in figures.items():
            modal_pictures.save(figure, f"{self.stem}-{name}.png")
        if self.shape[0] == 1:  # ParaView 5.11 does not read the cells of VTKHDF images
            places = [(column, f"{CELLS}/{column.name}") for column in columns_of("image") if column.name in ARRAYS]
            write_xdmf(f"{self.stem}.xdmf", self.path, self.shape, places, self._factor)


def stored_end(path: str) -> dict:
    """How a registration ended, from its file (one rank)."""
    with opened(path) as stored:
        return stored.json("hpcdvc", "end")


def put_result(
    file: "h5py.File",
    levels: ModalLevels,
    history: dict[str, np.ndarray],
    mixture: dict[str, np.ndarray],
    slices: dict[str, np.ndarray],
    phases: str,
    end: dict,
) -> None:
    """Put all but the planes into a file.

    Parameters
    ----------
    file : open
    levels : what each of them has come to
    history : of all iterations, by name
    mixture : of the last level: `histogram`, `diagram`, `weights`, `means`, `covariances`, and `ranges` of grey values
    slices : for pictures, by axis
    phases : as a file of phases
    end : how it ended, to be remembered (JSON-able)
    """
    ours = file["hpcdvc"]
    put_text(ours, "end", json.dumps(end))
    put_text(ours, "phases", phases)
    levels.write(file)
    result = {"Phi": levels.Phi[-1], "Phi_std": levels.Phi_std[-1], "centre": levels.position[-1]}
    for name, value in result.items():
        ours.create_dataset(name, data=value, track_times=False)
    for place, arrays in (("history", history), ("mixture", mixture), ("slices", slices)):
        group = ours.create_group(place)
        for name, values in arrays.items():
            group.create_dataset(name, data=values, track_times=False)


def figures_of(stored: Stored, names: tuple[str, str]) -> dict:
    """The pictures, by the ends of their names."""
    names = tuple(name.replace("$", r"\$") for name in names)  # else matplotlib takes a part of them for a formula
    histogram = stored.array(f"{MIXTURE}/histogram", (None, None))
    bins = len(histogram)
    diagram, means = (
        stored.array(f"{MIXTURE}/{name}", shape)
        for name, shape in {"diagram": (bins, bins), "means": (None, 2)}.items()
    )
    covariances = stored.array(f"{MIXTURE}/covariances", (len(means), 2, 2))
    ranges = stored.array(f"{MIXTURE}/ranges", (2, 2))
    half = (ranges[:, 1] - ranges[:, 0]) / (bins - 1) / 2  # the first and the last bin are centred on the ends
    extent = tuple(np.stack([ranges[:, 0] - half, ranges[:, 1] + half], axis=1).ravel())
    n_phases = int(stored.array(f"{MIXTURE}/n_phases", ()))
    slices = {
        name: stored.array(f"{SLICES}/{name}", (3, None, None))
        for name in "zyx"
        if stored.find(f"{SLICES}/{name}") is not None
    }
    group = "PointData" if stored.find("VTKHDF/CellData") is None else "CellData"
    shape = stored.dataset(f"VTKHDF/{group}/phase_map", (None, None, None)).shape
    return {
        "histogram": modal_pictures.histogram_figure(histogram, means, covariances, n_phases, extent, names),
        "phases": modal_pictures.phases_figure(diagram, histogram, n_phases, extent, names),
        "checkerboard": modal_pictures.checkerboard_figure(slices, names, shape),
    }


def write_planes(file: ModalFile, make: Callable[[int, int], tuple[np.ndarray, ...]], depth: int, team) -> None:
    """Lay out the file and fill its planes, by all ranks. Collective.

    Parameters
    ----------
    file : with all that is put into it besides
    make : gives planes [first, last) of each array
    depth : planes at a time
    team : hpcdvc.ranks.team.Team

    Raises
    ------
    RunError
        On every rank: the disk does not take it.
    """
    place = team.agree(file.create)
    team.agree_all(lambda: _fill(file, place, make, depth, team))
    team.agree(lambda: file.settle(place[0]))


def _fill(file: ModalFile, place: tuple, make: Callable, depth: int, team) -> None:
    writers = file.writers(place)
    slabs = -(-file.planes // depth)
    for slab in range(*team.spans(slabs)):
        first, last = slab * depth, min((slab + 1) * depth, file.planes)
        for writer, planes in zip(writers, make(first, last), strict=True):
            for z, plane in zip(range(first, last), planes, strict=True):
                writer.write(z, plane)
    for writer in writers:
        writer.close()
