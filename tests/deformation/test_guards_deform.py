"""Deformed images: ties between nodes that rounding would break, and grey values of cells without a volume."""

import numpy as np
import reference_deformation as slow
from deformation_cases import whole
from scipy.spatial import Delaunay

from hpcdvc.deformation.images import MeshMap, NeighbourMap


def test_nodes_that_are_as_far_but_for_rounding():
    """Six nodes around a voxel that is a block of its own: all count, however the last digits of their places fall."""
    shape, voxel, rng = (9, 9, 9), np.array([[8.0, 8, 8]]), np.random.default_rng(0)
    slope = np.array([1.0, 10, 100])
    image = (slow.voxels(shape) @ slope).reshape(shape)
    for _ in range(20):
        displaced = 8 + rng.uniform(2, 6) * np.concatenate([np.eye(3), -np.eye(3)])
        phi = np.tile(np.eye(4), (6, 1, 1))
        phi[:, :3, 3] = rng.uniform(0.5, 3, (6, 3))
        positions = displaced - phi[:, :3, 3]
        source = slow.sources_by_field(voxel, positions, phi, 1)[0]
        values, inside = whole(image, NeighbourMap(positions, phi, 1))
        assert inside[8, 8, 8] and abs(values[8, 8, 8] - source @ slope) < 1e-3


def test_density_of_cells_that_were_flat():
    """A grid of nodes, stretched: between them are flat cells, which are as dense as their surroundings."""
    shape, stretch = (20, 30, 40), np.array([1.1, 1.2, 1.05])
    nodes = np.stack(np.meshgrid(*[np.arange(-10.0, n + 20, 10) for n in shape], indexing="ij"), axis=-1).reshape(-1, 3)
    u = nodes * (stretch - 1) + np.random.default_rng(5).normal(0, 0.05, nodes.shape)
    mapping = MeshMap(nodes, Delaunay(nodes + u).simplices, u, grey_for_strain=True, partition=True)
    dense, inside = whole(np.full(shape, 1000, "f4"), mapping)
    assert inside.mean() > 0.9
    corners = nodes[mapping.connectivity]
    flat = np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1])) < 1e-6
    assert flat.sum() > 50
    assert np.abs(mapping.gain - 1 / stretch.prod()).max() < 0.05
    assert np.abs(dense[inside > 0] * stretch.prod() / 1000 - 1).max() < 0.07
