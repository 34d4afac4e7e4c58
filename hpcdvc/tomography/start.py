"""Where an alignment starts: zero, offsets of the scan, centres of mass, heights; and whether the object is in view."""

import numpy as np

from hpcdvc.ranks.planes import own_planes
from hpcdvc.tomography.centres import centres_of_mass
from hpcdvc.tomography.geometry import Geometry
from hpcdvc.tomography.heights import common_rows, heights_of, row_means
from hpcdvc.tomography.joined import joined
from hpcdvc.tomography.normalise import crosses_borders
from hpcdvc.tomography.scan import Scan
from hpcdvc.tomography.settings import AlignSettings

#: Pixels of a strip along a border of a view, and the part of the absorbance of a view that tells of an object there.
STRIP, TOUCHED = 2, 0.2
#: Part of the views whose object may touch a border before centres of mass say nothing.
MOST_TOUCHED = 0.1


def touches(views: np.ndarray, axis: int, team) -> bool:
    """Whether views show an object that reaches a border across an axis, 0 for j: it may go on beyond it. Collective.

    Parameters
    ----------
    views : (m, J, K), the own views
    axis : of a view
    team : hpcdvc.ranks.team.Team
    """
    lines = np.moveaxis(views, 1 + axis, 1).mean(axis=2, dtype=float)
    strip = min(STRIP, lines.shape[1])
    borders = np.maximum(lines[:, :strip].mean(axis=1), lines[:, -strip:].mean(axis=1))
    touched = joined(team, borders > TOUCHED * np.maximum(lines.max(axis=1), 0))
    return bool(touched.mean() > MOST_TOUCHED)


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


def first_offsets(scan: Scan, settings: AlignSettings, views: np.ndarray, weights: np.ndarray, team) -> np.ndarray:
    """(2, n) offsets that an alignment starts from. Collective.

    Centres of mass are taken only along directions that are aligned and across whose borders the object does not reach,
    unless they are asked for. Of a single axis, along which it does, heights of views are told from their rows.
    Where some views are not moved, the others start about where those are.

    Parameters
    ----------
    scan, settings : what is aligned, and how
    views, weights : (m, J, K), the own views
    team : hpcdvc.ranks.team.Team
    """
    file = np.array([scan.j_offsets, scan.k_offsets], float)
    start = settings.start or ("file" if file.any() else "com")
    if start == "zero":
        return np.zeros_like(file)
    if start == "file":
        return file
    directions = settings.align_j, settings.align_k
    within = [not touches(views, axis, team) for axis in (0, 1)]
    taken = [wanted and (settings.start == "com" or inside) for wanted, inside in zip(directions, within, strict=True)]
    levels = None
    if settings.align_k and not taken[1] and within[0] and scan.geometry.single_axis:
        levels = heights_of(joined(team, row_means(views, weights)))
    seen = views if levels is None else _same_rows(views, levels, own_planes(team, len(levels)))
    offsets = np.where(np.array(taken)[:, None], -joined(team, centres_of_mass(seen), axis=1), file)
    if levels is not None:
        offsets[1], taken[1] = levels, True
    return _about_still(offsets, file, taken, sorted(set(settings.ignored)), scan.geometry)


def _same_rows(views: np.ndarray, levels: np.ndarray, own: tuple[int, int]) -> list[np.ndarray]:
    """Of the own views the rows that all views show."""
    rows = common_rows(levels, views.shape[2])[slice(*own)]
    return [view[:, part] for view, part in zip(views, rows, strict=True)]


def _about_still(
    offsets: np.ndarray, file: np.ndarray, taken: list[bool], still: list[int], geometry: Geometry
) -> np.ndarray:
    """Offsets with those of views that are not moved, and the volume where these have it."""
    if still:
        for axis, vectors in enumerate((geometry.u, geometry.w)):
            if taken[axis]:
                move = np.linalg.lstsq(vectors[still], (file - offsets)[axis, still], rcond=1e-10)[0]
                offsets[axis] += vectors @ move
        offsets[:, still] = file[:, still]
    return offsets
