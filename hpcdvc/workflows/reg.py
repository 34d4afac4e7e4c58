"""hpcdvc-reg: one deformation function for a whole image, from coarse copies to the image itself."""

import logging
import os
import time
from dataclasses import dataclass

import numpy as np

from hpcdvc.errors import RunError, Unfinished, UserError, agreed
from hpcdvc.fields.field import ROW, Field
from hpcdvc.fields.phi import at_points
from hpcdvc.fields.status import STATUS_TEXT, Status
from hpcdvc.images import VolumeInfo, check_mask, check_pair, describe, memory_text, open_mask, open_volume
from hpcdvc.options.reg import Options
from hpcdvc.output import graph
from hpcdvc.output.hdf5 import choose_transport
from hpcdvc.output.result import Result, check_folder, check_inputs_stay, estimate_bytes, stem_of
from hpcdvc.ranks.progress import duration
from hpcdvc.registration.gauss_newton import ITERATE
from hpcdvc.registration.levels import Level, centre_of_mass
from hpcdvc.registration.multiscale import Journal, RegistrationResult, Task, grey_of, levels_between, register_levels
from hpcdvc.registration.settings import Iterations
from hpcdvc.runs.checkpoint import Checkpoint, key_of
from hpcdvc.runs.provenance import metadata_of, parameters_of
from hpcdvc.steps.settings import task_of
from hpcdvc.steps.start import read_start

log = logging.getLogger("hpcdvc")


#: What to try when a registration has failed.
ADVICE = {
    Status.MAX_ITERATIONS: "a higher -it or -dp",
    Status.ERROR_GROWTH: "another -bb, or a larger margin -m",
    Status.SINGULAR: "a mask (-mf1) of what has texture",
    Status.VOLUME_CHANGE: "a larger margin -m, or a start with -pf or --auto",
    Status.SINGULAR_PHI: "another -bb, or -ug",
    Status.LEFT_IMAGE: "a start with -pf or --auto: less than a tenth of im1 meets im2",
    Status.DECORRELATED: "a start with -pf or --auto, or a larger -bb",
}


#: Options that name files.
PATHS = ("im1", "im2", "mask1", "phi_file")


@dataclass(frozen=True)
class Plan:
    """What is registered, and where that goes."""

    im1: VolumeInfo
    im2: VolumeInfo
    mask: VolumeInfo | None
    start: Field | None
    task: Task
    parameters: dict
    result: Result
    done: bool


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
    transport = choose_transport(team)
    plan = team.agree(lambda: make_plan(options, team))
    if options.dry_run:
        log.info(estimate(plan, team.size, team.node_size))
        return []
    if not plan.done:
        register(plan, options, transport, team)
    paths = team.agree(lambda: [plan.result.path, *plan.result.write_views()])
    if options.deformed:
        from hpcdvc.steps.deformed import write_deformed  # what is not needed delays the start

        order = plan.task.settings.interpolation.order
        paths.append(
            write_deformed(plan.result.path, _deformed(options, plan.im1), plan.im1, order, team, options.quiet)
        )
    team.agree(lambda: _shards(plan, team=None).clear())
    return paths


def make_plan(options: Options, team) -> Plan:
    """Check all that can be checked without reading a volume, on rank 0.

    Raises
    ------
    UserError
        With one sentence, when something is missing, does not fit or cannot be written.
    """
    im1, im2 = describe(options.im1), describe(options.im2)
    mask = describe(options.mask1) if options.mask1 else None
    check_pair(im1, im2)
    if mask:
        check_mask(im1, mask)
    start = read_start(options.phi_file, options.phi_file_bin_ratio)
    if start is not None and len(start) != 1:
        raise UserError(f"{options.phi_file} holds a field of {len(start)} rows: one registration (one row) is needed")
    if start is not None and not np.linalg.det(start.phi[0, :3, :3]) > 1e-3:
        raise UserError(f"the Phi in {options.phi_file} is singular or mirrors: nothing can start from it")
    if options.return_mask_centre and not mask:
        log.warning("-rmc without a mask (-mf1) changes nothing: Phi is given at the centre of the image")
    if options.graph:
        graph.check()
    task = task_of(options, im1)
    parameters = parameters_of(options, PATHS, {"im1": im1, "im2": im2, "mask1": mask})
    result = Result(
        stem_of(options.out_dir, options.prefix or f"{im1.stem}-{im2.stem}", "registration", im1.path), ("tsv",)
    )
    done = result.check(key_of(parameters), options.force, options.resume)
    if options.deformed:
        _check_deformed(_deformed(options, im1), options, [info.path for info in (im1, im2, mask) if info])
    plan = Plan(im1, im2, mask, start, task, parameters, result, done)
    if not done and (not options.force or options.resume):
        _shards(plan, team).check(options.resume)
    need = estimate_bytes(1, ("tsv",)) + (im1.voxel_bytes if options.deformed else 0)
    check_folder(os.path.dirname(result.stem), need, make=not options.dry_run)
    return plan


def _deformed(options: Options, im1: VolumeInfo) -> str:
    """Path of the deformed im1."""
    return stem_of(options.out_dir, options.prefix or im1.stem, "reg-def", im1.path) + ".tif"


