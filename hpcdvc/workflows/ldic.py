"""hpcdvc-ldic: local digital volume correlation, one window per node of a regular grid."""

import logging
import os
from dataclasses import dataclass

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.field import Field
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.status import Status
from hpcdvc.images import OpenVolumes, VolumeInfo, check_mask, check_pair, describe, memory_text, open_mask
from hpcdvc.options.declare import named_files
from hpcdvc.options.ldic import Options
from hpcdvc.output.hdf5 import choose_transport, write_series
from hpcdvc.output.result import FieldFile, stem_of
from hpcdvc.ranks.progress import duration
from hpcdvc.registration.settings import Settings
from hpcdvc.registration.windows import WindowRegistration, seconds_per_window
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.inputs import Inputs
from hpcdvc.runs.job import Job, carry_out, metadata_of, parameters_of
from hpcdvc.runs.points import measure_points
from hpcdvc.steps.settings import settings_of, window_of
from hpcdvc.steps.start import StartPoints, grid_for, kept_rows, read_start, redone

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
    Status.FEW_VALID_VOXELS: "lower -mc, or check the mask",
    Status.BAD_START: "filter the start field first",
    Status.LEFT_IMAGE: "lower -mc, or a larger image",
    Status.DECORRELATED: "a better start with -pf",
}


@dataclass(frozen=True)
class LdicTask:
    """One pair of images, and what is measured in it."""

    im1: VolumeInfo
    im2: VolumeInfo
    mask: VolumeInfo | None
    settings: Settings
    points: StartPoints
    keep: Field | None

    @property
    def grid(self) -> Grid:
        """The nodes."""
        return self.points.grid


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
    paths = carry_out(
        options,
        team,
        lambda inputs: plan(options, inputs, team),
        lambda job, checkpoint: measure(job, checkpoint, options, volumes, team),
        lambda jobs: estimate(jobs, team.size, team.node_size),
    )
    if paths and len(options.images) > 2:
        paths.append(team.agree(lambda: write_steps(options, paths)))
    return paths


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
    settings = settings_of(options, first, window_of(options, first))
    start = read_start(options.phi_file, options.phi_file_bin_ratio)
    grid = grid_for(first.shape, options.spacing, start, options.phi_file)
    if options.skip and (start is None or len(start) == 1):
        raise UserError(f"-skp needs a field of {grid.size} nodes to complete, {options.phi_file} holds one row")
    points, keep = StartPoints(grid, start, options.apply_f), start if options.skip else None
    transport = choose_transport(team)
    steps = [LdicTask(im1, im2, mask, settings, points, keep) for im1, im2 in options.pairs(images)]
    return [_job(options, inputs, step, transport) for step in steps]


def _job(options: Options, inputs: Inputs, step: LdicTask, transport: str) -> Job:
    nodes = {"grid": [step.grid.origin, step.grid.spacing, step.grid.shape]}
    parameters = parameters_of(options, inputs.identities(im1=step.im1, im2=step.im2) | nodes)
    metadata = metadata_of("ldic", parameters, named_files(options) | {"images": [step.im1.spec, step.im2.spec]})
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
    numbers = step.grid.size if step.keep is None else redone(step.keep)
    seconds = seconds_per_window(step.settings)
    rows = measure_points(
        team, numbers, lambda some: registration(step.points(some)), seconds, checkpoint, options.quiet
    )
    if step.keep is not None and team.rank == 0:
        rows = np.concatenate([rows, kept_rows(step.keep)])
    (file,) = job.files
    file.write(rows, step.grid, team)
    return {"transport": file.transport}


def write_steps(options: Options, paths: list[str]) -> str:
    """Write the list of the steps that ParaView plays, on one rank; returns its path."""
    results = [path for path in paths if path.endswith(".hdf")]
    name = options.prefix or f"{describe(options.images[0]).stem}-series"
    path = stem_of(options.out_dir, name, "ldic", options.images[0]) + ".hdf.series"
    names = [os.path.relpath(result, os.path.dirname(path) or ".") for result in results]
    write_series(path, names, list(range(1, len(results) + 1)))
    return path


def estimate(jobs: list[Job], ranks: int, ranks_per_node: int) -> str:
    """What the run will take, as text: points, memory, core time, disk."""
    step: LdicTask = jobs[0].task
    seconds = seconds_per_window(step.settings) * step.grid.size * len(jobs)
    return (
        f"{len(jobs)} pair{'s' * (len(jobs) > 1)} of {step.grid.size} nodes {step.grid.shape} (ZYX)\n"
        f"per node: {memory_text((step.im1, step.im2, step.mask))}\n"
        f"per rank: about 50 MB; rank 0 also {step.grid.size * 3 * 240 / 1e6:.1f} MB of rows\n"
        f"core time: about {duration(seconds)}; {duration(seconds / ranks)} on {ranks} ranks, "
        f"{ranks_per_node} per node\n"
        f"disk: about {sum(file.file_bytes for job in jobs for file in job.files) / 1e6:.1f} MB for the results"
    )
