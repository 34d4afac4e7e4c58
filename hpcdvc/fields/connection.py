"""Which points the specimen connects: the straight line between them meets no masked voxel."""

import numpy as np

#: Places of a line that are looked at, per voxel of its longest component.
PER_VOXEL = 2


def connected_by(mask: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Whether lines stay in the specimen, both ends included; nearest voxels count.

    Parameters
    ----------
    mask : (nz, ny, nx) array, 0 where there is no specimen; outside there is none
    starts : (m, 3) ZYX, voxels
    ends : (m, k, 3) ZYX, voxels

    Returns
    -------
    (m, k) bool array
    """
    result = np.ones(ends.shape[:2], bool)
    ways = ends - starts[:, None]
    steps = max(int(np.ceil(PER_VOXEL * np.abs(ways).max(initial=0))), 1)
    for step in range(steps + 1):
        result &= in_specimen(mask, starts[:, None] + step / steps * ways)
    return result


def in_specimen(mask: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Whether the nearest voxels of points (..., 3), ZYX, are those of the specimen."""
    values, inside = nearest_voxels(mask, points)
    return inside & (values != 0)


def nearest_voxels(volume: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values of the voxels that are nearest to points (..., 3), ZYX, and whether these lie in the volume."""
    voxels = np.floor(points + 0.5).astype(np.int64)
    inside = ((voxels >= 0) & (voxels < np.array(volume.shape))).all(axis=-1)
    voxels = np.where(inside[..., None], voxels, 0)
    return volume[voxels[..., 0], voxels[..., 1], voxels[..., 2]], inside
