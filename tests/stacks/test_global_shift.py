"""Shifts of pairs of images, volumes and stacks that are known exactly."""

import numpy as np
import pytest
from scipy import ndimage
from shift_cases import cosines, pair
from skimage import data

from hpcdvc import fourier
from hpcdvc.errors import UserError
from hpcdvc.fields.status import Status
from hpcdvc.stacks.chi2 import chi2_similarity
from hpcdvc.stacks.highest import highest, second_highest
from hpcdvc.stacks.images import prepare
from hpcdvc.stacks.settings import METHODS, ShiftSettings
from hpcdvc.stacks.shift import measure_shift

SHIFT = (3.37, -2.62)
SHAPES = [(64, 64), (65, 71), (48, 61)]
SPECTRAL = ["chi2", "chi2iterzoom", "cc", "dft", "phase"]


def measured(*arguments, **settings):
    noise = settings.pop("noise_of_im2", None)
    return measure_shift(*arguments, ShiftSettings(**settings), noise)


def errors_of(shift, truth):
    return shift.displacement[3 - len(truth) :] - truth


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("method", SPECTRAL)
def test_no_bias_at_even_and_odd_sizes(method, shape):
    """At the noise of the cases of the other programs, where theirs is half a pixel."""
    settings = {"mindiff": 0.01} if method == "chi2iterzoom" else {}
    found = [measured(*pair(shape, SHIFT, seed, (0, 0.5)), method=method, **settings) for seed in range(8)]
    assert {shift.status for shift in found} == {2}
    assert np.abs(np.mean([errors_of(shift, SHIFT) for shift in found], axis=0)).max() < 0.02


@pytest.mark.parametrize("boundary", ["wrap", "fill"])
def test_exact_without_noise(boundary):
    im1, im2 = pair((64, 65), SHIFT)
    if boundary == "fill":  # what has zeros around it
        window = np.outer(*(np.hanning(n) ** 2 for n in im1.shape))
        im1, im2 = (np.zeros((128, 130)) for _ in range(2))
        im1[32:96, 30:95], im2[36:100, 27:92] = 2 * (window * cosines((64, 65), (0, 0)),)
    truth = SHIFT if boundary == "wrap" else (4, -3)
    shift = measured(im1, im2, boundary=boundary)
    assert shift.displacement == pytest.approx((0, *truth), abs=1e-6)
    assert shift.displacement[0] == shift.std[0] == 0


@pytest.mark.parametrize("shape", [(16, 16), (15, 18)])
def test_textures_as_fine_as_pixels(shape):
    """The highest frequency of an even size cannot tell its phase, and does not pull towards whole pixels."""
    image = np.random.default_rng(0).standard_normal(shape)
    shift = measured(image, fourier.shift(image, (0.31, -1.47)))
    assert shift.displacement == pytest.approx((0, 0.31, -1.47), abs=1e-6)
    assert shift.score == pytest.approx(1, abs=1e-6)


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "noise, known",
    [
        *(((0, 0.05), False), ((0, 0.3), False), ((0, 1.0), False)),
        *(pytest.param((0, sd), True, marks=SLOW) for sd in (0.05, 0.3, 1.0)),
        *(pytest.param(noise, False, marks=SLOW) for noise in ((0.3, 0.3), (1.0, 0.5))),
    ],
)
def test_reported_errors_are_the_true_ones(noise, known):
    """Reported over true standard deviation in 100 trials, of noise that is told (that of im2) or not."""
    told, shape = noise[1] if known else None, (45, 44)
    found = [measured(*pair(shape, SHIFT, seed, noise), noise_of_im2=told) for seed in range(100)]
    true = np.sqrt(np.mean([errors_of(shift, SHIFT) ** 2 for shift in found]))
    assert 0.8 < np.mean([shift.std[1:] for shift in found]) / true < 1.2


