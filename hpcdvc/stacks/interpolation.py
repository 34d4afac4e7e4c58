"""By how much Gauss-Newton iterations are off because fine texture between the pixels is interpolated.

A spline turns the phase of a wave of less than some four pixels, unless it reads it at a pixel or half way between two:
the place is off by some thousandths of a pixel, in images of any size. How much is known from the spline, the gradient
and what each frequency has in common in the two images.
"""

import numpy as np
import scipy.fft

from hpcdvc.registration.filters import (
    GradientFilter,
    gaussian_gradient,
    interpolation_samples,
    prefilter_taps,
    spline_gradient,
)
from hpcdvc.stacks.images import Images
from hpcdvc.stacks.match import overlapping
from hpcdvc.stacks.spectrum import Polynomial, axes_of, half_weights

#: Order of the spline of the iterations.
ORDER = 3
#: Pixels along each axis, by their number, of the middle that tells the frequencies.
MIDDLE = {2: 512, 3: 96}


def interpolation_bias(images: Images, place: np.ndarray, width: float | None) -> np.ndarray:
    """What to subtract from a displacement that iterations have found.

    Parameters
    ----------
    images : that were compared
    place : (axes,) displacement, pixels
    width : of the Gaussian derivative of im1 in the iterations, pixels; None: a spline's

    Returns
    -------
    (axes,) pixels; 0 where the images have no frequency in common
    """
    found = overlapping(images, place)
    if found is None:
        return np.zeros(len(place))
    one, two, rest = found
    most, axes = MIDDLE[len(rest)], range(len(rest))
    one, two = (_tapered(image[_middle(image.shape[1:], most)]) for image in (one, two))
    shape = one.shape[1:]
    spectra = [scipy.fft.rfftn(image, axes=axes_of(one)) for image in (one, two)]
    cross = Polynomial(np.einsum("k...,k...->...", np.conj(spectra[0]), spectra[1]), shape)
    common = cross.turned(rest).real * half_weights(shape[-1])

    gradient = spline_gradient(ORDER) if width is None else gaussian_gradient(width)
    waves = [_frequencies(n, a, shape) for a, n in enumerate(shape)]
    read = np.prod(np.broadcast_arrays(*(_transfer(w, t) for w, t in zip(waves, rest, strict=True))), axis=0)
    slopes = [_slope(gradient, waves, a) for a in axes]
    matrix = np.array([[np.sum(common * read.real * slopes[a] * waves[b]) for b in axes] for a in axes])
    pull = np.array([np.sum(common * read.imag * slopes[a]) for a in axes])
    if not np.isfinite(matrix).all() or np.linalg.eigvalsh(matrix + matrix.T).min() <= 0:
        return np.zeros(len(place))
    return -np.linalg.solve(matrix, pull)


def _middle(shape: tuple[int, ...], most: int) -> tuple:
    return (slice(None), *(slice(max(n - most, 0) // 2, (n + most) // 2) for n in shape))


def _tapered(frames: np.ndarray) -> np.ndarray:
    """Without their means, and faded out towards the border."""
    frames = frames - frames.mean(axis=axes_of(frames), keepdims=True)
    for axis, n in enumerate(frames.shape[1:], 1):
        frames = frames * np.hanning(n + 2)[1:-1].reshape([-1 if a == axis else 1 for a in range(frames.ndim)])
    return frames


def _frequencies(n: int, axis: int, shape: tuple[int, ...]) -> np.ndarray:
    """Of an axis of a half spectrum, radians per pixel."""
    values = scipy.fft.rfftfreq(n) if axis == len(shape) - 1 else scipy.fft.fftfreq(n)
    return 2 * np.pi * values.reshape([-1 if a == axis else 1 for a in range(len(shape))])


def _transfer(waves: np.ndarray, at: float) -> np.ndarray:
    """What interpolation at a fraction of a pixel makes of waves, over what they are there."""
    k = np.arange(-3, 5) + int(np.floor(at))
    taps = interpolation_samples(ORDER, at - k)
    h = prefilter_taps(ORDER)
    prefilter = h[0] + 2 * np.tensordot(np.cos(waves[..., None] * np.arange(1, len(h))), h[1:], 1)
    return np.tensordot(np.exp(1j * waves[..., None] * (k - at)), taps, 1) * prefilter


def _slope(gradient: GradientFilter, waves: list[np.ndarray], axis: int) -> np.ndarray:
    """What a gradient filter makes of waves, over i."""
    odd, even = gradient.derivative, gradient.smoothing
    result = 2 * np.tensordot(np.sin(waves[axis][..., None] * np.arange(len(odd))), odd, 1)
    for a, wave in enumerate(waves):
        if a != axis:
            result = result * (
                even[0] + 2 * np.tensordot(np.cos(wave[..., None] * np.arange(1, len(even))), even[1:], 1)
            )
    return result
