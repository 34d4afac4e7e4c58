"""All labels of an image in one pass: boxes, volumes, centres of mass; memory by the number of labels."""

from typing import NoReturn

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.kernels.labels import scan
from hpcdvc.kernels.records import dtype
from hpcdvc.kernels.volume import Volume

#: One label: its number, voxels, box and sums of coordinates.
PARTICLE = dtype("particle")


def scan_labels(labels: np.ndarray, team=None, name: str = "the label image") -> np.ndarray:
    """The labels that exist. Collective with a team: each rank looks at its planes.

    Parameters
    ----------
    labels : (nz, ny, nx) array of whole numbers; 0 is no particle
    team : hpcdvc.ranks.team.Team, whose ranks have the same labels; None: this process alone
    name : of the image, in messages

    Returns
    -------
    (n,) array of PARTICLE, ascending labels, the same on all ranks

    Raises
    ------
    UserError
        The labels are no whole numbers, or negative.
    """
    if labels.dtype.kind not in "iu":
        _refuse(f"{name} holds {labels.dtype} voxels: labels are whole numbers", team)
    planes = (0, len(labels)) if team is None else team.spans(len(labels))
    found = scan(Volume(labels), *planes)
    found = merged(found if team is None else np.concatenate(team.all_gather(found)))
    if len(found) and found["label"][0] < 0:
        _refuse(f"{name} holds the label {found['label'][0]}: labels are positive, 0 is the background", team)
    return found


def _refuse(sentence: str, team) -> NoReturn:
    """Raise a UserError; with a team at the same place on all ranks."""
    if team is None:
        raise UserError(sentence)
    team.fail(UserError(sentence))


def merged(parts: np.ndarray) -> np.ndarray:
    """Each label once, ascending, of (n,) PARTICLE records that may hold a label several times, of different planes."""
    parts = parts[np.argsort(parts["label"], kind="stable")]
    labels, first = np.unique(parts["label"], return_index=True)
    result = np.zeros(len(labels), PARTICLE)
    result["label"] = labels
    if len(labels):
        for name, combine in (("volume", np.add), ("sum", np.add), ("low", np.minimum), ("high", np.maximum)):
            result[name] = combine.reduceat(parts[name], first, axis=0)
    return result


def centres_of(particles: np.ndarray) -> np.ndarray:
    """Centres of mass (n, 3), ZYX, voxels, of (n,) PARTICLE records."""
    return particles["sum"] / particles["volume"][:, None]
