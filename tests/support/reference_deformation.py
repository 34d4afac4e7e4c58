"""Deformed images in slow float64 numpy: what hpcdvc.deformation.images must agree with."""

import numpy as np

EDGE = 1e-6  # voxels outside that still count as inside


def voxels(shape) -> np.ndarray:
    """(n, 3) coordinates of all voxels."""
    return np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1).reshape(-1, 3).astype(float)


def sources_by_phi(p: np.ndarray, phi: np.ndarray, centre) -> np.ndarray:
    """Sources (n, 3) of voxels p under one Phi."""
    return centre + np.linalg.solve(phi[:3, :3], (p - centre - phi[:3, 3]).T).T


def sources_by_field(p, positions, phi, neighbours=8, displacement_only=False) -> np.ndarray:
    """Sources (n, 3) of voxels p: conventions of the field, brute force, ties included."""
    displaced = positions + phi[:, :3, 3]
    g, t = np.linalg.inv(phi)[:, :3, :3] - np.eye(3), np.linalg.inv(phi)[:, :3, 3]
    if displacement_only:
        g, t = 0 * g, -phi[:, :3, 3]
    result = np.empty_like(p)
    for first in range(0, len(p), 2000):
        at = p[first : first + 2000, None]
        d = np.linalg.norm(at - displaced, axis=2)
        last = np.sort(d, axis=1)[:, min(neighbours, len(displaced)) - 1, None]
        w = np.where(d <= last * (1 + 1e-12), 1 / (d + 1e-6), 0)
        u = t + np.einsum("nij,vnj->vni", g, at - positions)
        result[first : first + 2000] = at[:, 0] + np.einsum("vn,vni->vi", w, u) / w.sum(axis=1)[:, None]
    return result


def sources_by_mesh(
    p, points, connectivity, displacements, partition=False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sources (n, 3) of voxels p (nan: none), the tetrahedron of each (-1: none) and its change of volume.

    Triangles have their third edge along z.
    """
    deformed = points + displacements
    source, owner, ratio = np.full(p.shape, np.nan), np.full(len(p), -1), np.ones(len(p))
    for k, nodes in enumerate(connectivity):
        before, after = points[nodes[1:]] - points[nodes[0]], deformed[nodes[1:]] - deformed[nodes[0]]
        if len(nodes) == 3:
            before, after = np.vstack([[1.0, 0, 0], before]), np.vstack([[1.0, 0, 0], after])
        with np.errstate(divide="ignore"):
            change = np.linalg.det(after) / np.linalg.det(before)
        if not (change > 0 or partition):
            continue
        corners = deformed[nodes]
        near = np.flatnonzero(((p > corners.min(axis=0) - 1e-3) & (p < corners.max(axis=0) + 1e-3)).all(axis=1))
        b = np.linalg.solve(after.T, (p[near] - corners[0]).T).T
        inside = (b[:, 4 - len(nodes) :] >= -1e-9).all(axis=1) & (b.sum(axis=1) <= 1 + 1e-9)
        free = inside & (owner[near] < 0)
        near = near[free]
        source[near], owner[near], ratio[near] = points[nodes[0]] + b[free] @ before, k, change
    return source, owner, ratio


def basis(order: int, x: np.ndarray) -> np.ndarray:
    """Hat, cubic o-MOMS (B-spline + 1/42 of its second derivative) or quintic B-spline at distances x."""
    x = np.abs(x)
    if order == 1:
        return np.maximum(1 - x, 0)
    if order == 3:
        near, far = 2 / 3 - x**2 + x**3 / 2 + (3 * x - 2) / 42, (2 - x) ** 3 / 6 + (2 - x) / 42
        return np.where(x < 1, near, np.where(x < 2, far, 0))
    return sum(c * np.maximum(k - x, 0) ** 5 for k, c in ((3, 1 / 120), (2, -6 / 120), (1, 15 / 120)))


def coefficients(image: np.ndarray, order: int, pad: int) -> np.ndarray:
    """Spline coefficients of an image continued by f(-i) = 2 f(0) - f(i), by a dense solve along each axis."""
    c = np.asarray(image, float)
    for axis, n in enumerate(image.shape):
        if n == 1:
            continue
        widths = [(0, 0)] * 3
        widths[axis] = (pad, pad)
        c = np.pad(c, widths, "reflect", reflect_type="odd")
        if order == 1:
            continue
        k = np.arange(n + 2 * pad)
        c = np.moveaxis(np.tensordot(np.linalg.inv(basis(order, k[:, None] - k)), c, (1, axis)), 0, axis)
    return c


def interpolate(image: np.ndarray, source: np.ndarray, order: int) -> np.ndarray:
    """Grey values (n,) at sources (n, 3) inside the image, float64."""
    if order == 0:
        return image[tuple(np.floor(source + 0.5).astype(int).T)]
    pad, total = 24, 0.0
    c = coefficients(image, order, pad)
    first = np.floor(source).astype(int) - order // 2
    taps, weights = [], []  # by axis and tap
    for axis, n in enumerate(image.shape):
        tap = first[:, axis] + np.arange(order + 1)[:, None] if n > 1 else np.zeros((1, len(source)), int)
        taps.append(tap + (pad if n > 1 else 0))
        weights.append(basis(order, source[:, axis] - tap) if n > 1 else np.ones(tap.shape))
    for i, j, k in np.ndindex(*[len(t) for t in taps]):
        weight = weights[0][i] * weights[1][j] * weights[2][k]
        total = total + np.where(weight == 0, 0, weight * c[taps[0][i], taps[1][j], taps[2][k]])
    return total


def deformed(image, source, order=1, ratio=1.0) -> tuple[np.ndarray, np.ndarray]:
    """Values (float64, 0 outside; at order 0 of the image's type) and inside (bool) of the image's shape."""
    ends = np.array(image.shape) - 1
    inside = ((source >= -EDGE) & (source <= ends + EDGE)).all(axis=1)
    values = np.zeros(len(source), image.dtype if order == 0 else float)
    values[inside] = interpolate(image, np.clip(source[inside], 0, ends), order)
    if order > 0:
        values = values / ratio
    return values.reshape(image.shape), inside.reshape(image.shape)
