"""How good the tetrahedra of a mesh are: their volumes, their shapes, and what makes a mesh useless."""

import numpy as np


def corner_determinants(points: np.ndarray, connectivity: np.ndarray) -> np.ndarray:
    """det[p1 - p0, p2 - p0, p3 - p0] of each tetrahedron: six times its volume, negative where it is inverted.

    Parameters
    ----------
    points : (n, 3) float64 array, ZYX, voxels
    connectivity : (k, 4) integer array

    Returns
    -------
    (k,) float64 array, voxels^3
    """
    first, second, third = (points[connectivity[:, c]] - points[connectivity[:, 0]] for c in (1, 2, 3))
    return np.einsum("ki,ki->k", first, np.cross(second, third))


def orient(points: np.ndarray, connectivity: np.ndarray) -> np.ndarray:
    """Tetrahedra with positive volume in the ZYX frame: the last two nodes of the others are exchanged.

    Parameters
    ----------
    points : (n, 3) float64 array, ZYX, voxels
    connectivity : (k, 4) integer array

    Returns
    -------
    (k, 4) int64 array
    """
    oriented = np.array(connectivity, np.int64)
    inverted = corner_determinants(points, oriented) < 0
    oriented[inverted, 2:] = oriented[inverted, :1:-1]
    return oriented
