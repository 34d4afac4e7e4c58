"""A range that nobody has to know: found far away, in two dimensions, in small windows; and not where nothing is."""

import numpy as np
import pytest
from test_pixels import identity, texture

from hpcdvc.ranks.team import Team
from hpcdvc.search.adaptive import AdaptiveSearch
from hpcdvc.search.copies import binned_copies
from hpcdvc.search.pixels import PixelSearch, search_points
from hpcdvc.search.settings import SearchSettings

SHAPE, FLAT = (64, 70, 76), (1, 160, 170)


def nodes(shape, step, margin):
    axes = [np.arange(margin, n - margin, step) if n > 1 else [0] for n in shape]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3).astype(float)


def search(im1, im2, half, positions, reach=(-1, 1) * 3, mask2=None, phi=None, **settings):
    settings = SearchSettings(**settings)
    copies = binned_copies(im1, im2, None, mask2, half, Team())
    points = search_points(positions, identity(len(positions)) if phi is None else phi, half, reach)
    return AdaptiveSearch(PixelSearch(im1, im2, settings, None, mask2), copies, half)(points)


def rolled(image, shift):
    axes = tuple(axis for axis in range(3) if image.shape[axis] > 1)
    return np.roll(image, [shift[axis] for axis in axes], axes)


@pytest.mark.parametrize("half", [(10,) * 3, (6,) * 3, (3,) * 3])
@pytest.mark.parametrize("shift", [(1, 0, -1), (9, -11, 5), (-5, 17, 20)])
def test_found_wherever(half, shift):
    im1 = texture(SHAPE)
    found, low, high = search(im1, rolled(im1, shift), half, nodes(SHAPE, 9, 22))
    assert (found["displacement"] == shift).all() and (found["return_status"] == 1).all()
    assert (low <= shift).all() and (high >= shift).all() and (high < 100).all()
    assert (found["second"] < 0.9).all() and (np.abs(found["score"] - 1) < 1e-9).all()


def test_in_two_dimensions():
    im1 = texture(FLAT)
    positions = nodes(FLAT, 15, 60)
    found, low, high = search(im1, rolled(im1, (0, 50, -42)), (0, 10, 10), positions, (0, 0, -1, 1, -1, 1))
    assert (found["displacement"] == (0, 50, -42)).all() and (low[:, 0] == 0).all() and (high[:, 0] == 0).all()


def test_start_that_is_far_off():
    im1, phi = texture(SHAPE), identity(1)
    phi[0, :3, 3] = 4.4, -3.2, 7.7
    found, low, high = search(
        im1, rolled(im1, (9, -11, 5)), (8,) * 3, np.array([[30.0, 35, 38]]), phi=phi, subvoxel=True
    )
    assert found["return_status"] == 2 and np.abs(found["displacement"] - (9, -11, 5)).max() < 0.1
    assert (found["whole"] == (5, -8, -3)).all()


def test_nothing_is_found_in_another_texture():
    found, _, high = search(texture(SHAPE), texture(SHAPE, seed=8), (8,) * 3, nodes(SHAPE, 20, 22))
    assert (found["return_status"] < 0).all() and np.isnan(found["displacement"]).all() and (high >= 48).all()


def test_texture_that_repeats_is_ambiguous():
    im1 = np.tile(texture((16, 16, 16)), (4, 5, 5))
    found, *_ = search(im1, rolled(im1, (2, 3, -2)), (8,) * 3, nodes(im1.shape, 20, 30))
    assert (found["return_status"] == -10).all() and np.isnan(found["displacement"]).all()


def test_points_do_not_know_each_other():
    im1 = texture(SHAPE)
    im2 = rolled(im1, (9, -11, 5))
    im2[:30] = texture(SHAPE, seed=8)[:30]
    positions = nodes(SHAPE, 12, 14)
    together = search(im1, im2, (7,) * 3, positions, subvoxel=True)
    for k in range(0, len(positions), 4):
        alone = search(im1, im2, (7,) * 3, positions[k : k + 1], subvoxel=True)
        for one, all_of in zip(alone, together, strict=True):
            one = one.copy()
            if one.dtype.names:
                one["index"] = k
            assert one.tobytes() == all_of[k : k + 1].tobytes()
