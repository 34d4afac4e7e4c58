"""The search against its slow twin: every displacement and score, with masks and borders, by FFT and directly."""

from functools import cache

import numpy as np
import pytest
from reference_search import all_scores, best_of, cut
from scipy.ndimage import maximum_filter
from textures import lattice_texture

from hpcdvc.fields.status import Status
from hpcdvc.search import pixels
from hpcdvc.search.pixels import PixelSearch, search_points
from hpcdvc.search.settings import SearchSettings

HALF, SHAPE = (4, 3, 5), (30, 34, 38)
RANGE = (-2, 3, -4, 1, -1, 3)
WAYS = {"direct": (0.0, 1.0), "fourier": (1.0, 0.0)}


@pytest.fixture(params=WAYS)
def way(request, monkeypatch):
    monkeypatch.setattr(pixels, "seconds", lambda *_: WAYS[request.param])
    return request.param


@cache
def field(seed):
    return lattice_texture(seed, spacing=2.0, dimensions=3)


def texture(shape=SHAPE, seed=3, dtype="u2"):
    points = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1).astype(float)
    return (field(seed)(points) * 3000 + 20000).astype(dtype)


def moved(image, shift, noise=0.0):
    """The image displaced by whole voxels; another texture comes in at the borders."""
    wide = np.pad(image, 8, mode="reflect")
    z, y, x = (8 - s for s in shift)
    part = wide[z : z + image.shape[0], y : y + image.shape[1], x : x + image.shape[2]]
    rng = np.random.default_rng(5)
    return (part + rng.normal(0, noise, part.shape)).astype(image.dtype)


def identity(count):
    return np.tile(np.eye(4), (count, 1, 1))


def check(im1, im2, positions, mask1=None, mask2=None, min_valid=0.5, criterion="zncc", half=HALF, reach=RANGE):
    """Compare what is found with the twin; returns how many windows were compared."""
    settings = SearchSettings(criterion, min_valid=min_valid)
    found = PixelSearch(im1, im2, settings, mask1, mask2)(
        search_points(positions, identity(len(positions)), half, reach)
    )
    compared = 0
    for one, position in zip(found, positions.astype(int), strict=True):
        origin, shape = position - half, np.add(half, half) + 1
        window, counts = cut(im1, mask1, origin, shape)
        if counts.sum() < max(min_valid * window.size, 3) or np.ptp(window[counts]) == 0:
            assert one["return_status"] in (-2, -5, -6) and np.isnan(one["displacement"]).all()
            continue
        scores = all_scores(window, counts, window.size, im2, mask2, origin, reach, min_valid, criterion)
        if np.isnan(scores).all():
            assert one["return_status"] in (-2, -8) and np.isnan(one["displacement"]).all()
            continue
        where, best = best_of(scores, np.array(reach))
        assert (one["whole"] == where).all() and abs(one["score"] - best) < 1e-6
        if one["return_status"] > 0:
            assert (one["displacement"] == where).all()
        compared += 1
    return compared


