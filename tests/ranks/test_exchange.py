import errno
import os

import numpy as np
import pytest

from hpcdvc.errors import RunError
from hpcdvc.fields.field import ROW
from hpcdvc.ranks import exchange
from hpcdvc.ranks.team import Team

pytestmark = pytest.mark.mpi


@pytest.fixture(params=[None, 1, 2, 3], ids=["real", "one", "two", "three"])
def nodes(request, team):
    """The team as it is, and its ranks grouped as if they stood on 1, 2 or 3 nodes."""
    if request.param is None:
        return team
    if team.comm is None or request.param > team.size:
        pytest.skip("fewer ranks than nodes")
    return Team(team.comm, request.param)


@pytest.mark.parametrize(("n", "chunk"), [(0, 5), (1, 5), (5, 5), (23, 1), (1003, 10), (60, 7)])
def test_each_point_is_handed_out_once(nodes, n, chunk):
    queue = nodes.queue(n, chunk)
    pulled = list(queue)
    assert all(1 <= len(points) <= chunk for points in pulled)
    together = [number for points in sum(nodes.all_gather(pulled), []) for number in points]
    assert queue.total == n
    assert sorted(together) == list(range(n))
    assert queue.left() == 0
    assert queue.done_in_node() == queue.total_in_node()


@pytest.mark.parametrize("n", [95, 4000])
def test_nodes_get_chunks_in_proportion_to_their_ranks(nodes, n):
    """Whole chunks, and of any beginning of the points a fair part."""
    mine = np.array([number for points in nodes.queue(n, 10) for number in points], int)
    for points in np.split(np.sort(mine), np.flatnonzero(np.diff(np.sort(mine)) > 1) + 1):
        assert len(points) == 0 or points[0] % 10 == 0
    for half in (n // 2, n):
        fair = half * nodes.node_size / nodes.size
        in_node = sum(
            counts
            for node, counts in nodes.all_gather((nodes.node_index, int((mine < half).sum())))
            if node == nodes.node_index
        )
        assert abs(in_node - fair) <= 10 * (1 + n // 10 // 128)


def test_a_slow_rank_takes_less(team):
    """Ranks of a node share the work by pulling, not by counting."""
    if team.node_size == 1:
        pytest.skip("needs ranks that share a node")
    queue = team.queue(40, 1)
    mine = 0
    if team.node_rank == 0:  # starts when the others are through
        team.node_barrier()
    for _ in queue:
        mine += 1
    if team.node_rank > 0:
        team.node_barrier()
    if team.node_rank == 0:
        assert mine == 0
    assert team.sum(mine) == 40


def test_stop_on_one_rank_stops_its_node(nodes):
    queue = nodes.queue(300, 1)
    pulled = 0
    if nodes.node_rank == nodes.node_size - 1 and nodes.node_index == 0:
        for _ in queue:
            pulled += 1
            if pulled == 3:
                queue.stop()
        assert pulled <= 3
        nodes.node_barrier()
    elif nodes.node_index == 0:
        nodes.node_barrier()
        assert list(queue) == []
    else:
        pulled = sum(map(len, queue))
    done = nodes.sum(pulled)
    assert queue.left() == 300 - done
    assert 3 <= done < 300


def test_a_signalled_rank_stops_its_node(team):
    queue = team.queue(50, 1)
    last = team.node_rank == team.node_size - 1
    team.stop_requested = last
    try:
        if not last:
            team.node_barrier()
        assert list(queue) == []
        if last:
            team.node_barrier()
        assert queue.left() == 50
    finally:
        team.stop_requested = False


def test_progress_counts_finished_chunks():
    team = Team()
    queue = team.queue(10, 4)
    assert [(len(points), queue.done_in_node()) for points in queue] == [(4, 0), (4, 4), (2, 8)]
    assert queue.left() == 0


def make_rows(index):
    """Rows whose contents follow from their index."""
    rows = np.zeros(len(index), ROW)
    rows["index"] = index
    rows["Phi"] = np.asarray(index)[:, None, None] * np.arange(1.0, 13.0).reshape(3, 4)
    rows["iterations"] = np.asarray(index) % 50
    return rows


def deal(team, n, how):
    """Indices of this rank when n rows are spread over the ranks in some way."""
    shuffled = np.random.default_rng(n).permutation(n)
    if how == "cyclic":
        return np.arange(team.rank, n, team.size)
    if how == "last only":
        return shuffled if team.rank == team.size - 1 else shuffled[:0]
    if how == "root only":
        return shuffled if team.rank == 0 else shuffled[:0]
    owner = np.random.default_rng(n + 1).integers(team.size, size=n)
    return shuffled[owner == team.rank]


@pytest.mark.parametrize("spread", [False, True])
@pytest.mark.parametrize("how", ["cyclic", "last only", "root only", "random"])
@pytest.mark.parametrize("n", [0, 1, 2, 1000])
def test_collect_orders_all_rows(team, monkeypatch, n, how, spread):
    monkeypatch.setattr(exchange, "_BLOCK", 100 * ROW.itemsize)
    rows, start = team.collect(make_rows(deal(team, n, how)), n, spread)
    first, last = team.spans(n) if spread else (0, n if team.rank == 0 else 0)
    assert start == first
    assert rows.tobytes() == make_rows(np.arange(first, last)).tobytes()


def test_collect_takes_a_part_of_an_array(team):
    everything = make_rows(np.arange(2 * team.size))
    rows, _ = team.collect(everything[team.rank :: team.size], 2 * team.size)
    assert rows["index"].tolist() == (list(range(2 * team.size)) if team.rank == 0 else [])


@pytest.mark.parametrize("spread", [False, True])
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda i: i[i != 4], r"rows \[4\] of 20 were measured by no rank"),
        (lambda i: np.append(i, i[:1]), "rows came back for 20 points: some were measured twice"),
        (lambda i: np.where(i == 7, 20, i), r"rows \[20\] are outside the field of 20"),
        (lambda i: np.where(i == 7, -1, i), r"rows \[-1\] are outside the field of 20"),
        (lambda i: np.where(i == 7, 8, i), r"rows \[7\] of 20 were measured by no rank"),
    ],
    ids=["missing", "double", "beyond", "negative", "swapped"],
)
def test_collect_refuses_what_is_not_a_field(team, change, sentence, spread):
    index = change(np.arange(20)) if team.rank == team.size - 1 else np.arange(0)
    with pytest.raises(RunError, match=sentence) as caught:
        team.collect(make_rows(index), 20, spread)
    assert caught.value.agreed
    assert len(set(team.all_gather(str(caught.value)))) == 1


