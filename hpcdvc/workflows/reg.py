"""hpcdvc-reg: one deformation function for a whole image, from coarse copies to the image itself."""

import logging
import math
from dataclasses import dataclass

import numpy as np

from hpcdvc.errors import RunError, UserError
from hpcdvc.fields.field import ROW, Field
from hpcdvc.fields.phi import at_points
from hpcdvc.fields.status import Status, reason_of
from hpcdvc.images import VolumeInfo, check_mask, check_pair, memory_text, open_volume
from hpcdvc.options.declare import named_files
from hpcdvc.options.reg import Options
from hpcdvc.output import graph
from hpcdvc.output.hdf5 import choose_transport
from hpcdvc.output.places import stem_of
from hpcdvc.output.result import FieldFile
from hpcdvc.registration.gauss_newton import ITERATE
from hpcdvc.registration.journal import Journal
from hpcdvc.registration.levels import Level, centre_of_mass
from hpcdvc.registration.multiscale import RegistrationResult, grey_of, levels_between, register_levels
from hpcdvc.registration.settings import Iterations
from hpcdvc.registration.task import Task, default_margin
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.cost import core_time
from hpcdvc.runs.inputs import Inputs
from hpcdvc.runs.job import Job, carry_out, metadata_of, parameters_of
from hpcdvc.steps.deformed import DeformedImage, deformed_job, write_deformed
from hpcdvc.steps.roi import Region, check_beyond_margin, nothing_left, open_mask_in, region_in
from hpcdvc.steps.settings import task_of
from hpcdvc.steps.start import read_start

log = logging.getLogger("hpcdvc")


_NEARER = "a start with -pf or --auto, or a larger -bb"
#: What to try when a registration has failed.
ADVICE = {
    Status.MAX_ITERATIONS: "a higher -it or -dp",
    Status.ERROR_GROWTH: _NEARER,
    Status.SINGULAR: "images whose grey values change along every axis",
    Status.VOLUME_CHANGE: _NEARER,
    Status.SINGULAR_PHI: _NEARER,
    Status.LEFT_IMAGE: "a start with -pf or --auto: less than a tenth of im1 meets im2",
    Status.DECORRELATED: _NEARER,
}


@dataclass(frozen=True)
class RegTask:
    """What is registered."""

    im1: VolumeInfo
    im2: VolumeInfo
    mask: VolumeInfo | None
    region: Region | None
    start: Field | None
    task: Task


def run(options: Options, team) -> list[str]:
    """Register the pair; returns the paths written. Collective.

    Parameters
    ----------
    options : Options
    team : hpcdvc.ranks.team.Team

    Raises
    ------
    RunError
        The registration has not converged; the sentence says why and what to try.
    """
    return carry_out(options, team, plan, work, lambda jobs: estimate(jobs[0], team.size, team.node_size))


def plan(options: Options, inputs: Inputs, team) -> list[Job]:
    """The registration and, where it is asked for, the deformed image, on one rank.

    Raises
    ------
    UserError
        With one sentence, when something is missing or does not fit.
    """
    im1, im2, mask = (inputs.volume(name) for name in ("im1", "im2", "mask1"))
    check_pair(im1, im2)
    if mask:
        check_mask(im1, mask)
    start = read_start(options.phi_file, options.phi_file_bin_ratio, im1)
    if start is not None and len(start) != 1:
        raise UserError(f"{options.phi_file} holds a field of {len(start)} rows: one registration (one row) is needed")
    if start is not None and not np.linalg.det(start.phi[0, :3, :3]) > 1e-3:
        raise UserError(f"the Phi in {options.phi_file} is singular or mirrors: nothing can start from it")
    region = region_in(options, im1)
    if options.return_mask_centre and not (mask or region):
        log.warning("-rmc without a mask (-mf1) or --roi changes nothing: Phi is given at the centre of the image")
    if options.graph:
        graph.check()
    task = task_of(options, im1)
    check_beyond_margin(region, im1.shape, task.margin or default_margin(im1.shape), "-m")
    parameters = parameters_of(options, inputs.identities())
    metadata = metadata_of("reg", parameters, named_files(options))
    stem = stem_of(options.out_dir, options.prefix or f"{im1.stem}-{im2.stem}", "registration", im1.path)
    views = ("tsv", *(name for name in ("graph", "journal") if getattr(options, name)))
    file = FieldFile(stem, 1, metadata, views, transport=choose_transport(team))
    pair = RegTask(im1, im2, mask, region, start, task)
    jobs = [Job(stem=stem, parameters=parameters, files=(file,), task=pair, dtype=ITERATE, unit="iterations")]
    if options.deformed:
        stem = stem_of(options.out_dir, options.prefix or im1.stem, "reg-def", im1.path)
        jobs.append(deformed_job(stem, file, im1, options.interpolation_order))
    return jobs


