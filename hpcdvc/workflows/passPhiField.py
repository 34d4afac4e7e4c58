"""hpcdvc-passPhiField: deformation functions passed to other points, less a registration, or merged with particles."""

import logging
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.around import Around
from hpcdvc.fields.field import ROW, Field, row_with
from hpcdvc.fields.grid import make_grid
from hpcdvc.fields.passing import field_at, passed_rows, registration_at, with_labels, without_registration
from hpcdvc.fields.status import Status
from hpcdvc.images import VolumeInfo, open_volume
from hpcdvc.labels.scan import centres_of
from hpcdvc.options.passPhiField import Options
from hpcdvc.output.result import judge_points
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.inputs import Inputs
from hpcdvc.runs.job import Job, carry_out
from hpcdvc.steps.half_windows import stored_half_window
from hpcdvc.steps.particles import rows_of_particles, scan_some_labels
from hpcdvc.steps.roi import Region, nodes_in, region_of
from hpcdvc.steps.selection import usable_rows
from hpcdvc.steps.start import check_dimensions
from hpcdvc.steps.tables import (
    Points,
    check_alike,
    check_labels,
    check_registration,
    estimate_table,
    mean_spacing,
    read_field_only,
    read_table,
    row_type_of,
    table_job,
    table_stem,
    usable_of,
    write_rows,
)

log = logging.getLogger("hpcdvc")

#: Rough core time of a point, s.
SECONDS = 1.5e-5
ADVICE = {Status.NOT_REACHED: "a larger -nr, or -nn"}
ADVICE_KEPT = {Status.NOT_REACHED: "correct the field with hpcdvc-filterPhiField"}
#: Radius within which rows count: so many node spacings, or mean radii of particles.
SPACINGS, RADII = 2, 5


@dataclass(frozen=True)
class Frame:
    """The image that points stand in, where only its shape is known."""

    shape: tuple[int, int, int]
    spec: str = "-im1shape"

    @property
    def two_dimensional(self) -> bool:
        """One layer of voxels."""
        return self.shape[0] == 1


@dataclass(frozen=True)
class PassTask:
    """What is passed where to."""

    field: Field
    points: Points | None
    usable: np.ndarray | None = None
    registration: Field | None = None
    particles: tuple[Field, ...] = ()
    labels: tuple[VolumeInfo, ...] = ()
    region: Region | None = None


def run(options: Options, team) -> list[str]:
    """Pass it on; returns the paths written. Collective.

    Parameters
    ----------
    options : Options
    team : hpcdvc.ranks.team.Team
    """
    return carry_out(options, team, plan, work, lambda jobs: estimate(jobs, team.size))


def plan(options: Options, inputs: Inputs, team) -> list[Job]:
    """The one job, on one rank.

    Raises
    ------
    UserError
        With one sentence, when something is missing or does not fit.
    """
    make = {"subtract": _subtraction, "merge": _merging}.get(options.mode, _passing)
    task = make(options, inputs)
    kept = options.mode in ("subtract", "merge")
    dtype = row_type_of(task.field) if kept else ROW
    dtype = row_with(("label", "u4")) if options.mode == "labels" else dtype
    stem = table_stem(options, options.phi_file, options.suffix)
    volumes = {f"labels1_{k}": info for k, info in enumerate(task.labels, 1)}
    half_window = stored_half_window(options.phi_file, options.phi_file_bin_ratio) if kept else None
    return [table_job(
        "passPhiField", options, inputs, stem, task.points, task, team, dtype,
        advice=ADVICE_KEPT if kept else ADVICE, half_window=half_window, **volumes,
    )]  # fmt: skip


def _passing(options: Options, inputs: Inputs) -> PassTask:
    field = read_table(options.phi_file, options.phi_file_bin_ratio)
    labels = inputs.volumes.get("labels1", ())
    frame = labels[0] if labels else inputs.volume("im1") or Frame(options.im1_shape)
    check_dimensions(field, frame, options.phi_file)
    if labels:
        check_labels(labels[0])
    usable = usable_of(field, usable_rows(field, options.return_status_threshold, options.phi_file))
    region = region_of(options, frame.shape, frame.spec)
    points = None if labels else Points(nodes_in(region, make_grid(frame.shape, options.spacing)))
    return PassTask(field, points, usable, labels=labels, region=region)


def _subtraction(options: Options, inputs: Inputs) -> PassTask:
    field = read_field_only(options.phi_file, options.phi_file_bin_ratio)
    registration = read_table(options.registration, options.registration_bin_ratio)
    check_registration(registration, options.registration)
    check_alike(field, registration, options.phi_file, options.registration)
    usable_rows(registration, options.return_status_threshold, options.registration)
    return PassTask(field, Points.of(field), registration=registration)


