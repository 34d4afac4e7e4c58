"""Neighbours on grids and among scattered points, affine fits of them, and fields between nodes."""

import numpy as np
import pytest
from synthetic import Affine, DisplacementField, Sine, translation

from hpcdvc.fields.field import Field
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.interpolation import interpolate_on_grid
from hpcdvc.fields.neighbours import (
    affine_fit,
    affine_motion,
    fit_from_neighbours,
    nearest_neighbours,
    neighbours_on_grid,
)

GRID = Grid((10.0, 12.0, 8.0), (10.0, 12.0, 8.0), (6, 5, 7))
FLAT = Grid((0.0, 12.0, 8.0), (1.0, 12.0, 8.0), (1, 9, 11))
GRADIENT = np.array([[0.05, 0.2, 0.0], [-0.1, 0.02, 0.1], [0.0, 0.3, -0.1]])
MOTION = Affine(np.eye(3) + GRADIENT, np.array([4.0, -7.0, 2.0]), np.ones(3))
RNG = np.random.default_rng(1)


def field_on(grid: Grid, motion: DisplacementField = MOTION, with_grid: bool = True) -> Field:
    positions = grid.positions()
    phi = np.tile(np.eye(4), (grid.size, 1, 1))
    phi[:, :3] = motion.phi(positions)
    some = np.zeros(grid.size)
    extra = {"variance": np.full((grid.size, 12), 0.04)}
    return Field(positions, phi, some + 2, some, some, some, grid if with_grid else None, extra)


@pytest.mark.parametrize("with_grid", [True, False])
@pytest.mark.parametrize("share", [0.9, 0.3, 0.02, 1 / GRID.size])
def test_an_affine_motion_is_fitted_exactly(with_grid, share):
    """Whichever rows count, down to a single one; the others hold nonsense."""
    field = field_on(GRID, with_grid=with_grid)
    usable = np.isin(np.arange(GRID.size), RNG.choice(GRID.size, max(1, int(share * GRID.size)), replace=False))
    truth = field.phi[:, :3].copy()
    field.phi[~usable] = np.nan
    found = fit_from_neighbours(field, usable, field.positions)
    assert np.abs(found - truth).max() < 1e-8  # rounding, over distances of 7 spacings


def test_no_row_that_counts():
    for with_grid in (True, False):
        field = field_on(GRID, with_grid=with_grid)
        assert np.isnan(fit_from_neighbours(field, np.zeros(GRID.size, bool), field.positions[:3])).all()


def test_an_image_has_neighbours_in_its_plane():
    gradient = np.array([[0, 0, 0], [0, 0.1, 0.1], [0, -0.2, -0.1]])
    motion = Affine(np.eye(3) + gradient, np.array([0.0, 3.0, 5.0]), np.zeros(3))
    for with_grid in (True, False):
        field = field_on(FLAT, motion, with_grid)
        usable = RNG.random(FLAT.size) < 0.5
        found = fit_from_neighbours(field, usable, field.positions)
        assert np.abs(found - field.phi[:, :3]).max() < 1e-9


def test_where_neighbours_are_looked_for():
    usable = np.ones(GRID.size, bool)
    numbers = neighbours_on_grid(GRID, usable, GRID.positions(np.array([0])))
    expected = np.ravel_multi_index(np.indices((2, 2, 2)).reshape(3, -1), GRID.shape)
    assert sorted(numbers[numbers >= 0]) == sorted(expected)
    # in the middle of a hole the steps are doubled
    places = np.array(np.unravel_index(np.arange(GRID.size), GRID.shape)).T
    middle = np.array([3, 2, 3])
    usable = np.abs(places - middle).max(axis=1) > 1
    at = GRID.positions(np.array([np.ravel_multi_index(middle, GRID.shape)]))
    numbers = neighbours_on_grid(GRID, usable, at)
    numbers = numbers[numbers >= 0]
    assert len(numbers) >= 4 and (np.abs(places[numbers] - middle).max(axis=1) == 2).all()
    assert (neighbours_on_grid(GRID, usable, at, widest=1) == -1).all()
    numbers, spacing = nearest_neighbours(GRID.positions(), usable, at)
    assert numbers.shape == (1, 27) and usable[numbers].all() and (spacing == 8).all()


