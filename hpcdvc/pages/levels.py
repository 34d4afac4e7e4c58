"""Volumes as pages show them: in memory and small, means of cells of voxels, kept in a cache from run to run.

Never beside the image or the result: in `$XDG_CACHE_HOME/hpcdvc/levels`, under the identity of the input.
"""

import hashlib
import json
import logging
import math
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hpcdvc.errors import RunError, UserError
from hpcdvc.images import VolumeInfo, identity, open_volume, read_planes
from hpcdvc.kernels.registration import bin_planes
from hpcdvc.kernels.volume import Volume
from hpcdvc.output.files import fill, whole_file
from hpcdvc.registration.levels import Cells, cells_of

log = logging.getLogger("hpcdvc")

#: Most voxels along an edge of what is kept in memory.
EDGE = 512
#: Cells along the longest axis from which on a volume is wide, and those that its thin axes keep where they have them.
WIDE, FEWEST = 64, 8
#: Planes that a preview is made of, about: the more of them, the later it comes.
GLANCE = 128
#: Days after which a level that nobody has used leaves the cache.
DAYS = 30

#: Told the share that is done, 0 to 1; what it raises ends the work.
Progress = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class Level:
    """A volume in cells of voxels.

    Attributes
    ----------
    array : (nz, ny, nx), of the type of the volume (float32 for float64); read-only
    size : (3,) voxels of the volume per cell, ZYX
    first : (3,) middle of cell 0 in the volume, voxels ZYX
    exact : True when each cell has been read whole, False for a preview
    """

    array: np.ndarray
    size: np.ndarray
    first: np.ndarray
    exact: bool = True

    def of_plane(self, plane: np.ndarray) -> np.ndarray:
        """A plane given in voxels of the volume, (3, 3) as `hpcdvc.kernels.planes` wants it, in cells of the level."""
        return np.ascontiguousarray((plane - [self.first, np.zeros(3), np.zeros(3)]) / self.size)


def factor_of(shape: tuple[int, int, int], edge: int = EDGE) -> int:
    """Voxels per cell and axis, so that no edge has more than `edge` cells (but for the ends that no cell fills)."""
    return max(1, math.ceil(max(shape) / edge))


