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


def rotation_matrix(vector: np.ndarray) -> np.ndarray:
    """Rotation about an axis, by the formula of Rodrigues R = I + sin(a) K + (1 - cos(a)) K^2.

    Parameters
    ----------
    vector : (..., 3) array, ZYX: its direction is the axis, its length the angle in degrees; K v = axis x v with the
        components taken in the order z, y, x

    Returns
    -------
    (..., 3, 3) array
    """
    vector = np.deg2rad(np.asarray(vector, float))
    k = np.zeros((*vector.shape, 3))
    for i, j, axis in ((2, 1, 0), (0, 2, 1), (1, 0, 2)):
        k[..., i, j], k[..., j, i] = vector[..., axis], -vector[..., axis]
    turns = np.linalg.norm(vector, axis=-1)[..., None, None] / np.pi
    return np.eye(3) + np.sinc(turns) * k + 0.5 * np.sinc(turns / 2) ** 2 * (k @ k)


def rotation_vector(rotation: np.ndarray, sine: np.ndarray | None = None) -> np.ndarray:
    """Axis times angle of a rotation, the inverse of `rotation_matrix`; exact also near 0 and near 180 degrees.

    Goes by the unit quaternion q: all entries of 4 q q^T are sums of entries of R, and its row with the largest
    diagonal entry is free of cancellation (Shepperd 1978, https://doi.org/10.2514/3.55767b).

    Parameters
    ----------
    rotation : (..., 3, 3) array
    sine : (..., 3) array, sin(angle) times axis, where it is known to more digits than R has

    Returns
    -------
    (..., 3) array, ZYX, degrees; its length is at most 180
    """
    rotation = np.asarray(rotation, float)
    trace = np.trace(rotation, axis1=-2, axis2=-1)[..., None, None]
    products = np.empty((*rotation.shape[:-2], 4, 4))
    products[..., 0, 0] = 1 + trace[..., 0, 0]
    products[..., 0, 1:] = products[..., 1:, 0] = 2 * (axial_vector(rotation) if sine is None else sine)
    products[..., 1:, 1:] = rotation + np.swapaxes(rotation, -1, -2) + (1 - trace) * np.eye(3)
    row = np.argmax(np.diagonal(products, axis1=-2, axis2=-1), axis=-1)
    q = np.take_along_axis(products, row[..., None, None], axis=-2)[..., 0, :]
    q = q / np.linalg.norm(q, axis=-1, keepdims=True)
    q = np.where(q[..., :1] < 0, -q, q)
    length = np.linalg.norm(q[..., 1:], axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        factor = np.where(length > 0, 2 * np.arctan2(length, q[..., :1]) / length, 2.0)
    return np.rad2deg(factor * q[..., 1:])


def axial_vector(matrix: np.ndarray) -> np.ndarray:
    """Vector v of the antisymmetric part of a matrix, (M - M^T) / 2 = v x.

    Parameters
    ----------
    matrix : (..., 3, 3) array

    Returns
    -------
    (..., 3) array
    """
    return 0.5 * np.stack([matrix[..., i, j] - matrix[..., j, i] for i, j in ((2, 1), (0, 2), (1, 0))], axis=-1)


def part_of(phi: np.ndarray, part: str) -> np.ndarray:
    """Phi with the part of F that is to be kept; the displacement stays.

    Parameters
    ----------
    phi : (..., 4, 4) array
    part : "all", "rigid" (rotation only) or "no" (F = I)

    Returns
    -------
    (..., 4, 4) array
    """
    result = np.array(phi, float)
    if part == "rigid":
        result[..., :3, :3] = rotation_of(result[..., :3, :3])
    elif part == "no":
        result[..., :3, :3] = np.eye(3)
    return result


def part_of_rows(phi: np.ndarray, part: str) -> np.ndarray:
    """The same of rows (n, 3, 4), the upper three of Phi; those that are not finite stay as they are."""
    finite = np.isfinite(phi).all(axis=(1, 2))
    whole = np.tile(np.eye(4), (len(phi), 1, 1))
    whole[finite, :3] = phi[finite]
    result = part_of(whole, part)[:, :3]
    result[~finite] = phi[~finite]
    return result


def displacement_at(phi: np.ndarray, centre: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Displacement of a deformation function at a point, t(p) = t + (F - I)(p - c).

    Parameters
    ----------
    phi : (..., 4, 4) array, about `centre`
    centre, point : (..., 3) arrays, ZYX, voxels

    Returns
    -------
    (..., 3) array, ZYX, voxels
    """
    offset = np.asarray(point, float) - np.asarray(centre, float)
    return phi[..., :3, 3] + np.einsum("...ij,...j->...i", phi[..., :3, :3] - np.eye(3), offset)


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
    result[:, :3, 3] = displacement_at(result, centre, points)
    return result


def variance_at(variance: np.ndarray, centre: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Variances of a deformation function about another point, F and displacement at the centre taken as independent.

    Parameters
    ----------
    variance : (12,) variances of its first three rows
    centre, point : (3,) ZYX, voxels: what Phi is about, and is to be about

    Returns
    -------
    (12,) array
    """
    moved = variance.reshape(3, 4).copy()
    moved[:, 3] += moved[:, :3] @ (np.asarray(point) - centre) ** 2
    return moved.ravel()
