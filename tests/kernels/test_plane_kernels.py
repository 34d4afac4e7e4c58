"""Planes through volumes: the kernel against scipy, on any type, byte order and address."""

import numpy as np
import pytest
from scipy import ndimage

from hpcdvc.kernels import planes

SHAPE = (9, 13, 11)
#: Origin, step down, step across of a plane that leaves the volume on both sides.
OBLIQUE = np.array([[1.2, -3.4, -2.6], [0.31, 0.87, -0.12], [-0.21, 0.17, 0.93]])
SIZE = (17, 19)
STORED = ["u1", "<u2", ">u2", "i1", ">i2", ">u4", "<i4", "<f4", ">f4", "<f8", ">f8"]


def volume_of(stored: str, shape: tuple = SHAPE) -> np.ndarray:
    """Random voxels over the range of the type."""
    kind, rng = np.dtype(stored), np.random.default_rng(5)
    if kind.kind == "f":
        return rng.normal(100, 30, shape).astype(kind)
    ends = np.iinfo(kind)
    return rng.integers(ends.min, ends.max, shape, endpoint=True).astype(kind)


def places_of(plane: np.ndarray) -> np.ndarray:
    """(3, rows, columns) where the pixels lie."""
    i, j = np.indices(SIZE)
    return np.stack([plane[0, k] + i * plane[1, k] + j * plane[2, k] for k in range(3)])


def cut(volume: np.ndarray, plane: np.ndarray = OBLIQUE, **field) -> tuple[np.ndarray, np.ndarray]:
    out, covered = np.full(SIZE, -7, np.float32), np.full(SIZE, 9, np.uint8)
    planes.linear(volume, plane, out, covered, **field)
    return out, covered


def agrees_with_scipy(volume: np.ndarray, found: tuple, places: np.ndarray) -> None:
    inside = np.all([(p >= 0) & (p <= n - 1) for p, n in zip(places, volume.shape, strict=True)], axis=0)
    wanted = ndimage.map_coordinates(volume.astype("f8"), places, order=1, cval=0)
    grey, covered = found
    np.testing.assert_array_equal(covered, inside)
    assert 0 < inside.mean() < 1, "the plane lies inside in part"
    np.testing.assert_allclose(grey, np.where(inside, wanted, 0), rtol=3e-7, atol=1e-5)


@pytest.mark.parametrize("stored", STORED)
def test_linear_is_scipys(stored):
    volume = volume_of(stored)
    agrees_with_scipy(volume, cut(volume), places_of(OBLIQUE))


@pytest.mark.parametrize("stored", STORED)
def test_nearest_copies_the_voxel(stored):
    volume = volume_of(stored)
    out, covered = np.empty(SIZE, volume.dtype.newbyteorder("=")), np.empty(SIZE, np.uint8)
    planes.nearest(volume, OBLIQUE, out, covered)
    at = np.floor(places_of(OBLIQUE) + 0.5).astype(int)
    inside = np.all([(a >= 0) & (a < n) for a, n in zip(at, SHAPE, strict=True)], axis=0)
    np.testing.assert_array_equal(covered, inside)
    np.testing.assert_array_equal(out, np.where(inside, volume[tuple(np.where(inside, at, 0))], 0))


def test_any_address():
    """Voxels of a file begin where its header ends."""
    volume = volume_of(">u2")
    data = b"odd" + volume.tobytes()
    askew = np.frombuffer(data, ">u2", offset=3).reshape(SHAPE)
    assert not askew.flags.aligned
    np.testing.assert_array_equal(cut(askew)[0], cut(volume)[0])


def test_grey_zero_is_covered():
    grey, covered = cut(np.zeros(SHAPE, "u1"))
    assert not grey.any()
    assert covered.any()


@pytest.mark.parametrize("hole", [np.nan, np.inf, 1e300])
def test_what_is_not_finite_is_not_covered(hole):
    volume = volume_of("<f8")
    volume[4, 6, 5] = hole
    straight = np.array([[4.0, -2, -2], [0, 1, 0], [0, 0, 1]])
    grey, covered = cut(volume, straight)
    assert covered[8, 7] == 0 and grey[8, 7] == 0
    assert covered.sum() == SHAPE[1] * SHAPE[2] - 1, "pixels on other voxels do not see it"