def test_near_neighbours_weigh_more():
    """Curvature shows less than with equal weights, and a node that counts is all but alone at its place."""
    field = field_on(GRID, Sine(np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.0, 0.02])))
    everywhere = np.ones(GRID.size, bool)
    found = fit_from_neighbours(field, everywhere, field.positions)
    assert np.abs(found[:, :, 3] - field.displacement).max() < 0.01


def test_a_point_is_the_same_whichever_others_there_are():
    field = field_on(GRID, Sine(np.array([1.0, 0.4, -0.7]), np.array([0.01, 0.005, 0.02])))
    usable = RNG.random(GRID.size) < 0.4
    points = field.positions + RNG.uniform(-3, 3, field.positions.shape)
    together = fit_from_neighbours(field, usable, points), interpolate_on_grid(field, usable, points)[0]
    for k in range(0, GRID.size, 7):
        some = slice(k, k + 1 + k % 3)
        alone = fit_from_neighbours(field, usable, points[some]), interpolate_on_grid(field, usable, points[some])[0]
        assert all(a.tobytes() == b[some].tobytes() for a, b in zip(alone, together, strict=True))


def test_one_motion_of_all():
    field = field_on(GRID)
    centre = np.array([100.0, 0.0, 30.0])
    assert np.abs(affine_motion(field.positions, field.phi, centre)[:3] - MOTION.phi(centre[None])[0]).max() < 1e-9
    one = affine_motion(field.positions[:1], field.phi[:1], field.positions[0])
    assert np.allclose(one[:3, 3], field.displacement[0])


class Quadratic(DisplacementField):
    """u = x^T H x / 2 for every component."""

    H = np.multiply.outer([1, -2, 0.5], [[0.01, 0.002, 0.0], [0.002, -0.004, 0.003], [0.0, 0.003, 0.006]])

    def displacement(self, points):
        return np.einsum("ijk,...j,...k->...i", self.H, points, points) / 2

    def displacement_gradient(self, points):
        return np.einsum("ijk,...k->...ij", self.H, points)


def test_interpolation_is_exact_for_quadratic_displacements():
    motion = Quadratic()
    field, everywhere = field_on(GRID, motion), np.ones(GRID.size, bool)
    low, high = field.positions.min(axis=0), field.positions.max(axis=0)
    points = np.concatenate([RNG.uniform(low, high, (50, 3)), [low, high], field.positions[:5]])
    phi, variance = interpolate_on_grid(field, everywhere, points)
    assert np.abs(phi - motion.phi(points)).max() < 1e-9
    assert (variance <= 0.04 + 1e-12).all() and (variance >= 0.04 / 8 - 1e-12).all()
    assert np.isnan(interpolate_on_grid(field, everywhere, np.array([low - 1, high + 0.1]))[0]).all()


def test_interpolation_wants_all_corners_that_count():
    field, usable = field_on(GRID), np.ones(GRID.size, bool)
    usable[0], field.phi[0] = False, np.nan
    at = np.array([field.positions[1], field.positions[1] - [0, 0, 0.1], field.positions[0]])
    phi, _ = interpolate_on_grid(field, usable, at)
    assert list(np.isnan(phi).all(axis=(1, 2))) == [False, True, True]
    assert np.abs(phi[0] - field.phi[1, :3]).max() < 1e-12


def test_interpolation_in_an_image():
    motion = translation((0.0, 1.5, -2.5))
    field = field_on(FLAT, motion)
    points = field.positions[:20] + [0, 3.3, 2.2]
    phi, _ = interpolate_on_grid(field, np.ones(FLAT.size, bool), points[:8])
    assert np.abs(phi - motion.phi(points[:8])).max() < 1e-12


def test_a_fit_takes_rows_of_both_shapes():
    field = field_on(GRID)
    numbers = neighbours_on_grid(GRID, np.ones(GRID.size, bool), field.positions)
    spacing = np.array(GRID.spacing)
    a, b = (
        affine_fit(field.positions, phi, numbers, field.positions, spacing) for phi in (field.phi, field.phi[:, :3])
    )
    assert a.tobytes() == b.tobytes()
