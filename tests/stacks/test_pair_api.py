"""The functions for pairs of images: examples, arguments, and what other programs have measured."""

import logging

import numpy as np
import pytest
from shift_cases import cosines, pair

import hpcdvc
from hpcdvc.errors import UserError
from hpcdvc.stacks.spectrum import Polynomial

SHIFT = (3.37, -2.62)


def moved(image, dy, dx):
    spectrum = np.fft.rfftn(image)
    return np.fft.irfft2(Polynomial(spectrum, image.shape).turned(np.array([-dy, -dx])), image.shape)


def test_example_of_chi2_shift():
    rng = np.random.default_rng(0)
    rr = ((np.indices([100, 100]) - np.array([50.0, 50.0])[:, None, None]) ** 2).sum(axis=0) ** 0.5
    image = np.exp(-(rr**2) / (3.0**2 * 2.0)) * 20
    shifted = np.roll(np.roll(image, 12, 0), 5, 1) + rng.standard_normal((100, 100))
    dx, dy, edx, edy = hpcdvc.chi2_shift(image, shifted, upsample_factor="auto")
    assert abs(dx - 5) < 4 * edx < 0.5 and abs(dy - 12) < 4 * edy < 0.5
    shifted2 = moved(image, 3.665, -4.25) + rng.standard_normal((100, 100))
    dx2, dy2, edx2, edy2 = hpcdvc.chi2_shift(image, shifted2, upsample_factor="auto")
    assert abs(dx2 + 4.25) < 4 * edx2 < 0.5 and abs(dy2 - 3.665) < 4 * edy2 < 0.5


def test_example_of_chi2_shift_iterzoom():
    image = np.random.default_rng(42).standard_normal((50, 55))
    shifted = np.roll(np.roll(image, 12, 0), 5, 1)
    dx, dy, edx, edy = hpcdvc.chi2_shift_iterzoom(image, shifted, upsample_factor="auto")
    assert (dx, dy) == pytest.approx((5, 12), abs=1e-2) and 0 < max(edx, edy) < 1e-2
    shifted2 = moved(image, 3.665, -4.25)
    dx2, dy2, _, _ = hpcdvc.chi2_shift_iterzoom(image, shifted2, upsample_factor="auto")
    assert (dx2, dy2) == pytest.approx((-4.25, 3.665), abs=0.02)


def test_example_of_cross_correlation_shifts():
    im1, im2 = np.zeros([10, 10]), np.zeros([10, 10])
    im1[4, 3] = im2[5, 5] = 1
    yoff, xoff = hpcdvc.cross_correlation_shifts(im1, im2)
    aligned = np.roll(np.roll(im1, int(yoff), 1), int(xoff), 0)
    assert (aligned - im2).sum() == 0 and (aligned == im2).all()


def test_signs_and_order():
    """All return (+u_x, +u_y): positive where im2 lies at larger columns and rows."""
    images = pair((64, 65), (3, -5), noise=(0, 0.05))
    for name in ("chi2_shift", "chi2_shift_iterzoom", "cross_correlation_shifts", "register_images"):
        assert getattr(hpcdvc, name)(*images)[:2] == pytest.approx((-5, 3), abs=0.05), name


def test_chi2_map_one_by_one():
    im1, im2 = pair((7, 8), (1, -2), noise=(0, 0.1))
    err = np.random.default_rng(3).uniform(0.5, 2, im2.shape)
    found, term1, term2, term3 = hpcdvc.chi2n_map(im1, im2, err, return_all=True)
    for dy in range(-3, 4):
        for dx in range(-4, 4):
            wanted = (((im2 - np.roll(im1, (dy, dx), (0, 1))) / err) ** 2).sum()
            assert found[3 - dy, 3 - dx] == pytest.approx(wanted, rel=1e-12)
    assert found == pytest.approx(term1 + term2 + term3) and np.ndim(term1) == 0 and np.shape(term3) == (7, 8)
    assert hpcdvc.chi2n_map(im1, im2, err, reduced=True) == pytest.approx(found / 54)
    shifted = hpcdvc.chi2n_map(im1 + 3, im2 - 2, err, zeromean=True)
    assert shifted == pytest.approx(hpcdvc.chi2n_map(im1 - im1.mean(), im2 - im2.mean(), err))
    whole1, whole2 = (np.rint(100 * image + 300).astype("u2") for image in (im1, im2))
    assert hpcdvc.chi2n_map(whole1, whole2) == pytest.approx(hpcdvc.chi2n_map(whole1 * 1.0, whole2 * 1.0))


