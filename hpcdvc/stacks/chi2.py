"""chi2 over displacements: chi2(d) = sum over i of (im2[i] - im1[i - d])^2 / err[i]^2, the noise being that of im2.

Of three terms: sum im2^2 / err^2, which no displacement changes, -2 CC(im1, im2 / err^2), and CC(im1^2, 1 / err^2),
which is a number as well where the noise is. The cross-correlations are products of spectra.
"""

from dataclasses import dataclass, replace

import numpy as np
import scipy.fft

from hpcdvc.stacks.highest import highest
from hpcdvc.stacks.images import Images
from hpcdvc.stacks.spectrum import Polynomial, axes_of, find_maximum

#: Standard deviations of noise from which on a frequency counts in phase correlation.
ABOVE_NOISE = 8.0


@dataclass(frozen=True)
class Similarity:
    """How alike two images are over displacements.

    Attributes
    ----------
    score : to be maximised; for chi2 the log likelihood but for a constant
    cross : cross spectrum of the images without their means, weighted as the score is
    norm : what `cross` has at most, for images that are the same
    pixels : number of pixels that take part
    """

    score: Polynomial
    cross: Polynomial
    norm: float
    pixels: float


def spectrum_of(frames: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Half spectra of (K, n, ...) frames, filled up with zeros to `shape`."""
    return scipy.fft.rfftn(frames, shape, axes=axes_of(frames))


def cross_spectrum(spectra1: np.ndarray, spectra2: np.ndarray) -> np.ndarray:
    """Half spectrum of sum over frames and i of a[i - d] b[i], from the spectra of the frames."""
    if len(spectra1) == 1:  # without a copy of two
        return np.conj(spectra1[0]) * spectra2[0]
    return np.einsum("k...,k...->...", np.conj(spectra1), spectra2)


def padded_shape(shape: tuple[int, ...], boundary: str) -> tuple[int, ...]:
    """Shape in which displacements do not wrap; that of the images where they may."""
    if boundary == "wrap":
        return shape
    return tuple(scipy.fft.next_fast_len(2 * n - 1, real=True) for n in shape)


def chi2_terms(
    im1: np.ndarray, im2: np.ndarray, weights: np.ndarray | float, shape: tuple[int, ...]
) -> tuple[float, np.ndarray, np.ndarray | float]:
    """The three terms of chi2: a number, -2 CC(im1, w im2), and CC(im1^2, w), a number for weights that are one.

    Parameters
    ----------
    im1, im2 : (K, n, ...) float64 arrays, finite
    weights : 1 / noise^2, a number or an array of that shape
    shape : of the maps, from `padded_shape`; index d or, for negative displacements, n + d
    """

    def correlated(one: np.ndarray, two: np.ndarray) -> np.ndarray:
        return Polynomial(cross_spectrum(spectrum_of(one, shape), spectrum_of(two, shape)), shape).map

    term1, term2 = float((weights * im2**2).sum()), -2 * correlated(im1, weights * im2)
    return term1, term2, float(weights * (im1**2).sum()) if np.ndim(weights) == 0 else correlated(im1**2, weights)


def chi2_similarity(images: Images, zeromean: bool, shape: tuple[int, ...]) -> Similarity:
    """-chi2 / 2 over displacements; without weights -chi2 noise^2 / 2, for noise of any size.

    Parameters
    ----------
    images : that are compared
    zeromean : the difference of their means is no difference
    shape : of the map, from `padded_shape`
    """
    im1, im2, weights, axes = images.im1, images.im2, images.weights, axes_of(images.im1)
    mean1 = im1.mean(axis=axes, keepdims=True)
    if weights is None:  # the means change nothing
        a, b = im1 - mean1, im2 - im2.mean(axis=axes, keepdims=True)
        cross = _without_highest(cross_spectrum(spectrum_of(a, shape), spectrum_of(b, shape)), shape)
        return Similarity(cross, cross, float(np.sqrt(np.vdot(a, a) * np.vdot(b, b))), float(a.size))
    mean2 = (weights * im2).sum(axis=axes, keepdims=True) / weights.sum(axis=axes, keepdims=True)
    a, b = im1 - mean1, weights * (im2 - mean2)
    cross = cross_spectrum(spectrum_of(a, shape), spectrum_of(b, shape))
    # (im2 - im1)^2 = (b - a - step)^2; what im1 takes part in, without the product of a and b
    step = 0 if zeromean else mean1 - mean2
    score = cross - cross_spectrum(spectrum_of(a * (a + 2 * step), shape), spectrum_of(weights, shape)) / 2
    norm = np.sqrt((weights.mean(axis=axes, keepdims=True) * a**2).sum() * (b * (im2 - mean2)).sum())
    score, cross = (_without_highest(spectrum, shape) for spectrum in (score, cross))
    return Similarity(score, cross, float(norm), np.count_nonzero(weights))


def _without_highest(spectrum: np.ndarray, shape: tuple[int, ...]) -> Polynomial:
    """Without the highest frequency of even axes, whose cosine has lost its phase and pulls towards whole pixels."""
    for axis, n in enumerate(shape):
        if n % 2 == 0:
            spectrum[(slice(None),) * axis + (n // 2,)] = 0
    return Polynomial(spectrum, shape)


def whitened(similarity: Similarity) -> Similarity:
    """Phase correlation: all frequencies of the cross spectrum that are more than noise count alike."""
    cross = similarity.cross
    first, _ = highest(cross.map)
    place = find_maximum(cross, first)
    noise = np.median(np.abs(cross.turned(first if place is None else place).imag)) / 0.6745  # standard deviation
    height = np.abs(cross.spectrum)
    highest_one = height.max()
    above = (height / max(ABOVE_NOISE * noise, 1e-12 * highest_one)) ** 4
    score = cross.spectrum * (above / ((1 + above) * np.maximum(height, 1e-30 * highest_one)))
    return replace(similarity, score=Polynomial(score, cross.shape))


def likelihood(similarity: Similarity, images: Images, place: np.ndarray) -> Polynomial:
    """Logarithm of the likelihood, -chi2 / 2 but for a constant; noise that is not known is that of the residual."""
    if images.weights is not None:
        return similarity.score
    variance = images.noise**2 if images.noise else residual_variance(similarity, images, place)
    return Polynomial(similarity.cross.spectrum / variance, similarity.cross.shape)


def residual_variance(similarity: Similarity, images: Images, place: np.ndarray) -> float:
    """Mean square of im2 - im1 brought to its place, their means apart; never less than rounding."""
    energy = sum(np.sum((image - image.mean()) ** 2) for image in (images.im1, images.im2))
    squares = energy - 2 * similarity.cross.derivatives(place)[0]
    return max(float(squares / (similarity.pixels - len(place) - 1)), least_variance(similarity, images))


def least_variance(similarity: Similarity, images: Images) -> float:
    """Variance of rounding: to whole grey values, or of float32."""
    return max(images.rounding, np.finfo(np.float32).eps ** 2 * similarity.norm / similarity.pixels)
