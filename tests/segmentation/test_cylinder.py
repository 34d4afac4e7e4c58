"""Cylinders that are given and found."""

import numpy as np
import pytest

from hpcdvc.errors import UserError
from hpcdvc.ranks.team import Team
from hpcdvc.segmentation.cylinder import Cylinder, find_cylinder

SHAPE = (40, 60, 64)


def upright(tilt=0.0, grains=1.0, noise=0.0, seed=0):
    """A cylinder about (31.2, 29.6) with a radius of 20.4, planes 5 to 34."""
    rng = np.random.default_rng(seed)
    z, y, x = np.indices(SHAPE)
    inside = (y - 31.2 - tilt * (z - 20)) ** 2 + (x - 29.6) ** 2 <= 20.4**2
    inside &= (z >= 5) & (z < 35) & (rng.random(SHAPE) < grains)
    return (inside | (rng.random(SHAPE) < noise)).astype("u1")


def test_given():
    cylinder = Cylinder(31.2, 29.6, 20.4, 5, 35)
    assert (cylinder.planes(0, 40, SHAPE) == upright()).all()
    assert (cylinder.planes(3, 9, SHAPE) == upright()[3:9]).all()
    assert Cylinder(-9, 9, 8, 0, 9).holds_none_of(SHAPE) and Cylinder(9, 9, 8, 40, 50).holds_none_of(SHAPE)


@pytest.mark.parametrize("how", [{}, {"noise": 0.02}, {"grains": 0.6}, {"grains": 0.6, "noise": 0.02}])
def test_found(how):
    found = find_cylinder(upright(**how), Team(), "im")
    assert abs(found.y - 31.2) < 0.3 and abs(found.x - 29.6) < 0.3 and abs(found.r - 20.4) < 0.3
    assert (found.z0, found.z1) == (5, 35)


def test_found_in_two_dimensions():
    found = find_cylinder(upright()[20:21], Team(), "im")
    assert abs(found.y - 31.2) < 0.3 and abs(found.r - 20.4) < 0.3 and (found.z0, found.z1) == (0, 1)


def ball():
    return (sum((axis - c) ** 2 for axis, c in zip(np.indices(SHAPE), (20, 30, 32), strict=True)) < 19**2).astype("u1")


@pytest.mark.parametrize(
    "mask, why",
    [
        (upright(tilt=0.3), "its centre moves by"),
        (np.ascontiguousarray(upright().swapaxes(0, 2)), "not round"),
        (ball(), "its radius is"),
        (np.ones(SHAPE, "u1"), "not round"),
        ((np.random.default_rng(0).random(SHAPE) < 0.5).astype("u1"), "not round"),
        (np.ascontiguousarray(upright()[:, 14:]), "the sides of the image, or of --roi, cut"),
        (np.ascontiguousarray(upright()[:, :, :47]), "the sides of the image, or of --roi, cut"),
    ],
)
def test_not_along_z(mask, why):
    with pytest.raises(UserError, match=f"no cylinder with its axis along Z is found in im.*{why}"):
        find_cylinder(mask, Team(), "im")


@pytest.mark.parametrize("margin", [0, 1, 5])
def test_found_where_it_just_fits(margin):
    low, high = 11 - margin, 52 + margin  # 10.8 to 51.6
    found = find_cylinder(np.ascontiguousarray(upright()[:, low:high]), Team(), "im")
    assert abs(found.y + low - 31.2) < 0.3 and abs(found.r - 20.4) < 0.3


@pytest.mark.mpi
def test_the_same_on_all_ranks(team):
    mask = upright(grains=0.6)
    assert find_cylinder(mask, team, "im") == find_cylinder(mask, Team(), "im")
