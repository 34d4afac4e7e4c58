"""hpcdvc-mmr: one deformation function between images of two modalities, by their joint histogram."""

import logging
import math
from dataclasses import dataclass

import numpy as np

from hpcdvc.errors import RunError, UserError
from hpcdvc.fields.field import Field
from hpcdvc.fields.phi import at_points
from hpcdvc.fields.status import Status, reason_of
from hpcdvc.images import VolumeInfo, check_mask, check_pair, memory_text, open_volume
from hpcdvc.multimodal.checked_phases import MOST_STRETCHED
from hpcdvc.multimodal.multiscale import ITERATE, ModalResult, register_modal
from hpcdvc.multimodal.phases_file import read_phases
from hpcdvc.multimodal.settings import ModalSettings
from hpcdvc.options.declare import named_files
from hpcdvc.options.mmr import AUTO, Options
from hpcdvc.output.places import stem_of
from hpcdvc.registration.journal import Journal
from hpcdvc.registration.levels import Level, centre_of_mass
from hpcdvc.registration.multiscale import levels_between
from hpcdvc.registration.task import coarsest
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.cost import core_time
from hpcdvc.runs.inputs import Inputs
from hpcdvc.runs.job import Job, carry_out, metadata_of, parameters_of
from hpcdvc.steps.deformed import DeformedImage, deformed_job, write_deformed
from hpcdvc.steps.modal_result import ModalFile, stored_end
from hpcdvc.steps.modal_write import write_modal
from hpcdvc.steps.roi import Region, check_beyond_margin, nothing_left, open_mask_in, region_in
from hpcdvc.steps.start import read_start

log = logging.getLogger("hpcdvc")

#: Order of the interpolation of deformed images.
ORDER = 3
#: Core time of a voxel in an iteration, of the mixture in one, and of --auto, s; and iterations of a usual level.
SECONDS_PER_VOXEL, SECONDS_OF_MIXTURE, SECONDS_OF_AUTO, ITERATIONS = 2e-8, 0.05, 30, 12
#: Part of the voxels in none of the phases from which on a phase is missing: all phases leave 0.004, one too few 0.27.
MOST_LEFT = 0.1
_NEARER = "a start with --auto or -pf, or more levels (-bin)"
#: What to try when a registration has failed.
ADVICE = {
    Status.MAX_ITERATIONS: "a higher -it or -dp",
    Status.ERROR_GROWTH: _NEARER,
    Status.SINGULAR: "other phases (-ph), or -rig: the grey values do not tell how the images lie",
    Status.VOLUME_CHANGE: f"{_NEARER}, or -rig",
    Status.SINGULAR_PHI: f"{_NEARER}, or -rig",
    Status.LEFT_IMAGE: f"{_NEARER}: too little of im1 meets im2",
    Status.DECORRELATED: f"{_NEARER}, or other phases (-ph): im1 does not explain im2",
}


@dataclass(frozen=True, eq=False)
class MmrTask:
    """What is registered.

    Attributes
    ----------
    im1, im2, mask : headers of the images
    region : voxels of im1 that count, or None
    start : a registration to start from, or None
    settings : how
    """

    im1: VolumeInfo
    im2: VolumeInfo
    mask: VolumeInfo | None
    region: Region | None
    start: Field | None
    settings: ModalSettings


def run(options: Options, team) -> list[str]:
    """Register the pair; returns the paths written. Collective.

    Parameters
    ----------
    options : Options
    team : hpcdvc.ranks.team.Team
    """
    return carry_out(options, team, plan, work, lambda jobs: estimate(jobs, options, team))


