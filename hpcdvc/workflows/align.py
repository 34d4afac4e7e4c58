"""hpcdvc-align: the views of a tomographic scan, each moved until it fits the volume that all of them show."""

import logging
import math
import os
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np

from hpcdvc.errors import RunError, UserError
from hpcdvc.fields.status import Status
from hpcdvc.images import VolumeInfo
from hpcdvc.images.hdf5_storage import planned
from hpcdvc.images.kinds import split
from hpcdvc.options.align import Options
from hpcdvc.options.declare import named_files
from hpcdvc.output.places import check_folder, stem_of
from hpcdvc.output.stored import opened
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.inputs import Inputs
from hpcdvc.runs.job import Job, carry_out, metadata_of, parameters_of
from hpcdvc.runs.machine import node_memory
from hpcdvc.steps import align_cost
from hpcdvc.steps.aligned import AlignedFile
from hpcdvc.tomography import align as loop
from hpcdvc.tomography.levels import plan as stages_of
from hpcdvc.tomography.opening import describe_scan
from hpcdvc.tomography.scan import Scan
from hpcdvc.tomography.settings import Alignment, AlignSettings, Journal, State

log = logging.getLogger("hpcdvc")

#: Bytes of the state of the generator of chance.
RANDOM = 512


@dataclass(frozen=True, eq=False)
class AlignTask:
    """What is aligned.

    Attributes
    ----------
    scan : its views
    settings : how
    """

    scan: Scan
    settings: AlignSettings


def run(options: Options, team) -> list[str]:
    """Align a scan; returns the paths written. Collective.

    Parameters
    ----------
    options : Options
    team : hpcdvc.ranks.team.Team
    """
    return carry_out(options, team, plan, measure, lambda jobs: estimate(jobs[0], team))


def plan(options: Options, inputs: Inputs, team) -> list[Job]:
    """The one job, on one rank.

    Raises
    ------
    UserError
        With one sentence, when something is missing or does not fit.
    """
    scan = scan_of(options)
    settings = settings_of(options)
    loop.check(scan.geometry, settings)
    if options.stack == "nxtomo" and scan.geometry.turns is None:
        raise UserError("-stack nxtomo: NXtomo holds no tilt of views and none that are reversed: take -stack tif")
    if not options.dry_run:
        align_cost.check_memory(scan.geometry, settings, team, node_memory())
    named = named_files(options)
    others = {name: value for name, value in named.items() if value is not None and name != "scan"}
    info = files_of(scan, [path for path in others.values() if os.path.isfile(path)])
    inputs.add("scan", info)
    # a name of a part of the file tells scans apart as the files do
    parts = {name: value for name, value in others.items() if not os.path.exists(value)}
    parameters = parameters_of(options, {**inputs.identities(), "parts": parts})
    metadata = metadata_of("align", parameters, named)
    stem = stem_of(options.out_dir, options.prefix or info.stem, "align", info.path)
    if options.geo:
        folder = os.path.dirname(options.geo) or "."
        if not os.path.isdir(folder):
            raise UserError(f"-geo {options.geo}: there is no such folder")
        check_folder(folder)
    iterations = sum(stage.maxiter for stage in stages_of(scan.geometry, settings))
    written = {name: getattr(options, name) for name in ("geo", "stack", "absorbances", "graph")}
    file = AlignedFile(stem, metadata, scan.geometry, scan.detector, iterations, **written)
    rows = state_type(scan.geometry.views)
    task = AlignTask(scan, settings)
    return [Job(stem=stem, parameters=parameters, files=(file,), task=task, dtype=rows, unit="iterations")]


def scan_of(options: Options) -> Scan:
    """The scan that options name; UserError where it is none, or lacks a part."""
    names = ("data", "angles", "tilt", "flat", "dark", "absorbances", "background")
    given = {name: getattr(options, name) for name in names}
    with planned() if options.dry_run else nullcontext():  # of a scan that has not begun sizes are enough
        scan = describe_scan(options.scan, **given, volume=options.volume_shape)
    for note in scan.views.notes:
        log.warning("%s", note)
    if options.start == "file" and not (scan.j_offsets.any() or scan.k_offsets.any()):
        log.warning("%s: -start file, but it has no offsets other than 0", scan.spec)
    return scan


def files_of(scan: Scan, more: list[str]) -> VolumeInfo:
    """The files of a scan, and more of which it is made, as one volume, whose identity tells it from others."""
    path, dataset = split(scan.spec)
    shape = (scan.geometry.views, *scan.geometry.shape[::-1])
    files = tuple(dict.fromkeys((*scan.views.files, *more)))
    return VolumeInfo(scan.spec, path, dataset, shape, np.dtype(np.float32), False, None, scan.kind, files)


