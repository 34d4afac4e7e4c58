"""Values of rank 0 for all ranks, their large arrays once a node; arrays that all have filled together."""

import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np

#: Arrays from this size on, bytes, travel by memory that the ranks of a node share.
SHARED_FROM = 2**26
#: A message is at most so many bytes.
BLOCK = 2**30
#: Arrays that all ranks have already.
_KNOWN: list[np.ndarray] = []


def broadcast(team, value: Any) -> Any:
    """Value of rank 0, on every rank. Collective.

    Contiguous arrays of at least `SHARED_FROM` bytes, wherever in the value they are, are not copied to every rank:
    they arrive in memory that the ranks of a node share, and are read-only; see also `known_everywhere`.

    Parameters
    ----------
    team : hpcdvc.ranks.team.Team
    value : anything that can be pickled, on rank 0; what the others pass is ignored

    Raises
    ------
    RunError
        On every rank, when a node has no room for the arrays.
    """
    if team.size == 1:
        return value
    tables: list[np.ndarray] = []

    def stays(buffer: pickle.PickleBuffer) -> bool:
        """Whether an array goes with the message; the others are put aside."""
        raw = buffer.raw()
        if raw.nbytes >= SHARED_FROM:
            tables.append(np.frombuffer(raw, np.uint8))
        return raw.nbytes < SHARED_FROM

    message = pickle.dumps(value, 5, buffer_callback=stays) if team.rank == 0 else None
    message, places = team.comm.bcast((message, [(table.size, *_place(table)) for table in tables]))
    if team.rank == 0 and not places:
        return value
    shared = []
    for k, (size, number, offset) in enumerate(places):
        if number is None:
            shared.append(_share(team, size, tables[k] if team.rank == 0 else None))
        else:
            shared.append(_KNOWN[number].reshape(-1).view(np.uint8)[offset : offset + size])
    return pickle.loads(message, buffers=[memoryview(table).toreadonly() for table in shared])


@contextmanager
def known_everywhere() -> Iterator[list[np.ndarray]]:
    """In the body of the ``with`` arrays in this list are not sent.

    All ranks put the same ones into it, in the same order. So those that a node shares stay where they are when rank 0
    tells of them.
    """
    try:
        yield _KNOWN
    finally:
        _KNOWN.clear()


def _place(table: np.ndarray) -> tuple[int | None, int]:
    """Number of the array known everywhere in whose memory some bytes are, or None, and where in it they begin."""
    for number, known in enumerate(_KNOWN):
        offset = table.ctypes.data - known.ctypes.data
        if known.flags.c_contiguous and 0 <= offset <= known.nbytes - table.size:
            return number, offset
    return None, 0


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
