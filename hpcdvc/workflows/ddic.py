"""hpcdvc-ddic: discrete digital volume correlation, one window per label of an image."""

import logging
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.field import Field
from hpcdvc.fields.status import Status
from hpcdvc.images import OpenVolumes, VolumeInfo, check_mask, check_pair, memory_text, open_volume
from hpcdvc.options.ddic import Options
from hpcdvc.options.declare import named_files
from hpcdvc.output.places import stem_of
from hpcdvc.output.result import FieldFile, judge_points
from hpcdvc.registration.labels import LabelMask, LabelRegistration, seconds_per_label
from hpcdvc.registration.settings import Settings, Window
from hpcdvc.registration.task import Task
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.inputs import Inputs
from hpcdvc.runs.job import Job, carry_out, metadata_of, parameters_of
from hpcdvc.runs.points import measure_points
from hpcdvc.search.settings import SearchSettings
from hpcdvc.steps.find_labels import LabelSearch, gathered, mark_claimed_twice, repaired
from hpcdvc.steps.labels import (
    LABEL_ROW,
    LabelPoints,
    from_field,
    label_starts,
    labels_of_rows,
    measured_again,
    rows_kept,
)
from hpcdvc.steps.moved_labels import MovedTask, header_of, moved_job, write_moved
from hpcdvc.steps.particles import check_label_type, scan_some_labels
from hpcdvc.steps.register_first import first_task, register_first
from hpcdvc.steps.roi import Region, particles_in, region_in
from hpcdvc.steps.search_settings import searcher, time_of_particles
from hpcdvc.steps.series import Earlier, best_start, earlier_steps, possible_fields
from hpcdvc.steps.settings import settings_of
from hpcdvc.steps.start import StartPoints, read_start

log = logging.getLogger("hpcdvc")

#: Statuses that a label ends with, and what to try then.
ADVICE = {
    Status.CONVERGED: "",
    Status.MAX_ITERATIONS: "--repair, a better start with --register or -pf, or raise -it or -dp",
    Status.NOT_EVALUATED: "",
    Status.ERROR_GROWTH: "--repair, larger -ld, or a better start with -pf",
    Status.SINGULAR: "larger -ld, or skip small labels with -vt",
    Status.VOLUME_CHANGE: "--repair, or a better start with -pf",
    Status.SINGULAR_PHI: "a better start with -pf",
    Status.NO_SPECIMEN: "lower -vt",
    Status.FEW_VALID_VOXELS: "lower -mc",
    Status.BAD_START: "-skp, or filter the start field first",
    Status.LEFT_IMAGE: "lower -mc, or a larger image",
    Status.DECORRELATED: "--repair, or a better start with -pf",
    Status.AMBIGUOUS: "--repair, or a better start with --register or -pf: grains look alike",
    Status.TWO_MOTIONS: "look for labels that have broken, or hold two particles",
}


@dataclass(frozen=True)
class DdicTask:
    """One pair of images, and the labels that are measured in it.

    Attributes
    ----------
    im1, im2 : headers of the images
    labels : header of the label image of im1, or the path of one that the step before has made
    settings : of the registrations
    mask : which voxels of a label count
    start : field or registration to start from
    earlier : steps that this one starts from
    registration : of the whole images, from which the labels start
    region : where labels lie in im1 that are wanted; None: everywhere, or all that the step before has left
    """

    im1: VolumeInfo
    labels: VolumeInfo | str
    im2: VolumeInfo
    settings: Settings
    mask: LabelMask
    start: Field | None
    earlier: Earlier | None
    registration: Task | None
    region: Region | None


def run(options: Options, team) -> list[str]:
    """Measure the labels in every image of the series; returns the paths written. Collective.

    Parameters
    ----------
    options : Options
    team : hpcdvc.ranks.team.Team
    """
    if options.prefix and len(options.deformed) > 1:
        log.warning("-pre names only the list of the steps: the files of a series are named after its images")
    if options.tif:
        log.warning("-tif is ignored: images are made of grids; hpcdvc-labelField makes one of a column of labels")
    volumes = OpenVolumes(team)

    def work(job: Job, checkpoint: Checkpoint, options: Options, team) -> dict:
        if isinstance(job.task, MovedTask):
            return write_moved(job, checkpoint, team, options.quiet)
        return measure(job, checkpoint, options, volumes, team)

    return carry_out(options, team, plan, work, lambda jobs: estimate(jobs, team.size))


