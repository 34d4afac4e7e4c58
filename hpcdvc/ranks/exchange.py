"""How points are dealt to the ranks and measured rows come back, without Python work per row.

The functions take a `hpcdvc.ranks.team.Team`. Messages are counted in rows (a derived datatype): they may pass 2 GiB.
"""

from collections.abc import Callable, Iterator

import numpy as np

from hpcdvc.errors import RunError
from hpcdvc.ranks.planes import join_planes, own_planes
from hpcdvc.ranks.sharedmem import SharedPlanes, shared_counter

#: Rows travel to rank 0 in blocks of at most this many bytes, the only memory it needs besides the result.
_BLOCK = 2**26
#: Bytes of planes that are made before they are written: they are still in the cache then.
_IN_CACHE = 2**20
#: Chunks in a row go to the same node in so many blocks: few enough that a node reads a part of the images only, many
#: enough that no node has all the hard points.
BLOCKS_PER_NODE = 128


class Queue:
    """Numbers of points, from 0 on, cut into chunks; each chunk goes to one rank. Creating it is collective.

    The chunks are dealt to the nodes in blocks, in proportion to their ranks: every rank knows the share of its
    node, and nothing is sent. The ranks of a node pull chunk after chunk by a counter they share, so a rank with easy
    points takes more of them. Iterate over it once, on every rank.

    Parameters
    ----------
    team : Team
    total : int
        Number of points, the same on every rank.
    chunk : int or (chunks + 1,) array
        Points per chunk, the same on every rank; best worth 2 to 20 ms. An array says where each chunk begins, and
        where the last one ends: they are dealt to the nodes one by one, as their costs may fall from first to last.

    Yields
    ------
    range
        The points of one chunk.
    """

    def __init__(self, team, total: int, chunk: int | np.ndarray):
        self._team, self.total = team, int(total)
        even, step = np.ndim(chunk) == 0, max(int(np.max(chunk, initial=1)), 1)
        self._bounds = np.append(np.arange(0, self.total, step), self.total) if even else np.asarray(chunk)
        self._in_a_row = BLOCKS_PER_NODE if even else np.inf
        self._chunks = self._chunks_of(team.node_index)
        self._next = team.agree_all(lambda: shared_counter(team.node))
        # one row per rank of the node, a cache line apart: points done, asked to stop
        self._state = team.shared_array((team.node_size, 8), np.int64)
        self._own = self._state[team.node_rank]
        team.node_barrier()

    def _chunks_of(self, node: int) -> np.ndarray:
        """Numbers of the chunks of a node."""
        chunks, sizes = len(self._bounds) - 1, self._team.node_sizes
        # rank j of a node is due at (j + 1/2) / size of a round: every beginning of a round is fair, too
        due = np.concatenate([(np.arange(size) + 0.5) / size for size in sizes])
        turns = np.repeat(np.arange(len(sizes)), sizes)[np.argsort(due, kind="stable")]
        block = np.arange(chunks) // max(int(chunks // (self._in_a_row * len(sizes))), 1)
        return np.flatnonzero(turns[block % len(turns)] == node)

    def _points_of(self, chunk: int) -> range:
        return range(int(self._bounds[chunk]), int(self._bounds[chunk + 1]))

    def __iter__(self) -> Iterator[range]:
        while True:
            if self._team.stop_requested:
                self.stop()
            if self._state[:, 1].any():
                return
            number = self._next()
            if number >= len(self._chunks):
                return
            points = self._points_of(int(self._chunks[number]))
            yield points
            self._own[0] += len(points)

    def stop(self) -> None:
        """Let no rank of this node pull another chunk."""
        self._own[1] = 1

    def done_in_node(self) -> int:
        """Number of points that the ranks of this node have finished."""
        return int(self._state[:, 0].sum())

    def total_in_node(self) -> int:
        """Number of points of this node."""
        return int(np.diff(self._bounds)[self._chunks].sum())

    def left(self) -> int:
        """Number of points that no rank has finished: above 0 when the queue was stopped. Collective."""
        return self.total - int(self._team.sum(int(self._own[0])))


def collect(team, rows: np.ndarray, total: int, spread: bool = False) -> tuple[np.ndarray, int]:
    """Bring measured rows into the order of their index. Collective.

    Parameters
    ----------
    team : Team
    rows : structured array with a field ``index``
        Rows of this rank in any order; together the ranks hold each index from 0 to `total` - 1 once.
    total : int
        Number of rows of all ranks.
    spread : bool
        False: all rows go to rank 0. True: each rank gets the rows ``team.spans(total)``.

    Returns
    -------
    rows : structured array
        Ordered rows; empty on the other ranks when not `spread`.
    start : int
        Index of the first of them.

    Raises
    ------
    RunError
        On every rank, when an index is missing, double or out of range.
    """
    rows = np.ascontiguousarray(rows)
    index = rows["index"]
    wrong = index[(index < 0) | (index >= total)]
    team.agree_all(lambda: _check(not len(wrong), f"rows {wrong[:3].tolist()} are outside the field of {total}"))
    start, stop = team.spans(total) if spread else (0, total if team.rank == 0 else 0)
    ordered, seen = np.empty(stop - start, rows.dtype), np.zeros(stop - start, bool)
    count = team.sum(len(rows))
    for block in _exchange_spread(team, rows, total) if spread else _exchange_root(team, rows):
        ordered[block["index"] - start] = block
        seen[block["index"] - start] = True
    missing = start + np.flatnonzero(~seen)
    team.agree_all(lambda: _check(not len(missing), f"rows {missing[:3].tolist()} of {total} were measured by no rank"))
    team.agree(lambda: _check(count == total, f"{count} rows came back for {total} points: some were measured twice"))
    return ordered, start


