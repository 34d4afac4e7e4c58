"""Dense maps: truth, the same bits whatever is measured with a pixel, and a status where nothing is to be measured."""

import numpy as np
import pytest
from dense_cases import CONTRAST, MEAN, frames, measure, noise, shares

from hpcdvc import kernels
from hpcdvc.stacks.dense import DenseSettings, halo, measure_rows

SHAPE, U, INSIDE = (50, 70), (1.3, -2.4), np.s_[9:-9, 9:-9]
HAMMING = tuple(np.hamming(7) / np.hamming(7).sum())
WAYS = {
    "ncc": {},
    "poly": {"peak": "poly", "peak_size": 5},
    "one axis at a time": {"peak_dim": 1, "template": "im2"},
    "whole pixels": {"peak": "none"},
    "umpa": {"metric": "umpa", "taps": HAMMING, "template": "im2"},
    "umpa-dark": {"metric": "umpa-dark", "taps": HAMMING, "template": "im2"},
    "local mean": {"metric": "umpa-dark", "local_mean": True},
    "partial": {"metric": "umpa-dark", "partial": True},
    "partial ncc": {"partial": True},
    "row": {"along": "x", "reach": (0, 0, -4, 4), "half_window": 4},
    "every third": {"step": 3, "metric": "umpa"},
}


@pytest.fixture(scope="module")
def stacks():
    """Two stacks, with noise, a pixel that is not there and one that is saturated."""
    im1, im2 = frames(4, SHAPE, 1), frames(4, SHAPE, 1, U)
    im1, im2 = im1 + noise(im1, 0.3, 2), im2 + noise(im2, 0.3, 3)
    im2[1, 20, 30], im1[0, 35, 50] = np.nan, np.inf
    return im1, im2


def same(one: dict, other: dict, where=np.s_[:], part=np.s_[:]) -> None:
    """The same bits."""
    assert one.keys() == other.keys()
    for name, values in one.items():
        assert values.dtype == other[name].dtype
        np.testing.assert_array_equal(values[where], other[name][part], err_msg=name)


@pytest.mark.parametrize("name", kernels.supported()[:2])
@pytest.mark.parametrize("way", WAYS)
def test_bits_are_those_of_the_pixel(stacks, way, name, monkeypatch):
    """Bands of any depth, an image cut narrower, and every n-th pixel: no bit changes."""
    monkeypatch.setattr(kernels, "_selected", name)
    settings = WAYS[way]
    step = settings.get("step", 1)
    every = measure(*stacks, **settings)
    for depth, among in ((step, range(15, 27)), (13 * step, range(SHAPE[0]))):
        for start in among[::depth]:
            rows = range(start, min(start + depth, SHAPE[0]), step)
            same(every, measure(*stacks, rows, **settings), np.s_[start // step : start // step + len(rows)])
    if step > 1:
        same(measure(*stacks, metric="umpa"), every, np.s_[::step, ::step])
    else:
        narrow = measure(*(im[..., 7:58] for im in stacks), **settings)
        same(every, narrow, np.s_[:, 7 + 10 : 58 - 10], np.s_[:, 10:-10])


@pytest.mark.parametrize("way", ["ncc", "umpa", "umpa-dark", "partial"])
def test_instruction_sets_agree(stacks, way, monkeypatch):
    found = []
    for name in kernels.supported():
        monkeypatch.setattr(kernels, "_selected", name)
        found.append(measure(*stacks, **WAYS[way])["displacement"][INSIDE])
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], atol=1e-4)


