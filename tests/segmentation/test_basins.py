"""Basins of distance maps: as many as there are h-maxima, merged and split as they should be."""

import numpy as np
import pytest
from packings import count_right, drawn, packing
from scipy import ndimage
from skimage.morphology import local_maxima, reconstruction
from test_morphology import blobs

from hpcdvc.kernels import segmentation as kernels
from hpcdvc.kernels.records import dtype
from hpcdvc.ranks.team import Team
from hpcdvc.segmentation.basins import basins_of, distances

AROUND = np.ones((3, 3, 3))


def labelled(mask, h=1.0):
    """Labels from 1 on."""
    basins, first_of, _ = basins_of(distances(mask, Team()), h, Team())
    return np.unique(first_of[basins], return_inverse=True)[1].reshape(mask.shape)


def h_maxima(distance, h):
    """How many there are, by their definition: regional maxima of what is left of the map under itself less h."""
    left = reconstruction(
        np.where(distance > 0, distance - h, -99), np.where(distance > 0, distance, -99), "dilation", AROUND
    )
    return ndimage.label(local_maxima(np.pad(left, 1, constant_values=-99), connectivity=3), AROUND)[1]


@pytest.mark.parametrize("shape", [(21, 24, 19), (1, 60, 57)])
@pytest.mark.parametrize("h", [0.25, 0.5, 1.0, 2.0])
def test_one_for_each_maximum(shape, h):
    mask = ndimage.binary_dilation(blobs(shape, 2, 0.4), iterations=2).astype("u1")
    mask[0, 0, 0] = 0
    distance = distances(mask, Team())
    assert np.allclose(distance, ndimage.distance_transform_edt(mask), rtol=1e-6)
    labels = labelled(mask, h)
    assert (labels > 0).tolist() == (mask > 0).tolist()
    assert labels.max() == h_maxima(distance.astype(float), h) > 1


def pair(apart, r=10.0):
    """Two spheres."""
    centres = np.array([[14.0, 14, 14], [14, 14, 14 + apart]])
    return drawn(centres, np.array([r, r]))


@pytest.mark.parametrize("apart", [20, 18, 15])
def test_two_spheres(apart):
    truth = pair(apart)
    assert count_right(labelled((truth > 0).astype("u1")), truth) == 2


def test_merged_and_split():
    """A bar, and two spheres deep in each other, are one; less h splits the spheres, more merges those that touch."""
    bar = np.zeros((12, 14, 60), "u1")
    bar[3:9, 3:10, 4:55] = 1
    assert labelled(bar).max() == 1
    deep, touching = ((pair(apart) > 0).astype("u1") for apart in (7, 20))
    assert [labelled(deep, h).max() for h in (0.1, 1.0)] == [2, 1]
    assert [labelled(touching, h).max() for h in (1.0, 10.0)] == [2, 1]


def test_full_and_empty():
    basins, first_of, _ = basins_of(distances(np.ones((4, 5, 6), "u1"), Team()), 1.0, Team())
    assert (first_of[basins] == 1).all()
    basins, first_of, depths = basins_of(distances(np.zeros((4, 5, 6), "u1"), Team()), 1.0, Team())
    assert not basins.any() and first_of.tolist() == [0] and depths.tolist() == [0]


def test_a_small_packing():
    truth = drawn(*packing(40, 5, spread=0.3))
    labels = labelled((truth > 0).astype("u1"))
    assert labels.max() == 40 and count_right(labels, truth) == 40


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("spread", [0.0, 0.4])
def test_500_spheres_that_touch(seed, spread):
    truth = drawn(*packing(500, seed, spread=spread))
    labels = labelled((truth > 0).astype("u1"))
    assert abs(int(labels.max()) - 500) <= 5 and count_right(labels, truth) >= 490


def test_kernels_refuse_other_arrays():
    distance, ways, basins = np.ones((3, 4, 5), "f4"), np.zeros((3, 4, 5), "u1"), np.zeros((3, 4, 5), "u4")
    saddle = np.array([((1, 9), 1.0)], dtype("saddle"))
    for call in (
        lambda: kernels.ways_up(distance.astype("f8"), ways, 0, 3),
        lambda: kernels.ways_up(distance, ways, 0, 4),
        lambda: kernels.number_maxima(distance, ways, 0, 3, 1, 2, basins),
        lambda: kernels.number_maxima(distance, ways, 0, 3, 2**32, 0, basins),
        lambda: kernels.fill_basins(ways[:, :, ::2], 0, 3, basins),
        lambda: kernels.saddles(distance, basins[:2], 0, 2),
        lambda: kernels.merge(saddle, np.ones(3, "f4"), 1.0),
    ):
        with pytest.raises((TypeError, ValueError)):
            call()


@pytest.mark.mpi
@pytest.mark.parametrize("nodes", [None, 2])
def test_the_same_on_all_ranks(team, nodes):
    if nodes and team.size < nodes:
        pytest.skip("more nodes than ranks")
    team = Team(team.comm, nodes) if team.comm is not None else team
    mask = blobs((21, 24, 19), 2, 0.6)
    for ours, serial in zip(*(basins_of(distances(mask, t), 0.5, t) for t in (team, Team())), strict=True):
        assert ours.tobytes() == serial.tobytes()
