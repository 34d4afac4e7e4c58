"""Residuals of planes and their norms, against numpy in one go."""

import numpy as np
import pytest

from hpcdvc.deformation import residual
from hpcdvc.deformation.residual import norms, residual_of

RNG = np.random.default_rng(2)


@pytest.mark.parametrize("block", [1, 50, 2**15])
@pytest.mark.parametrize(("first", "second"), [("u2", "u2"), ("u1", "f4"), ("i4", "u4"), ("f8", "f8")])
def test_residual(first, second, block, monkeypatch):
    monkeypatch.setattr(residual, "BLOCK", block)
    shape = (30, 17)
    deformed, im1 = (RNG.uniform(0, 200, shape).astype(first) for _ in range(2))
    im2 = RNG.uniform(0, 200, shape).astype(second)
    inside = (RNG.random(shape) > 0.3).astype("u1")
    result, sums = residual_of(deformed, inside, im1, im2)
    use = inside > 0
    before, after = (image[use].astype("f8") - im2[use] for image in (im1, deformed))
    assert result.dtype == np.float32 and not result[~use].any()
    np.testing.assert_array_equal(result[use], after.astype("f4"))
    count, was, left = norms(sums)
    assert count == use.sum()
    assert was == pytest.approx(np.sqrt(np.mean(before**2)), rel=1e-12)
    assert left == pytest.approx(np.sqrt(np.mean(after**2)), rel=1e-12)


def test_what_is_not_a_number_does_not_count():
    deformed, im1, im2 = np.ones((3, 3, 4), "f4")
    deformed[0, 1] = im1[1, 1] = np.nan
    im2[2, 2] = np.inf
    result, sums = residual_of(deformed, np.ones((3, 4), "u1"), im1, im2)
    assert sums.tolist() == [9, 0, 0] and not result.any()


def test_nothing_inside():
    result, sums = residual_of(*np.ones((4, 3, 4), "u1") * np.array([1, 0, 1, 1], "u1")[:, None, None])
    count, before, after = norms(sums)
    assert count == 0 and np.isnan([before, after]).all() and not result.any()
