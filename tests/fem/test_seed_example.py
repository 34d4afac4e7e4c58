"""The example that users of global correlation know: cylinder, parameters, labels, matrix, measurement."""

import numpy as np
import pytest
from synthetic import Affine, lattice_texture, pair

import hpcdvc


@pytest.fixture(scope="module")
def example():
    """Points, connectivity, the regularisation and its field, and what was measured."""
    points, connectivity = hpcdvc.create_cylinder([-24, 27], 12.5, 97.3, 10, z_origin=-4.2)
    parameters = hpcdvc.regularisation_parameters(
        {"young": 10, "poisson": 0.25, "dirichlet": {"z_start": {"dof": [0]}, "z_end": {"dof": [0]}}}
    )
    labels = hpcdvc.surface_labels(points, surfaces=parameters.surfaces, connectivity=connectivity)
    matrix, field = hpcdvc.regularisation_matrix(
        points,
        connectivity,
        young=parameters.young,
        poisson=parameters.poisson,
        xi_bulk=parameters.xi_bulk,
        dirichlet=parameters.dirichlet,
        periods=parameters.periods,
        labels=labels,
    )
    return points, connectivity, parameters, labels, matrix, field


def test_regularisation(example):
    points, _, parameters, labels, matrix, field = example
    assert parameters.surfaces == ["z_start", "z_end"]
    ends = [np.abs(points[labels == k, 0] - z).max() for k, z in ((1, -4.2), (2, 93.1))]
    assert max(ends) < 1e-6 and (labels > 0).sum() > 15
    assert matrix.shape == (points.size, points.size) and field.shape == points.shape
    assert abs(matrix - matrix.T).max() < 1e-12 * abs(matrix).max()


def test_measurement(example):
    """The cylinder of the example begins outside any image (y = -24): it is moved to where its images are."""
    points, connectivity, _, _, matrix, field = example
    inside = points + [6, 39, -12]
    middle = np.array([50.0, 15.0, 15.0])
    motion = Affine(np.diag([0.99, 1.003, 1.003]), np.array([0.4, -0.3, 0.6]), middle)
    im1, im2 = pair(lattice_texture(3, 2.5), (102, 31, 31), motion)
    found = hpcdvc.global_correlation(
        im1, im2, inside, connectivity, regularisation_matrix=matrix, regularisation_field=field
    )
    assert found.shape == points.shape
    error = found - motion.displacement(inside)
    assert np.abs(error).max() < 0.02
