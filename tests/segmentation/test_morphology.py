"""Balls, parts and holes of masks against scipy, in blocks of few planes, in two dimensions, on any number of ranks."""

import numpy as np
import pytest
from hpcdvc.kernels.segmentation import across_planes, in_planes
from scipy import ndimage

from hpcdvc.ranks.team import Team
from hpcdvc.segmentation import components, morphology, planes

SHAPES = [(21, 24, 19), (1, 40, 37), (30, 1, 16)]


def blobs(shape, seed=0, part=0.5):
    """A mask of blobs, specks and holes that reaches the border."""
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=shape), [1.5 * (n > 1) for n in shape])
    mask = smooth > np.quantile(smooth, 1 - part)
    return (mask ^ (rng.random(shape) < 0.01)).astype("u1")


def ball(radius, shape):
    axes = np.meshgrid(*(np.arange(-radius, radius + 1) if n > 1 else [0] for n in shape), indexing="ij")
    return sum(axis**2 for axis in axes) <= radius**2


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(planes, "AT_A_TIME", 1200)


def both_ways(mask, radius):
    """Erosion and dilation by scipy; voxels beyond the image count as what changes nothing."""
    element = ball(radius, mask.shape)
    return ndimage.binary_erosion(mask, element, border_value=1), ndimage.binary_dilation(mask, element)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("radius", [1, 2, 4])
def test_balls(shape, radius):
    mask, team = blobs(shape), Team()
    erosion, dilation = both_ways(mask, radius)
    assert (morphology.eroded(mask, radius, team) == erosion).all()
    assert (morphology.dilated(mask, radius, team) == dilation).all()
    assert (morphology.opened(mask, radius, team) == both_ways(erosion, radius)[1]).all()
    assert (morphology.closed(mask, radius, team) == both_ways(dilation, radius)[0]).all()


def test_opening_and_closing_at_the_border():
    mask, team = blobs((20, 22, 24), 3), Team()
    opening, closing = (step(mask, 3, team) for step in (morphology.opened, morphology.closed))
    assert (opening <= mask).all() and (mask <= closing).all()
    assert (morphology.opened(opening, 3, team) == opening).all()
    full = np.ones((9, 9, 9), "u1")
    assert (morphology.eroded(full, 4, team) == full).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_squared_distances(shape):
    mask = blobs(shape, part=0.9)
    squares = morphology.squared_distances(mask)
    assert (squares == np.rint(ndimage.distance_transform_edt(mask) ** 2)).all()
    assert (morphology.squared_distances(np.ones(shape, "u1")) == 2**32 - 1).all()


def largest_by_scipy(mask):
    labels, _ = ndimage.label(mask)
    return labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])


def filled_by_scipy(mask, most=np.inf):
    labels, n = ndimage.label(mask == 0)
    faces = [labels.take(side, axis) for axis in range(3) if mask.shape[axis] > 1 for side in (0, -1)]
    outer = np.unique(np.concatenate([face.ravel() for face in faces]))
    holes = [k for k in range(1, n + 1) if k not in outer and (labels == k).sum() <= most]
    return (mask != 0) | np.isin(labels, holes)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("part", [0.3, 0.7])
def test_parts_and_holes(shape, part):
    mask, team = blobs(shape, 1, part), Team()
    assert (components.largest(mask, team) == largest_by_scipy(mask)).all()
    assert (components.filled(mask, team) == filled_by_scipy(mask)).all()
    assert (components.filled(mask, team, 4) == filled_by_scipy(mask, 4)).all()


def test_of_equal_parts_the_first_and_no_holes():
    mask, team = np.zeros((12, 20, 20), "u1"), Team()
    mask[1:3, 2:4, 2:4] = mask[8:10, 5:7, 5:7] = 1
    assert components.largest(mask, team)[:5].sum() == 8
    assert (components.filled(mask, team) == mask).all()


@pytest.mark.parametrize("call", [lambda a: in_planes(a, np.zeros((3, 4, 6), "u4")), lambda a: across_planes(a, 0, 4)])
def test_kernels_refuse_other_arrays(call):
    for wrong in (np.zeros((3, 4, 5), "f8"), np.zeros((4, 5), "u1"), None):
        with pytest.raises((TypeError, ValueError)):
            call(wrong)


@pytest.mark.mpi
@pytest.mark.parametrize("nodes", [None, 2])
def test_the_same_on_all_ranks(team, nodes):
    if nodes and team.size < nodes:
        pytest.skip("more nodes than ranks")
    team = Team(team.comm, nodes) if team.comm is not None else team
    for step in (lambda m, t: morphology.opened(m, 2, t), components.largest, components.filled):
        assert (step(blobs((21, 24, 19)), team) == step(blobs((21, 24, 19)), Team())).all()