@pytest.mark.parametrize("template", ["im1", "im2"])
@pytest.mark.parametrize("metric", ["ncc", "umpa", "umpa-dark"])
def test_displacement_goes_from_im1_to_im2(metric, template):
    """Whichever image the windows come from, and where the map is of one that moves unevenly."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    u = np.stack([1.1 + 0.01 * x, -2.0 + 0.02 * y], axis=-1)
    im1, im2 = frames(5, SHAPE, 1), frames(5, SHAPE, 1, np.moveaxis(u, -1, 0))
    found = measure(im1, im2, metric=metric, template=template)
    if template == "im1":  # the field is known at the pixels of im2: nearly the same at those of im1
        u = u + np.stack([0.01 * u[..., 1], 0.02 * u[..., 0]], axis=-1)
    error = (found["displacement"] - u)[INSIDE]
    assert (found["status"][INSIDE] == 2).all()
    assert np.sqrt(np.mean(error**2)) < 0.045 and np.abs(error.mean((0, 1))).max() < 0.01


@pytest.mark.parametrize("settings", [{}, {"taps": HAMMING}, {"local_mean": True}])
def test_transmission_and_visibility(settings):
    """A specimen that absorbs and scatters: T and V at the sub-pixel place; those of the nearest pixel are worse."""
    _, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    T, V, errors = 0.7 + 0.002 * x, 0.9 - 0.004 * x, {}
    im1 = frames(12, SHAPE, 1, grain=2)
    im2 = (T * (MEAN + V * (frames(12, SHAPE, 1, (1.5, -0.5), grain=2) - MEAN))).astype("f4")
    for place in ("subpixel", "pixel"):
        found = measure(im1, im2, metric="umpa-dark", template="im2", values_at=place, **settings)
        assert (found["status"][INSIDE] == 2).all()
        pairs = (("transmission", T), ("visibility", V))
        errors[place] = [np.sqrt(np.mean((found[name] - true)[INSIDE] ** 2)) for name, true in pairs]
    assert errors["subpixel"][0] < 0.004 and errors["subpixel"][1] < 0.02
    assert errors["pixel"][1] > 2 * errors["subpixel"][1]


@pytest.mark.parametrize(("settings", "part"), [({}, 0.75), ({"peak": "poly"}, 0.95), ({"partial": True}, 0.75)])
def test_peak_of_the_correlation(settings, part):
    """With dark field the parabola through the correlations is nearer to the truth than that through the costs."""
    im1 = frames(8, SHAPE, 1)
    im2 = (0.8 * (MEAN + 0.5 * (frames(8, SHAPE, 1, (1.4, -2.3)) - MEAN))).astype("f4")
    ways = dict.fromkeys(("score", "correlation"))
    for way in ways:
        found = measure(im1, im2, metric="umpa-dark", template="im2", peak_of=way, **settings)
        assert (found["status"][INSIDE] == 2).all()
        ways[way] = np.sqrt(np.mean((found["displacement"][INSIDE] - (1.4, -2.3)) ** 2))
        assert 0 <= found["score"][INSIDE].min() and abs(found["transmission"][INSIDE].mean() - 0.8) < 0.01
    assert ways["correlation"] < part * ways["score"]


def test_means_of_frames():
    """A beam that changes from frame to frame: each frame is divided by its own mean, T says what is lost in all."""
    im1 = frames(6, SHAPE, 1)
    im2 = 0.6 * frames(6, SHAPE, 1, U)
    beam = np.array([1, 1.3, 0.8, 1.1, 0.7, 1.2], "f4")
    settings = DenseSettings(3, (-4, 4, -4, 4), "umpa", "im2")
    means = np.stack([MEAN * beam[::-1], 0.6 * MEAN * beam]).astype(float)
    bands = im1 * beam[::-1, None, None], im2 * beam[:, None, None]
    found = measure_rows(*bands, 0, range(SHAPE[0]), SHAPE[0], settings, means)
    assert (found["status"][INSIDE] == 2).all()
    np.testing.assert_allclose(found["transmission"][INSIDE].mean(), 0.6, atol=0.003)
    assert np.abs(found["displacement"][INSIDE] - U).max() < 0.1


@pytest.mark.parametrize("metric", ["ncc", "umpa", "umpa-dark"])
def test_what_is_no_match_gets_a_status(metric):
    """Unrelated textures, noise, constant images, slopes, stripes and grids: a status, and no number beside it."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype("f4")
    one = np.ones((3, 1, 1), "f4")
    constant = MEAN + 0 * x * one
    cases = {
        "unrelated": (frames(3, SHAPE, 1), frames(3, SHAPE, 2)),
        "noise": (constant + noise(constant, 1, 1), constant + noise(constant, 1, 2)),
        "constant": (constant, constant),
        "constant in one": (constant, frames(3, SHAPE, 1)),
        "slope": ((MEAN + x + 2 * y) * one, (MEAN + x + 2 * y + 3) * one),
        "stripes": tuple((MEAN + CONTRAST * np.cos(2 * np.pi * (x - u) / 7.3)) * one for u in (0, 2)),
        "grid": tuple((MEAN + CONTRAST * np.cos((x - u) * 1.35) * np.cos(y * 1.35)) * one for u in (0, 2)),
        "beyond": (frames(3, SHAPE, 1), frames(3, SHAPE, 1, (0, 5.3))),
    }
    for name, (im1, im2) in cases.items():
        found = measure(im1, im2, metric=metric)
        measured = found["status"] == 2
        seen = measured[INSIDE] if name in ("stripes", "grid") else measured  # the other peak lies inside the image
        assert seen.mean() < 0.01, name
        for values in found.values():
            if values.dtype == np.float32:
                assert np.isnan(values[~measured]).all() and np.isfinite(values[measured]).all()
    assert shares(measure(*cases["constant"], metric=metric), 3) == {-2: 1}
    assert shares(measure(*cases["stripes"], metric=metric), 9)[-10] > 0.99
    assert shares(measure(*cases["grid"], metric=metric), 9)[-10] > 0.99
    assert shares(measure(*cases["beyond"], metric=metric), 9)[-11] > 0.9


