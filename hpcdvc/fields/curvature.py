"""What affine windows on a grid lose of a curved field, found from what neighbours show together.

An affine window measures T u, in essence the mean of the displacement u over its voxels. As the field that is measured
varies nearly like u, what is lost can be had from it: (1/T - 1) T u, by filters along the axes of the grid, for waves
that are longer than two windows. It is left out where noise or a field that is not smooth would explain as much of it.
The why is in docs/theory/registration.md, "Curvature that neighbours show together".
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

#: Widths of the Gaussians that smooth what is lost, in windows: for long waves, with little noise, and for the rest.
WIDTHS = (0.5, 0.25)
#: Width of those that squares and variances are averaged with, and missing displacements continued, in windows.
POOL = 0.5
#: Where Gaussians end, in widths.
CUT = 2.5
#: Waves in windows: none of the shorter are corrected, and all of the longer.
SHORT, LONG = 2.0, 2.5
#: Neighbours scatter by the noise that windows share and by that of the few speckles of each, together up to so many
#: times the variance of the former.
GRAIN = 3.0
TINY = np.finfo(float).tiny

#: One filter, of odd length, for each axis.
Taps = Sequence[np.ndarray]


@dataclass(frozen=True)
class Neighbourhood:
    """Nodes beside the windows on them.

    Attributes
    ----------
    spacing : of the nodes, ZYX, voxels
    half : half windows, ZYX, voxels
    axes : along which windows overlap by half or more: there neighbours tell what is lost
    """

    spacing: tuple[float, float, float]
    half: tuple[int, int, int]
    axes: tuple[int, ...]

    @classmethod
    def of(cls, shape: Sequence[int], spacing: Sequence[float], half: Sequence[int]) -> "Neighbourhood":
        """That of a grid of (nz, ny, nx) nodes; spacing and half windows ZYX, voxels."""
        axes = (k for k in range(3) if shape[k] >= 3 and 2 * spacing[k] <= 2 * half[k] + 1)
        return cls(tuple(spacing), tuple(half), tuple(axes))

    def window(self, axis: int) -> float:
        """Size of a window, nodes."""
        return (2 * self.half[axis] + 1) / self.spacing[axis]

    def taps(self, make: Callable[[int], np.ndarray]) -> list[np.ndarray]:
        """What `make` gives for each of `axes`; along the others nothing is done."""
        return [make(axis) if axis in self.axes else np.ones(1) for axis in range(3)]

    def gaussian(self, width: float) -> list[np.ndarray]:
        """Gaussians of unit sum; width in windows."""
        return self.taps(lambda axis: _gaussian(width * self.window(axis)))

    def depth(self, axis: int) -> int:
        """Nodes along an axis beyond which others make no difference."""
        smooth, sharp = _band(self, WIDTHS[0])
        return 2 * (len(sharp[axis]) // 2) + len(smooth[axis])

    def covariance(self, some: "Filter", other: "Filter") -> float:
        """Of what two filters make of the noise of windows, in units of its variance: they share what they overlap."""

        def along(axis: int, f: np.ndarray, g: np.ndarray) -> float:
            away = np.abs(np.subtract.outer(_places(f), _places(g)))
            shared = np.maximum(0, 1 - away / self.window(axis)) if axis in self.axes else np.ones((1, 1))
            return float(f @ shared @ g)

        terms = ((a * b, f, g) for a, f in some.terms for b, g in other.terms)
        return sum(factor * prod(along(axis, f[axis], g[axis]) for axis in range(3)) for factor, f, g in terms)


@dataclass(frozen=True)
class Filter:
    """A sum of products of filters along the axes, each with a factor."""

    terms: tuple[tuple[float, Taps], ...]

    def __sub__(self, other: "Filter") -> "Filter":
        return Filter(self.terms + tuple((-factor, taps) for factor, taps in other.terms))

    def __call__(self, values: np.ndarray) -> np.ndarray:
        return sum(factor * _filtered(values, taps) for factor, taps in self.terms)


#: Leaves a field as it is.
UNIT = Filter(((1.0, [np.ones(1)] * 3),))


@dataclass(frozen=True)
class _Component:
    """A component of the displacement with a margin about it, all of it filled, and what its noise is like."""

    near: Neighbourhood
    field: np.ndarray
    usable: np.ndarray
    variance: np.ndarray
    inner: tuple[slice, ...]

    def known(self, smooth: Taps) -> np.ndarray:
        """How much of what a filter smooths is measured: 1 where all is, 0 where half of it or less is."""
        return self.usable * np.clip(2 * _filtered(self.usable.astype(float), smooth) - 1, 0, 1)

    def pooled(self, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Weighted mean over the neighbours, without the margin; 0 where there is none."""
        gaussian = self.near.gaussian(POOL)
        total = _filtered(weights * values, gaussian)[self.inner]
        return total / np.maximum(_filtered(weights, gaussian)[self.inner], TINY)


