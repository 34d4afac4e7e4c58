"""Regularisation of a global correlation: what it punishes, what it leaves alone, and how much."""

import numpy as np
import pytest

from hpcdvc import isochoric_field, regularisation_matrix
from hpcdvc.errors import UserError
from hpcdvc.fem.mesh import create_cuboid


@pytest.fixture(scope="module")
def box():
    return create_cuboid((60, 40, 50), 11, origin=(5, -3, 2))


def test_test_field():
    points = np.array([[1.0, 2, 3], [4, 2, 8], [11, 5, 9]])
    k, v = isochoric_field(points, periods=2)
    assert k == 0.2
    np.testing.assert_allclose(v[:, 1:], np.sqrt(0.5) * np.sin(0.4 * np.pi * points[:, [0, 0]]))
    assert not v[:, 0].any()


@pytest.mark.parametrize("periods", [3, 2.5])
def test_weight_of_the_test_field(box, periods):
    """(xi k)^4 for the bulk, and the forces on free faces count."""
    matrix, v = regularisation_matrix(*box, xi_bulk=17, periods=periods)
    assert v.ravel() @ matrix @ v.ravel() == pytest.approx((17 * periods / 60) ** 4, rel=1e-12)


def test_bulk_of_the_peer(shared):
    """Without Dirichlet surfaces, with the length that the mesh gives."""
    expected = np.load(shared / "oracle/spam/gdic-regmatrix-api/out.npz")
    matrix, v = regularisation_matrix(expected["points"], expected["connectivity"], young=10, poisson=0.25)
    np.testing.assert_allclose(v, expected["v"], atol=1e-12)
    np.testing.assert_allclose(matrix.K.diagonal(), expected["K_diag"], rtol=1e-12)
    assert np.abs(matrix.toarray() - expected["Mreg_bulk"]).max() < 1e-13 * np.abs(expected["Mreg_bulk"]).max()


def test_mesh_too_coarse_for_the_test_field():
    points, connectivity = create_cuboid((48, 40, 40), 8)
    layers = len(np.unique(points[:, 0])) - 1
    with pytest.raises(UserError, match="too coarse"):
        regularisation_matrix(points, connectivity, periods=layers / 2)
