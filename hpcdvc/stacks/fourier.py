"""Images as Fourier series: shifted, zoomed, read between the pixels, correlated; right for any number of axes.

A real image of an even number of pixels has a term at the Nyquist frequency of which only the cosine is known; here it
stays real (a cosine between the pixels, too), so that a shifted image has no imaginary part that would be dropped.
"""

from collections.abc import Sequence

import numpy as np
from scipy import fft

from hpcdvc.errors import UserError, quoted
from hpcdvc.stacks.filters import as_numbers, convolve, downsample, per_axis, smooth, whole_per_axis

__all__ = ["convolve", "correlate2d", "downsample", "scale", "shift", "smooth", "upsample", "zoom"]


def shift(a: np.ndarray, displacement: float | Sequence[float]) -> np.ndarray:
    """Move the content of an image, periodically.

    Parameters
    ----------
    a : array of any number of axes; NaN: a pixel that is not there
    displacement : pixels along each axis, (dy, dx) of an image: what is at x comes to x + displacement

    Returns
    -------
    float64 (complex128) array of the same shape, NaN where a pixel beside the place that is read is not there; those
    pixels are filled in by means of their surroundings for all others.

    Raises
    ------
    UserError
        There is not one finite number for each axis.
    """
    values, missing = filled(as_numbers(a))
    by = np.atleast_1d(np.asarray(displacement, np.float64))
    if len(by) != values.ndim:
        raise UserError(f"displacement takes {values.ndim} numbers, not {quoted(str(displacement))}")
    by = per_axis(by, values.ndim, "displacement")
    real = values.dtype.kind == "f"
    spectrum = (fft.rfftn if real else fft.fftn)(values)
    for axis, (n, d) in enumerate(zip(values.shape, by, strict=True)):
        phases = shift_phases(n, d)[: spectrum.shape[axis]]
        spectrum *= phases.reshape([-1 if k == axis else 1 for k in range(values.ndim)])
    result = fft.irfftn(spectrum, values.shape) if real else fft.ifftn(spectrum)
    return _without(result, missing, [np.arange(n) - d for n, d in zip(values.shape, by, strict=True)])


