"""Strain for Python users: arrays in, arrays out, and what is refused."""

import numpy as np
import pytest
from strain_cases import F, affine_field

import hpcdvc
from hpcdvc.errors import UserError
from hpcdvc.fields.triangulation import triangulate

SHAPE = (5, 6, 7)
FIELD = affine_field(SHAPE)
U = FIELD.displacement.reshape(*SHAPE, 3)


@pytest.mark.parametrize(
    ("function", "shape"),
    [(hpcdvc.geers_gradients, SHAPE), (hpcdvc.polynomial_gradients, SHAPE), (hpcdvc.q8_gradients, (4, 5, 6))],
)
def test_gradients_of_arrays(function, shape):
    missing = U.copy()
    missing[2, 3, 3] = np.nan
    found = function(missing, FIELD.grid.spacing, variance=np.full(U.shape, 0.01), half_window_size=(8, 10, 10))
    there = np.isfinite(found.f).all(axis=(-2, -1))
    assert found.f.shape == (*shape, 3, 3) and found.covariance.shape == (*shape, 3, 3, 3)
    assert np.abs(found.f[there] - F).max() < 1e-11 and there.mean() > 0.9
    alone = function(missing, FIELD.grid.spacing, variance=np.full(U.shape, 0.01)).covariance
    # neighbours side by side err alike, so that many of them are worth little more than one
    assert np.nanmean(found.covariance[..., 0, 0, 0] / alone[..., 0, 0, 0]) > 1.2
    assert function(missing, FIELD.grid.spacing).covariance is None
    deviations = hpcdvc.strain_deviations(found.f[there], found.covariance[there], ("vol",))["vol"]
    assert (deviations > 0).all()
    assert hpcdvc.strain_components(found.f[there], ("vol",))["vol"] == pytest.approx(np.linalg.det(F) - 1)


def test_cells():
    points = np.random.default_rng(0).uniform(0, 30, (40, 3))
    cells = triangulate(points)
    found = hpcdvc.bagi_gradients(points, cells, points @ (F - np.eye(3)).T, np.ones((40, 3)))
    assert np.median(np.abs(found.f - F).max(axis=(1, 2))) < 1e-13 and found.covariance.shape == (len(cells), 3, 3, 3)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: hpcdvc.geers_gradients(U[0], 10), "(nz, ny, nx, 3)"),
        (lambda: hpcdvc.geers_gradients(U, (10, 10)), "node_spacing"),
        (lambda: hpcdvc.geers_gradients(U, 10, 0.5), "reaches no neighbour"),
        (lambda: hpcdvc.q8_gradients(U, 10, variance=U[0]), "do not fit"),
        (lambda: hpcdvc.q8_gradients(U, 10, variance=U, half_window_size=-3), "half_window_size"),
        (lambda: hpcdvc.polynomial_gradients(U, 10, order=3), "order 1 or 2"),
        (lambda: hpcdvc.bagi_gradients(np.zeros((4, 3)), [[0, 1, 2, 3]], np.zeros((3, 3))), "(n, 3) arrays"),
        (lambda: hpcdvc.bagi_gradients(np.zeros((4, 3)), [[0, 1, 2, 4]], np.zeros((4, 3))), "points from 0 to 4"),
    ],
)
def test_refused(call, told):
    with pytest.raises(UserError) as raised:
        call()
    assert told in str(raised.value)
