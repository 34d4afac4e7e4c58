"""How labels of unlike costs are dealt: ranks that pull them end together, a large one does not hold up the others."""

import heapq
from types import SimpleNamespace

import numpy as np
import pytest

from hpcdvc.errors import Unfinished
from hpcdvc.fields.field import ROW
from hpcdvc.ranks.exchange import Queue
from hpcdvc.registration.labels import LARGE, seconds_per_label, seconds_together
from hpcdvc.registration.settings import Settings, Window
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.points import chunk_bounds, measure_points
from hpcdvc.runs.shards import Shards
from hpcdvc.runs.together import Together, count_together

SETTINGS = Settings(Window((1, 1, 1)))
#: What labels were measured to take beside what is predicted, by the voxels of their box (process time of 64 grains of
#: half axes of 5, 8 and 12 voxels each, and of a sphere of 40, cubic splines), and the spread of its logarithm among
#: labels of one size.
VOXELS, RATIO, SPREAD = (2197, 5832, 17576, 551368), (1.11, 0.78, 0.62, 1.2), 0.45
#: What fetching a chunk takes, seconds.
FETCH = 5e-6


def makespan(sides: np.ndarray, ranks: int, ranks_per_node: int, by_blocks: bool = True) -> float:
    """Time until all ranks are done, beside that of an even share, as labels with such boxes (n, 3) are dealt."""
    voxels = sides.prod(axis=1)
    seconds, large = seconds_per_label(voxels, SETTINGS), (voxels > LARGE) & by_blocks
    ratio = np.interp(np.log(voxels), np.log(VOXELS), RATIO) * np.random.default_rng(1).lognormal(
        0, SPREAD, len(voxels)
    )
    of_all = np.where(large, seconds_together(sides, SETTINGS, ranks), np.inf)
    order = np.argsort(-seconds, kind="stable")
    count = count_together(seconds[order], of_all[order], ranks)
    first, dealt = order[:count], order[count:]
    bounds = chunk_bounds(seconds[dealt], ranks)
    costs = np.add.reduceat((seconds * ratio)[dealt], bounds[:-1]) + FETCH
    ends = [
        _end_of(costs[chunks], ranks_per_node) for chunks in _by_node(bounds, ranks // ranks_per_node, ranks_per_node)
    ]
    together = (of_all * ratio)[first].sum() if count else 0.0
    return (together + max(ends)) / ((seconds * ratio).sum() / ranks)


def _by_node(bounds: np.ndarray, nodes: int, ranks_per_node: int) -> list[np.ndarray]:
    """Chunks of each node, as the queue deals them."""
    queue = Queue.__new__(Queue)
    queue._team, queue._bounds, queue._in_a_row = SimpleNamespace(node_sizes=[ranks_per_node] * nodes), bounds, np.inf
    return [queue._chunks_of(node) for node in range(nodes)]


def _end_of(costs: np.ndarray, ranks: int) -> float:
    """When the last rank of a node is done: each pulls the next chunk when it is free."""
    free = [0.0] * ranks
    for cost in costs:
        heapq.heapreplace(free, free[0] + cost)
    return max(free)


def labels(count: int, largest: float = 0.0) -> np.ndarray:
    """(n, 3) boxes of labels of many sizes, and of one that is this part of the volume of all."""
    volumes = np.exp(np.random.default_rng(3).normal(np.log(25**3), 0.8, count))
    if largest:
        volumes = np.append(volumes, largest / (1 - largest) * volumes.sum())
    return np.tile(np.cbrt(volumes)[:, None], 3)


@pytest.mark.parametrize(("ranks", "ranks_per_node"), [(16, 16), (128, 128), (128, 64), (1024, 128)])
def test_ranks_end_together(ranks, ranks_per_node):
    assert makespan(labels(10_000 if ranks < 1024 else 100_000), ranks, ranks_per_node) < 1.15


@pytest.mark.parametrize(("ranks", "ranks_per_node"), [(16, 16), (128, 64), (1024, 128)])
def test_one_large_label_holds_up_nobody(ranks, ranks_per_node):
    count = 10_000 if ranks < 1024 else 100_000
    sides = labels(count, 0.1)
    assert sides[-1].prod() > LARGE
    assert makespan(sides, ranks, ranks_per_node) < 1.15
    # one rank would need longer for it than the others for all the rest
    assert ranks == 16 or makespan(sides, ranks, ranks_per_node, by_blocks=False) > 3


def test_how_many_are_measured_together():
    small, of_all = np.full(1000, 0.01), np.full(1000, np.inf)
    # two that take longer than a share; one rank; one that takes less, and those that cannot be
    assert count_together(np.append([3.0, 2.0], small), np.append([0.2, 0.2], of_all), 16) == 2
    assert count_together(np.append([3.0, 2.0], small), np.append([3.01, 2.01], of_all), 1) == 0
    assert count_together(np.append(0.02, small), np.append(0.019, of_all), 16) == 0
    assert count_together(small, of_all, 16) == 0


def rows_of(numbers: np.ndarray) -> np.ndarray:
    rows = np.zeros(len(numbers), ROW)
    rows["index"], rows["error"], rows["return_status"] = numbers, np.sqrt(numbers), 2
    return rows


@pytest.mark.mpi
def test_each_point_is_measured_once(team, shared_tmp_path):
    """Some by all ranks, in order; one that they leave is dealt; a run that was left goes on."""
    seconds, seen = np.linspace(0.002, 0.001, 40), []
    seconds[[7, 30, 31]] = 5.0, 4.0, 3.0

    def measure(number: int) -> np.ndarray:
        seen.append(number)
        if stop:
            team._on_stop(0, None)
        return rows_of(np.array([number]))[: number != 30]

    together = Together(np.array([7, 30, 31]), np.full(3, 0.01), measure)

    def run() -> np.ndarray:
        checkpoint = Checkpoint(Shards(shared_tmp_path / "points", {}, unit="points"), team)
        return measure_points(team, 40, rows_of, seconds, checkpoint, True, together=together)

    try:
        stop = True
        with pytest.raises(Unfinished, match="39 of 40"):
            run()
        assert seen == [7]
    finally:
        team.stop_requested = stop = False
    del seen[:]
    ordered, _ = team.collect(run(), 40)
    assert seen == [30, 31]
    assert team.rank > 0 or ordered.tobytes() == rows_of(np.arange(40)).tobytes()


@pytest.mark.mpi
def test_points_that_are_measured_together(team, shared_tmp_path):
    """A chunk is what it is told to be, the last one what is left."""
    shards, seen = Shards(str(shared_tmp_path / "a"), {}, ROW), []

    def measure(numbers):
        seen.append(numbers.tolist())
        rows = np.zeros(len(numbers), ROW)
        rows["index"] = numbers
        return rows

    measure_points(team, 40, measure, 1.0, Checkpoint(shards, team), True, chunk=7)
    chunks = sorted(sum(team.all_gather(seen), []))
    assert chunks == [list(range(k, min(k + 7, 40))) for k in range(0, 40, 7)]
