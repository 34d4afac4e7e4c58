"""The files of one measured field: the HDF5 file, the views beside it, and a record of the run."""

import json
import os
import platform
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from hpcdvc import __version__
from hpcdvc.errors import UserError
from hpcdvc.field import ROW, Grid
from hpcdvc.kernels.registration import instruction_set
from hpcdvc.output import files, hdf5, tiff, tsv, vtk

#: Bytes per point: shards and the HDF5 file hold about one ROW and a half each, a line of text 300.
BYTES_PER_POINT = {"hdf": 4 * ROW.itemsize, "tsv": 300, "vtk": 120, "tif": 28}


def estimate_bytes(points: int, views: tuple[str, ...]) -> int:
    """Disk space that a result takes while it is made: shards, HDF5 file, views."""
    return points * (BYTES_PER_POINT["hdf"] + sum(BYTES_PER_POINT[view] for view in views))


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

    def check(self, points: int, key: str, force: bool, resume: bool) -> bool:
        """Find out, before anything is computed, whether the files can be written.

        Returns
        -------
        bool
            True if the HDF5 file is there already, whole and from the same parameters (only with `resume`).

        Raises
        ------
        UserError
            The folder cannot be made or written, the disk is too small, or the result exists.
        """
        _check_folder(Path(self.stem).parent)
        if os.path.exists(self.path) and not force:
            if not resume:
                raise UserError(
                    f"{self.path} exists: --force overwrites it, --resume completes it, -pre or -od give another name"
                )
            if hdf5.read_metadata(self.path).get("key") != key:
                raise UserError(f"{self.path} was made with other parameters or images: --force overwrites it")
            return True
        need = estimate_bytes(points, self.views)
        free = shutil.disk_usage(Path(self.stem).parent).free
        if need > free:
            raise UserError(
                f"no space for {self.path}: {points} points need {need / 1e6:.1f} MB, {free / 1e6:.1f} MB are free"
            )
        return False

    def write(self, rows: np.ndarray, start: int, grid: Grid, metadata: dict, team, transport: str) -> None:
        """Write the HDF5 file. Collective; see `hpcdvc.output.hdf5.write_field`."""
        hdf5.write_field(self.path, rows, start, grid, metadata, team, transport)

    def write_views(self, half_window_size: tuple[int, int, int]) -> list[str]:
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
        """Write `<stem>.run.json` (one rank): what may differ between two runs of the same result.

        Times, ranks and machine stand here and not in the HDF5 file, which is the same for any number of ranks.
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
        with files.whole_file(f"{self.stem}.run.json", len(text)) as temporary:
            temporary.write_text(text + "\n")


def _check_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"hpcdvc")
            file.flush()
    except OSError as error:
        raise UserError(f"the output folder {folder} cannot be written: {error.strerror}") from error
