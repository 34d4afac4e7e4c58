"""Heights of views whose object goes on beyond them, from the sums of their rows."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d
from test_alignment import Memory, rms
from tomography_cases import turned

from hpcdvc.ranks.team import Team
from hpcdvc.tomography.align import align
from hpcdvc.tomography.beams import forward
from hpcdvc.tomography.heights import common_rows, heights_of, row_means
from hpcdvc.tomography.scan import Scan
from hpcdvc.tomography.settings import AlignSettings


def lines(offsets, count=60, noise=0.0):
    """Profiles of an object without ends, with gains and backgrounds of their own."""
    rng = np.random.default_rng(2)
    places, fine = np.arange(count) + 20, np.arange(0, count + 40, 0.1)
    object_ = gaussian_filter1d(rng.standard_normal(len(fine)), 30) * 20 + 2
    seen = np.array([np.interp(places + o, fine, object_) for o in offsets])
    gains, backgrounds = 1 + 0.1 * rng.standard_normal((len(seen), 1)), 0.1 * rng.standard_normal((len(seen), 1))
    return gains * seen + backgrounds + noise * rng.standard_normal(seen.shape)


@pytest.mark.parametrize(("most", "noise", "error"), [(3, 0, 0.02), (9, 0, 0.05), (3, 0.05, 0.1)])
def test_profiles(most, noise, error):
    truth = np.random.default_rng(1).uniform(-most, most, 24)
    off = heights_of(lines(truth, noise=noise)) - truth
    assert (off - off.mean()).std() < error


def test_what_has_no_texture_has_no_height():
    rng = np.random.default_rng(0)
    assert heights_of(np.ones((4, 30))) is None
    assert heights_of(1 + 0.1 * rng.standard_normal((8, 30))) is None
    assert heights_of(rng.standard_normal((8, 2))) is None


def test_row_means_and_common_rows():
    views, weights = np.arange(24.0).reshape(1, 4, 6), np.ones((1, 4, 6))
    weights[0, 1:, 0] = weights[0, :, 5] = 0
    np.testing.assert_allclose(row_means(views, weights)[0], [0, 10, 11, 12, 13, 0])
    parts = common_rows(np.array([-1.0, 0.2, 2.0]), 20)
    assert parts == [slice(3, 20), slice(2, 19), slice(0, 17)]


def rod(views=16, size=24):
    """A scan of a rod with balls that goes on above and below, with known offsets of up to 3 pixels."""
    rng = np.random.default_rng(5)
    grid = np.stack(np.meshgrid(*[np.arange(n) - (n - 1) / 2 for n in (size, size, 2 * size)], indexing="ij"), axis=-1)
    volume = 0.5 * np.clip(6.5 - np.hypot(grid[..., 0] - 1, grid[..., 1]), 0, 1)
    for _ in range(24):
        centre, width = rng.uniform(-1, 1, 3) * (4, 4, size), rng.uniform(0.06, 0.1) * size
        volume += np.exp(-((grid - centre) ** 2).sum(axis=-1) / (2 * width**2))
    angles = np.linspace(0.07, np.pi, views, endpoint=False)
    tall = turned(angles, np.zeros(views), volume.shape, (size + 6, size))
    truth, zero = rng.uniform(-3, 3, (2, views)), np.zeros(views)
    seen = forward(volume.astype(np.float32), tall, *truth) / size
    geometry = turned(angles, np.zeros(views), (size + 6, size + 6, size), tall.shape)
    return Scan("rod", geometry, zero, zero, Memory(seen), "stack"), truth


def test_object_without_ends():
    """Centres of mass say nothing along k; heights bring it so near that the volume does the rest."""
    scan, truth = rod()
    start = align(scan, AlignSettings(maxiter=0), Team())
    assert (rms(start, truth, scan.geometry) <= (0.05, 0.02)).all()
    found = align(scan, AlignSettings(maxiter=8), Team())
    assert (rms(found, truth, scan.geometry) <= (0.02, 0.03)).all()
    assert abs(found.k_offsets.mean()) < 1e-9  # no row leaves the volume by a drift of all
    assert found.history[-1].residual < found.history[0].residual
    none = align(scan, AlignSettings(maxiter=0, align_k=False), Team())
    np.testing.assert_array_equal(none.k_offsets, 0)


def test_heights_about_views_that_are_not_moved():
    scan, truth = rod()
    still = [2, 9]
    scan = Scan("rod", scan.geometry, *np.where(np.isin(np.arange(16), still), truth, 0), scan.views, "stack")
    found = align(scan, AlignSettings(maxiter=0, ignored=tuple(still), start="com", align_j=False), Team())
    np.testing.assert_array_equal(found.k_offsets[still], truth[1, still])


@pytest.mark.mpi
def test_ranks_change_no_bit_of_an_object_without_ends(team):
    scan, _ = rod(6, 16)
    settings = AlignSettings(maxiter=1, reconstruction_kwargs={"maxiter": 5})
    alone, found = align(scan, settings, Team()), align(scan, settings, team)
    np.testing.assert_array_equal(found.k_offsets, alone.k_offsets)
    np.testing.assert_array_equal(found.j_offsets, alone.j_offsets)
    assert found.k_offsets.any()
