"""The joint histogram of two images, and the phases in it: functions for Python users."""

import logging

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.multimodal.components import MOST_PHASES
from hpcdvc.multimodal.mixture import AUTO, fit_mixture
from hpcdvc.multimodal.phases import parameters_of

log = logging.getLogger("hpcdvc")

#: Bins of each axis.
FEWEST, MOST = 2, 1024
#: Voxels that are counted at a time.
AT_A_TIME = 2**22

Ranges = tuple[tuple[float, float], tuple[float, float]]


def joint_histogram(
    im1: np.ndarray,
    im2: np.ndarray,
    bins: int = 64,
    ranges: Ranges | None = None,
    mask: np.ndarray | None = None,
) -> np.ndarray:
    """How many voxels have which pair of grey values.

    Parameters
    ----------
    im1, im2 : arrays of one shape, of numbers; voxels where one of them is NaN or infinite do not count
    bins : of each axis. A grey value is in the nearest of the bins 0 for `low` to bins - 1 for `high`
    ranges : ((low, high), (low, high)) of im1 and im2, grey values; voxels beyond do not count. None: least and
        greatest value of each image
    mask : array of the same shape; voxels where it is 0 or NaN do not count

    Returns
    -------
    (bins, bins) int64 array, im1 by im2

    Raises
    ------
    UserError
        Images or a mask of other shapes, no voxel that counts, an image with one grey value only, or ranges or a
        number of bins that make no sense.
    """
    im1, im2 = (_checked(image, name) for image, name in ((im1, "im1"), (im2, "im2")))
    if im1.shape != im2.shape:
        raise UserError(f"im1 of shape {im1.shape} and im2 of shape {im2.shape} have no joint histogram")
    if mask is not None and np.shape(mask) != im1.shape:
        raise UserError(f"the mask of shape {np.shape(mask)} is not one of images of shape {im1.shape}")
    if bins != int(bins) or not FEWEST <= bins <= MOST:
        raise UserError(f"a joint histogram of {bins} bins is not possible: {FEWEST} to {MOST}")
    ranges = [_least_and_greatest(im, name) for im, name in ((im1, "im1"), (im2, "im2"))] if ranges is None else ranges
    for name, (low, high) in zip(("im1", "im2"), ranges, strict=True):
        if not (np.isfinite([low, high]).all() and low < high):
            raise UserError(f"the grey values of {name} from {low:g} to {high:g} are no range")
    found = np.zeros(bins * bins, np.int64)
    flat = [im1.reshape(-1), im2.reshape(-1), None if mask is None else np.asarray(mask).reshape(-1)]
    for first in range(0, im1.size, AT_A_TIME):
        one, two, some = (None if values is None else values[first : first + AT_A_TIME] for values in flat)
        f, g = (_bins_of(grey, bins, *limits) for grey, limits in zip((one, two), ranges, strict=True))
        counts = (f >= 0) & (g >= 0)
        if some is not None:
            counts &= np.nan_to_num(some) != 0
        found += np.bincount(f[counts] * bins + g[counts], minlength=bins * bins)
    if not found.any():
        raise UserError("no voxel of im1 and im2 counts: their joint histogram is empty")
    return found.reshape(bins, bins)


def gaussian_mixture_parameters(
    im1: np.ndarray,
    im2: np.ndarray,
    bins: int = 64,
    n_phases: int | str = 2,
    im1_threshold: float = 0,
    im2_threshold: float = 0,
    distance_maxima: float | None = None,
    exclude_border: bool = False,
    fit_distance: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Gaussians of the phases in the joint histogram of two images of different modalities.

    Parameters
    ----------
    im1, im2 : arrays of one shape, grey values scaled to 0 to bins - 1; voxels beyond, or without a value, do not count
    bins : of each axis of the joint histogram
    n_phases : how many phases; "auto": as many as the Bayesian information criterion wants
    im1_threshold, im2_threshold : bins below which no phase is looked for
    distance_maxima : least distance between the peaks of two phases, bins; None: bins / 25
    exclude_border : look for no phase in the first and the last bins, where saturated voxels are
    fit_distance : how far from its peak voxels shape a phase, bins; None: bins / 2

    Returns
    -------
    (n, 6) float64 array : phi, mu1, mu2, a, b, c of each phase, the highest peak first: its part of the joint histogram
        is phi exp(-(a D1^2 + 2 b D1 D2 + c D2^2) / 2), D1 and D2 the distances from mu1 (im1) and mu2 (im2), bins.
        Fewer than asked for, with a warning, where there are fewer peaks, or where peaks merge
    (bins, bins) float64 array : joint histogram, im1 by im2, as parts of all voxels

    Raises
    ------
    UserError
        As `joint_histogram` without ranges; a number of phases that makes no sense; thresholds that leave nothing.

    Notes
    -----
    After Tudisco et al. (2017), An extension of digital volume correlation for multimodality image registration. The
    boundaries between phases are fitted with them, see the page on theory.
    """
    if n_phases not in (AUTO, *range(1, MOST_PHASES + 1)):
        raise UserError(f"{n_phases} phases are not possible: 1 to {MOST_PHASES}, or {AUTO!r}")
    for image, name in ((im1, "im1"), (im2, "im2")):
        _least_and_greatest(_checked(image, name), name)
    counts = joint_histogram(im1, im2, bins, ((0, bins - 1), (0, bins - 1)))
    shown = counts.copy()
    thresholds = (im1_threshold, im2_threshold)
    if exclude_border:
        shown[[0, -1]] = shown[:, [0, -1]] = 0
    try:
        mixture = fit_mixture(shown, n_phases, distance_maxima, fit_distance, thresholds)
    except ValueError as error:
        raise UserError(f"no phase is found in the joint histogram from bins {thresholds} on") from error
    if n_phases != AUTO and mixture.n_phases < n_phases:
        log.warning("%d phases are asked for, the joint histogram has %d", n_phases, mixture.n_phases)
    return parameters_of(mixture), counts / np.size(im1)


def _checked(image: np.ndarray, name: str) -> np.ndarray:
    image = np.asarray(image)
    if image.dtype.kind not in "buif" or not image.size:
        raise UserError(f"{name} of shape {image.shape} and type {image.dtype} is no image of grey values")
    return image


def _least_and_greatest(image: np.ndarray, name: str) -> tuple[float, float]:
    """Of the values of an image that are finite."""
    finite = image[np.isfinite(image)] if image.dtype.kind == "f" else image
    if not finite.size or finite.min() == finite.max():
        raise UserError(f"{name} has {'one grey value only' if finite.size else 'no grey values'}")
    return float(finite.min()), float(finite.max())


def _bins_of(grey: np.ndarray, bins: int, low: float, high: float) -> np.ndarray:
    """Nearest bins of grey values; -1 where they are beyond the range, or none."""
    grey = grey.astype(float)
    inside = (grey >= low) & (grey <= high)  # False for NaN
    value = np.where(inside, grey - low, 0) * ((bins - 1) / (high - low))
    return np.where(inside, np.minimum(np.rint(value), bins - 1), -1).astype(np.int64)
