"""Refinement by Gauss-Newton: against its slow twin, against the truth, and where there is nothing to be found."""

import numpy as np
import pytest
from reference_refine import refined_window
from scipy import ndimage
from speckle_cases import found_at, speckle_pair

from hpcdvc.fields.status import Status
from hpcdvc.stacks import missing
from hpcdvc.stacks.dense import DenseSettings
from hpcdvc.stacks.missing import filled_in
from hpcdvc.stacks.refine import MOST_MOVED, halo, refine_rows
from hpcdvc.stacks.windows import window_taps

SHAPE = (40, 44)


def settings_of(half=4, **others) -> DenseSettings:
    return DenseSettings(half, (-3, 3, -3, 3), **{"template": "im2", **others})


def stretched(y, x):
    return 0.4 + 0.02 * y - 0.01 * x, -0.7 + 0.015 * x + 0.005 * y


def refined(im1, im2, displacement, settings, kind, height=None, **others):
    """All rows of a pair, started at a displacement (H, W, 2)."""
    found = found_at(displacement, settings.half_window)
    return refine_rows(im1, im2, 0, range(im1.shape[1]), im1.shape[1], found, settings, kind, **others)


def errors_of(result, truth):
    return (result["displacement"] - truth)[result["status"] == Status.CONVERGED]


@pytest.mark.parametrize("kind", ["gn", "gnaffine"])
@pytest.mark.parametrize("half, window", [(3, "hamming"), (5, None)])
def test_twin(kind, half, window):
    im1, im2, truth = speckle_pair(SHAPE, stretched, frames=3, noise=0.1)
    taps = window_taps(window, half)
    result = refined(im1, im2, np.round(truth), settings_of(half, taps=taps), kind)
    for pixel in [(half + 1, 20), (17, 12), (25, 33)]:
        assert result["status"][pixel] == Status.CONVERGED
        start = -np.round(truth[pixel])
        place, _, _, score = refined_window(im2, im1, pixel, start, half, kind == "gnaffine", taps or None)
        np.testing.assert_allclose(result["displacement"][pixel], -place, atol=6e-4)  # the last step is below 5e-4
        np.testing.assert_allclose(result["score"][pixel], score, atol=2e-5)


@pytest.mark.parametrize("template", ["im1", "im2"])
@pytest.mark.parametrize("shape", [(40, 44), (41, 43)])
def test_truth_of_a_stretch(shape, template):
    """Exactly affine: nothing is left but interpolation; a translation averages over the window, to the same here."""
    im1, im2, truth = speckle_pair(shape, stretched, frames=2)
    if template == "im1":
        im1, im2, truth = im2, im1, -truth
    result = refined(im1, im2, np.round(truth), settings_of(4, template=template), "gnaffine")
    errors = errors_of(result, truth)
    assert len(errors) > 0.8 * (shape[0] - 8) * (shape[1] - 8)
    assert np.sqrt((errors**2).mean(axis=0)).max() < 0.004 and np.abs(errors.mean(axis=0)).max() < 0.001
    assert result["score"][result["status"] == 2].min() > 0.999
    plain = errors_of(refined(im1, im2, np.round(truth), settings_of(4, template=template), "gn"), truth)
    assert 0.004 < np.sqrt((plain**2).mean(axis=0)).max() < 0.1


@pytest.mark.parametrize("kind", ["gn", "gnaffine"])
def test_noise_does_not_pull(kind):
    """With the gradient of the image that is interpolated the result is drawn to the half pixel, by 0.076 pixels."""
    shift, rng = (0.25, -0.3), np.random.default_rng(4)
    settings, errors, reported = settings_of(5, step=8), [], []
    some = {name: values[8:112:8, ::8] for name, values in found_at(np.zeros((120, 120, 2)), 5).items()}
    pairs = [speckle_pair((120, 120), lambda y, x: shift, seed=seed)[:2] for seed in range(5)]
    for pair in 5 * pairs:
        noisy = [(image + rng.normal(scale=0.4, size=image.shape)).astype("f4") for image in pair]
        result = refine_rows(*noisy, 0, range(8, 112, 8), 120, some, settings, kind)
        errors.append(errors_of(result, shift))
        reported.append(result["std"][result["status"] == Status.CONVERGED])
    errors, reported = np.concatenate(errors), np.concatenate(reported)
    assert len(errors) > (0.99 if kind == "gn" else 0.85) * 25 * 13**2
    assert np.abs(errors.mean(axis=0)).max() < 0.01
    ratio = np.sqrt((reported**2).mean(axis=0)) / errors.std(axis=0)
    assert ((ratio > 0.8) & (ratio < 1.2)).all(), ratio


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("kind", ["gn", "gnaffine"])
def test_bits_do_not_depend_on_the_band(kind, partial):
    im1, im2, truth = speckle_pair((130, 40), stretched, frames=2, noise=0.2)
    im1[0, 60:63, 20:24], im2[1, 40, 10] = np.nan, np.inf
    settings = settings_of(4, partial=partial)
    found = found_at(np.round(truth), 4)
    every = refine_rows(im1, im2, 0, range(130), 130, found, settings, kind)
    around = halo(settings)
    for rows in (range(3), range(57, 66), range(64, 65), range(124, 130)):
        first, last = max(0, rows.start - around), min(130, rows.stop + around)
        some = {name: values[rows.start : rows.stop] for name, values in found.items()}
        bands = (np.ascontiguousarray(image[:, first:last]) for image in (im1, im2))
        part = refine_rows(*bands, first, rows, 130, some, settings, kind)
        for name, values in part.items():
            np.testing.assert_array_equal(values, every[name][rows.start : rows.stop], name)
    with pytest.raises(ValueError, match="need .* more on both sides"):
        refine_rows(im1[:, 20:90], im2[:, 20:90], 20, range(57, 66), 130, found, settings, kind)


