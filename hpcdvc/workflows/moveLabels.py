"""hpcdvc-moveLabels: a label image whose labels are where a field says that they have moved to."""

import logging

import numpy as np

from hpcdvc.fields.field import Field
from hpcdvc.images import open_volume
from hpcdvc.labels.moved import MovedLabels, moved_labels
from hpcdvc.options.declare import named_files
from hpcdvc.options.moveLabels import Options
from hpcdvc.output.image import ImageFile
from hpcdvc.output.places import stem_of
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.inputs import Inputs
from hpcdvc.runs.job import Job, carry_out, metadata_of, parameters_of
from hpcdvc.runs.slabs import SLAB, write_slabs
from hpcdvc.steps.label_images import LabelTask, maker
from hpcdvc.steps.particles import check_label_type, labels_of, rows_of_particles, scan_some_labels
from hpcdvc.steps.selection import usable_rows
from hpcdvc.steps.start import read_start

log = logging.getLogger("hpcdvc")

#: Core time per voxel of the image, s.
SECONDS_PER_VOXEL = 2.5e-8


def run(options: Options, team) -> list[str]:
    """Move the labels; returns the paths written. Collective.

    Parameters
    ----------
    options : Options
    team : hpcdvc.ranks.team.Team
    """
    return carry_out(
        options,
        team,
        lambda inputs: [plan(options, inputs)],
        lambda job, checkpoint: move(job, checkpoint, options, team),
        lambda jobs: jobs[0].task.estimate(jobs[0].files[0], team.size),
    )


def plan(options: Options, inputs: Inputs) -> Job:
    """The job, on one rank.

    Raises
    ------
    UserError
        With one sentence, when something is missing or does not fit.
    """
    labels = inputs.volume("labels")
    check_label_type(labels)
    field = read_start(options.phi_file, options.phi_file_bin_ratio, labels)
    labels_of(field, options.phi_file)
    usable_rows(field, options.return_status_threshold, options.phi_file)
    parameters = parameters_of(options, inputs.identities())
    stem = stem_of(options.out_dir, options.prefix or labels.stem, "displaced", labels.path)
    metadata = metadata_of("moveLabels", parameters, named_files(options))
    file = ImageFile(f"{stem}.{options.format}", labels.shape, labels.dtype, metadata)
    task = LabelTask(labels, field, options.phi_file, SECONDS_PER_VOXEL)
    return Job(stem=stem, parameters=parameters, files=(file,), task=task, dtype=SLAB, unit="slabs")


def move(job: Job, checkpoint: Checkpoint, options: Options, team) -> dict:
    """Make the image. Collective; returns what the record of the run keeps."""
    task: LabelTask = job.task
    labels = open_volume(task.labels, team)
    particles = scan_some_labels(labels, task.labels.spec, team)
    moved, counts = team.agree(lambda: motions(task, particles, options))
    say(counts)
    image = MovedLabels(labels, moved, options.label_dilate, options.threshold)

    def planes(first: int, last: int) -> tuple[np.ndarray, tuple[float, ...]]:
        values, claims = image.planes(first, last)
        return values, (np.count_nonzero(values), claims, 0)

    sums = write_slabs(
        team, list(job.files), task.depth, maker(planes), task.seconds_per_slab, checkpoint, options.quiet
    )
    voxels, claims = (int(sums[k]) for k in range(2))
    log.info("%d voxels have a label, %d more claims on them were of a second label", voxels, claims - voxels)
    return {**job.files[0].metadata, **counts, "voxels": voxels, "second_claims": claims - voxels}


def motions(task: LabelTask, particles: np.ndarray, options: Options) -> tuple[np.ndarray, dict[str, int]]:
    """The labels that are moved (hpcdvc.labels.moved.MOVED), and how many are and are not, on one rank.

    Raises
    ------
    UserError
        The field is one of other labels.
    """
    field, taken = task.field, np.zeros(len(task.field), bool)
    taken[usable_rows(field, options.return_status_threshold, task.path)] = True
    rows = rows_of_particles(field, taken, particles, task.path)
    taken &= np.linalg.det(np.where(taken[:, None, None], field.phi[:, :3, :3], 0)) > 0
    chosen = (rows >= 0) & taken[rows]
    some, rows_of_some = particles[chosen], rows[chosen]
    centres = field.positions[rows_of_some]
    if _is_of_spam(field) and not options.centre_of_mass:
        centres = (some["low"] + some["high"]) / 2
    moved = moved_labels(some, field.phi[rows_of_some], centres, options.label_dilate, task.labels.shape)
    missing = int(np.count_nonzero(rows < 0))
    counts = {
        "labels": len(particles),
        "moved": len(moved),
        "left_image": len(some) - len(moved),
        "row_missing": missing,
        "row_not_taken": len(particles) - len(some) - missing,
    }
    return moved, counts


def _is_of_spam(field: Field) -> bool:
    """Whether a field is that of spam's ddic, which has a row for the background."""
    return bool((field.extra["label"] == 0).any())


def say(counts: dict[str, int]) -> None:
    """Say how many labels are moved, and how many are left out."""
    log.info("%d of %d labels are moved", counts["moved"], counts["labels"])
    left = {
        "whose row is not taken": counts["row_not_taken"],
        "without a row": counts["row_missing"],
        "that leave the image": counts["left_image"],
    }
    if any(left.values()):
        words = ", ".join(f"{count} {which}" for which, count in left.items() if count)
        log.warning("%d labels are left out: %s", sum(left.values()), words)
