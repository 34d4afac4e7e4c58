"""Means of pixels around pixels: blocks, convolution, smoothing; any number of axes, and pixels may be missing."""

import warnings
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from scipy import ndimage, special

from hpcdvc.errors import UserError, quoted
from hpcdvc.options.values import listed

#: What may lie outside an image: it goes on periodically, there is nothing, or nothing is known.
BOUNDARIES = ("wrap", "fill", "ignore")
#: Kernels of `smooth`.
KERNELS = ("gaussian", "boxcar", "tophat", "trapezoid", "airy")
#: Part of the weight of a kernel that must be on pixels that are there: rounding errors are far below.
LEAST = 1e-6
#: Widths at which a Gaussian kernel ends, and rings of an Airy pattern at which it does.
TRUNCATE, RINGS = 4.0, 4.0


def as_numbers(a: np.ndarray, name: str = "the array") -> np.ndarray:
    """An array in float64, or complex128; UserError if it is empty or holds no numbers."""
    a = np.asarray(a)
    if a.dtype.kind not in "buifc" or a.ndim == 0 or a.size == 0:
        raise UserError(f"{name} of shape {a.shape} and type {a.dtype} has no pixels that are numbers")
    return a.astype(np.complex128 if a.dtype.kind == "c" else np.float64, copy=False)


def per_axis(value: float | Sequence[float], axes: int, name: str) -> np.ndarray:
    """One finite number for each axis (axes,) float64, from so many or from one; UserError if they do not fit."""
    numbers = np.atleast_1d(np.asarray(value, np.float64))
    if numbers.ndim != 1 or len(numbers) not in (1, axes) or not np.isfinite(numbers).all():
        raise UserError(f"{name} takes a number, or one for each of {axes} axes, not {quoted(str(value))}")
    return np.broadcast_to(numbers, axes)


def check_boundary(boundary: str) -> None:
    """UserError for what is none of `BOUNDARIES`."""
    if boundary not in BOUNDARIES:
        raise UserError(f"boundary must be {listed(BOUNDARIES, 'or')}, not {quoted(str(boundary))}")


def whole_per_axis(value: int | Sequence[int], axes: int, name: str, at_least: int = 1) -> tuple[int, ...]:
    """The same in whole numbers."""
    numbers = per_axis(value, axes, name)
    if (numbers != np.round(numbers)).any() or numbers.min() < at_least:
        raise UserError(f"{name} must be whole numbers, at least {at_least}, not {quoted(str(value))}")
    return tuple(int(number) for number in numbers)


