"""How well Phi is known: standard deviations that hold for residuals that are no white noise, and for noise in im2.

With r the derivative of the log-likelihood by Phi, H its derivative with the other sign and S the covariance of r, the
covariance of Phi is H^-1 S H^-1 (White 1982, doi 10.2307/1912526). H is measured, by differences of r at places nearby:
neither the curvature of the mixture nor the squares of the scores would do, as noise in the gradient of im2 makes both
too large. S has the shape of the normal matrix and the size that the r of blocks of the image scatter by.

Interpolation smoothes the noise of im2 by an amount that depends on the position between voxels; Phi is drawn to where
that is most. How far it can be is taken into the variances.
"""

import numpy as np

from hpcdvc.multimodal.objective import Objective
from hpcdvc.multimodal.pair import ModalPair, ModalSums

#: Displacement of places nearby, voxels, and least eigenvalue of H, as part of those of the normal matrix.
NEARBY, LEAST_CURVATURE = 0.1, 1e-3
#: A sample stands for all where its part of the normal matrix is that of its voxels, to this factor either way.
TYPICAL = 1.5
#: Displacements at which im1 must pull back what was displaced, voxels, with how many standard deviations at least.
BESIDE, LEAST_PULLS = (0.75, 1.5), (5.0, 0.0)
#: How many more on a sample of the blocks are enough.
CLEAR = 3.0
#: Places in im1 along an axis at which the draw of the interpolation is looked at.
PLACES = 24


def sums_and_variance(
    pair: ModalPair, phi: np.ndarray, objective: Objective, unknowns: np.ndarray
) -> tuple[ModalSums, np.ndarray]:
    """Sums at the end, and (12,) variances of the first three rows of phi, NaN where they cannot be told. Collective.

    Parameters
    ----------
    pair : images
    phi : (3, 4) array, where the likelihood is greatest
    objective : the likelihood
    unknowns : (12, n) array of what may change
    """
    sums = pair.sums(phi, objective)
    normal = unknowns.T @ sums.matrix @ unknowns
    diagonal = np.diag(normal)
    if not (diagonal > 0).all():
        return sums, np.full(12, np.nan)
    scale = 1 / np.sqrt(diagonal)
    if np.linalg.eigvalsh(normal * np.outer(scale, scale))[0] < 1e-7:
        return sums, np.full(12, np.nan)
    parts = _parts(pair.sums(phi, objective, sampled=True), sums, unknowns * scale)
    curvature = _curvature(pair, phi, objective, unknowns, parts)
    values, axes = np.linalg.eigh(curvature * np.outer(scale, scale))
    if values[0] < LEAST_CURVATURE:  # no maximum along some axis
        return sums, np.full(12, np.nan)
    inverse = (axes / values) @ axes.T * np.outer(scale, scale)
    draw = inverse @ (unknowns.T @ _draw(pair, phi)) * sums.count
    covariance = inverse @ normal @ inverse * _scatter(sums, unknowns, normal) + np.outer(draw, draw)
    spread = np.kron(phi[:, :3], np.eye(4)) @ unknowns
    return sums, np.einsum("ij,jk,ik->i", spread, covariance, spread)


