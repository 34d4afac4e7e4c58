"""The files of one measured field: the HDF5 file, the views beside it, and a record of the run."""

import errno
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from hpcdvc import __version__
from hpcdvc.errors import UserError
from hpcdvc.fields.field import ROW
from hpcdvc.fields.grid import Grid
from hpcdvc.kernels.registration import instruction_set
from hpcdvc.output import files, hdf5, tiff, tsv, vtk

#: Bytes per point: shards and the HDF5 file hold about one ROW and a half each, a line of text 300.
BYTES_PER_POINT = {"hdf": 4 * ROW.itemsize, "tsv": 300, "vtk": 120, "tif": 28}


def estimate_bytes(points: int, views: tuple[str, ...]) -> int:
    """Disk space that a result takes while it is made: shards, HDF5 file, views."""
    return points * (BYTES_PER_POINT["hdf"] + sum(BYTES_PER_POINT[view] for view in views)) + hdf5.OVERHEAD


def stem_of(folder: str | None, name: str, suffix: str, im1: str) -> str:
    """Path of a result without its extension: in `folder`, by default that of im1."""
    return os.path.join(os.path.dirname(os.path.normpath(im1)) if folder is None else folder, f"{name}-{suffix}")


@dataclass(frozen=True)
class Result:
    """Where a field goes.

    Attributes
    ----------
    stem : path without extension
    views : which of "tsv", "vtk", "tif" are written beside the .hdf file
    """

    stem: str
    views: tuple[str, ...]

    @property
    def path(self) -> str:
        """The HDF5 file."""
        return f"{self.stem}.hdf"

    def check(self, key: str, force: bool, resume: bool) -> bool:
        """Find out, before anything is computed, whether the files are wanted.

        Parameters
        ----------
        key : of the parameters of this run
        force : overwrite what is there
        resume : complete what is there; with `force`, only where it is of this run

        Returns
        -------
        bool
            True if the HDF5 file is there already, whole and from the same parameters (only with `resume`).

        Raises
        ------
        UserError
            There are such files already, and they are not to be overwritten or completed.
        """
        if is_finished(self.path, lambda: hdf5.read_metadata(self.path).get("key") == key, force, resume):
            return True
        for path in () if force else self._view_paths():
            if os.path.exists(path):
                raise UserError(f"{path} exists: --force overwrites it, -pre or -od give another name")
        return False

    def _view_paths(self) -> list[str]:
        paths = [f"{self.stem}.{view}" for view in self.views if view != "tif"]
        return paths + [f"{self.stem}-{name}.tif" for name in tiff.LOCAL if "tif" in self.views]

    def write(
        self,
        rows: np.ndarray,
        start: int,
        grid: Grid | None,
        metadata: dict,
        team,
        transport: str,
        positions: np.ndarray | None = None,
    ) -> None:
        """Write the HDF5 file. Collective; see `hpcdvc.output.hdf5.write_field`."""
        hdf5.write_field(self.path, rows, start, grid, metadata, team, transport, positions)

    def write_views(self, half_window_size: tuple[int, int, int] = (0, 0, 0)) -> list[str]:
        """Write what was asked for beside the HDF5 file, from that file (one rank); returns the paths."""
        if not self.views:
            return []
        field = hdf5.read_field(self.path)
        paths = []
        if "tsv" in self.views:
            paths.append(f"{self.stem}.tsv")
            tsv.write_tsv(paths[-1], field)
        if "vtk" in self.views:
            paths.append(f"{self.stem}.vtk")
            vtk.write_vtk(paths[-1], field, half_window_size)
        if "tif" in self.views:
            paths += map(str, tiff.write_tiffs(self.stem, field))
        return paths

    def write_record(self, record: dict, team) -> None:
        """Write `<stem>.run.json`; see `write_record`."""
        write_record(self.stem, record, team)


def is_finished(path: str, is_ours: Callable[[], bool], force: bool, resume: bool) -> bool:
    """Whether a result is there already, whole and from the parameters of this run (only with `resume`).

    Parameters
    ----------
    path : the result
    is_ours : whether the file at `path` is of this run; UserError if it is no file of hpcdvc
    force : overwrite what is there
    resume : complete what is there; with `force`, only where it is of this run

    Raises
    ------
    UserError
        There is such a file already, and it is not to be overwritten or completed.
    """
    if not os.path.exists(path):
        return False
    if not resume and not force:
        raise UserError(f"{path} exists: --force overwrites it, --resume completes it, -pre or -od give another name")
    try:
        if resume and is_ours():
            return True
    except UserError:
        if not force:
            raise
    if not force:
        raise UserError(f"{path} was made with other parameters or images: --force overwrites it")
    return False


def check_inputs_stay(results: list[str], inputs: list[str | None]) -> None:
    """Make sure that no result takes the place of a file that it is made from.

    Raises
    ------
    UserError
        One would.
    """
    for result in filter(os.path.exists, results):
        for path in filter(None, inputs):
            if os.path.samefile(path, result):
                raise UserError(f"the result would replace {path}, from which it is made: give it another -pre or -od")


def write_record(stem: str, record: dict, team) -> None:
    """Write `<stem>.run.json` (one rank): what may differ between two runs of the same result.

    Times, ranks and machine stand here and not in the result, which is the same for any number of ranks.
    """
    facts = {
        "argv": sys.argv,
        "hpcdvc": __version__,
        "host": platform.node(),
        "ranks": team.size,
        "nodes": team.node_count,
        "mpi": team.library(),
        "hdf5": h5py.version.hdf5_version,
        "instruction_set": instruction_set(),
        "written": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    text = json.dumps({**facts, **record}, indent=1)
    with files.whole_file(f"{stem}.run.json", len(text)) as temporary:
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