@pytest.mark.parametrize("count, metric", [(1, "ncc"), (16, "ncc"), (16, "umpa"), (16, "umpa-dark")])
def test_noise_makes_no_peak_along_stripes(count, metric):
    """Stripes between pixels are lifted by the fit; what that leaves is no measure of the noise along them."""
    rng, x, phases = np.random.default_rng(5), np.arange(70), np.arange(count)[:, None, None]
    for sd in (0.005, 0.02, 0.05):
        im1, im2 = (
            MEAN + CONTRAST * (np.cos(2 * np.pi * (x - u) / 9 + phases) + sd * rng.standard_normal((count, *SHAPE)))
            for u in (0, 2.3)
        )
        assert (measure(im1, im2, metric=metric)["status"] == 2).mean() < 0.01


def test_border_of_the_range():
    """A match on it is one if it is better than what lies one pixel beyond."""
    im1 = frames(3, SHAPE, 1)
    for u, status in (((4.3, -4.4), 2), ((-4.2, 0.3), 2), ((4.8, 0), -11), ((0, -4.7), -11)):
        found = measure(im1, frames(3, SHAPE, 1, u))
        assert shares(found, 9)[status] > 0.98
        if status == 2:
            assert np.nanmax(np.abs(found["displacement"][INSIDE] - u)) < 0.2


@pytest.mark.parametrize("metric", ["ncc", "umpa", "umpa-dark"])
def test_windows_that_are_cut(metric):
    """By the border of the image, NaN and saturated pixels: measured right or a status, and the rest untouched."""
    im1, im2 = frames(4, SHAPE, 1), frames(4, SHAPE, 1, U)
    whole = measure(im1, im2, metric=metric)
    y, x = np.nonzero(whole["status"] == 2)
    assert np.abs(whole["displacement"][y, x] - U).max() < 0.2
    assert set(np.unique(whole["status"][[0, 2, -3, -1]])) == set(np.unique(whole["status"][:, [0, 2, -3, -1]])) == {-6}
    for value, status in ((np.nan, -6), (np.inf, -15)):
        holed = im1.copy()
        holed[2, 25, 30] = value
        found = measure(holed, im2, metric=metric)
        near = np.zeros(SHAPE, bool)
        near[22:29, 27:34] = True
        assert (found["status"][near] == status).all()
        same(found, whole, ~near, ~near)
    holed = im2.copy()
    holed[1, 25, 30] = np.nan
    found = measure(im1, holed, metric=metric)
    far = np.ones(SHAPE, bool)
    far[25 - 8 : 25 + 9, 30 - 8 : 30 + 9] = False
    same(found, whole, far, far)
    assert (found["status"] == -6).sum() > (whole["status"] == -6).sum() + 40
    measured = found["status"] == 2
    assert np.abs(found["displacement"][measured] - U).max() < 0.2


