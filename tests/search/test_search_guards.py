"""What a search must not compare, take for a score or believe: one case for each guard of the kernels."""

import numpy as np
import pytest
from hpcdvc.kernels.search import take_regions, take_windows
from test_judged import search
from test_pixels import SHAPE, check, identity, moved, nodes, texture, way  # noqa: F401

from hpcdvc.fields.status import Status
from hpcdvc.kernels.records import dtype
from hpcdvc.kernels.volume import Volume
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


@pytest.mark.parametrize("masked", [False, True])
def test_rounding_is_no_texture(masked):
    """Grey values of float32 at a high level, of which the last digit follows the texture; and of nearly nothing."""
    deviations, mask = (texture(dtype="f8") - 20000) / 3000, np.ones(SHAPE, "u1")
    mask[15, 17, 18] -= masked
    high, level, low = (60000 + 0.004 * deviations).astype("f4"), deviations.astype("f4"), 1e-16 * deviations
    for one, two in ((high, level), (level, high)):
        found = search(one, two, mask2=mask)
        assert found["return_status"] == Status.SINGULAR and np.isnan(found["score"])
    low[:, :, :10], low[:, :, 27:] = -1, 1
    assert search(level, low.astype("f4"), (0, 0, 0, 0, -8, 8), mask2=mask)["score"] < 0.9


def test_particle_without_texture():
    """Its surroundings have the opposite grey value: squares about the mean of both are large, and those about its own
    are what rounding leaves."""
    x, points = np.indices(SHAPE)[2], search_points(np.array([[15.0, 17, 18]]), identity(1), (5, 5, 5), (0, 0) * 3)
    points["label"], settings = 1, SearchSettings(dilate=0, min_valid=0.2).record()
    (a, ok), window = np.empty((2, 1, 11, 11, 11), "f4"), np.zeros(1, dtype("search_window"))
    for grey in np.random.default_rng(0).random(20):
        im1, labels = (grey * np.sign(x - 18)).astype("f4"), (x < 18).astype("i4")
        take_windows(Volume(im1), Volume(labels), settings, points, a, ok, window)
        assert window["status"] == Status.SINGULAR and window["count"] == 605


def test_places_without_a_score_leave_the_mean_alone():
    """Peaks of plain correlation count from the mean of the scores that there are."""
    im1, mask2 = texture(), np.ones(SHAPE, "u1")
    mask2[:, :, :11] = 0
    found = search(im1, moved(im1, (2, -1, 3)), (-4, 4) * 3, mask2=mask2, min_valid=0.9, criterion="ncc")
    assert found["return_status"] == Status.MAX_ITERATIONS and (found["displacement"] == (2, -1, 3)).all()


def test_fraction_beyond_the_neighbours():
    """Scores about the best one whose parabola has its maximum more than a voxel away."""
    window, im2 = np.random.default_rng(0).standard_normal((21, 21)), np.zeros((1, 61, 61))
    for y, scores in ((0, (0.3, 1, 0.3)), (1, (0.8, 0.8, 0.8))):
        for x, score in zip((-1, 0, 1), scores, strict=True):
            im2[0, 20 + y : 41 + y, 20 + x : 41 + x] += score * window
    im1 = np.zeros_like(im2)
    im1[0, 20:41, 20:41] = window
    how = {"node": np.array([[0.0, 30, 30]]), "half": (0, 10, 10), "subvoxel": True}
    found = search(im1, im2, (0, 0, -1, 1, -1, 1), **how)
    assert found["return_status"] == Status.MAX_ITERATIONS and (found["displacement"] == 0).all()


@pytest.mark.parametrize("reach", [(-4, 1, -4, 4), (3, 6, -4, 4), (-4, 4, -4, -2), (-4, 4, 0, 4)])
def test_each_end_of_the_range(reach):
    im1 = texture()
    found = search(im1, moved(im1, (2, -1, 3)), (*reach, -4, 4))
    assert found["return_status"] == Status.BORDER_OF_RANGE and found["border"] == 1


def test_beyond_an_axis_of_one_displacement():
    """Better places beside such an axis are not asked for, at the border of another one neither."""
    im1 = texture()
    found = search(im1, moved(im1, (2, -1, 3)), (1, 1, -4, 4, -4, 3))
    assert found["return_status"] == Status.MAX_ITERATIONS and found["border"] == 1
    assert (found["displacement"] == (1, -1, 3)).all()


def test_nothing_is_left_in_memory_outside_of_im2():
    points = search_points(NODE + 1000, identity(1), (4, 3, 5), (-1, 1) * 3)
    b, ok = np.full((2, 1, 11, 9, 13), 7, "f4")
    take_regions(Volume(texture()), points, b, ok, np.zeros(1, dtype("search_region")))
    assert (b == 0).all() and (ok == 0).all()


def test_planes_that_tell_the_level_may_all_be_masked():
    """A few planes are looked at for it; where they have no voxel all are: the last digit is no texture here either."""
    deviations, mask = (texture(dtype="f8") - 20000) / 3000, np.zeros(SHAPE, "u1")
    mask[11::2] = 1  # windows begin at plane 10
    high = (60000 + 0.004 * deviations).astype("f4")
    found = search(high, high, (0, 0, -3, 3, -3, 3), mask1=mask, mask2=mask, min_valid=0.2)
    assert found["return_status"] == Status.SINGULAR


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("scale", [1e-25, 1e25])
def test_products_of_grey_values_beyond_float32(scale):
    im1 = scale * texture(dtype="f4")
    found = search(im1, moved(im1, (2, -1, 3)), (-4, 4) * 3)
    assert found["return_status"] == Status.MAX_ITERATIONS and (found["displacement"] == (2, -1, 3)).all()


def look(image, half=(5, 5, 5)):
    """Of the middle of an image, as a region that is searched: voxels that say the same, and what noise leaves."""
    points = search_points(np.array([[n // 2 for n in image.shape]], float), identity(1), half, (0, 0) * 3)
    (b, ok), region = np.empty((2, 1, *(2 * np.array(half) + 1)), "f4"), np.zeros(1, dtype("search_region"))
    take_regions(Volume(image.astype("f4")), points, b, ok, region)
    return region["alike"][0], region["quiet"][0]


def test_how_many_voxels_say_the_same():
    """White noise, noise of two voxels, planes that alternate, a wave, planes that tell nothing of those between."""
    rng, (z, _, x) = np.random.default_rng(0), np.indices((31, 31, 31))
    noise = rng.standard_normal((20, 31, 31, 31))
    for one in noise:
        assert 1 <= look(one)[0] < 3
        double = one[1:] + one[:-1]
        double = double[:, 1:] + double[:, :-1]
        alike, quiet = look(double[:, :, 1:] + double[:, :, :-1])
        assert 1 <= alike < 8 and quiet <= 1
    assert look(x % 2)[0] == 11**3
    assert look(np.cos(0.3 * x))[1] <= 1
    assert look(z % 2 == 0, (13, 5, 5)) == (1, 1) == look(z % 2, (13, 5, 5))


def test_a_row_of_displacements_does_not_go_on_in_the_next():
    """Two places alike, at the end of a row of the range and at the beginning of the next."""
    im1, im2 = texture(), texture(seed=8)
    window = im1[10:21, 12:23, 13:24]
    im2[10:21, 12:23, 19:30], im2[10:21, 13:24, 7:18] = window, window
    found = search(im1, im2, (-1, 1, -2, 2, -6, 6))
    assert found["second"] > 0.99 and found["return_status"] == Status.AMBIGUOUS
