"""Rows that do not fit their neighbours."""

import numpy as np
import pytest
from planted_field import planted_field

from hpcdvc.fields.around import Around
from hpcdvc.fields.filters import Boxes
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.misfit import NEAREST, misfit

GRID = Grid((10.0, 12.0, 8.0), (10.0, 12.0, 8.0), (7, 8, 9))


def ratios(grid, u, usable=None):
    """Of all nodes that count."""
    usable = np.ones(grid.size, bool) if usable is None else usable
    return misfit(Boxes(grid, usable, (2, 2, 2)), grid.positions(), u, np.flatnonzero(usable))


@pytest.mark.parametrize(("flat", "amplitude"), [(False, 1.0), (False, 2.5), (True, 1.0)])
@pytest.mark.parametrize("scattered", [False, True], ids=["grid", "scattered"])
def test_planted_rows_are_found(flat, amplitude, scattered):
    """5 % of the rows are wrong: alone, in clusters of 8, on the border; the field turns by 10 degrees and is bent."""
    grid, u, wrong = planted_field(flat, amplitude=amplitude)
    positions, usable = grid.positions(), np.ones(grid.size, bool)
    nearest = Around(positions, usable, None, None, NEAREST[2 if flat else 3] + 1)
    found = misfit(nearest if scattered else Boxes(grid, usable, (2, 2, 2)), positions, u, np.arange(grid.size)) > 2.5
    assert found[wrong].mean() >= 0.95
    assert found[~wrong].mean() <= 0.005


@pytest.mark.parametrize("seed", range(1, 5))
def test_planted_rows_of_other_fields_are_found(seed):
    grid, u, wrong = planted_field(seed=seed, amplitude=2)
    found = ratios(grid, u) > 2.5
    assert found[wrong].mean() >= 0.95
    assert found[~wrong].mean() <= 0.005


@pytest.mark.parametrize("width", [0.01, 3.0, 10.0])
@pytest.mark.parametrize("place", [0.0, 0.25, 0.5])
def test_both_sides_of_a_shear_band_are_right(width, place):
    """Five nodes along each edge: one side has two planes of them, or the band one of its own."""
    grid = Grid((10.0,) * 3, (10.0,) * 3, (5, 5, 5))
    positions = grid.positions()
    u = np.random.default_rng(0).normal(scale=0.02, size=positions.shape)
    u[:, 1] += 3 * np.tanh((positions[:, 2] - 30 - 10 * place) / width)
    assert not (ratios(grid, u) > 2.5).any()
    wrong = np.zeros(grid.size, bool)
    wrong[[31, 62, 93, 118]] = True
    u[wrong] += (2, -2, 3)
    assert (ratios(grid, u) > 2.5)[wrong].all()


def test_too_few_neighbours_tell_nothing():
    usable = np.zeros(GRID.size, bool)
    usable[[0, 1, 2, 9, 300]] = True
    assert np.isnan(ratios(GRID, np.zeros((GRID.size, 3)), usable)).all()


def test_rotation_and_strain_are_no_misfit():
    u = GRID.positions() @ np.array([[0.1, 0.3, -0.2], [-0.3, 0.1, 0.0], [0.2, 0.1, -0.1]])
    assert ratios(GRID, u, np.random.default_rng(0).random(GRID.size) > 0.2).max() < 1e-8