def test_errors_of_a_grid_hold_what_the_grid_is_off():
    im1, im2 = pair((64, 64), SHIFT, noise=(0, 0.01))
    shift = measured(im1, im2, method="dft", upsample=2)
    assert shift.displacement[1:] == pytest.approx((3.5, -2.5))
    assert shift.std[1:] == pytest.approx(np.abs(errors_of(shift, SHIFT)), abs=2e-3)


def test_errors_of_a_contour_and_of_a_correlation_coefficient():
    """The region of two numbers together is 1.52 standard deviations wide; a coefficient knows nothing of noise."""
    images = pair((64, 64), SHIFT, noise=(0, 0.5))
    hessian, contour, zucker = (
        measured(*images, noise_of_im2=0.5, errors=errors).std[1:] for errors in ("hessian", "contour", "zucker")
    )
    assert contour / hessian == pytest.approx(1.515, abs=0.01)
    assert measured(*images, noise_of_im2=0.5, errors="contour", fitted=1).std[1:] == pytest.approx(hessian, rel=0.01)
    assert zucker == pytest.approx(hessian, rel=0.1)
    scaled = measured(10 * images[0], 10 * images[1], errors="zucker").std[1:]
    assert scaled == pytest.approx(zucker, rel=1e-9)


@pytest.mark.parametrize("shape", [(24, 26, 28), (23, 26, 29)])
@pytest.mark.parametrize("method", ["chi2", "cc", "dft", "phase"])
def test_volumes(method, shape):
    truth = (1.4, -2.3, 3.6)
    shift = measured(*pair(shape, truth, noise=(0, 0.05)), method=method)
    off = 0.06 if method == "cc" else 0.03  # a Taylor step is not at the top of a peak that is no parabola
    assert shift.status == 2 and np.abs(errors_of(shift, truth)).max() < off
    assert (shift.std > 0).all() and shift.std.max() < off


@pytest.mark.parametrize("method", METHODS)
def test_frames_of_one_shift(method):
    """Noise that hides the shift in each frame by itself."""
    frames = [pair((64, 64), SHIFT, seed, (0, 1.0)) for seed in range(8)]
    im1, im2 = (np.array(images) for images in zip(*frames, strict=True))
    settings = {"stack": True, "method": method, "half_window": 12, "reach": (-6, 6, -6, 6)}
    together = measured(im1, im2, **settings)
    assert together.status == 2 and np.abs(errors_of(together, SHIFT)).max() < 0.06
    if method in ("chi2", "dft"):
        assert together.std[1:].max() < 0.6 * measured(im1[:1], im2[:1], **settings).std[1:].min()


def test_a_frame_that_is_not_there_is_left_out():
    frames = [pair((48, 48), SHIFT, seed, (0, 0.3)) for seed in range(3)]
    im1, im2 = (np.array(images) for images in zip(*frames, strict=True))
    less = measured(im1[1:], im2[1:], stack=True)
    im2[0] = np.nan
    found = measured(im1, im2, stack=True)
    assert found.displacement == pytest.approx(less.displacement, abs=1e-12)
    assert found.score == pytest.approx(less.score, abs=1e-12)


@pytest.mark.parametrize("boundary", ["wrap", "overlap", "fill"])
@pytest.mark.parametrize("kind", ["u1", "u2", "i2", "f4", ">u2"])
def test_numbers_of_any_type(kind, boundary):
    """Products of integers do not overflow."""
    im1, im2 = (np.rint(40 * image + 127).astype(kind) for image in pair((48, 49), SHIFT))
    found = measured(im1, im2, boundary=boundary)
    true = measured(im1.astype(float), im2.astype(float), boundary=boundary)
    assert found.status == 2 and found.displacement == pytest.approx(true.displacement, abs=1e-6)


@pytest.mark.parametrize("method, boundary", [("chi2", "wrap"), ("cc", "wrap"), ("phase", "wrap"), ("chi2", "overlap")])
def test_grey_values_of_any_size(method, boundary):
    im1, im2 = pair((48, 49), SHIFT, noise=(0, 0.1))
    true = measured(im1, im2, method=method, boundary=boundary)
    for unit in (1e-150, 1e-20, 1e20, 1e150):
        found = measured(unit * im1, unit * im2, method=method, boundary=boundary)
        assert found.displacement == pytest.approx(true.displacement, abs=1e-6)
        assert found.std == pytest.approx(true.std, rel=1e-4)