def test_last_voxels_are_covered():
    volume = volume_of("u1")
    corner = np.array([[8.0, 12, 10], [-1, 0, 0], [0, -1, 0]])
    grey, covered = cut(volume, corner)
    assert covered[:9, :13].all() and not covered[9:].any() and not covered[:, 13:].any()
    np.testing.assert_array_equal(grey[:9, :13], volume[::-1, ::-1, 10])


def test_image_of_one_plane():
    volume = volume_of("u2", (1, 13, 11))
    grey, covered = cut(volume, np.array([[0.0, 0, 0], [0, 1, 0], [0, 0, 1]]))
    np.testing.assert_array_equal(grey[:13, :11], volume[0])
    assert covered.sum() == 13 * 11


def field_of(shape: tuple = (3, 4, 3)) -> tuple[np.ndarray, np.ndarray]:
    return np.random.default_rng(8).normal(0, 0.8, (*shape, 3)), np.array([[0.5, 1.0, 0.0], [3.5, 3.0, 4.5]])


def test_through_a_field_is_scipys():
    volume, (nodes, grid) = volume_of(">f4"), field_of()
    places = places_of(OBLIQUE)
    at = (places - grid[0][:, None, None]) / grid[1][:, None, None]
    known = np.all([(a >= 0) & (a <= n - 1) for a, n in zip(at, nodes.shape, strict=False)], axis=0)
    moved = places + np.stack([ndimage.map_coordinates(nodes[..., k], at, order=1) for k in range(3)])
    agrees_with_scipy(volume, cut(volume, nodes=nodes, grid=grid), np.where(known, moved, -1))


def test_nodes_that_are_unknown_cover_nothing():
    volume, (nodes, grid) = volume_of("u1"), field_of()
    covered = cut(volume, nodes=nodes, grid=grid)[1]
    nodes[1, 1, 1] = np.nan
    less = cut(volume, nodes=nodes, grid=grid)[1]
    assert 0 < less.sum() < covered.sum()
    assert not (less & ~covered & 1).any()


def test_a_field_of_one_layer_moves_all_planes():
    volume = volume_of("u1")
    nodes, grid = np.zeros((1, 2, 2, 3)), np.array([[4.0, 0, 0], [1, 20, 20]])
    nodes[..., 2] = 1
    here = np.array([[2.0, 0, 0], [0, 1, 0], [0, 0, 1]])
    grey, covered = cut(volume, here, nodes=nodes, grid=grid)
    np.testing.assert_array_equal(grey[:13, :10], volume[2, :, 1:])
    assert covered.sum() == 13 * 10


@pytest.mark.parametrize("plane", [np.full((3, 3), np.nan), np.full((3, 3), 1e300), np.full((3, 3), np.inf)])
def test_planes_that_are_nowhere(plane):
    nodes, grid = field_of()
    for field in ({}, {"nodes": nodes, "grid": grid}):
        assert not cut(volume_of("u2"), plane, **field)[1].any()
    out, covered = np.ones(SIZE, np.uint8), np.ones(SIZE, np.uint8)
    planes.nearest(volume_of("u1"), plane, out, covered)
    assert not covered.any() and not out.any()


def refused(error, **wrong):
    good = {"volume": volume_of("u1"), "plane": OBLIQUE, "out": np.empty(SIZE, "f4"), "covered": np.empty(SIZE, "u1")}
    with pytest.raises(error):
        planes.linear(**good | wrong)


def test_what_is_no_plane_is_refused():
    refused(TypeError, volume=np.zeros(SHAPE, "c8"))
    refused(TypeError, volume=[1])
    refused(ValueError, volume=np.zeros(SHAPE, "u1")[:, ::2])
    refused(ValueError, volume=np.zeros(SHAPE[1:], "u1"))
    refused(ValueError, volume=np.zeros((0, 2, 2), "u1"))
    refused(ValueError, plane=np.zeros((2, 3)))
    refused(TypeError, out=np.empty(SIZE, "f8"))
    refused(ValueError, covered=np.empty((3, 3), "u1"))
    nodes, grid = field_of()
    refused(ValueError, nodes=nodes[..., :2].copy(), grid=grid)
    refused(ValueError, nodes=nodes, grid=grid * 0)
    refused(TypeError, nodes=nodes)
    out, covered = np.empty(SIZE, "u2"), np.empty(SIZE, "u1")
    with pytest.raises(TypeError):
        planes.nearest(volume_of("u1"), OBLIQUE, out, covered)