def plan(options: Options, inputs: Inputs, team) -> list[Job]:
    """The registration and, where they are asked for, the images in each other's frame, on one rank.

    Raises
    ------
    UserError
        With one sentence, when something is missing or does not fit.
    """
    im1, im2, mask = (inputs.volume(name) for name in ("im1", "im2", "mask1"))
    check_pair(im1, im2)
    if mask:
        check_mask(im1, mask)
    _check_levels(options, im1)
    start = _registration(options, im1)
    settings = settings_of(options, im1.shape)
    parameters = parameters_of(options, inputs.identities())
    metadata = metadata_of("mmr", parameters, named_files(options))
    names = (im1.stem, im2.stem)
    stem = stem_of(options.out_dir, options.prefix or "-".join(names), "mmr", im1.path)
    binnings = tuple(2**k for k in reversed(range(options.levels)))
    file = ModalFile(stem, stem.removesuffix("-mmr"), im1.shape, metadata, binnings, names)
    region = region_in(options, im1)
    margin = [max(options.margin, options.crop) * n * (n > 1) for n in im1.shape]
    check_beyond_margin(None if options.phases_file else region, im1.shape, margin, "-mar")
    task = MmrTask(im1, im2, mask, region, start, settings)
    jobs = [Job(stem=stem, parameters=parameters, files=(file,), task=task, dtype=ITERATE, unit="iterations")]
    for image, end, back in ((im1, "mmr-def", False), (im2, "mmr-undef", True)) if options.deformed else ():
        stem = stem_of(options.out_dir, options.prefix or image.stem, end, im1.path)
        jobs.append(deformed_job(stem, file, image, ORDER, back))
    return jobs


def _check_levels(options: Options, image: VolumeInfo) -> None:
    most = coarsest(image.shape).bit_length()
    if options.levels > most:
        size = " x ".join(map(str, image.shape))
        raise UserError(f"-bin {options.levels} is too much for {image.spec} ({size} voxels): at most {most}")


def _registration(options: Options, image: VolumeInfo) -> Field | None:
    """The registration of -pf."""
    start = read_start(options.phi_file, options.phi_file_bin_ratio, image)
    if start is not None and len(start) != 1:
        raise UserError(f"{options.phi_file} holds a field of {len(start)} rows: one registration (one row) is needed")
    if start is None:
        return None
    stretch = start.phi[0, :3, :3]
    if np.abs(stretch).max() > MOST_STRETCHED or not np.linalg.det(stretch) > 1e-3:
        raise UserError(f"the Phi in {options.phi_file} is singular, huge or mirrors: nothing can start from it")
    return start


def settings_of(options: Options, shape: tuple[int, int, int]) -> ModalSettings:
    """How images of a shape are registered.

    Raises
    ------
    UserError
        The file of --phases is none, or says what options say, too.
    """
    o, phases = options, read_phases(options.phases_file) if options.phases_file else None
    ranges = ((o.im1_min, o.im1_max), (o.im2_min, o.im2_max))
    if phases and phases.ranges and ranges != ((None, None), (None, None)):
        raise UserError(f"{o.phases_file} has the ranges of grey values: leave -im1min, -im1max, -im2min, -im2max out")
    if phases and phases.box and o.margin != Options.margin:
        raise UserError(f"{o.phases_file} has a box: leave -mar {o.margin:g} out")
    settings = ModalSettings(
        n_phases=AUTO if AUTO in o.n_phases else o.n_phases,
        bins=o.bins,
        crop=o.crop,
        margin=o.margin,
        ranges=ranges,
        thresholds=(o.im1_threshold, o.im2_threshold),
        distance=o.distance,
        fit_distance=o.fit_distance,
        coverage=o.coverage,
        max_iterations=o.max_iterations,
        min_delta_phi=o.min_delta_phi,
        rigid=o.rigid,
        names=(o.im1, o.im2),
    )
    return settings.replaying(phases, shape) if phases else settings


def work(job: Job, checkpoint: Checkpoint, options: Options, team) -> dict | None:
    """Register, or bring an image into the frame of the other. Collective; returns what the record of the run keeps."""
    if not isinstance(job.task, DeformedImage):
        return register(job, checkpoint, options, team)
    end = team.agree(lambda: stored_end(job.task.registration))
    if end["return_status"] != Status.CONVERGED:
        team.fail(RunError(failure(job.task.registration, end)))
    return write_deformed(job, checkpoint, team, options.quiet)


def register(job: Job, checkpoint: Checkpoint, options: Options, team) -> dict:
    """Register the pair and write its HDF5 file. Collective."""
    task: MmrTask = job.task
    (file,) = job.files
    log.info("%s -> %s", task.im1.spec, task.im2.spec)
    im1, im2 = open_volume(task.im1, team), open_volume(task.im2, team)
    mask = open_mask_in(task.region, task.mask, task.im1.shape, team)
    centre = (np.array(task.im1.shape) - 1) / 2 if mask is None else centre_of_mass(mask, team)
    if centre is None:
        team.fail(nothing_left(task.region, task.mask))
    earlier = team.broadcast(checkpoint.load())
    level = Level.of(im1, im2, mask)
    levels = levels_between(level, file.binnings[0], 1, team)
    start = start_of(task, options.auto, level, centre, team)
    journal = Journal(lambda row: _keep(row, checkpoint, team), earlier)
    results = register_modal(levels, task.settings, start, centre, team, journal)
    checkpoint.close()
    team.agree(checkpoint.confirm)
    end = write_modal(file, results, levels, task.settings, team)
    report(results, task.settings)
    return {"end": end}


