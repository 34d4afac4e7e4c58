"""Planes of volumes at full resolution, where pages show coarser levels: as far as little of the file is read."""

import math
from dataclasses import dataclass

import numpy as np

from hpcdvc.images import VolumeInfo, mapped_volume, read_box
from hpcdvc.pages.levels import Level
from hpcdvc.pages.planes import cut

#: Bytes of a file that are read for a plane, at most, and of a page of memory; pixels of a plane, at most.
MOST, PAGE, PIXELS = 2**26, 4096, 1_200_000
#: Voxels by which chunks of a file may reach beyond a box on each axis, about.
CHUNK = 64


@dataclass(frozen=True)
class Region:
    """A part of a slice.

    Attributes
    ----------
    view : axes ZYX: across the slice, down its rows, along its columns
    place : (3,) the slice goes through it, voxels ZYX
    down, right : first and last voxel of these axes
    """

    view: tuple[int, int, int]
    place: tuple[float, float, float]
    down: tuple[int, int]
    right: tuple[int, int]

    @property
    def step(self) -> int:
        """Voxels from one pixel to the next: 1 but for large parts."""
        n = (self.down[1] - self.down[0] + 1) * (self.right[1] - self.right[0] + 1)
        return max(1, math.ceil(math.sqrt(n / PIXELS)))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return tuple((last - first) // self.step + 1 for first, last in (self.down, self.right))

    def plane(self) -> np.ndarray:
        """(3, 3) place of pixel (0, 0) and the steps down and across, voxels ZYX."""
        across, down, right = self.view
        plane = np.zeros((3, 3))
        plane[0, across] = math.floor(self.place[across] + 0.5)
        plane[0, down], plane[0, right] = self.down[0], self.right[0]
        plane[1, down] = plane[2, right] = self.step
        return plane


def detail(info: VolumeInfo, plane: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray] | None:
    """A plane of a volume itself.

    Parameters
    ----------
    info : from `hpcdvc.images.describe`
    plane : (3, 3) place of pixel (0, 0) and the steps down and across, voxels ZYX
    shape : rows and columns

    Returns
    -------
    Grey values (float32) and where there are any (uint8), or None where too much of the file would have to be read

    Raises
    ------
    UserError, RunError : it cannot be read
    """
    start, stop = _box(info, plane, shape)
    if (stop <= start).any():
        return np.zeros(shape, np.float32), np.zeros(shape, np.uint8)
    if info.offset is not None:
        if 2 * _pages(info, plane, shape) * PAGE > MOST:
            return None
        # rows of one slice follow each other in the file
        volume, start = mapped_volume(info, scattered=bool(plane[1, 0] or plane[2, 0])), np.zeros(3)
    elif _bytes_of_box(info, start, stop) > MOST:
        return None
    else:
        volume = read_box(info, tuple(map(int, start)), tuple(map(int, stop)))
    return cut(Level(volume, np.ones(3), np.asarray(start, float)), plane, shape)


def _box(info: VolumeInfo, plane: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """First voxel, and the first behind the last, of what a plane is made of."""
    corners = [plane[0] + i * plane[1] + j * plane[2] for i in (0, shape[0] - 1) for j in (0, shape[1] - 1)]
    low, high = np.floor(np.min(corners, axis=0)), np.ceil(np.max(corners, axis=0)) + 1
    return np.clip(low, 0, info.shape).astype(int), np.clip(high, 0, info.shape).astype(int)


def _pages(info: VolumeInfo, plane: np.ndarray, shape: tuple[int, int]) -> int:
    """Pages of the mapped file that hold the voxels nearest to the pixels of a plane."""
    i, j = np.ogrid[: shape[0], : shape[1]]
    place = np.zeros(shape, np.int64)
    inside = np.ones(shape, bool)
    for axis, n in enumerate(info.shape):
        at = np.floor(plane[0, axis] + i * plane[1, axis] + j * plane[2, axis] + 0.5).astype(np.int64)
        inside &= (at >= 0) & (at < n)
        place = place * n + at
    return len(np.unique(place[inside] * info.dtype.itemsize // PAGE))


def _bytes_of_box(info: VolumeInfo, start: np.ndarray, stop: np.ndarray) -> int:
    """Bytes that are decoded for a box, about."""
    if info.kind == "hdf5":
        extent = np.minimum(stop - start + CHUNK, info.shape)
    else:
        extent = np.array([stop[0] - start[0], *info.shape[1:]])
    return int(np.prod(extent)) * info.dtype.itemsize
