"""Where an alignment starts: zero, offsets of the scan, or centres of mass; and whether the object is in view."""

import numpy as np

from hpcdvc.tomography.centres import centres_of_mass
from hpcdvc.tomography.joined import joined
from hpcdvc.tomography.normalise import crosses_borders
from hpcdvc.tomography.scan import Scan
from hpcdvc.tomography.settings import AlignSettings

#: Pixels of a strip along a border of a view, and the part of the absorbance of a view that tells of an object there.
STRIP, TOUCHED = 2, 0.2
#: Part of the views whose object may touch a border before centres of mass say nothing.
MOST_TOUCHED = 0.1


def touches(views: np.ndarray, axis: int) -> np.ndarray:
    """(m,) bool, whether what views (m, J, K) show reaches a border across an axis, 0 for j: it may go on beyond it."""
    lines = np.moveaxis(views, 1 + axis, 1).mean(axis=2, dtype=float)
    strip = min(STRIP, lines.shape[1])
    borders = np.maximum(lines[:, :strip].mean(axis=1), lines[:, -strip:].mean(axis=1))
    return borders > TOUCHED * np.maximum(lines.max(axis=1), 0)


def fields_of_view(views: np.ndarray, weights: np.ndarray, team) -> tuple[str, ...]:
    """What the user has to know of views that do not hold the whole object. Collective.

    Parameters
    ----------
    views, weights : (m, J, K), the own views
    team : hpcdvc.ranks.team.Team
    """
    own = [crosses_borders(view, weight) for view, weight in zip(views, weights, strict=True)]
    crossed = joined(team, np.array(own, bool))
    if not crossed.any():
        return ()
    return (
        f"the object leaves the field of view at both sides in {crossed.sum()} of {len(crossed)} views, "
        f"first in view {crossed.argmax()}: what lies outside disturbs the volume and the offsets along j",
    )


def first_offsets(scan: Scan, settings: AlignSettings, views: np.ndarray, team) -> np.ndarray:
    """(2, n) offsets that an alignment starts from. Collective.

    Centres of mass are taken only along directions that are aligned and across whose borders the object does not reach,
    unless they are asked for. Where some views are not moved, the others start about where those are.

    Parameters
    ----------
    scan, settings : what is aligned, and how
    views : (m, J, K), the own views
    team : hpcdvc.ranks.team.Team
    """
    file = np.array([scan.j_offsets, scan.k_offsets], float)
    start = settings.start or ("file" if file.any() else "com")
    if start == "zero":
        return np.zeros_like(file)
    if start == "file":
        return file
    centres = joined(team, centres_of_mass(views), axis=1)
    touched = [joined(team, touches(views, axis)) for axis in (0, 1)]
    directions = (settings.align_j, settings.align_k)
    taken = [
        wanted and (settings.start == "com" or beyond.mean() <= MOST_TOUCHED)
        for wanted, beyond in zip(directions, touched, strict=True)
    ]
    offsets = np.where(np.array(taken)[:, None], -centres, file)
    still = sorted(set(settings.ignored))
    if still:
        for axis, vectors in enumerate((scan.geometry.u, scan.geometry.w)):
            if taken[axis]:
                move = np.linalg.lstsq(vectors[still], (file - offsets)[axis, still], rcond=1e-10)[0]
                offsets[axis] += vectors @ move
        offsets[:, still] = file[:, still]
    return offsets