@pytest.mark.parametrize("shape", [(3, 3), (3, 40), (5, 7), (3, 12, 13)])
def test_images_of_few_pixels(shape):
    """Right, or a status."""
    image = np.random.default_rng(0).standard_normal(shape)
    for boundary in ("wrap", "overlap", "fill"):
        shift = measured(image, np.roll(image, 1, -1), boundary=boundary)
        assert np.isnan(shift.displacement).all() == (shift.status != 2)
        assert shift.status != 2 or shift.displacement[-1] == pytest.approx(1, abs=0.1)


def test_identical_images():
    """Nothing is left to tell the error from: that of float32."""
    image = cosines((48, 49), (0, 0))
    shift = measured(image, image)
    assert shift.displacement == pytest.approx((0, 0, 0), abs=1e-9)
    assert (shift.std[1:] > 0).all() and shift.std.max() < 1e-6


def test_pixels_that_are_not_there_have_the_mean_of_the_others():
    im1, im2 = pair((64, 65), SHIFT)
    holes1, holes2 = im1 + 50, im2 + 50
    holes1[10:14, 20:30] = np.nan
    holes2[:, -3:] = np.nan
    filled1, filled2 = np.where(np.isnan(holes1), np.nanmean(holes1), holes1), holes2.copy()
    filled2[:, -3:] = np.nanmean(holes2)
    found = measured(holes1, holes2)
    assert found.displacement == pytest.approx(measured(filled1, filled2).displacement, abs=1e-9)
    masked = measure_shift(im1 + 50, im2 + 50, mask1=~np.isnan(holes1), mask2=~np.isnan(holes2))
    assert found.displacement == pytest.approx(masked.displacement, abs=1e-9)
    assert np.abs(errors_of(found, SHIFT)).max() < 0.1


def test_noise_that_is_not_alike_everywhere():
    """Pixels of much noise count little, those of none (0, NaN) not at all."""
    im1, im2 = pair((64, 65), SHIFT)
    err = np.full(im2.shape, 0.1)
    im2 = im2 + 0.1 * np.random.default_rng(0).standard_normal(im2.shape)
    im2[:20], err[:20] = 40 * np.random.default_rng(1).standard_normal((20, 65)), 40
    im2[30, 30], err[30, 30] = 1e6, np.nan
    im2[31, 31], err[31, 31] = 1e6, 0
    im2[40:44, 10:14] = np.nan
    shift = measured(im1, im2, noise_of_im2=err)
    assert shift.status == 2 and (np.abs(errors_of(shift, SHIFT)) < 4 * shift.std[1:]).all()
    assert shift.std.max() < 0.01


def test_largest_shift_is_exact():
    """-4.6 passes 5 and 4.7, although the whole pixel next to it is -5; not 4.5."""
    images = pair((64, 64), (-4.6, 1.2), noise=(0, 0.1))
    assert [measured(*images, largest=most).status for most in (5, 4.7, 4.65)] == [2, 2, 2]
    for most in (4.5, 3, 1, 0):
        shift = measured(*images, largest=most)
        assert shift.status == Status.BORDER_OF_RANGE and np.isnan(shift.displacement).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shift", [(9.3, 0.2), (-4.3, -12.4)])
def test_beyond_the_largest_shift(method, shift):
    for seed in range(3):
        images = pair((64, 64), shift, seed, (0, 0.2), count=1000)
        found = measured(*images, method=method, largest=5, half_window=12, reach=(-5, 5, -5, 5))
        assert found.status != 2 and np.isnan(found.displacement).all() and np.isnan(found.std).all()