def test_chi2_array_holds_the_minimum():
    im1, im2 = pair((64, 65), SHIFT, noise=(0, 0.5))
    dx, dy, (x, y, chi2) = hpcdvc.chi2_shift(im1, im2, 0.5, return_error=False, return_chi2array=True)
    assert chi2.shape == x.shape == y.shape == (512, 512)
    lowest = np.unravel_index(chi2.argmin(), chi2.shape)
    step = x[0, 1] - x[0, 0]
    assert (-x[lowest], -y[lowest]) == pytest.approx((dx, dy), abs=0.6 * step)
    small = hpcdvc.chi2_shift(im1, im2, 0.5, return_chi2array=True, max_auto_size=128)[4][2]
    assert small.shape == (128, 128)
    coarse = hpcdvc.chi2_shift(im1, im2, 0.5, upsample_factor=10, return_chi2array=True)[4]
    assert coarse[2].shape == (64, 65) and np.diff(coarse[0][0]) == pytest.approx(0.1)
    fine = hpcdvc.chi2_shift(im1, im2, 0.5, upsample_factor=100, return_chi2array=True)[4]
    assert fine[2].shape == (200, 200)


def test_chi2_array_of_an_iterative_zoom():
    im1, im2 = pair((64, 65), SHIFT, noise=(0, 0.5))
    dx, dy, ex, ey, (x, y, chi2) = hpcdvc.chi2_shift_iterzoom(
        im1, im2, 0.5, return_chi2array=True, rezoom_shape=(80, 90)
    )
    assert chi2.shape == x.shape == (80, 90)
    assert (-x.mean(), -y.mean()) == pytest.approx((dx, dy)) and 0 < ex < 0.1


def test_registered_image_and_errors():
    im1, im2 = pair((64, 65), SHIFT)
    dx, dy, ex, ey, registered = hpcdvc.register_images(im1, im2, 100, return_registered=True, return_error=True)
    assert (dx, dy) == pytest.approx(SHIFT[::-1], abs=0.005) and 0 < ex < 0.01
    assert registered == pytest.approx(im1, abs=0.03)


@pytest.mark.parametrize("most, expected", [(5, SHIFT), (3.4, SHIFT), (3, None)])
def test_largest_shift(most, expected):
    im1, im2 = pair((64, 65), SHIFT, noise=(0, 0.1))
    for found in (
        hpcdvc.cross_correlation_shifts(im1, im2, maxoff=most),
        hpcdvc.register_images(im1, im2, 10, maxoff=most),
    ):
        assert np.isnan(found).all() if expected is None else found == pytest.approx(expected[::-1], abs=0.06)


def test_what_cannot_be_measured_is_said(caplog):
    image = cosines((32, 33), (0, 0))
    calls = (hpcdvc.chi2_shift, hpcdvc.chi2_shift_iterzoom, hpcdvc.cross_correlation_shifts, hpcdvc.register_images)
    for call in calls:
        caplog.clear()
        assert np.isnan(call(image, np.full(image.shape, 3))).all()
        assert "cannot be measured: no texture" in caplog.text


def test_iterative_zoom_of_a_bowl():
    """One whose first neighbours are near enough is not zoomed in on; maxima are found as well."""
    y, x = np.indices((31, 32))
    bowl = -100 * (np.cos(2 * np.pi * (y - 14.3) / 31) + np.cos(2 * np.pi * (x - 16.8) / 32))
    assert hpcdvc.iterative_zoom(bowl, mindiff=1e3) == (14, 17)
    zoomed, factor, place = hpcdvc.iterative_zoom(bowl, mindiff=1e-3, return_zoomed=True)
    assert zoomed.shape == (10, 10) and factor >= 16 and place == pytest.approx((14.3, 16.8), abs=0.1)
    assert hpcdvc.iterative_zoom(-bowl, mindiff=1e-3, minmax=np.max) == place
    offset = hpcdvc.iterative_zoom(bowl, mindiff=1e-3, return_center=False)
    assert offset == pytest.approx((place[0] - 15, place[1] - 15.5))
    (along,) = hpcdvc.iterative_zoom_1d(bowl[14], mindiff=1e-3)
    assert along == pytest.approx(16.8, abs=0.1)


