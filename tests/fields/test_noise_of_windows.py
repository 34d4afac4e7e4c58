"""Errors of windows from rows whose scatter and bias are known, and the noise of an image."""

import numpy as np
import pytest

from hpcdvc.fields.field import ROW
from hpcdvc.fields.noise import Errors, errors_at_rest, errors_of_shifts, recommended, white_noise

RNG = np.random.default_rng(5)
COUNT, SCATTER = 2000, np.array([0.01, 0.02, 0.03])


def rows(displacements: np.ndarray) -> np.ndarray:
    """Rows with these displacements, and gradients of a scatter of 0.001."""
    found = np.zeros(len(displacements), ROW)
    found["Phi"][:, :, :3] = np.eye(3) + 0.001 * RNG.standard_normal((len(found), 3, 3))
    found["Phi"][:, :, 3], found["variance"] = displacements, 0.04**2
    return found


def test_drift_is_no_random_error():
    positions = RNG.uniform(0, 200, (COUNT, 3))
    drift = np.array([0.3, -0.2, 0.1]) + (positions - positions.mean(axis=0)) @ np.diag([1e-3, -2e-3, 5e-4])
    found = errors_at_rest(7, positions, rows(drift + SCATTER * RNG.standard_normal((COUNT, 3))), np.ones(COUNT, bool))
    assert found.random == pytest.approx(SCATTER, rel=0.06) and found.stated == pytest.approx(0.04)
    assert (np.abs(found.bias - [0.3, -0.2, 0.1]) < 4 * found.bias_std).all()
    assert found.gradient == pytest.approx(0.001, rel=0.06)


def test_bias_at_known_shifts():
    truth = np.repeat([0.0, 0.25, 0.5], 700)
    error = SCATTER * RNG.standard_normal((2100, 3)) + np.where(truth == 0.25, -0.01, 0)[:, None]
    found = errors_of_shifts(5, truth, rows(error + truth[:, None]), np.ones(2100, bool), [0, 1, 2])
    assert found.random == pytest.approx(SCATTER, rel=0.06)
    assert (np.abs(found.bias + 0.01) < 4 * found.bias_std).all()
    few = np.arange(2100) % 100 == 0
    assert not errors_of_shifts(5, truth, rows(error), few, [0, 1, 2]).known


def test_white_noise_beside_a_smooth_texture():
    x = np.indices((40, 41, 42)).sum(axis=0)
    image = 1000 * np.sin(x / 5) + 7 * RNG.standard_normal(x.shape)
    image[3, 3] = np.nan
    assert white_noise(image) == pytest.approx(7, rel=0.03)
    assert white_noise(image[:1]) == pytest.approx(7, rel=0.15) and np.isnan(white_noise(image[3:4, 3:4]))


def test_the_smallest_window_that_will_do():
    def errors(half: int, random: float, bias: float, converged: int = 100) -> Errors:
        return Errors(half, 100, converged, np.full(3, random), np.full(3, bias), np.zeros(3), 0.0, 0.0)

    some = [errors(3, 0.001, 0.001, 90), errors(5, 0.009, -0.03), errors(7, 0.005, 0.002)]
    assert recommended(some, 0.01, with_bias=False).half == 5
    assert recommended(some, 0.01, with_bias=True).half == 7
    assert recommended(some, 0.001, with_bias=True) is None
