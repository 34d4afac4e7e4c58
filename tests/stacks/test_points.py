"""One shift of a pair from a similarity map: of the whole, or of windows at points."""

import logging

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from hpcdvc.errors import UserError
from hpcdvc.fields.status import Status
from hpcdvc.stacks.points import GLOBAL_VALUES, global_shift_of_map, global_shift_of_points
from hpcdvc.stacks.similarity import correlation_map, pixels_alike_of

REACH, POINTS = (-6, 6, -6, 6), {"points": None, "half_window": 8, "reach": (-6, 6, -6, 6)}


def waves(shift=(0.0, 0.0), shape=(56, 60), seed=1) -> np.ndarray:
    """A texture of cosines, exact at places moved by any shift: what lies at x lies at x + shift."""
    random = np.random.default_rng(seed)
    y, x = np.indices(shape) - np.reshape(shift, (2, 1, 1))
    out = np.full(shape, 100.0)
    for _ in range(40):
        ky, kx, phase = *random.uniform(-1.2, 1.2, 2), random.uniform(0, 2 * np.pi)
        out += 8 * np.cos(ky * y + kx * x + phase)
    return out


@pytest.mark.parametrize("shift", [(2.3, -4.6), (0, 0), (-5.4, 0.4)])
def test_truth(shift):
    im1, im2 = waves(), waves(shift)
    one, many = global_shift_of_map(im1, im2, REACH), global_shift_of_points(im1, im2, **POINTS)
    assert one.status == many.status == Status.CONVERGED
    assert np.allclose(one.displacement, shift, atol=0.1) and np.allclose(many.displacement, shift, atol=0.1)
    place = tuple(np.rint(shift).astype(int) - one.lowest)
    assert one.scores.shape == (13, 13) and one.scores[place] == pytest.approx(one.score, abs=0.2)
    assert (many.statuses == 2).all() and many.points.shape == many.displacements.shape == (30, 2)
    assert (many.std < 0.05).all()


@pytest.mark.parametrize("half_window", [8, 14])
def test_windows_that_share_pixels_share_errors(half_window):
    """30 windows of a small image are far from 30 independent ones."""
    shift, found = (2.3, -4.6), []
    for seed in range(12):
        random = np.random.default_rng(seed)
        im1, im2 = (waves(at, seed=seed) + random.normal(0, 25, (56, 60)) for at in ((0, 0), shift))
        many = global_shift_of_points(im1, im2, **POINTS | {"half_window": half_window})
        assert many.status == Status.CONVERGED
        found.append((many.displacement - shift, many.std))
    errors, std = np.array(found).transpose(1, 0, 2)
    assert 0.7 < std.mean() / np.sqrt(np.mean(errors**2)) < 1.6


def test_ranges_need_not_be_about_zero():
    shift = global_shift_of_map(waves(), waves((8.2, -3.1)), (5, 11, -5, -1))
    assert np.allclose(shift.displacement, (8.2, -3.1), atol=0.1) and shift.lowest == (5, -5)


def test_stacks_have_one_shift():
    """Of frames in which there is more noise than texture."""
    random = np.random.default_rng(2)
    im1, im2 = (np.array([waves(s, seed=k) for k in range(12)]) for s in ((0, 0), (1.6, 2.2)))
    im1, im2 = (stack + random.normal(0, 60, stack.shape) for stack in (im1, im2))
    one = global_shift_of_map(im1, im2, REACH)
    assert one.status == Status.CONVERGED and np.allclose(one.displacement, (1.6, 2.2), atol=0.15)
    assert global_shift_of_points(im1, im2, **POINTS | {"half_window": 18}).status == Status.CONVERGED


def test_along_one_axis():
    shift = global_shift_of_map(waves(), waves((0, 2.4)), REACH, axis=1)
    assert shift.displacement[0] == 0 and shift.displacement[1] == pytest.approx(2.4, abs=0.05)
    other = global_shift_of_map(waves(), waves((3.4, 2.4)), REACH, axis=1)
    assert other.status != Status.CONVERGED and np.isnan(other.displacement).all()


def test_pixels_that_are_not_there():
    im1, im2 = waves(), waves((2.3, -4.6))
    im1[10:18, 5:40], im2[30:44, 20:30] = np.nan, np.inf
    for shift in (global_shift_of_map(im1, im2, REACH), global_shift_of_points(im1, im2, **POINTS)):
        assert shift.status == Status.CONVERGED and np.allclose(shift.displacement, (2.3, -4.6), atol=0.1)
    im2[:, :45] = np.nan
    assert global_shift_of_map(im1, im2, REACH).status == Status.FEW_VALID_VOXELS


