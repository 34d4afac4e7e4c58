"""Algebra of 4x4 deformation functions Phi (ZYX): x in im1 stands at c + t + F (x - c) in im2.

Imports nothing of hpcdvc.
"""

import numpy as np


def rotation_of(f: np.ndarray) -> np.ndarray:
    """Rotation R of the polar decomposition F = R U.

    Parameters
    ----------
    f : (..., 3, 3) array

    Returns
    -------
    (..., 3, 3) array
    """
    u, _, vt = np.linalg.svd(f)
    u[..., :, -1] *= np.sign(np.linalg.det(u @ vt))[..., None]
    return u @ vt


def part_of(phi: np.ndarray, part: str) -> np.ndarray:
    """Phi with the part of F that is to be kept; the displacement stays.

    Parameters
    ----------
    phi : (..., 4, 4) array
    part : "all", "rigid" (rotation only) or "no" (F = I)
    """
    result = np.array(phi, float)
    if part == "rigid":
        result[..., :3, :3] = rotation_of(result[..., :3, :3])
    elif part == "no":
        result[..., :3, :3] = np.eye(3)
    return result


def at_points(phi: np.ndarray, centre: np.ndarray, points: np.ndarray) -> np.ndarray:
    """One deformation function, seen from other points: same F, t(p) = t + (F - I)(p - c).

    Parameters
    ----------
    phi : (4, 4) array, about `centre`
    centre : (3,) array, ZYX, voxels
    points : (n, 3) array, ZYX, voxels

    Returns
    -------
    (n, 4, 4) array
    """
    result = np.repeat(np.asarray(phi, float)[None], len(points), axis=0)
    result[:, :3, 3] += (points - centre) @ (result[0, :3, :3] - np.eye(3)).T
    return result
