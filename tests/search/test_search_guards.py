"""What a search must not compare, take for a score or believe: one case for each guard of the kernels."""

import numpy as np
import pytest
from test_judged import search
from test_pixels import SHAPE, check, identity, moved, nodes, texture, way  # noqa: F401

from hpcdvc.fields.status import Status
from hpcdvc.search import pixels
from hpcdvc.search.pixels import PixelSearch, search_points
from hpcdvc.search.settings import SearchSettings
from hpcdvc.search.sums import PRODUCTS

#: Sums over what counts in both images, and their names where both are partial.
BOTH = {"a": "am", "aa": "aam", "b": "mb", "bb": "mbb", "ab": "ab"}
NODE = np.array([[14.0, 15, 16]])


@pytest.mark.usefixtures("way")
def test_two_voxels_are_not_compared():
    """Two grey values correlate perfectly with any two others: that they are enough nobody can ask for."""
    mask2 = np.zeros(SHAPE, "u1")
    mask2[21, 19, 20:25] = 1  # at the last displacements along z and y the window has 1 to 5 of them
    assert check(texture(), texture(seed=8), NODE, mask2=mask2, min_valid=0.0) == 1


@pytest.mark.usefixtures("way")
def test_blank_part_behind_a_mask():
    """Plain correlation likes what is blank: there is no score, although better places are noisy."""
    im1, mask2 = texture(), np.ones(SHAPE, "u1")
    im2 = moved(im1, (2, -3, 1), 6000)
    im2[:, :, 24:], mask2[15, 15] = 20000, 0
    assert check(im1, im2, NODE, mask2=mask2, criterion="ncc", reach=(-2, 3, -4, 1, -1, 14)) == 1


@pytest.mark.usefixtures("way")
def test_blank_part_of_a_window_is_left():
    """Of a window of which im2 masks all that has texture."""
    im1, im2, mask2 = texture(), texture(seed=8), np.ones(SHAPE, "u1")
    im1[:, :, 16:], mask2[:, :, :20] = 20000, 0
    im2[:, :, :26] = 18000 + im2[:, :, :26] // 10  # what is blank is compared with what has little texture
    assert check(im1, im2, NODE, mask2=mask2, criterion="ncc", reach=(-2, 3, -4, 1, 2, 6)) == 1


def zncc(n, a, aa, b, bb, ab):
    return (ab - a * b / n) / np.sqrt((aa - a * a / n) * (bb - b * b / n))


@pytest.mark.parametrize(("bright1", "bright2"), [(5, 1), (1, 4)])
def test_first_of_equal_scores_whatever_float32_makes_of_sums(monkeypatch, bright1, bright2):
    """Each sum is changed by nearly all that is allowed for: the first of two equal scores is lowered, all others are
    raised. What is bright lies beside the places that are compared, yet FFT smears it over all of them."""
    rng, norm = np.random.default_rng(0), lambda v: np.sqrt((v.astype(float) ** 2).sum())
    tile, keep = rng.integers(100, 200, (3, 3, 3)), np.ones((3, 3, 3), "u1")
    keep[0] = 0
    im1, mask2 = (np.tile(t, (16, 7, 7)) for t in (tile.astype("u2"), keep))
    im2, mask1 = im1.copy(), (rng.random(im1.shape) > 0.1).astype("u1")
    im1[mask2 == 0] *= bright1
    beside = bright2 * rng.integers(100, 200, im2.shape)
    im2[:16], im2[30:] = beside[:16], beside[30:]
    sums_of = pixels.sums_of

    def wrong(a, ok1, b, ok2, names, fourier):
        sums = {name: sum.astype(float) for name, sum in sums_of(a, ok1, b, ok2, names, fourier).items()}
        n, arrays = np.rint(sums["mm"]), {"a": a, "aa": a**2, "m": ok1, "b": b, "bb": b**2, "k": ok2}
        values = {name: sums[key] for name, key in BOTH.items()}
        right, up = zncc(n, **values), np.where(np.arange(-12, 13) == -3, -1, 1)[:, None, None]
        for name, key in BOTH.items():
            most = 0.95 * 2e-6 * np.prod([norm(arrays[part]) for part in PRODUCTS[key]])
            more = zncc(n, **{**values, name: values[name] + most}) > right
            sums[key] = values[name] + most * up * np.where(more, 1, -1)
        return {name: sum.astype("f4") for name, sum in sums.items()}

    monkeypatch.setattr(pixels, "sums_of", wrong)
    points = search_points(np.array([[24.0, 10, 10]]), identity(1), (5, 4, 4), (-12, 12, 0, 0, 0, 0))
    (found,) = PixelSearch(im1, im2, SearchSettings(), mask1, mask2)(points)
    assert (found["whole"] == (-3, 0, 0)).all() and abs(found["score"] - 1) < 1e-9


@pytest.mark.usefixtures("way")
def test_dark_texture_in_doubt():
    """What is bright in a region may leave no digit of the squares of what is dark: that is looked at in float64."""
    im1, mask1 = (texture(dtype="f8") - 20000) / 3000 + 7, np.ones(SHAPE, "u1")
    im2 = moved(im1, (2, -3, 1))
    im2[:, :, 25:] *= 3000
    mask1[14, 15, 16] = 0
    assert check(im1, im2, nodes(6, 7, 38, start=12) + [0, 0, 4], mask1, reach=(-2, 3, -4, 1, -1, 8)) == 12


def test_fraction_does_not_depend_on_the_range():
    """Beyond a range that ends where the window touches the border of im2, what is outside does not count."""
    im1, node = texture(), np.array([[5.0, 17, 18]])
    found, wide = (search(im1, im1, (low, 3, -3, 3, -3, 3), node, subvoxel=True) for low in (0, -2))
    assert found["border"] == 1 and wide["border"] == 0 and found["return_status"] == wide["return_status"] == 2
    assert np.abs(found["displacement"] - wide["displacement"]).max() < 1e-6


@pytest.mark.parametrize(("ramp", "second"), [(0.5, 1.0), (0.85, np.nan)])
def test_what_belongs_to_a_peak(ramp, second):
    """A texture that repeats every 6 voxels on a ramp, which correlates everywhere: how deep valleys part peaks."""
    rng = np.random.default_rng(0)
    tile, slope = np.tile(rng.standard_normal((30, 34, 6)), (1, 1, 7))[:, :, :38], np.arange(34)[:, None] / np.sqrt(10)
    image = np.sqrt(1 - ramp) * tile + np.sqrt(ramp) * slope
    found = search(image, image, (0, 0, 0, 0, -8, 8))
    assert found["second"] == pytest.approx(second, abs=1e-6, nan_ok=True)
    assert found["return_status"] == Status.AMBIGUOUS


def test_no_other_place_has_a_score():
    """Nor then a second best."""
    im1, mask2 = texture(), np.zeros(SHAPE, "u1")
    mask2[10:21, 12:23, 13:24] = 1
    found = search(im1, im1, mask2=mask2, min_valid=1.0)
    assert found["return_status"] == Status.MAX_ITERATIONS and np.isnan(found["second"])
