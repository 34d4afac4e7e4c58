"""hpcdvc-pixelSearchPropagate: a search in which the motion spreads from a starting point, neighbour by neighbour."""

import logging
from dataclasses import dataclass
from functools import partial

import numpy as np

from hpcdvc.errors import RunError, UserError
from hpcdvc.fields.grid import make_grid
from hpcdvc.fields.phi import part_of_rows
from hpcdvc.fields.status import Family, Status
from hpcdvc.images import OpenVolumes
from hpcdvc.options.pixelSearchPropagate import Options
from hpcdvc.output.hdf5 import choose_transport
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.inputs import Inputs
from hpcdvc.runs.job import Job, carry_out
from hpcdvc.search.front import Front
from hpcdvc.search.pixels import PixelSearch
from hpcdvc.search.rows import rows_of
from hpcdvc.steps.guiding import read_points
from hpcdvc.steps.roi import nodes_in, particles_in, region_in
from hpcdvc.steps.rounds import Rounds
from hpcdvc.steps.search_points import ParticlePoints, WindowPoints, flat_range
from hpcdvc.steps.search_settings import range_of, search_settings_of, window_in
from hpcdvc.workflows import pixelSearch
from hpcdvc.workflows.pixelSearch import SearchTask, estimate, images_of, job_of, opened, scanned, write

log = logging.getLogger("hpcdvc")

#: Statuses that a point ends with, and what to try then.
ADVICE = pixelSearch.ADVICE | {
    Status.BORDER_OF_RANGE: "wider -sr",
    Status.DECORRELATED: "larger -hws, wider -sr",
    Status.AMBIGUOUS: "larger -hws, or smaller -sr",
    Status.NOT_REACHED: "larger -nr, or lower -cct",
}

judge = pixelSearch.judge
Points = WindowPoints | ParticlePoints


@dataclass(frozen=True)
class PropagateTask(SearchTask):
    """One pair of images, and from where the motion spreads in it.

    Attributes
    ----------
    position, displacement : (3,) of the starting point, ZYX, voxels
    """

    position: np.ndarray
    displacement: np.ndarray


def run(options: Options, team) -> list[str]:
    """Search; returns the paths written. Collective.

    Parameters
    ----------
    options : Options
    team : hpcdvc.ranks.team.Team
    """
    work = partial(search, volumes=OpenVolumes(team))
    return carry_out(options, team, plan, work, lambda jobs: estimate(jobs[0], team.size, team.node_size))


def plan(options: Options, inputs: Inputs, team) -> list[Job]:
    """The one job, on one rank.

    Raises
    ------
    UserError
        With one sentence, when something is missing or does not fit.
    """
    im1, im2, mask1, mask2, labels = images_of(inputs)
    position, displacement = np.array(options.starting_point[:3]), np.array(options.starting_point[3:])
    if not ((position >= 0) & (position <= np.array(im1.shape) - 1)).all():
        where = " ".join(f"{v:g}" for v in position)
        raise UserError(f"the starting point {where} of -sp lies outside {im1.spec}: it has {im1.shape} voxels (ZYX)")
    flat = im1.two_dimensional
    if flat and displacement[0] != 0:
        raise UserError(f"{im1.spec} is a 2-D image: the starting point of -sp does not move in Z")
    reach = options.search_range
    if reach == type(options).search_range:
        reach = flat_range(reach, flat)
    reach, points, region = range_of(reach, im1), None, region_in(options, im1)
    if labels is None:
        half = window_in(options.window, im1)
        grid = None if options.guiding_points else nodes_in(region, make_grid(im1.shape, options.node_distance))
        positions = read_points(options.guiding_points, im1) if grid is None else grid.positions()
        if region and grid is None:
            positions = positions[region.some(positions, f"the points of {options.guiding_points}")]
        points = WindowPoints(positions, half, tuple(reach), grid)
    settings = search_settings_of(options)
    files = im1, im2, mask1, mask2, labels
    task = PropagateTask(*files, settings, None, points, tuple(reach), region, position, displacement)
    return [job_of("pixelSearchPropagate", options, inputs.identities(), task, choose_transport(team), ADVICE)]


