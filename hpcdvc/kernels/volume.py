"""Volumes of grey values as all kernels see them."""

import numpy as np

from hpcdvc.kernels.arrays import address, record
from hpcdvc.kernels.records import CHOICES

#: Types of grey values that the kernels read, by their place in volume.type.
TYPES = CHOICES["TYPE"]


class Volume:
    """A volume and its mask; the arrays are not copied.

    Parameters
    ----------
    array : (nz, ny, nx) array of a type of `TYPES`, C-contiguous
    mask : (nz, ny, nx) uint8 array, 0 = voxel that does not count; or None

    Attributes
    ----------
    shape : (nz, ny, nx)
    type : place in `TYPES`
    record : what the kernels read

    Raises
    ------
    TypeError
        Grey values of another type, or in the byte order of other processors; a mask of another type.
    ValueError
        Arrays that are not three-dimensional, empty, not contiguous, or a mask of another shape.
    """

    def __init__(self, array: np.ndarray, mask: np.ndarray | None = None):
        code = array.dtype.str[1:]
        if code not in TYPES or not array.dtype.isnative:
            raise TypeError(f"grey values of type {array.dtype} are not supported")
        if 0 in array.shape:
            raise ValueError(f"a volume of shape {array.shape} has no voxels")
        self.type, self.shape, self._keep = TYPES.index(code), array.shape, (array, mask)
        data = address(array, code, (None, None, None), "the volume")
        of_mask = 0 if mask is None else address(mask, "u1", array.shape, "the mask")
        self.record = record("volume", data=data, mask=of_mask, shape=array.shape, type=self.type)
