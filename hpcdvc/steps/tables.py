"""The skeleton of table commands: fields in, rows that all ranks make, one field out.

Such a command reads its fields (`read_table`) in its plan, names its result (`table_job`), and in its work says how the
rows of some points are made, vectorised over them (`write_rows`). What is needed of all points before the first row can
be made, is made by all ranks and shared (`for_all`).
"""

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.field import ROW, Field, row_with
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.rows import without_background
from hpcdvc.fields.status import Family
from hpcdvc.fields.strain import COMPONENTS
from hpcdvc.images import VolumeInfo
from hpcdvc.options.common import Output
from hpcdvc.options.declare import named_files
from hpcdvc.output.columns import COLUMNS
from hpcdvc.output.hdf5 import choose_transport
from hpcdvc.output.places import stem_of
from hpcdvc.output.result import FieldFile
from hpcdvc.ranks.exchange import SharedRows
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.cost import core_time
from hpcdvc.runs.inputs import Inputs
from hpcdvc.runs.job import Job, metadata_of, parameters_of
from hpcdvc.runs.points import measure_points
from hpcdvc.steps.start import is_flat, read_phi_file

log = logging.getLogger("hpcdvc")

#: Points that are looked at in one go: their neighbours fit into the cache.
BLOCK = 1024


@dataclass(frozen=True)
class Points:
    """Where the rows of a result stand.

    Attributes
    ----------
    grid : they are its nodes; or None
    positions : (n, 3) ZYX, voxels, where there is no grid
    """

    grid: Grid | None = None
    positions: np.ndarray | None = None

    @property
    def count(self) -> int:
        """Number of points."""
        return self.grid.size if self.grid else len(self.positions)

    @property
    def flat(self) -> bool:
        """Nodes of an image in two dimensions."""
        return self.grid is not None and self.grid.shape[0] == 1 and self.grid.origin[0] == 0

    def __call__(self, numbers: np.ndarray) -> np.ndarray:
        """(m, 3) positions of some of them."""
        return self.grid.positions(numbers) if self.grid else self.positions[numbers]

    @classmethod
    def of(cls, field: Field) -> "Points":
        """Those of a field."""
        return cls(field.grid) if field.grid else cls(None, field.positions)


def read_table(path: str, bin_ratio: float = 1.0) -> Field:
    """Read a registration or a field with all its columns; the row of the background in a table of labels is left out.

    Parameters
    ----------
    path : .tsv or .hdf
    bin_ratio : factor on positions and displacements (`-pfb`)

    Raises
    ------
    UserError
        No such file, or no table or file of ours.
    """
    return without_background(read_phi_file(path, bin_ratio))


def read_field_only(path: str, bin_ratio: float = 1.0, grid: bool = False) -> Field:
    """The same, of a file that must hold several rows, or the nodes of a grid.

    Raises
    ------
    UserError
        It does not.
    """
    field = read_table(path, bin_ratio)
    if len(field) == 1:
        raise UserError(f"{path} holds one row, a registration: a field has several")
    if grid and field.grid is None:
        kind = "labels" if "label" in (field.extra or {}) else "points"
        words = f"{path} holds {len(field)} {kind} that are no regular grid"
        raise UserError(f"{words}: hpcdvc-passPhiField takes them to one")
    return field


def check_registration(field: Field, path: str) -> None:
    """UserError where a file holds more than one row, and is no registration."""
    if len(field) != 1:
        raise UserError(f"{path} holds {len(field)} rows: a registration has one")


def check_labels(info: VolumeInfo) -> None:
    """UserError where an image holds no whole numbers."""
    if info.dtype.kind not in "iu":
        raise UserError(f"{info.spec} holds {info.dtype} voxels: labels are whole numbers")


def check_alike(field: Field, other: Field, path: str, other_path: str) -> None:
    """UserError where one of two fields is of images in two dimensions, and the other of volumes."""
    flat = [is_flat(some) for some in (field, other)]
    if None not in flat and flat[0] != flat[1] and (len(field) > 1 or len(other) > 1):
        paths = (path, other_path) if flat[0] else (other_path, path)
        raise UserError(f"{paths[0]} was measured on images in two dimensions, and {paths[1]} on volumes")


def usable_of(field: Field, rows: np.ndarray) -> np.ndarray:
    """(n,) bool: rows of these numbers."""
    usable = np.zeros(len(field), bool)
    usable[rows] = True
    return usable


def mean_spacing(grid: Grid | None) -> float:
    """Mean distance of nodes along the axes of a grid that has more than one; 0 where there is none."""
    steps = [step for step, count in zip(grid.spacing, grid.shape, strict=True) if count > 1] if grid else []
    return sum(steps) / max(len(steps), 1)


def table_stem(options: Output, path: str, suffix: str) -> str:
    """Path of a result without extension: in `-od`, by default the folder of the table it is made from."""
    name = options.prefix or os.path.splitext(os.path.basename(path))[0]
    return stem_of(options.out_dir, name, suffix, path)


