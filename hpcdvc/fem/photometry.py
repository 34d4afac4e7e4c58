"""Gain and offset between the grey values of two images, from sums over elements: none, one pair, or a map.

The residual is r = f - a g - b, with f of im1, and g of im2 where the displacements lead. Gain a and offset b give g
the mean and the standard deviation of f, as a zero-normalised criterion does; the gain that fits best would be smaller
the more noise there is, and its residual correlated with f.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np

from hpcdvc.fem.sums import Sums
from hpcdvc.registration import control

#: Degree of the polynomials of a map, and how many elements there must be for each of their coefficients.
DEGREE, ELEMENTS = 3, 16
#: Part of the largest eigenvalue of the equations of such polynomials from which on others count: in a layer that is
#: one element thick some are alike.
NEGLIGIBLE = 1e-12
#: Least variance of a map, as a part of the mean: polynomials may become negative.
LEAST_VARIANCE = 0.1
#: Grey values are others, not only noise, when the gain, or the offset in units of the contrast of im1, differs by more
#: than this, and makes up more than that part of the squares of the residual.
OTHER, MOST_EXPLAINED = 0.02, 0.2


@dataclass(frozen=True)
class Greys:
    """How grey values compare, element by element.

    Attributes
    ----------
    gain, offset : (k,) a and b
    squares : (k,) sums of r^2
    zncc : zero-mean normalised correlation of f and g over all voxels, the map of gain and offset taken out
    contrast : standard deviation of f
    """

    gain: np.ndarray
    offset: np.ndarray
    squares: np.ndarray
    zncc: float
    contrast: float


def compare(sums: Sums, criterion: str, middles: np.ndarray) -> Greys:
    """Gain, offset and what is left of each element.

    Parameters
    ----------
    sums : of k elements
    criterion : "ssd" (a = 1, b = 0), "znssd" (one pair for all), or "map" (a pair that changes slowly from place to
        place, as polynomials of third degree do)
    middles : (k, 3) of the elements, ZYX, voxels

    Returns
    -------
    Greys
    """
    moments = sums.moments
    whole = moments.sum(axis=0)[None]
    if criterion == "ssd":
        gain, offset = np.ones(len(moments)), np.zeros(len(moments))
    elif criterion == "znssd":
        gain, offset = (np.full(len(moments), values[0]) for values in _fit(whole))
    else:
        gain, offset = _map(moments, middles)
    n, f, g, ff, fg, gg = moments.T
    squares = ff + gain**2 * gg + n * offset**2 - 2 * gain * fg - 2 * offset * f + 2 * gain * offset * g
    # of the brightened im2, for the correlation: without the map a gradient of gain would count as a difference
    brightened = gain * g + offset * n, gain * fg + offset * f, gain**2 * gg + 2 * gain * offset * g + offset**2 * n
    bright = np.array([n, f, brightened[0], ff, *brightened[1:]]).sum(axis=1)
    contrast = float(np.sqrt(_variances(whole)[0][0]))
    return Greys(gain, offset, np.maximum(squares, 0), float(correlation(bright[None])[0]), contrast)


def are_others(sums: Sums, middles: np.ndarray, criterion: str) -> bool:
    """Whether grey values of im2 are others than a criterion allows: displacements are pulled to make up for it.

    Parameters
    ----------
    sums, middles, criterion : as of `compare`
    """
    wider = {"ssd": "znssd", "znssd": "map"}.get(criterion)
    if wider is None:
        return False
    plain, fitted = (compare(sums, name, middles) for name in (criterion, wider))
    count = sums.n.sum()
    if not (fitted.contrast > 0 and count > 0):
        return False
    # how much brighter or darker what has the mean grey value is
    brighter = (fitted.gain - plain.gain) * (sums.g.sum() / count) + fitted.offset - plain.offset
    differences = np.array([fitted.gain / plain.gain - 1, brighter / fitted.contrast])
    explained = 1 - fitted.squares.sum() / max(plain.squares.sum(), fitted.squares.sum())
    return bool(np.sqrt(differences**2 @ sums.n / count).max() > OTHER and explained > MOST_EXPLAINED)


def is_flat(sums: Sums) -> bool:
    """Whether im2 shows one grey value where the mesh meets it: nothing but rounding beside its brightness."""
    whole = sums.moments.sum(axis=0)[None]
    return bool(_variances(whole)[1][0] <= control.LEAST_VARIANCE * whole[0, 5] / max(whole[0, 0], 1))


def _variances(moments: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Variance of f and of g, and their covariance, from rows n, f, g, ff, fg, gg; 0 where there are no voxels."""
    n, f, g, ff, fg, gg = np.maximum(moments[:, 0], 1), *moments[:, 1:].T
    return np.maximum(ff / n - (f / n) ** 2, 0), np.maximum(gg / n - (g / n) ** 2, 0), fg / n - f / n * g / n


def correlation(moments: np.ndarray) -> np.ndarray:
    """(m,) zero-mean normalised correlation of f and g, of (m, 6) sums n, f, g, ff, fg, gg; 0 without contrast."""
    variance1, variance2, covariance = _variances(moments)
    scale = np.sqrt(variance1 * variance2)
    return np.where(scale > 0, covariance / np.where(scale > 0, scale, 1), 0.0)


def _fit(moments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gain and offset that give g mean and standard deviation of f, for each row; 1 where g has no contrast."""
    variance1, variance2, _ = _variances(moments)
    n = np.maximum(moments[:, 0], 1)
    gain = np.where(variance2 > 0, np.sqrt(variance1 / np.where(variance2 > 0, variance2, 1)), 1.0)
    return gain, (moments[:, 1] - gain * moments[:, 2]) / n


def _map(moments: np.ndarray, middles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gain and offset of each element, from polynomials of the variances inside the elements and of their means.

    The means themselves change with the gain, so variances across elements would tell nothing.
    """
    inside1, inside2, _ = _variances(moments)
    count = np.maximum(moments[:, 0], 1)
    smooth = _polynomial(middles, moments[:, 0])
    variances = []
    for inside in (inside1, inside2):
        fitted, mean = smooth(inside), inside @ moments[:, 0] / max(moments[:, 0].sum(), 1)
        variances.append(np.maximum(fitted, LEAST_VARIANCE * mean))
    known = variances[1] > 0
    gain = np.where(known, np.sqrt(variances[0] / np.where(known, variances[1], 1)), 1.0)
    return gain, smooth((moments[:, 1] - gain * moments[:, 2]) / count)


def _polynomial(places: np.ndarray, weights: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Function from (k,) values at places (k, 3) to what a polynomial fitted to them by weight has there."""
    extent = np.maximum(np.ptp(places, axis=0), 1e-9)
    scaled = 2 * (places - places.min(axis=0)) / extent - 1
    powers = [power for power in product(range(DEGREE + 1), repeat=3) if sum(power) <= DEGREE]
    degrees = [d for d in range(DEGREE + 1) if sum(sum(p) <= d for p in powers) * ELEMENTS <= len(places)] or [0]
    chosen = [power for power in powers if sum(power) <= degrees[-1]]
    raised = np.cumprod([np.ones_like(scaled), *[scaled] * DEGREE], axis=0)
    basis = np.stack([raised[z, :, 0] * raised[y, :, 1] * raised[x, :, 2] for z, y, x in chosen], axis=1)
    weighted = (weights[:, None] * basis).T
    inverse = np.linalg.pinv(weighted @ basis, rcond=NEGLIGIBLE, hermitian=True)
    return lambda values: basis @ (inverse @ (weighted @ values))
