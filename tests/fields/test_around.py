"""Rows around points: index arithmetic on a grid finds what a look at all rows finds."""

import numpy as np
import pytest

from hpcdvc.fields.around import Around
from hpcdvc.fields.grid import Grid

GRIDS = {
    "volume": Grid((10.0, 12.0, 8.0), (10.0, 12.0, 8.0), (9, 10, 11)),
    "flat": Grid((0.0, 5.0, 7.0), (1.0, 5.0, 7.0), (1, 20, 23)),
    "thin": Grid((30.0, 10.0, 5.0), (30.0, 10.0, 5.0), (2, 12, 13)),
}


def points_about(grid: Grid, at_nodes: bool) -> np.ndarray:
    rng, positions = np.random.default_rng(1), grid.positions()
    if at_nodes:
        return positions[::3]
    points = rng.uniform(positions.min(axis=0) - 25, positions.max(axis=0) + 25, (200, 3))
    return points * [grid.shape[0] > 1, 1, 1]


@pytest.mark.parametrize("at_nodes", [False, True])
@pytest.mark.parametrize("how", [{"count": 1}, {"count": 8}, {"count": 90}, {"radius": 24.0}])
@pytest.mark.parametrize("name", GRIDS)
def test_what_all_rows_say(name, how, at_nodes):
    grid = GRIDS[name]
    usable = np.random.default_rng(0).random(grid.size) > 0.3
    usable.reshape(grid.shape)[:, :4, :6] = False
    points, positions = points_about(grid, at_nodes), grid.positions()
    distance = np.linalg.norm(positions - points[:, None], axis=2)
    distance[:, ~usable] = np.inf
    wanted = np.sort(distance, axis=1)[:, : how.get("count")]
    wanted[wanted > how.get("radius", np.inf)] = np.inf
    for around in (Around(positions, usable, grid, at_nodes=at_nodes, **how), Around(positions, usable, **how)):
        numbers, found = around(points)
        assert (np.isfinite(found) == (numbers >= 0)).all() and usable[numbers[numbers >= 0]].all()
        rows = np.repeat(np.arange(len(points)), numbers.shape[1]).reshape(numbers.shape)[numbers >= 0]
        np.testing.assert_allclose(distance[rows, numbers[numbers >= 0]], found[numbers >= 0])
        sizes = np.isfinite(found).sum(axis=1)
        assert (sizes == np.isfinite(wanted).sum(axis=1)).all()
        np.testing.assert_allclose(
            np.sort(found, axis=1)[np.isfinite(np.sort(found, axis=1))], wanted[np.isfinite(wanted)]
        )


def test_a_point_does_not_depend_on_the_others():
    grid = GRIDS["volume"]
    usable = np.random.default_rng(0).random(grid.size) > 0.97  # a tree finds some
    points = points_about(grid, False)
    around = Around(grid.positions(), usable, grid, count=20)
    whole, _ = around(points)
    alone = np.concatenate([around(points[k : k + 1])[0] for k in range(0, len(points), 9)])
    assert (whole[::9] == alone).all()


@pytest.mark.parametrize("how", [{"count": 3}, {"radius": 9.0}])
def test_nothing_there(how):
    grid, none = GRIDS["volume"], np.zeros(GRIDS["volume"].size, bool)
    for around in (Around(grid.positions(), none, grid, **how), Around(grid.positions(), none, **how)):
        numbers, distances = around(np.zeros((4, 3)))
        assert (numbers < 0).all() and np.isinf(distances).all() and len(numbers) == 4


def test_more_neighbours_than_there_are_nodes():
    """All are taken, and the search for more of them ends."""
    grid = Grid((10.0, 8.0, 6.0), (10.0, 8.0, 6.0), (3, 4, 5))
    usable = np.arange(grid.size) % 7 > 0
    numbers, distances = Around(grid.positions(), usable, grid, count=grid.size)(grid.positions()[:2] + 1.5)
    assert [sorted(row) for row in numbers.tolist()] == [np.flatnonzero(usable).tolist()] * 2
    assert np.isfinite(distances).all()