@pytest.mark.parametrize("spread", [False, True])
def test_collect_does_not_depend_on_who_measured(nodes, spread):
    """Queue and collect together: the same bytes for any number of ranks and nodes."""
    queue = nodes.queue(333, 4)
    measured = [make_rows(points) for points in queue]
    rows, start = nodes.collect(np.concatenate([make_rows([]), *measured]), 333, spread)
    assert rows.tobytes() == make_rows(np.arange(start, start + len(rows))).tobytes()
    assert nodes.sum(len(rows)) == 333


@pytest.mark.parametrize("shape", [(7, 4), (1, 3, 5), (23, 2, 3)])
def test_shared_planes(nodes, shape, monkeypatch):
    """Every plane is made once, by some rank, and all have all of them."""
    monkeypatch.setattr(exchange, "_IN_CACHE", 100)
    whole = np.random.default_rng(3).random(shape)
    made = []

    def fill(start, stop, planes):
        made.extend(range(start, stop))
        planes[:] = whole[start:stop]

    assert nodes.shared_planes(shape, np.float64, fill).tobytes() == whole.tobytes()
    assert sorted(sum(nodes.all_gather(made), [])) == list(range(shape[0]))


def test_shared_planes_without_room(team, monkeypatch):
    """A disk that is full says so on all ranks."""
    if team.size == 1:
        pytest.skip("one rank shares nothing")
    if team.rank == team.size - 1:
        monkeypatch.setattr(os, "pwrite", lambda *_: _full())
    with pytest.raises(RunError, match=r"no room for 0\.0 MB .*No space left on device.*TMPDIR") as caught:
        team.shared_planes((9, 3), np.float32, lambda start, stop, planes: planes.fill(1))
    assert caught.value.agreed


def _full():
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("spread", [False, True])
@pytest.mark.parametrize("n", [0, 1, 1000])
def test_shared_rows_are_those_that_were_put(nodes, n, spread):
    shared = exchange.SharedRows(nodes, n, ROW)
    for points in nodes.queue(n, 7):
        numbers = np.array(points)[::-1]
        rows = np.zeros(len(numbers), ROW)
        rows["index"], rows["error"] = numbers, numbers / 2
        shared.put(rows)
    rows, start = shared.collect(spread)
    assert list(rows["index"]) == list(range(start, start + len(rows)))
    assert list(rows["error"]) == [index / 2 for index in rows["index"]]
    assert sum(nodes.all_gather(len(rows))) == n
    assert spread or nodes.rank == 0 or len(rows) == 0


def test_shared_rows_that_nobody_has_put_are_missed(nodes):
    shared = exchange.SharedRows(nodes, 100, ROW)
    rows = np.zeros(99, ROW)
    rows["index"] = np.arange(1, 100)
    shared.put(rows)
    with pytest.raises(RunError, match="measured by no rank"):
        shared.collect()
