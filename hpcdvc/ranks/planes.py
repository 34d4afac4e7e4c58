"""Planes of arrays over ranks: which are whose, and how they travel.

The functions take a `hpcdvc.ranks.team.Team`. Messages are counted in rows (a derived datatype): they may pass 2 GiB.
"""

import contextlib
from collections.abc import Callable, Iterator
from itertools import accumulate, pairwise

import numpy as np


def own_planes(team, n: int) -> tuple[int, int]:
    """(start, stop) of the planes of this rank, of `n`: those of the ranks of a node lie side by side."""
    first, last = _ends(team, n)[team.node_index : team.node_index + 2]
    start, stop = team.node_span(last - first)
    return first + start, first + stop


def join_planes(team, array: np.ndarray) -> None:
    """Complete a C-contiguous array that is there once a node, and has the `own_planes` of the ranks of its node.

    Collective; the ranks of the node have met since they wrote their planes.
    """
    if team.node_count > 1:
        if team.node_rank == 0:
            rows, per_plane = array.reshape(-1, array.shape[-1]), int(np.prod(array.shape[1:-1]))
            with team.row_type(np.dtype((array.dtype, array.shape[-1:]))) as row:
                for node, (a, b) in enumerate(pairwise(_ends(team, len(array)))):
                    team.leaders.Bcast([rows[a * per_plane : b * per_plane], (b - a) * per_plane, row], node)
        team.node_barrier()


def swap(team, outgoing: Callable[[int], np.ndarray], incoming: Callable[[int], np.ndarray]) -> None:
    """Every rank gives each rank, itself included, an array: `outgoing` of its number. Collective.

    `incoming` of the number of a sender is what its array is put into, of as many values. All are C-contiguous.
    """
    for step in range(team.size):
        to, source = (team.rank + step) % team.size, (team.rank - step) % team.size
        sent, received = outgoing(to), incoming(source)
        if step == 0:
            received[...] = sent
            continue
        with _rows(team, sent) as give, _rows(team, received) as take:
            requests = [team.comm.Irecv(take, source)] if received.size else []
            requests += [team.comm.Isend(give, to)] if sent.size else []
            for request in requests:
                request.Wait()


@contextlib.contextmanager
def _rows(team, array: np.ndarray) -> Iterator[list]:
    """An array as MPI takes it, counted in rows: it may pass 2 GiB."""
    with team.row_type(np.dtype((array.dtype, array.shape[-1:]))) as row:
        yield [array, array.size // array.shape[-1], row]


def _ends(team, n: int) -> list[int]:
    """Where the planes of each node begin, and where the last ones end."""
    return [0, *(n * ranks // team.size for ranks in accumulate(team.node_sizes))]
