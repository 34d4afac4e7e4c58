"""hpcdvc-ldic: local digital volume correlation, one window per node of a regular grid."""

import logging
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.curvature import Neighbourhood
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.status import Status
from hpcdvc.images import OpenVolumes, VolumeInfo, check_mask, check_pair, memory_text, open_mask
from hpcdvc.options.declare import named_files
from hpcdvc.options.ldic import Options
from hpcdvc.output.hdf5 import choose_transport
from hpcdvc.output.places import stem_of
from hpcdvc.output.result import FieldFile, judge_points
from hpcdvc.registration.settings import Settings
from hpcdvc.registration.task import Task
from hpcdvc.registration.windows import WindowRegistration, seconds_per_window
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.cost import core_time
from hpcdvc.runs.inputs import Inputs
from hpcdvc.runs.job import Job, carry_out, metadata_of, parameters_of
from hpcdvc.runs.points import measure_points
from hpcdvc.steps.agreement import agreement, in_words
from hpcdvc.steps.curvature import corrected_by_neighbours, corrections, neighbourhood_of
from hpcdvc.steps.register_first import first_task, register_first
from hpcdvc.steps.roi import region_in
from hpcdvc.steps.self_start import Pair, SearchingRegistration, look_around
from hpcdvc.steps.series import Earlier, best_start, earlier_steps, note_masks, possible_starts
from hpcdvc.steps.settings import settings_of, window_of
from hpcdvc.steps.start import StartPoints, kept_rows, nodes_for, read_start, redone, usable_as_start
from hpcdvc.steps.total import TotalTask, total_job, write_total

log = logging.getLogger("hpcdvc")

#: Statuses that a node ends with, and what to try then.
ADVICE = {
    Status.CONVERGED: "",
    Status.MAX_ITERATIONS: "raise -it or -dp, or give a better start with -pf",
    Status.NOT_EVALUATED: "",
    Status.ERROR_GROWTH: "larger -hws, or a better start with -pf",
    Status.SINGULAR: "larger -hws, or skip such windows with -glt",
    Status.VOLUME_CHANGE: "larger -hws, or a better start with -pf",
    Status.SINGULAR_PHI: "a better start with -pf",
    Status.NO_SPECIMEN: "",
    Status.FEW_VALID_VOXELS: "lower -mc",
    Status.BAD_START: "filter the start field first",
    Status.LEFT_IMAGE: "lower -mc, or a larger image",
    Status.DECORRELATED: "a better start with -pf",
    Status.TWO_MOTIONS: "smaller -hws at a jump, a mask (-mf1) for what stays in the picture",
}


#: Most over least time of a window, and what that stands for: 12 to 19 ns per voxel and iteration were seen, not 9.
SLOW = 8.0
ASSUMED = (
    "least: windows converge in 5 iterations on one core of an AMD EPYC with AVX-512, nothing else running; most: in "
    "20 (noise, starts that are far) on cores half as fast; windows that do not converge take longer still, up to -it"
)


@dataclass(frozen=True)
class LdicTask:
    """One pair of images, and what is measured in it.

    Attributes
    ----------
    im1, im2, mask : headers of the images
    settings : of the windows
    points : the nodes, and what they start from in the first step of a series
    again : which of the nodes are measured, where the rows of the start are kept for the others
    earlier : steps that this one starts from
    registration : of the whole images, from which the windows start
    search : look for the start where there is no other
    """

    im1: VolumeInfo
    im2: VolumeInfo
    mask: VolumeInfo | None
    settings: Settings
    points: StartPoints
    again: np.ndarray | None
    earlier: Earlier | None
    registration: Task | None
    search: bool

    @property
    def grid(self) -> Grid:
        """The nodes."""
        return self.points.grid

    @property
    def near(self) -> Neighbourhood | None:
        """Neighbours of the nodes that correct each other for the curvature of the field; None where none do."""
        return neighbourhood_of(self.grid, self.settings)


