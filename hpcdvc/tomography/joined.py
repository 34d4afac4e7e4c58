"""What ranks have of their own planes or views, together: in the order of these, which need not be that of ranks."""

from operator import itemgetter

import numpy as np

from hpcdvc.ranks.planes import swap


def joined(team, own: np.ndarray, axis: int = 0) -> np.ndarray:
    """A few numbers of all views, on every rank. Collective.

    Parameters
    ----------
    team : hpcdvc.ranks.team.Team
    own : those of the `own_planes` of this rank
    axis : along which views are counted
    """
    found = sorted(team.all_gather(((team.node_index, team.node_rank), own)), key=itemgetter(0))
    return np.concatenate([values for _, values in found], axis=axis)


def joined_on_root(team, own: np.ndarray) -> np.ndarray | None:
    """Planes (m, ...) of all ranks, on rank 0, which has them once; None elsewhere. Collective."""
    own = np.ascontiguousarray(own)
    places = team.all_gather((team.node_index, team.node_rank, len(own)))
    nothing = own[:0]
    whole = np.empty((sum(count for *_, count in places), *own.shape[1:]), own.dtype) if team.rank == 0 else nothing
    parts, first = [nothing] * team.size, 0
    for rank in sorted(range(team.size), key=places.__getitem__):
        last = first + places[rank][2]
        parts[rank], first = whole[first:last], last
    swap(team, lambda rank: own if rank == 0 else nothing, parts.__getitem__)
    return whole if team.rank == 0 else None
