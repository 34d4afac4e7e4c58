"""Images and mappings that the tests of image deformation share."""

from functools import cache

import numpy as np
import reference_deformation as slow
from scipy.spatial import Delaunay

from hpcdvc.deformation.images import Deformation, MeshMap, NeighbourMap, PhiMap

KINDS = ("phi", "field", "displacement", "mesh")
SHAPES = {3: (21, 35, 70), 2: (1, 40, 75)}


def noise(shape, dtype="u2", seed=0) -> np.ndarray:
    """White noise: the hardest image to interpolate."""
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.uniform(-100, 100, shape).astype(dtype)
    return rng.integers(0, 120 if np.dtype(dtype).itemsize == 1 else 30000, shape).astype(dtype)


def some_phi(size=0.1, dimensions=3) -> np.ndarray:
    rng = np.random.default_rng(1)
    phi = np.eye(4)
    phi[:3, :3] += rng.normal(0, size, (3, 3))
    phi[:3, 3] = 1.3, -2.45, 3.6
    if dimensions == 2:
        phi[0, :3] = phi[:3, 0] = 1, 0, 0
        phi[0, 3] = 0
    return phi


def some_field(shape, spacing=7.0, size=0.05, seed=2):
    """Nodes that are not quite on a grid, with Phi that are not quite alike."""
    rng = np.random.default_rng(seed)
    axes = [np.arange(spacing / 2, n, spacing) if n > 1 else np.zeros(1) for n in shape]
    x = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    thick = np.array([shape[0] > 1, 1, 1])
    x = x + rng.uniform(-1, 1, x.shape) * thick
    phi = np.tile(np.eye(4), (len(x), 1, 1))
    phi[:, :3, :3] += rng.normal(0, size, (len(x), 3, 3)) * np.outer(thick, thick)
    phi[:, :3, 3] = ([0.7, -1.4, 1.9] + 0.03 * x[:, [1, 2, 0]] + rng.normal(0, 0.2, x.shape)) * thick
    return x, phi


def some_mesh(shape, spacing=11.0):
    """A mesh that is larger than the image, and what moves its nodes."""
    rng = np.random.default_rng(3)
    thick = np.array([shape[0] > 1, 1, 1])
    axes = [np.arange(-spacing, n + 2 * spacing, spacing) if n > 1 else np.zeros(1) for n in shape]
    x = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    x = x + rng.uniform(-1, 1, x.shape) * thick
    connectivity = Delaunay(x if thick[0] else x[:, 1:]).simplices.astype(np.int64)
    return x, connectivity, rng.uniform(-1.5, 1.5, x.shape) * thick


def some_mapping(kind, shape):
    if kind == "phi":
        return PhiMap(some_phi(dimensions=2 if shape[0] == 1 else 3), (np.array(shape) - 1) / 2)
    if kind == "mesh":
        return MeshMap(*some_mesh(shape), grey_for_strain=False)
    return NeighbourMap(*some_field(shape), displacement_only=kind == "displacement")


@cache
def sources(kind, shape) -> np.ndarray:
    p = slow.voxels(shape)
    if kind == "phi":
        return slow.sources_by_phi(p, some_phi(dimensions=2 if shape[0] == 1 else 3), (np.array(shape) - 1) / 2)
    if kind == "mesh":
        return slow.sources_by_mesh(p, *some_mesh(shape))[0]
    return slow.sources_by_field(p, *some_field(shape), displacement_only=kind == "displacement")


def whole(image, mapping, order=1, mask2=None, dtype=None):
    return Deformation(image, mapping, order, mask2).planes(0, len(image), dtype)
