import os
import signal
import time

import numpy as np
import pytest

from hpcdvc.errors import RunError, Unfinished, UserError
from hpcdvc.ranks import tables
from hpcdvc.ranks.team import Team

pytestmark = pytest.mark.mpi


def fail(error):
    raise error


def test_ranks_and_nodes(team):
    places = team.all_gather((team.rank, team.node_index, team.node_rank))
    assert [rank for rank, _, _ in places] == list(range(team.size))
    assert places[0] == (0, 0, 0)
    assert {node for _, node, _ in places} == set(range(team.node_count))
    assert sum(node == team.node_index for _, node, _ in places) == team.node_size


@pytest.mark.parametrize("nodes", [1, 2, 3])
def test_artificial_nodes(team, nodes):
    if nodes > team.size:
        pytest.skip("fewer ranks than nodes")
    split = Team(team.comm, nodes)
    assert split.node_count == (nodes if team.comm else 1)
    assert team.sum(split.node_rank == 0) == split.node_count
    members = [rank for rank, node in enumerate(team.all_gather(split.node_index)) if node == split.node_index]
    assert members.index(team.rank) == split.node_rank
    assert len(members) == split.node_size


def test_agree_shares_the_result_of_rank_0(team):
    calls = []

    def decide():
        calls.append(team.rank)
        return {"n": 3, "rank": team.rank}

    assert team.agree(decide) == {"n": 3, "rank": 0}
    assert calls == ([0] if team.rank == 0 else [])


@pytest.mark.parametrize(
    "error",
    [UserError("im1.tif is missing"), RunError("disk full"), Unfinished("left"), FileNotFoundError(2, "gone", "i.tif")],
    ids=lambda error: type(error).__name__,
)
def test_agree_raises_the_error_of_rank_0_everywhere(team, error):
    with pytest.raises(type(error)) as caught:
        team.agree(lambda: fail(error))
    assert str(caught.value) == str(error)
    assert caught.value.agreed
    assert team.sum(1) == team.size  # and the ranks are still together


def test_agree_shares_sys_exit(team):
    with pytest.raises(SystemExit) as caught:
        team.agree(lambda: fail(SystemExit(4)))
    assert caught.value.code == 4


def test_agree_within_agree_is_refused():
    """With more ranks it would hang: the others are not in it."""
    serial = Team()
    with pytest.raises(RuntimeError, match="agree within agree"):
        serial.agree(lambda: serial.agree(lambda: 5))
    assert serial.agree(lambda: 5) == 5


def test_fail_is_agreed(team):
    with pytest.raises(RunError, match="lost") as caught:
        team.fail(RunError("lost"))
    assert caught.value.agreed


@pytest.mark.parametrize("nodes", [None, 1, 2])
@pytest.mark.parametrize("block", [2**30, 1000])
def test_large_tables_come_once_a_node(team, nodes, block, monkeypatch):
    """What `agree` returns is the same on all ranks; large arrays lie in memory that a node shares, read-only."""
    if nodes and (team.comm is None or nodes > team.size):
        pytest.skip("fewer ranks than nodes")
    parted = Team(team.comm, nodes) if nodes else team
    monkeypatch.setattr(tables, "SHARED_FROM", 4000)
    monkeypatch.setattr(tables, "BLOCK", block)
    large, small = np.arange(3000.0).reshape(3, 1000), np.arange(10)
    made = []
    monkeypatch.setattr(parted, "shared_array", lambda *size: made.append(Team.shared_array(parted, *size)) or made[-1])
    found = parted.agree(lambda: {"a": [large, small], "again": large, "text": "x"})
    assert found["text"] == "x"
    np.testing.assert_array_equal(found["a"][0], large)
    np.testing.assert_array_equal(found["a"][1], small)
    assert found["again"] is found["a"][0]
    if team.size > 1:
        assert [len(array) for array in made] == [large.nbytes]
        assert np.shares_memory(found["a"][0], made[0])
        assert not found["a"][0].flags.writeable
        assert found["a"][1].flags.writeable


def test_on_root_keeps_the_result_there(team):
    result = team.on_root(lambda: np.arange(3))
    assert (result is None) == (team.rank > 0)
    with pytest.raises(UserError, match="no such point"):
        team.on_root(lambda: fail(UserError("no such point")))


def test_agree_all_returns_own_results(team):
    assert team.agree_all(lambda: team.rank * 2) == team.rank * 2


def test_agree_all_raises_the_first_error_everywhere(team):
    last = team.size - 1

    def fail_on_last_two():
        if team.rank >= last - 1:
            raise RunError(f"rank {team.rank} failed")
        return True

    with pytest.raises(RunError, match=f"^rank {max(last - 1, 0)} failed$"):
        team.agree_all(fail_on_last_two)


def test_reductions(team):
    ranks = np.arange(team.size)
    assert team.sum(team.rank) == ranks.sum()
    assert team.sum(np.array([1.0, team.rank])).tolist() == [team.size, ranks.sum()]
    assert team.max(team.rank) == team.size - 1
    assert team.any(team.rank == team.size - 1) is True
    assert team.any(False) is False
    assert team.broadcast("x" if team.rank == 0 else None) == "x"


@pytest.mark.parametrize("n", [0, 1, 2, 7, 1000])
def test_spans_share_everything(team, n):
    spans = team.all_gather(team.spans(n))
    assert spans[0][0] == 0
    assert spans[-1][1] == n
    assert all(a[1] == b[0] for a, b in zip(spans, spans[1:], strict=False))
    sizes = [stop - start for start, stop in spans]
    assert max(sizes) - min(sizes) <= 1
    start, stop = team.node_span(n)
    assert 0 <= start <= stop <= n


def test_shared_array_is_one_memory_per_node(team):
    shared = team.shared_array((6, 4), np.uint16)
    assert shared.shape == (6, 4)
    assert shared.dtype == np.uint16
    assert not shared.any()
    team.node_barrier()
    if team.node_rank == 0:
        shared[:] = team.node_index + 7
    team.node_barrier()
    assert (shared == team.node_index + 7).all()


def test_shared_array_filled(team):
    shared = team.shared_array(11, np.float64, fill=np.nan)
    assert np.isnan(shared).all()


def test_signal_sets_the_flag(team):
    before = signal.getsignal(signal.SIGUSR1)
    try:
        mine = Team()
        mine.listen()
        os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(0.01)
        assert mine.stop_requested
    finally:
        signal.signal(signal.SIGUSR1, before)
