"""What the functions for users of algotom take, say and refuse, and what they return where nothing can be measured."""

import logging

import h5py
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from hpcdvc import (
    find_global_shift_based_local_shifts,
    find_local_shifts,
    find_local_shifts_umpa,
    find_shift_based_correlation_map,
    generate_correlation_map,
    locate_peak,
    normalize_image,
)
from hpcdvc.errors import UserError
from hpcdvc.stacks import local_api

#: Window of 7 pixels, range of 3: the border of 6 pixels is 0.
INSIDE, GIVEN = np.s_[6:-6, 6:-6], {"margin": 3}


def texture(seed: int = 5, frames: int = 5, shape: tuple[int, int] = (40, 44)) -> np.ndarray:
    random = np.random.default_rng(seed)
    out = np.array([gaussian_filter(random.normal(0, 1, shape), 1.2) for _ in range(frames)])
    return 100 + 20 * out / out.std()


@pytest.fixture
def pair():
    """Stacks of which the second is the first, moved by 1 down and 2 to the right."""
    im1 = texture()
    return im1, np.roll(im1, (1, 2), (1, 2))


@pytest.fixture
def notes(caplog):
    caplog.set_level(logging.INFO, "hpcdvc")
    return lambda: caplog.messages


#: Pixels, of a window of one frame and of five.
NEAR = {"image": 0.4, "stack": 0.15, "umpa": 0.15, "dark": 0.15}
METHODS = {
    "image": lambda a, b, **more: find_local_shifts(a[0], b[0], **GIVEN, **more),
    "stack": lambda a, b, **more: find_local_shifts(a, b, dim=2, **GIVEN, **more),
    "umpa": lambda a, b, **more: find_local_shifts_umpa(a, b, gpu=False, **GIVEN, **more),
    "dark": lambda a, b, **more: find_local_shifts_umpa(a, b, gpu=False, dark_signal=True, **GIVEN, **more),
}


@pytest.mark.parametrize("name", METHODS)
def test_signs_and_order(pair, name):
    """Place in the first image minus place in the second, x before y."""
    x, y, *values = METHODS[name](*pair)
    for found, true in zip((x, y, *values), (-2, -1, 1, 1), strict=False):
        assert abs(found[INSIDE] - true).max() < NEAR[name]


@pytest.mark.parametrize("name", METHODS)
def test_pixels_that_are_not_there(pair, name, notes):
    """They are left out; where too much is missing there is no number; far from them nothing changes."""
    whole = METHODS[name](*pair)
    im1, im2 = (stack.copy() for stack in pair)
    im1[:, 20, 20], im2[:, 10:16, 24:30] = np.nan, np.nan
    found = METHODS[name](im1, im2)
    for one, other in zip(found[:2], whole[:2], strict=True):
        assert np.isnan(one[12:14, 26:28]).all()
        known = np.isfinite(one[INSIDE])
        assert known.mean() > 0.8 and abs(one - other)[INSIDE][known].max() < 2 * NEAR[name]
        assert abs(one - other)[30:34, 6:10].max() < 1e-5
    assert "pixels are not measured and NaN" in notes()[-1]


@pytest.mark.parametrize("name", METHODS)
def test_nothing_but_a_status(pair, name, notes):
    """Constant stacks, and shifts beyond the range: NaN inside the border, and a warning."""
    im1, im2 = pair
    flat = np.full(im1.shape, 50.0)
    for one, two, most in ((im1, flat, 0), (flat, im1, 0), (im1, np.roll(im1, 9, 2), 0.02)):
        found = METHODS[name](one, two)
        assert all(np.isfinite(values[INSIDE]).mean() <= most for values in found)
        assert f"of {28 * 32} pixels are not measured" in notes()[-1]


@pytest.mark.parametrize("name", METHODS)
def test_unrelated_images(name):
    """By chance less than one pixel of a hundred is measured."""
    pairs = [(texture(2 * seed), texture(2 * seed + 1)) for seed in range(8)]
    assert np.mean([np.isfinite(METHODS[name](*pair)[0][INSIDE]).mean() for pair in pairs]) < 0.01


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("dtype", ["u1", "u2", "i2"])
def test_saturated_pixels(pair, name, dtype):
    """A lot of clipped pixels is no texture, a few are left out."""
    most = np.iinfo(dtype).max
    im1, im2 = (np.rint(stack).astype(dtype) for stack in pair)
    im2[:, 12:22, 12:22], im2[:, 30, 30] = most, most
    x, y, *_ = METHODS[name](im1, im2)
    assert np.isnan(x[14:20, 14:20]).all() and np.isnan(y[14:20, 14:20]).all()
    assert np.isfinite(x[27:34, 27:34]).all() and abs(x[27:34, 27:34] + 2).max() < NEAR[name]


