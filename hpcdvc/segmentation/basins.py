"""Grains of a mask told apart: basins of the distance from the background, merged where the neck is nearly as wide."""

import numpy as np

from hpcdvc.kernels import segmentation as kernels
from hpcdvc.ranks.planes import own_planes
from hpcdvc.segmentation.planes import block_depth, complete, made_by_planes


def distances(mask: np.ndarray, team) -> np.ndarray:
    """Distance of each voxel of a mask from the nearest of the background. Collective.

    Parameters
    ----------
    mask : (nz, ny, nx) uint8 array, once a node; beyond the image there is no background
    team : hpcdvc.ranks.team.Team

    Returns
    -------
    (nz, ny, nx) float32 array, once a node, voxels; 0 in the background

    Notes
    -----
    Exact: Meijster et al. (2000), A general algorithm for computing distance transforms in linear time.
    """

    def in_planes(first: int, last: int) -> np.ndarray:
        squares = np.empty((last - first, *mask.shape[1:]), np.uint32)
        kernels.in_planes(mask[first:last], squares)
        return squares

    squares = made_by_planes(team, mask.shape, np.uint32, in_planes, block_depth(mask.shape))
    # rows reach through all planes: the ranks of each node share all of them
    team.agree_all(lambda: kernels.across_planes(squares, *team.node_span(mask.shape[1])))
    team.node_barrier()
    distance = squares.view(np.float32)
    for z in range(*team.node_span(len(mask))):
        distance[z] = np.sqrt(squares[z])
    team.node_barrier()
    return distance


def basins_of(distance: np.ndarray, h: float, team) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Basins of a distance map. Collective.

    Each voxel goes up the steepest way, to one of the maxima: its basin. A basin whose maximum rises no more than `h`
    above the highest saddle to one with a higher maximum becomes part of the basin on the other side of it.

    Parameters
    ----------
    distance : (nz, ny, nx) float32 array of `distances`, once a node
    h : least depth, voxels
    team : hpcdvc.ranks.team.Team

    Returns
    -------
    basins : (nz, ny, nx) uint32 array, once a node; 0 is the background
    merged : (n + 1,) int64 array, for each basin the first of those that are one with it; 0 for 0
    depths : (n + 1,) float32 array, the largest distance in each basin; 0 for 0

    Notes
    -----
    A watershed with the h-maxima as its markers: Grimaud (1992), A new measure of contrast: the dynamics; and Cousty et
    al. (2009), Watershed cuts: minimum spanning forests and the drop of water principle.
    """
    ways, basins = team.shared_array(distance.shape, np.uint8), team.shared_array(distance.shape, np.uint32)
    start, stop = own_planes(team, len(distance))
    maxima = team.agree_all(lambda: kernels.ways_up(distance, ways, start, stop))
    complete(team, ways)
    number = 1 + sum(n for first, n in team.all_gather((start, maxima)) if first < start)
    heights = team.agree_all(lambda: kernels.number_maxima(distance, ways, start, stop, number, maxima, basins))
    complete(team, basins)
    team.agree_all(lambda: kernels.fill_basins(ways, start, stop, basins))
    complete(team, basins)
    found = team.agree_all(lambda: kernels.saddles(distance, basins, start, stop))
    gathered = team.gather((start, heights, found))
    return basins, *team.agree(lambda: _merged(gathered, h))


def _merged(gathered: list[tuple[int, np.ndarray, np.ndarray]], h: float) -> tuple[np.ndarray, np.ndarray]:
    """Which basins are one, and how deep each is, of what the ranks have found; on one rank."""
    gathered = sorted(gathered, key=lambda part: part[0])  # ranks without planes have none of it
    heights = np.concatenate([part[1] for part in gathered])
    saddles = np.concatenate([part[2] for part in gathered])
    order = np.lexsort((saddles["basins"][:, 1], saddles["basins"][:, 0], -saddles["height"]))
    return kernels.merge(saddles[order], heights, h), np.append(np.float32(0), heights)
