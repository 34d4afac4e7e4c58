"""Levels of an alignment: views and volume binned, coarse ones first; offsets stay in pixels of the scan."""

from dataclasses import replace

import numpy as np

from hpcdvc.tomography.geometry import Geometry
from hpcdvc.tomography.reconstruct import BUILT_IN
from hpcdvc.tomography.settings import AlignSettings, Stage
from hpcdvc.tomography.shifts import LEAST_PIXELS

#: Pixels of a view, along what it is moved along, at least on levels that are not asked for; the coarsest of these.
LEAST_SIDE, COARSEST = 32, 8
#: Where stages of "gn" end, pixels of the last level and of coarser ones, and what a view is moved by at most.
GN_TOLERANCE, GN_COARSE, GN_CUTOFF = 0.002, 0.01, 1.0
#: The first stage, by correlation, ends when no view was moved by more than a pixel along both axes: gn goes on there.
COARSE_TOLERANCE = 1.5
#: A shift by correlation of up-sampled steps, and where stages of it end, in steps.
CUTOFF = 5.0


def plan(geometry: Geometry, settings: AlignSettings) -> tuple[Stage, ...]:
    """All stages of an alignment, level by level."""
    stages, bins = [], settings.bins or bins_of(geometry, settings)
    for level, binning in enumerate(bins):
        if settings.methods:
            methods = settings.methods * (len(settings.upsampling) // len(settings.methods))
            kinds = [(method, us, 1.0) for method, us in zip(methods, settings.upsampling, strict=True)]
        else:
            coarse = [("cc", us, COARSE_TOLERANCE) for us in settings.upsampling] if level == 0 else []
            kinds = [*coarse, ("gn", 1, 1.0)]
        for method, us, loose in kinds:
            if method == "gn":
                tolerance, cutoff = GN_TOLERANCE if binning == bins[-1] else GN_COARSE, GN_CUTOFF
            else:
                tolerance, cutoff = loose / us, CUTOFF / us
            tolerance = settings.tolerance or tolerance * binning
            stages.append(Stage(method, us, binning, settings.maxiter, tolerance, settings.cutoff or cutoff * binning))
    return tuple(stages)


def bins_of(geometry: Geometry, settings: AlignSettings) -> tuple[int, ...]:
    """Binnings that the size of the views asks for; a reconstruction of the user's takes views as they are."""
    bins, wanted = [1], (settings.align_j, settings.align_k)
    sides = [n for n, moving in zip(geometry.shape, wanted, strict=True) if moving and n >= LEAST_PIXELS]
    side = min(sides, default=0)
    while settings.reconstruction in BUILT_IN and bins[-1] < COARSEST and side // (2 * bins[-1]) >= LEAST_SIDE:
        bins.append(2 * bins[-1])
    return tuple(reversed(bins))


def binned_geometry(geometry: Geometry, binning: int) -> Geometry:
    """The same views with pixels and voxels so many times as large; what is left over at an end makes one more."""
    if binning == 1:
        return geometry
    view, volume = (tuple(-(-n // binning) for n in shape) for shape in (geometry.shape, geometry.volume))
    return replace(geometry, shape=view, volume=volume)


def binned_offsets(offsets: np.ndarray, geometry: Geometry, binning: int) -> np.ndarray:
    """(2, n) offsets in pixels of a level: its views, filled up at their upper ends, have other centres.

    Parameters
    ----------
    offsets : (2, n) pixels of the scan
    geometry : of the scan
    binning : of the level
    """
    pad = np.array([[-n % binning] for n in geometry.shape])
    return (offsets + pad / 2) / binning


def binned_views(views: np.ndarray, weights: np.ndarray, binning: int) -> tuple[np.ndarray, np.ndarray]:
    """Views (m, J, K) and weights of a level: means over the pixels that count, and the part of them that there is."""
    if binning == 1:
        return views, weights
    pad = [(0, 0), *((0, -n % binning) for n in views.shape[1:])]
    sums = []
    for values in (views * weights, weights):
        values = np.pad(values, pad)
        m, height, width = values.shape
        blocks = values.reshape(m, height // binning, binning, width // binning, binning)
        sums.append(blocks.sum(axis=(2, 4), dtype=np.float64))
    total, count = sums
    mean = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
    return mean.astype(np.float32), (count / binning**2).astype(np.float32)