def preview(info: VolumeInfo, factor: int, labels: bool = False) -> Level:
    """The level of a volume at a glance: of each cell only the plane in its middle is read, and of many cells of few.

    Parameters
    ----------
    info : from `hpcdvc.images.describe`
    factor : voxels per cell and axis
    labels : cells take the voxel in their middle, not the mean

    Raises
    ------
    UserError, RunError : the volume cannot be read
    """
    cells = _cells(info, factor)
    depth, out = cells.size[0], np.empty(cells.count, _kept(info))
    thin = Cells((1, *cells.size[1:]), (1, *cells.count[1:]), cells.top)
    every = max(1, len(out) // GLANCE) if not labels else 1
    together = info.depth >= info.shape[0] > 1  # a compressed file that is read from its beginning
    whole = read_planes(info, 0, info.shape[0]) if together else None
    for k in range(0, len(out), every):
        middle = min(k + every // 2, len(out) - 1)
        z = cells.top[0] + middle * depth + (depth - 1) // 2
        plane = read_planes(info, z, z + 1) if whole is None else whole[z : z + 1]
        out[k : k + every] = _binned(plane, thin, labels)
    return _level(out, cells, exact=labels or depth == 1)


def kept_level(info: VolumeInfo, factor: int, labels: bool = False) -> Level | None:
    """The level of a volume from the cache, or None; see `preview`."""
    cells = _cells(info, factor)
    array = _cached(_place(info, factor, labels), cells.count, _kept(info))
    return None if array is None else _level(array, cells)


def level_of(
    info: VolumeInfo,
    factor: int,
    labels: bool = False,
    progress: Progress = lambda share: None,
    before: Level | None = None,
) -> Level:
    """The level of a volume: the volume itself where the factor is 1, else from the cache, else made and put there.

    Parameters
    ----------
    info, factor, labels : see `preview`
    progress : see `Progress`
    before : a preview, which becomes exact plane by plane: no memory is taken for a second level

    Raises
    ------
    UserError, RunError : the volume cannot be read
    """
    cells = _cells(info, factor)
    if factor == 1:
        return _level(open_volume(info), cells)
    kept = kept_level(info, factor, labels)
    if kept is not None:
        return kept
    if labels:
        made = preview(info, factor, True)
    else:
        array = np.empty(cells.count, _kept(info)) if before is None else before.array
        array.flags.writeable = True
        _means(info, cells, array, progress)
        made = _level(array, cells)
    _keep(_place(info, factor, labels), made.array)
    return made


def _cells(info: VolumeInfo, factor: int) -> Cells:
    """The cells of a volume: of wide ones they are less long on thin axes, which keep some of them."""
    cells = cells_of(info.shape, factor)
    if max(info.shape) >= WIDE * factor:
        size = tuple(min(factor, max(1, n // FEWEST)) for n in info.shape)
        count = tuple(n // s for n, s in zip(info.shape, size, strict=True))
        cells = Cells(size, count, tuple(n % s // 2 for n, s in zip(info.shape, size, strict=True)))
    if min(cells.count) < 1:
        raise UserError(f"{info.spec} has fewer than {factor} voxels along an axis: cells of so many do not fit in")
    return cells


def _kept(info: VolumeInfo) -> np.dtype:
    return np.dtype(np.float32) if info.dtype == np.float64 else info.dtype


def _level(array: np.ndarray, cells: Cells, exact: bool = True) -> Level:
    array.flags.writeable = False
    size = np.array(cells.size, float)
    return Level(array, size, np.array(cells.top) + (size - 1) / 2, exact)


def _means(info: VolumeInfo, cells: Cells, out: np.ndarray, progress: Progress) -> None:
    """Means of cells, read a few layers of cells at a time: those of planes that are stored together at once."""
    depth = cells.size[0]
    at_once = max(1, -(-info.depth // depth))
    for k in range(0, len(out), at_once):
        stop = min(k + at_once, len(out))
        planes = read_planes(info, cells.top[0] + k * depth, cells.top[0] + stop * depth)
        out[k:stop] = _binned(planes, Cells(cells.size, (stop - k, *out.shape[1:]), cells.top), labels=False)
        progress(stop / len(out))


def _binned(planes: np.ndarray, cells: Cells, labels: bool) -> np.ndarray:
    """Cells of planes, the first of which is that of the first cell."""
    if labels:
        y, x = (top + (size - 1) // 2 for top, size in zip(cells.top[1:], cells.size[1:], strict=True))
        return planes[:, y :: cells.size[1], x :: cells.size[2]][:, : cells.count[1], : cells.count[2]]
    means = np.empty(cells.count, np.float32)
    bin_planes(Volume(np.ascontiguousarray(planes)), cells.size, (0, *cells.top[1:]), 0, means)
    return np.rint(means) if planes.dtype.kind in "ui" else means


def _place(info: VolumeInfo, factor: int, labels: bool) -> Path:
    """Where a level is kept."""
    folder = os.environ.get("XDG_CACHE_HOME") or ""
    base = Path(folder) if os.path.isabs(folder) else Path.home() / ".cache"
    key = json.dumps([identity(info), factor, labels], sort_keys=True)
    return base / "hpcdvc" / "levels" / f"{hashlib.sha256(key.encode()).hexdigest()[:40]}.npy"


def _cached(path: Path, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray | None:
    """What is kept under a name, mapped; None where there is nothing that fits."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        os.utime(path)
    except (OSError, ValueError, EOFError):
        return None
    return array if array.shape == shape and array.dtype == dtype else None


def _keep(path: Path, array: np.ndarray) -> None:
    """Put a level into the cache, and tidy up there; a cache that cannot be written to is no reason to stop."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(OSError):
            for old in path.parent.glob("*.npy"):
                if old.stat().st_mtime < time.time() - DAYS * 86400:
                    old.unlink()
        with whole_file(path, array.nbytes) as temporary, fill(temporary, "wb") as file:
            np.save(file, array)
    except (OSError, RunError) as error:
        log.warning("what pages show of an image is not kept for the next time: %s", error)