def work(job: Job, checkpoint: Checkpoint, options: Options, team) -> dict | None:
    """Register, or deform the image by the registration. Collective; returns what the record of the run keeps."""
    if isinstance(job.task, DeformedImage):
        return write_deformed(job, checkpoint, team, options.quiet)
    return register(job, checkpoint, options, team)


def register(job: Job, checkpoint: Checkpoint, options: Options, team) -> dict:
    """Register the pair and write its HDF5 file. Collective."""
    pair: RegTask = job.task
    (file,) = job.files
    log.info("%s -> %s", pair.im1.spec, pair.im2.spec)
    im1, im2 = open_volume(pair.im1, team), open_volume(pair.im2, team)
    mask = open_mask_in(pair.region, pair.mask, pair.im1.shape, team)
    image_centre = (np.array(pair.im1.shape) - 1) / 2
    centre = image_centre if mask is None else centre_of_mass(mask, team)
    if centre is None:
        team.fail(nothing_left(pair.region, pair.mask))
    earlier = team.broadcast(checkpoint.load())
    levels = levels_between(Level.of(im1, im2, mask), pair.task.first, pair.task.last, team)
    phi, about = np.eye(4), image_centre
    if options.auto:
        from hpcdvc.registration.find_start import find_start  # what is not needed delays the start

        grey_of(levels, pair.task.names, team)  # first: that --auto finds no start is not the fault of constant images
        phi, about, levels = find_start(levels, pair.task, team)
    elif pair.start:
        phi, about = pair.start.phi[0], pair.start.positions[0]
    journal = Journal(lambda row: _keep(row, checkpoint, team), earlier)
    outcome = register_levels(levels, pair.task, at_points(phi, about, centre[None])[0], centre, team, journal)
    checkpoint.close()
    if outcome.return_status != Status.CONVERGED:
        team.agree(lambda: file.write_iterations(outcome.history))
        team.agree(checkpoint.shards.clear)
        team.fail(RunError(failure(outcome, options.auto)))
    team.agree(checkpoint.confirm)
    at = centre if options.return_mask_centre else image_centre
    rows = row_of(outcome, at)
    mine = slice(0, 1 if team.rank == 0 else 0)
    file.write(rows[mine], None, team, at[None][mine], outcome.history)
    return {}


def _keep(row: np.ndarray, checkpoint: Checkpoint, team) -> None:
    """Bring an iteration to the disk; leave if that was asked for. Collective."""
    checkpoint.keep_iteration(lambda: row)


def row_of(outcome: RegistrationResult, point: np.ndarray) -> np.ndarray:
    """The registration as one record, its displacement at a point."""
    row = np.zeros(1, ROW)
    row["Phi"] = at_points(outcome.phi, outcome.centre, point[None])[:, :3]
    row["variance"] = outcome.variance_at(point)
    for name in ("error", "delta_phi_norm", "zncc", "valid_fraction", "return_status", "iterations"):
        row[name] = getattr(outcome, name)
    return row


def failure(outcome: RegistrationResult, auto: bool) -> str:
    """Why the registration has failed and what to try, as a sentence; `auto`: its start was found by --auto."""
    reason = reason_of(outcome.return_status)
    lost = outcome.zncc < Iterations.min_zncc
    advice = ADVICE[Status.DECORRELATED if lost else outcome.return_status]
    if auto:
        advice = advice.replace("-pf or --auto", "-pf")
    return (
        f"the registration has failed at binning {outcome.factor}, iteration {outcome.iterations}: {reason} "
        f"(return status {outcome.return_status}, zncc {outcome.zncc:.3f}); try {advice}"
    )


def estimate(job: Job, ranks: int, ranks_per_node: int) -> str:
    """What the run will take, as text: memory and core time."""
    pair: RegTask = job.task
    voxels = float(math.prod(pair.im1.shape))
    binned = 8 * voxels * sum(1 / 8**k for k in range(1, pair.task.first.bit_length())) / 1e6
    seconds = 1e-9 * voxels * {1: 8, 3: 15, 5: 40}[pair.task.settings.interpolation.order]
    return (
        f"levels: binning {pair.task.first} to {pair.task.last}\n"
        f"per node: {memory_text((pair.im1, pair.im2, pair.mask))}, {binned:.1f} MB of binned images\n"
        f"per rank: about 70 MB\n" + core_time(seconds, seconds / ranks, ranks, ranks_per_node)
    )
