"""The particles of a label image, and the rows of a field that are theirs."""

import logging
import math

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.field import Field
from hpcdvc.images import VolumeInfo
from hpcdvc.labels.scan import centres_of, scan_labels

log = logging.getLogger("hpcdvc")

#: Particles of a field stand where those of the image do, to so many voxels.
SAME_PLACE = 1.0
#: Boxes of labels are so many times the image: each of many reaches through all of it, as grey values do.
GREY = 20


def check_label_type(labels: VolumeInfo) -> None:
    """Make sure, of its header, that an image can hold labels.

    Raises
    ------
    UserError
        Its voxels are no whole numbers.
    """
    if labels.dtype.kind not in "iu":
        raise UserError(f"{labels.spec} holds {labels.dtype} voxels: labels are whole numbers")


def scan_some_labels(labels: np.ndarray, spec: str, team) -> np.ndarray:
    """The particles (hpcdvc.labels.scan.PARTICLE) of a label image, of which there must be some. Collective.

    Raises
    ------
    UserError
        There are none, or negative ones.
    """
    found = scan_labels(labels, team, spec)
    if not len(found):
        team.fail(UserError(f"{spec} holds no particle: it is 0 everywhere"))
    boxes = np.prod(found["high"].astype(float) - found["low"] + 1, axis=1).sum() / math.prod(labels.shape)
    if boxes > GREY:
        words = "the boxes of the %d labels of %s are together %.0f times the image: are they grey values?"
        log.warning(words, len(found), spec, boxes)
    return found


def labels_of(field: Field, path: str) -> np.ndarray:
    """Label of each row, (n,) int64.

    Raises
    ------
    UserError
        The field is one of other points.
    """
    labels = (field.extra or {}).get("label")
    if labels is None:
        held = "a registration" if len(field) == 1 else f"{len(field)} points that are no particles"
        raise UserError(f"{path} holds {held}: hpcdvc-passPhiField -lab1 takes it to them")
    return labels.astype(np.int64)


def rows_of_particles(field: Field, counted: np.ndarray, particles: np.ndarray, path: str, spec: str) -> np.ndarray:
    """The row of each particle.

    Parameters
    ----------
    field : n rows of particles
    counted : (n,) bool, rows that must be of particles that the image has, where it has them; the row of label 0, which
        tables of spam have, is none of them
    particles : (m,) array of hpcdvc.labels.scan.PARTICLE
    path, spec : of the field and of the label image, for messages

    Returns
    -------
    (m,) int64 array, -1 where the field has no such label

    Raises
    ------
    UserError
        The field is one of other particles, or of none.
    """
    labels = labels_of(field, path)
    strange = counted & (labels != 0) & ~np.isin(labels, particles["label"])
    if strange.any():
        raise UserError(f"{path} has the label {labels[strange][0]}, and {spec} has not")
    order = np.argsort(labels, kind="stable")
    place = np.minimum(np.searchsorted(labels, particles["label"], sorter=order), len(labels) - 1)
    rows = np.where(labels[order[place]] == particles["label"], order[place], -1)
    apart = np.linalg.norm(field.positions[rows] - centres_of(particles), axis=1) > SAME_PLACE
    moved = (rows >= 0) & counted[rows] & apart
    if moved.any():
        label = particles["label"][moved][0]
        raise UserError(f"{path} has the particle {label} more than {SAME_PLACE:g} voxel from where {spec} has it")
    return rows
