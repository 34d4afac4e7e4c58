"""hpcdvc-moveLabels: a label image whose labels are where a field says that they have moved to."""

from functools import partial

from hpcdvc.errors import UserError
from hpcdvc.options.moveLabels import Options
from hpcdvc.output.places import stem_of
from hpcdvc.output.result import judge_filled
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.inputs import Inputs
from hpcdvc.runs.job import Job, carry_out
from hpcdvc.steps import moved_labels
from hpcdvc.steps.label_images import LabelTask, label_image_job, region_written
from hpcdvc.steps.moved_labels import SECONDS_PER_VOXEL, Moving
from hpcdvc.steps.particles import check_label_type, labels_of
from hpcdvc.steps.selection import usable_rows
from hpcdvc.steps.start import read_start


def run(options: Options, team) -> list[str]:
    """Move the labels; returns the paths written. Collective.

    Parameters
    ----------
    options : Options
    team : hpcdvc.ranks.team.Team
    """
    return carry_out(options, team, plan, move, lambda jobs: jobs[0].task.estimate(jobs[0].files[0], team.size))


def plan(options: Options, inputs: Inputs, team) -> list[Job]:
    """The one job, on one rank.

    Raises
    ------
    UserError
        With one sentence, when something is missing or does not fit.
    """
    if options.threshold >= 1:
        raise UserError("-thr must be less than 1: masks are 1 at most, and of no label would a voxel be above it")
    labels = inputs.volume("labels")
    check_label_type(labels)
    field = read_start(options.phi_file, options.phi_file_bin_ratio, labels)
    labels_of(field, options.phi_file)
    usable_rows(field, options.return_status_threshold, options.phi_file)
    stem = stem_of(options.out_dir, options.prefix or labels.stem, "displaced", labels.path)
    task = LabelTask(labels, field, options.phi_file, SECONDS_PER_VOXEL, region_written(options, labels))
    return [label_image_job("moveLabels", options, inputs, stem, labels.dtype, task)]


def move(job: Job, checkpoint: Checkpoint, options: Options, team) -> dict:
    """Make the image. Collective; returns what the record of the run keeps."""
    how = Moving(options.return_status_threshold, options.centre_of_mass, options.label_dilate, options.threshold)
    return moved_labels.move(job, job.task, how, checkpoint, team, options.quiet)


judge = partial(judge_filled, nothing="no voxel has a label, all labels are left out, outside, or eroded away")
