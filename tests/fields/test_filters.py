"""Rows that do not fit their neighbours, and smooth fields."""

import numpy as np
import pytest
from planted_field import planted_field
from scipy import ndimage

from hpcdvc.fields.around import Around
from hpcdvc.fields.filters import Boxes, gaussian_in_boxes, median_in_boxes, misfit
from hpcdvc.fields.grid import Grid

GRID = Grid((10.0, 12.0, 8.0), (10.0, 12.0, 8.0), (7, 8, 9))


@pytest.mark.parametrize("flat", [False, True], ids=["volume", "flat"])
@pytest.mark.parametrize("scattered", [False, True], ids=["grid", "scattered"])
def test_planted_rows_are_found(flat, scattered):
    """5 % of the rows are wrong: alone, in clusters of 8, on the border; the field turns by 10 degrees and is bent."""
    grid, u, wrong = planted_field(flat)
    positions, usable = grid.positions(), np.ones(grid.size, bool)
    around = Around(positions, usable, None, None, 25 if flat else 125) if scattered else Boxes(grid, usable, (2, 2, 2))
    found = misfit(around, positions, u, np.arange(grid.size)) > 2.5
    # the 24 nearest of a cluster of 8 in a plane hold 7 that agree with it: a box fares a little better
    assert found[wrong].mean() >= (0.9 if flat and scattered else 0.95)
    assert found[~wrong].mean() <= 0.005


def test_too_few_neighbours_tell_nothing():
    usable = np.zeros(GRID.size, bool)
    usable[[0, 1, 2, 9, 300]] = True
    ratio = misfit(Boxes(GRID, usable, (2, 2, 2)), GRID.positions(), np.zeros((GRID.size, 3)), np.flatnonzero(usable))
    assert np.isnan(ratio).all()


def test_rotation_and_strain_are_no_misfit():
    u = GRID.positions() @ np.array([[0.1, 0.3, -0.2], [-0.3, 0.1, 0.0], [0.2, 0.1, -0.1]])
    usable = np.random.default_rng(0).random(GRID.size) > 0.2
    assert misfit(Boxes(GRID, usable, (2, 2, 2)), GRID.positions(), u, np.flatnonzero(usable)).max() < 1e-8


@pytest.mark.parametrize("half", [1, 2])
def test_median_is_that_of_scipy(half):
    values = np.random.default_rng(0).normal(size=(GRID.size, 2))
    boxes = Boxes(GRID, np.ones(GRID.size, bool), (half,) * 3, mirrored=True)
    found = median_in_boxes(boxes, values, np.arange(GRID.size))
    for k in range(2):
        wanted = ndimage.median_filter(values[:, k].reshape(GRID.shape), 2 * half + 1, mode="reflect")
        np.testing.assert_array_equal(found[:, k].reshape(GRID.shape), wanted)


def test_median_leaves_out_what_does_not_count():
    values, usable = np.arange(GRID.size, dtype=float)[:, None], np.ones(GRID.size, bool)
    usable[100:200] = False
    values[~usable] = np.nan
    assert np.isfinite(median_in_boxes(Boxes(GRID, usable, (1, 1, 1), True), values, np.flatnonzero(usable))).all()


def test_gaussian():
    """Inside it is the mean with Gaussian weights; affine fields stay, also at borders and gaps."""
    values = np.random.default_rng(0).normal(size=(GRID.size, 2, 2))
    boxes = Boxes(GRID, np.ones(GRID.size, bool), (3, 3, 3))
    middle = np.ravel_multi_index((3, 4, 4), GRID.shape)
    squares = (boxes.steps**2).sum(axis=1)
    weights, rows = np.exp(-squares / 2), middle + boxes.steps @ [72, 9, 1]
    found = gaussian_in_boxes(boxes, values, np.array([middle]), 1.0)[0]
    np.testing.assert_allclose(found, np.tensordot(weights / weights.sum(), values[rows], 1), atol=1e-10)
    affine = GRID.positions() @ np.random.default_rng(1).normal(size=(3, 3))
    usable = np.random.default_rng(2).random(GRID.size) > 0.3
    rows = np.flatnonzero(usable)
    smooth = gaussian_in_boxes(Boxes(GRID, usable, (3, 3, 3)), affine, rows, 1.0)
    np.testing.assert_allclose(smooth, affine[rows], atol=1e-8)
