"""chi2 over displacements: chi2(d) = sum over i of (im2[i] - im1[i - d])^2 / err[i]^2, the noise being that of im2.

Of three terms: sum im2^2 / err^2, which no displacement changes, -2 CC(im1, im2 / err^2), and CC(im1^2, 1 / err^2),
which is a number as well where the noise is. The cross-correlations are products of spectra.
"""

from dataclasses import dataclass, replace

import numpy as np
import scipy.fft

from hpcdvc.stacks.fourier import correlate2d
from hpcdvc.stacks.highest import highest
from hpcdvc.stacks.images import Images
from hpcdvc.stacks.spectrum import Polynomial, axes_of, find_maximum, half_weights

#: Standard deviations of noise from which on a frequency counts in phase correlation.
ABOVE_NOISE = 8.0


@dataclass(frozen=True)
class Similarity:
    """How alike two images are over displacements.

    Attributes
    ----------
    score : to be maximised; for chi2 the log likelihood but for a constant
    cross : cross spectrum of the images without their means, weighted as the score is
    energies : sums of the squares of both images without their means
    pixels : number of pixels that take part
    """

    score: Polynomial
    cross: Polynomial
    energies: tuple[float, float]
    pixels: float

    @property
    def norm(self) -> float:
        """What `cross` has at most, for images that are the same."""
        return float(np.sqrt(np.prod(self.energies)))


def spectrum_of(frames: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Half spectra of (K, n, ...) frames, filled up with zeros to `shape`."""
    return scipy.fft.rfftn(frames, shape, axes=axes_of(frames))


def cross_spectrum(spectra1: np.ndarray, spectra2: np.ndarray) -> np.ndarray:
    """Half spectrum of sum over frames and i of a[i - d] b[i], from the spectra of the frames."""
    if len(spectra1) == 1:
        product = np.conj(spectra1[0])
        product *= spectra2[0]
        return product
    return np.einsum("k...,k...->...", np.conj(spectra1), spectra2)


def padded_shape(shape: tuple[int, ...], boundary: str) -> tuple[int, ...]:
    """Shape in which displacements do not wrap; that of the images where they may."""
    if boundary == "wrap":
        return shape
    return tuple(scipy.fft.next_fast_len(2 * n - 1, real=True) for n in shape)


def chi2_terms(
    im1: np.ndarray, im2: np.ndarray, weights: np.ndarray | float, boundary: str
) -> tuple[float, np.ndarray, np.ndarray | float]:
    """The three terms of chi2: a number, -2 CC(im1, w im2), and CC(im1^2, w), a number for weights that are one.

    Parameters
    ----------
    im1, im2 : (K, n, ...) float64 arrays, finite
    weights : 1 / noise^2, a number or an array of that shape
    boundary : "wrap" or "fill"

    Returns
    -------
    terms; arrays of the shape of a frame, displacement d at index d + n // 2
    """

    def correlated(one: np.ndarray, two: np.ndarray) -> np.ndarray:
        return np.flip(sum(correlate2d(a, b, boundary) for a, b in zip(one, two, strict=True)))

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
    pixels = im1.size * np.prod([1 - (n % 2 == 0) / n for n in shape])
    if weights is None:  # the means change nothing
        a, b = im1 - mean1, im2 - im2.mean(axis=axes, keepdims=True)
        spectra = [spectrum_of(image, shape) for image in (a, b)]
        lost = [_take_highest(spectrum, shape) for spectrum in spectra]
        energies = tuple(float(np.vdot(image, image) - gone) for image, gone in zip((a, b), lost, strict=True))
        cross = Polynomial(cross_spectrum(*spectra), shape)
        return Similarity(cross, cross, energies, pixels)
    mean2 = (weights * im2).sum(axis=axes, keepdims=True) / weights.sum(axis=axes, keepdims=True)
    a, b = im1 - mean1, weights * (im2 - mean2)
    # (im2 - im1)^2 = (b - a - step)^2; what im1 takes part in, without the product of a and b
    step = 0 if zeromean else mean1 - mean2
    spectra = [spectrum_of(image, shape) for image in (a, b, a * (a + 2 * step), weights)]
    for spectrum in spectra[:3]:
        _take_highest(spectrum, shape)
    cross = cross_spectrum(*spectra[:2])
    score = cross - cross_spectrum(*spectra[2:]) / 2
    energies = ((weights.mean(axis=axes, keepdims=True) * a**2).sum(), (b * (im2 - mean2)).sum())
    pixels *= np.count_nonzero(weights) / weights.size
    return Similarity(Polynomial(score, shape), Polynomial(cross, shape), energies, pixels)


def _take_highest(spectra: np.ndarray, shape: tuple[int, ...]) -> float:
    """Take the highest frequency of even axes out: its cosine has lost its phase and pulls towards whole pixels.

    Returns
    -------
    its part of the sum of the squares
    """
    energy, weights = 0.0, half_weights(shape[-1])
    for axis, n in enumerate(shape, 1):
        if n % 2 == 0:
            rows = spectra[(slice(None),) * axis + (n // 2,)]
            energy += float(np.sum(np.abs(rows) ** 2 * (1 if axis == len(shape) else weights)))
            rows[...] = 0
    return energy / np.prod(shape)


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
    squares = sum(similarity.energies) - 2 * similarity.cross.derivatives(place)[0]
    return max(float(squares / (similarity.pixels - len(place) - 1)), least_variance(similarity, images))


def least_variance(similarity: Similarity, images: Images) -> float:
    """Variance of rounding: to whole grey values, or of float32."""
    return max(images.rounding, float(np.finfo(np.float32).eps) ** 2 * similarity.norm / similarity.pixels)
