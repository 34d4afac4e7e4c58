"""Coarse copies of masks and size fields, read in slabs: of the volume itself a rank holds some planes at a time."""

import math
from dataclasses import dataclass

import numpy as np

from hpcdvc.images import VolumeInfo, read_planes

#: Most voxels of a slab: what bounds the memory of a rank.
VOXELS = 2**26


@dataclass(frozen=True)
class Coarse:
    """A volume in cells of factor x factor x factor voxels, the first of which begins at voxel 0.

    Attributes
    ----------
    values : (nz, ny, nx) float32 array
    factor : voxels of a cell along each axis
    shape : of the volume itself, ZYX; the last cells may reach over its end
    """

    values: np.ndarray
    factor: int
    shape: tuple[int, int, int]

    def at(self, places: np.ndarray, **mode: object) -> np.ndarray:
        """(m,) values at (m, 3) places, ZYX, voxels, linear between the middles of cells; see map_coordinates."""
        from scipy.ndimage import map_coordinates

        cells = (np.asarray(places) - (self.factor - 1) / 2) / self.factor
        return map_coordinates(self.values, cells.T, order=1, output=float, **mode)


def coarse_shape(shape: tuple[int, int, int], factor: int) -> tuple[int, int, int]:
    """Cells along each axis."""
    return tuple(-(-n // factor) for n in shape)


def coarse_bytes(shape: tuple[int, int, int], factor: int) -> int:
    """Memory of a coarse copy."""
    return 4 * math.prod(coarse_shape(shape, factor))


def coarse_mask(info: VolumeInfo, factor: int, team, part: tuple[slice, slice, slice] | None = None) -> Coarse:
    """The part of each cell that is in the mask: what is beyond the end of the volume is not. Collective.

    Parameters
    ----------
    info : header of the mask: where it is 0 or NaN is outside
    factor : voxels of a cell along each axis
    team : hpcdvc.ranks.team.Team
    part : planes, rows and columns outside of which all is 0; None: all count

    Raises
    ------
    UserError, RunError
        On every rank: the mask cannot be read, or there is no room.
    """

    def cells(planes: np.ndarray, first: int) -> np.ndarray:
        inside = (planes != 0) & (planes == planes)
        if part is not None:
            beside = np.ones(inside.shape, bool)
            low, high = (min(max(end - first, 0), len(planes)) for end in (part[0].start, part[0].stop))
            beside[low:high, part[1], part[2]] = False
            inside[beside] = False
        rows = np.add.reduceat(inside.sum(axis=0, dtype=np.int32), np.arange(0, info.shape[1], factor), axis=0)
        return np.add.reduceat(rows, np.arange(0, info.shape[2], factor), axis=1) / factor**3

    return _coarse(info, factor, team, cells)


def coarse_sizes(info: VolumeInfo, factor: int, most: float, team) -> Coarse:
    """The smallest size of each cell, at least one voxel. Collective.

    Parameters
    ----------
    info : header of a volume of sizes, voxels
    factor, team : as in `coarse_mask`
    most : the largest size, which is taken where none above 0 is given

    Raises
    ------
    UserError, RunError
        On every rank: the volume cannot be read, or there is no room.
    """

    def cells(planes: np.ndarray, first: int) -> np.ndarray:
        least = np.where(planes > 0, planes, most).min(axis=0)
        rows = np.minimum.reduceat(least, np.arange(0, info.shape[1], factor), axis=0)
        return np.clip(np.minimum.reduceat(rows, np.arange(0, info.shape[2], factor), axis=1), 1, most)

    return _coarse(info, factor, team, cells)


def _coarse(info: VolumeInfo, factor: int, team, cells) -> Coarse:
    """The copy, whose planes the ranks make, each from those of the volume that it needs."""
    count = coarse_shape(info.shape, factor)
    step = max(VOXELS // (factor * info.shape[1] * info.shape[2]), 1)

    def fill(first: int, last: int, result: np.ndarray) -> None:
        for start in range(first, last, step):
            stop = min(start + step, last)
            planes = read_planes(info, start * factor, min(stop * factor, info.shape[0]))
            for z in range(start, stop):
                result[z - first] = cells(planes[(z - start) * factor : (z - start + 1) * factor], z * factor)

    return Coarse(team.shared_planes(count, np.float32, fill), factor, info.shape)