@pytest.mark.parametrize("metric", ["ncc", "umpa", "umpa-dark"])
def test_frames_that_lack_pixels(metric):
    """Partial windows: what is missing in a frame is left out there; half of the window must be there."""
    im1, im2 = frames(6, SHAPE, 1), frames(6, SHAPE, 1, U)
    whole, untouched = (measure(im1, im2, metric=metric, partial=some) for some in (False, True))
    for name in ("displacement", "transmission", "visibility"):
        if name in whole:
            np.testing.assert_allclose(untouched[name][INSIDE], whole[name][INSIDE], atol=1e-4)
    masked1, masked2 = im1.copy(), im2.copy()
    masked1[np.random.default_rng(0).random(im1.shape) < 0.05] = np.nan
    masked2[2, 10:40, 20:50] = np.nan
    found = measure(masked1, masked2, metric=metric, partial=True)
    assert shares(found, 9)[2] > 0.99
    error = found["displacement"][INSIDE] - U
    assert np.sqrt(np.nanmean(error**2)) < 0.05
    masked1[:4] = np.nan
    assert 2 not in shares(measure(masked1, im2, metric=metric, partial=True))
    clipped = im1.copy()
    clipped[0, 22:29, 27:34] = np.inf  # a sixth of the window there
    found = measure(clipped, im2, metric=metric, partial=True)
    assert found["status"][25, 30] == -15 and found["status"][25, 40] == 2


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("metric", ["ncc", "umpa", "umpa-dark"])
def test_nothing_to_compare(metric, partial):
    """im2 constant, all missing, or of values whose squares are no numbers: a status everywhere."""
    im1 = frames(2, SHAPE, 1)
    for value in (0, MEAN, np.nan, np.inf, 3e38):
        found = measure(im1, np.full_like(im1, value), metric=metric, partial=partial)
        assert 2 not in shares(found) and np.isnan(found["displacement"]).all()
    found = measure(im1 * np.float32(1e30), im1 * np.float32(1e30), metric=metric, partial=partial)
    assert np.isnan(found["displacement"][found["status"] != 2]).all()


def test_masked_values_matter_in_the_cost():
    """Where a frame is left out the rest is the same as without that frame at all."""
    im1, im2 = frames(5, SHAPE, 1), frames(5, SHAPE, 1, U)
    masked = im1.copy()
    masked[3] = np.nan
    some = [0, 1, 2, 4]
    for metric in ("ncc", "umpa", "umpa-dark"):
        found = measure(masked, im2, metric=metric, partial=True)
        other = measure(im1[some], im2[some], metric=metric, partial=True)
        np.testing.assert_allclose(found["displacement"][INSIDE], other["displacement"][INSIDE], atol=2e-5)
        ratio = 1 if metric == "ncc" else 5 / 4  # a cost is the sum over all frames
        np.testing.assert_allclose(found["score"][INSIDE], ratio * other["score"][INSIDE], rtol=2e-3)


def test_least_score():
    im1, im2 = frames(4, SHAPE, 1), frames(4, SHAPE, 1, U)
    im2 += noise(im2, 6, 5)
    found = measure(im1, im2)
    middle = float(np.nanmedian(found["score"]))
    high = measure(im1, im2, least_score=middle)
    measured = found["status"] == 2
    np.testing.assert_array_equal(high["status"] == 2, measured & (found["score"] >= np.float32(middle)))
    assert (high["status"][measured & (found["score"] < np.float32(middle))] == -9).all()


