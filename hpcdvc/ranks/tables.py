"""Values of rank 0 for all ranks, their large arrays once a node; arrays that all have filled together."""

import pickle
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

#: Arrays from this size on, bytes, travel by memory that the ranks of a node share.
SHARED_FROM = 2**26
#: A message is at most so many bytes.
BLOCK = 2**30


def broadcast(team, value: Any) -> Any:
    """Value of rank 0, on every rank. Collective.

    Contiguous arrays of at least `SHARED_FROM` bytes, wherever in the value they are, are not copied to every rank:
    they arrive in memory that the ranks of a node share, and are read-only.

    Parameters
    ----------
    team : hpcdvc.ranks.team.Team
    value : anything that can be pickled, on rank 0; what the others pass is ignored

    Raises
    ------
    RunError
        On every rank, when a node has no room for the arrays.
    """
    if team.comm is None:
        return value
    tables: list[np.ndarray] = []

    def stays(buffer: pickle.PickleBuffer) -> bool:
        """Whether an array goes with the message; the others are put aside."""
        raw = buffer.raw()
        if raw.nbytes >= SHARED_FROM:
            tables.append(np.frombuffer(raw, np.uint8))
        return raw.nbytes < SHARED_FROM

    message = pickle.dumps(value, 5, buffer_callback=stays) if team.rank == 0 else None
    message, sizes = team.comm.bcast((message, [table.size for table in tables]))
    if team.rank == 0 and not sizes:
        return value
    shared = [_share(team, size, tables[k] if team.rank == 0 else None) for k, size in enumerate(sizes)]
    return pickle.loads(message, buffers=[memoryview(table).toreadonly() for table in shared])


def _share(team, size: int, table: np.ndarray | None) -> np.ndarray:
    """The bytes that rank 0 has, once on every node."""
    shared = team.shared_array(size, np.uint8)
    if team.rank == 0:
        shared[:] = table
    if team.node_rank == 0:
        for start in range(0, size, BLOCK):
            team.leaders.Bcast(shared[start : start + BLOCK])
    team.node_barrier()
    return shared


def complete(team, array: np.ndarray, ends: Sequence[int]) -> np.ndarray:
    """An array shared on the nodes whose rows the ranks of each node have filled in part, whole everywhere. Collective.

    Parameters
    ----------
    team : hpcdvc.ranks.team.Team
    array : (n, ...), from `Team.shared_array`
    ends : numbers of the rows at which those of each node begin, and n

    Returns
    -------
    read-only array
    """
    team.node_barrier()
    if team.node_count > 1:
        if team.node_rank == 0:
            content, row = array.reshape(-1).view(np.uint8), array.nbytes // len(array)
            for node, (first, last) in enumerate(pairwise(ends)):
                for start in range(first * row, last * row, BLOCK):
                    team.leaders.Bcast(content[start : min(start + BLOCK, last * row)], node)
        team.node_barrier()
    array.flags.writeable = False
    return array
