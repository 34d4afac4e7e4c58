import numpy as np
import pytest

from hpcdvc.ranks.planes import join_planes, own_planes, swap
from hpcdvc.ranks.team import Team

pytestmark = pytest.mark.mpi


@pytest.fixture(params=[1, 2, 3])
def nodes(request, team):
    """The ranks grouped as if they stood on 1, 2 or 3 nodes."""
    if request.param > team.size:
        pytest.skip("fewer ranks than nodes")
    return Team(team.comm, request.param) if team.comm else team


@pytest.mark.parametrize("n", [0, 1, 2, 7, 100])
def test_every_plane_has_one_rank(nodes, n):
    spans = sorted(nodes.all_gather(own_planes(nodes, n)))
    assert [plane for span in spans for plane in range(*span)] == list(range(n))
    assert max(stop - start for start, stop in spans) <= n // nodes.size + 1 + (nodes.node_count > 1)


def test_nodes_complete_their_planes(nodes):
    whole = np.arange(35.0, dtype="f4").reshape(7, 5)
    array = nodes.shared_array(whole.shape, np.float32)
    span = slice(*own_planes(nodes, 7))
    array[span] = whole[span]
    nodes.node_barrier()
    join_planes(nodes, array)
    np.testing.assert_array_equal(array, whole)


def test_all_give_to_all(team):
    """Rank r gives rank s (r + 2 s) % 4 rows, none to some."""

    def rows(sender: int, receiver: int) -> np.ndarray:
        return np.full(((sender + 2 * receiver) % 4, 3), 10 * sender + receiver, "f4")

    got = {}

    def incoming(rank: int) -> np.ndarray:
        got[rank] = np.zeros_like(rows(rank, team.rank))
        return got[rank]

    swap(team, lambda rank: rows(team.rank, rank), incoming)
    assert sorted(got) == list(range(team.size))
    for rank, values in got.items():
        np.testing.assert_array_equal(values, rows(rank, team.rank))