def test_largest_shift_finds_what_noise_hides_elsewhere():
    """Of several places that noise makes alike, that within the range."""
    im1, im2 = pair((64, 64), (2.3, -1.4), noise=(0, 0.3))
    ghost = 1.05 * np.roll(im1, (25, 17), (0, 1))
    assert measured(im1, im2 + ghost, largest=5).status == Status.BORDER_OF_RANGE  # clearly higher than the other
    assert measured(im1, im2 + 0.5 * ghost, largest=5).displacement == pytest.approx((0, 2.3, -1.4), abs=0.3)


@pytest.mark.parametrize("boundary", ["wrap", "overlap", "fill"])
@pytest.mark.parametrize("value", [0, 7, 0.1, 1e9])
def test_constant_images(boundary, value):
    image = cosines((32, 33), (0, 0))
    for one, two in ((np.full(image.shape, value), image), (image, np.full(image.shape, value, np.float32))):
        shift = measured(one, two, boundary=boundary)
        assert shift.status == Status.SINGULAR and np.isnan(shift.displacement).all()


@pytest.mark.parametrize("noise", [0, 0.1])
@pytest.mark.parametrize("method", METHODS)
def test_slopes_have_no_place(method, noise):
    """But for the jump at the border, which stays where it is."""
    rng, y, x = np.random.default_rng(3), np.arange(64.0)[:, None], np.arange(64.0)
    for slope in (y + x, np.exp((y + x) / 40)):
        one, two = (image + noise * rng.standard_normal(slope.shape) for image in (slope, slope - 3))
        shift = measured(one, two, method=method)
        assert shift.status != 2 and np.isnan(shift.displacement).all()


@pytest.mark.parametrize("boundary", ["wrap", "overlap"])
def test_next_to_nothing_there(boundary):
    image = cosines((32, 33), (0, 0))
    holes = np.full(image.shape, np.nan)
    assert measured(image, holes, boundary=boundary).status == Status.FEW_VALID_VOXELS
    holes[:2, :3] = image[:2, :3]
    assert measured(image, holes, boundary=boundary).status == Status.FEW_VALID_VOXELS


def test_saturated():
    im1, im2 = (np.rint(60 * image + 200) for image in pair((48, 48), SHIFT))
    im1, im2 = np.clip(im1, 0, 255).astype("u1"), np.clip(im2, 0, 255).astype("u1")
    assert (im1 == 255).mean() > 0.1
    assert measured(im1, im2).status == Status.SATURATED
    assert measured(im1.astype("u2"), im2.astype("u2")).status == 2  # not the largest number of its type


def test_windows_that_overlap_match_by_chance_together():
    """Of smooth images that have nothing in common, in which the windows at all points are nearly the same."""
    for seed in (5, 52):
        one, two = (cosines((80, 80), (0, 0), number, periodic=False) for number in (seed, seed + 100))
        shift = measured(one, two, method="points")
        assert shift.status != 2 and np.isnan(shift.displacement).all()


@pytest.mark.parametrize("boundary", ["wrap", "overlap", "fill"])
def test_textures_that_have_nothing_in_common(boundary):
    for seed in range(0, 12, 3):
        one, two = cosines((56, 56), (0, 0), seed, count=20 * (1 + seed)), cosines((56, 56), (0, 0), seed + 100)
        shift = measured(one, two, boundary=boundary)
        assert shift.status in (-8, -9, -10, 1) and np.isnan(shift.displacement).all()


def stars(seed, size=56):
    """A field of stars, few of them bright, and a little noise."""
    rng, image = np.random.default_rng(seed), np.zeros((size, size))
    places = rng.integers(0, size, (60, 2))
    np.add.at(image, tuple(places.T), rng.pareto(2, 60) + 0.1)
    return ndimage.gaussian_filter(image, 1.2, mode="wrap") + 0.01 * rng.standard_normal(image.shape)