def curvature_lost(
    displacement: np.ndarray, gradient: np.ndarray, variance: np.ndarray, usable: np.ndarray, near: Neighbourhood
) -> tuple[np.ndarray, np.ndarray]:
    """What affine windows have lost of one component of the displacement.

    Parameters
    ----------
    displacement : (nz, ny, nx) of one component, by affine windows, voxels
    gradient : (nz, ny, nx, 3) of it, ZYX
    variance : (nz, ny, nx) of it, voxels^2
    usable : (nz, ny, nx) bool, nodes whose values count
    near : of the grid

    Returns
    -------
    lost : (nz, ny, nx) to be added to the displacement, voxels; 0 where it is not certain
    price : (nz, ny, nx) what that adds to the variance, in units of the variance

    Notes
    -----
    1/T = 3 - 3 T + T^2 but for (1 - T)^3 / T: van Cittert 1931, doi 10.1007/BF01391351. Shrunk to the least mean square
    error (Wiener), with the squares of what neighbours have lost for its expectation.
    """
    smooth, sharp = zip(*(_band(near, width) for width in WIDTHS), strict=True)
    component = _with_margin(displacement, gradient, variance, usable, near, [len(taps) // 2 for taps in sharp[0]])
    usable, known = component.usable.astype(float), [component.known(taps) for taps in smooth]
    twice = [np.convolve(taps, taps) for taps in smooth[-1]]
    rest = Filter(((1.0, UNIT.terms[0][1]), (-2.0, smooth[-1]), (1.0, twice)))
    left, left_by_noise = component.pooled(rest(component.field) ** 2, known[-1]), near.covariance(rest, rest)
    noise = component.pooled(component.variance, usable)
    grain = np.maximum(1, left / np.maximum(left_by_noise * noise, TINY))
    lost, price, whole, before = 0.0, 0.0, 0.0, Filter(())
    for number in range(len(WIDTHS)):
        change = Filter(((1.0, sharp[number]), (-1.0, smooth[number])))
        band, more = change - before, change(component.field) - whole
        alone, shared = near.covariance(band, band), near.covariance(band, UNIT)
        rough = grain if number else np.ones(1)  # the noise of single windows has no long waves
        needed = (rough * alone + (1 + rough) / 2 * shared) * noise
        part = np.clip(1 - needed / np.maximum(component.pooled(more**2, known[number]), TINY), 0, 1)
        part *= known[number][component.inner]
        rough = np.minimum(rough, GRAIN)
        lost, price = lost + part * more[component.inner], price + part**2 * rough * alone + part * (1 + rough) * shared
        whole, before = whole + more, change
    # the noise of most neighbours: a few at a jump, with large variances, must not excuse what it leaves
    calm = 1 / np.maximum(component.pooled(1 / np.maximum(component.variance, TINY), usable), TINY)
    squares = np.maximum(component.pooled(whole**2, known[-1]), TINY)
    beside = np.sqrt(np.maximum(left - GRAIN * left_by_noise * calm, 0) / squares)
    certain = _smoothness(near, smooth[-1], sharp[-1], beside)
    return lost * certain, price * certain


def _band(near: Neighbourhood, width: float) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """A Gaussian G along each axis, and G / T."""

    def inverse(axis: int) -> np.ndarray:
        mean = _window_mean(near.half[axis], near.spacing[axis])
        once = np.convolve(smooth[axis], mean)
        twice = np.convolve(once, mean)
        return 3 * _lengthened(smooth[axis], len(twice)) - 3 * _lengthened(once, len(twice)) + twice

    smooth = near.gaussian(width)
    return smooth, near.taps(inverse)


def _window_mean(half: int, spacing: float) -> np.ndarray:
    """Mean over the voxels of a window from values at nodes, right for parabolas."""
    nodes = spacing * _places(np.ones(2 * int(half / spacing) + 3))
    linear = np.maximum(0, 1 - np.abs(np.arange(-half, half + 1)[:, None] - nodes) / spacing).mean(axis=0)
    excess = (linear @ nodes**2 - half * (half + 1) / 3) / (2 * spacing**2)
    return np.convolve(linear, [-excess, 1 + 2 * excess, -excess])


def _smoothness(near: Neighbourhood, smooth: Taps, sharp: Taps, beside: np.ndarray) -> np.ndarray:
    """1 for what (1 - G)^2 leaves beside G / T - G of long waves, 0 for what it leaves of short ones and of jumps."""

    def left_of_wave(length: float, axis: int) -> float:
        angle = 2 * np.pi / (length * near.window(axis))
        g, inverse = (taps[axis] @ np.cos(angle * _places(taps[axis])) for taps in (smooth, sharp))
        return (1 - g) ** 2 / (inverse - g)

    none, full = (min(left_of_wave(length, axis) for axis in near.axes) for length in (SHORT, LONG))
    return np.clip((none - beside) / (none - full), 0, 1)


def _with_margin(
    displacement: np.ndarray,
    gradient: np.ndarray,
    variance: np.ndarray,
    usable: np.ndarray,
    near: Neighbourhood,
    reach: Sequence[int],
) -> _Component:
    """A component that goes on where nodes are missing and beyond the grid, along the gradients of those near by."""
    margin = [(n, n) for n in reach]
    inner = tuple(slice(n, n + size) for n, size in zip(reach, usable.shape, strict=True))
    near_by = near.taps(
        lambda axis: np.exp(-0.5 * (np.arange(-reach[axis], reach[axis] + 1) / (POOL * near.window(axis))) ** 2)
    )
    weight = _filtered(np.pad(usable.astype(float), margin), near_by)
    total = _filtered(np.pad(np.where(usable, displacement, 0), margin), near_by)
    for axis in near.axes:
        ways = list(near_by)
        ways[axis] = -near.spacing[axis] * _places(near_by[axis]) * near_by[axis]
        total += _filtered(np.pad(np.where(usable, gradient[..., axis], 0), margin), ways)
    field = total / np.maximum(weight, TINY)
    field[inner] = np.where(usable, displacement, field[inner])
    variance = np.pad(np.where(usable, variance, 0), margin)
    return _Component(near, field, np.pad(usable, margin), variance, inner)


def _gaussian(width: float) -> np.ndarray:
    """Of unit sum; width in nodes."""
    values = np.exp(-0.5 * (_places(np.ones(2 * int(np.ceil(CUT * width)) + 1)) / width) ** 2)
    return values / values.sum()


def _places(taps: np.ndarray) -> np.ndarray:
    """Nodes from the middle of a filter."""
    return np.arange(len(taps)) - len(taps) // 2


def _lengthened(taps: np.ndarray, count: int) -> np.ndarray:
    return np.pad(taps, (count - len(taps)) // 2)


def _filtered(values: np.ndarray, taps: Taps) -> np.ndarray:
    """Filtered along all axes; 0 outside."""
    from scipy.ndimage import correlate1d  # slow to load, and rank 0 alone needs it

    for axis, along in enumerate(taps):
        if len(along) > 1:
            values = correlate1d(values, along, axis=axis, mode="constant")
    return values
