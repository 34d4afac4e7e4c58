"""The files of one measured field: the HDF5 file, the views beside it, and a record of the run."""

import json
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.field import ROW, Grid
from hpcdvc.output import files, hdf5, tiff, tsv, vtk

#: Bytes per point: shards and the HDF5 file hold about one ROW and a half each, a line of text 300.
BYTES_PER_POINT = {"hdf": 4 * ROW.itemsize, "tsv": 300, "vtk": 120, "tif": 28}


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
        need = points * (BYTES_PER_POINT["hdf"] + sum(BYTES_PER_POINT[view] for view in self.views))
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

    def write_record(self, record: dict) -> None:
        """Write `<stem>.run.json`: what may differ between two runs with the same result (times, ranks, machine)."""
        text = json.dumps({**record, "written": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}, indent=1)
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