def test_arguments_without_effect_are_noted(caplog):
    images = pair((32, 33), (1, 2))
    with caplog.at_level(logging.WARNING, "hpcdvc"):
        hpcdvc.chi2_shift(*images, nthreads=4, use_numpy_fft=True)
        hpcdvc.register_images(*images, DEBUG=True)
    assert "nthreads, use_numpy_fft" in caplog.text and "DEBUG" in caplog.text


@pytest.mark.parametrize(
    "name, given",
    [
        ("chi2_shift", {"upsample_factor": 10, "max_auto_size": 64, "max_nsig": 2, "nfitted": 1}),
        ("chi2_shift_iterzoom", {"rezoom_shape": [50, 50], "rezoom_factor": 3, "nfitted": 1, "errors": "hessian"}),
        ("cross_correlation_shifts", {"nthreads": 2, "fft_pad": False}),
    ],
)
def test_what_only_an_array_or_a_contour_needs_is_noted(caplog, name, given):
    images = pair((32, 33), (1, 2))
    with caplog.at_level(logging.WARNING, "hpcdvc"):
        assert getattr(hpcdvc, name)(*images, **given)[:2] == pytest.approx((2, 1), abs=0.01)
    (record,) = caplog.records
    assert record.getMessage().split(":")[0].split(", ") == [word for word in given if word != "errors"]


def test_contour_of_one_number_that_is_zoomed_into():
    """Of one number fitted it is narrower than of two."""
    images = pair((32, 33), (1, 2))
    one, two = (hpcdvc.chi2_shift_iterzoom(*images, 0.1, nfitted=n)[2:] for n in (1, 2))
    assert np.divide(one, two) == pytest.approx((0.66, 0.66), abs=0.02)


def test_grid_of_a_row_is_a_number_or_a_tuple_of_one():
    row = (np.arange(40) - 17.3) ** 2
    assert hpcdvc.iterative_zoom_1d(row, 1e-3, 20) == hpcdvc.iterative_zoom_1d(row, 1e-3, (20,))


def test_refused():
    image = cosines((16, 17), (0, 0))
    for call, words in {
        lambda: hpcdvc.cross_correlation_shifts(image, image, gaussfit=True): "gaussfit",
        lambda: hpcdvc.cross_correlation_shifts(image, image, errim1=image): "errim1",
        lambda: hpcdvc.chi2_shift(image, image, boundary="reflect"): "wrap, overlap or fill",
        lambda: hpcdvc.chi2_shift(image, image, upsample_factor="fine"): "or a positive number",
        lambda: hpcdvc.chi2_shift(image, image, boundary="overlap", return_chi2array=True): "chi2 array",
        lambda: hpcdvc.chi2n_map(image, image, boundary="overlap"): "wrap or fill",
        lambda: hpcdvc.chi2n_map(image, image[1:]): "shape",
        lambda: hpcdvc.chi2n_map(image, image, np.ones(3)): "err",
        lambda: hpcdvc.register_images(np.zeros((4, 5, 6)), np.zeros((4, 5, 6))): "two axes",
        lambda: hpcdvc.iterative_zoom(np.ones((8, 8))): "nothing to be zoomed in on",
    }.items():
        with pytest.raises(UserError, match=words):
            call()
    with pytest.raises(TypeError, match="padding"):
        hpcdvc.cross_correlation_shifts(image, image, padding=3)


@pytest.fixture
def case(shared):
    """case(name): a function that loads the arrays of an oracle case."""
    return lambda name: lambda array: np.load(shared / "oracle" / "seeds234" / name / f"{array}.npy")


def test_other_program_chi2_map(case):
    load = case("ir_chi2map")
    im1, im2, err = load("in_im1"), load("in_im2"), load("in_err")
    for name, arguments in {
        "none": {}, "scalar": {"err": 0.5}, "errmap": {"err": err}, "reduced": {"err": err, "reduced": True},
        "zeromean": {"err": err, "zeromean": True}, "errzero": {"err": load("in_err_zero")},
        "fill": {"err": err, "boundary": "fill"},
    }.items():  # fmt: skip
        wanted = load(f"out_{name}")
        assert np.abs(hpcdvc.chi2n_map(im1, im2, **arguments) - wanted).max() < 1e-10 * np.abs(wanted).max(), name
    assert hpcdvc.chi2n_map(load("in_im1_nan"), im2, err) == pytest.approx(load("out_nan"), rel=1e-10)
    for term, name in zip(hpcdvc.chi2n_map(im1, im2, err, return_all=True)[1:], ("1", "2", "3"), strict=True):
        assert term == pytest.approx(load(f"out_term{name}"), rel=1e-10, abs=1e-8)