def report(results: tuple[ModalResult, ...], settings: ModalSettings) -> None:
    """Say what was found, and what was not as it was asked for."""
    last = results[-1]
    for number, result in enumerate(results):
        asked, found = settings.phases_of(number, len(results)), result.mixture.n_phases
        words = f"binning {result.factor}: {found} phase{'s' * (found > 1)}"
        if asked == AUTO:
            log.info(words)
        elif asked != found and not settings.phases:
            log.warning("%s found, not %d", words, asked)
    left = last.mixture.background
    if last.return_status == Status.CONVERGED and left > MOST_LEFT:
        what = f"{100 * left:.0f} % of the voxels belong to none of the phases found (-ph)"
        log.warning("%s: Phi may be wrong by more than its standard deviation", what)
    std = np.sqrt(last.variance.reshape(3, 4)[:, 3])
    log.info("im1 explains %.4f of the variance of im2, %.4f at the start", last.explained, last.explained_start)
    if np.isfinite(std).all():
        log.info("standard deviation of the displacement: %.2g %.2g %.2g voxel (ZYX)", *std)


def start_of(task: MmrTask, auto: bool, level: Level, centre: np.ndarray, team) -> np.ndarray:
    """(4, 4) Phi about the centre to start from. Collective."""
    if auto:
        from hpcdvc.multimodal.auto import find_start  # what is not needed delays the start

        found = find_start(level, centre, team)
        if found is None:
            log.warning("--auto found no start: nowhere do the images match; it begins without motion")
        return np.eye(4) if found is None else found
    if phases := task.settings.phases:
        about = (np.array(level.im1.shape) - 1) / 2 if phases.centre is None else phases.centre
        return at_points(phases.phi, about, centre[None])[0]
    if task.start:
        return at_points(task.start.phi[0], task.start.positions[0], centre[None])[0]
    return np.eye(4)


def _keep(row: np.ndarray, checkpoint: Checkpoint, team) -> None:
    """Bring an iteration to the disk; leave if that was asked for. Collective."""
    checkpoint.keep_iteration(lambda: row)


def judge(paths: list[str]) -> None:
    """Make sure, on one rank, that the registration has converged.

    Raises
    ------
    RunError
        It has not; the sentence says why and what to try. The files are kept.
    """
    for path in (path for path in paths if path.endswith("-mmr.hdf")):
        end = stored_end(path)
        if end["return_status"] != Status.CONVERGED:
            raise RunError(failure(path, end))


def failure(path: str, end: dict) -> str:
    """Why the registration has failed and what to try, as a sentence."""
    status = end["return_status"]
    advice = f"; try {ADVICE[status]}" if status in ADVICE else ""
    return f"{path}: the registration has failed: {reason_of(status)} (return status {status}){advice}"


def estimate(jobs: list[Job], options: Options, team) -> str:
    """What the run will take, as text: memory and core time."""
    task: MmrTask = jobs[0].task
    voxels = float(math.prod(task.im1.shape))
    (file,) = jobs[0].files
    binned = 8 * voxels * sum(1 / 8**k for k in range(1, options.levels)) / 1e6
    each_level = ITERATIONS * SECONDS_OF_MIXTURE * options.levels + SECONDS_OF_AUTO * options.auto
    seconds = SECONDS_PER_VOXEL * voxels * ITERATIONS + each_level
    return (
        f"levels: binning {' '.join(map(str, file.binnings))}; {options.bins} x {options.bins} bins\n"
        f"per node: {memory_text((task.im1, task.im2, task.mask))}, {binned:.1f} MB of binned images\n"
        f"per rank: about 70 MB\n"
        f"{core_time(seconds, seconds / team.size, team.size, team.node_size)}\n"
        f"disk: {sum(one.file_bytes for job in jobs for one in job.files) / 1e6:.1f} MB for "
        + " and ".join(one.path for job in jobs for one in job.files)
    )
