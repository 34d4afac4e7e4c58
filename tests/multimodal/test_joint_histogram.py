"""Joint histograms of images, and the phases that are found in them."""

import numpy as np
import pytest
from joint_histograms import TWO, drawn
from scipy import ndimage

import hpcdvc
from hpcdvc.errors import UserError
from hpcdvc.multimodal import histogram as module


@pytest.fixture(scope="module")
def images() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(0, 1, (6, 20, 30)), rng.normal(5, 2, (6, 20, 30))


def written_out(im1, im2, bins: int, ranges) -> np.ndarray:
    """Voxel by voxel."""
    found = np.zeros((bins, bins), int)
    for pair in zip(np.ravel(im1).tolist(), np.ravel(im2).tolist(), strict=True):
        if all(low <= grey <= high for grey, (low, high) in zip(pair, ranges, strict=True)):
            values = [(grey - low) / (high - low) * (bins - 1) for grey, (low, high) in zip(pair, ranges, strict=True)]
            found[tuple(round(value) for value in values)] += 1
    return found


@pytest.mark.parametrize("at_a_time", [2**22, 1000])
def test_counts(images, at_a_time, monkeypatch):
    monkeypatch.setattr(module, "AT_A_TIME", at_a_time)
    ranges = ((-1.5, 2.0), (3.0, 9.0))
    found = hpcdvc.joint_histogram(*images, 16, ranges)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, written_out(*images, 16, ranges))


def test_ranges_of_the_images(images):
    ranges = [(image.min(), image.max()) for image in images]
    found = hpcdvc.joint_histogram(*images)
    np.testing.assert_array_equal(found, written_out(*images, 64, ranges))
    assert found.sum() == images[0].size


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "i4", "u8", "f2", "f4", ">f8", ">u2", "?"])
def test_any_type(images, kind):
    im1 = (images[0] > 0 if kind == "?" else np.clip(images[0] * 20 + 60, 0, 127)).astype(kind)
    found = hpcdvc.joint_histogram(im1, images[1], 32)
    np.testing.assert_array_equal(found, hpcdvc.joint_histogram(im1.astype(float), images[1], 32))
    assert found.sum() == im1.size


def test_values_that_are_none(images):
    im1, im2 = images[0].copy(), images[1].copy()
    im1[0, 0, :5], im2[1, 1, :7], im2[2, 2, 0] = np.nan, np.inf, -np.inf
    mask = np.ones(im1.shape)
    mask[5], mask[4, 0, 0] = 0, np.nan
    found = hpcdvc.joint_histogram(im1, im2, 32, mask=mask)
    assert found.sum() == im1.size - 5 - 7 - 1 - 600 - 1


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"im1": np.zeros((6, 20, 30))}, "im1 has one grey value only"),
        ({"im2": np.full((6, 20, 30), np.nan)}, "im2 has no grey values"),
        ({"im2": np.zeros((6, 20, 31))}, r"\(6, 20, 31\) have no joint histogram"),
        ({"im1": np.zeros((0, 3))}, "no image of grey values"),
        ({"im1": np.full((6, 20, 30), "a")}, "no image of grey values"),
        ({"im1": np.ones((6, 20, 30), complex)}, "no image of grey values"),
        ({"bins": 1}, "1 bins is not possible"),
        ({"bins": 2000}, "2000 bins is not possible"),
        ({"bins": 7.5}, "7.5 bins is not possible"),
        ({"ranges": ((1, 1), (0, 2))}, "im1 from 1 to 1 are no range"),
        ({"ranges": ((0, 1), (0, np.inf))}, "im2 from 0 to inf are no range"),
        ({"ranges": ((100, 101), (0, 2))}, "is empty"),
        ({"mask": np.zeros((6, 20, 30))}, "is empty"),
        ({"mask": np.zeros((6, 20))}, "not one of images of shape"),
    ],
)
def test_nonsense(images, changed, words):
    arguments = {"im1": images[0], "im2": images[1], **changed}
    with pytest.raises(UserError, match=words):
        hpcdvc.joint_histogram(**arguments)


