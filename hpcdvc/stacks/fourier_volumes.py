"""Fourier tools on volumes by all ranks: planes of the result, each from what the ranks of a machine have together.

Axes are transformed one after the other. What one axis needs of all planes is in an array that the ranks make by planes
and share (`Team.shared_planes`); so the bits do not depend on the ranks.
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy import fft

from hpcdvc.stacks import fourier
from hpcdvc.stacks.filters import as_numbers

#: From planes first to last - 1 of the result to their values (last - first, ny, nx).
Planes = Callable[[int, int], np.ndarray]
#: Pixels of a plane that are read along z at a time.
BLOCK = 2**15


def planes_read(team, volume: np.ndarray, positions: Sequence[np.ndarray]) -> Planes:
    """The Fourier series of a volume at the places of a grid, as `hpcdvc.fourier.scale` gives it. Collective.

    Parameters
    ----------
    team : hpcdvc.ranks.team.Team
    volume : (nz, ny, nx) array; NaN: a voxel that is not there
    positions : places along z, y and x

    Returns
    -------
    function, of one rank
    """
    shape = (len(volume), len(positions[1]), len(positions[2]))
    along_y, along_x = (fourier.interpolation_matrix(volume.shape[k], positions[k]) for k in (1, 2))
    incomplete = False

    def fill(start: int, stop: int, planes: np.ndarray) -> None:
        nonlocal incomplete
        for k, plane in enumerate(volume[start:stop]):
            plane = as_numbers(plane)
            incomplete |= not np.isfinite(plane).all()
            planes[k] = along_y @ fourier.filled_plane(plane) @ along_x.T

    def mark(start: int, stop: int, planes: np.ndarray) -> None:
        for k, plane in enumerate(volume[start:stop]):
            planes[k] = fourier.touched(~np.isfinite(plane), positions[1:])

    read = team.shared_planes(shape, np.float32, fill)
    gone = team.shared_planes(shape, bool, mark) if team.any(incomplete) else None
    return _read_along_z(read, gone, positions[0])


def _read_along_z(read: np.ndarray, gone: np.ndarray | None, z: np.ndarray) -> Planes:
    """Planes between the planes of a volume.

    Parameters
    ----------
    read : (nz, ny, nx) array; planes of NaN are not known
    gone : where voxels were missing; None: nowhere
    z : places
    """
    known = ~np.isnan(read[:, 0, 0])
    matrix = fourier.interpolation_matrix(len(read), z)
    if known.any() and not known.all():  # each plane stands in for those that it is the nearest of
        matrix = np.array([matrix[:, fourier.nearest(known) == k].sum(axis=1) for k in np.flatnonzero(known)]).T
    low, high = fourier.beside(len(read), z)
    pixels = read.reshape(len(read), -1)

    def planes(first: int, last: int) -> np.ndarray:
        result = np.full((last - first, pixels.shape[1]), np.nan, np.float32)
        for start in range(0, pixels.shape[1] if known.any() else 0, BLOCK):
            part = pixels[:, start : start + BLOCK].astype(np.float64)
            result[:, start : start + BLOCK] = matrix[first:last] @ (part if known.all() else part[known])
        result = result.reshape(-1, *read.shape[1:])
        if gone is not None:
            result[gone[low[first:last]] | gone[high[first:last]]] = np.nan
        return result

    return planes


def planes_around(
    volume: np.ndarray, halo: int, wrap: bool, apply: Callable[[np.ndarray], np.ndarray], factor: int = 1
) -> Planes:
    """Planes of what depends on some planes of a volume only.

    Parameters
    ----------
    volume : (nz, ny, nx) array
    halo : planes on either side that count
    wrap : the volume goes on periodically
    apply : from some planes to as many / `factor` of the result
    factor : planes of the volume for one of the result
    """

    def planes(first: int, last: int) -> np.ndarray:
        start, stop = first * factor - halo, last * factor + halo
        if wrap:
            return apply(volume[np.arange(start, stop) % len(volume)])[halo : halo + last - first]
        begin = max(start, 0)
        skipped = first - begin // factor
        return apply(volume[begin:stop])[skipped : skipped + last - first]

    return planes


def planes_correlated(team, a: np.ndarray, b: np.ndarray, boundary: str) -> Planes:
    """The cross-correlation of two volumes, as `hpcdvc.fourier.correlate2d` gives it. Collective.

    The transform of planes first, then that along z for one row of frequencies after the other, both by all ranks.

    Parameters
    ----------
    team : hpcdvc.ranks.team.Team
    a, b : (nz, ny, nx) arrays; NaN counts as 0
    boundary : "wrap" or "fill"

    Returns
    -------
    function, of one rank
    """
    size = fourier.correlation_size(a.shape, boundary)
    products = _products(team, a, b, size)
    rows, columns = (fourier.lags(n) % m for n, m in zip(a.shape[1:], size[1:], strict=True))

    def planes(first: int, last: int) -> np.ndarray:
        found = fft.irfft2(products[:, first:last].swapaxes(0, 1), size[1:])
        return found[np.ix_(range(last - first), rows, columns)]

    return planes


def _products(team, a: np.ndarray, b: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """(frequencies along y, planes, frequencies along x): the correlation along z, in the order of the result."""
    first, second = (_spectra(team, volume, size) for volume in (a, b))
    order = fourier.lags(len(a)) % size[0]

    def fill(start: int, stop: int, rows: np.ndarray) -> None:
        for row, k in enumerate(range(start, stop)):
            one, other = (fft.fft(spectra[:, k], size[0], axis=0) for spectra in (first, second))
            rows[row] = fft.ifft(one * other.conj(), axis=0)[order]

    return team.shared_planes((size[1], len(a), first.shape[2]), np.complex128, fill)


def _spectra(team, volume: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Transforms of all planes, (nz, frequencies along y, those along x from 0)."""

    def fill(start: int, stop: int, planes: np.ndarray) -> None:
        for k, plane in enumerate(volume[start:stop]):
            planes[k] = fft.rfft2(np.where(np.isfinite(plane), plane, 0).astype(np.float64), size[1:])

    return team.shared_planes((len(volume), size[1], size[2] // 2 + 1), np.complex128, fill)
