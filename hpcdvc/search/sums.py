"""Sums of products of windows and regions at all displacements, by the way that costs less: by FFT, or directly."""

from functools import cache
from itertools import product

import numpy as np

from hpcdvc.kernels.search import BEHIND, correlate

#: Cost of the two ways as measured by benchmarks/search.py, s: of a call, of a voxel at a displacement, of a row of the
#: window that is added up at a displacement; of a transform, of a voxel of it times the logarithm of the size.
CALL, PRODUCT, SPAN = 1e-6, 4e-11, 1e-10
TRANSFORM, POINT = 2e-5, 1.8e-10

#: Most voxels of a window along an axis that are transformed at once. Sums of larger ones are those of their parts: a
#: particle of 500 voxels along each axis would need gigabytes.
PART = 128

#: Prime factors that the transforms have loops of their own for.
COMPLEX, REAL = (2, 3, 5, 7, 11), (2, 3, 5)
#: What is summed up: of the window, of the region. The windows are a, their voxels that count m; regions b, k.
PRODUCTS = {
    "ab": ("a", "b"),
    "mb": ("m", "b"),
    "mbb": ("m", "bb"),
    "am": ("a", "k"),
    "aam": ("aa", "k"),
    "mm": ("m", "k"),
}


def needed(partial_window: bool, partial_region: bool) -> tuple[str, ...]:
    """Names of the sums that are no sums over a box, which the kernel makes by itself."""
    of_window, of_region = ("mb", "mbb") * partial_window, ("am", "aam") * partial_region
    return ("ab", *of_window, *of_region, *("mm",) * (partial_window and partial_region))


def room_for(shape: tuple[int, ...]) -> np.ndarray:
    """float32 array with what vectors of the kernel may read behind its end."""
    size = int(np.prod(shape))
    room = np.empty(size + BEHIND, np.float32)
    room[size:] = 0
    return room[:size].reshape(shape)


@cache
def _fast_size(n: int, primes: tuple[int, ...]) -> int:
    """The smallest number from n on that has these prime factors only."""
    while True:
        rest = n
        for prime in primes:
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return n
        n += 1


def transform_size(window: tuple[int, ...], lags: tuple[int, ...]) -> tuple[int, ...]:
    """Sizes for which the transform of a region is fast: real along x, complex along the others."""
    n = [n + m - 1 for n, m in zip(window, lags, strict=True)]
    return tuple(_fast_size(m, primes) for m, primes in zip(n, (COMPLEX, COMPLEX, REAL), strict=True))


def seconds(window: tuple[int, ...], lags: tuple[int, ...], kind: int = 0, fill: float | np.ndarray = 1.0) -> tuple:
    """Cost of the sums of windows, directly and by FFT.

    Parameters
    ----------
    window, lags : voxels and displacements, ZYX
    kind : 0 all voxels count, 1 some of the window do not, 2 of the region, 3 of both
    fill : part of the box that a window fills, one number or one for each
    """
    products, spans, transforms = ((1, 0, 3), (1, 2, 7), (3, 0, 7), (3, 3, 12))[kind]
    places = lags[0] * lags[1] * -(-lags[2] // 8) * 8
    rows = float(np.prod(window[:2]))
    direct = CALL + (PRODUCT * products * fill * rows * window[2] + SPAN * spans * rows) * places
    size = float(np.prod(transform_size(tuple(min(n, PART) for n in window), lags)))
    parts = float(np.prod([-(-n // PART) for n in window]))
    return direct, parts * transforms * (TRANSFORM + POINT * size * np.log2(size))


def sums_of(
    a: np.ndarray, ok1: np.ndarray, b: np.ndarray, ok2: np.ndarray, names: tuple[str, ...], fourier: bool
) -> dict:
    """The sums of some windows.

    Parameters
    ----------
    a, ok1 : (n, wz, wy, wx) float32 arrays: grey values of windows, and 1 or 0 for each voxel
    b, ok2 : (n, rz, ry, rx) the same of regions, from `room_for`
    names : of the sums, from `needed`
    fourier : by FFT

    Returns
    -------
    dict of (n, rz - wz + 1, ry - wy + 1, rx - wx + 1) float32 arrays
    """
    window, region = a.shape[1:], b.shape[1:]
    lags = tuple(m - n + 1 for n, m in zip(window, region, strict=True))
    if fourier:
        return _by_fourier(a, ok1, b, ok2, names, lags)
    sums = {name: np.empty((len(a), *lags), np.float32) for name in names}
    correlate(a, ok1, b, ok2, sums)
    return sums


def _by_fourier(
    a: np.ndarray, ok1: np.ndarray, b: np.ndarray, ok2: np.ndarray, names: tuple[str, ...], lags: tuple
) -> dict:
    """One window at a time: its transforms stay in the cache, and its numbers do not depend on those beside it."""
    sums = {name: np.zeros((len(a), *lags), np.float32) for name in names}
    for i in range(len(a)):
        for part in product(*(range(0, n, PART) for n in a.shape[1:])):
            of_window = tuple(slice(k, k + PART) for k in part)
            of_region = tuple(slice(k, k + PART + lag - 1) for k, lag in zip(part, lags, strict=True))
            window, region = (a[i][of_window], ok1[i][of_window]), (b[i][of_region], ok2[i][of_region])
            for name, values in _of_part(window, region, names, lags).items():
                sums[name][i] += values
    return sums


def _of_part(window: tuple, region: tuple, names: tuple[str, ...], lags: tuple) -> dict[str, np.ndarray]:
    """Sums over a part of a window."""
    parts, spectra = dict(zip("ambk", (*window, *region), strict=True)), {}
    size = transform_size(window[0].shape, lags)
    for part in dict.fromkeys(part for name in names for part in PRODUCTS[name]):
        values = parts[part] if part in parts else parts[part[0]] ** 2
        spectra[part] = _conjugate(values, size) if part[0] in "am" else _spectrum(values, size)
    return {name: _back(spectra[PRODUCTS[name][0]] * spectra[PRODUCTS[name][1]], size, lags) for name in names}


def _spectrum(values: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    from scipy import fft

    return fft.rfftn(values, size, workers=1)


def _conjugate(values: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """The conjugate of the spectrum of what fills a part of the size only: rows of zeros are not transformed."""
    from scipy import fft

    spectrum = fft.rfft(values, size[2], axis=2, workers=1)
    np.conj(spectrum, out=spectrum)
    spectrum = fft.ifft(spectrum, size[1], axis=1, norm="forward", workers=1)
    return fft.ifft(spectrum, size[0], axis=0, norm="forward", workers=1) if size[0] > 1 else spectrum


def _back(spectrum: np.ndarray, size: tuple[int, ...], lags: tuple[int, ...]) -> np.ndarray:
    """From a spectrum, at the displacements in question only."""
    from scipy import fft

    if size[0] > 1:
        spectrum = fft.ifft(spectrum, axis=0, workers=1, overwrite_x=True)[: lags[0]]
    spectrum = fft.ifft(spectrum, axis=1, workers=1)[:, : lags[1]]
    return fft.irfft(spectrum, size[2], axis=2, workers=1)[..., : lags[2]]
