"""The files of one measured field: the HDF5 file, the views beside it, and a record of the run."""

import json
import platform
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from hpcdvc import __version__, kernels
from hpcdvc.errors import RunError
from hpcdvc.fields.field import ROW
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.status import Family, point_counts, status_table
from hpcdvc.output import files
from hpcdvc.output.voxel_size import of_metadata

#: View -> end of the name of its file.
END_OF_VIEW = {"tsv": ".tsv", "vtk": ".vtk", "graph": "-iterations.png", "journal": "-iterations.npy"}
#: Most characters of the record of a run that are read.
LONGEST_RECORD = 2**24
#: Bytes per point: a line of text has 300.
BYTES_PER_POINT = {"tsv": 300, "vtk": 120, "tif": 28, "graph": 2**20, "journal": 2**17}


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
    def spread(self) -> bool:
        """Whether each rank writes some of the rows; else rank 0 writes all."""
        return self.transport == "parallel"

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

        return read_metadata(self.path, "key").get("key") == self.metadata["key"]

    def stored(self) -> dict:
        """What the file says of what it was made from."""
        from hpcdvc.output.hdf5 import read_metadata

        return read_metadata(self.path, "key", "parameters", "provenance")

    def begun(self) -> bool:
        """Whether an earlier run has reserved its disk space."""
        return False

    def remembered(self) -> dict:
        """What the record of the run that made it can say after that run (one rank)."""
        return {"points": self.counts()}

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
        if grid is not None:
            rows, first = team.collect(rows, self.points, spread=self.spread)
        else:
            first = 0 if team.rank == 0 else self.points
        self.write_ordered(rows, first, grid, team, positions, iterations)

    def write_ordered(
        self,
        rows: np.ndarray,
        first: int,
        grid: Grid | None,
        team,
        positions: np.ndarray | None = None,
        iterations: np.ndarray | None = None,
    ) -> None:
        """The same of rows that stand in their order already, from number `first` on. Collective."""
        from hpcdvc.output.hdf5 import write_field

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
            vtk.write_vtk(f"{self.stem}.vtk", field, size=of_metadata(self.metadata))
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
        from hpcdvc.output.hdf5 import read_statuses

        return point_counts(read_statuses(self.path)[0], self.family)

    def summary(self) -> str | None:
        """How the points ended, from the file, as a table (one rank); None for a single one."""
        from hpcdvc.output.hdf5 import read_statuses

        if self.points == 1:
            return None
        return status_table(read_statuses(self.path)[0])


def judge_points(paths: list[str], nothing: str) -> None:
    """Make sure, on one rank, that something was measured in each of the results (.hdf) among some paths.

    Parameters
    ----------
    paths : of the files that a run has written
    nothing : how the sentence begins where nothing was, up to "with status"

    Raises
    ------
    RunError
        In one of them nothing was; the sentence says how most of its points ended. The files are kept.
    """
    from hpcdvc.output.hdf5 import read_statuses

    for path in (path for path in paths if path.endswith(".hdf")):
        statuses, family = read_statuses(path)
        if not point_counts(statuses, family)["measured"]:
            status, most = max(statuses.items(), key=lambda entry: entry[1]["count"])
            advice = f"; try: {most['advice']}" * bool(most["advice"])
            raise RunError(f"{path}: {nothing} with status {status} ({most['reason']}){advice}")


def judge_filled(paths: list[str], nothing: str) -> None:
    """Make sure, on one rank, that a voxel has a value in each of the images among some paths, by the records of their
    runs.

    Parameters
    ----------
    paths : of the files that a run has written
    nothing : the sentence where none has

    Raises
    ------
    RunError
        In one of them none has. The files are kept.
    """
    for path in paths:
        if not read_record(path.rpartition(".")[0]).get("voxels", 1):
            raise RunError(f"{path}: {nothing}")


def record_path(stem: str) -> str:
    """File of the record of a run."""
    return f"{stem}.run.json"


def read_record(stem: str) -> dict:
    """The record of the run that wrote `<stem>`; empty where there is none (one rank)."""
    try:
        with open(files.open_regular(record_path(stem)), encoding="utf-8") as file:
            record = json.loads(file.read(LONGEST_RECORD))
    except (OSError, ValueError, RecursionError):  # a UserError is a ValueError
        return {}
    sound = isinstance(record, dict) and all(
        isinstance(record.get(name, {}), dict) for name in ("parameters", "provenance")
    )
    return record if sound else {}


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
    with files.whole_file(record_path(stem), len(text)) as temporary, files.fill(temporary, encoding="utf-8") as file:
        file.write(text + "\n")
