"""Volumes in numpy's own format."""

import numpy as np

from hpcdvc.errors import UserError, shortened
from hpcdvc.images.volume import VolumeInfo, make_info


def _open(path: str) -> np.memmap:
    try:
        with np.errstate(over="raise"):  # a shape of more voxels than there are numbers
            return np.lib.format.open_memmap(path, mode="r")
    except ValueError as error:
        raise UserError(f"{path} is no array of numbers, or it is truncated ({shortened(str(error))})") from error


def describe(spec: str, path: str, index: tuple[int, ...] = ()) -> VolumeInfo:
    """Header of an .npy file; see `hpcdvc.images.describe`."""
    array = _open(path)
    offset = array.offset if array.flags.c_contiguous else None
    return make_info(spec, path, array.shape, array.dtype, "npy", offset, index=index)


def fill(info: VolumeInfo, volume: np.ndarray, start: int, stop: int) -> None:
    """Read slices start to stop into volume (nz, ny, nx)."""
    volume[start:stop] = _open(info.path)[info.index].reshape(info.shape)[start:stop]
