"""Whether an alignment tells of an object: the volume of some of the views is to show what the others saw.

A view always fits the volume that it was part of, and noise that is moved until it fits fits even better. So the views
are split in two; each is compared with its projection of the volume of the other part, and with what that volume shows
in the directions of other views: a view that fits these as well is not of this object, or not from this direction.
"""

from dataclasses import dataclass

import numpy as np

from hpcdvc.tomography.joined import joined
from hpcdvc.tomography.level import Level
from hpcdvc.tomography.normalise import noise_of
from hpcdvc.tomography.reconstruct import mitra
from hpcdvc.tomography.shifts import gauss_newton_step

#: Steps of a reconstruction of half of the views: it only has to be like them.
STEPS = 20
#: Other directions that views are compared with.
OTHERS = 8
#: Views below which halves of them tell nothing.
FEWEST = 8
#: Texture of a view, as part of its values, that is rounding.
ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class Held:
    """How views fit what the other half of the views shows.

    Attributes
    ----------
    likeness : (n,) correlation with their projections of the volume of the other half; NaN of a view without texture
    elsewhere : (m, n) the same with projections in the directions of other views
    noise : (n,) part of the variance of a view that is white noise
    steps : (n,) pixels of the scan by which the volume of the other half would move a view
    """

    likeness: np.ndarray
    elsewhere: np.ndarray
    noise: np.ndarray
    steps: np.ndarray


def hold_out(level: Level, offsets: np.ndarray) -> Held:
    """Compare all views with the volume of the other half of them. Collective.

    Parameters
    ----------
    level : as coarse as the scan allows: noise is least there
    offsets : (2, n) pixels of the scan
    """
    count = level.geometry.views
    half = (np.arange(count) + 1) // 2 % 2  # each has views of both kinds where every other one is tilted
    projector = level.projector.moved(*level.offsets(offsets))
    data, own = projector.measured(level.views), np.array(projector.own_views, int)
    orders, pairs = _orders(half), list(zip(level.views, level.weights, strict=True))
    textured = np.array([np.isfinite(correlation(view, view, weights)) for view, weights in pairs], bool)
    found, steps = np.full((len(orders), len(own)), np.nan), np.zeros(len(own))
    directions = level.settings.align_j, level.settings.align_k
    for part in (0, 1):
        kept = level.weights * ((half[own] == part) & textured).astype(np.float32)[:, None, None]
        volume = mitra(projector, data, projector.measured(kept), STEPS)
        for k, order in enumerate(orders):
            seen = projector.looking(order)
            projections = seen.views(seen.forward(volume))
            for i in np.flatnonzero(half[own] != part):
                found[k, i] = correlation(projections[i], *pairs[i])
                if k == 0:
                    steps[i] = np.hypot(*gauss_newton_step(projections[i], *pairs[i], directions)) * level.binning
    noise = np.array([noise_part(*pair) for pair in pairs])
    likeness, *elsewhere = joined(level.team, found, axis=1)
    noise, steps = joined(level.team, np.array([noise, steps]), axis=1)
    return Held(likeness, np.array(elsewhere).reshape(-1, count), noise, steps)


def _orders(half: np.ndarray) -> list[np.ndarray]:
    """Numbers of the views whose direction each has: its own, and others of its half, nearer and farther ones."""
    orders = [np.arange(len(half))]
    parts = [np.flatnonzero(half == part) for part in (0, 1)]
    for step in np.unique(np.linspace(1, min(map(len, parts)) - 1, OTHERS).round().astype(int)):
        order = np.arange(len(half))
        for part in parts:
            order[part] = np.roll(part, step)
        orders.append(order)
    return orders


def correlation(projection: np.ndarray, view: np.ndarray, weights: np.ndarray) -> float:
    """Of a view with a projection, (J, K) with weights; NaN of a view without texture, 0 of such a projection."""
    total = weights.sum(dtype=float)
    if not total > 0:
        return np.nan
    images, sizes = [], []
    for image in (projection, view):
        values = image.astype(float)
        size = (weights * values**2).sum()
        values = values - (weights * values).sum() / total
        power = (weights * values**2).sum()
        images.append(values)
        sizes.append(power if power > ROUNDING**2 * size else 0.0)
    if not sizes[1] > 0:
        return np.nan
    return float((weights * images[0] * images[1]).sum() / np.sqrt(sizes[0] * sizes[1])) if sizes[0] > 0 else 0.0


def noise_power(view: np.ndarray, weights: np.ndarray) -> float:
    """Sum of squares of the white noise of a view (J, K) over its pixels."""
    return float(weights.sum(dtype=float)) * noise_of(view, weights) ** 2


def noise_part(view: np.ndarray, weights: np.ndarray) -> float:
    """Part of the variance of a view (J, K) that is white noise."""
    seen = view[weights > 0]
    variance = float(seen.var(dtype=float)) if seen.size else 0.0
    return min(noise_of(view, weights) ** 2 / variance, 1.0) if variance > 0 else 0.0