def plan(options: Options, inputs: Inputs, team) -> list[Job]:
    """One job for each deformed image, on one rank.

    Raises
    ------
    UserError
        With one sentence, when something is missing or does not fit.
    """
    im1, labels = inputs.volume("im1"), inputs.volume("labels")
    check_mask(im1, labels, "label image")
    check_label_type(labels)
    for im2 in inputs.volumes["deformed"]:
        check_pair(im1, im2)
    start = read_start(options.phi_file, options.phi_file_bin_ratio, im1)
    of_labels = start is not None and "label" in (start.extra or {})
    if start is not None and not of_labels and (len(start) > 1 or options.skip is not None):
        what = "-skp completes a result of labels, " if options.skip is not None else ""
        raise UserError(f"{what}{options.phi_file} holds {len(start)} points that are no labels: pass it to them first")
    if options.register and of_labels and options.skip is None:
        raise UserError(f"give only one of --register and -pf {options.phi_file}, which is a field of labels")
    if options.series_incremental and options.start_from == "file" and of_labels:
        raise UserError(f"-sei moves the labels on from where {options.phi_file} has them: no --start-from file")
    window = Window((int(not im1.two_dimensional), 1, 1), options.mask_coverage, shape_order=options.shape_order)
    mask = LabelMask(options.label_dilate, options.mask_others, options.label_volume_threshold)
    settings, region = settings_of(options, im1, window), region_in(options, im1)
    task = DdicTask(im1, labels, im1, settings, mask, start, None, None, region)
    jobs = _jobs(options, inputs, task)
    if len(options.deformed) > 1:
        name = options.prefix or f"{im1.stem}-series"
        path = stem_of(options.out_dir, name, "ddic", labels.path) + ".hdf.series"
        jobs[0].lists = {path: [file.path for file in _results(jobs)]}
    return jobs


def _results(jobs: list[Job]) -> list[FieldFile]:
    return [job.files[0] for job in jobs if isinstance(job.task, DdicTask)]


def _jobs(options: Options, inputs: Inputs, task: DdicTask) -> list[Job]:
    """Those of all steps, each like `task`; the moved label image follows its step."""
    jobs, im1, labels, start = [], task.im1, task.labels, task.start
    for im2 in inputs.volumes["deformed"]:
        earlier = earlier_steps(options.start_from, options.series_incremental, _results(jobs))
        registration = first_task(options, im1, im2) if options.register else None
        step = replace(task, im1=im1, labels=labels, im2=im2, start=start, earlier=earlier, registration=registration)
        if labels != task.labels:  # those that the step before has measured
            step = replace(step, region=None)
        known = inputs.identities(im2=im2, before=im1)
        known["im1"] = known.pop("before")
        of_first = known["labels"]
        if labels != task.labels:
            known["labels"] = jobs[-1].key
        jobs.append(_job(options, task.labels, known, step))
        if options.move_labels:
            results = _results(jobs) if options.series_incremental else _results(jobs)[-1:]
            jobs.append(moved_job(f"{jobs[-1].stem}-labels", task.labels, of_first, tuple(results)))
        if options.series_incremental:
            im1, labels = im2, jobs[-1].files[0].path
            start = None if start is not None and "label" in (start.extra or {}) else start
    return jobs


def _job(options: Options, labels: VolumeInfo, known: dict, step: DdicTask) -> Job:
    made_from = {"start": step.earlier.identity} if step.earlier else {}
    parameters = parameters_of(options, known | made_from)
    named = {"im1": step.im1.spec, "deformed": [step.im2.spec]}
    if isinstance(step.labels, str):
        named["labels"] = step.labels
    metadata = metadata_of("ddic", parameters, named_files(options) | named)
    prefix = options.prefix if len(options.deformed) == 1 else None
    stem = stem_of(options.out_dir, prefix or f"{step.im1.stem}-{step.im2.stem}", "ddic", labels.path)
    views = tuple(view for view in ("tsv", "vtk") if getattr(options, view))
    flat = (0, 0, 0) if step.im1.two_dimensional else (1, 1, 1)
    file = FieldFile(stem, 0, metadata, views, flat, "gather", ADVICE, LABEL_ROW)
    return Job(stem=stem, parameters=parameters, files=(file,), task=step, dtype=LABEL_ROW, unit="labels")


