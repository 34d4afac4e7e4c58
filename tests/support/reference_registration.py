"""Registration of one window in plain numpy, float64: the slow twin that the kernel is compared with.

Gauss-Newton, Phi <- Phi (I + delta), gradient of the B-spline through im1, im2 interpolated by the B-spline (order 1
and 5) or the o-MOMS (order 3; Blu, Thevenaz & Unser 2001, doi 10.1109/83.931101). Made to be read, not to be fast.
"""

import numpy as np

#: Weights of the neighbours of a point as polynomials of its fraction t: WEIGHTS[order] @ t**(0, 1, 2 ...).
B_SPLINE = np.array([[1, -3, 3, -1], [4, 0, -6, 3], [1, 3, 3, -3], [0, 0, 0, 1]]) / 6
SECOND_DIFFERENCE = np.array([[1, -1, 0, 0], [-2, 3, 0, 0], [1, -3, 0, 0], [0, 1, 0, 0]])
QUINTIC = [
    [1, -5, 10, -10, 5, -1],
    [26, -50, 20, 20, -20, 5],
    [66, 0, -60, 0, 30, -10],
    [26, 50, 20, -20, -20, 10],
    [1, 5, 10, 10, 5, -5],
    [0, 0, 0, 0, 0, 1],
]
WEIGHTS = {1: np.array([[1, -1], [0, 1]]), 3: B_SPLINE + SECOND_DIFFERENCE / 42, 5: np.array(QUINTIC) / 120}
#: Values at the voxels 0, 1 ... of the B-splines, and their slopes at the voxels 1, 2 ...
SAMPLES = {3: (2 / 3, 1 / 6), 5: (66 / 120, 26 / 120, 1 / 120)}
SLOPES = {1: (-1 / 2,), 3: (-1 / 2,), 5: (-10 / 24, -1 / 24)}


def along(matrix: np.ndarray, image: np.ndarray, axis: int) -> np.ndarray:
    """A matrix applied to all lines along one axis."""
    return np.moveaxis(np.tensordot(matrix, image, (1, axis)), 0, axis)


def banded(even: tuple, odd: tuple, n: int) -> np.ndarray:
    """(n, n) matrix of the filter even[0], even[1] ... plus odd[0], odd[1] ... from 1 on; mirrored at the ends."""
    matrix = np.zeros((n, n))
    for k in range(-len(even) - len(odd), len(even) + len(odd) + 1):
        value = even[abs(k)] if abs(k) < len(even) else 0
        value += -np.sign(k) * odd[abs(k) - 1] if 0 < abs(k) <= len(odd) else 0
        for i in range(n):
            j = abs(i + k)
            matrix[i, j if j < n else 2 * (n - 1) - j] += value
    return matrix


def spline_gradient(image: np.ndarray, order: int) -> np.ndarray:
    """(3, ...) gradient at the voxels of the B-spline through the image (central differences at order 1)."""
    result = []
    for axis, n in enumerate(image.shape):
        matrix = banded((), SLOPES[order], n)
        if order > 1:
            matrix = matrix @ np.linalg.inv(banded(SAMPLES[order], (), n))
        result.append(along(matrix, image, axis))
    return np.array(result)


def coefficients(image: np.ndarray, order: int) -> np.ndarray:
    """Coefficients of the spline of `WEIGHTS` that passes through the image."""
    for axis, n in enumerate(image.shape):
        samples = tuple(WEIGHTS[order][order // 2 :, 0])
        image = along(np.linalg.inv(banded(samples, (), n)), image, axis)
    return image


def interpolate(spline: np.ndarray, at: np.ndarray, order: int) -> np.ndarray:
    """Values at points `at` (3, n) of a spline given by its coefficients."""
    cell, taps = np.floor(at).astype(int), order + 1
    powers = (at - cell)[:, None] ** np.arange(taps)[:, None]
    weights = np.einsum("tp,dpn->dtn", WEIGHTS[order], powers)
    value = np.zeros(at.shape[1])
    for tap in np.ndindex((taps,) * 3):
        where = cell + (np.array(tap) - order // 2)[:, None]
        value += spline[tuple(where)] * np.prod([weights[axis, t] for axis, t in enumerate(tap)], axis=0)
    return value


def register(im1, im2, position, half_window: int, order=3, criterion="znssd") -> np.ndarray:
    """Phi (3, 4) of the window about a voxel, which must lie 20 voxels inside both images.

    Parameters
    ----------
    im1, im2 : (nz, ny, nx) arrays, any type
    position : three integers, ZYX
    half_window : the window has 2 * half_window + 1 voxels per axis
    order : 1, 3 or 5
    criterion : "znssd" or "ssd"
    """
    h, pad = half_window, half_window + 20  # 20 voxels: there the effect of the ends is below 1e-7
    near = tuple(slice(c - pad, c + pad + 1) for c in position)
    mean = im1[near].astype(float).mean()
    a, b = im1[near].astype(float) - mean, im2[near].astype(float) - mean
    window = (slice(pad - h, pad + h + 1),) * 3
    x = np.stack(np.meshgrid(*[np.arange(-h, h + 1.0)] * 3, indexing="ij")).reshape(3, -1)
    basis = np.concatenate([x, np.ones((1, x.shape[1]))])
    gradient = spline_gradient(a, order)[(slice(None), *window)].reshape(3, -1)
    jacobian = (gradient[:, None] * basis[None]).reshape(12, -1)
    spline, phi, f = coefficients(b, order), np.eye(4), a[window].ravel()
    for _ in range(200):
        g = interpolate(spline, phi[:3] @ basis + pad, order)
        residual = f - g
        if criterion == "znssd":
            residual = (f - f.mean()) - f.std() / g.std() * (g - g.mean())
        delta = np.linalg.solve(jacobian @ jacobian.T, jacobian @ residual)
        phi = phi @ (np.eye(4) + np.vstack([delta.reshape(3, 4), np.zeros(4)]))
        if np.linalg.norm(delta) < 1e-9:
            return phi[:3]
    raise RuntimeError(f"the window at {position} did not converge")
