"""Coarse copies of volumes, made by all ranks: means of cells of voxels, where the cells lie, and grey values."""

from dataclasses import dataclass

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.kernels.registration import bin_planes, sum_planes
from hpcdvc.kernels.volume import Volume


@dataclass(frozen=True)
class Binned:
    """A binned image and where it lies in the one it was made of.

    Attributes
    ----------
    image : array of means
    top_crop, bottom_crop : (z, y, x) or (y, x) voxels left out before the first and behind the last cell
    centre : centre of the binned image in voxels of the original, ZYX or YX
    """

    image: np.ndarray
    top_crop: np.ndarray
    bottom_crop: np.ndarray
    centre: np.ndarray


@dataclass(frozen=True)
class Cells:
    """Cells of `size` (ZYX) voxels: how many fit into a volume, and the voxel where the first begins."""

    size: tuple[int, int, int]
    count: tuple[int, int, int]
    top: tuple[int, int, int]


def cells_of(shape: tuple[int, int, int], factor: int) -> Cells:
    """The cells that fill a volume; what is over is left out, half of it (rounded down) before the first cell.

    Parameters
    ----------
    shape : (nz, ny, nx); nz = 1 is an image, whose cells are one voxel thick
    factor : voxels per cell and axis
    """
    size = tuple(1 if axis == 0 and n == 1 else factor for axis, n in enumerate(shape))
    top = tuple(n % s // 2 for n, s in zip(shape, size, strict=True))
    return Cells(size, tuple(n // s for n, s in zip(shape, size, strict=True)), top)


def as_volume(image: np.ndarray) -> np.ndarray:
    """An image as the kernels want it: (nz, ny, nx), contiguous, of a type they read; a copy only where needed.

    Raises
    ------
    UserError
        It is no image of grey values.
    """
    image = np.asarray(image)
    if image.ndim not in (2, 3) or 0 in image.shape:
        raise UserError(f"an array of shape {image.shape} is no image: 2 or 3 dimensions are needed")
    kind, size = image.dtype.kind, image.dtype.itemsize
    if kind not in "buif":
        raise UserError(f"an array of {image.dtype} is no image of grey values")
    if kind == "b":
        image = image.view(np.uint8)
    elif size > 4 or kind == "f":
        image = image.astype(np.float64 if size > 4 else np.float32, copy=False)
    else:
        image = image.astype(image.dtype.newbyteorder("="), copy=False)
    return np.ascontiguousarray(image.reshape((1,) * (3 - image.ndim) + image.shape))


def binning(im: np.ndarray, binning: int, return_crop_and_centre: bool = False) -> np.ndarray | Binned:
    """Mean of cells of binning x binning x binning voxels (binning x binning pixels in 2-D).

    Parameters
    ----------
    im : (nz, ny, nx) or (ny, nx) array of grey values
    binning : voxels per cell and axis, at least 1
    return_crop_and_centre : also tell where the cells lie in `im`

    Returns
    -------
    float32 array (float64 for images of 64 bits) of the means, n // binning cells per axis, or `Binned`. What is left
    over on an axis is cropped, half of it (rounded down) at the top. NaN where a voxel of the cell is not finite.

    Raises
    ------
    UserError
        `im` is no image, or smaller than a cell.
    """
    im, volume = np.asarray(im), as_volume(im)
    cells = cells_of(volume.shape, int(binning)) if binning >= 1 else None
    if cells is None or min(cells.count) < 1:
        raise UserError(f"binning by {binning} needs at least as many voxels on each axis of the image {im.shape}")
    if volume.dtype == np.float64:
        result = _exact(volume, cells)
    else:
        result = np.empty(cells.count, np.float32)
        bin_planes(Volume(volume), cells.size, cells.top, 0, result)
    axes = slice(3 - im.ndim, 3)
    if not return_crop_and_centre:
        return result.reshape(result.shape[axes])
    size, count, top = (np.array(values)[axes] for values in (cells.size, cells.count, cells.top))
    bottom = np.array(im.shape) - top - size * count
    return Binned(result.reshape(count), top, bottom, top + (size * count - 1) / 2)


def _exact(volume: np.ndarray, cells: Cells) -> np.ndarray:
    """Means in float64."""
    inner = volume[tuple(slice(t, t + n * s) for t, n, s in zip(cells.top, cells.count, cells.size, strict=True))]
    split = [k for n, s in zip(cells.count, cells.size, strict=True) for k in (n, s)]
    means = inner.reshape(split).mean(axis=(1, 3, 5))
    return np.where(np.isfinite(means), means, np.nan)


@dataclass(frozen=True)
class Level:
    """Two images binned alike.

    Attributes
    ----------
    factor : voxels of the original per voxel
    im1, im2, mask1 : (nz, ny, nx) arrays; mask1 uint8 (0 = left out) or None
    first : position of voxel 0 in the original im1, ZYX
    first2 : the same of im2, in the coordinates of im1
    rounding : variance of the rounding to whole grey values in im1 and im2; 0 where they are floats
    """

    factor: int
    im1: np.ndarray
    im2: np.ndarray
    mask1: np.ndarray | None
    first: np.ndarray
    first2: np.ndarray
    rounding: tuple[float, float]

    @classmethod
    def of(cls, im1: np.ndarray, im2: np.ndarray, mask1: np.ndarray | None = None) -> "Level":
        """The images themselves; a larger im2 has its middle where that of im1 is, rounded down."""
        larger = (np.array(im2.shape) - im1.shape) // 2
        rounding = tuple(1 / 12 if image.dtype.kind in "ui" else 0.0 for image in (im1, im2))
        return cls(1, im1, im2, mask1, np.zeros(3), -larger.astype(float), rounding)

    @property
    def step(self) -> np.ndarray:
        """Voxels of the original per voxel, ZYX: 1 on the z axis of a 2-D image."""
        return np.array([1.0 if self.im1.shape[0] == 1 else self.factor, self.factor, self.factor])


def halved(level: Level, team) -> Level:
    """The level binned by two more. Collective; the arrays are shared by the ranks of a node."""
    im1, top = _halve(level.im1, team)
    im2, top2 = _halve(level.im2, team)
    mask = None if level.mask1 is None else halved_mask(level.mask1, team)
    offsets = [(np.array(cells.size) - 1) / 2 + cells.top for cells in (top, top2)]
    first, first2 = level.first + level.step * offsets[0], level.first2 + level.step * offsets[1]
    rounding = tuple(one / np.prod(cells.size) for one, cells in zip(level.rounding, (top, top2), strict=True))
    return Level(2 * level.factor, im1, im2, mask, first, first2, rounding)


def _halve(volume: np.ndarray, team) -> tuple[np.ndarray, Cells]:
    cells = cells_of(volume.shape, 2)
    source = Volume(volume)

    def fill(first: int, last: int, planes: np.ndarray) -> None:
        bin_planes(source, cells.size, cells.top, first, planes)

    return team.shared_planes(cells.count, np.float32, fill), cells


def halved_mask(mask: np.ndarray, team) -> np.ndarray:
    """A mask of cells of two voxels: one counts where at least half of its voxels do. Collective."""
    cells = cells_of(mask.shape, 2)

    def fill(first: int, last: int, planes: np.ndarray) -> None:
        inside = tuple(
            slice(t, t + n * s) for t, n, s in zip(cells.top[1:], cells.count[1:], cells.size[1:], strict=True)
        )
        for z in range(first, last):
            start = cells.top[0] + z * cells.size[0]
            flags = (mask[start : start + cells.size[0], *inside] != 0).sum(axis=0, dtype=np.uint8)
            count = flags.reshape(cells.count[1], 2, cells.count[2], 2).sum(axis=(1, 3))
            planes[z - first] = 2 * count >= np.prod(cells.size)

    return team.shared_planes(cells.count, np.uint8, fill)


#: Planes whose sums are added up one after another, whoever computes them.
PLANES = 8


@dataclass(frozen=True)
class GreyValues:
    """Mean and standard deviation of the finite voxels of a volume, and whether all are finite."""

    mean: float
    std: float
    finite: bool


def grey_values(volume: np.ndarray, team) -> GreyValues:
    """Mean and standard deviation of a volume, the same bits on any number of ranks. Collective."""
    source, count = Volume(volume), -(-len(volume) // PLANES)
    spans = [(PLANES * k, min(PLANES * (k + 1), len(volume))) for k in range(*team.spans(count))]
    sums = np.array([sum_planes(source, *span) for span in spans]).reshape(-1, 3)
    total, squares, voxels = np.concatenate(team.all_gather(sums)).sum(axis=0)
    if voxels == 0:
        return GreyValues(np.nan, 0.0, False)
    mean = total / voxels
    return GreyValues(mean, float(np.sqrt(max(squares / voxels - mean**2, 0.0))), voxels == volume.size)


def centre_of_mass(mask: np.ndarray, team) -> np.ndarray | None:
    """Centre of the voxels that are not 0 in a (nz, ny, nx) mask, ZYX; None if there are none. Collective."""
    sums = np.zeros(4, np.int64)
    for z in range(*team.spans(len(mask))):
        rows, columns = (np.count_nonzero(mask[z], axis=axis) for axis in (1, 0))
        count = int(rows.sum())
        sums += [z * count, rows @ np.arange(len(rows)), columns @ np.arange(len(columns)), count]
    sums = team.sum(sums)
    return sums[:3] / sums[3] if sums[3] else None
