"""From a field of displacements to the phase that has bent the rays: integration of a gradient."""

import numpy as np
from scipy import fft, ndimage

from hpcdvc.errors import UserError
from hpcdvc.stacks.fourier import filled

#: Planck's constant times the velocity of light, keV m.
HC = 1.2398419843320026e-9
#: Where the iterations end that pixels which are not there make necessary: part of the first residual, or so many.
TOLERANCE, ITERATIONS = 1e-9, 500


def integrate(
    dy: np.ndarray,
    dx: np.ndarray,
    pixel: float | None = None,
    distance: float | None = None,
    energy: float | None = None,
) -> np.ndarray:
    """The phase whose gradient a field of displacements shows.

    The integrable field that is nearest to the given one, in the sense of least squares, in a cosine basis (Frankot and
    Chellappa 1988, doi:10.1109/34.3909). In that basis the image is mirrored at its borders, gradients with the
    opposite sign (Bon, Monneret and Wattellier 2012, doi:10.1364/AO.51.005698): what the gradient does at one side
    never appears at the other, as it does in a Fourier series. Steps from pixel to pixel are integrals of a cubic
    spline through the gradients, so that smooth phases are right to the fourth order.

    Parameters
    ----------
    dy, dx : (ny, nx) displacements, pixels: what lies at x without the sample lies at x + d with it; NaN: not measured
    pixel : size of a pixel in the plane of the sample, micrometre
    distance : from the sample to the detector, m; in a cone beam divided by the magnification
    energy : of the photons, keV

    Returns
    -------
    (ny, nx) float64 array
        Radian, where the last three are given: exp(i phase) is the factor on the wave, so that matter, in which X-rays
        run ahead, has a negative phase; 2 pi pixel^2 / (wavelength distance) times the integral. Without them the
        integral itself, pixel^2. NaN where nothing was measured, and at a pixel without a neighbour. The constant
        is not known: the mean is zero. Where what was measured falls into parts that do not touch, that is so of each.

    Raises
    ------
    UserError
        The shapes differ or are no image of at least 2 x 2 pixels; or one of the three numbers is missing or not
        positive.
    """
    dy, dx = np.asarray(dy, np.float64), np.asarray(dx, np.float64)
    if dy.shape != dx.shape or dy.ndim != 2 or min(dy.shape) < 2:
        raise UserError(f"both displacements must be images of one shape, not {dy.shape} and {dx.shape}")
    factor = phase_per_integral(pixel, distance, energy)
    measured = np.isfinite(dy) & np.isfinite(dx)
    result = np.full(dy.shape, np.nan)
    if measured.any():
        box = tuple(slice(k.min(), k.max() + 1) for k in np.nonzero(measured))
        result[box] = factor * _integral(dy[box], dx[box], measured[box])
    return result


def phase_per_integral(pixel: float | None, distance: float | None, energy: float | None) -> float:
    """Radian per pixel^2; 1 where nothing is given. Parameters and errors as in `integrate`."""
    given = [pixel, distance, energy]
    if given == [None] * 3:
        return 1.0
    if None in given or not all(0 < number < np.inf for number in given):
        raise UserError("the phase in radian needs the pixel size, the distance and the energy, all above 0")
    return 2 * np.pi * (pixel * 1e-6) ** 2 * energy / (HC * distance)


def _integral(dy: np.ndarray, dx: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Integral of a gradient, pixel^2, with the mean zero of every part of what was measured."""
    gradients = [np.where(measured, d, np.nan) for d in (dy, dx)]
    steps = [_steps(filled(d)[0], axis) for axis, d in enumerate(gradients)]
    known = [_both(measured, axis).astype(float) for axis in (0, 1)]
    right = sum(_adjoint(w * s, axis) for axis, (w, s) in enumerate(zip(known, steps, strict=True)))
    inverse = _inverse_laplacian(measured.shape)
    result = _solved(right, inverse) if measured.all() else _conjugate_gradients(right, known, inverse)
    parts, number = ndimage.label(measured)
    sizes = np.bincount(parts.ravel(), minlength=number + 1)
    means = np.bincount(parts.ravel(), result.ravel(), number + 1) / np.maximum(sizes, 1)
    return np.where(measured & (sizes[parts] > 1), result - means[parts], np.nan)


def _steps(gradient: np.ndarray, axis: int) -> np.ndarray:
    """Differences between neighbours along an axis of what has this gradient."""
    n = gradient.shape[axis]
    if n == 1:
        return np.diff(gradient, axis=axis)
    from scipy.interpolate import CubicSpline  # slow to load

    spline = CubicSpline(np.arange(n), gradient, axis)
    return np.diff(spline.antiderivative()(np.arange(n)), axis=axis)


def _both(there: np.ndarray, axis: int) -> np.ndarray:
    """Whether both neighbours along an axis are there."""
    n = there.shape[axis]
    return np.take(there, range(n - 1), axis) & np.take(there, range(1, n), axis)


def _adjoint(steps: np.ndarray, axis: int) -> np.ndarray:
    """The transpose of taking differences."""
    return -np.diff(steps, axis=axis, prepend=0, append=0)


def _inverse_laplacian(shape: tuple[int, int]) -> np.ndarray:
    """Factors on the cosines of an image that undo its sum of squared differences; 0 for the constant."""
    values = np.add.outer(*[4 * np.sin(np.pi * np.arange(n) / (2 * n)) ** 2 for n in shape])
    values[0, 0] = np.inf
    return 1 / values


def _solved(right: np.ndarray, inverse: np.ndarray) -> np.ndarray:
    """The image whose differences are nearest, where all of them are known."""
    return fft.idctn(fft.dctn(right, norm="ortho") * inverse, norm="ortho")


def _conjugate_gradients(right: np.ndarray, known: list[np.ndarray], inverse: np.ndarray) -> np.ndarray:
    """The same where some differences are not known (Ghiglia and Romero 1994, doi:10.1364/JOSAA.11.000107)."""
    solution, residual, along, before = np.zeros_like(right), right, np.zeros_like(right), np.inf
    limit = TOLERANCE * np.linalg.norm(right)
    for _ in range(ITERATIONS):
        if np.linalg.norm(residual) <= limit:
            break
        better = _solved(residual, inverse)
        size = (residual * better).sum()
        along, before = better + size / before * along, size
        image = sum(_adjoint(w * np.diff(along, axis=axis), axis) for axis, w in enumerate(known))
        length = size / (along * image).sum()
        solution, residual = solution + length * along, residual - length * image
    return solution
