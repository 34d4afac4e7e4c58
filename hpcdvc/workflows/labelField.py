"""hpcdvc-labelField: a column of a field of labels as a volume over the label image."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hpcdvc.errors import UserError, quoted
from hpcdvc.images import open_volume
from hpcdvc.kernels.labels import paint
from hpcdvc.kernels.volume import Volume
from hpcdvc.options.labelField import Options
from hpcdvc.output.places import stem_of
from hpcdvc.output.scalars import scalar_named
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.inputs import Inputs
from hpcdvc.runs.job import Job, carry_out
from hpcdvc.runs.slabs import write_slabs
from hpcdvc.steps.label_images import LabelTask, label_image_job, maker, region_written
from hpcdvc.steps.particles import check_label_type, labels_of, rows_of_particles, scan_some_labels
from hpcdvc.steps.start import read_start

log = logging.getLogger("hpcdvc")

#: Core time per voxel of the image, s.
SECONDS_PER_VOXEL = 6e-9


@dataclass(frozen=True)
class LabelFieldTask(LabelTask):
    """A label image and the value of each row of a field.

    Attributes
    ----------
    values : (n,) float32 array
    """

    values: np.ndarray


def run(options: Options, team) -> list[str]:
    """Write the volume; returns the paths written. Collective.

    Parameters
    ----------
    options : Options
    team : hpcdvc.ranks.team.Team
    """
    return carry_out(options, team, plan, fill, lambda jobs: jobs[0].task.estimate(jobs[0].files[0], team.size))


def plan(options: Options, inputs: Inputs, team) -> list[Job]:
    """The one job, on one rank.

    Raises
    ------
    UserError
        With one sentence, when something is missing or does not fit.
    """
    labels = inputs.volume("labels")
    check_label_type(labels)
    if "/" in options.column:
        raise UserError(f"-col {quoted(options.column)} cannot be the end of a file name")
    field = read_start(options.phi_file, 1.0, labels, members=None)
    numbers = labels_of(field, options.phi_file)
    values = scalar_named(field, options.column, options.phi_file).astype(np.float32)
    stem = stem_of(options.out_dir, options.prefix or Path(options.phi_file).stem, options.column, labels.path)
    field = replace(field, extra={"label": numbers})  # all that the ranks need of it
    region = region_written(options, labels)
    task = LabelFieldTask(labels, field, options.phi_file, SECONDS_PER_VOXEL, region, values)
    return [label_image_job("labelField", options, inputs, stem, np.float32, task)]


def fill(job: Job, checkpoint: Checkpoint, options: Options, team) -> dict:
    """Write the volume. Collective; returns what the record of the run keeps."""
    task: LabelFieldTask = job.task
    labels = open_volume(task.labels, team)
    particles = scan_some_labels(labels, task.labels.spec, team)
    known, values = team.agree(lambda: shown(task, particles))
    volume = Volume(labels)

    def planes(first: int, last: int) -> tuple[np.ndarray, float]:
        return paint(volume, known, values, first, last), 0.0

    make = maker(planes, task.region)
    sums = write_slabs(team, list(job.files), task.depth, make, task.seconds_per_slab, checkpoint, options.quiet)
    counts = {"labels": len(particles), "shown": int(np.isfinite(values).sum()), "voxels": int(sums[0])}
    log.info("%d of %d labels have a value of %s", counts["shown"], counts["labels"], options.column)
    return {**job.files[0].metadata, **counts}


def shown(task: LabelFieldTask, particles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels of the image that have a row, ascending, and their values, on one rank.

    Raises
    ------
    UserError
        The field is one of other labels.
    """
    rows = rows_of_particles(task.field, task.field.measured, particles, task.path, task.labels.spec)
    some = rows >= 0
    return particles["label"][some].copy(), task.values[rows[some]]