def nodes(*steps, start=0):
    axes = [np.arange(start, n, s) for n, s in zip(SHAPE, steps, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3).astype(float)


@pytest.mark.parametrize("criterion", ["zncc", "ncc"])
def test_whole_windows(way, criterion):
    im1 = texture()
    inside = np.array([[14.0, 15, 16], [12, 17, 18], [15, 13, 20]])
    assert check(im1, moved(im1, (2, -3, 1), 300), inside, criterion=criterion) == 3


@pytest.mark.parametrize("criterion", ["zncc", "ncc"])
@pytest.mark.parametrize("min_valid", [0.2, 0.7])
def test_borders_and_masks(way, criterion, min_valid):
    """Windows over the border of the image, masks of both images, at all of their edges."""
    im1, rng = texture(), np.random.default_rng(2)
    im2 = moved(im1, (2, -3, 1), 300)
    mask1, mask2 = (np.ones(SHAPE, "u1") for _ in range(2))
    mask1[:, :12], mask2[:9], mask2[20:24, 10:20] = 0, 0, 0
    mask1 &= rng.random(SHAPE) > 0.05
    for masks in ((None, None), (mask1, None), (None, mask2), (mask1, mask2)):
        assert check(im1, im2, nodes(9, 11, 12), *masks, min_valid, criterion) >= 4


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u4", "i4", "f4", "f8"])
def test_types(way, dtype):
    scale = {"u1": 1 / 140, "i1": 1 / 300}.get(dtype, 1)
    im1 = (texture(dtype="f8") * scale).astype(dtype)
    assert check(im1, moved(im1, (1, 1, -2)), np.array([[14.0, 15, 16]])) == 1


def test_not_a_number_does_not_count(way):
    im1 = texture(dtype="f4")
    im2 = moved(im1, (2, -3, 1))
    im1[13, 14, 15], im1[10], im2[15, 13], im2[16, 10, 10] = np.nan, np.inf, np.nan, -np.inf
    assert check(im1, im2, np.array([[14.0, 15, 16], [12, 17, 18]]), min_valid=0.3) == 2


def test_low_contrast_on_a_high_level(way):
    im1 = (texture(dtype="f8") / 3000 * 4 + 60000).astype("u2")
    assert check(im1, moved(im1, (2, -3, 1)), nodes(9, 11, 12), min_valid=0.3) > 8


def test_dark_beside_bright(way):
    """FFT of float32 is no more exact than the brightest part of a region: all that may be the best is tried again."""
    im1 = texture(dtype="f8")
    im1[:, :, :20] = im1[:, :, :20] / 3000
    im1 = np.round(im1).astype("u2")
    positions = nodes(9, 11, 12, start=6)
    assert check(im1, moved(im1, (1, -1, 1)), positions, min_valid=0.3) > 8


def test_in_two_dimensions(way):
    im1 = texture((1, 40, 44))
    im2 = moved(np.pad(im1, [(8, 8), (0, 0), (0, 0)]), (0, 3, -2))[8:9]
    positions = np.array([[0.0, 20, 20], [0, 8, 30], [0, 38, 3]])
    reach = (0, 0, -4, 5, -5, 3)
    assert check(im1, im2, positions, half=(0, 5, 6), reach=reach, min_valid=0.3) == 3


def test_first_of_equal_scores(way):
    """A texture that repeats every three voxels: equal scores, of which the first in the order Z, Y, X counts."""
    rng = np.random.default_rng(0)
    im1 = np.tile(rng.integers(0, 200, (3, 3, 3)), (10, 10, 10)).astype("u1")
    settings = SearchSettings()
    found = PixelSearch(im1, im1, settings)(search_points(np.full((1, 3), 14.0), identity(1), HALF, (-4, 4) * 3))
    assert (found["whole"] == -3).all() and found["score"] == 1
    assert found["return_status"] == Status.AMBIGUOUS and np.isnan(found["displacement"]).all()
    assert found["second"] == pytest.approx(1, abs=1e-6)


def test_result_of_a_point_does_not_depend_on_others(way):
    im1 = texture()
    im2, positions = moved(im1, (2, -3, 1), 300), nodes(4, 9, 10)
    search = PixelSearch(im1, im2, SearchSettings(min_valid=0.3, subvoxel=True))
    together = search(search_points(positions, identity(len(positions)), HALF, RANGE))
    for k in range(0, len(positions), 5):
        points = search_points(positions, identity(len(positions)), HALF, RANGE)[k : k + 1]
        assert search(points).tobytes() == together[k : k + 1].tobytes()


@pytest.mark.parametrize("reach", [(-5, 6, -7, 4, -6, 5), (-8, 8, 0, 0, -8, 8)])
def test_highest_maxima(way, reach):
    """All places that are higher than their neighbours, those at the border of the range, too; the highest first."""
    im1 = texture()
    im2 = moved(im1, (2, -3, 1), 4000)
    points = search_points(np.array([[14.0, 15, 16]]), identity(1), HALF, reach)
    _, (peaks,) = PixelSearch(im1, im2, SearchSettings())(points, 60)
    origin, shape = np.array([14, 15, 16]) - HALF, 2 * np.array(HALF) + 1
    window, counts = cut(im1, None, origin, shape)
    scores = all_scores(window, counts, window.size, im2, None, origin, reach, 0.5)
    highest = np.argwhere(scores == maximum_filter(scores, 3, mode="constant", cval=-np.inf))
    order = np.argsort(-scores[tuple(highest.T)])
    assert 3 < len(highest) < 60 and ((highest == 0) | (highest == np.array(scores.shape) - 1)).any()
    assert np.array_equal(peaks[: len(highest), :3], highest[order] + reach[::2])
    assert np.allclose(peaks[: len(highest), 3], scores[tuple(highest[order].T)], atol=1e-6)
    assert np.isnan(peaks[len(highest) :]).all()
    _, (few,) = PixelSearch(im1, im2, SearchSettings())(points, 3)
    assert np.array_equal(few, peaks[:3])


@pytest.mark.parametrize("masked", [False, True])
def test_large_windows_are_transformed_in_parts(masked, monkeypatch):
    """A particle of 500 voxels along each axis would need gigabytes at once."""
    from hpcdvc.search import sums

    rng, window, lags = np.random.default_rng(1), (13, 9, 21), (3, 4, 5)
    region = tuple(n + m - 1 for n, m in zip(window, lags, strict=True))
    arrays = []
    for shape in (window, region):
        values, ok = (sums.room_for((2, *shape)) for _ in range(2))
        ok[:] = rng.random(ok.shape) > 0.2 * masked
        values[:] = rng.standard_normal(values.shape) * ok
        arrays += [values, ok]
    names, largest = sums.needed(masked, masked), []
    whole = sums.sums_of(*arrays, names, fourier=False)
    monkeypatch.setattr(sums, "PART", 8)
    monkeypatch.setattr(sums, "_spectrum", lambda v, size, one=sums._spectrum: largest.append(size) or one(v, size))
    parts = sums.sums_of(*arrays, names, fourier=True)
    assert np.max(largest) <= 16
    for name in names:
        assert np.allclose(parts[name], whole[name], atol=2e-4), name
