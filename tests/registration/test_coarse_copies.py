"""Coarse copies of images: means of cells, where the cells lie, masks, and grey values; the same on any ranks."""

import numpy as np
import pytest

from hpcdvc.errors import UserError
from hpcdvc.ranks import exchange
from hpcdvc.ranks.team import Team
from hpcdvc.registration.levels import Level, binning, cells_of, centre_of_mass, grey_values, halved

RANGES = {"u1": (0, 255), "i1": (-128, 127), "u2": (0, 65535), "i2": (-32768, 32767), "u4": (0, 2**32 - 1)}
RANGES |= {"i4": (-(2**31), 2**31 - 1)}


def image(dtype: str, shape: tuple[int, ...] = (13, 17, 21), seed: int = 0) -> np.ndarray:
    """Random voxels over the whole range of a type."""
    rng = np.random.default_rng(seed)
    if dtype == "bool":
        return rng.random(shape) < 0.5
    if dtype.lstrip("<>=").startswith("f"):
        return (100 + 30 * rng.standard_normal(shape)).astype(dtype)
    low, high = RANGES.get(dtype, (0, 2**40))
    return rng.integers(low, high, shape, endpoint=True, dtype="i8").astype(dtype)


def means(array: np.ndarray, factor: int, skip: tuple[int, ...] | None = None) -> np.ndarray:
    """Means of the cells, one after another, in float64."""
    skip = skip or tuple(n % factor // 2 for n in array.shape)
    result = np.empty([n // factor for n in array.shape])
    for cell in np.ndindex(result.shape):
        part = tuple(slice(s + factor * c, s + factor * (c + 1)) for s, c in zip(skip, cell, strict=True))
        result[cell] = array[part].astype(float).mean()
    return result


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8", "bool"])
def test_binning(dtype, factor):
    array = image(dtype)
    binned, expected = binning(array, factor), means(array, factor)
    assert binned.dtype == (np.float64 if dtype == "f8" else np.float32)
    assert binned.shape == expected.shape
    assert np.abs(binned - expected).max() <= 2e-7 * np.abs(expected).max()
    assert array.base is None and (array == image(dtype)).all()


@pytest.mark.parametrize("dtype", ["f2", "i8", "u8", ">u2", ">f4", ">f2"])
def test_binning_of_types_that_kernels_do_not_read(dtype):
    array = image(dtype)
    assert np.allclose(binning(array, 2), means(array, 2), rtol=1e-6)


@pytest.mark.parametrize("shape", [(12, 12, 12), (13, 14, 15), (5, 9, 40), (12, 20), (13, 31)])
@pytest.mark.parametrize("factor", [2, 3, 5])
def test_where_the_cells_lie(shape, factor):
    """Found again by binning the coordinates themselves."""
    binned = binning(np.zeros(shape), factor, return_crop_and_centre=True)
    crop = np.array(shape) % factor
    assert (binned.top_crop == crop // 2).all() and (binned.bottom_crop == crop - crop // 2).all()
    for axis, n in enumerate(shape):
        along = np.arange(n, dtype=float).reshape([-1 if k == axis else 1 for k in range(len(shape))])
        positions = binning(np.broadcast_to(along, shape), factor)
        assert binned.image.shape == positions.shape
        assert binned.centre[axis] == pytest.approx(positions.mean(), abs=1e-12)
        first = positions[(0,) * len(shape)]
        assert first == pytest.approx(binned.top_crop[axis] + (factor - 1) / 2, abs=1e-12)


def test_binning_of_an_image_is_that_of_one_plane():
    array = image("u2", (13, 31))
    assert (binning(array, 3) == binning(array[None], 3)[0]).all()
    assert np.allclose(binning(array, 3), means(array, 3), rtol=1e-6)


def test_not_contiguous():
    array = image("u2", (20, 21, 22))
    for view in (array[::2, ::-1], array.T, np.asfortranarray(array)):
        assert (binning(view, 2) == binning(view.copy(order="C"), 2)).all()


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_cells_that_are_not_finite(dtype, value):
    array = image(dtype)
    array[5, 7, 9] = array[6, 8, 0] = value
    binned, holes = binning(array, 2), ~np.isfinite(means(array, 2))
    assert (np.isnan(binned) == holes).all() and holes.sum() == 2
    assert (binned[~holes] == binning(image(dtype), 2)[~holes]).all()


@pytest.mark.parametrize(
    ("array", "factor", "words"),
    [
        (np.zeros(7), 2, r"shape \(7,\)"),
        (np.zeros((2, 2, 2, 2)), 2, "2 or 3 dimensions"),
        (np.zeros((7, 1, 7)), 2, r"binning by 2 .*\(7, 1, 7\)"),
        (np.zeros((7, 8)), 8, "binning by 8"),
        (np.zeros((7, 8)), 0, "binning by 0"),
        (np.zeros((7, 8)), -2, "binning by -2"),
        (np.zeros((0, 8)), 2, "no image|binning by 2"),
        (np.zeros((8, 8), complex), 2, "complex128"),
        (np.zeros((8, 8), "S3"), 2, "no image of grey values"),
    ],
)
def test_refused(array, factor, words):
    with pytest.raises(UserError, match=words):
        binning(array, factor)


def coordinates(shape: tuple[int, int, int], axis: int) -> np.ndarray:
    """Each voxel holds its own position along an axis."""
    along = np.arange(shape[axis], dtype="f4").reshape([-1 if k == axis else 1 for k in range(3)])
    return np.ascontiguousarray(np.broadcast_to(along, shape))


@pytest.fixture(params=[None, 2], ids=["nodes", "artificial nodes"])
def any_team(request, team):
    if request.param and team.size < request.param:
        pytest.skip("fewer ranks than nodes")
    return Team(team.comm, request.param)


@pytest.mark.mpi
@pytest.mark.parametrize(
    ("shape1", "shape2"),
    [
        ((16, 24, 32), (16, 24, 32)),
        ((17, 19, 23), (17, 19, 23)),
        ((17, 19, 23), (22, 19, 24)),
        ((20, 19, 31), (21, 22, 40)),
        ((1, 19, 31), (1, 24, 32)),
    ],
)
def test_where_levels_lie(any_team, shape1, shape2):
    """Again the coordinates themselves tell; a larger im2 has its middle (rounded down) where that of im1 is."""
    off = (np.array(shape2) - shape1) // 2
    for axis in range(3):
        level = Level.of(coordinates(shape1, axis), coordinates(shape2, axis) - off[axis], None)
        assert (level.step == 1).all()
        for _ in range(2):
            level = halved(level, any_team)
            step = level.step[axis]
            assert step == (1 if shape1[axis] == 1 else level.factor)
            for array, first in ((level.im1, level.first), (level.im2, level.first2)):
                expected = first[axis] + step * coordinates(array.shape, axis)
                assert np.abs(array - expected).max() < 1e-5


@pytest.mark.mpi
@pytest.mark.parametrize("shape", [(16, 18, 20), (17, 19, 21), (3, 40, 41), (1, 33, 40)])
def test_halved(any_team, shape):
    """Shared by the ranks of a node, whole on every node, and that of `binning` bit for bit."""
    mask = (image("f4", shape, 2) > 100).astype("u1") * 7
    level = Level.of(image("u2", shape), image("f4", shape, 1), mask)
    half = halved(level, any_team)
    for array, original in ((half.im1, level.im1), (half.im2, level.im2)):
        expected = binning(original[0], 2)[None] if shape[0] == 1 else binning(original, 2)
        assert array.tobytes() == expected.tobytes() and not array.flags.writeable
    cells = cells_of(shape, 2)
    part = means(mask.astype(bool)[0], 2)[None] if shape[0] == 1 else means(mask.astype(bool), 2)
    assert half.mask1.shape == cells.count == half.im1.shape
    assert (half.mask1 == (part >= 0.5)).all() and half.factor == 2
    assert 0 < half.mask1.mean() < 1


@pytest.mark.mpi
@pytest.mark.parametrize("planes", [1, 2, 7, 64])
def test_planes_filled_by_all_ranks(any_team, planes, monkeypatch):
    seen = []

    def fill(first, last, some):
        assert some.shape == (last - first, 5, 3) and some.dtype == np.float32
        seen.append((first, last))
        some[:] = np.arange(first, last)[:, None, None]

    monkeypatch.setattr(exchange, "_IN_CACHE", 200)
    array = any_team.shared_planes((planes, 5, 3), np.float32, fill)
    assert not array.flags.writeable
    assert (array == np.arange(planes)[:, None, None]).all()
    spans = sorted(span for some in any_team.all_gather(seen) for span in some)
    assert [a for a, _ in spans] == [0, *(b for _, b in spans[:-1])] and spans[-1][1] == planes


@pytest.mark.mpi
@pytest.mark.parametrize("shape", [(37, 11, 12), (1, 50, 60), (8, 3, 3), (2, 1, 1)])
@pytest.mark.parametrize("dtype", ["u1", "i2", "u4", "f4", "f8"])
def test_grey_values(team, dtype, shape):
    array = image(dtype, shape)
    found = grey_values(array, team)
    assert found.mean == pytest.approx(array.astype(float).mean(), rel=1e-12)
    assert found.std == pytest.approx(array.astype(float).std(), rel=1e-6) and found.finite
    assert found == grey_values(array, Team())


@pytest.mark.mpi
def test_grey_values_of_what_is_finite(team):
    array = image("f4")
    array[3, 4, 5], array[9, :, 2] = np.inf, np.nan
    found, finite = grey_values(array, team), array[np.isfinite(array)].astype(float)
    assert not found.finite and found == grey_values(array, Team())
    assert (found.mean, found.std) == pytest.approx((finite.mean(), finite.std()), rel=1e-6)
    array[:] = np.nan
    found = grey_values(array, team)
    assert np.isnan(found.mean) and found.std == 0 and not found.finite
    assert grey_values(np.full((9, 4, 4), 77, "u2"), team).std < 1e-5


@pytest.mark.mpi
def test_centre_of_mass(team):
    mask = (image("f4", (23, 14, 19)) > 110).astype("u1") * 3
    expected = np.argwhere(mask).mean(axis=0)
    assert centre_of_mass(mask, team) == pytest.approx(expected, rel=1e-14)
    assert centre_of_mass(mask, team).tolist() == centre_of_mass(mask, Team()).tolist()
    one = np.zeros((9, 8, 7), "u1")
    assert centre_of_mass(one, team) is None
    one[4, 2, 6] = 255
    assert centre_of_mass(one, team).tolist() == [4, 2, 6]
