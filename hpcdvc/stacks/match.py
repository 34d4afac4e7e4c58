"""Whether a peak is a match: more than chance, the only one, and a peak of what overlaps as well."""

import numpy as np
import scipy.fft
from scipy import ndimage
from scipy.special import ndtri

from hpcdvc.stacks.images import Images
from hpcdvc.stacks.spectrum import Polynomial, axes_of, half_weights

#: Chance that images that have nothing in common pass for a match.
FALSE_ALARM = 1e-5
#: Powers of the height of the frequencies that weight them when a match is told from chance.
WEIGHTINGS = (1.0, 0.5, 0.0)
#: A second peak of so much of the height of the first is as good.
UNIQUE = 0.95
#: Least logarithm of the odds of the first against the second.
ODDS = 8.0
#: Frequencies over which a Hann window spreads one, per axis, and the powers for which it does not spread it farther.
HANN_SPREAD, HANN_WEIGHTINGS = 8 / 3, (1.0, 0.5)
#: Least logarithm of the odds against chance of what overlaps.
CHANCE_ODDS = 9.0
#: Correlation from which on nearly all that is in two images matches; edge of blocks, and the part of a match in
#: one of them where it may be that of a single spot; height, as part of the highest, at which the spot ends.
NEARLY_ALL, BLOCK, IN_ONE_BLOCK, SPOT = 0.9, 16, 0.4, 0.01
#: Part of the images that must overlap for that: in small overlaps a spot is soon all there is.
MOST_MET = 0.5
#: Standard deviations by which neighbours are alike that are more than white noise; odds of the rest of a match.
WHITE, REST_ODDS = 5.0, 10.0
#: Fewest pixels of an overlap along an axis.
LEAST_SIDE = 8
#: Squared difference across the border, over that of neighbours, from which on an image does not go round.
SEAM = 2.0
#: Lines along which neighbours are compared.
LINES = 16


def beats_chance(
    turned: np.ndarray,
    shape: tuple[int, ...],
    trials: float,
    spread: float = 1.0,
    weightings: tuple[float, ...] = WEIGHTINGS,
) -> bool:
    """Whether the frequencies agree on a place better than those of images that have nothing in common.

    There the phases of the cross spectrum are anything: a sum of cosines of them is normal with half of the sum of the
    squares of its weights as its variance. The best of so many trials is taken.

    Parameters
    ----------
    turned : cross spectrum of the images, turned to the place; its mean does not count
    shape : of the map
    trials : number of independent places that were tried, at most
    spread : neighbours among the frequencies that say the same, as they do of images that fade out towards their border
    weightings : powers of the height of the frequencies
    """
    turned, often = turned.reshape(-1, turned.shape[-1]), half_weights(shape[-1])
    height, real = np.abs(turned), turned.real
    height.flat[0] = 0
    least = 1e-12 * height.max()  # rounding
    for power in weightings:
        weights, agreement = height, real
        if power != 1:
            weights = np.where(height > least, height**power, 0)
            agreement = np.divide(real * weights, height, out=np.zeros_like(height), where=height > least)
        # a column that stands for two frequencies is one cosine of twice the weight
        total, squares = np.einsum("ik,k->", weights, often), np.einsum("ik,ik,k->", weights, weights, often**2)
        places = np.clip(total**2 / squares, 1, trials)  # no more are independent than frequencies count
        limit = -ndtri(FALSE_ALARM / len(weightings) / places) * np.sqrt(squares * spread / 2)
        if np.einsum("ik,k->", agreement, often) >= limit:
            return True
    return False


def is_unique(turned: np.ndarray, shape: tuple[int, ...], first: float, second: float) -> bool:
    """Whether the second best peak is so much lower than the first that noise has not exchanged them.

    Parameters
    ----------
    turned, shape : half spectrum of the map, turned to the best place, and its shape
    first, second : heights above the mean of the map
    """
    if second >= UNIQUE * first:
        return False
    imaginary = turned.imag.reshape(-1, turned.shape[-1])
    noise = 2 * np.einsum("ik,ik,k->", imaginary, imaginary, half_weights(shape[-1])) / np.prod(shape) ** 2
    return (first - second) * first >= ODDS * noise