def run(options: Options, team) -> list[str]:
    """Measure every pair of the series; returns the paths written. Collective.

    Parameters
    ----------
    options : Options
    team : hpcdvc.ranks.team.Team
    """
    if options.prefix and len(options.images) > 2:
        log.warning("-pre names only the list of the steps: the files of a series are named after its images")
    volumes = OpenVolumes(team)

    def work(job: Job, checkpoint: Checkpoint, options: Options, team) -> dict | None:
        if isinstance(job.task, TotalTask):
            return write_total(job, checkpoint, team, options.quiet)
        return measure(job, checkpoint, options, volumes, team)

    return carry_out(options, team, plan, work, lambda jobs: estimate(jobs, team.size, team.node_size))


def plan(options: Options, inputs: Inputs, team) -> list[Job]:
    """One job for each pair of the series, on one rank.

    Raises
    ------
    UserError
        With one sentence, when something is missing or does not fit.
    """
    images, mask = inputs.volumes["images"], inputs.volume("mask1")
    first = images[0]
    for other in images[1:]:
        check_pair(first, other)
    if mask:
        check_mask(first, mask)
        note_masks([info.spec for info in images], options.series_incremental, [mask.spec])
    settings = settings_of(options, first, window_of(options, first))
    start = read_start(options.phi_file, options.phi_file_bin_ratio, first)
    grid, start = nodes_for(first.shape, options.spacing, start, options.phi_file, region_in(options, first))
    points = StartPoints(grid, start, options.apply_f)
    again = None
    if options.skip is not None:
        if len(start) == 1:
            raise UserError(f"-skp needs a field of {grid.size} nodes to complete, {options.phi_file} holds one row")
        points, again = replace(points, usable=usable_as_start(start)), redone(start, options.skipped_statuses)
    elif options.register and start is not None and len(start) > 1:
        raise UserError(
            f"give only one of --register and -pf {options.phi_file}, which is a field of {len(start)} rows"
        )
    task = LdicTask(first, images[1], mask, settings, points, again, None, None, options.search)
    jobs = _jobs(options, inputs, task, choose_transport(team))
    if len(images) > 2:
        jobs[0].lists = steps_of(options, first, jobs)
    return jobs


def _jobs(options: Options, inputs: Inputs, task: LdicTask, transport: str) -> list[Job]:
    """Those of all steps, each like `task`; the total follows its increment."""
    files, total, jobs = [], None, []
    for im1, im2 in options.pairs(inputs.volumes["images"]):
        earlier = earlier_steps(options.start_from, options.series_incremental, files)
        registration = first_task(options, im1, im2) if options.register else None
        step = replace(task, im1=im1, im2=im2, earlier=earlier, registration=registration)
        jobs.append(_job(options, inputs, step, transport))
        files += jobs[-1].files
        if options.total:
            prefix = options.prefix if len(options.images) == 2 else None
            stem = stem_of(options.out_dir, prefix or f"{task.im1.stem}-{im2.stem}", "ldic-total", task.im1.path)
            total = total_job(stem, "ldic", task.grid, files[-1], total, jobs[-1].parameters["options"])
            jobs.append(total)
    return jobs


def _job(options: Options, inputs: Inputs, step: LdicTask, transport: str) -> Job:
    made_from = {"grid": [step.grid.origin, step.grid.spacing, step.grid.shape]}
    if step.earlier:
        made_from["start"] = step.earlier.identity
    parameters = parameters_of(options, inputs.identities(im1=step.im1, im2=step.im2) | made_from)
    metadata = metadata_of("ldic", parameters, named_files(options) | {"images": [step.im1.spec, step.im2.spec]})
    metadata["curvature"] = corrections(step.settings, step.near)
    views = tuple(view for view in ("tsv", "vtk", "tif") if getattr(options, view))
    prefix = options.prefix if len(options.images) == 2 else None
    stem = stem_of(options.out_dir, prefix or f"{step.im1.stem}-{step.im2.stem}", "ldic", step.im1.path)
    file = FieldFile(stem, step.grid.size, metadata, views, step.settings.window.half_size, transport, ADVICE)
    return Job(stem=stem, parameters=parameters, files=(file,), task=step)


