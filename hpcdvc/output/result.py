"""The files of one measured field: the HDF5 file, the views beside it, and a record of the run."""

import errno
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hpcdvc import __version__, kernels
from hpcdvc.errors import UserError
from hpcdvc.fields.field import ROW
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.status import Family, point_counts, status_table
from hpcdvc.output import files

#: View -> end of the name of its file.
END_OF_VIEW = {"tsv": ".tsv", "vtk": ".vtk", "graph": "-iterations.png", "journal": "-iterations.npy"}
#: Bytes per point: a line of text has 300.
BYTES_PER_POINT = {"tsv": 300, "vtk": 120, "tif": 28, "graph": 2**20, "journal": 2**17}


def stem_of(folder: str | None, name: str, suffix: str, im1: str) -> str:
    """Path of a result without its extension: in `folder`, by default that of im1."""
    return os.path.join(os.path.dirname(os.path.normpath(im1)) if folder is None else folder, f"{name}-{suffix}")


@dataclass(frozen=True)
class FieldFile:
    """A field to be written: an HDF5 file, and the views that are made from it.

    Attributes
    ----------
    stem : path without extension
    points : how many there are
    metadata : what to remember, anything JSON can hold; "key" tells this run from others
    views : which of "tsv", "vtk", "tif", and of a registration "graph" and "journal", are written beside the .hdf file
    half_window_size : of the windows, ZYX, voxels; 0 along z says that the images are 2-D
    transport : "gather" or "parallel", see `hpcdvc.output.transports`
    advice : what to try, by status, which the file stores with the reasons
    dtype : of the rows: ROW, or from hpcdvc.fields.field.row_with, whose further columns are declared in
        hpcdvc.output.columns
    family : what the field is made by: it decides which rows are measured
    """

    stem: str
    points: int
    metadata: dict
    views: tuple[str, ...] = ("tsv",)
    half_window_size: tuple[int, int, int] = (0, 0, 0)
    transport: str = "gather"
    advice: Mapping[int, str] = field(default_factory=dict)
    dtype: np.dtype = field(default_factory=lambda: ROW)
    family: Family = Family.REGISTRATION

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that a row holds beside those of every row."""
        return tuple(name for name in self.dtype.names if name not in ROW.names)

    @property
    def path(self) -> str:
        """The HDF5 file."""
        return f"{self.stem}.hdf"

    @property
    def file_bytes(self) -> int:
        """Disk space that it takes while it is made: shards, HDF5 file, views."""
        from hpcdvc.output.hdf5 import OVERHEAD

        # shards and HDF5 file hold a row or two each
        per_point = 4 * self.dtype.itemsize + sum(BYTES_PER_POINT[view] for view in self.views)
        return self.points * per_point + OVERHEAD

    def is_ours(self) -> bool:
        """Whether the file was made by a run with this key; UserError if it is none of hpcdvc."""
        from hpcdvc.output.hdf5 import read_metadata

        return read_metadata(self.path).get("key") == self.metadata["key"]

    def stored(self) -> dict:
        """What the file says of what it was made from."""
        from hpcdvc.output.hdf5 import read_metadata

        return read_metadata(self.path)

    def begun(self) -> bool:
        """Whether an earlier run has reserved its disk space."""
        return False

    def discard(self) -> None:
        """Delete what an unfinished run has left, on one rank."""
        files.temporary_name(self.path).unlink(missing_ok=True)

    def view_paths(self) -> list[str]:
        """Files beside it."""
        from hpcdvc.output.tiff import image_names

        paths = [f"{self.stem}{END_OF_VIEW[view]}" for view in self.views if view != "tif"]
        flat = self.half_window_size[0] == 0
        images = image_names(flat, self.columns) if "tif" in self.views else ()
        return paths + [f"{self.stem}-{name}.tif" for name in images]

    def write(
        self,
        rows: np.ndarray,
        grid: Grid | None,
        team,
        positions: np.ndarray | None = None,
        iterations: np.ndarray | None = None,
    ) -> None:
        """Write the HDF5 file from the rows that the ranks have. Collective.

        Parameters
        ----------
        rows : records of this rank, of `dtype`, in any order; together the ranks hold each index once
        grid : of the nodes, or None for free points
        team : hpcdvc.ranks.team.Team
        positions : (n, 3) ZYX, voxels, of the rows of this rank, where there is no grid
        iterations : records of how a registration came to its end, the same on all ranks
        """
        from hpcdvc.output.hdf5 import write_field

        spread = self.transport == "parallel"
        if grid is not None:
            rows, first = team.collect(rows, self.points, spread=spread)
        else:
            first = 0 if team.rank == 0 else self.points
        tables = {} if iterations is None else {"iterations": iterations}
        extra = {name: rows[name] for name in self.columns}
        how = {"positions": positions, "extra": extra, "tables": tables, "family": self.family, "advice": self.advice}
        write_field(self.path, rows, first, grid, self.metadata, team, self.transport, **how)

    def write_views(self) -> None:
        """Write what was asked for beside the HDF5 file, from that file (one rank)."""
        if not self.views:
            return
        from hpcdvc.output import hdf5, tiff, tsv, vtk

        field = hdf5.read_field(self.path)
        if {"graph", "journal"} & set(self.views):
            self.write_iterations(hdf5.read_table(self.path, "iterations"))
        if "tsv" in self.views:
            tsv.write_tsv(f"{self.stem}.tsv", field)
        if "vtk" in self.views:
            vtk.write_vtk(f"{self.stem}.vtk", field)
        if "tif" in self.views:
            tiff.write_tiffs(self.stem, field)

    def write_iterations(self, iterations: np.ndarray) -> None:
        """Draw and save, where asked for, how a registration came to its end (one rank)."""
        from hpcdvc.output import graph

        if "graph" in self.views:
            graph.draw_iterations(f"{self.stem}{END_OF_VIEW['graph']}", iterations)
        if "journal" in self.views:
            graph.save_iterations(f"{self.stem}{END_OF_VIEW['journal']}", iterations)

    def counts(self) -> dict[str, int]:
        """How many points there are, without a specimen, and measured, from the file (one rank)."""
        from hpcdvc.output.hdf5 import read_metadata

        return point_counts(read_metadata(self.path)["statuses"], self.family)

    def summary(self) -> str | None:
        """How the points ended, from the file, as a table (one rank); None for a single one."""
        from hpcdvc.output.hdf5 import read_metadata

        if self.points == 1:
            return None
        return status_table(read_metadata(self.path)["statuses"])


def is_finished(
    path: str, is_ours: Callable[[], bool], force: bool, resume: bool, changes: Callable[[], str] = str
) -> bool:
    """Whether a result is there already, whole and from the parameters of this run (only with `resume`).

    Parameters
    ----------
    path : the result
    is_ours : whether the file at `path` is of this run; UserError if it is no file of hpcdvc
    force : overwrite what is there
    resume : complete what is there; with `force`, only where it is of this run
    changes : parameters by which the file at `path` differs from this run, as text; "" where it does not say

    Raises
    ------
    UserError
        There is such a file already, and it is not to be overwritten or completed.
    """
    if not os.path.exists(path):
        return False
    if not resume and not force:
        raise UserError(f"{path} exists: --resume completes it, -pre or -od give another name, --force overwrites it")
    try:
        if resume and is_ours():
            return True
    except UserError:
        if not force:
            raise
    if not force:
        found = changes()
        raise UserError(
            f"{path} was made with other parameters or images{f' ({found})' * bool(found)}: "
            "-pre or -od give another name, --force overwrites it"
        )
    return False


def check_inputs_stay(results: list[str], inputs: list[str | None]) -> None:
    """Make sure that no result takes the place of a file that it is made from, or comes between slices.

    Raises
    ------
    UserError
        One would.
    """
    for folder in {os.path.dirname(result) or "." for result in results}:
        for path in filter(os.path.isdir, filter(None, inputs)):
            if os.path.isdir(folder) and os.path.samefile(path, folder):
                raise UserError(f"the results would come between the slices of {path}: give another -od")
    for result in filter(os.path.exists, results):
        for path in filter(None, inputs):
            if os.path.samefile(path, result):
                raise UserError(f"the result would replace {path}, from which it is made: give it another -pre or -od")


def record_path(stem: str) -> str:
    """File of the record of a run."""
    return f"{stem}.run.json"


def check_names(paths: Iterable[str]) -> None:
    """Make sure that the file system takes the names of files to be written, and those that they have until then.

    Raises
    ------
    UserError
        One is too long.
    """
    for path in paths:
        temporary = files.temporary_name(path)
        folder = next(str(folder) for folder in temporary.absolute().parents if os.path.exists(folder))
        length, most = len(os.fsencode(temporary.name)), os.pathconf(folder, "PC_NAME_MAX")
        if length > most:
            name = f"{temporary.name[:20]}...{temporary.name[-40:]}"
            raise UserError(
                f"the name of a result is too long, {name} has {length} bytes, {folder} takes {most}: "
                "give a shorter -pre, or rename the images"
            )


def read_record(stem: str) -> dict:
    """The record of the run that wrote `<stem>`; empty where there is none (one rank)."""
    try:
        with open(record_path(stem), encoding="utf-8") as file:
            record = json.load(file)
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def write_record(stem: str, record: dict, team) -> None:
    """Write `<stem>.run.json` (one rank): what may differ between two runs of the same result.

    Times, ranks and machine stand here and not in the result, which is the same for any number of ranks.
    """
    import h5py

    facts = {
        "argv": sys.argv,
        "hpcdvc": __version__,
        "host": platform.node(),
        "ranks": team.size,
        "nodes": team.node_count,
        "mpi": team.library(),
        "hdf5": h5py.version.hdf5_version,
        "instruction_set": kernels.selected(),
        "written": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    text = json.dumps({**facts, **record}, indent=1)
    with files.whole_file(record_path(stem), len(text)) as temporary:
        temporary.write_text(text + "\n")


def check_folder(folder: str | Path, need: int, make: bool = True) -> None:
    """Find out, before anything is computed, whether files can be written into a folder.

    Parameters
    ----------
    folder : made if needed
    need : bytes that will be written
    make : False changes nothing on the disk

    Raises
    ------
    UserError
        The folder cannot be made or written, or its disk is too small.
    """
    folder = Path(folder)
    try:
        if make:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"hpcdvc")
                file.flush()
        place = next(place for place in (folder, *folder.absolute().parents) if place.exists())
        if not place.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"{place} is not a folder")
        if not os.access(place, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "permission denied")
        free = shutil.disk_usage(place).free
    except OSError as error:
        raise UserError(f"the output folder {folder} cannot be written: {error.strerror}") from error
    if need > free:
        raise UserError(f"no space for the results in {folder}: {_size(need)} are needed, {_size(free)} are free")


def _size(number: int) -> str:
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.1f} MB"
