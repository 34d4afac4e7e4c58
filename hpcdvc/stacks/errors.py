"""Standard deviations of shifts, from the curvature of the peak and the noise; whether a peak is more than chance."""

import numpy as np
from scipy.special import chdtri, ndtr, ndtri

from hpcdvc.stacks.spectrum import Polynomial, angular_frequencies, half_weights

#: Chance that images that have nothing in common pass for a match.
FALSE_ALARM = 1e-5
#: Powers of the height of the frequencies that weight them when a match is told from chance.
WEIGHTINGS = (1.0, 0.5, 0.0)
#: Part of a pull that the place may have followed, at most.
MOST_FOLLOWED = 0.9
#: A second peak of so much of the height of the first is as good.
UNIQUE = 0.95
#: Least logarithm of the odds of the first against the second.
ODDS = 8.0


def hessian_covariance(polynomial: Polynomial, place: np.ndarray) -> np.ndarray:
    """Covariance of the place of the maximum of a log likelihood, pixels^2: the inverse of its curvature."""
    return np.linalg.inv(-polynomial.derivatives(place)[2])


def measured_covariance(polynomial: Polynomial, place: np.ndarray) -> np.ndarray:
    """Covariance of the place of the maximum from what the frequencies disagree on, pixels^2.

    Noise of any colour, in either image or both, turns the phases of the cross spectrum; each frequency pulls at the
    place by its own. The sum of the squares of these pulls is the variance of their sum (White 1980, doi
    10.2307/1912934); two curvatures make it that of the place. What the place has followed of a pull is made up for
    (HC2: MacKinnon and White 1985, doi 10.1016/0304-4076(85)90158-7).
    """
    turned, size, axes = polynomial.turned(place), np.prod(polynomial.shape), range(len(polynomial.shape))
    inverse = np.linalg.inv(-polynomial.derivatives(place)[2])
    frequencies = [_along(one, a, len(axes)) for a, one in enumerate(angular_frequencies(polynomial.shape))]
    followed = sum(frequencies[a] * sum(inverse[a, b] * frequencies[b] for b in axes) for a in axes)
    followed = np.clip(2 / size * followed * turned.real, 0, MOST_FOLLOWED)
    squares = turned.imag**2 * half_weights(polynomial.shape[-1]) / (1 - followed)
    scores = 2 / size**2 * np.array([[np.sum(squares * frequencies[a] * frequencies[b]) for b in axes] for a in axes])
    return inverse @ scores @ inverse


def zucker_covariance(polynomial: Polynomial, place: np.ndarray, pixels: int) -> np.ndarray:
    """Covariance of the maximum of a correlation coefficient C, pixels^2: (-N C''/C C^2 / (1 - C^2))^-1.

    Parameters
    ----------
    polynomial : the correlation coefficient over displacements
    place : (axes,) of its maximum
    pixels : N that the coefficient is made of

    References
    ----------
    Zucker 2003, doi 10.1046/j.1365-8711.2003.06633.x
    """
    value, _, hessian = polynomial.derivatives(place)
    value = min(value, 1 - 1e-12)
    return np.linalg.inv(-pixels * hessian * value / (1 - value**2))


def delta_chi2(sigmas: float, fitted: int) -> float:
    """Rise of chi2 that holds the truth as often as so many standard deviations do, for so many fitted numbers."""
    return float(chdtri(fitted, 2 * ndtr(-sigmas)))


def contour_extents(polynomial: Polynomial, place: np.ndarray, fitted: int = 2) -> np.ndarray:
    """(axes,) half widths of the region in which chi2 is less than `delta_chi2(1, fitted)` above its minimum, pixels.

    Parameters
    ----------
    polynomial : log likelihood, -chi2 / 2
    place : (axes,) of its maximum
    fitted : numbers that are fitted together; more than one makes the widths those of a joint region
    """
    most = delta_chi2(1, fitted) / 2
    reach = 1.5 * np.sqrt(2 * most * np.diag(hessian_covariance(polynomial, place)))
    steps = np.linspace(-1, 1, 61)
    fallen = polynomial.derivatives(place)[0] - polynomial.values(
        [at + wide * steps for at, wide in zip(place, reach, strict=True)]
    )
    extents = np.empty(len(place))
    for axis in range(len(place)):
        profile = fallen.min(axis=tuple(a for a in range(len(place)) if a != axis))
        sides = [_crossing(profile[30::-1], most), _crossing(profile[30:], most)]
        extents[axis] = reach[axis] * sum(sides) / 60
    return extents


def _crossing(profile: np.ndarray, most: float) -> float:
    """Steps from the first value of a rising profile to where it crosses `most`; its length if it does not."""
    above = np.flatnonzero(profile >= most)
    if not len(above) or above[0] == 0:
        return float(len(profile) - 1)
    i = above[0]
    return float(i - 1 + (most - profile[i - 1]) / (profile[i] - profile[i - 1]))


def _along(values: np.ndarray, axis: int, axes: int) -> np.ndarray:
    return values.reshape([-1 if a == axis else 1 for a in range(axes)])


def beats_chance(turned: np.ndarray, shape: tuple[int, ...], trials: float) -> bool:
    """Whether the frequencies agree on a place better than those of images that have nothing in common.

    There the phases of the cross spectrum are anything: a sum of cosines of them is normal with half of the sum of the
    squares of its weights as its variance. The best of so many trials is taken.

    Parameters
    ----------
    turned : cross spectrum of the images, turned to the place; its mean does not count
    shape : of the map
    trials : number of independent places that were tried, at most
    """
    height = np.abs(turned)
    height.flat[0] = 0
    height[height <= 1e-12 * height.max()] = 0  # rounding
    agreement = np.divide(turned.real, height, out=np.zeros_like(height), where=height > 0)
    for power in WEIGHTINGS:
        weights = (height > 0) * height**power * half_weights(shape[-1])
        squares = np.vdot(weights, weights)
        places = np.clip(weights.sum() ** 2 / squares, 1, trials)  # no more are independent than frequencies count
        # a column that stands for two frequencies is one cosine of twice the weight
        if np.vdot(weights, agreement) >= -ndtri(FALSE_ALARM / len(WEIGHTINGS) / places) * np.sqrt(squares / 2):
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
    noise = 2 * np.sum(turned.imag**2 * half_weights(shape[-1])) / np.prod(shape) ** 2
    return (first - second) * first >= ODDS * noise
