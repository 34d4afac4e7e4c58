"""Peaks of a joint histogram: where the phases are, and how wide they are at first sight."""

import numpy as np

from hpcdvc.multimodal.components import MOST_PHASES

#: Width (standard deviation) of the Gaussian that smooths a histogram: bins, and bins of 128 where there are more. Grey
#: values that are whole numbers fill some bins with more of them than others.
SMOOTHING = 2.0
#: A peak is so many times as high as the lowest point of the way to a higher one ...
PROMINENT = 1.25
#: ... and so many standard deviations of its count above it.
SIGNIFICANT = 4.0
#: Least height, parts of the highest peak.
LOWEST = 1e-3
#: Points of the way from peak to peak.
STEPS = 65
#: Variance of a Gaussian above half of its height, parts of its whole variance: 1 - ln 2.
ABOVE_HALF = 1 - np.log(2)


def find_peaks(
    histogram: np.ndarray,
    most: int = MOST_PHASES,
    distance: float | None = None,
    thresholds: tuple[float, float] = (0, 0),
) -> np.ndarray:
    """Peaks of a joint histogram, the highest first.

    Smoothed, it has to rise above the lowest point of the straight way to each higher peak by a quarter of that, and by
    more than chance: the ridge of a boundary between two phases has no peak of its own.

    Parameters
    ----------
    histogram : (bins, bins) array of counts, im1 by im2
    most : peaks
    distance : least distance between two of them, bins; None: bins / 25
    thresholds : bins of im1 and im2 below which there are none

    Returns
    -------
    (n, 2) float64 array : bins of im1 and im2, n at least 1

    Raises
    ------
    ValueError
        The histogram is empty, or beyond its thresholds it is.
    """
    from scipy import ndimage  # what is not needed delays the start

    smooth, width = smoothed(histogram)
    bins = len(histogram)
    distance = distance or bins / 25
    highest = (smooth == ndimage.maximum_filter(smooth, 2 * int(width) + 1, mode="constant")) & (smooth > 0)
    highest &= (np.arange(bins)[:, None] >= thresholds[0]) & (np.arange(bins) >= thresholds[1])
    if not highest.any():
        raise ValueError("the joint histogram is empty: there is no phase in it")
    at = np.argwhere(highest & (smooth >= LOWEST * smooth[highest].max()))
    order = np.argsort(-smooth[tuple(at.T)], kind="stable")
    found = []
    for peak in at[order]:
        if all(np.hypot(*(peak - other)) >= distance and _rises(smooth, width, peak, other) for other in found):
            found.append(peak)
        if len(found) == most:
            break
    return np.array(found, float)


def smoothed(histogram: np.ndarray) -> tuple[np.ndarray, float]:
    """A histogram with less of its noise, and the width of the Gaussian, bins."""
    from scipy import ndimage

    width = SMOOTHING * max(1, len(histogram) / 128)
    return ndimage.gaussian_filter(histogram.astype(float), width, mode="constant"), width


def _rises(smooth: np.ndarray, width: float, peak: np.ndarray, other: np.ndarray) -> bool:
    """Whether a peak stands above the way to a higher one."""
    from scipy import ndimage

    way = np.linspace(peak, other, STEPS).T
    lowest = ndimage.map_coordinates(smooth, way, order=1).min()
    height = smooth[tuple(peak)]
    noise = np.sqrt(height / (4 * np.pi * width**2))  # of what a Gaussian window of counts adds up to
    return height > PROMINENT * lowest and height - lowest > SIGNIFICANT * noise


def start_of(histogram: np.ndarray, peaks: np.ndarray, reaches: np.ndarray) -> np.ndarray:
    """Covariances of the peaks at first sight, from where the histogram is above half of their height.

    Parameters
    ----------
    histogram : (bins, bins) array of counts
    peaks : (n, 2) array
    reaches : (n,) voxels farther from a peak say nothing of it, bins

    Returns
    -------
    (n, 2, 2) array
    """
    smooth, _ = smoothed(histogram)
    at = np.argwhere(smooth > 0)
    heights = smooth[tuple(at.T)]
    away = np.linalg.norm(at - peaks[:, None], axis=2)
    nearest = away.argmin(axis=0)
    found = np.empty((len(peaks), 2, 2))
    for number, peak in enumerate(peaks):
        own = (nearest == number) & (away[number] <= reaches[number])
        own &= heights >= smooth[tuple(peak.astype(int))] / 2
        if not own.any():  # a peak that was picked where there is nothing, or where one is already
            others = np.linalg.norm(peaks[:number] - peak, axis=1)
            found[number] = found[others.argmin()] if number else np.eye(2)
            continue
        offset, weight = at[own] - peak, heights[own] / heights[own].sum()
        found[number] = np.einsum("n,ni,nj->ij", weight, offset, offset) / ABOVE_HALF + np.eye(2) / 4
    return found