def table_job(
    command: str,
    options: Output,
    inputs: Inputs,
    stem: str,
    points: Points | None,
    task: Any,
    team,
    dtype: np.dtype = ROW,
    family: Family = Family.PASSED,
    advice: Mapping[int, str] | None = None,
    half_window: tuple[int, int, int] | None = None,
    **volumes: VolumeInfo,
) -> Job:
    """The job of a table command, on one rank.

    Parameters
    ----------
    command : its name
    options : of it
    inputs : its files
    stem : of the result
    points : of the result; None where these are known only when a label image has been read
    task : what the command has made of its options and input: its fields go with it to all ranks
    team : hpcdvc.ranks.team.Team
    dtype : of the rows
    family : what the field is made by
    advice : statuses that a point ends with, and what to try then
    half_window : that points of the result were measured with, where they are those of a field: the file says it, too
    **volumes : images of options that name several, as in `Inputs.identities`
    """
    parameters = parameters_of(options, inputs.identities(**volumes))
    metadata = metadata_of(command, parameters, named_files(options))
    if half_window:
        metadata["parameters"]["half_window_size3"] = list(half_window)
    on_grid = points is not None and points.grid is not None
    if options.tif and not on_grid:
        log.warning("-tif is ignored: images are made of grids, and these points form none")
    file = FieldFile(
        stem,
        points.count if points else 0,
        metadata,
        tuple(view for view in ("tsv", "vtk", "tif") if getattr(options, view) and (on_grid or view != "tif")),
        (0, 0, 0) if points and points.flat else (1, 1, 1),
        choose_transport(team) if on_grid else "gather",
        advice or {},
        dtype,
        family,
    )
    return Job(stem=stem, parameters=parameters, files=(file,), task=task, dtype=dtype)


def write_rows(
    job: Job,
    checkpoint: Checkpoint,
    team,
    points: Points,
    make: Callable[[np.ndarray], np.ndarray],
    seconds: float,
    quiet: bool,
) -> dict:
    """Make the rows of all points and write the HDF5 file. Collective; returns what the record of the run keeps.

    Parameters
    ----------
    job : from `table_job`
    checkpoint : its shards
    team : hpcdvc.ranks.team.Team
    points : of the result
    make : from the numbers (m,) of some points to as many rows of the type of the job; a row depends on its point alone
    seconds : rough cost of a point
    quiet : show no progress
    """
    (file,) = job.files
    seconds = max(seconds, 5e-3 / BLOCK)
    shared = SharedRows(team, points.count, job.dtype)
    measure_points(team, points.count, make, seconds, checkpoint, quiet, family=file.family, shared=shared)
    rows, first = shared.collect(file.spread)
    places = None if points.grid else points.positions[first : first + len(rows)]
    file.write_ordered(rows, first, points.grid, team, places)
    return {"transport": file.transport, "points": team.agree(file.counts)}


def for_all(
    team, count: int, make: Callable[[np.ndarray], np.ndarray], shape: tuple[int, ...] = (1,), dtype: type = float
) -> np.ndarray:
    """Values of all points, each made by one rank, once a node in memory. Collective.

    Parameters
    ----------
    team : hpcdvc.ranks.team.Team
    count : number of points
    make : from the numbers (m,) of some points to (m, ...) values; those of a point depend on the point alone
    shape : of the values of a point
    dtype : of the values

    Returns
    -------
    (count, ...) array
    """

    def fill(start: int, stop: int, values: np.ndarray) -> None:
        for first in range(start, stop, BLOCK):
            numbers = np.arange(first, min(first + BLOCK, stop))
            values[numbers - start] = make(numbers).reshape(-1, *shape)

    return team.shared_planes((count, *shape), np.dtype(dtype), fill)


def row_type_of(field: Field, *columns: tuple) -> np.dtype:
    """Type of rows that keep all declared columns of a field, with further columns at the end; says what is lost."""
    known = {column.made_from: column for column in COLUMNS if not column.derived}
    further = [name for name in field.extra or {} if name not in ROW.names]
    strains = [name for name in further if name.removesuffix("_std") in COMPONENTS]
    if strains:
        log.warning("columns of strain are left out: they would be those of the field as it was")
        further = [name for name in further if name not in strains]
    lost = [name for name in further if name not in known]
    if lost:
        log.warning("columns that are not known are left out: %s", ", ".join(lost))
    new = {name for name, *_ in columns}
    kept = [(name, known[name].dtype, known[name].components.shape) for name in further if name in known]
    return row_with(*(column for column in kept if column[0] not in new), *columns)


def estimate_table(jobs: list[Job], ranks: int, seconds: float) -> str:
    """What the run will take, at so many seconds a point, as text: points, core time, disk."""
    files = [file for job in jobs for file in job.files]
    points = sum(file.points for file in files)
    return (
        f"{points} points\n{core_time(seconds * points, seconds * points / ranks, ranks)}\n"
        f"disk: about {sum(file.file_bytes for file in files) / 1e6:.1f} MB for the result{'s' * (len(files) > 1)}"
    )