@pytest.mark.parametrize("size", ["even", "odd"])
def test_other_program_chi2_shift(case, size):
    load = case(f"ir_chi2shift_{size}")
    im1, im2, truth = load("in_im1"), load("in_im2"), load("truth_displacement_xy")
    dx, dy, _, _, (x, y, chi2) = hpcdvc.chi2_shift(im1, im2, 0.5, return_chi2array=True)
    assert (dx, dy) == pytest.approx(load("out_auto")[:2], abs=1 / 256)
    assert (dx, dy) == pytest.approx(truth, abs=0.02)
    assert x[0] == pytest.approx(load("out_auto_x")) and y[:, 0] == pytest.approx(load("out_auto_y"))
    assert chi2[::4, ::4] == pytest.approx(load("out_auto_chi2"), rel=1e-9)
    for factor in (2, 10, 20, 100):
        found = hpcdvc.chi2_shift(im1, im2, 0.5, upsample_factor=factor)
        assert found[:2] == pytest.approx(load(f"out_us{factor}")[:2], abs=1 / factor)


@pytest.mark.parametrize("size, bias", [("even", 0.5), ("odd", 0)])
def test_other_program_iterative_zoom(case, size, bias):
    """Its half pixel at even sizes is left out."""
    load = case("ir_iterzoom")
    im1, im2 = load(f"in_{size}1"), load(f"in_{size}2")
    for name, arguments in {
        "default": {}, "mindiff.01": {"mindiff": 0.01}, "zoom20": {"zoom_shape": [20, 20], "rezoom_shape": [200, 200]}
    }.items():  # fmt: skip
        found, wanted = hpcdvc.chi2_shift_iterzoom(im1, im2, 0.5, **arguments), load(f"out_{size}_{name}")
        assert found[:2] == pytest.approx(wanted[:2] - bias, abs=1e-9), name
        assert found[:2] == pytest.approx(load("truth_displacement_xy"), abs=0.04)
        if not bias:
            assert found[2:] == pytest.approx(wanted[2:], abs=0.005)
    chi2 = hpcdvc.chi2n_map(im1, im2, 0.5)
    zoomed, factor, offsets = hpcdvc.iterative_zoom(chi2, return_zoomed=True, return_center=False)
    assert zoomed == pytest.approx(load(f"out_{size}_iz_zoomed"), rel=1e-9)
    assert (factor, *offsets) == pytest.approx(load(f"out_{size}_iz_zf_offs"))
    assert hpcdvc.iterative_zoom(chi2) == pytest.approx(load(f"out_{size}_iz_center"))
    assert hpcdvc.iterative_zoom_1d(chi2[30]) == pytest.approx(load(f"out_{size}_iz1d"))


def test_other_program_cross_correlation(case):
    """Nearer to the truth than it, and right at odd sizes."""
    load = case("ir_crosscorr")
    truth = load("truth_displacement_xy")
    for size in ("even", "odd"):
        im1, im2 = load(f"in_{size}1"), load(f"in_{size}2")
        x, y, ex, ey = hpcdvc.cross_correlation_shifts(im1, im2, return_error=True)
        assert (x, y) == pytest.approx(truth, abs=0.025)
        assert 0.01 < min(ex, ey) <= max(ex, ey) < 0.03
        assert hpcdvc.cross_correlation_shifts(im1 + 5, im2 + 5, zeromean=False) == pytest.approx((x, y))
    assert hpcdvc.cross_correlation_shifts(load("in_even1"), load("in_even2"), maxoff=5) == pytest.approx(
        truth, abs=0.025
    )


def test_other_program_register_images(case):
    load = case("ir_register")
    im1, im2 = load("in_im1"), load("in_im2")
    for factor in (1, 2, 3, 10, 100):
        assert hpcdvc.register_images(im1, im2, factor) == pytest.approx(load(f"out_us{factor}"), abs=1e-9)
    for most in (5, 8):  # its 5 is one of 2.5 pixels
        assert hpcdvc.register_images(im1, im2, 10, maxoff=most) == pytest.approx(load("out_us10"))