def measure(job: Job, checkpoint: Checkpoint, options: Options, volumes: OpenVolumes, team) -> dict:
    """Measure the labels in one deformed image and write the HDF5 file. Collective."""
    step: DdicTask = job.task
    im1, im2 = volumes(step.im1, step.im2)
    header = header_of(step.labels, team)
    labels = open_volume(header, team)
    particles = scan_some_labels(labels, header.spec, team)
    registration = LabelRegistration(im1, im2, labels, step.settings, step.mask)
    points = start_of(step, particles, im1, im2, registration, options, team)
    points = particles_in(step.region, points, header.spec, team)
    log.info("%s -> %s: %d labels", step.im1.spec, step.im2.spec, points.count)
    search = search_of(step, (im1, im2), labels, team) if options.search or options.repair else None
    find = LabelSearch(registration, search if options.search else None, points)
    rows, again = _measured(step, points, find, checkpoint, options, team)
    team.agree(lambda: mark_claimed_twice(rows, again, points))
    if options.repair:
        failed = team.agree(lambda: _failed(rows, again))
        find = LabelSearch(registration, search, points)
        seconds = points.seconds(step.settings)
        rows = repaired(rows, failed, points, find, seconds, checkpoint, team, options.quiet)
        team.agree(lambda: mark_claimed_twice(rows, again, points))
    (file,) = job.files
    file.write(rows, None, team, points.positions[: len(rows)])
    mended = team.agree(lambda: int(np.count_nonzero(rows["repaired"])))
    if options.repair:
        log.info("%d of %d labels that had failed are repaired", mended, len(failed))
    return {"points": team.agree(file.counts), "repaired": mended}


def _measured(
    step: DdicTask, points: LabelPoints, find: LabelSearch, checkpoint: Checkpoint, options: Options, team
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of all labels, ordered, on rank 0, and the numbers of those that were not kept as they are. Collective."""
    again = np.arange(points.count)
    if options.skip is not None:
        found = team.agree(lambda: measured_again(points.particles, step.start, options.skipped_statuses))
        again = np.flatnonzero(found)
    earlier = checkpoint.load()
    earlier = earlier[earlier["index"] < points.count]
    seconds = points.seconds(step.settings)
    large = find.together(team)
    rows = measure_points(team, again, find, seconds, checkpoint, options.quiet, earlier, together=large)
    rows = gathered(rows, again, team)
    if team.rank == 0 and len(again) < points.count:
        rows = np.concatenate([rows, rows_kept(points.particles, step.start, np.flatnonzero(~found))])
        rows = rows[np.argsort(rows["index"])]
    return rows, again


def _failed(rows: np.ndarray, again: np.ndarray) -> np.ndarray:
    """Numbers of the labels that repair tries, on one rank."""
    status = rows["return_status"][again]
    return again[(status != Status.CONVERGED) & (status != Status.NO_SPECIMEN)]


def search_of(step: DdicTask, images: tuple[np.ndarray, np.ndarray], labels: np.ndarray, team):
    """What looks for labels. Collective."""
    mask = step.mask
    settings = SearchSettings(min_valid=step.settings.window.min_valid, dilate=mask.dilate, min_volume=mask.min_volume)
    return searcher(settings, images, (None, None), labels, None, None, team)


def start_of(
    step: DdicTask,
    particles: np.ndarray,
    im1: np.ndarray,
    im2: np.ndarray,
    registration: LabelRegistration,
    options: Options,
    team,
) -> LabelPoints:
    """The labels of a step with what they start from. Collective."""
    dilate, flat = step.mask.dilate, step.im1.two_dimensional

    def starting(phi: np.ndarray) -> LabelPoints:
        return LabelPoints(particles, phi, dilate, flat)

    starts, measured, fields = {}, None, []
    spec = step.labels if isinstance(step.labels, str) else step.labels.spec
    if step.earlier:
        found, rows = team.agree(lambda: possible_fields(step.earlier))
        fields = [field for field, _ in found.values()]
        measured = labels_of_rows(fields[0], rows, particles) if fields else None
        starts = {name: starting(from_field(particles, *of)) for name, of in found.items()}
    if not (starts and step.earlier.alone):
        path, completes = options.phi_file, options.skip is not None
        phi = team.agree(lambda: label_starts(particles, step.start, options.apply_f, path, spec, completes))
        starts["as the first step"], fields = starting(phi), [*fields, step.start]
    if step.registration:
        whole = [StartPoints(None, field, options.apply_f) for field in fields]
        of_all = register_first(step.registration, im1, im2, None, whole, team)
        if of_all:
            return starting(label_starts(particles, of_all.start, options.apply_f, None, spec, False))
    return best_start(starts, measured, registration, team)


judge = partial(judge_points, nothing="no label has converged, most end")


def estimate(jobs: list[Job], ranks: int) -> str:
    """What the run will take, as text."""
    step: DdicTask = jobs[0].task
    steps = len(_results(jobs))
    return (
        f"labels of {step.labels.spec} in {steps} image{'s' * (steps > 1)}: how many there are is known when "
        f"it is read\nper node: {memory_text((step.im1, step.im2, step.labels))}\n"
        "per rank: about 50 MB, and for the largest label 80 bytes per voxel of its box, at most 340 MB\n"
        + time_of_particles(step, ranks, lambda voxels: steps * seconds_per_label(voxels, step.settings))
    )