def test_whole_numbers_are_not_cut(pair):
    """Squares of uint16 do not overflow."""
    im1, im2 = (np.rint(100 * stack).astype("u2") for stack in pair)
    for method in METHODS.values():
        for one, other in zip(method(im1, im2), method(im1.astype(float), im2.astype(float)), strict=True):
            assert np.array_equal(one, other, equal_nan=True)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("factor, offset", [(1e30, 0), (1e-30, 0), (1, 1e7)])
def test_grey_values_of_any_size(pair, name, factor, offset):
    """Neither squares nor differences are lost in float32."""
    more = {"norm": False} if name == "image" else {}  # which divides by sums
    if offset and name in ("umpa", "dark"):
        pytest.skip("an offset is part of the model")
    scaled = METHODS[name](*(factor * stack + offset for stack in pair), **more)
    for one, other in zip(scaled, METHODS[name](*pair, **more), strict=True):
        assert np.allclose(one, other, atol=2e-3, equal_nan=True)


def test_masked_arrays_are_masked(pair):
    mask = np.zeros(pair[1].shape, bool)
    mask[:, 10:16, 24:30] = True
    x, _ = METHODS["stack"](pair[0], np.ma.array(pair[1], mask=mask))
    assert np.array_equal(x, METHODS["stack"](pair[0], np.where(mask, np.nan, pair[1]))[0], equal_nan=True)


def test_datasets_are_taken(pair, tmp_path):
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        sets = [file.create_dataset(name, data=stack) for name, stack in zip("ab", pair, strict=True)]
        for method in ("stack", "umpa", "dark"):
            for one, other in zip(METHODS[method](*sets), METHODS[method](*pair), strict=True):
                assert np.array_equal(one, other, equal_nan=True)


def test_bands_of_rows_change_nothing(pair, monkeypatch):
    """Not even where windows are cut by what is missing."""
    pair[1][:, 15:18, 20], pair[0][0, 30, 9] = np.nan, np.inf
    before = [method(*pair) for method in METHODS.values()]
    monkeypatch.setattr(local_api, "BAND", 7)
    for name, expected in zip(METHODS, before, strict=True):
        assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(METHODS[name](*pair), expected, strict=True))


def test_what_changes_nothing_is_noted(pair, notes):
    a, b = pair
    plain = find_local_shifts(a, b, dim=2, **GIVEN)
    given = find_local_shifts(a, b, dim=2, block=(8, 8), ncore=4, chunk_size=1, **GIVEN)
    assert all(map(np.array_equal, plain, given))
    assert notes() == ["block, ncore, chunk_size: accepted and ignored, no result depends on it"]
    calls = (
        lambda: generate_correlation_map(a, b[:, 4:-4, 4:-4], block=(4, 4)),
        lambda: find_shift_based_correlation_map(a, b, block=(4, 4)),
        lambda: find_global_shift_based_local_shifts(a[0], b[0], 15, 4, block=16, ncore=2),
        lambda: find_local_shifts_umpa(a, b, gpu=False, block=(4, 4), ncore=1, chunk_size=None, **GIVEN),
    )
    for number, call in enumerate(calls):
        call()
        assert len(notes()) == number + 2 and "accepted and ignored" in notes()[-1]


def test_what_is_done_otherwise_is_noted(pair, notes):
    a, b = pair
    even, odd = find_local_shifts(a, b, dim=2, win_size=6, **GIVEN), find_local_shifts(a, b, dim=2, win_size=7, **GIVEN)
    assert all(map(np.array_equal, even, odd)) and "7 x 7 pixels" in notes()[-1]
    scores = generate_correlation_map(a, b[:, 8:-8, 8:-8])
    assert locate_peak(scores, method="poly_fit", size=4) == locate_peak(scores, method="poly_fit", size=5)
    assert locate_peak(scores, method="poly_fit", size=20) == locate_peak(scores, method="poly_fit", size=9)
    assert [text.split(":")[0] for text in notes()[-3:]] == ["size=4", "size=20"][-3:] or "size=20" in notes()[-1]


def test_peaks_of_what_has_none(notes):
    assert np.isnan(locate_peak(np.ones((5, 6)))).all() and "no peak" in notes()[-1]
    scores = np.add.outer(np.arange(5.0), -((np.arange(6) - 2.2) ** 2))
    x, y = locate_peak(scores)
    assert y == 4 and x == pytest.approx(2.2) and "border" in notes()[-1]
    assert locate_peak(scores[:2]) == (2, 1)
    scores[2, 3] = np.nan
    assert locate_peak(scores)[1] == 4