def _check_deformed(path: str, options: Options, inputs: list[str]) -> None:
    check_inputs_stay([path], inputs)
    if os.path.exists(path) and not (options.force or options.resume):
        raise UserError(f"{path} exists: --force overwrites it, -pre or -od give another name")


def _shards(plan: Plan, team, interval: float = 10.0) -> Checkpoint:
    return Checkpoint(plan.result.stem, plan.parameters, team, interval, ITERATE, "iterations")


def register(plan: Plan, options: Options, transport: str, team) -> None:
    """Register the pair and write its HDF5 file. Collective."""
    began = time.time()
    shards = _shards(plan, team, options.checkpoint_interval)
    if options.force and not options.resume:
        shards.remove()
    log.info("%s -> %s", plan.im1.spec, plan.im2.spec)
    im1, im2 = open_volume(plan.im1, team), open_volume(plan.im2, team)
    mask = open_mask(plan.mask, team) if plan.mask else None
    image_centre = (np.array(plan.im1.shape) - 1) / 2
    centre = image_centre if mask is None else centre_of_mass(mask, team)
    if centre is None:
        raise agreed(UserError(f"the mask {plan.mask.spec} is 0 everywhere: no voxel is left to register"))
    earlier = team.broadcast(shards.load())
    levels = levels_between(Level.of(im1, im2, mask), plan.task.first, plan.task.last, team)
    phi, about = np.eye(4), image_centre
    if options.auto:
        from hpcdvc.registration.find_start import find_start  # what is not needed delays the start

        grey_of(levels, plan.task.names, team)  # first: that --auto finds no start is not the fault of constant images
        phi, about, levels = find_start(levels, plan.task, team)
    elif plan.start:
        phi, about = plan.start.phi[0], plan.start.positions[0]
    journal = Journal(lambda row: _keep(row, shards, team), earlier)
    outcome = register_levels(levels, plan.task, at_points(phi, about, centre[None])[0], centre, team, journal)
    shards.close()
    team.agree(lambda: write_history(plan, options, outcome))
    if outcome.return_status != Status.CONVERGED:
        team.agree(shards.clear)
        raise agreed(RunError(failure(outcome)))
    at = centre if options.return_mask_centre else image_centre
    rows = row_of(outcome, at)
    metadata = metadata_of("reg", plan.parameters, {name: getattr(options, name) for name in PATHS})
    spread = team.rank > 0
    plan.result.write(rows[spread:], int(spread), None, metadata, team, transport, at[None][spread:])
    team.agree(lambda: plan.result.write_record({"seconds": round(time.time() - began, 3)}, team))


def _keep(row: np.ndarray, shards: Checkpoint, team) -> None:
    """Bring an iteration to the disk; leave if that was asked for. Collective."""
    if not shards.opened:  # not before: what fails without an iteration leaves nothing to be resumed
        shards.open(alone=True)
    team.agree(lambda: shards.append(row))
    if team.any(team.stop_requested):
        shards.close()
        raise agreed(Unfinished("left on request; the iterations so far are safe, run again with --resume"))


def row_of(outcome: RegistrationResult, point: np.ndarray) -> np.ndarray:
    """The registration as one record, its displacement at a point."""
    row = np.zeros(1, ROW)
    row["Phi"] = at_points(outcome.phi, outcome.centre, point[None])[:, :3]
    row["variance"] = outcome.variance_at(point)
    for name in ("error", "delta_phi_norm", "zncc", "valid_fraction", "return_status", "iterations"):
        row[name] = getattr(outcome, name)
    return row


def write_history(plan: Plan, options: Options, outcome: RegistrationResult) -> None:
    """Write what was asked for about the iterations; on one rank."""
    for wanted, write, ending in (
        (options.graph, graph.draw_iterations, "iterations.png"),
        (options.journal, graph.save_iterations, "iterations.npy"),
    ):
        if wanted:
            path = f"{plan.result.stem}-{ending}"
            write(path, outcome.history)
            log.info("wrote %s", path)


def failure(outcome: RegistrationResult) -> str:
    """Why the registration has failed and what to try, as a sentence."""
    reason = STATUS_TEXT[outcome.return_status][0]
    lost = outcome.zncc < Iterations.min_zncc
    advice = ADVICE[Status.DECORRELATED if lost else outcome.return_status]
    return (
        f"the registration has failed at binning {outcome.factor}, iteration {outcome.iterations}: {reason} "
        f"(return status {outcome.return_status}, zncc {outcome.zncc:.3f}); try {advice}"
    )


def estimate(plan: Plan, ranks: int, ranks_per_node: int) -> str:
    """What the run will take, as text: memory and core time."""
    voxels = float(np.prod(plan.im1.shape))
    binned = 8 * voxels * sum(1 / 8**k for k in range(1, plan.task.first.bit_length())) / 1e6
    seconds = 1e-9 * voxels * {1: 8, 3: 15, 5: 40}[plan.task.settings.interpolation.order]
    return (
        f"levels: binning {plan.task.first} to {plan.task.last}\n"
        f"per node: {memory_text((plan.im1, plan.im2, plan.mask))}, {binned:.1f} MB of binned images\n"
        f"per rank: about 70 MB\n"
        f"core time: about {duration(seconds)}; {duration(seconds / ranks)} on {ranks} ranks, "
        f"{ranks_per_node} per node"
    )
