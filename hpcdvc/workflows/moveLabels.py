"""hpcdvc-moveLabels: a label image whose labels are where a field says that they have moved to."""

from hpcdvc.options.declare import named_files
from hpcdvc.options.moveLabels import Options
from hpcdvc.output.image import ImageFile
from hpcdvc.output.places import stem_of
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.inputs import Inputs
from hpcdvc.runs.job import Job, carry_out, metadata_of, parameters_of
from hpcdvc.runs.slabs import SLAB
from hpcdvc.steps import moved_labels
from hpcdvc.steps.label_images import LabelTask
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
    return [Job(stem=stem, parameters=parameters, files=(file,), task=task, dtype=SLAB, unit="slabs")]


def move(job: Job, checkpoint: Checkpoint, options: Options, team) -> dict:
    """Make the image. Collective; returns what the record of the run keeps."""
    how = Moving(options.return_status_threshold, options.centre_of_mass, options.label_dilate, options.threshold)
    return moved_labels.move(job, job.task, how, checkpoint, team, options.quiet)