def test_pixels_missing_in_some_frames():
    """Left out where they are missing, the others count; without `partial` the window is not measured."""
    im1, im2, truth = speckle_pair(SHAPE, lambda y, x: (0.3, -0.4), frames=4)
    holes = np.random.default_rng(5).random(im1.shape) < 0.03
    start, whole, pixel = np.zeros_like(truth), settings_of(4, partial=True), (20, 22)
    one, two = np.where(holes, np.nan, im1), np.where(holes[::-1], np.nan, im2)
    for a, b in ((one, im2), (im1, two), (one, two)):
        result = refined(a, b, start, whole, "gn")
        errors = errors_of(result, truth)
        assert len(errors) == 31 * 35  # the others leave im1
        assert np.abs(errors).max() < 0.01
    there = np.isfinite(two)
    place, _, _, score = refined_window(im2, im1, pixel, (0, 0), 4, False, there=there)
    np.testing.assert_allclose(refined(im1, two, start, whole, "gn")["displacement"][pixel], -place, atol=6e-4)
    result = refined(im1, two, start, settings_of(4), "gn")
    holed = np.array([[~there[:, y - 4 : y + 5, x - 4 : x + 5].all() for x in range(4, 40)] for y in range(4, 36)])
    assert (result["status"][4:-4, 4:-4][holed] == Status.FEW_VALID_VOXELS).all()
    assert (result["status"][4:-4, 4:-4][~holed] == Status.CONVERGED).all()


def test_beside_a_hole_in_both():
    """A region that is missing in all frames: windows beside it are right, those that touch it have no number."""
    im1, im2, truth = speckle_pair((60, 60), lambda y, x: (0.3, -0.4), frames=2)
    im1[:, 20:30, 20:30] = np.nan
    im2[:, 20:30, 20:30] = np.nan
    result = refined(im1, im2, np.zeros_like(truth), settings_of(4), "gn")
    touching = np.zeros((60, 60), bool)
    touching[16:34, 16:34] = True
    assert (result["status"][touching] == Status.FEW_VALID_VOXELS).all()
    # in im1 windows lie by (-0.3, 0.4) farther: a row and a column more touch it, and as many leave the image
    assert (result["status"] == Status.CONVERGED).sum() == 51 * 51 - 19 * 19
    assert np.abs(errors_of(result, truth)).max() < 0.01


@pytest.mark.parametrize("kind", ["gn", "gnaffine"])
def test_nothing_to_be_found(kind):
    """Unrelated images, a start far off, constant images: seldom a number, and never one far from the start."""
    im1, im2, truth = speckle_pair((48, 48), lambda y, x: (0.0, 0.0), frames=1, noise=0.05)
    other = speckle_pair((48, 48), lambda y, x: (0.0, 0.0), frames=1, noise=0.05, seed=9)[0]
    start = np.zeros_like(truth)
    for image in (other, np.random.default_rng(3).normal(size=im1.shape).astype("f4")):
        result = refined(image, im2, start, settings_of(5), kind)
        moved = np.abs(result["displacement"][result["status"] == 2])
        assert len(moved) < 0.4 * 38 * 38
        assert (moved <= MOST_MOVED).all()
    far = refined(im1, im2, start + 5, settings_of(5), kind)
    assert (far["status"] == 2).sum() < 0.4 * 38 * 38
    for a, b in ((im1, np.full_like(im1, 7)), (np.full_like(im1, 7), im2), (0 * im1, 0 * im2)):
        assert (refined(a, b, start, settings_of(5), kind)["status"] != 2).all()
    for result in (far,):
        bad = result["status"] != 2
        assert all(np.isnan(values[bad]).all() for name, values in result.items() if name != "status")