@pytest.mark.parametrize("method, boundary", [("chi2", "wrap"), ("phase", "wrap"), ("chi2", "overlap")])
def test_the_brightest_star_is_no_match_by_itself(method, boundary):
    """It lies on the brightest of any other field at some displacement."""
    for seed in range(8):
        image = stars(seed)
        moved = np.roll(image, (3, -4), (0, 1)) + 0.02 * np.random.default_rng(seed).standard_normal(image.shape)
        found = measured(image, moved, method=method, boundary=boundary)
        assert found.displacement[1:] == pytest.approx((3, -4), abs=0.1)
        shift = measured(image, stars(seed + 100), method=method, boundary=boundary)
        assert shift.status < 2 and np.isnan(shift.displacement).all(), seed


def test_a_single_star_is_a_match_in_noise():
    y, x = np.mgrid[:64, :64] - 32
    star, rng = 20 * np.exp(-(x**2 + y**2) / 8), np.random.default_rng(0)
    images = star + rng.standard_normal(star.shape), np.roll(star, (5, -3), (0, 1)) + rng.standard_normal(star.shape)
    for boundary in ("wrap", "overlap"):
        assert measured(*images, boundary=boundary).displacement[1:] == pytest.approx((5, -3), abs=0.3)


PICTURES = ["camera", "coins", "moon", "brick", "grass", "gravel", "page", "clock"]


@pytest.fixture(scope="module")
def pictures():
    return {name: getattr(data, name)()[20:148, 30:158].astype(float) for name in PICTURES}


@pytest.mark.parametrize("method, boundary", [(m, "wrap") for m in SPECTRAL] + [("chi2", "fill"), ("chi2", "overlap")])
def test_pictures_that_have_nothing_in_common(pictures, method, boundary):
    """All have edges along their border, and most of their contrast in the longest waves."""
    for name, other in zip(PICTURES[::2], PICTURES[1::2], strict=True):
        shift = measured(pictures[name], pictures[other], method=method, boundary=boundary)
        assert shift.status < 2 and np.isnan(shift.displacement).all(), (name, other)


@pytest.mark.parametrize("method, boundary", [("chi2", "wrap"), ("phase", "wrap"), ("chi2", "fill")])
def test_the_border_of_a_picture_is_no_match(method, boundary):
    """Two parts of one picture: the border, which has not moved, holds some of them where they are."""
    for name in PICTURES:
        picture = getattr(data, name)().astype(float)
        shift = measured(picture[20:148, 30:158], picture[15:143, 37:165], method=method, boundary=boundary)
        if shift.status == 2:
            assert np.abs(errors_of(shift, (5, -7))).max() < 0.3, name
        else:
            assert name in ("camera", "clock")


@pytest.mark.parametrize("boundary", ["wrap", "overlap"])
def test_a_grating_fits_everywhere(boundary):
    x = np.arange(64)
    image = np.cos(2 * np.pi * x / 8)[None, :] + np.cos(2 * np.pi * x / 16)[:, None]
    noisy = image + 0.1 * np.random.default_rng(0).standard_normal(image.shape)
    shift = measured(image, np.roll(noisy, 2, 1), boundary=boundary)
    assert shift.status == Status.AMBIGUOUS and np.isnan(shift.displacement).all()


def test_a_place_that_is_nearly_as_good_is_not_told_from_the_best():
    """However little noise there is: what makes the difference may as well have changed."""
    grating = np.tile(np.random.default_rng(0).standard_normal((16, 16)), (4, 4))
    for part, status in ((0.1, Status.AMBIGUOUS), (0.6, 2)):
        image = grating + part * np.random.default_rng(1).standard_normal(grating.shape)
        assert measured(image, np.roll(image, (2, 3), (0, 1))).status == status


