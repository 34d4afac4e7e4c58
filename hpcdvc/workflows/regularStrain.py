"""hpcdvc-regularStrain: the strain of a field on a regular grid, with its standard deviation."""

import logging
from dataclasses import dataclass
from functools import partial

import numpy as np

from hpcdvc.fields.connection import connected_by, in_specimen
from hpcdvc.fields.field import Field
from hpcdvc.fields.gradients import Displacements, Support, ball_support, cell_support, corners, gradients
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.overlap import WindowOverlap
from hpcdvc.fields.status import Status
from hpcdvc.images import VolumeInfo, open_mask
from hpcdvc.options.regularStrain import Options
from hpcdvc.output.result import judge_points
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.inputs import Inputs
from hpcdvc.runs.job import Job, carry_out
from hpcdvc.steps.selection import check_mask_fits
from hpcdvc.steps.strain import (
    StrainRows,
    check_layers,
    gauge_text,
    half_window_of,
    strain_job,
    usable,
    variance_of,
    without_strain,
)
from hpcdvc.steps.tables import Points, estimate_table, read_field_only, read_table, write_rows

log = logging.getLogger("hpcdvc")

#: Rough core time of a point, s.
SECONDS = 3e-5

judge = partial(judge_points, nothing="no point has a strain, most ended")


@dataclass(frozen=True)
class StrainTask:
    """A field, and which strain of it is wanted.

    Attributes
    ----------
    points : where the strain stands
    rows : makes rows of gradients
    displacement : (n, 3) of the field
    f : (n, 3, 3) of the field, for `-raw`
    status, chosen : (n,) return status, and which rows count
    variance : (n, 3, 4) of the first rows of Phi, or None
    grid : of the nodes, or None
    support : which nodes a gradient is made of; None for `-raw`
    overlap : of windows, or None
    mask : of the specimen, or None
    """

    points: Points
    rows: StrainRows
    displacement: np.ndarray
    f: np.ndarray | None
    status: np.ndarray
    chosen: np.ndarray
    variance: np.ndarray | None
    grid: Grid | None
    support: Support | None
    overlap: WindowOverlap | None
    mask: VolumeInfo | None


def run(options: Options, team) -> list[str]:
    """Calculate the strain; returns the paths written. Collective.

    Parameters
    ----------
    options : Options
    team : hpcdvc.ranks.team.Team
    """
    return carry_out(options, team, plan, work, lambda jobs: estimate_table(jobs, team.size, SECONDS))


def plan(options: Options, inputs: Inputs, team) -> list[Job]:
    """The one job, on one rank.

    Raises
    ------
    UserError
        With one sentence, when something is missing or does not fit.
    """
    path = options.phi_file
    field = _read(options)
    flat = field.grid is not None and field.grid.shape[0] == 1 and field.grid.origin[0] == 0
    support = None if options.raw else _support(options, field.grid)
    chosen = usable(field, options.lowest_status, path)
    variance, half = variance_of(field, chosen), half_window_of(options, path, options.phi_file_bin_ratio, flat)
    _say(options, field, support, variance, half, flat)
    overlap = WindowOverlap(half) if half and support else None
    known = variance is not None and (options.raw or overlap is not None)
    labels = (field.extra or {}).get("label")
    points = Points.of(field) if support is None else Points(support.grid_of(field.grid))
    mask = inputs.volume("mask1")
    if mask:
        check_mask_fits(mask, field.positions, path)
    rows = StrainRows(options.components, known, flat, labels if field.grid is None else None)
    task = StrainTask(
        points, rows, field.displacement, field.phi[:, :3, :3] if options.raw else None, field.return_status, chosen,
        variance if known else None, field.grid, support, overlap, mask,
    )  # fmt: skip
    mode = "Q4" if flat and options.cells else options.mode
    return [strain_job("regularStrain", options, inputs, mode, task, team)]


def _read(options: Options) -> Field:
    path, ratio = options.phi_file, options.phi_file_bin_ratio
    if options.raw:
        return read_table(path, ratio)
    field = read_field_only(path, ratio, grid=True)
    check_layers(field, path)
    return field


def _support(options: Options, grid: Grid) -> Support:
    if options.cells:
        return cell_support(grid)
    order = options.polynomial
    return ball_support(grid, options.reach, order or 1, with_itself=order is not None)


def _say(
    options: Options,
    field: Field,
    support: Support | None,
    variance: np.ndarray | None,
    half: tuple[int, int, int] | None,
    flat: bool,
) -> None:
    """How large the gauge is, and why there are no standard deviations where there are none."""
    extent = support.extent * np.array(field.grid.spacing) if support else np.zeros(3)
    log.info("%s", gauge_text(extent, half, flat))
    if variance is None:
        log.warning("no standard deviations: %s holds none of its displacements", options.phi_file)
    elif half is None and not options.raw:
        log.warning(
            "no standard deviations: neighbouring errors go by the overlap of windows, and %s does not say how large "
            "they are; -hws does",
            options.phi_file,
        )


def work(job: Job, checkpoint: Checkpoint, options: Options, team) -> dict:
    """Make the rows and write them. Collective; returns what the record of the run keeps."""
    task: StrainTask = job.task
    mask = open_mask(task.mask, team) if task.mask else None
    make = partial(raw_rows if task.support is None else fitted_rows, task, mask)
    return write_rows(job, checkpoint, team, task.points, make, SECONDS, options.quiet)


def raw_rows(task: StrainTask, mask: np.ndarray | None, numbers: np.ndarray) -> np.ndarray:
    """Rows of some points, of their own F; the errors of its entries are taken as independent."""
    chosen, status = task.chosen[numbers], task.status[numbers]
    otherwise, outside = without_strain(status, chosen), _outside(mask, task.points(numbers))
    otherwise[outside] = Status.NO_SPECIMEN
    f = np.where((chosen & ~outside)[:, None, None], task.f[numbers], np.nan)
    covariance = None
    if task.variance is not None:
        covariance = task.variance[numbers][:, :, :3, None] * np.eye(3)
    return task.rows(numbers, f, task.displacement[numbers], covariance, otherwise)


def fitted_rows(task: StrainTask, mask: np.ndarray | None, numbers: np.ndarray) -> np.ndarray:
    """Rows of some points, of the displacements of nodes about them."""
    variance = None if task.variance is None else task.variance[:, :, 3]
    field = Displacements(task.grid, task.displacement, task.chosen, variance)
    connected = None if mask is None else partial(connected_by, mask)
    f, covariance = gradients(field, task.support, numbers, task.overlap, connected)
    nodes = corners(task.grid, task.support, numbers)  # of a cell, or the node itself
    chosen, status = task.chosen[nodes], task.status[nodes]
    if task.support.centre.any():
        otherwise = np.where((status == Status.NO_SPECIMEN).all(axis=1), Status.NO_SPECIMEN, Status.NOT_REACHED)
    else:
        otherwise = without_strain(status[:, 0], chosen[:, 0])
    outside = _outside(mask, task.points(numbers))
    otherwise[outside] = Status.NO_SPECIMEN
    f[~chosen.all(axis=1) | outside] = np.nan
    return task.rows(numbers, f, task.displacement[nodes].mean(axis=1), covariance, otherwise)


def _outside(mask: np.ndarray | None, points: np.ndarray) -> np.ndarray:
    return np.zeros(len(points), bool) if mask is None else ~in_specimen(mask, points)
