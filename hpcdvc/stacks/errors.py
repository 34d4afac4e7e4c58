"""Standard deviations of shifts, from the curvature of the peak and the noise."""

import numpy as np
from scipy.special import chdtri, ndtr

from hpcdvc.stacks.spectrum import Polynomial, angular_frequencies, half_weights

#: Part of a pull that the place may have followed, at most.
MOST_FOLLOWED = 0.9


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
    followed = sum(inverse[a, b] * frequencies[a] * frequencies[b] for a in axes for b in axes)
    followed *= 2 / size
    followed *= turned.real
    np.clip(followed, 0, MOST_FOLLOWED, out=followed)
    squares = turned.imag**2 * half_weights(polynomial.shape[-1])
    squares /= np.subtract(1, followed, out=followed)
    scores = np.array([[_moment(squares, frequencies, a, b) for b in axes] for a in axes])
    return inverse @ (2 / size**2 * scores) @ inverse


def _moment(values: np.ndarray, frequencies: list[np.ndarray], a: int, b: int) -> float:
    """Sum of values times the frequencies of two axes."""
    others = tuple(axis for axis in range(values.ndim) if axis not in (a, b))
    summed = values.sum(axis=others, keepdims=True)
    return float(np.sum(summed * frequencies[a] * frequencies[b]))


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
