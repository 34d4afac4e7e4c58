"""The motion that brings points of im1 to where they were found in im2: as much of it as the pairs determine."""

import numpy as np

from hpcdvc.fields.phi import rotation_of

#: Spread of the points across a direction, as part of the largest one, below which it determines nothing.
FLAT = 1e-3


def motion_of_landmarks(
    im1: np.ndarray, im2: np.ndarray, centre: np.ndarray, dimensions: int = 3
) -> tuple[np.ndarray, np.ndarray]:
    """Least-squares motion of pairs of points.

    One or two pairs give a displacement, three (in two dimensions two) displacement and rotation, four (three) an
    affine motion; points on a line or in a plane give less.

    Parameters
    ----------
    im1, im2 : (n, 3) arrays, ZYX, voxels: the same points in both images
    centre : (3,) the point that Phi is about
    dimensions : 2 when z does not count

    Returns
    -------
    phi : (4, 4) array about `centre`
    residuals : (n,) distances that are left, voxels

    References
    ----------
    Arun, Huang & Blostein 1987, doi 10.1109/TPAMI.1987.4767965 (rotation by singular values)
    """
    im1, im2 = np.asarray(im1, float), np.asarray(im2, float)
    middle1, middle2 = im1.mean(axis=0), im2.mean(axis=0)
    a, b = im1 - middle1, im2 - middle2
    f = _gradient(a[:, 3 - dimensions :], b[:, 3 - dimensions :], dimensions)
    phi = np.eye(4)
    phi[3 - dimensions : 3, 3 - dimensions : 3] = f
    phi[:3, 3] = middle2 - centre - phi[:3, :3] @ (middle1 - centre)
    if dimensions == 2:
        phi[0, 3] = 0
    found = centre + phi[:3, 3] + (im1 - centre) @ phi[:3, :3].T
    return phi, np.linalg.norm((found - im2)[:, 3 - dimensions :], axis=1)


def _gradient(a: np.ndarray, b: np.ndarray, dimensions: int) -> np.ndarray:
    """F of the centred points (n, d): affine, a rotation, or the identity."""
    spread = np.linalg.svd(a, compute_uv=False)
    spread = np.pad(spread, (0, max(0, dimensions - len(spread))))
    directions = int(np.sum(spread > FLAT * max(spread[0], 1e-9)))
    if directions == dimensions:
        f = np.linalg.lstsq(a, b, rcond=None)[0].T
        if np.linalg.det(f) > 1e-3:
            return f
    if directions >= dimensions - 1:
        return rotation_of(b.T @ a)
    return np.eye(dimensions)
