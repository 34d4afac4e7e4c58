"""Masks opened, closed, eroded and dilated by balls.

A ball of radius N holds all voxels at a distance of up to N. Voxels beyond the image are neither mask nor background:
nothing is eroded from there, and nothing grows in from there. So opening never adds a voxel and closing never takes one
away, also at the border.
"""

import numpy as np

from hpcdvc.kernels.segmentation import across_planes, in_planes
from hpcdvc.segmentation.planes import block_depth, made_by_planes


def squared_distances(mask: np.ndarray) -> np.ndarray:
    """Squares of the distances from the nearest voxel that is 0, voxels; 4294967295 where there is none.

    Parameters
    ----------
    mask : (nz, ny, nx) uint8 array

    Returns
    -------
    (nz, ny, nx) uint32 array
    """
    squares = np.empty(mask.shape, np.uint32)
    in_planes(np.ascontiguousarray(mask), squares)
    across_planes(squares, 0, mask.shape[1])
    return squares


def eroded(mask: np.ndarray, radius: int, team) -> np.ndarray:
    """The voxels of a mask that have none of the background within a radius. Collective.

    Parameters
    ----------
    mask : (nz, ny, nx) uint8 array of 0 and 1, once a node
    radius : voxels, 1 or more
    team : hpcdvc.ranks.team.Team

    Returns
    -------
    (nz, ny, nx) uint8 array, once a node
    """
    return _by_distance(mask, radius, team, False)


def dilated(mask: np.ndarray, radius: int, team) -> np.ndarray:
    """The voxels that have one of a mask within a radius; as `eroded`. Collective."""
    return _by_distance(mask, radius, team, True)


def opened(mask: np.ndarray, radius: int, team) -> np.ndarray:
    """What balls that fit into a mask cover; as `eroded`. Collective."""
    return dilated(eroded(mask, radius, team), radius, team)


def closed(mask: np.ndarray, radius: int, team) -> np.ndarray:
    """What balls that fit into the background leave; as `eroded`. Collective."""
    return eroded(dilated(mask, radius, team), radius, team)


def ball_depth(shape: tuple[int, int, int], radius: int) -> int:
    """Planes of a block, of which `radius` more on either side are looked at."""
    return max(block_depth(shape), radius)


def _by_distance(mask: np.ndarray, radius: int, team, grow: bool) -> np.ndarray:
    def make(first: int, last: int) -> np.ndarray:
        begin, end = max(first - radius, 0), min(last + radius, len(mask))
        planes = 1 - mask[begin:end] if grow else mask[begin:end]
        far = squared_distances(planes)[first - begin : last - begin] > radius**2
        return ~far if grow else far

    return made_by_planes(team, mask.shape, np.uint8, make, ball_depth(mask.shape, radius))
