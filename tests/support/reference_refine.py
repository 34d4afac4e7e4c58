"""Slow twin of the compiled refinement: one window at a time, sum by sum, in float64."""

import numpy as np
from scipy import ndimage

from hpcdvc.registration.filters import interpolation_samples, prefilter_taps


def spline_of(image: np.ndarray) -> np.ndarray:
    """Coefficients of the cubic o-MOMS, of the image and 3 more pixels on all sides."""
    taps = prefilter_taps(3)
    both = np.concatenate([taps[:0:-1], taps])
    grown, inner = _grown(image, len(taps) + 2), slice(len(taps) - 1, 1 - len(taps))
    return ndimage.correlate1d(ndimage.correlate1d(grown, both, 0), both, 1)[inner, inner]


def value_at(coefficients: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The spline at points."""
    iy, ix = np.floor(y).astype(int), np.floor(x).astype(int)
    value = np.zeros(y.shape)
    for b in range(-1, 3):
        for a in range(-1, 3):
            weight = interpolation_samples(3, y - iy - b) * interpolation_samples(3, x - ix - a)
            value += weight * coefficients[iy + b + 3, ix + a + 3]
    return value


def gradient_of(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives along y and x, of fourth order."""
    taps = np.array([1, -8, 0, 8, -1]) / 12
    return tuple(ndimage.correlate1d(_grown(image, 2), taps, axis)[2:-2, 2:-2] for axis in (0, 1))


def _grown(image: np.ndarray, by: int) -> np.ndarray:
    """The image continued with its slopes."""
    return np.pad(np.asarray(image, float), by, mode="reflect", reflect_type="odd")


def refined_window(template, other, pixel, start, half: int, affine: bool, taps=None, there=None, steps: int = 30):
    """Displacement (2,), gradient of it (2, 2), correlations at the start and at the end, of the window about a pixel.

    Parameters
    ----------
    template, other : (K, H, W)
    pixel, start : (2,) middle of the window, and its displacement in the other image
    taps : window function along an axis; None: 1 / side
    there : (K, H, W) bool of the template, pixels that count; None: all
    """
    side = np.arange(-half, half + 1)
    dy, dx = (d.astype(float) for d in np.meshgrid(side, side, indexing="ij"))
    window = (slice(pixel[0] - half, pixel[0] + half + 1), slice(pixel[1] - half, pixel[1] + half + 1))
    taps = np.full(len(side), 1 / len(side)) if taps is None else np.asarray(taps)
    weight = np.broadcast_to(np.outer(taps, taps), (len(template), *dy.shape)).copy()
    if there is not None:
        weight *= there[:, *window]
    grey = np.asarray(template, float)[:, *window]
    slopes = [np.stack(s)[:, *window] for s in zip(*(gradient_of(frame) for frame in template), strict=True)]
    powers = [np.ones_like(dy), dy / half, dx / half] if affine else [np.ones_like(dy)]
    columns = np.stack([grey, np.ones_like(grey), *(s * power for s in slopes for power in powers)])
    normal = np.einsum("ikyx,jkyx,kyx->ij", columns, columns, weight)
    splines, place, A = [spline_of(frame) for frame in other], np.array(start, float), np.eye(2)
    scores = []
    for _ in range(steps):
        y, x = (pixel[i] + place[i] + A[i, 0] * dy + A[i, 1] * dx for i in (0, 1))
        warped = np.stack([value_at(spline, y, x) for spline in splines])
        scores.append(_correlation(grey, warped, weight))
        c = np.linalg.solve(normal, np.einsum("ikyx,kyx,kyx->i", columns, warped, weight))
        change = (c[2:] / c[0]).reshape(2, -1)
        D = np.eye(2) + (change[:, 1:] / half if affine else 0)
        A = A @ np.linalg.inv(D)
        place = place - A @ change[:, 0]
        if np.abs(change).max() < 1e-6:
            break
    return place, A - np.eye(2), scores[0], scores[-1]


def _correlation(a, b, weight) -> float:
    a, b = (v - (weight * v).sum() / weight.sum() for v in (a, b))
    return (weight * a * b).sum() / np.sqrt((weight * a * a).sum() * (weight * b * b).sum())
