"""The algebra of deformation functions: rotations, their vectors, and the change of the centre."""

import numpy as np
import pytest
from scipy.linalg import expm

from hpcdvc.fields.phi import (
    at_points,
    axial_vector,
    displacement_at,
    part_of,
    rotation_matrix,
    rotation_of,
    rotation_vector,
)

ANGLES = (0.0, 1e-12, 1e-9, 1e-4, 1.0, 45.0, 90.0, 120.0, 179.0, 180 - 1e-6)


def axes(count: int = 40) -> np.ndarray:
    """(n, 3) unit vectors: random ones, the three axes and diagonals of planes."""
    rng = np.random.default_rng(5)
    vectors = np.concatenate([rng.normal(size=(count, 3)), np.eye(3), [[0, 1, -1], [1, 1, 0], [-1, 0, 1]]])
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def cross(a: np.ndarray) -> np.ndarray:
    return np.array([[0, -a[2], a[1]], [a[2], 0, -a[0]], [-a[1], a[0], 0]])


def random_gradients(count: int) -> np.ndarray:
    """(n, 3, 3) gradients with any rotation and stretches from a half to two."""
    rng = np.random.default_rng(6)
    frames = [rotation_matrix(rng.normal(size=(count, 3)) * 90) for _ in range(2)]
    stretch = frames[0] @ (rng.uniform(0.5, 2, (count, 3, 1)) * np.swapaxes(frames[0], 1, 2))
    return frames[1] @ stretch


@pytest.mark.parametrize("angle", ANGLES)
def test_rotation_matrix_is_the_exponential(angle):
    vectors = angle * axes()
    for vector, matrix in zip(vectors, rotation_matrix(vectors), strict=True):
        assert matrix == pytest.approx(expm(cross(np.deg2rad(vector))), abs=2e-15)


def test_rotation_about_z_turns_y_to_x():
    assert rotation_matrix((90, 0, 0)) @ (0, 1, 0) == pytest.approx([0, 0, 1], abs=1e-15)
    assert rotation_matrix((0, 90, 0)) @ (0, 0, 1) == pytest.approx([1, 0, 0], abs=1e-15)
    assert rotation_matrix((0, 0, 90)) @ (1, 0, 0) == pytest.approx([0, 1, 0], abs=1e-15)


@pytest.mark.parametrize("angle", ANGLES)
def test_rotation_vector_is_the_inverse(angle):
    """To the digits that the matrix holds: relative to the angle where it is small."""
    vectors = angle * axes()
    assert rotation_vector(rotation_matrix(vectors)) == pytest.approx(vectors, rel=1e-12, abs=2e-14 * angle)


def test_half_a_turn():
    """Either sign of the axis describes it."""
    found = rotation_vector(rotation_matrix(180 * axes()))
    assert np.linalg.norm(found, axis=1) == pytest.approx(180, rel=1e-14)
    assert np.abs(np.sum(found * axes(), axis=1)) == pytest.approx(180, rel=1e-14)


def test_more_than_half_a_turn_comes_back_the_short_way():
    assert rotation_vector(rotation_matrix(200 * axes())) == pytest.approx(-160 * axes(), abs=1e-12)


def test_leading_axes():
    vectors = 70 * axes()[:12].reshape(3, 4, 3)
    matrices = rotation_matrix(vectors)
    assert matrices.shape == (3, 4, 3, 3)
    assert np.array_equal(matrices[1, 2], rotation_matrix(vectors[1, 2]))
    assert rotation_vector(matrices) == pytest.approx(vectors, rel=1e-12)
    assert rotation_vector(matrices[:0]).shape == (0, 4, 3)


def test_axial_vector():
    v = np.array([0.3, -2.0, 5.0])
    assert axial_vector(cross(v) + np.diag([1, 2, 3]) + np.ones((3, 3))) == pytest.approx(v)


def test_rotation_of_a_gradient():
    f = random_gradients(50)
    rotation = rotation_of(f)
    stretch = np.swapaxes(rotation, 1, 2) @ f
    assert rotation @ np.swapaxes(rotation, 1, 2) == pytest.approx(np.tile(np.eye(3), (50, 1, 1)), abs=1e-14)
    assert np.linalg.det(rotation) == pytest.approx(1)
    assert stretch == pytest.approx(np.swapaxes(stretch, 1, 2), abs=1e-14)
    assert (np.linalg.eigvalsh(stretch) > 0.4).all()


def test_part_of():
    phi = np.eye(4)
    phi[:3, :3], phi[:3, 3] = random_gradients(1)[0], (1, 2, 3)
    assert np.array_equal(part_of(phi, "all"), phi)
    assert np.array_equal(part_of(phi, "rigid")[:3, :3], rotation_of(phi[:3, :3]))
    assert np.array_equal(part_of(phi, "no")[:3, :3], np.eye(3))
    for part in ("all", "rigid", "no"):
        assert np.array_equal(part_of(phi, part)[:3, 3], (1, 2, 3))


def test_the_same_motion_from_other_points():
    """Where a voxel goes does not depend on the point that Phi is written for."""
    rng = np.random.default_rng(7)
    phi = np.eye(4)
    phi[:3, :3], phi[:3, 3] = random_gradients(1)[0], (1, 2, 3)
    centre, points = np.array([10.0, 20, 30]), rng.uniform(0, 50, (8, 3))
    x = np.array([4.0, 5, 6])
    target = centre + phi[:3, 3] + phi[:3, :3] @ (x - centre)
    moved = at_points(phi, centre, points)
    for point, seen in zip(points, moved, strict=True):
        assert np.array_equal(seen[:3, :3], phi[:3, :3])
        assert point + seen[:3, 3] + seen[:3, :3] @ (x - point) == pytest.approx(target, abs=1e-12)
    assert displacement_at(moved, points, centre) == pytest.approx(np.tile(phi[:3, 3], (8, 1)), abs=1e-12)