def measure(job: Job, checkpoint: Checkpoint, options: Options, volumes: OpenVolumes, team) -> dict:
    """Measure one pair and write its HDF5 file. Collective."""
    step: LdicTask = job.task
    log.info("%s -> %s: %d nodes", step.im1.spec, step.im2.spec, step.grid.size)
    im1, im2 = volumes(step.im1, step.im2)
    mask = open_mask(step.mask, team) if step.mask else None
    registration = WindowRegistration(im1, im2, step.settings, mask)
    points = start_of(step, im1, im2, mask, registration, team)
    register, seen = registration, None
    if step.search and points.start is None:
        pair = Pair(im1, im2, mask, step.settings, registration, team)
        seen = look_around(step.grid.positions, step.grid.size, pair)
        register = SearchingRegistration(seen, pair)
    numbers = step.grid.size if step.again is None else np.flatnonzero(step.again)
    seconds = seconds_per_window(step.settings)
    rows = measure_points(team, numbers, lambda some: register(points(some)), seconds, checkpoint, options.quiet)
    if step.again is not None and team.rank == 0:
        rows = np.concatenate([rows, kept_rows(step.points.start, np.flatnonzero(~step.again))])
    (file,) = job.files
    if step.near:
        rows = corrected_by_neighbours(rows, step.grid, step.near, team, file.transport == "parallel")
    rows["curvature_part"] = np.abs(rows["curvature_part"])
    file.write(rows, step.grid, team)
    near = agreement(rows, step.grid, step.settings.dimensions, team)
    if near["judged"]:
        log.info(in_words(near))
    facts = {"transport": file.transport, "points": team.agree(file.counts), "agreement": near}
    return facts | ({"start": seen.facts} if seen else {})


judge = partial(judge_points, nothing="no node has converged, most end")


def start_of(
    step: LdicTask, im1: np.ndarray, im2: np.ndarray, mask: np.ndarray | None, windows: WindowRegistration, team
) -> StartPoints:
    """What the nodes of a step start from. Collective.

    Parameters
    ----------
    step : its task
    im1, im2, mask : its images
    windows : their registration
    team : hpcdvc.ranks.team.Team
    """
    starts, nodes = {}, None
    if step.earlier:
        starts, nodes = team.agree(lambda: possible_starts(step.grid, step.earlier))
    if not (starts and step.earlier.alone):
        starts["as the first step"] = step.points
    if step.registration:
        found = register_first(step.registration, im1, im2, mask, starts.values(), team)
        if found:
            return found
    # a start that nothing gives is looked for
    return best_start(starts, nodes, windows, team, step.points if step.search and step.points.start is None else None)


def steps_of(options: Options, first: VolumeInfo, jobs: list[Job]) -> dict[str, list[str]]:
    """The results that ParaView plays as one, increments and totals, by the path of their list."""
    name, lists = options.prefix or f"{first.stem}-series", {}
    for end, kind in (("ldic", LdicTask), ("ldic-total", TotalTask)):
        results = [file.path for job in jobs if isinstance(job.task, kind) for file in job.files]
        if results:
            lists[stem_of(options.out_dir, name, end, first.path) + ".hdf.series"] = results
    return lists


def estimate(jobs: list[Job], ranks: int, ranks_per_node: int) -> str:
    """What the run will take, as text: points, memory, core time, disk."""
    step: LdicTask = jobs[0].task
    pairs = sum(isinstance(job.task, LdicTask) for job in jobs)
    seconds = seconds_per_window(step.settings) * step.grid.size * pairs
    return (
        f"{pairs} pair{'s' * (pairs > 1)} of {step.grid.size} nodes {step.grid.shape} (ZYX)\n"
        f"per node: {memory_text((step.im1, step.im2, step.mask))}\n"
        f"per rank: about 50 MB; rank 0 also {step.grid.size * 3 * 256 / 1e6:.1f} MB of rows\n"
        + (
            "start: looked for where things have moved far, see --no-search\n"
            * (step.search and step.points.start is None and step.registration is None)
        )
        + f"{core_time(seconds, seconds / ranks, ranks, ranks_per_node, SLOW, ASSUMED)}\n"
        f"disk: about {sum(file.file_bytes for job in jobs for file in job.files) / 1e6:.1f} MB for the results"
    )