def test_second_peak_is_no_part_of_the_first():
    """A ridge that goes down across the axes, and a peak beside it."""
    y, x = np.mgrid[:33, :35] - np.array([16, 17])[:, None, None]
    ridge = np.exp(-((y - x) ** 2) / 2 - (y + x) ** 2 / 200)
    other = 0.4 * np.exp(-((y - 10) ** 2 + (x + 10) ** 2) / 2)
    values = np.roll(ridge + other, (-16, -17), (0, 1))
    first, is_peak = highest(values)
    assert tuple(first) == (0, 0) and is_peak
    assert second_highest(values, first) == pytest.approx(0.4, abs=0.01)
    assert second_highest(values, first, 12) == pytest.approx(0.4, abs=0.01)
    assert second_highest(values, first, 5) < 0.25
    assert highest(np.roll(values, (9, 9), (0, 1)), 4)[1] is False


@pytest.mark.parametrize("zeromean", [False, True])
def test_likelihood_with_noise_that_is_not_alike_everywhere(zeromean):
    """-chi2 / 2 but for a constant, at odd sizes to rounding; of two frames their sum."""
    rng = np.random.default_rng(0)
    im1, im2, err = rng.standard_normal((3, 2, 9, 11)) + np.array([5, 1, 0])[:, None, None, None]
    err = np.exp(err)
    images = prepare(im1, im2, True, err)
    score = chi2_similarity(images, zeromean, (9, 11)).score.map
    if zeromean:
        im1 = im1 - im1.mean(axis=(1, 2), keepdims=True)
        weights = err**-2.0
        im2 = im2 - ((weights * im2).sum(axis=(1, 2)) / weights.sum(axis=(1, 2)))[:, None, None]
    chi2 = np.array(
        [[(((im2 - np.roll(im1, (dy, dx), (1, 2))) / err) ** 2).sum() for dx in range(11)] for dy in range(9)]
    )
    wanted = -chi2 / 2
    assert score - score.mean() == pytest.approx(wanted - wanted.mean(), rel=1e-9, abs=1e-9)


def test_texture_along_one_axis_alone():
    """Stripes may have moved along themselves: nobody can tell."""
    stripes = np.tile(np.random.default_rng(0).standard_normal(64), (64, 1))
    shift = measured(stripes, np.roll(stripes, 3, 1))
    assert shift.status < 2 and np.isnan(shift.displacement).all()


def test_chi2_map():
    im1, im2 = pair((32, 33), (3, -4), noise=(0, 0.1))
    found = measured(im1, im2, noise_of_im2=0.1, keep_map=True).details["map"]
    assert np.unravel_index(found["chi2"].argmin(), (32, 33)) == (16 + 3, 16 - 4)
    moved = np.roll(im1, (5, 7), (0, 1))
    assert found["chi2"][16 + 5, 16 + 7] == pytest.approx((((im2 - moved) / 0.1) ** 2).sum())
    assert found["chi2"] == pytest.approx(found["term1"] + found["term2"] + found["term3"])


def test_bad_arguments():
    image, volume = cosines((16, 17), (0, 0)), cosines((16, 17, 18), (0, 0, 0))
    for call, words in {
        lambda: measured(image, image[1:]): "shape",
        lambda: measured(image, image.astype(complex)): "no image",
        lambda: measured(image[:2], image[:2]): "too small",
        lambda: measured(image, image, stack=True): "stack",
        lambda: measured(volume, volume, method="map"): "volumes",
        lambda: measured(volume, volume, method="chi2iterzoom"): "volumes",
        lambda: measured(image, image, method="sift"): "not known",
        lambda: measured(image, image, boundary="reflect"): "not known",
        lambda: measured(image, image, method="phase", boundary="overlap"): "overlaps",
        lambda: measured(image, image, method="phase", errors="contour"): "contour",
        lambda: measured(image, image, noise_of_im2=0): "noise",
        lambda: measured(image, image, noise_of_im2=np.ones(4)): "noise",
        lambda: measured(image, image, noise_of_im2=-np.ones(image.shape)): "noise",
        lambda: measured(image, image, upsample=0): "upsample",
        lambda: measured(image, image, largest=-1): "largest",
        lambda: measure_shift(image, image, mask1=np.ones(3)): "mask",
    }.items():
        with pytest.raises(UserError, match=words):
            call()
