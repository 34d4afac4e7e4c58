"""Deformation of arrays by several ranks: what one rank makes, bit for bit."""

import numpy as np
import pytest

import hpcdvc
from hpcdvc.fields.phi import at_points


@pytest.mark.mpi
def test_ranks_share_the_work(team):
    rng = np.random.default_rng(2)
    image = rng.integers(0, 60000, (37, 20, 24)).astype(np.uint16)
    phi = np.eye(4)
    phi[:3] += rng.normal(scale=0.01, size=(3, 4))
    centre = (np.array(image.shape) - 1) / 2
    points = np.argwhere(np.ones((3, 3, 3))) * 10.0 + 2
    field = at_points(phi, centre, points)
    tetrahedra = np.array([[0, 2, 6, 18], [26, 24, 20, 8]])
    for function, arguments in (
        (hpcdvc.apply_phi, (image, phi)),
        (hpcdvc.apply_phi_field, (image, points, field)),
        (hpcdvc.apply_mesh_transformation, (image, points, tetrahedra, field[:, :3, 3])),
    ):
        alone = function(*arguments)
        assert np.count_nonzero(alone) > 1000
        np.testing.assert_array_equal(function(*arguments, comm=team.comm), alone)
