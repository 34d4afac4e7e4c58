"""The label image of a later image: each label where its row of a field says that it has moved to."""

import logging
from dataclasses import dataclass, replace

import numpy as np

from hpcdvc.errors import RunError
from hpcdvc.fields.field import Field
from hpcdvc.fields.merge import after
from hpcdvc.fields.phi import displacement_at
from hpcdvc.fields.status import Status, is_measured
from hpcdvc.images import VolumeInfo, describe, open_volume
from hpcdvc.labels.moved import THRESHOLD, MovedLabels, moved_labels
from hpcdvc.output.hdf5 import read_field
from hpcdvc.output.image import ImageFile
from hpcdvc.output.result import FieldFile
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.job import Job, metadata_of
from hpcdvc.runs.slabs import SLAB, write_slabs
from hpcdvc.steps.label_images import LabelTask, maker
from hpcdvc.steps.particles import rows_of_particles, scan_some_labels
from hpcdvc.steps.roi import Region
from hpcdvc.steps.selection import usable_rows

log = logging.getLogger("hpcdvc")

#: Core time per voxel of the image, s.
SECONDS_PER_VOXEL = 2.5e-8


@dataclass(frozen=True)
class Moving:
    """How labels are moved.

    Attributes
    ----------
    lowest : return status of the rows that are taken; None: those that are measured
    centre_of_mass : displacements of tables of spam are those of the centres of mass, not of the middles of the boxes
    dilate : radius of the ball by which labels are dilated before, voxels; negative erodes
    threshold : of the mask of a label, 0 to 1
    """

    lowest: int | None = None
    centre_of_mass: bool = True
    dilate: int = 0
    threshold: float = THRESHOLD


@dataclass(frozen=True)
class MovedTask:
    """The label image after a step; the results are there when it is its turn.

    Attributes
    ----------
    labels : header of the first label image
    results : of the steps from there to here
    """

    labels: VolumeInfo
    results: tuple[FieldFile, ...]


def moved_job(stem: str, labels: VolumeInfo, identity: dict, results: tuple[FieldFile, ...]) -> Job:
    """The job that moves the labels as some steps, one after the other, have.

    Every label is moved once, by the steps as one motion: rims of images that are moved again and again lag behind.

    Parameters
    ----------
    stem : of its files
    labels : header of the first label image
    identity : what tells that image from others
    results : of the steps; each but the first is of labels that the ones before have moved
    """
    keys = [result.metadata["key"] for result in results]
    parameters = {"options": {}, "made_from": {"labels": identity, "steps": keys}}
    image = ImageFile(f"{stem}.tif", labels.shape, labels.dtype, metadata_of("ddic", parameters, {}))
    return Job(
        stem=stem,
        parameters=parameters,
        files=(image,),
        task=MovedTask(labels, results),
        dtype=SLAB,
        unit="slabs",
    )


def header_of(labels: VolumeInfo | str, team) -> VolumeInfo:
    """Header of a label image, which may have been made by this run. Collective."""
    return labels if isinstance(labels, VolumeInfo) else team.agree(lambda: describe(labels))


def write_moved(job: Job, checkpoint: Checkpoint, team, quiet: bool) -> dict:
    """Make the label image after a step. Collective; returns what the record of the run keeps.

    Raises
    ------
    RunError
        No label is measured in all steps.
    """
    paths = [result.path for result in job.task.results]
    field = team.agree(lambda: in_sequence([read_field(path) for path in paths]))
    if not field.measured.any():
        team.fail(RunError(f"{paths[-1]}: no label has converged, so none can be moved: the series ends here"))
    labels = job.task.labels
    task = LabelTask(labels, field, paths[-1], SECONDS_PER_VOXEL, Region.whole(labels.shape))
    return move(job, task, Moving(), checkpoint, team, quiet)


def in_sequence(fields: list[Field]) -> Field:
    """The motions of labels by several steps as one, about where they are at first.

    Parameters
    ----------
    fields : of the steps; the later ones may lack labels

    Returns
    -------
    Field
        With the rows of the first one; status of the last step that has the label, -10 where that is not the last.
    """
    first, *others = fields
    labels, phi, status = first.extra["label"], first.phi.copy(), first.return_status.copy()
    for field in others:
        _, here, there = np.intersect1d(labels, field.extra["label"], assume_unique=True, return_indices=True)
        after_it = np.full(len(status), Status.LEFT_IMAGE, status.dtype)
        after_it[here] = field.return_status[there]
        status = np.where(is_measured(status, first.family), after_it, status)
        # where it is now is not the centre of mass of its voxels there, about which the step is
        step = field.phi[there]
        step[:, :3, 3] = displacement_at(step, field.positions[there], first.positions[here] + phi[here, :3, 3])
        phi[here, :3] = after(phi[here], step[:, :3])[:, :3]
    return replace(first, phi=phi, return_status=status, extra={"label": labels})


def move(job: Job, task: LabelTask, how: Moving, checkpoint: Checkpoint, team, quiet: bool) -> dict:
    """Make the image of a job. Collective; returns what the record of the run keeps.

    Raises
    ------
    UserError
        The field is one of other labels.
    """
    labels = open_volume(task.labels, team)
    particles = scan_some_labels(labels, task.labels.spec, team)
    moved, counts = team.agree(lambda: motions(task, particles, how))
    say(counts)
    image = MovedLabels(labels, moved, how.dilate, how.threshold)

    make = maker(image.planes, task.region)
    sums = write_slabs(team, list(job.files), task.depth, make, task.seconds_per_slab, checkpoint, quiet)
    voxels, claims, claimed = map(int, sums)
    log.info("%d voxels have a label, %d more claims on their planes were of a second label", voxels, claims - claimed)
    return {**job.files[0].metadata, **counts, "voxels": voxels, "second_claims": claims - claimed}


def motions(task: LabelTask, particles: np.ndarray, how: Moving) -> tuple[np.ndarray, dict[str, int]]:
    """The labels that are moved (hpcdvc.labels.moved.MOVED), and how many are and are not, on one rank.

    Raises
    ------
    UserError
        The field is one of other labels.
    """
    field, taken = task.field, np.zeros(len(task.field), bool)
    taken[usable_rows(field, how.lowest, task.path)] = True
    rows = rows_of_particles(field, taken, particles, task.path, task.labels.spec)
    taken &= np.linalg.det(np.where(taken[:, None, None], field.phi[:, :3, :3], 0)) > 0
    chosen = (rows >= 0) & taken[rows]
    some, rows_of_some = particles[chosen], rows[chosen]
    centres = field.positions[rows_of_some]
    if _is_of_spam(field) and not how.centre_of_mass:
        centres = (some["low"] + some["high"]) / 2
    moved = moved_labels(some, field.phi[rows_of_some], centres, how.dilate, task.labels.shape)
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
        "whose row is not measured or below -rst": counts["row_not_taken"],
        "without a row": counts["row_missing"],
        "that leave the image": counts["left_image"],
    }
    if any(left.values()):
        words = ", ".join(f"{count} {which}" for which, count in left.items() if count)
        log.warning("%d labels are left out: %s", sum(left.values()), words)