def body(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Two phases with rough boundaries, 0 and 1, and voxels in between that hold both."""
    rough = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 4)
    return ndimage.gaussian_filter((rough > 0).astype(float), 0.6)


@pytest.mark.parametrize("shape", [(48, 50, 52), (200, 210)])
def test_phases_of_images(shape):
    """Grey values of the phases come back, though a third of the voxels hold a part of both."""
    part, rng = body(shape, 1), np.random.default_rng(2)
    im1 = 15 + 30 * part + rng.normal(0, 1, shape)
    im2 = 50 - 38 * part + rng.normal(0, 1.2, shape)
    parameters, parts = hpcdvc.gaussian_mixture_parameters(im1, im2, 64)
    assert parts.sum() == pytest.approx(1, abs=1e-3)
    means = parameters[np.argsort(parameters[:, 1]), 1:3]
    np.testing.assert_allclose(means, [[15, 50], [45, 12]], atol=0.3)
    np.testing.assert_allclose(1 / np.sqrt(parameters[:, [3, 5]]), [[1, 1.2]] * 2, rtol=0.15)
    auto, _ = hpcdvc.gaussian_mixture_parameters(im1, im2, 64, "auto")
    np.testing.assert_allclose(auto, parameters)


def values_of(histogram: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two images with that joint histogram."""
    at = np.repeat(np.arange(histogram.size), histogram.ravel())
    return at // len(histogram), at % len(histogram)


def test_fewer_phases_are_told(caplog):
    im1, im2 = values_of(drawn(TWO, (0.5, 0.5), bins=64))
    parameters, _ = hpcdvc.gaussian_mixture_parameters(im1, im2, 64, 4)
    assert len(parameters) == 2
    assert caplog.messages == ["4 phases are asked for, the joint histogram has 2"]


def test_border_is_excluded():
    """Saturated voxels are no phase; their part of the voxels is still told."""
    histogram = drawn(TWO, (0.5, 0.5), bins=64)
    histogram[63, 63] = 10**6
    im1, im2 = values_of(histogram)
    with_border, _ = hpcdvc.gaussian_mixture_parameters(im1, im2, 64, 3)
    without, parts = hpcdvc.gaussian_mixture_parameters(im1, im2, 64, 3, exclude_border=True)
    assert with_border[0, 1] > 62 and len(with_border) == 3
    assert without[:, 1].max() < 50 and len(without) == 2
    assert parts[63, 63] == pytest.approx(10**6 / histogram.sum())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n_phases": 0}, "0 phases are not possible"),
        ({"n_phases": 2.5}, "2.5 phases are not possible"),
        ({"n_phases": 17}, "17 phases are not possible"),
        ({"n_phases": "many"}, "many phases are not possible"),
        ({"im1_threshold": 63}, "no phase is found"),
        ({"bins": 0}, "0 bins is not possible"),
    ],
)
def test_nonsense_of_phases(arguments, words):
    im1, im2 = values_of(drawn(TWO, (0.5, 0.5), bins=64, voxels=1000))
    with pytest.raises(UserError, match=words):
        hpcdvc.gaussian_mixture_parameters(im1, im2, **arguments)


@pytest.mark.parametrize(
    ("value", "words"), [(30.0, "one grey value only"), (0.0, "one grey value only"), (np.nan, "no grey values")]
)
@pytest.mark.parametrize("name", ["im1", "im2"])
def test_images_without_contrast_have_no_phases(name, value, words):
    images = dict(zip(("im1", "im2"), values_of(drawn(TWO, (0.5, 0.5), bins=64, voxels=1000)), strict=True))
    images[name] = np.full(images[name].shape, value)
    with pytest.raises(UserError, match=f"{name} has {words}"):
        hpcdvc.gaussian_mixture_parameters(**images)