def shift_phases(n: int, displacement: float) -> np.ndarray:
    """Factors (n,) on the terms of a Fourier series (in the order of `scipy.fft.fft`) that move it; real at Nyquist."""
    phases = np.exp(-2j * np.pi * displacement * fft.fftfreq(n))
    if n % 2 == 0:
        phases[n // 2] = phases[n // 2].real
    return phases


def scale(a: np.ndarray, positions: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """Values of the Fourier series of an image at any places of a grid.

    Parameters
    ----------
    a : array of any number of axes; NaN: a pixel that is not there
    positions : for each axis the places (m,) along it, pixels from 0; of an array of one axis they may stand alone

    Returns
    -------
    float64 (complex128) array of the shape (m of each axis), NaN where a pixel beside the place is not there

    Raises
    ------
    UserError
        There are not finite places for each axis.
    """
    values, missing = filled(as_numbers(a))
    alone = values.ndim == 1 and np.ndim(positions) == 1
    places = [np.asarray(places, np.float64) for places in ([positions] if alone else positions)]
    if len(places) != values.ndim or not all(p.ndim == 1 and np.isfinite(p).all() for p in places):
        raise UserError(f"positions takes a list of finite places for each of {values.ndim} axes")
    for axis, y in enumerate(places):
        matrix = interpolation_matrix(values.shape[axis], y)
        values = np.moveaxis(np.tensordot(matrix, values, (1, axis)), 0, axis)
    return _without(values, missing, places)


def interpolation_matrix(n: int, positions: np.ndarray) -> np.ndarray:
    """From the n pixels of a row to the values of its Fourier series at some places: (places, n) float64.

    The Dirichlet kernel; that of an even n has the cosine alone at the Nyquist frequency.
    """
    t = np.subtract.outer(positions, np.arange(n))
    t -= n * np.round(t / n)
    kernel = np.sinc(t) / np.sinc(t / n)
    return kernel * np.cos(np.pi * t / n) if n % 2 == 0 else kernel


def zoom(
    a: np.ndarray,
    usfac: float | Sequence[float] = 1.0,
    outshape: int | Sequence[int] | None = None,
    offsets: float | Sequence[float] = 0.0,
    coordinates: float | Sequence[float] | None = None,
    return_xouts: bool = False,
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    """Part of an image on a finer (or coarser) grid around a place, by its Fourier series.

    Parameters
    ----------
    a : array of any number of axes; NaN: a pixel that is not there
    usfac : how much finer, for all axes or each: places are 1 / usfac pixels apart
    outshape : number of places along each axis; by default that of pixels
    offsets : where the middle of the places is, pixels from the middle (n - 1) / 2 of the image
    coordinates : instead of that, where it is, pixels from 0
    return_xouts : return (places, values)

    Returns
    -------
    float64 (complex128) array of `outshape`, and before it, if wanted, the places (axes, *outshape) in pixels

    Raises
    ------
    UserError
        Numbers do not fit the axes, or both `offsets` and `coordinates` are given.
    """
    places = zoom_positions(np.shape(a), usfac, outshape, offsets, coordinates)
    values = scale(a, places)
    return (np.array(np.meshgrid(*places, indexing="ij")), values) if return_xouts else values


def zoom_positions(
    shape: tuple[int, ...],
    usfac: float | Sequence[float],
    outshape: int | Sequence[int] | None,
    offsets: float | Sequence[float],
    coordinates: float | Sequence[float] | None,
) -> list[np.ndarray]:
    """The places along each axis that `zoom` reads an image of this shape at; parameters and errors as there."""
    axes = len(shape)
    factors = per_axis(usfac, axes, "usfac")
    if factors.min(initial=1) <= 0:
        raise UserError(f"usfac must be above 0, not {quoted(str(usfac))}")
    counts = whole_per_axis(shape if outshape is None else outshape, axes, "outshape")
    moved = per_axis(offsets, axes, "offsets")
    if coordinates is None:
        middle = (np.array(shape) - 1) / 2 + moved
    elif moved.any():
        raise UserError("give only one of offsets and coordinates")
    else:
        middle = per_axis(coordinates, axes, "coordinates")
    return [c + (np.arange(m) - (m - 1) / 2) / f for c, m, f in zip(middle, counts, factors, strict=True)]


def upsample(
    transform: np.ndarray,
    outshape: int | Sequence[int] | None = None,
    usfac: float | Sequence[float] = 1.0,
    offsets: float | Sequence[float] = 0.0,
) -> np.ndarray:
    """A patch of the Fourier transform of a spectrum on a fine grid, by matrix products.

    As needed for the peak of a correlation, without the whole of it on that grid (Guizar-Sicairos, Thurman and Fienup
    2008, doi:10.1364/OL.33.000156): out[p] = sum over k of transform[k] exp(-2 pi i (p - offset) k / (n usfac)) on each
    axis, k from -(n // 2). Of the spectrum of a real image, divided by its pixels, the real part is the image mirrored
    (out[p] is at -(p - offset) / usfac).

    Parameters
    ----------
    transform : array of any number of axes, in the order of `scipy.fft.fftn`
    outshape : number of places along each axis; by default that of `transform`
    usfac : places in a pixel, for all axes or each
    offsets : number of the place, along each axis, that is at zero

    Returns
    -------
    complex128 array of `outshape`

    Raises
    ------
    UserError
        Numbers do not fit the axes.
    """
    values = as_numbers(transform, "the transform").astype(np.complex128)
    factors, first = per_axis(usfac, values.ndim, "usfac"), per_axis(offsets, values.ndim, "offsets")
    if factors.min() <= 0:
        raise UserError(f"usfac must be above 0, not {quoted(str(usfac))}")
    counts = whole_per_axis(values.shape if outshape is None else outshape, values.ndim, "outshape")
    for axis, (n, m) in enumerate(zip(values.shape, counts, strict=True)):
        turns = np.outer(np.arange(m) - first[axis], fft.fftfreq(n)) / factors[axis]
        values = np.moveaxis(np.tensordot(np.exp(-2j * np.pi * turns), values, (1, axis)), 0, axis)
    return values


def correlate2d(a: np.ndarray, b: np.ndarray, boundary: str = "wrap") -> np.ndarray:
    """Cross-correlation, of the size of the images: sum over i of a[i + v] b[i] at [(n - 1) // 2 + v] on each axis.

    Parameters
    ----------
    a, b : real arrays of one shape and any number of axes; NaN counts as 0
    boundary : "wrap" circular; "fill" zeros outside

    Returns
    -------
    float64 array of that shape. If b is `a` moved by u, its peak is at (n - 1) // 2 - u.

    Raises
    ------
    UserError
        The shapes differ, a number is complex, or `boundary` is another word.
    """
    a, b = as_numbers(a), as_numbers(b)
    if a.shape != b.shape or "c" in a.dtype.kind + b.dtype.kind:
        raise UserError(f"real images of one shape are needed, not {a.dtype} {a.shape} and {b.dtype} {b.shape}")
    size = correlation_size(a.shape, boundary)
    first, second = (fft.rfftn(np.where(np.isfinite(x), x, 0), size) for x in (a, b))
    found = fft.irfftn(first * second.conj(), size)
    return found[np.ix_(*[lags(n) % m for n, m in zip(a.shape, size, strict=True)])]


def correlation_size(shape: tuple[int, ...], boundary: str) -> tuple[int, ...]:
    """Pixels on each axis to which images are filled up with zeros, so that `lags` do not come around; UserError."""
    if boundary not in ("wrap", "fill"):
        raise UserError(f"boundary must be wrap or fill, not {quoted(str(boundary))}; hpcdvc-shift has overlap, too")
    return tuple(n if boundary == "wrap" else fft.next_fast_len(n + n // 2, real=True) for n in shape)


def lags(n: int) -> np.ndarray:
    """Displacements (n,) of a in the order in which a correlation holds them."""
    return np.arange(n) - (n - 1) // 2


def filled(a: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """An array without missing pixels, and where they were; None: there are none.

    They have means of their surroundings in their plane (the last two axes); a plane without a pixel is that of the
    nearest one that has some.
    """
    missing = ~np.isfinite(a)
    if not missing.any():
        return a, None
    planes = np.array([filled_plane(plane) for plane in a.reshape(-1, *a.shape[-2:])])
    known = np.isfinite(planes.reshape(len(planes), -1)[:, 0])
    return (planes[nearest(known)] if known.any() else np.zeros_like(a)).reshape(a.shape), missing


def filled_plane(plane: np.ndarray) -> np.ndarray:
    """A plane, or a row, whose missing pixels have means of their surroundings; as it is, where all are missing."""
    missing, width = ~np.isfinite(plane), 1.0
    plane = np.where(missing, np.nan, plane)
    while missing.any() and not missing.all():
        plane = np.where(missing, smooth(plane, width, boundary="wrap"), plane)
        missing, width = ~np.isfinite(plane), 2 * width
    return plane


def nearest(known: np.ndarray) -> np.ndarray:
    """Of each of a row of planes (n,), the number of the nearest one that is known."""
    numbers = np.flatnonzero(known)
    return numbers[np.abs(np.subtract.outer(np.arange(len(known)), numbers)).argmin(axis=1)]


def beside(n: int, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of a row of n that places lie between; a whole number but for rounding lies on one."""
    near = np.round(positions, 9)
    return np.floor(near).astype(int) % n, np.ceil(near).astype(int) % n


def touched(missing: np.ndarray, positions: Sequence[np.ndarray]) -> np.ndarray:
    """Places of a grid (positions along the last axes) that lie beside a missing pixel."""
    for axis, y in enumerate(positions, missing.ndim - len(positions)):
        low, high = (np.take(missing, pixels, axis) for pixels in beside(missing.shape[axis], y))
        missing = low | high
    return missing


def _without(values: np.ndarray, missing: np.ndarray | None, positions: Sequence[np.ndarray]) -> np.ndarray:
    """Values that were read at a grid of places; NaN beside a missing pixel."""
    return values if missing is None else np.where(touched(missing, positions), np.nan, values)
