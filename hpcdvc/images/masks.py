"""Masks: which voxels of an image count."""

import numpy as np

from hpcdvc.images.opening import open_volume
from hpcdvc.images.volume import VolumeInfo


def open_mask(info: VolumeInfo, team) -> np.ndarray:
    """Open a mask as bytes, one copy per node: 0 where the mask is 0 or NaN. All ranks call this together.

    Parameters
    ----------
    info : from `describe`
    team : the ranks of this run

    Returns
    -------
    (nz, ny, nx) read-only uint8 array
    """
    volume = open_volume(info, team)
    if volume.dtype == np.uint8:
        return volume
    mask = team.shared_array(volume.shape, np.uint8)
    for z in range(*team.node_span(len(volume))):
        mask[z] = (volume[z] != 0) & (volume[z] == volume[z])
    team.node_barrier()
    mask.flags.writeable = False
    return mask
