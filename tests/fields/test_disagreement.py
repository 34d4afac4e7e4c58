"""The share of rows that disagree with their neighbours: of an honest field none, of one with wrong rows these."""

import numpy as np
import pytest
from planted_field import planted_field

from hpcdvc.fields.outliers import boxes_of, disagreeing


@pytest.mark.parametrize("flat", [False, True])
def test_planted_rows_are_found(flat):
    """A rotated and curved field, 5 % of it wrong, also in clusters."""
    grid, u, wrong = planted_field(flat)
    usable, some = np.ones(grid.size, bool), np.sort(np.random.default_rng(1).permutation(grid.size)[:700])
    judged, found = disagreeing(boxes_of(grid, usable), u, np.full(grid.size, 0.02**2), some, 3 - flat)
    assert judged.all() and 15 < wrong[some].sum() < 70
    assert (found & wrong[some]).sum() >= 0.8 * wrong[some].sum() and (found & ~wrong[some]).sum() <= 2


def test_an_honest_field_agrees_with_itself():
    """Noise, rotation and curvature are no disagreement."""
    grid, u, _ = planted_field(part=0)
    judged, found = disagreeing(boxes_of(grid, np.ones(grid.size, bool)), u, np.zeros(grid.size), np.arange(800))
    assert judged.all() and found.sum() == 0


def test_a_row_is_excused_by_its_own_deviation():
    grid, u, _ = planted_field(part=0)
    u[900] += 3.0
    usable, variance = np.ones(grid.size, bool), np.zeros(grid.size)
    assert disagreeing(boxes_of(grid, usable), u, variance, np.array([900]))[1][0]
    assert not disagreeing(boxes_of(grid, usable), u, variance + 2.0**2, np.array([900]))[1][0]
    usable[:] = np.arange(grid.size) > 890  # hardly any neighbours
    usable[910:] = False
    assert not disagreeing(boxes_of(grid, usable), u, variance, np.array([900]))[0][0]