def is_held(pair: ModalPair, phi: np.ndarray, objective: Objective, sums: ModalSums, unknowns: np.ndarray) -> bool:
    """Whether the images hold each other along every axis: what is displaced is pulled back. Collective.

    Where there is no texture along an axis, phi settles on a chance maximum of the noise, whose curvature looks like
    that of texture but reaches no further than a voxel.

    Parameters
    ----------
    pair : images
    phi : (3, 4) array, where the likelihood is greatest
    objective : the likelihood
    sums : there
    unknowns : (12, n) array of what may change
    """
    axes = [axis for axis, n in enumerate(pair.shape) if n > 1]
    moves = [4 * axis + 3 for axis in axes]
    normal = sums.matrix[np.ix_(moves, moves)]
    of_sample = pair.sums(phi, objective, sampled=True).matrix[np.ix_(moves, moves)]
    size = 2 * _scatter(sums, unknowns, unknowns.T @ sums.matrix @ unknowns)

    def pull(axis: np.ndarray, distance: float, sampled: bool) -> float:
        """In standard deviations."""
        found, noise = 0.0, size * (axis @ (of_sample if sampled else normal) @ axis)
        if not noise > 0:  # nothing in the sample tells of this axis
            return 0.0
        for way in (-1, 1):
            there = phi.copy()
            there[:, 3] += way * distance * phi[:, axes] @ axis
            found -= way * (pair.sums(there, objective, sampled).right[moves] @ axis)
        return found / np.sqrt(noise)

    return all(
        pull(axis, distance, True) > least + CLEAR or pull(axis, distance, False) > least
        for axis in np.linalg.eigh(normal)[1].T
        for distance, least in zip(BESIDE, LEAST_PULLS, strict=True)
    )


def _scatter(sums: ModalSums, unknowns: np.ndarray, normal: np.ndarray) -> float:
    """Size of the covariance of r, in units of the normal matrix: of independent blocks."""
    rights = sums.rights[np.abs(sums.rights).any(axis=1)] @ unknowns
    blocks = len(rights)
    if blocks < 2:
        return 1.0
    rights = rights - rights.mean(axis=0)
    size = np.einsum("bi,ij,bj->", rights, np.linalg.inv(normal), rights) / unknowns.shape[1]
    return float(size * blocks / (blocks - 1))


def _parts(sample: ModalSums, sums: ModalSums, unknowns: np.ndarray) -> float | None:
    """How many times as much as a sample of the blocks all are; None where it has more or less of the texture."""
    if not sample.count:
        return None
    parts = sums.count / sample.count
    few, normal = (unknowns.T @ matrix @ unknowns for matrix in (sample.matrix * parts, sums.matrix))
    root = np.linalg.inv(np.linalg.cholesky(normal))
    shares = np.linalg.eigvalsh(root @ few @ root.T)
    return parts if 1 / TYPICAL < shares[0] and shares[-1] < TYPICAL else None


def _curvature(
    pair: ModalPair, phi: np.ndarray, objective: Objective, unknowns: np.ndarray, parts: float | None
) -> np.ndarray:
    """(n, n) array H, symmetric, by differences on a sample of the blocks, one of so many parts; None: on all."""
    start, whole = np.vstack([phi, [0, 0, 0, 1]]), np.eye(4)
    rows = []
    for unknown in unknowns.T:
        change = unknown.reshape(3, 4).copy()
        radius = np.max(np.abs(change[:, :3]) @ (np.array(pair.shape) / 4)) + np.abs(change[:, 3]).max()
        change *= NEARBY / radius
        rights = []
        for way in (-1, 1):
            whole[:3] = np.eye(4)[:3] + way * change
            rights.append(pair.sums((start @ whole)[:3], objective, parts is not None).right @ unknowns)
        rows.append((rights[0] - rights[1]) * radius / (2 * NEARBY))
    rows = np.array(rows) * (parts or 1)
    return (rows + rows.T) / 2


def _draw(pair: ModalPair, phi: np.ndarray) -> np.ndarray:
    """(12,) mean over voxels of what white noise in im2 adds to r: correlation of its value and its slope."""
    axes = [np.linspace(0, n - 1, min(n, PLACES)).round() for n in pair.shape]
    at = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3) - pair.centre
    u = at @ phi[:, :3].T + phi[:, 3] + pair.centre
    t = u - np.floor(u + 0.5)
    value = np.stack([(0.5 - t) ** 2 / 2, 0.75 - t**2, (0.5 + t) ** 2 / 2])
    slope = np.stack([t - 0.5, -2 * t, t + 0.5])
    ratio = (value * slope).sum(axis=0) / (value**2).sum(axis=0)
    moved = np.column_stack([at, np.ones(len(at))])
    of_im2 = np.einsum("ni,nj->ij", ratio, moved) / len(at)
    return (phi[:, :3].T @ of_im2).ravel()
