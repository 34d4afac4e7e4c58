"""Fourier tools on volumes by all ranks: what the functions of hpcdvc.fourier give, the same bits on any ranks."""

from functools import partial

import numpy as np
import pytest

from hpcdvc import fourier
from hpcdvc.ranks.team import Team
from hpcdvc.stacks.filters import reach
from hpcdvc.stacks.fourier_volumes import planes_around, planes_correlated, planes_read

SHAPE = (11, 12, 9)
PLACES = [np.arange(11) - 1.3, np.linspace(2, 8, 7), np.arange(0, 9, 0.5)]


def volume(number: int = 1) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 60000, SHAPE).astype(np.uint16)


def holed(number: int = 1) -> np.ndarray:
    """Missing voxels, and planes without one."""
    image = volume(number).astype(np.float32)
    image[4, 3:6, 2] = image[0] = image[6:8] = np.nan
    return image


def whole(planes, count: int, depth: int = 4) -> np.ndarray:
    return np.concatenate([np.asarray(planes(z, min(z + depth, count))) for z in range(0, count, depth)])


def close(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * np.nanmax(np.abs(expected)))


@pytest.mark.parametrize("image", [volume(), holed()], ids=["whole", "holed"])
def test_read(image):
    for places in (PLACES, [np.arange(n) + 0.25 for n in SHAPE]):
        found = whole(planes_read(Team(), image, places), len(places[0]))
        assert found.dtype == np.float32
        close(found, fourier.scale(image, places))


def test_nothing_to_be_read():
    assert np.isnan(whole(planes_read(Team(), np.full(SHAPE, np.nan), PLACES), 11)).all()


@pytest.mark.parametrize("boundary", ["wrap", "fill", "ignore"])
@pytest.mark.parametrize("image", [volume(), holed()], ids=["whole", "holed"])
def test_around(image, boundary):
    """Also with a kernel higher than the volume."""
    for kernel, width in (("gaussian", 0.8), ("boxcar", 3), ("trapezoid", 6)):
        apply = partial(fourier.smooth, width=width, kernel=kernel, boundary=boundary)
        close(whole(planes_around(image, reach(kernel, width), boundary == "wrap", apply), 11), apply(image))
    for size in ((2, 3, 1), (5, 1, 4), (25, 3, 3)):
        weights = np.random.default_rng(3).random(size)
        apply = partial(fourier.convolve, kernel=weights, boundary=boundary)
        close(whole(planes_around(image, size[0] // 2, boundary == "wrap", apply), 11), apply(image))


def test_blocks():
    apply = partial(fourier.downsample, factor=(2, 3, 1))
    np.testing.assert_array_equal(whole(planes_around(volume(), 0, False, apply, 2), 5, 2), apply(volume()))


@pytest.mark.parametrize("boundary", ["wrap", "fill"])
def test_correlated(boundary):
    found = whole(planes_correlated(Team(), volume(), holed(2), boundary), 11)
    close(found, fourier.correlate2d(volume(), holed(2), boundary))


@pytest.mark.mpi
@pytest.mark.parametrize("nodes", [None, 2])
def test_ranks_change_no_bit(team, nodes):
    if nodes is not None:
        if team.comm is None or nodes > team.size:
            pytest.skip("fewer ranks than nodes")
        team = Team(team.comm, nodes)
    for make in (
        partial(planes_read, volume=holed(), positions=PLACES),
        partial(planes_correlated, a=volume(), b=volume(2), boundary="fill"),
    ):
        alone, together = (whole(make(ranks), 11) for ranks in (Team(), team))
        assert together.tobytes() == alone.tobytes()
