"""Registration of one window in plain numpy and scipy, float64: the slow twin that the kernel is compared with.

Gauss-Newton, Phi <- Phi (I + delta), gradient of the interpolating spline of im1; the sums and the criterion are
those of docs/theory. Made to be read, not to be fast; windows must lie inside both images.
"""

import numpy as np
from scipy import ndimage

#: Slope at the voxels +1, +2 ... of the B-spline of an order; order 1 stands for central differences.
SLOPES = {1: (-1 / 2,), 3: (-1 / 2,), 5: (-10 / 24, -1 / 24)}


def spline_gradient(image: np.ndarray, order: int) -> list[np.ndarray]:
    """Components (z, y, x) of the gradient at the voxels of the spline that interpolates the image."""
    result = []
    for axis in range(image.ndim):
        line = image if order == 1 else ndimage.spline_filter1d(image, order, axis=axis, mode="mirror")
        slopes = np.array([0, *SLOPES[order]])
        result.append(ndimage.correlate1d(line, np.concatenate([slopes[:0:-1], -slopes]), axis=axis, mode="mirror"))
    return result


def register(im1, im2, position, half_window: int, order: int = 3, criterion: str = "znssd", start=None) -> np.ndarray:
    """Phi (3, 4) of the window about a voxel.

    Parameters
    ----------
    im1, im2 : (nz, ny, nx) arrays, any type
    position : three integers, ZYX
    half_window : the window has 2 * half_window + 1 voxels per axis
    order : of the spline that interpolates im2: 1, 3 or 5
    criterion : "znssd" or "ssd"
    start : (3, 4) array, Phi to start from; the identity if None
    """
    centre, h = np.asarray(position, int), half_window
    near = tuple(slice(max(c - h - 20, 0), c + h + 21) for c in centre)  # 20 voxels: the spline's tails end
    origin = np.array([s.start for s in near])
    mean = im1[near].astype(float).mean()
    a, b = im1[near].astype(float) - mean, im2[near].astype(float) - mean
    window = tuple(slice(c - o - h, c - o + h + 1) for c, o in zip(centre, origin, strict=True))
    x = np.stack(np.meshgrid(*[np.arange(-h, h + 1.0)] * 3, indexing="ij")).reshape(3, -1)
    basis = np.concatenate([x, np.ones((1, x.shape[1]))])
    gradient = np.stack([g[window].ravel() for g in spline_gradient(a, order)])
    jacobian = (gradient[:, None] * basis[None]).reshape(12, -1)
    coefficients = b if order == 1 else ndimage.spline_filter(b, order, mode="mirror")
    phi, f = np.vstack([np.eye(3, 4) if start is None else start, [0, 0, 0, 1]]), a[window].ravel()
    for _ in range(200):
        at = phi[:3] @ basis + (centre - origin)[:, None]
        g = ndimage.map_coordinates(coefficients, at, order=order, mode="mirror", prefilter=False)
        residual = f - g
        if criterion == "znssd":
            residual = (f - f.mean()) - f.std() / g.std() * (g - g.mean())
        delta = np.linalg.solve(jacobian @ jacobian.T, jacobian @ residual)
        phi = phi @ (np.eye(4) + np.vstack([delta.reshape(3, 4), np.zeros(4)]))
        if np.linalg.norm(delta) < 1e-9:
            return phi[:3]
    raise RuntimeError(f"window at {position} did not converge")
