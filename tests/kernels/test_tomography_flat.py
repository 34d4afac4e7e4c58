"""Projections of a single axis: a plane has the same bits in every slab that holds it."""

import numpy as np
import pytest

from hpcdvc.kernels import tomography
from hpcdvc.tomography.beams import beams_of
from hpcdvc.tomography.geometry import Geometry

VIEWS, WIDTH = 9, 14


def projected(volume, rows, beams):
    """Line integrals of a volume, and what its voxels gather from rows."""
    views, gathered = np.empty((VIEWS, WIDTH, volume.shape[2]), np.float32), np.empty(volume.shape, np.float32)
    tomography.flat_forward(np.ascontiguousarray(volume), beams, views)
    tomography.flat_adjoint(np.ascontiguousarray(rows), beams, gathered)
    return views, gathered


@pytest.mark.parametrize("planes", [1, 2, 7, 16, 19, 64, 71])
def test_bits_of_slabs(planes):
    rng = np.random.default_rng(planes)
    angles = np.linspace(0.01, np.pi, VIEWS, endpoint=False)
    geometry = Geometry.of_angles(angles, None, (WIDTH, planes))
    beams = beams_of(geometry, *rng.uniform(-3, 3, (2, VIEWS)))
    volume = rng.random((WIDTH, WIDTH, planes), np.float32)
    rows = rng.random((VIEWS, WIDTH, planes + 1), np.float32)
    views, gathered = projected(volume, rows, beams)
    for first in range(0, planes, max(1, planes // 5)):
        for last in range(first + 1, planes + 1, max(1, planes // 6)):
            part = projected(volume[:, :, first:last], rows[:, :, first : last + 1], beams)
            np.testing.assert_array_equal(part[0], views[:, :, first:last])
            np.testing.assert_array_equal(part[1], gathered[:, :, first:last])
