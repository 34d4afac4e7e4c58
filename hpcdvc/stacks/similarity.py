"""The map of correlation coefficients of one window in an image or a stack, by FFT."""

from types import ModuleType
from typing import Any

import numpy as np

from hpcdvc.stacks.models import Sums, correlation

#: Part of the window that must count at a place.
ENOUGH = 0.5


def correlation_map(image: Any, window: Any, xp: ModuleType = np):
    """Zero-mean normalised correlation of a window at all places of an image; one mean for all frames.

    Parameters
    ----------
    image : (K, H, W) array; what is not finite does not count
    window : (K, h, w) array, not larger
    xp : numpy or cupy

    Returns
    -------
    (H - h + 1, W - w + 1) float64 array; 0 where one of the two is constant, NaN where less than half of the window
    counts

    Notes
    -----
    Lewis 1995, Fast template matching, Vision Interface; with pixels that do not count Padfield 2012, doi
    10.1109/TIP.2011.2181402
    """
    ok_b, ok_a = xp.isfinite(image), xp.isfinite(window)
    b, a = (_about_mean(values, ok, xp) for values, ok in ((image, ok_b), (window, ok_a)))
    sums_of = _Correlated(image.shape[1:], window.shape[1:], xp)
    number = float(ok_a.sum())
    if not bool(ok_b.all()):
        k, m = sums_of.image(1.0 * ok_b), sums_of.window(1.0 * ok_a)
        mm = sums_of(m, k).round()
        rm, rr = sums_of(m, sums_of.image(b)), sums_of(m, sums_of.image(b * b))
        im, ii = sums_of(sums_of.window(a), k), sums_of(sums_of.window(a * a), k)
    elif not bool(ok_a.all()):
        m = sums_of.window(1.0 * ok_a)
        mm = number
        rm, rr, im, ii = sums_of(m, sums_of.image(b)), sums_of(m, sums_of.image(b * b)), a.sum(), (a * a).sum()
    else:
        mm, im, ii = number, a.sum(), (a * a).sum()
        rm, rr = (_box_sums(values.sum(0), window.shape[1:], xp) for values in (b, b * b))
    with np.errstate(invalid="ignore", divide="ignore"):
        scores = correlation(Sums(ii, mm, rr, im, sums_of(sums_of.window(a), sums_of.image(b)), rm), xp)
        return xp.where(mm >= max(ENOUGH * number, 1) + xp.zeros_like(scores), xp.clip(scores, -1, 1), xp.nan)


def _about_mean(values, ok, xp: ModuleType):
    """float64 deviations from the mean, 0 where a pixel does not count: products are small, so is rounding."""
    values = xp.where(ok, values, 0).astype(xp.float64)
    return xp.where(ok, values - values.sum() / max(float(ok.sum()), 1), 0)


def _box_sums(image, size: tuple[int, int], xp: ModuleType):
    """Sums over all boxes of a size."""
    sums = xp.pad(image, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    h, w = size
    return sums[h:, w:] - sums[:-h, w:] - sums[h:, :-w] + sums[:-h, :-w]


class _Correlated:
    """Sums of products of a window and an image at all places, from their spectra."""

    def __init__(self, image: tuple[int, int], window: tuple[int, int], xp: ModuleType):
        from scipy.fft import next_fast_len

        self.size, self.xp = [next_fast_len(n, real=True) for n in image], xp
        self.places = tuple(slice(0, n - m + 1) for n, m in zip(image, window, strict=True))

    def image(self, values):
        return self.xp.fft.rfft2(values, self.size)

    def window(self, values):
        return self.xp.conj(self.xp.fft.rfft2(values, self.size))

    def __call__(self, window, image):
        return self.xp.fft.irfft2((window * image).sum(0), self.size)[self.places]


def pixels_alike_of(one: np.ndarray, two: np.ndarray) -> float:
    """Pixels of two textures that tell the same, of which only one is news: it says how much their correlation varies.

    Parameters
    ----------
    one, two : (K, h, w) arrays; what is not finite does not count

    Returns
    -------
    the sum of the products of their autocorrelations, at least 1

    Notes
    -----
    Bartlett 1946, doi 10.2307/2983611
    """
    product = 1.0
    for values in (one, two):
        values = _about_mean(values, np.isfinite(values), np)
        spectrum = np.fft.rfft2(values, [2 * n for n in values.shape[1:]])
        lags = np.fft.irfft2((abs(spectrum) ** 2).sum(0), [2 * n for n in values.shape[1:]])
        product = product * lags / max(lags[0, 0], np.finfo(float).tiny)
    # far lags are chance themselves
    near = [np.abs(np.fft.fftfreq(2 * n, 1 / (2 * n))) <= max(n // 4, 1) for n in values.shape[1:]]
    return max(float(product[np.ix_(*near)].sum()), 1.0)