def search(job: Job, checkpoint: Checkpoint, options: Options, team, volumes: OpenVolumes) -> dict:
    """Search and write the HDF5 file. Collective."""
    task: PropagateTask = job.task
    images, masks, labels = opened(task, volumes, team)
    points = task.points or particles_of(task, labels, options, team)
    pixels = PixelSearch(*images, task.settings, *masks, labels)
    start, displacement = team.agree(lambda: begin(task, points, labels, pixels, options))
    if task.points is None:
        points = particles_in(task.region, points, task.labels.spec, team)
    axes = range(1 if task.im1.two_dimensional else 0, 3)
    fitted = options.apply_f != "no"
    front = Front(points.positions, start, displacement, options.radius(axes), options.width(axes), fitted)
    log.info("%s -> %s: %d points, radius %g", task.im1.spec, task.im2.spec, points.count, front.radius)
    rounds = Rounds(front, points.count, options.good, checkpoint, team, options.quiet)
    rows, border = rounds.run(lambda numbers, phi: measure(pixels, points, numbers, part_of_rows(phi, options.apply_f)))
    (file,) = job.files
    write(file, rows, points, team)
    log.info("the best correlation lies on the border of the range at %d of %d points", border, points.count)
    return {"transport": file.transport, "points": team.agree(file.counts), "border": border, "rounds": rounds.sizes}


def measure(pixels: PixelSearch, points: Points, numbers: np.ndarray, phi: np.ndarray) -> np.ndarray:
    """Rows of some points, deformed and searched about where Phi (m, 3, 4) leads."""
    some = points.starting(numbers, phi)
    return rows_of(pixels(some), some, some["low"], some["high"])


def particles_of(task: PropagateTask, labels: np.ndarray, options: Options, team) -> ParticlePoints:
    """The particles of the label image. Collective."""
    found = scanned(task, labels, team)
    phi = np.broadcast_to(np.eye(4)[:3], (len(found), 3, 4))
    return ParticlePoints(found, phi, options.label_dilate, task.search_range, task.im1.two_dimensional)


def begin(
    task: PropagateTask, points: Points, labels: np.ndarray | None, pixels: PixelSearch, options: Options
) -> tuple[np.ndarray, np.ndarray]:
    """Position and displacement of the starting point, measured, on one rank.

    Raises
    ------
    UserError
        It cannot be measured: masked, without texture.
    RunError
        It does not match well enough, or nowhere for sure.
    """
    where, one = " ".join(f"{v:g}" for v in task.position), np.zeros(1, np.int64)
    if labels is None:
        points = WindowPoints(task.position[None], task.half, task.search_range)
    else:
        label = labels[tuple(np.rint(task.position).astype(int))]
        near = np.linalg.norm(points.positions - task.position, axis=1)
        one[0] = np.searchsorted(points.particles["label"], label) if label else near.argmin()
    phi = np.concatenate([np.eye(3), task.displacement[:, None]], axis=1)
    (row,) = measure(pixels, points, one, phi[None])
    status, score = int(row["return_status"]), float(row["CC"])
    if status in (Status.NO_SPECIMEN, Status.FEW_VALID_VOXELS, Status.SINGULAR, Status.LEFT_IMAGE):
        raise UserError(f"the starting point {where} of -sp cannot be measured: {_reason(status)}")
    if status < Status.MAX_ITERATIONS or not score >= options.good:
        reason = f": {_reason(status)}" if status < Status.MAX_ITERATIONS else ""
        raise RunError(
            f"the starting point {where} of -sp is not found: its best correlation is {score:.3f}, -cct asks for "
            f"{options.good:g}{reason}; try another displacement or point, or a wider -sr"
        )
    moved = " ".join(f"{v:g}" for v in row["Phi"][:, 3])
    log.info("the starting point %s has moved by %s, correlation %.3f", where, moved, score)
    return points.positions[one[0]], row["Phi"][:, 3]


def _reason(status: int) -> str:
    from hpcdvc.fields.status import reason_of

    return reason_of(status, Family.SEARCH)