@pytest.mark.parametrize("measure", [global_shift_of_map, lambda a, b, reach: global_shift_of_points(a, b, **POINTS)])
def test_what_has_no_shift(measure):
    """Constant images, unrelated ones, shifts beyond the range and textures that repeat themselves: no number."""
    y, x = np.indices((56, 60))
    lattice = 100 + 20 * np.cos(2 * np.pi * y / 5) * np.cos(2 * np.pi * x / 4)
    pairs = {
        Status.SINGULAR: [(waves(), np.full((56, 60), 7.0)), (np.full((56, 60), 7.0), waves())],
        Status.BORDER_OF_RANGE: [(waves(), waves((6.8, 0)))],
        Status.AMBIGUOUS: [(lattice, lattice)],
    }
    for status, images in pairs.items():
        for im1, im2 in images:
            found = measure(im1, im2, REACH)
            assert found.status == status and np.isnan(found.displacement).all()
    measured = 0
    for seed in range(9):
        im1, im2 = (
            gaussian_filter(np.random.default_rng((seed, k)).normal(0, 1, (56, 60)), seed % 3) for k in range(2)
        )
        found = measure(im1, im2, REACH)
        measured += found.status == Status.CONVERGED
        assert np.isfinite(found.displacement).all() == (found.status == Status.CONVERGED)
    assert measured <= 1


def test_maximum_on_the_border_of_the_range():
    """A match all the same: its neighbour beyond, which is looked at for this, is less."""
    shift = global_shift_of_map(waves(), waves((5.8, 0.2)), REACH)
    assert shift.status == Status.CONVERGED and np.allclose(shift.displacement, (5.8, 0.2), atol=0.05)


def test_points_given(caplog):
    im1, im2 = waves(), waves((1.3, -2.6))
    edge = 8 + 6
    points = np.array([(edge, edge), (edge - 1, 30), (55 - edge, 59 - edge), (30, 60)])
    with caplog.at_level(logging.WARNING, "hpcdvc"):
        found = global_shift_of_points(im1, im2, **POINTS | {"points": points})
    assert (found.points == points[[0, 2]]).all() and "2 of 4 points have no place" in caplog.text
    values = [global_shift_of_points(im1, im2, **POINTS, global_value=name).displacement for name in GLOBAL_VALUES]
    assert np.ptp(values, axis=0).max() < 0.05 and len({tuple(v) for v in values}) == 3
    again = global_shift_of_points(im1, im2, **POINTS)
    assert (again.points == global_shift_of_points(im1, im2, **POINTS).points).all()
    assert (again.points != global_shift_of_points(im1, im2, **POINTS, seed=1).points).any()


@pytest.mark.parametrize(
    "options, words",
    [
        ({"points": [(2, 2)]}, "none of the points has place"),
        ({"half_window": 30}, "there is no place for"),
        ({"half_window": 0}, "single pixel"),
        ({"global_value": "mode"}, "is none of"),
    ],
)
def test_what_does_not_fit(options, words):
    with pytest.raises(UserError, match=words):
        global_shift_of_points(waves(), waves(), **POINTS | options)


def test_ranges_and_shapes_that_do_not_fit():
    with pytest.raises(UserError, match="leaves no window"):
        global_shift_of_map(waves(), waves(), (-27, 27, 0, 0))
    with pytest.raises(UserError, match="one shape"):
        global_shift_of_map(waves(), waves()[1:], REACH)


def test_map_of_what_is_there():
    """Pearson's formula over the pixels that count in both, at every place."""
    random = np.random.default_rng(0)
    image, window = random.normal(5, 1, (2, 14, 15)), random.normal(5, 1, (2, 6, 7))
    image[0, 4:7, 3:9], window[1, 2, 2] = np.nan, np.nan
    scores = correlation_map(image, window)
    for i, j in ((0, 0), (3, 2), (8, 8)):
        part = image[:, i : i + 6, j : j + 7]
        both = np.isfinite(part) & np.isfinite(window)
        assert scores[i, j] == pytest.approx(np.corrcoef(part[both], window[both])[0, 1], abs=1e-12)


@pytest.mark.parametrize("width, least, most", [(0, 1, 1.4), (1.5, 10, 20)])
def test_pixels_that_are_no_news(width, least, most):
    """Noise is all news; of noise that a Gaussian of variance s^2 has smoothed 2 pi s^2 pixels, 14.1, are not."""
    one, two = (gaussian_filter(np.random.default_rng(k).normal(0, 1, (1, 90, 90)), (0, width, width)) for k in (1, 2))
    assert least <= pixels_alike_of(one, two) <= most
