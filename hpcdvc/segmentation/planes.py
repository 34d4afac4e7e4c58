"""Volumes that are there once a node, of which every rank makes some planes."""

from collections.abc import Callable

import numpy as np

from hpcdvc.ranks.planes import join_planes, own_planes

#: Voxels that a rank works on at a time.
AT_A_TIME = 2**24


def block_depth(shape: tuple[int, int, int]) -> int:
    """Planes of a block: by the size of the image, never by the number of ranks."""
    return max(1, AT_A_TIME // (shape[1] * shape[2]))


def made_by_planes(
    team, shape: tuple[int, int, int], dtype: np.dtype, make: Callable[[int, int], np.ndarray], depth: int
) -> np.ndarray:
    """A volume of which every rank makes some planes. Collective.

    Parameters
    ----------
    team : hpcdvc.ranks.team.Team
    shape : (nz, ny, nx)
    dtype : of its voxels
    make : gives planes first to last - 1, which lie in one block; does nothing collective
    depth : planes of a block; blocks begin at multiples of it

    Returns
    -------
    (nz, ny, nx) array, once a node

    Raises
    ------
    RunError
        On every rank, when a node has no room for it.
    """
    array = team.shared_array(shape, dtype)
    start, stop = own_planes(team, shape[0])

    def fill() -> None:
        first = start
        while first < stop:
            last = min((first // depth + 1) * depth, stop)
            array[first:last] = make(first, last)
            first = last

    team.agree_all(fill)
    complete(team, array)
    return array


def complete(team, array: np.ndarray) -> None:
    """All ranks have written their planes (`hpcdvc.ranks.planes.own_planes`) into such a volume. Collective."""
    team.node_barrier()
    join_planes(team, array)
