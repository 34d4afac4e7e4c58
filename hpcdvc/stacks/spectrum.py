"""Trigonometric polynomials over displacements: similarity maps of periodic images, exact between whole pixels.

A map S(d) = 1/N sum_k S_k exp(2 pi i k d / n) over all displacements d is kept as its half spectrum, as
`scipy.fft.rfftn` gives it. The term of the highest frequency of an even axis is the cosine alone, so that values are
real everywhere.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.fft

#: Half width and step, in pixels, of the patch between the whole pixels in which Newton's method gets its start.
PATCH, PATCH_STEP = 1.0, 0.25
#: Most steps of Newton's method, the longest one, and the last one, in pixels.
STEPS, LONGEST, LAST = 25, 0.25, 1e-9


def axes_of(image: np.ndarray) -> tuple[int, ...]:
    """Axes of the frames (K, n, ...), without that of the frames."""
    return tuple(range(1, image.ndim))


def half_weights(n: int) -> np.ndarray:
    """(n // 2 + 1,) how often a column of a half spectrum stands in the whole one."""
    weights = np.full(n // 2 + 1, 2.0)
    weights[0] = 1
    weights[n // 2 :] = 1 if n % 2 == 0 else 2
    return weights


def angular_frequencies(shape: tuple[int, ...]) -> list[np.ndarray]:
    """Per axis the frequencies of a half spectrum, radians per pixel, 0 for the highest of an even axis."""
    result = []
    for axis, n in enumerate(shape):
        frequencies = _frequencies(n, axis == len(shape) - 1)
        result.append(2 * np.pi * np.where(np.abs(frequencies) == 0.5, 0, frequencies))
    return result


def signed(index: tuple[int, ...], shape: tuple[int, ...]) -> np.ndarray:
    """Displacement that an index of a map stands for: -(n // 2) to (n - 1) // 2."""
    return np.array([i - n if i > (n - 1) // 2 else i for i, n in zip(index, shape, strict=True)])


def _frequencies(n: int, half: bool) -> np.ndarray:
    return scipy.fft.rfftfreq(n) if half else scipy.fft.fftfreq(n)


@dataclass(frozen=True)
class Polynomial:
    """A map over displacements, by its half spectrum.

    Attributes
    ----------
    spectrum : complex array, the last axis of n // 2 + 1
    shape : (n, ...) of the map, one to three axes
    """

    spectrum: np.ndarray
    shape: tuple[int, ...]

    @cached_property
    def map(self) -> np.ndarray:
        """Values at whole displacements, index d or, for negative ones, n + d."""
        return scipy.fft.irfftn(self.spectrum, self.shape)

    def values(self, places: list[np.ndarray]) -> np.ndarray:
        """Values on a grid.

        Parameters
        ----------
        places : per axis (m,) displacements, pixels

        Returns
        -------
        (m, ...) array
        """
        return self._contract([self._waves(axis, np.asarray(at, float), 1)[..., 0] for axis, at in enumerate(places)])

    def derivatives(self, place: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Value, gradient and Hessian at one displacement, per pixel."""
        orders = self._contract([self._waves(axis, np.array([at]), 3)[:, 0] for axis, at in enumerate(place)])
        unit = np.eye(len(self.shape), dtype=int)
        gradient = np.array([orders[tuple(row)] for row in unit])
        hessian = np.array([[orders[tuple(a + b)] for b in unit] for a in unit])
        return float(orders[(0,) * len(unit)]), gradient, hessian

    def turned(self, place: np.ndarray) -> np.ndarray:
        """Half spectrum of the map moved so that `place` comes to zero: real where all frequencies agree on it."""
        waves = [self._waves(axis, np.array([at]), 1)[:, 0, 0] for axis, at in enumerate(place)]
        result = self.spectrum * waves[-1]
        for axis, wave in enumerate(waves[:-1]):
            result *= wave.reshape([-1 if a == axis else 1 for a in range(len(self.shape))])
        return result

    def _waves(self, axis: int, places: np.ndarray, orders: int) -> np.ndarray:
        """(frequencies, places, orders) waves of one axis and their derivatives."""
        n = self.shape[axis]
        turn = 2j * np.pi * _frequencies(n, axis == len(self.shape) - 1)[:, None, None]
        waves = turn ** np.arange(orders) * np.exp(turn * places[:, None])
        if n % 2 == 0:
            waves[n // 2] = waves[n // 2].real
        return waves

    def _contract(self, columns: list[np.ndarray]) -> np.ndarray:
        """Sums over all frequencies, axis by axis: (m, ...) from columns of (frequencies, m)."""
        columns[-1] = columns[-1] * half_weights(self.shape[-1])[:, None]
        result = self.spectrum
        for column in reversed(columns):  # the last axis first: it lies together, and leaves the least
            result = np.moveaxis(np.tensordot(result, column, axes=(-1, 0)), -1, 0)
        return result.real / np.prod(self.shape)


def find_maximum(polynomial: Polynomial, start: np.ndarray) -> np.ndarray | None:
    """The maximum next to a whole displacement, by Newton's method.

    Parameters
    ----------
    polynomial : the map
    start : (axes,) displacement, the highest of the whole ones around it

    Returns
    -------
    (axes,) displacement, pixels; None where the map has no maximum there
    """
    steps = np.arange(-PATCH, PATCH + PATCH_STEP / 2, PATCH_STEP)
    patch = polynomial.values([at + steps for at in start])
    place = start + steps[np.array(np.unravel_index(np.argmax(patch), patch.shape))]
    for _ in range(STEPS):
        _, gradient, hessian = polynomial.derivatives(place)
        curvatures, axes = np.linalg.eigh(-hessian)
        if not np.isfinite(curvatures).all() or curvatures[-1] <= 0:
            return None
        # where it is no hill along an axis go uphill all the same
        step = axes @ ((axes.T @ gradient) / np.maximum(np.abs(curvatures), 1e-9 * curvatures[-1]))
        step *= min(1, LONGEST / max(np.linalg.norm(step), LAST))
        place = place + step
        if np.linalg.norm(step) <= LAST:
            break
    near = np.abs(place - start).max() <= PATCH + LONGEST
    return place if near and curvatures[0] > 1e-9 * curvatures[-1] else None