def settings_of(options: Options) -> AlignSettings:
    """How it is aligned."""
    return AlignSettings(
        options.reconstruction,
        options.reconstruction_arguments,
        options.maxiter,
        options.stages,
        options.method_of_stages,
        options.levels,
        options.tolerance,
        options.cutoff,
        options.sample,
        options.relaxation,
        options.centre_of_mass,
        not options.no_j,
        not options.no_k,
        options.ignored,
        options.crop,
        options.start,
        options.mode,
        options.adjoint,
        options.seed,
    )


def measure(job: Job, checkpoint: Checkpoint, options: Options, team) -> dict:
    """Align and write the HDF5 file. Collective; returns what the record of the run keeps."""
    task: AlignTask = job.task
    (file,) = job.files
    geometry = task.scan.geometry
    log.info("%s: %d views of %d x %d pixels", task.scan.spec, geometry.views, *geometry.shape)
    found = checkpoint.load()
    earlier = team.agree(lambda: tuple(map(state_of, found)))
    journal = Journal(lambda state: _keep(state, checkpoint, team), earlier, log.info)
    result = loop.align(task.scan, task.settings, team, journal)
    checkpoint.close()
    team.agree(checkpoint.confirm)
    end = end_of(result)
    team.agree(lambda: file.write(result, end))
    for note in result.notes:
        log.warning("%s: %s", task.scan.spec, note)
    report(result)
    return {"end": end}


def end_of(result: Alignment) -> dict:
    """How an alignment ended, as JSON takes it."""
    last = result.history[-1]
    codes, counts = np.unique(result.statuses, return_counts=True)
    return {
        "converged": bool(result.converged),
        "iterations": last.iteration,
        "change": last.change,
        "residual": last.residual if math.isfinite(last.residual) else None,
        "statuses": {str(code): count for code, count in zip(codes.tolist(), counts.tolist(), strict=True)},
        "doubts": list(result.doubts),
    }


def report(result: Alignment) -> None:
    """Say how it ended."""
    last = result.history[-1]
    rms = np.sqrt((result.free**2).mean(axis=1))
    log.info("offsets without the translation of the volume: rms %.3f (j), %.3f (k) pixel", *rms)
    for doubt in result.doubts:
        log.warning("not converged: %s", doubt)
    if result.converged:
        log.info("converged in %d iterations", last.iteration)
    elif not result.settled:
        log.warning(
            "ended by -maxiter after %d iterations, the last of which moved a view by %.3g pixel; a "
            "higher -maxiter allows more",
            last.iteration,
            last.change,
        )


def judge(paths: list[str]) -> None:
    """RunError where nothing is known of any view, on one rank; the first path is that of the HDF5 file."""
    for path in paths[:1]:
        with opened(path) as stored:
            end = stored.json("hpcdvc", "end")
        if max(map(int, end["statuses"])) < Status.MAX_ITERATIONS:
            raise RunError(f"{path}: no view is aligned: {end['doubts'][0]}")


def state_type(views: int) -> np.dtype:
    """Record of a state of so many views."""
    numbers = [(name, "<i4") for name in ("iteration", "stage", "step")]
    facts = [(name, "<f8") for name in ("change", "residual")]
    return np.dtype([("index", "<i8"), *numbers, *facts, ("random", f"S{RANDOM}"), ("offsets", "<f8", (2, views))])


def row_of(state: State) -> np.ndarray:
    """A state as one record."""
    row = np.zeros(1, state_type(state.offsets.shape[1]))
    for name in row.dtype.names:
        row[name] = getattr(state, "iteration" if name == "index" else name)
    return row


def state_of(row: np.void) -> State:
    """The state that a record holds."""
    values = {name: row[name].item() for name in ("iteration", "stage", "step", "change", "residual")}
    return State(row["offsets"].copy(), **values, random=row["random"].item().decode())


def _keep(state: State, checkpoint: Checkpoint, team) -> None:
    """Bring an iteration to the disk; leave if that was asked for. Collective."""
    checkpoint.keep_iteration(lambda: row_of(state))


def estimate(job: Job, team) -> str:
    """What the run will take, as text: memory and core time.

    Raises
    ------
    UserError
        On every rank: it does not fit the node. What it needs has been said then.
    """
    task: AlignTask = job.task
    geometry, settings, (file,) = task.scan.geometry, task.settings, job.files
    text = align_cost.estimate(geometry, settings, team)
    text += f"\ndisk: {file.file_bytes / 1e6:.1f} MB for {file.path} and what stands beside it"
    available = team.agree(node_memory)
    try:
        align_cost.check_memory(geometry, settings, team, available)
    except UserError as error:
        log.info(text)
        team.fail(error)
    return text
