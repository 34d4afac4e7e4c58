"""Residuals of planes and their norms, against numpy in one go."""

import numpy as np
import pytest

from hpcdvc.deformation import residual
from hpcdvc.deformation.residual import (
    AS_THEY_ARE,
    GreyFit,
    fits_of,
    grey_sums,
    norms,
    planes_of_fit,
    residual_of,
)

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
    assert result.dtype == np.float32 and np.isnan(result[~use]).all()
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
    assert sums.tolist() == [9, 0, 0]
    assert np.isnan(result).sum() == 3 and not np.nan_to_num(result).any()
    assert grey_sums(deformed, np.ones((3, 4), "u1"), im1, im2).tolist() == [9] * 7


def test_nothing_inside():
    result, sums = residual_of(*np.ones((4, 3, 4), "u1") * np.array([1, 0, 1, 1], "u1")[:, None, None])
    count, before, after = norms(sums)
    assert count == 0 and np.isnan([before, after]).all() and np.isnan(result).all()
    assert fits_of(np.zeros(7)) == AS_THEY_ARE


@pytest.mark.parametrize("block", [1, 50, 2**15])
def test_gain_and_offset(block, monkeypatch):
    """As numpy has them over the voxels with a value, with which means and standard deviations agree."""
    monkeypatch.setattr(residual, "BLOCK", block)
    texture, inside = RNG.normal(30000, 5000, (30, 17)), (RNG.random((30, 17)) > 0.3).astype("u1")
    im1, im2 = texture[::-1], 0.4 * texture + 700 + RNG.normal(0, 100, texture.shape)
    use = inside > 0
    for fit, image in zip(fits_of(grey_sums(texture, inside, im1, im2)), (im1, texture), strict=True):
        assert np.mean(fit(image)[use]) == pytest.approx(np.mean(im2[use]), rel=1e-9)
        assert np.std(fit(image)[use]) == pytest.approx(np.std(im2[use]), rel=1e-6)
    result, sums = residual_of(texture, inside, im1, im2, (GreyFit(), fit))
    np.testing.assert_allclose(result[use], (fit(texture) - im2)[use], rtol=1e-6, atol=1e-2)
    assert norms(sums)[2] == pytest.approx(100, rel=0.1)


def test_noise_in_both_images_takes_nothing_from_the_gain():
    texture = RNG.normal(0, 1, (300, 300))
    deformed, im2 = (texture + RNG.normal(0, 0.5, texture.shape) for _ in range(2))
    _, fit = fits_of(grey_sums(deformed, np.ones(texture.shape, "u1"), deformed, im2))
    assert fit.gain == pytest.approx(1, abs=0.01)


def test_even_images_have_no_gain():
    even, rounded = np.full((9, 9), 1e6), np.full((9, 9), 3e5)
    rounded[::2] += 1e-4
    _, fit = fits_of(grey_sums(even, np.ones((9, 9), "u1"), even, rounded))
    assert fit.gain == 1 and fit.offset == pytest.approx(-7e5)


def test_planes_of_fit():
    assert planes_of_fit(1).tolist() == [0] and planes_of_fit(64).tolist() == list(range(64))
    some = planes_of_fit(1000)
    assert len(some) == 64 and (some[0], some[-1]) == (0, 999) and np.ptp(np.diff(some)) <= 1
