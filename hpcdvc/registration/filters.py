"""Filters of grey values as numbers, made for the kernels: splines, gradients, and what they make of white noise.

Which of them a registration takes is decided in kernel_settings.py.
"""

from dataclasses import dataclass, replace

import numpy as np

#: By order: voxels that a prefilter needs to forget how it began; what is left of that is small beside noise.
PADS = {1: 0, 3: 6, 5: 10}


@dataclass(frozen=True)
class GradientFilter:
    """Filters of one gradient component: taps h[0..R] along its axis (odd) and along the others (even)."""

    derivative: np.ndarray
    smoothing: np.ndarray
    noise: float = 0.0

    def kernel(self, radius: int) -> tuple[np.ndarray, np.ndarray]:
        """The two filters with all their taps, of 2 * radius + 1 entries."""
        odd, even = np.zeros(2 * radius + 1), np.zeros(2 * radius + 1)
        for k, h in enumerate(self.derivative):
            odd[radius + k], odd[radius - k] = h, -h
        for k, h in enumerate(self.smoothing):
            even[radius + k] = even[radius - k] = h
        return odd, even

    def covariance(self, other: "GradientFilter", dimensions: int) -> float:
        """Covariance of two gradient components of the same unit white noise."""
        radius = max(len(t) for g in (self, other) for t in (g.derivative, g.smoothing))
        (odd_a, even_a), (odd_b, even_b) = self.kernel(radius), other.kernel(radius)
        return float(odd_a @ odd_b * (even_a @ even_b) ** (dimensions - 1))


def spline_samples(order: int, at: np.ndarray) -> np.ndarray:
    """The centred B-spline of an odd order at any points (Unser 1999, doi 10.1109/79.799930)."""
    x, total, sign, factorial = np.asarray(at, float), 0.0, 1.0, 1.0
    for k in range(order + 2):
        total = total + sign * np.maximum(x + (order + 1) / 2 - k, 0) ** order
        sign *= -(order + 1 - k) / (k + 1)
    for k in range(1, order + 1):
        factorial *= k
    return total / factorial


def interpolation_samples(order: int, at: np.ndarray) -> np.ndarray:
    """The basis function that interpolates im2: the B-spline, at order 3 the cubic o-MOMS.

    The o-MOMS is the B-spline plus 1/42 of its second derivative; it takes as many taps and has half the bias
    (Blu, Thevenaz & Unser 2001, doi 10.1109/83.931101).
    """
    at = np.asarray(at, float)
    if order != 3:
        return spline_samples(order, at)
    second = spline_samples(1, at + 1) - 2 * spline_samples(1, at) + spline_samples(1, at - 1)
    return spline_samples(3, at) + second / 42


def _taps(transfer: np.ndarray, radius: int) -> np.ndarray:
    return np.fft.ifft(transfer).real[: radius + 1]


def prefilter_taps(order: int) -> np.ndarray:
    """Filter from grey values to spline coefficients: taps h[0..R], even, of unit sum."""
    if order == 1:
        return np.ones(1)
    k = np.arange(-(order // 2), order // 2 + 1)
    w = 2 * np.pi * np.fft.fftfreq(512)
    h = _taps(1 / (np.exp(-1j * np.outer(w, k)) @ interpolation_samples(order, k)), 11 if order == 3 else 16)
    return h / (h[0] + 2 * h[1:].sum())


def prefilter_poles(order: int) -> list[float]:
    """Poles inside the unit circle of the filter from grey values to spline coefficients (Unser 1999)."""
    if order == 1:
        return []
    k = np.arange(-(order // 2), order // 2 + 1)
    return sorted(root for root in np.roots(interpolation_samples(order, k)).real.tolist() if abs(root) < 1)


def spline_gradient(order: int) -> GradientFilter:
    """Derivative at the voxels of the interpolating spline (central differences at order 1)."""
    if order == 1:
        return GradientFilter(np.array([0, 0.5]), np.ones(1))
    k = np.arange(-(order // 2) - 1, order // 2 + 2)
    w = 2 * np.pi * np.fft.fftfreq(512)
    shift = np.exp(-1j * np.outer(w, k))
    slopes = spline_samples(order - 1, k + 0.5) - spline_samples(order - 1, k - 0.5)
    transfer = (shift @ slopes) / (shift @ spline_samples(order, k))
    h = -_taps(transfer, 6 if order == 3 else 9)
    return GradientFilter(h / (2 * (np.arange(len(h)) * h).sum()), np.ones(1))


def gaussian_gradient(sigma: float) -> GradientFilter:
    """Derivative of a Gaussian along its axis, the Gaussian along the others, exact for a linear ramp."""
    k = np.arange(int(np.ceil(4 * sigma)) + 1)
    even = np.exp(-0.5 * (k / sigma) ** 2)
    odd = k * even
    return GradientFilter(odd / (2 * (k * odd).sum()), even / (even[0] + 2 * even[1:].sum()))


def interpolation_noise(order: int, fractions: np.ndarray) -> np.ndarray:
    """Variance, along one axis, of interpolated unit white noise at fractions of a voxel."""
    h = prefilter_taps(order)
    both = np.concatenate([h[:0:-1], h])
    k = np.arange(-(order // 2) - 1, order // 2 + 2)
    return np.array([(np.convolve(both, interpolation_samples(order, t - k)) ** 2).sum() for t in fractions])


def keys_noise(fractions: np.ndarray) -> np.ndarray:
    """The same of Keys' cubic interpolation (Keys 1981, doi 10.1109/TASSP.1981.1163711)."""
    t = np.asarray(fractions, float)
    u = 1 - t
    outer, inner = [-0.5 * a * b**2 for a, b in ((t, u), (u, t))], [1 + a**2 * (1.5 * a - 2.5) for a in (t, u)]
    return sum(w**2 for w in outer + inner)


@dataclass(frozen=True)
class SplineFilter:
    """A spline that interpolates im2.

    Attributes
    ----------
    order : 1, 3 or 5
    pad : voxels that the recursive prefilter needs to forget how it began
    poles : of that filter, along z and y
    along_x : taps h[0..R] of the filter along x, with the gain of the recursion along the two others
    noise : (16,) variance that it leaves of unit white noise at sixteenths of a voxel, along one axis
    """

    order: int
    pad: int
    poles: list[float]
    along_x: np.ndarray
    noise: np.ndarray


def spline_filter(order: int, pad: int | None = None) -> SplineFilter:
    """The spline of an order; pad: by default what registration needs."""
    poles = prefilter_poles(order)
    recursive = np.prod([(1 - pole) ** 4 for pole in poles])  # two axes, each there and back
    along_x, noise = prefilter_taps(order) * recursive, interpolation_noise(order, np.arange(16) / 16)
    return SplineFilter(order, PADS[order] if pad is None else pad, poles, along_x, noise)


def with_noise(gradient: GradientFilter, dimensions: int) -> GradientFilter:
    """The gradient with the variance that it makes of unit white noise."""
    return replace(gradient, noise=gradient.covariance(gradient, dimensions))
