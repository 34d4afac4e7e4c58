"""Means and fits of the rows around points: exact where they should be, and against loops over points."""

import numpy as np
import pytest
from scipy import spatial
from table_cases import FLAT, GRID, phi_of

from hpcdvc.fields.around import Around
from hpcdvc.fields.filters import Boxes
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.local import interpolated, local_coherency, median_of, quadratic_at
from hpcdvc.fields.misfit import misfit

WIDE = Grid((10.0, 12.0, 8.0), (10.0, 12.0, 8.0), (9, 9, 9))


def quadratic(positions: np.ndarray, flat: bool) -> tuple[np.ndarray, np.ndarray]:
    """Displacements (n, 3) and their gradients (n, 3, 3)."""
    rng = np.random.default_rng(3)
    curved, slope = rng.normal(size=(3, 3, 3)) * 2e-4, rng.normal(size=(3, 3)) * 0.005
    if flat:
        curved[:, 0], curved[:, :, 0], slope[:, 0] = 0, 0, 0
    u = np.einsum("cij,ni,nj->nc", curved, positions, positions) + positions @ slope.T + 1
    return u, np.einsum("cij,nj->nci", curved + curved.transpose(0, 2, 1), positions) + slope


@pytest.mark.parametrize("grid", [WIDE, FLAT], ids=["volume", "flat"])
@pytest.mark.parametrize("how", [{"radius": 36.0}, {"count": 60}])
def test_a_quadratic_is_fitted_exactly(grid, how):
    positions, flat = grid.positions(), grid.shape[0] == 1
    usable = np.random.default_rng(0).random(grid.size) > 0.2
    points = positions[::7] + [0 if flat else 3.3, -2.1, 1.7]
    u, _ = quadratic(positions, flat)
    wanted, slope = quadratic(points, flat)
    phi, _ = quadratic_at(Around(positions, usable, grid, **how), u, points)
    np.testing.assert_allclose(phi[:, :, 3], wanted, atol=1e-8)
    np.testing.assert_allclose(phi[:, :, :3] - np.eye(3), slope, atol=1e-8)
    assert local_coherency(Around(positions, usable, grid, **how), u, np.flatnonzero(usable)).max() < 1e-14


def test_a_single_layer_of_a_volume():
    """Nothing is known of how the displacement varies across it."""
    positions = WIDE.positions()
    usable = positions[:, 0] == 20
    u, _ = quadratic(positions, False)
    around = Around(positions, usable, WIDE, radius=30.0)
    assert local_coherency(around, u, np.flatnonzero(usable)).max() < 1e-12


def test_coherency_against_a_loop():
    positions, rng = WIDE.positions(), np.random.default_rng(2)
    u = quadratic(positions, False)[0] + rng.normal(scale=0.3, size=(WIDE.size, 3))
    numbers = np.arange(0, WIDE.size, 23)
    found = local_coherency(Around(positions, np.ones(WIDE.size, bool), WIDE, radius=26.0), u, numbers)
    for number, value in zip(numbers, found, strict=True):
        radius = 26.0
        while True:
            near = np.flatnonzero(np.linalg.norm(positions - positions[number], axis=1) <= radius)
            if len(near) > 27:
                break
            radius *= 2
        z, y, x = (positions[near] - positions[number]).T / 10
        basis = np.stack([z**0, z, y, x, z * z, z * y, z * x, y * y, y * x, x * x], axis=1)
        off = ((u[near] - np.median(u[near], axis=0)) ** 2).sum(axis=1)
        weight = np.exp(-off / 2 / np.sqrt(np.sqrt(off).mean() + 0.1))
        fit = np.linalg.lstsq(basis * np.sqrt(weight)[:, None], u[near] * np.sqrt(weight)[:, None], rcond=None)[0][0]
        length = np.median(np.linalg.norm(u[near], axis=1)) + 0.1
        assert value == pytest.approx(((fit - u[number]) ** 2).sum() / 3 / length**2, rel=1e-6)


@pytest.mark.parametrize("grid", [WIDE, None], ids=["grid", "scattered"])
def test_all_rows_are_looked_at_once(grid, monkeypatch):
    """Commands ask for a thousand rows at a time: what a thousand cost must not grow with the field."""
    calls = []

    def counted(function):
        return lambda *some, **named: (calls.append(function.__name__), function(*some, **named))[1]

    monkeypatch.setattr(np, "ptp", counted(np.ptp))
    monkeypatch.setattr(spatial, "cKDTree", counted(spatial.cKDTree))
    positions = WIDE.positions()
    u, around = quadratic(positions, False)[0], Around(positions, np.ones(WIDE.size, bool), grid, radius=18.0)
    for first in range(0, WIDE.size, 81):  # those on the border take a wider radius
        local_coherency(around, u, np.arange(first, first + 81))
    boxes = Boxes(WIDE, np.ones(WIDE.size, bool), (1, 1, 1))
    for first in range(0, WIDE.size, 81):
        misfit(boxes, positions, u, np.arange(first, first + 81))
    assert sorted(calls) == ["cKDTree"] * (grid is None) + ["ptp"] * 3


def test_means_against_a_loop():
    positions, phi = GRID.positions(), phi_of(GRID.positions())
    usable = np.random.default_rng(0).random(GRID.size) > 0.2
    points = np.random.default_rng(1).uniform(5, 60, (40, 3))
    around = Around(positions, usable, GRID, radius=17.0)
    by = {name: interpolated(around, phi, points, name) for name in ("inverse", "gaussian", "mean", "median")}
    applied = interpolated(around, phi_of(positions, 0.0), points, applied=True)
    inside = interpolated(around, phi, points, surrounded=True)
    for k, point in enumerate(points):
        d = np.linalg.norm(positions - point, axis=1)
        near = np.flatnonzero(usable & (d <= 17))
        if not len(near):
            assert all(np.isnan(some[k]).all() for some in by.values())
            continue
        weights = {
            "inverse": 1 / (d[near] + 1e-6),
            "gaussian": np.exp(-4 * (d[near] / d[near].max()) ** 2),
            "mean": np.ones(len(near)),
        }
        for name, weight in weights.items():
            np.testing.assert_allclose(by[name][k], np.tensordot(weight / weight.sum(), phi[near], 1), atol=1e-12)
        np.testing.assert_allclose(by["median"][k], np.median(phi[near], axis=0), atol=1e-12)
        np.testing.assert_allclose(applied[k], phi_of(point[None], 0.0)[0], atol=1e-12)
        within = ((point >= positions[near].min(axis=0)) & (point <= positions[near].max(axis=0))).all()
        assert np.isfinite(inside[k]).all() == within


def test_median_of_some():
    rng = np.random.default_rng(0)
    values, some = rng.normal(size=(50, 9, 2)), rng.random((50, 9)) > 0.6
    some[3] = False
    found = median_of(values, some)
    assert np.isnan(found[3]).all()
    for k in (k for k in range(50) if some[k].any()):
        np.testing.assert_array_equal(found[k], np.median(values[k, some[k]], axis=0))