def downsample(
    a: np.ndarray,
    factor: int | Sequence[int],
    axis: int | Sequence[int] | None = None,
    estimator: Callable[..., np.ndarray] = np.nanmean,
) -> np.ndarray:
    """Means of whole blocks of pixels.

    Parameters
    ----------
    a : array of any number of axes; NaN: a pixel that is not there
    factor : pixels a block along each axis, one number or one for each of `axis`
    axis : axes along which there are blocks; by default all
    estimator : function of an array and of `axis` that makes a pixel of a block: np.nanmean, np.nansum ...

    Returns
    -------
    float64 (complex128) array of n // factor pixels along these axes; pixels over at the end are left out. NaN where a
    block has no pixel. The centre of block i is at pixel factor i + (factor - 1) / 2.

    Raises
    ------
    UserError
        A block does not fit into the array, or an axis is not there.
    """
    a = as_numbers(a)
    sizes = block_sizes(a.shape, factor, axis)
    counts = [n // size for n, size in zip(a.shape, sizes, strict=True)]
    inner = a[tuple(slice(n * size) for n, size in zip(counts, sizes, strict=True))]
    blocks = inner.reshape([n for pair in zip(counts, sizes, strict=True) for n in pair])
    with warnings.catch_warnings():  # of blocks without a pixel
        warnings.simplefilter("ignore", RuntimeWarning)
        return estimator(blocks, axis=tuple(range(1, 2 * a.ndim, 2)))


def block_sizes(
    shape: tuple[int, ...], factor: int | Sequence[int], axis: int | Sequence[int] | None
) -> tuple[int, ...]:
    """Pixels of a block along each axis of an array of this shape; parameters and errors as in `downsample`."""
    axes = len(shape)
    wanted = tuple(range(axes)) if axis is None else tuple(np.atleast_1d(axis).tolist())
    if len({k % axes for k in wanted}) < len(wanted) or not all(-axes <= k < axes for k in wanted):
        raise UserError(f"axis {listed(wanted, 'and')} does not fit an image of {axes} axes")
    sizes = [1] * axes
    for k, size in zip(wanted, whole_per_axis(factor, len(wanted), "factor"), strict=True):
        sizes[k] = size
    if any(n < size for n, size in zip(shape, sizes, strict=True)):
        raise UserError(f"blocks of {tuple(sizes)} pixels do not fit into an image of {shape}")
    return tuple(sizes)


def convolve(a: np.ndarray, kernel: np.ndarray, boundary: str = "fill") -> np.ndarray:
    """Convolution of the size of `a`: sum over j of kernel[j] a[i + c - j], c = (k - 1) // 2 on each axis.

    Parameters
    ----------
    a : array of any number of axes; NaN: a pixel that is not there
    kernel : array of as many axes, of any size
    boundary : what is outside: "fill" zeros, "wrap" the other side, "ignore" pixels that are not there

    Returns
    -------
    float64 (complex128) array of the shape of `a`. Where pixels are not there, a kernel without negative values is
    normalised to its weight on those that are (normalised convolution, Knutsson and Westin 1993,
    doi:10.1109/CVPR.1993.341081), and the result is NaN where less than a millionth of the weight is; other kernels,
    as of a derivative, give NaN wherever they touch one.

    Raises
    ------
    UserError
        The kernel does not fit or is not finite, or `boundary` is another word.
    """
    check_boundary(boundary)
    a, kernel = as_numbers(a), as_numbers(kernel, "the kernel")
    if kernel.ndim != a.ndim or not np.isfinite(kernel).all():
        raise UserError(f"a kernel of shape {kernel.shape} must be finite and have the {a.ndim} axes of the array")
    if kernel.dtype.kind == "c" or kernel.min() < 0 or not kernel.any():
        missing = ~np.isfinite(a)
        result, outside = _applied(kernel, boundary, np.where(missing, 0, a)), float(boundary == "ignore")
        if not (missing.any() or outside):
            return result
        touched = _applied((kernel != 0).astype(float), boundary, missing.astype(float), outside) > 0.5
        return np.where(touched, np.nan, result)
    return kernel.sum() * weighted_mean(a, partial(_applied, kernel / kernel.sum(), boundary), boundary)


def smooth(a: np.ndarray, width: float = 3.0, kernel: str = "gaussian", boundary: str = "ignore") -> np.ndarray:
    """Weighted means of the pixels around each pixel.

    Parameters
    ----------
    a : array of any number of axes; NaN: a pixel that is not there
    width : pixels: standard deviation of "gaussian", side of "boxcar" (odd), radius of "tophat", radius of the flat top
        of "trapezoid", which falls to zero at twice that, radius of the first dark ring of "airy"
    kernel : the weights, one of these
    boundary : what is outside: "ignore" pixels that are not there, "fill" zeros, "wrap" the other side

    Returns
    -------
    float64 (complex128) array of the shape of `a`; means are over the pixels that are there, NaN where there is none
    within the kernel.

    Raises
    ------
    UserError
        `width` is not positive, or an even side of a boxcar, or a word is another one.
    """
    check_boundary(boundary)
    a, width = as_numbers(a), float(per_axis(width, 1, "width")[0])
    if kernel not in KERNELS:
        raise UserError(f"kernel must be {listed(KERNELS, 'or')}, not {quoted(str(kernel))}")
    if width <= 0 or (kernel == "boxcar" and width % 2 != 1):
        raise UserError(f"width must be above 0, and an odd whole number for a boxcar, not {width:g}")
    if kernel not in ("gaussian", "boxcar"):
        weights = smoothing_kernel(kernel, width, a.ndim)
        return weighted_mean(a, partial(_applied, weights / weights.sum(), boundary), boundary)
    mode = "grid-wrap" if boundary == "wrap" else "constant"
    if kernel == "boxcar":
        return weighted_mean(a, lambda x, out: ndimage.uniform_filter(x, int(width), mode=mode, cval=out), boundary)
    gaussian = partial(ndimage.gaussian_filter, sigma=width, mode=mode, truncate=TRUNCATE)
    return weighted_mean(a, lambda x, out: gaussian(x, cval=out), boundary)


def reach(kernel: str, width: float) -> int:
    """Pixels on either side of a pixel that its smoothed value may depend on."""
    widths = {"gaussian": TRUNCATE, "boxcar": 0.5, "tophat": 1.0, "trapezoid": 2.0, "airy": RINGS}
    return int(width * widths[kernel] + 0.5)


def smoothing_kernel(kernel: str, width: float, axes: int) -> np.ndarray:
    """Weights of a round kernel of `smooth`, not normalised, its centre in the middle."""
    side = np.arange(-(n := reach(kernel, width)), n + 1)
    radius = np.sqrt(sum(x.astype(float) ** 2 for x in np.meshgrid(*[side] * axes, indexing="ij")))
    if kernel == "tophat":
        return (radius <= width).astype(float)
    if kernel == "trapezoid":
        return np.clip(2 - radius / width, 0, 1)
    x = special.jn_zeros(1, 1)[0] * np.maximum(radius / width, 1e-9)
    return (2 * special.j1(x) / x) ** 2 * (radius <= RINGS * width)


def weighted_mean(a: np.ndarray, mean: Callable[[np.ndarray, float], np.ndarray], boundary: str) -> np.ndarray:
    """A linear mean over the pixels that are there.

    Parameters
    ----------
    a : array; not finite: a pixel that is not there
    mean : from an array, and the value outside of it, to means with weights that are not negative and have the sum 1
    boundary : "wrap", "fill" or "ignore"
    """
    missing, ignored = ~np.isfinite(a), float(boundary == "ignore")
    if not (missing.any() or ignored):
        return mean(a, 0.0)
    result, there = mean(np.where(missing, 0, a), 0.0), 1 - mean(missing.astype(float), ignored)
    known = there > LEAST
    return np.where(known, result / np.where(known, there, 1), np.nan)


def _applied(kernel: np.ndarray, boundary: str, a: np.ndarray, outside: float = 0.0) -> np.ndarray:
    """Plain convolution, of the size of the array."""
    from scipy.signal import convolve as convolve_of_scipy  # the slowest of all to load: most of scipy comes with it

    room = [(n // 2, (n - 1) // 2) for n in kernel.shape]
    how = {"mode": "wrap"} if boundary == "wrap" else {"constant_values": outside}
    return convolve_of_scipy(np.pad(a, room, **how), kernel, "valid")