@pytest.mark.parametrize("kind", ["gn", "gnaffine"])
def test_nothing_that_correlates_worse_than_the_start(kind):
    """A third of the texture is another one: the template's slope may lead away from where it correlates most."""
    half = 4
    (im1, im2, truth), (other, another, _) = (
        speckle_pair((60, 60), lambda y, x: (0.0, 0.0), seed=seed, mean=0) for seed in (0, 8)
    )
    im1, im2 = im1 + 0.7 * other, im2 + 0.7 * np.roll(another, 7, 2)
    result = refined(im1, im2, 0 * truth, settings_of(half), kind)

    def mean(image):
        return ndimage.uniform_filter(image.astype(float), 2 * half + 1)

    a, b = (image[0].astype(float) - image.mean() for image in (im1, im2))
    squares = (mean(a * a) - mean(a) ** 2) * (mean(b * b) - mean(b) ** 2)
    start = (mean(a * b) - mean(a) * mean(b)) / np.sqrt(squares)
    measured = result["status"] == Status.CONVERGED
    assert measured.sum() > 200 and (result["status"] == Status.DECORRELATED).sum() > 50
    assert (1 - result["score"] <= 1.0501 * (1 - start))[measured].all()


def test_more_than_a_window_stretches():
    im1, im2, truth = speckle_pair((41, 41), lambda y, x: (0.45 * (y - 20), 0 * x), wavelength=12.0)
    result = refined(im1, im2, truth, settings_of(5), "gnaffine")
    assert (result["status"][20, 5:-5] == Status.DECORRELATED).all()


def test_more_missing_than_there():
    im1, im2, truth = speckle_pair(SHAPE, lambda y, x: (0.0, 0.0), frames=5)
    im1[:3, 20, 22] = im2[:3, :, 30:] = np.nan
    status = refined(im1, im2, 0 * truth, settings_of(4, partial=True), "gn")["status"]
    assert (status[4:-4, 4:30] == Status.CONVERGED).all() and (status[4:-4, 34:] == Status.FEW_VALID_VOXELS).all()


def test_least_score():
    im1, im2, truth = speckle_pair(SHAPE, lambda y, x: (0.2, 0.1), noise=0.5)
    every = refined(im1, im2, 0 * truth, settings_of(4), "gn")
    result = refined(im1, im2, 0 * truth, settings_of(4, least_score=0.8), "gn")
    lower = every["score"] < 0.8
    assert lower.any() and (result["status"] == np.where(lower, Status.DECORRELATED, every["status"])).all()


def test_steps():
    im1, im2, truth = speckle_pair(SHAPE, stretched, frames=3)
    every = refined(im1, im2, np.round(truth), settings_of(4), "gn")
    some = {name: values[6:24:3, ::3] for name, values in found_at(np.round(truth), 4).items()}
    coarse = refine_rows(im1, im2, 0, range(6, 24, 3), 40, some, settings_of(4, step=3), "gn")
    np.testing.assert_array_equal(coarse["displacement"], every["displacement"][6:24:3, ::3])


@pytest.mark.parametrize("mean", [1e4, -3e4])
def test_large_grey_values(mean):
    """Little contrast on much grey: what float32 leaves of it is measured."""
    im1, im2, truth = speckle_pair(SHAPE, lambda y, x: (0.3, -0.4), frames=2, mean=mean)
    assert np.abs(errors_of(refined(im1, im2, 0 * truth, settings_of(4), "gn"), truth)).max() < 0.01


def test_filling_depends_on_what_is_near(monkeypatch):
    rng, absent = np.random.default_rng(2), np.zeros((70, 50), bool)
    absent[20:60, 5:45] = True
    absent |= rng.random(absent.shape) < 0.2
    frame = np.where(absent, np.nan, rng.normal(size=absent.shape)).astype("f4")
    whole = filled_in(frame, absent, 6)
    assert np.isfinite(whole).all() and np.array_equal(whole[~absent], frame[~absent]) and whole[40, 25] == 0
    some = filled_in(frame[10:40], absent[10:40], 6)
    np.testing.assert_array_equal(some[6:-6], whole[16:34])
    monkeypatch.setattr(missing, "MANY", 1)
    np.testing.assert_array_equal(filled_in(frame, absent, 6), whole)
    spot = np.zeros((5, 5), bool)
    spot[2, 2] = True
    assert filled_in(np.arange(25.0).reshape(5, 5), spot, 1)[2, 2] == 12