def test_one_window_size_for_small_images(pair):
    """The smallest image that window and range leave a pixel of, and one less."""
    a, b = (stack[:, :13, :13] for stack in pair)
    assert find_local_shifts(a, b, dim=2, **GIVEN)[0].shape == (13, 13)
    with pytest.raises(UserError, match="leave no pixel of images of 12 x 13"):
        find_local_shifts(a[:, :12], b[:, :12], dim=2, **GIVEN)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda a, b: find_local_shifts(a, b[1:]), "do not fit"),
        (lambda a, b: find_local_shifts(a[0], b[0][1:]), "one shape"),
        (lambda a, b: find_local_shifts(a[0, 0], b[0, 0]), "is no 2-D or 3-D image"),
        (lambda a, b: find_local_shifts(a.astype(complex), b), "not real numbers"),
        (lambda a, b: find_local_shifts(a, b, margin=0), "margin must be a whole number"),
        (lambda a, b: find_local_shifts(a, b, win_size=1), "win_size must be a whole number"),
        (lambda a, b: find_local_shifts(a, b, method="taylor"), "diff or poly_fit"),
        (lambda a, b: find_local_shifts(a, b, dim=3), "dim is 1 or 2"),
        (lambda a, b: find_local_shifts(a, b, gpu="both"), "gpu is"),
        (lambda a, b: find_local_shifts_umpa(a[0], b[0]), "is no 3-D image"),
        (lambda a, b: find_local_shifts_umpa(a, b, filter_name="kaiser"), "no window function"),
        (lambda a, b: find_local_shifts_umpa(a[:1], b[:1], dark_signal=True), "two frames"),
        (lambda a, b: find_local_shifts_umpa(a, b, values_at="peak"), "subpixel or pixel"),
        (lambda a, b: find_local_shifts_umpa(-a, -b, margin=3), "mean is above 0"),
        (lambda a, b: find_shift_based_correlation_map(a, b, margin=0), "margin must be"),
        (lambda a, b: find_shift_based_correlation_map(a, b, margin=20), "leaves no window"),
        (lambda a, b: find_shift_based_correlation_map(a, b[:, 2:-2, 2:-2], margin=3), "does not fit"),
        (lambda a, b: find_shift_based_correlation_map(a, b, axis=2), "axis is 0, 1 or None"),
        (lambda a, b: generate_correlation_map(b[:, 1:], a), "larger than"),
        (lambda a, b: find_global_shift_based_local_shifts(a, b, 15, 4), "is no 2-D image"),
        (lambda a, b: find_global_shift_based_local_shifts(a[0], b[0], 15, 4, list_ij=[1, 1]), "has place"),
        (lambda a, b: find_global_shift_based_local_shifts(a[0], b[0], 9, 4, list_ij=[[1, 2], [3]]), "list_ij must be"),
        (lambda a, b: find_global_shift_based_local_shifts(a[0], b[0], 9, 4, num_point=2.5), "num_point must be"),
        (lambda a, b: find_local_shifts(a, b, win_size="7"), "win_size must be"),
        (lambda a, b: normalize_image(a[0, 0]), "is no 2-D or 3-D image"),
    ],
)
def test_what_is_refused(pair, call, words):
    with pytest.raises(UserError, match=words):
        call(*pair)


def test_normalised(pair):
    image = pair[0][0]
    even = image / image.sum(0)[None] / image.sum(1)[:, None]
    assert np.allclose(normalize_image(image), (even - even.mean()) / even.std())
    image[3], image[7, 8] = 0, np.nan
    normal = normalize_image(image)
    missing = np.isnan(normal)
    assert missing[3].all() and missing[7, 8] and missing.sum() == image.shape[1] + 1
    assert np.nanmean(normal) == pytest.approx(0, abs=1e-12) and np.nanstd(normal) == pytest.approx(1)


def test_points_that_are_not_measured(pair):
    a, b = pair[0][0], pair[1][0].copy()
    b[10:22, 10:22] = np.nan
    x, y = find_global_shift_based_local_shifts(a, b, 9, 4, list_ij=[[16, 30], [16, 30]], return_list=True)
    assert np.isnan((x[0], y[0])).all() and np.allclose((x[1], y[1]), (-2, -1), atol=0.1)
    assert np.allclose(find_global_shift_based_local_shifts(a, b, 9, 4), (-2, -1), atol=0.05)