class SharedRows:
    """Rows of all points in the order of their numbers, once a node: every rank puts its own there. Collective.

    Parameters
    ----------
    team : Team
    total : int
        Number of points.
    dtype : numpy dtype
        Of the rows, with a field ``index``.
    """

    def __init__(self, team, total: int, dtype: np.dtype):
        self._team, self._rows = team, team.shared_array((total,), dtype)
        self._part["index"] = -1
        team.node_barrier()

    @property
    def _part(self) -> np.ndarray:
        return self._rows[slice(*self._team.node_span(len(self._rows)))]

    def put(self, rows: np.ndarray) -> None:
        """Add some rows."""
        self._rows[rows["index"]] = rows

    def collect(self, spread: bool = False) -> tuple[np.ndarray, int]:
        """All rows, as the function `collect` gives them; on a single node nothing is copied. Collective."""
        team, total = self._team, len(self._rows)
        team.node_barrier()
        if team.node_count > 1:
            return collect(team, self._part[self._part["index"] >= 0], total, spread)
        missing = np.flatnonzero(self._part["index"] < 0)
        team.agree_all(lambda: _check(not len(missing), f"{len(missing)} of {total} rows were measured by no rank"))
        start, stop = team.spans(total) if spread else (0, total if team.rank == 0 else 0)
        return self._rows[start:stop], start


def _check(good: bool, sentence: str) -> None:
    if not good:
        raise RunError(sentence)


def _exchange_root(team, rows: np.ndarray) -> Iterator[np.ndarray]:
    """On rank 0 the rows of all ranks, block by block; nothing on the others."""
    if team.size == 1:
        yield rows
        return
    counts = team.all_gather(len(rows))
    step = max(_BLOCK // rows.dtype.itemsize, 1)
    with team.row_type(rows.dtype) as row:
        for first in range(0, len(rows) if team.rank else 0, step):
            block = rows[first : first + step]
            team.comm.Send([block.view(np.uint8), len(block), row], 0)
        if team.rank:
            return
        yield rows
        buffer = np.empty(min(step, max(counts[1:], default=0)), rows.dtype)
        for sender in range(1, team.size):
            for first in range(0, counts[sender], step):
                block = buffer[: min(step, counts[sender] - first)]
                team.comm.Recv([block.view(np.uint8), len(block), row], sender)
                yield block


def _exchange_spread(team, rows: np.ndarray, total: int) -> Iterator[np.ndarray]:
    """The rows that belong to this rank, in no order."""
    if team.size == 1:
        yield rows
        return
    rows = rows[np.argsort(rows["index"], kind="stable")]
    first = np.searchsorted(rows["index"], [total * rank // team.size for rank in range(team.size + 1)])
    sent = np.diff(first)
    received = np.empty_like(sent)
    team.comm.Alltoall(sent, received)
    block = np.empty(received.sum(), rows.dtype)
    with team.row_type(rows.dtype) as row:
        team.comm.Alltoallv(
            [rows.view(np.uint8), sent, first[:-1], row],
            [block.view(np.uint8), received, np.cumsum(received) - received, row],
        )
    yield block


def shared_planes(
    team, shape: tuple[int, ...], dtype: np.dtype, fill: Callable[[int, int, np.ndarray], None]
) -> np.ndarray:
    """An array once a node: every rank of the run makes some planes, the nodes then exchange. Collective.

    Parameters
    ----------
    team : hpcdvc.ranks.team.Team
    shape : (n, ...) of the array
    dtype : of the array
    fill : called with (start, stop, planes), fills all of `planes`, which are start to stop - 1

    Returns
    -------
    read-only array

    Raises
    ------
    RunError
        On every rank, when a node has no room for it.
    """
    if team.size == 1:
        array = np.empty(shape, dtype)
        fill(0, len(array), array)
    else:
        array = _by_all_ranks(team, shape, np.dtype(dtype), fill)
    array.flags.writeable = False
    return array


def _by_all_ranks(team, shape: tuple[int, ...], dtype: np.dtype, fill: Callable) -> np.ndarray:
    start, stop = own_planes(team, shape[0])
    shared = team.agree_all(lambda: SharedPlanes(team.node, shape, dtype, reserve=team.node_count > 1))
    step = max(_IN_CACHE // max(dtype.itemsize * int(np.prod(shape[1:])), 1), 1)

    def write() -> None:
        buffer = np.empty((min(step, stop - start), *shape[1:]), dtype)
        for z in range(start, stop, step):
            planes = buffer[: min(step, stop - z)]
            fill(z, z + len(planes), planes)
            shared.write(z, planes)

    team.agree_all(write)
    array = shared.mapped()
    team.node_barrier()
    join_planes(team, array)
    return array