def test_arrays_that_do_not_fit():
    im1 = frames(2, SHAPE, 1)
    settings, rows = DenseSettings(3, (-4, 4, -4, 4)), range(20, 30)
    low, high = 20 - halo(settings), 30 + halo(settings)

    def cut(a, b):
        return (np.ascontiguousarray(im1[:, a:b]),) * 2

    assert measure_rows(*cut(low, high), low, rows, SHAPE[0], settings)["score"].shape == (10, SHAPE[1])
    wrong = [
        (*cut(low + 1, high), low + 1, rows, SHAPE[0], settings),
        (*cut(low, high - 1), low, rows, SHAPE[0], settings),
        (im1, im1[:, :, 1:], 0, rows, SHAPE[0], settings),
        (im1[:, ::-1], im1, 0, rows, SHAPE[0], settings),
        (im1, im1, 0, range(20, 60), SHAPE[0], settings),
        (im1, im1, 0, range(1, 30, 2), SHAPE[0], DenseSettings(3, (-4, 4, -4, 4), step=2)),
        (im1, im1, 0, rows, SHAPE[0], DenseSettings(3, (4, -4, -4, 4))),
        (im1, im1, 0, rows, SHAPE[0], DenseSettings(3, (-4, 4, -4, 4), "umpa")),
        (im1, im1, 0, rows, SHAPE[0], DenseSettings(3, (-4, 4, -4, 4), taps=(0.5, 0.5))),
        (im1, im1, 0, rows, SHAPE[0], DenseSettings(3, (-4, 4, -4, 4), peak_size=4)),
        (im1, im1, 0, rows, SHAPE[0], DenseSettings(3, (-4, 4, -4, 4), peak_of="correlation")),
    ]
    for arguments in wrong:
        with pytest.raises(ValueError):
            measure_rows(*arguments)
    with pytest.raises(TypeError):
        measure_rows(im1.astype("f8"), im1.astype("f8"), 0, rows, SHAPE[0], settings)
    with pytest.raises(ValueError, match="above 0"):
        measure_rows(im1, im1, 0, rows, SHAPE[0], DenseSettings(3, (-4, 4, -4, 4), "umpa"), np.zeros(2))


def edges_and_spots(kind, u, count):
    """The same in all frames: a straight edge, oblique to the pixels, or one corner or spot."""
    y, x = (np.arange(n) - n // 2 - shift for n, shift in zip(SHAPE, u, strict=True))
    y, x = y[:, None], x[None]
    image = {
        "edge": np.tanh(0.7 * y + 0.7 * x),
        "corner": (1 + np.tanh(y)) * (1 + np.tanh(x)) / 4,
        "spot": np.exp(-(y**2 + x**2) / 2),
    }[kind]
    return MEAN + CONTRAST * np.repeat(image[None], count, axis=0)


@pytest.mark.parametrize("count, metric", [(1, "ncc"), (4, "ncc"), (16, "ncc"), (16, "umpa-dark")])
def test_edge_the_same_in_all_frames(count, metric):
    """Across it windows tell, along it they do not, though the correlation across is no quadratic function."""
    im1, im2 = (edges_and_spots("edge", u, count) for u in ((0, 0), (0.4, 0.7)))
    for sd in (0.1, 0.5, 2):
        found = measure(im1 + noise(im1, sd, 1), im2 + noise(im2, sd, 2), metric=metric)
        assert (found["status"] == 2).mean() < 0.002


@pytest.mark.parametrize("kind", ["corner", "spot"])
def test_few_pixels_the_same_in_all_frames(kind):
    """In noise they are less than they seem: a part of a window tells nothing, nor does what frames repeat."""
    u = 1.3, -0.6
    im1, im2 = (edges_and_spots(kind, shift, 4) for shift in ((0, 0), u))
    for sd in (2, 5):
        found = measure(im1 + noise(im1, sd, 1), im2 + noise(im2, sd, 2), half_window=5)
        wrong = np.abs(found["displacement"] - u).max(-1) > 1
        assert wrong[found["status"] == 2].sum() < 10