def _merging(options: Options, inputs: Inputs) -> PassTask:
    field = read_field_only(options.phi_file, options.phi_file_bin_ratio, grid=True)
    labels, particles = inputs.volumes["labels1"], []
    for info in labels:
        check_labels(info)
    for path in options.particles:
        particles.append(read_table(path, options.particles_bin_ratio))
        if "label" not in (particles[-1].extra or {}):
            raise UserError(f"{path} holds no particles: it has no column Label")
        check_dimensions(field, labels[0], options.phi_file)
    return PassTask(field, Points(field.grid), particles=tuple(particles), labels=labels)


def work(job: Job, checkpoint: Checkpoint, options: Options, team) -> dict:
    """Make the rows and write them. Collective; returns what the record of the run keeps."""
    task: PassTask = job.task
    field, points = task.field, task.points
    if options.mode == "subtract":

        def make(numbers: np.ndarray) -> np.ndarray:
            return without_registration(field, task.registration, options.registration_part, numbers, job.dtype)

    elif options.mode == "merge":
        images = _labels_of_particles(task, options, team)

        def make(numbers: np.ndarray) -> np.ndarray:
            ratio, prefer = options.particles_bin_ratio, options.prefer_label
            return with_labels(field, list(task.particles), images, numbers, job.dtype, ratio, prefer)

    else:
        labels, radius = None, SPACINGS * mean_spacing(points.grid) if points else 0.0
        if points is None:
            found = scan_some_labels(open_volume(task.labels[0], team), task.labels[0].spec, team)
            radius = RADII * mean_radius(found)
            if task.region:
                what = f"the particles of {task.labels[0].spec}"
                found = found[team.agree_all(lambda: task.region.some(centres_of(found), what))]
            points, labels = Points(None, centres_of(found)), found["label"]
        value = passing(task, options, radius)

        def make(numbers: np.ndarray) -> np.ndarray:
            rows = passed_rows(value(points(numbers)), numbers, job.dtype)
            if labels is not None:
                rows["label"] = labels[numbers]
            return rows

    return write_rows(job, checkpoint, team, points, make, SECONDS, options.quiet)


def _labels_of_particles(task: PassTask, options: Options, team) -> list[np.ndarray]:
    """The label images, in which all measured particles must stand where their fields have them. Collective."""
    images = [open_volume(info, team) for info in task.labels]
    found = [scan_some_labels(image, info.spec, team) for image, info in zip(images, task.labels, strict=True)]

    def check() -> None:
        for field, particles, path, info in zip(task.particles, found, options.particles, task.labels, strict=True):
            there = replace(field, positions=field.positions / options.particles_bin_ratio)
            rows_of_particles(there, field.measured, particles, path, info.spec)

    team.agree(check)
    return images


def mean_radius(particles: np.ndarray) -> float:
    """Mean over (n,) PARTICLE of the radius of a ball, or in two dimensions a disc, of the same volume, voxels."""
    flat = not particles["high"][:, 0].any()
    power, ball = (1 / 2, np.pi) if flat else (1 / 3, 4 * np.pi / 3)
    return float(((particles["volume"] / ball) ** power).mean())


def passing(task: PassTask, options: Options, radius: float):
    """Function from points (m, 3) to Phi (m, 3, 4) there.

    Parameters
    ----------
    task : what is passed
    options : how
    radius : that is taken where options give neither a radius nor a number, voxels
    """
    field, part = task.field, options.apply_f
    if len(field) == 1:
        return lambda points: registration_at(field.phi[0], field.positions[0], points, part)
    if options.neighbours is None:
        # nodes further apart than the points are needed all the same
        radius = options.radius or max(radius, SPACINGS * mean_spacing(field.grid))
        if options.radius is None:
            log.info("neighbours within %g voxels, where neither -nr nor -nn is given", radius)
    around = Around(
        field.positions, task.usable, field.grid, None if options.neighbours else radius, options.neighbours
    )
    return lambda points: field_at(around, field.phi, points, part, options.surrounded)


judge = partial(judge_points, nothing="no point got anything, most end")


def estimate(jobs: list[Job], ranks: int) -> str:
    """What the run will take, as text."""
    task: PassTask = jobs[0].task
    if task.points is None:
        return f"particles of {task.labels[0].spec}: how many there are is known when it is read"
    return estimate_table(jobs, ranks, SECONDS)
