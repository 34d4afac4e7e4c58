"""Smooth fields."""

import numpy as np
import pytest
from scipy import ndimage

from hpcdvc.fields.filters import Boxes, gaussian_in_boxes, median_in_boxes
from hpcdvc.fields.grid import Grid

GRID = Grid((10.0, 12.0, 8.0), (10.0, 12.0, 8.0), (7, 8, 9))


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
