"""Gradients on grids: exact for affine and quadratic fields wherever nodes suffice, and their covariance."""

import numpy as np
import pytest
from strain_cases import FLAT_F, F, affine_field

from hpcdvc.errors import UserError
from hpcdvc.fields.gradients import Displacements, ball_support, cell_support, corners, gradients
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.overlap import WindowOverlap


def displacements(field, usable=None, variance=None) -> Displacements:
    usable = np.ones(len(field), bool) if usable is None else usable
    return Displacements(field.grid, field.displacement, usable, variance)


SUPPORTS = {
    "Geers": lambda grid: ball_support(grid, 1.5),
    "wide": lambda grid: ball_support(grid, 2.1),
    "Q8": cell_support,
    "poly1": lambda grid: ball_support(grid, 1.5, 1, True),
    "poly2": lambda grid: ball_support(grid, 2, 2, True),
}


@pytest.mark.parametrize("mode", SUPPORTS)
@pytest.mark.parametrize("flat", [False, True])
def test_exact_for_affine_fields_everywhere(mode, flat):
    """Boundaries, next to missing nodes, unequal spacing, far from the origin."""
    shape, f = ((1, 8, 9), FLAT_F) if flat else ((5, 6, 7), F)
    field = affine_field(shape, (1.0, 20.0, 10.0) if flat else (20.0, 10.0, 12.5), f, flat=flat)
    field.phi[:, :3, 3] += (0 if flat else 1000, 2000, -500)
    usable = np.random.default_rng(0).random(len(field)) > 0.1
    support = SUPPORTS[mode](field.grid)
    numbers = np.arange(support.grid_of(field.grid).size)
    found, covariance = gradients(displacements(field, usable), support, numbers)
    there = np.isfinite(found).all(axis=(1, 2))
    assert covariance is None and (np.isnan(found).any(axis=(1, 2)) == ~there).all()
    assert np.abs(found[there] - f).max() < 1e-11
    if mode == "Q8":
        assert (there == usable[corners(field.grid, support, numbers)].all(axis=1)).all()
    else:
        assert there[usable].mean() > 0.95


def test_quadratic_fields_need_the_second_order():
    """At the corners of the grid as inside; an affine fit is exact only where the nodes lie symmetrically."""
    field = affine_field((5, 5, 5), (8.0, 8.0, 8.0))
    z, y, x = field.positions.T
    field.phi[:, 0, 3] += 1e-4 * (z * z + 2 * y * x)
    truth = np.tile(F, (len(field), 1, 1))
    truth[:, 0] += 1e-4 * np.stack([2 * z, 2 * x, 2 * y], axis=1)
    numbers = np.arange(len(field))
    second, _ = gradients(displacements(field), SUPPORTS["poly2"](field.grid), numbers)
    first, _ = gradients(displacements(field), SUPPORTS["poly1"](field.grid), numbers)
    assert np.abs(second - truth).max() < 1e-12
    inside = ((field.positions > 8) & (field.positions < 40)).all(axis=1)
    assert np.abs(first - truth)[inside].max() < 1e-12 and np.abs(first - truth)[~inside].max() > 1e-3


def test_nodes_that_leave_the_gradient_open():
    """In one plane: NaN, not a number made up; what is left of a quadratic is affine."""
    field = affine_field((3, 3, 3), (8.0, 8.0, 8.0))
    plane = field.positions[:, 0] == 16
    found, _ = gradients(displacements(field, plane), SUPPORTS["poly1"](field.grid), np.arange(27))
    assert np.isnan(found).all()
    few = plane.copy()
    few[4] = True  # one node below the plane
    found, _ = gradients(displacements(field, few), SUPPORTS["poly2"](field.grid), np.array([13]))
    assert np.abs(found - F).max() < 1e-12


def test_a_place_does_not_depend_on_the_others_asked_for():
    field = affine_field(variance=0.01)
    rng = np.random.default_rng(3)
    field.phi[:, :3, 3] += rng.standard_normal((len(field), 3))
    known = displacements(field, rng.random(len(field)) > 0.2, rng.random((len(field), 3)))
    support, overlap = ball_support(field.grid, 2), WindowOverlap((10, 10, 10))
    whole = gradients(known, support, np.arange(210), overlap)
    for some in (np.array([100]), np.arange(7, 210, 13), np.arange(99, 150)):
        for all_of_it, part in zip(whole, gradients(known, support, some, overlap), strict=True):
            assert all_of_it[some].tobytes() == part.tobytes()


def test_what_the_specimen_does_not_connect():
    field = affine_field((3, 4, 9), (5.0, 5.0, 5.0))
    torn = field.positions[:, 2] > 22
    field.phi[torn, 0, 3] += 7

    def one_side(places, nodes):
        return (places[:, None, 2] > 22) == (nodes[..., 2] > 22)

    for mode in ("Geers", "poly2"):
        support, numbers = SUPPORTS[mode](field.grid), np.arange(len(field))
        found, _ = gradients(displacements(field), support, numbers, None, one_side)
        assert np.abs(found - F).max() < 1e-12
        found, _ = gradients(displacements(field), support, numbers)
        assert np.abs(found - F).max() > 0.1


@pytest.mark.parametrize("mode", SUPPORTS)
def test_covariance_is_that_of_correlated_noise(mode):
    """F is linear in the displacements: what each of them does, one by one, and how their noise goes together."""
    grid, overlap = Grid((0.0,) * 3, (8.0, 4.0, 6.0), (4, 4, 4)), WindowOverlap((8, 5, 5))
    sigma = np.random.default_rng(1).uniform(0.5, 2, (grid.size, 3))
    usable = np.ones(grid.size, bool)
    usable[22] = False
    support, places = SUPPORTS[mode](grid), grid.positions()
    numbers = np.array([0, 9]) if mode == "Q8" else np.array([0, 5, 20, 21])
    shares = []
    for node in range(grid.size):
        alone = np.zeros((grid.size, 3))
        alone[node] = 1
        f, covariance = gradients(Displacements(grid, alone, usable, sigma**2), support, numbers, overlap)
        shares.append((f - np.eye(3))[:, 0])
    distance = np.abs(places[:, None] - places[None])
    shared = np.clip(1 - distance / (17, 11, 11), 0, None).prod(axis=-1)
    expected = np.einsum("amk,bml,ai,bi,ab->mikl", shares, shares, sigma, sigma, shared)
    assert covariance == pytest.approx(expected, rel=1e-9, abs=1e-12) and (np.abs(covariance) > 1e-6).all()


def test_radius_must_reach():
    grid = Grid((0.0,) * 3, (10.0, 10.0, 10.0), (3, 3, 3))
    with pytest.raises(UserError, match="reaches no neighbour"):
        ball_support(grid, 0.9)
    assert len(ball_support(grid, 1.5).offsets) == 18 and len(ball_support(grid, 1, 1, True).offsets) == 7
    thin = Grid((0.0,) * 3, (20.0, 10.0, 10.0), (3, 9, 9))
    assert ball_support(thin, 1.5).extent.tolist() == [2, 6, 6]
