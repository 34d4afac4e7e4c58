"""Stiffness of P1 tetrahedra: an element against Hooke's law, and patch tests of uniform stress."""

import numpy as np
import pytest

from hpcdvc.errors import UserError
from hpcdvc.fem.elasticity import element_stiffness, lame_constants, stiffness_matrix
from hpcdvc.fem.mesh import create_cuboid
from hpcdvc.fem.pattern import UPPER

LENGTHS = np.array([30.0, 20.0, 24.0])
YOUNG, POISSON = 7.0, 0.3


@pytest.fixture(scope="module")
def mesh():
    """A box with irregular tetrahedra: inner nodes are moved."""
    points, connectivity = create_cuboid(LENGTHS, 8, origin=(-3, 5, 1))
    inside = ((points > [-3, 5, 1] + 1e-6 * LENGTHS) & (points < [-3, 5, 1] + (1 - 1e-6) * LENGTHS)).all(axis=1)
    points[inside] += np.random.default_rng(3).uniform(-1, 1, (inside.sum(), 3))
    return points, connectivity


@pytest.fixture(scope="module")
def stiffness(mesh):
    return stiffness_matrix(*mesh, YOUNG, POISSON)


def test_element_is_volume_times_strain_energy():
    """B' C B in Voigt's notation, with the compliance of Hooke's law inverted."""
    points = np.random.default_rng(5).normal(0, 4, (4, 3))
    cells = np.arange(4)[None]
    gradients = np.linalg.inv(np.column_stack([np.ones(4), points]))[1:]  # (axis, corner)
    strain = np.zeros((6, 12))
    for a in range(4):
        for i in range(3):
            strain[i, 3 * a + i] = gradients[i, a]
        for row, (i, j) in enumerate(((1, 2), (0, 2), (0, 1)), 3):
            strain[row, 3 * a + i], strain[row, 3 * a + j] = gradients[j, a], gradients[i, a]
    compliance = np.zeros((6, 6))
    compliance[:3, :3] = (np.eye(3) * (1 + POISSON) - POISSON) / YOUNG
    compliance[3:, 3:] = np.eye(3) * 2 * (1 + POISSON) / YOUNG
    volume = abs(np.linalg.det(points[1:] - points[0])) / 6
    expected = volume * strain.T @ np.linalg.inv(compliance) @ strain
    np.testing.assert_allclose(element_stiffness(points, cells, YOUNG, POISSON)[0], expected[UPPER], rtol=1e-9)


def test_symmetric_and_without_forces_of_rigid_motions(mesh, stiffness):
    assert abs(stiffness - stiffness.T).max() == 0
    points = mesh[0]
    rotation = np.cross([[0.2, -0.5, 1.0]], points - 3)
    for rigid in (np.ones_like(points), rotation):
        assert np.abs(stiffness @ rigid.ravel()).max() < 1e-12 * abs(stiffness).max() * np.abs(rigid).max()
    assert np.linalg.eigvalsh(stiffness.toarray()).min() > -1e-12 * abs(stiffness).max()


def test_patch(mesh, stiffness):
    """A uniform strain: no forces inside, at the faces those of a uniform stress, and its energy."""
    points = mesh[0]
    gradient = np.array([[0.01, 0.004, -0.02], [0.03, -0.02, 0.005], [-0.01, 0.002, 0.015]])
    strain = (gradient + gradient.T) / 2
    lam, mu = lame_constants(YOUNG, POISSON)
    stress = lam * np.trace(strain) * np.eye(3) + 2 * mu * strain
    u = (points @ gradient.T).ravel()
    forces = (stiffness @ u).reshape(-1, 3)
    low, high = points.min(axis=0), points.max(axis=0)
    on_low, on_high = np.isclose(points, low), np.isclose(points, high)
    assert np.abs(forces[~(on_low | on_high).any(axis=1)]).max() < 1e-13
    for axis in range(3):
        area = np.delete(LENGTHS, axis).prod()
        only = on_high[:, axis] & ~np.delete(on_low | on_high, axis, axis=1).any(axis=1)
        assert np.abs(np.cross(forces[only], stress[axis])).max() < 1e-12
        moment = (points[:, axis, None] * forces).sum(axis=0)
        np.testing.assert_allclose(moment, area * LENGTHS[axis] * stress[axis], rtol=1e-12)
    assert u @ stiffness @ u == pytest.approx(np.sum(stress * strain) * LENGTHS.prod(), rel=1e-12)


def test_units(mesh):
    """A force per voxel: the modulus in forces per voxel squared."""
    expected = 1e-4 * stiffness_matrix(*mesh, 10, 0.2)
    assert abs(stiffness_matrix(*mesh, 10, 0.2, voxel_size=0.01) - expected).max() < 1e-15 * abs(expected).max()


@pytest.mark.parametrize(
    ("young", "poisson", "message"),
    [(0, 0.2, "Young"), (np.nan, 0.2, "Young"), (np.inf, 0.2, "Young"), (1, 0.5, "Poisson"), (1, -1, "Poisson")],
)
def test_no_such_material(mesh, young, poisson, message):
    with pytest.raises(UserError, match=message):
        stiffness_matrix(*mesh, young, poisson)
