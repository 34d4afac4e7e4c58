"""Meshes of boxes and cylinders: they fill the body, fit together, and have edges of the length that is asked for."""

import numpy as np
import pytest
from mesh_cases import mean_edge, surface

import hpcdvc
from hpcdvc.errors import UserError
from hpcdvc.fem.quality import aspect_ratios, corner_determinants, orient


def check(points: np.ndarray, connectivity: np.ndarray, volume: float) -> None:
    """All nodes are used, no tetrahedron is inverted, they fill the volume and come in the order of z."""
    assert (points.dtype, connectivity.dtype) == (np.float64, np.int64)
    assert np.array_equal(np.unique(connectivity), np.arange(len(points)))
    volumes = corner_determinants(points, connectivity) / 6
    assert volumes.min() > 0.2 * volumes.mean()
    assert volumes.sum() == pytest.approx(volume, rel=1e-12)
    assert (np.diff(points[connectivity].min(axis=1)[:, 0]) >= -1e-9).all()
    assert not np.isin(connectivity, np.unique(surface(connectivity))).all(axis=1).any()


def test_cuboid():
    points, connectivity = hpcdvc.create_cuboid((72, 90, 60), 8, origin=(12, -5, 0.5))
    check(points, connectivity, 72 * 90 * 60)
    assert points.min(axis=0).tolist() == [12, -5, 0.5] and points.max(axis=0).tolist() == [84, 85, 60.5]
    assert mean_edge(points, connectivity) == pytest.approx(8, rel=0.06)
    outside = points[np.unique(surface(connectivity))]
    at = np.isclose(outside, [12, -5, 0.5]) | np.isclose(outside, [84, 85, 60.5])
    assert at.any(axis=1).all()


def test_cylinder():
    points, connectivity = hpcdvc.create_cylinder((-24, 27), 12.5, 97.3, 4, z_origin=-4.2)
    around = 20
    check(points, connectivity, 97.3 * 12.5**2 * around / 2 * np.sin(2 * np.pi / around))
    assert points[:, 0].min() == -4.2 and points[:, 0].max() == pytest.approx(93.1)
    assert mean_edge(points, connectivity) == pytest.approx(4, rel=0.1)
    distance = np.hypot(points[:, 1] + 24, points[:, 2] - 27)
    faces = surface(connectivity)
    lateral = np.ptp(points[faces, 0], axis=1) > 1e-9
    np.testing.assert_allclose(distance[np.unique(faces[lateral])], 12.5, rtol=1e-12)
    assert distance.max() == pytest.approx(12.5)


def test_finer_edges():
    """The mean length of edges follows lc; the volume of the cylinder goes to that of the round one."""
    for lc in (12.0, 5.0, 3.0):
        points, connectivity = hpcdvc.create_cylinder((40, 40), 30, 60, lc)
        assert mean_edge(points, connectivity) == pytest.approx(lc, rel=0.1)
    volume = corner_determinants(points, connectivity).sum() / 6
    assert volume == pytest.approx(np.pi * 900 * 60, rel=0.003)
    assert aspect_ratios(points, connectivity).max() < 2.5


def test_coarsest():
    """A body smaller than lc is a cube with a middle, or eight nodes around two by two of them."""
    assert [len(array) for array in hpcdvc.create_cuboid((5, 5, 5), 100)] == [9, 12]
    points, connectivity = hpcdvc.create_cylinder((0, 0), 5, 5, 100)
    check(points, connectivity, 5 * 25 * 4 * np.sin(np.pi / 4))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: hpcdvc.create_cuboid((10, 10), 3), "the lengths of a box must be 3 finite numbers"),
        (lambda: hpcdvc.create_cuboid((10, 0, 10), 3), "a body needs positive lengths, not 10 x 0 x 10 voxels"),
        (lambda: hpcdvc.create_cuboid((10, 10, 10), 0), "a positive number of voxels, not 0"),
        (lambda: hpcdvc.create_cuboid((10, 10, 10), np.nan), "a positive number of voxels, not nan"),
        (lambda: hpcdvc.create_cuboid((1e4, 1e4, 1e4), 1), "make 1.57e.12 nodes: give a larger lc"),
        (lambda: hpcdvc.create_cylinder((0, 0), -1, 10, 3), "positive lengths"),
        (lambda: hpcdvc.create_cylinder((0, np.inf), 1, 10, 3), "the centre of a cylinder must be 2 finite numbers"),
    ],
)
def test_refused(make, words):
    with pytest.raises(UserError, match=words):
        make()


def test_orient():
    points, connectivity = hpcdvc.create_cuboid((10, 10, 10), 5)
    mixed = connectivity.copy()
    mixed[::3, :2] = mixed[::3, 1::-1]
    assert (corner_determinants(points, mixed) < 0).sum() == len(mixed[::3])
    oriented = orient(points, mixed)
    assert (corner_determinants(points, oriented) > 0).all()
    assert np.array_equal(np.sort(oriented), np.sort(connectivity))
    assert np.array_equal(orient(points, connectivity), connectivity)
