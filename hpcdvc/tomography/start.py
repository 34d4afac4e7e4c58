"""Where an alignment starts: zero, offsets of the scan, or centres of mass; and whether the object is in view."""

from typing import TYPE_CHECKING

import numpy as np

from hpcdvc.tomography.normalise import crosses_borders

if TYPE_CHECKING:
    from hpcdvc.tomography.align import _Loop

#: Pixels of a strip along a border of a view, and the part of the absorbance of a view that tells of an object there.
STRIP, TOUCHED = 2, 0.2
#: Part of the views whose object may touch a border before centres of mass say nothing.
MOST_TOUCHED = 0.1


def centres_of_mass(views: np.ndarray) -> np.ndarray:
    """(2, m) of views (m, J, K), pixels from their middles; each by itself, so that its bits do not depend on m."""
    return np.array([_centre_of_mass(view) for view in views]).reshape(-1, 2).T


def _centre_of_mass(view: np.ndarray) -> list[float]:
    total = view.sum(dtype=float)
    lines = [view.sum(axis=1 - axis, dtype=float) for axis in range(2)]
    places = [np.arange(n) + 0.5 - n / 2 for n in view.shape]
    return [(line * at).sum() / total if total > 0 else 0.0 for line, at in zip(lines, places, strict=True)]


def touches(views: np.ndarray, axis: int) -> np.ndarray:
    """(m,) bool, whether what views (m, J, K) show reaches a border across an axis, 0 for j: it may go on beyond it."""
    lines = np.moveaxis(views, 1 + axis, 1).mean(axis=2, dtype=float)
    strip = min(STRIP, lines.shape[1])
    borders = np.maximum(lines[:, :strip].mean(axis=1), lines[:, -strip:].mean(axis=1))
    return borders > TOUCHED * np.maximum(lines.max(axis=1), 0)


def fields_of_view(loop: "_Loop") -> tuple[str, ...]:
    """What the user has to know of views that do not hold the whole object. Collective."""
    found = [crosses_borders(view, weight) for view, weight in zip(loop.views, loop.weights, strict=True)]
    views = np.flatnonzero(np.concatenate(loop.team.all_gather(np.array(found, bool))))
    if not views.size:
        return ()
    return (
        f"the object leaves the field of view at both sides in {views.size} of {loop.geometry.views} views, "
        f"first in view {views[0]}: what lies outside disturbs the volume and the offsets along j",
    )


def first_offsets(loop: "_Loop") -> np.ndarray:
    """(2, n) offsets that an alignment starts from. Collective.

    Centres of mass are taken only along directions that are aligned and across whose borders the object does not reach,
    unless they are asked for. Where some views are not moved, the others start about where those are.
    """
    settings, scan = loop.settings, loop.scan
    file = np.array([scan.j_offsets, scan.k_offsets], float)
    start = settings.start or ("file" if file.any() else "com")
    if start == "zero":
        return np.zeros_like(file)
    if start == "file":
        return file
    own = (centres_of_mass(loop.views), touches(loop.views, 0), touches(loop.views, 1))
    parts = loop.team.all_gather(own)
    centres, *touched = (np.concatenate([part[i] for part in parts], axis=-1) for i in range(3))
    directions = (settings.align_j, settings.align_k)
    taken = [
        wanted and (settings.start == "com" or beyond.mean() <= MOST_TOUCHED)
        for wanted, beyond in zip(directions, touched, strict=True)
    ]
    offsets = np.where(np.array(taken)[:, None], -centres, file)
    still = np.setdiff1d(np.arange(offsets.shape[1]), loop.moving)
    if still.size:
        for axis, vectors in enumerate((loop.geometry.u, loop.geometry.w)):
            if taken[axis]:
                move = np.linalg.lstsq(vectors[still], (file - offsets)[axis, still], rcond=1e-10)[0]
                offsets[axis] += vectors @ move
        offsets[:, still] = file[:, still]
    return offsets
