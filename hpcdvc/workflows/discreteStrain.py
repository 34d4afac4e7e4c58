"""hpcdvc-discreteStrain: the strain between scattered points, in the tetrahedra that they form, and on a grid."""

import logging
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.cells import cell_gradients, cells_at_nodes, grid_between
from hpcdvc.fields.field import Field
from hpcdvc.fields.overlap import WindowOverlap
from hpcdvc.fields.rows import some_rows
from hpcdvc.fields.status import Status
from hpcdvc.fields.triangulation import triangulated
from hpcdvc.options.discreteStrain import Options
from hpcdvc.output.contents import Mesh
from hpcdvc.output.result import judge_points
from hpcdvc.ranks.exchange import SharedRows
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.inputs import Inputs
from hpcdvc.runs.job import Job, carry_out
from hpcdvc.runs.points import measure_points
from hpcdvc.steps.strain import StrainRows, half_window_of, strain_job, usable, variance_of
from hpcdvc.steps.tables import Points, estimate_table, read_table, write_rows

log = logging.getLogger("hpcdvc")

#: Rough core time of a cell, s.
SECONDS = 3e-5
MODE = "Bagi"
ADVICE = {
    Status.MAX_ITERATIONS: "",
    Status.NOT_REACHED: "outside the tetrahedra: -a 0 keeps all of them",
}

judge = partial(judge_points, nothing="no point has a strain, most ended")


@dataclass(frozen=True)
class CellTask:
    """A mesh between points, and where its strain is wanted.

    Attributes
    ----------
    mesh : points, cells, displacements
    points : the middles of the cells, or the nodes of a grid
    rows : makes rows of gradients
    variance : (m, 3) of the displacements, or None
    overlap : of windows, or None
    projected : on the grid, not in the cells
    """

    mesh: Mesh
    points: Points
    rows: StrainRows
    variance: np.ndarray | None
    overlap: WindowOverlap | None
    projected: bool = False


def run(options: Options, team) -> list[str]:
    """Calculate the strain; returns the paths written. Collective.

    Parameters
    ----------
    options : Options
    team : hpcdvc.ranks.team.Team
    """
    return carry_out(options, team, plan, work, lambda jobs: estimate_table(jobs, team.size, SECONDS))


def plan(options: Options, inputs: Inputs, team) -> list[Job]:
    """The jobs, on one rank: the cells, and with `-ns` the grid.

    Raises
    ------
    UserError
        With one sentence, when something is missing or does not fit.
    """
    path = options.phi_file
    field = _points_of(options)
    flat = not field.positions[:, 0].any()
    cells = triangulated(field.positions[:, flat:], options.alpha, path)
    log.info("%d %s between %d points", len(cells), "triangles" if flat else "tetrahedra", len(field))
    variance = variance_of(field, np.ones(len(field), bool))
    if variance is None:
        log.warning("no standard deviations: %s holds none of its displacements", path)
    half = None if "label" in field.extra else half_window_of(options, path, options.phi_file_bin_ratio, flat)
    mesh = Mesh(field.positions, cells, field.displacement)
    rows = StrainRows(options.components, variance is not None, flat)
    middles = field.positions[cells].mean(axis=1)
    overlap = WindowOverlap(half) if half else None
    task = CellTask(mesh, Points(None, middles), rows, None if variance is None else variance[:, :, 3], overlap)
    in_cells = options if options.spacing is None else replace(options, tif=False)  # images are those of the grid
    jobs = [strain_job("discreteStrain", in_cells, inputs, MODE, task, team, ADVICE)]
    if options.spacing is not None:
        grid = grid_between(field.positions, options.spacing)
        if grid is None:
            raise UserError(f"no node between the points of {path}: -ns is larger than the space that they take")
        mode = f"{MODE}-ns{'-'.join(map(str, dict.fromkeys(options.spacing)))}"
        task = CellTask(mesh, Points(grid), rows, task.variance, overlap, True)
        jobs.append(strain_job("discreteStrain", options, inputs, mode, task, team, ADVICE))
    return jobs


def _points_of(options: Options) -> Field:
    """The points that count.

    Raises
    ------
    UserError
        Two of them are at the same place.
    """
    path = options.phi_file
    field = read_table(path, options.phi_file_bin_ratio)
    field = some_rows(field, usable(field, options.lowest_status, path))
    _, first, counts = np.unique(field.positions, axis=0, return_index=True, return_counts=True)
    if (counts > 1).any():
        z, y, x = field.positions[first[counts > 1][0]]
        raise UserError(f"{path} has more than one point at {z:g} {y:g} {x:g} (ZYX): what is between them has no size")
    return field


def work(job: Job, checkpoint: Checkpoint, options: Options, team) -> dict:
    """Make the rows and write them. Collective; returns what the record of the run keeps."""
    task: CellTask = job.task
    if task.projected:
        cells = team.agree(lambda: cells_at_nodes(task.mesh.points, task.mesh.cells, task.points.grid))
        make = partial(node_rows, task, cells)
        return write_rows(job, checkpoint, team, task.points, make, SECONDS, options.quiet)
    (file,) = job.files
    make = partial(cell_rows, task)
    shared = SharedRows(team, task.points.count, job.dtype)
    measure_points(team, task.points.count, make, SECONDS, checkpoint, options.quiet, family=file.family, shared=shared)
    file.write_mesh(shared.collect()[0], task.mesh, team)
    return {"points": team.agree(file.counts)}


def cell_rows(task: CellTask, numbers: np.ndarray) -> np.ndarray:
    """Rows of some cells."""
    return _rows(task, numbers, numbers)


def node_rows(task: CellTask, cells: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Rows of some nodes, with the F of the cells that they lie in and the displacement at the nodes."""
    return _rows(task, numbers, cells[numbers], task.points(numbers))


def _rows(task: CellTask, numbers: np.ndarray, chosen: np.ndarray, places: np.ndarray | None = None) -> np.ndarray:
    mesh, there = task.mesh, chosen >= 0
    cells = mesh.cells[np.where(there, chosen, 0)]
    f, covariance = cell_gradients(mesh.points, cells, mesh.displacements, task.variance, task.overlap)
    displacement = mesh.displacements[cells].mean(axis=1)
    if places is not None:
        away = places - mesh.points[cells].mean(axis=1)
        displacement = displacement + ((f - np.eye(3)) * away[:, None]).sum(axis=2)
    f[~there] = np.nan
    return task.rows(numbers, f, displacement, covariance, np.full(len(numbers), Status.NOT_REACHED))
