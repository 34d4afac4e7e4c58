"""The median over the edges of a mesh: outliers go, affine fields stay."""

import numpy as np
import pytest
from gdic_cases import box

from hpcdvc.fem.median import MedianFilter

POINTS, CONNECTIVITY = box(9.0)
AFFINE = 0.3 + POINTS @ np.array([[0.01, 0.02, -0.01], [0, 0.03, 0], [0.02, 0, -0.04]])


def test_affine_field_stays():
    assert MedianFilter(POINTS, CONNECTIVITY)(AFFINE) == pytest.approx(AFFINE, abs=1e-12)


def test_outliers_go():
    wrong = AFFINE.copy()
    wrong[[5, 60]] += [8, -3, 5]
    assert np.abs(MedianFilter(POINTS, CONNECTIVITY)(wrong) - AFFINE).max() < 0.2


def test_slow_twin():
    values = np.random.default_rng(2).standard_normal(POINTS.shape)
    values -= (
        np.column_stack([np.ones(len(POINTS)), POINTS])
        @ np.linalg.lstsq(np.column_stack([np.ones(len(POINTS)), POINTS]), values, rcond=None)[0]
    )
    near = [np.unique(CONNECTIVITY[(CONNECTIVITY == node).any(axis=1)]) for node in range(len(POINTS))]
    expected = np.array([np.median(values[some], axis=0) for some in near])
    assert MedianFilter(POINTS, CONNECTIVITY)(values) == pytest.approx(expected, abs=1e-12)