def overlapping(images: Images, place: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """What of both images overlaps at the whole pixel next to a displacement, the means taken, and the rest of it.

    None where that is too little.
    """
    whole = np.rint(place).astype(int)
    if (np.array(images.shape) - np.abs(whole) < LEAST_SIDE).any():
        return None
    rows1 = [slice(max(-d, 0), n - max(d, 0)) for d, n in zip(whole, images.shape, strict=True)]
    rows2 = [slice(max(d, 0), n - max(-d, 0)) for d, n in zip(whole, images.shape, strict=True)]
    one, two = images.im1[(slice(None), *rows1)], images.im2[(slice(None), *rows2)]
    one, two = (image - image.mean(axis=axes_of(image), keepdims=True) for image in (one, two))
    return one, two, place - whole


def overlap_beats_chance(images: Images, place: np.ndarray, trials: float) -> bool:
    """Whether what overlaps matches better than chance.

    It does when so many independent pixels are hardly ever so alike, or when the phases agree of images that fade out
    towards their border, as that is alike in all images.

    Parameters
    ----------
    images : that are compared
    place : (axes,) displacement, pixels
    trials : see `beats_chance`
    """
    found = overlapping(images, place)
    if found is None:
        return False
    one, two, rest = found
    if _evidence(one, two, rest, trials) >= CHANCE_ODDS:
        return True
    for axis, n in enumerate(one.shape[1:], 1):
        window = np.hanning(n + 2)[1:-1].reshape([-1 if a == axis else 1 for a in range(one.ndim)])
        one, two = one * window, two * window
    spectra1, spectra2 = (scipy.fft.rfftn(image, axes=axes_of(image)) for image in (one, two))
    shape = one.shape[1:]
    cross = Polynomial(np.einsum("k...,k...->...", np.conj(spectra1), spectra2), shape)
    return beats_chance(cross.turned(rest), shape, trials, HANN_SPREAD ** len(shape), HANN_WEIGHTINGS)


def _evidence(one: np.ndarray, two: np.ndarray, rest: np.ndarray, trials: float) -> float:
    """Logarithm of the odds against a correlation by chance, of so many trials.

    Pixels that are alike in each image by itself count once: the sum of the squares of its autocorrelation.
    """
    axes, shape = axes_of(one), one.shape[1:]
    spectra, weights = [scipy.fft.rfftn(image, axes=axes) for image in (one, two)], half_weights(shape[-1])
    powers = [np.abs(spectrum) ** 2 for spectrum in spectra]
    energies = [np.sum(power * weights) for power in powers]
    if not min(energies) > 0:
        return 0.0
    alike = np.prod(
        [np.sqrt(np.sum(power**2 * weights)) / energy for power, energy in zip(powers, energies, strict=True)]
    )
    alike = max(alike * one.size, 1.0)
    cross = Polynomial(np.einsum("k...,k...->...", np.conj(spectra[0]), spectra[1]), shape)
    height = cross.derivatives(rest)[0] * one[0].size / np.sqrt(np.prod(energies))
    if not height > 0:
        return 0.0
    return -one.size / alike / 2 * np.log1p(-(min(height, 1 - 1e-9) ** 2)) - np.log(max(trials / alike, 1))


def goes_round(images: Images) -> bool:
    """Whether both images go on across their border as they do inside, along all axes."""
    for image in (images.im1, images.im2):
        for axis in axes_of(image):
            seam = np.mean((image.take(0, axis) - image.take(-1, axis)) ** 2)
            rows = np.linspace(1, image.shape[axis] - 1, LINES).astype(int)
            inside = np.mean((image.take(rows, axis) - image.take(rows - 1, axis)) ** 2)
            if seam > SEAM * inside:
                return False
    return True


def matches_beside_its_brightest(images: Images, place: np.ndarray, zncc: float, wraps: bool = False) -> bool:
    """Whether images that match by a single spot match elsewhere, too, if there is anything to match.

    The brightest star of one field lies on the brightest of any other at some displacement. Where the spot is nearly
    all that is in the images, or the rest of one is white noise, there is nothing to be asked.

    Parameters
    ----------
    images : that are compared
    place : (axes,) displacement, pixels
    zncc : correlation there
    wraps : what leaves the images on one side comes back on the other
    """
    met = 1 if wraps else np.prod(1 - np.abs(place) / images.shape)
    if zncc >= NEARLY_ALL and met >= MOST_MET:
        return True
    if wraps:
        one, two = (image - image.mean(axis=axes_of(image), keepdims=True) for image in (images.im1, images.im2))
        one = np.roll(one, np.rint(place).astype(int), axes_of(one))
    else:
        found = overlapping(images, place)
        if found is None:
            return False
        one, two, _ = found
    product = np.einsum("k...,k...->...", one, two)
    total = product.sum()
    if not total > 0:
        return False
    edges = [np.arange(0, n, BLOCK) for n in product.shape]
    blocks = product
    for axis, edge in enumerate(edges):
        blocks = np.add.reduceat(blocks, edge, axis=axis)
    if blocks.max() < IN_ONE_BLOCK * total:
        return True
    spots, _ = ndimage.label(product > SPOT * product.max())
    spot = spots == spots.flat[product.argmax()]
    beside = ~ndimage.binary_dilation(spot, iterations=2)
    return _rest_matches(one * beside, two * beside, np.count_nonzero(beside) * len(one))


def _rest_matches(one: np.ndarray, two: np.ndarray, pixels: int) -> bool:
    """Whether two images, 0 where they do not count, match at one place that was found otherwise."""
    energies = [float(np.vdot(image, image)) for image in (one, two)]
    if pixels < 4 * LEAST_SIDE**2 or not min(energies) > 0:
        return True
    alike = 1.0
    for axis in axes_of(one):
        pairs = [(np.delete(image, 0, axis), np.delete(image, -1, axis)) for image in (one, two)]
        neighbours = [float(np.vdot(ahead, behind)) for ahead, behind in pairs]
        likeness = min(n / energy for n, energy in zip(neighbours, energies, strict=True))
        if likeness < WHITE / np.sqrt(pixels):
            return True
        alike *= max(np.sqrt(np.pi / max(2 * (1 - likeness), 1e-6)), 1)
    height = float(np.vdot(one, two)) / np.sqrt(np.prod(energies))
    return height > 0 and -pixels / alike / 2 * np.log1p(-(min(height, 1 - 1e-9) ** 2)) >= REST_ODDS
