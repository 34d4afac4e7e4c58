"""Heights of views along the one axis that they turn about, from the views alone.

All pixels of a row add up to the same from any side: to what its slice holds. So profiles of rows are the same in all
views but for the offset along k. They need no volume, and no end of the object in view.
"""

import numpy as np
from scipy.ndimage import gaussian_filter1d, shift

from hpcdvc.tomography.shifts import LEAST_PIXELS, gauss_newton_step

#: Steps with each smoothing of the profiles; the first smoothing is this part of their length, the last half a pixel.
STEPS, COARSEST, FINEST = 3, 8, 0.5
#: Pixels, above which the error of a height tells that profiles have no texture.
MOST_ERROR = 0.25


def row_means(views: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(m, K) means of the rows of views (m, J, K), over the pixels that count."""
    counts = weights.sum(axis=1, dtype=float)
    totals = np.einsum("mjk,mjk->mk", views, weights, dtype=float)
    return np.divide(totals, counts, out=np.zeros_like(totals), where=counts > 0)


def heights_of(profiles: np.ndarray) -> np.ndarray | None:
    """(n,) offsets along k with which profiles (n, K) lie on one another, their mean 0; None where they cannot be told.

    Each profile is fitted by the mean of all in gain, background and place, smoothed less and less.
    """
    if profiles.shape[1] < LEAST_PIXELS:
        return None
    offsets, sigma = np.zeros(len(profiles)), profiles.shape[1] / COARSEST
    while sigma >= FINEST:
        smooth = gaussian_filter1d(profiles, sigma, axis=1, mode="nearest")
        for _ in range(STEPS):
            lines, seen = _moved(smooth, offsets)
            mean = _mean(lines, seen)
            steps = np.array([_step(mean, line, part) for line, part in zip(lines, seen, strict=True)])
            offsets += np.clip(steps, -sigma, sigma)
            offsets -= offsets.mean()
        sigma /= 2
    lines, seen = _moved(profiles, offsets)
    mean = _mean(lines, seen)
    noise, texture = ((lines - mean) ** 2)[seen].mean(), (np.gradient(mean) ** 2).sum()
    return offsets if noise < texture * MOST_ERROR**2 else None


def common_rows(offsets: np.ndarray, count: int) -> list[slice]:
    """Of each view with so many rows those, as many of all, that show what the rows of all others show."""
    firsts = np.round(offsets.max() - offsets).astype(int)
    length = max(count - firsts.max(), 1)
    return [slice(first, first + length) for first in firsts]


def _moved(profiles: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Profiles where their offsets bring them, and what of them was seen."""
    moved = [shift(line, offset, mode="nearest") for line, offset in zip(profiles, offsets, strict=True)]
    places = np.arange(profiles.shape[1]) - offsets[:, None]
    return np.array(moved), (places >= 0) & (places <= profiles.shape[1] - 1)


def _mean(lines: np.ndarray, seen: np.ndarray) -> np.ndarray:
    return (lines * seen).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)


def _step(mean: np.ndarray, line: np.ndarray, seen: np.ndarray) -> float:
    return gauss_newton_step(mean[None], line[None], seen[None], (False, True))[1]
