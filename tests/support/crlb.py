"""The Cramer-Rao bound of local correlation: the smallest random error that any unbiased method can have.

Both images carry independent white Gaussian noise and the texture is unknown, so the noise of a grey difference is
sqrt(noise1^2 + noise2^2); see Wang, Sutton et al. 2009 (doi 10.1111/j.1475-1305.2008.00592.x) for the sum of squared
differences, and Kay 1993, Fundamentals of Statistical Signal Processing, section 3.
"""

import numpy as np


def window_offsets(half_window: int, dimensions: int = 3) -> np.ndarray:
    """(w**d, d) positions of the voxels of a window about its centre."""
    axis = np.arange(-half_window, half_window + 1)
    return np.stack(np.meshgrid(*[axis] * dimensions, indexing="ij"), axis=-1).reshape(-1, dimensions).astype(float)


def phi_std_bound(texture, positions, half_window: int, noise1: float, noise2: float | None = None) -> np.ndarray:
    """Bound on the standard deviations of [F u] for windows with an affine displacement.

    Parameters
    ----------
    texture : texture with a `gradient`; unit variance
    positions : (n, d) centres of the windows, voxels
    half_window : the window has 2 * half_window + 1 voxels per axis
    noise1, noise2 : standard deviations of the noise of the two images, in units of the texture's; equal by default

    Returns
    -------
    (n, d, d + 1) array: standard deviations of the entries of F and, last, of u (voxels)
    """
    variance = noise1**2 + (noise1 if noise2 is None else noise2) ** 2
    offsets = window_offsets(half_window, positions.shape[1])
    basis = np.concatenate([offsets, np.ones((len(offsets), 1))], axis=1)
    result = []
    for position in positions:
        gradient = texture.gradient(position + offsets)
        jacobian = (gradient[:, :, None] * basis[:, None, :]).reshape(len(offsets), -1)
        covariance = variance * np.linalg.inv(jacobian.T @ jacobian)
        result.append(np.sqrt(np.diag(covariance)).reshape(gradient.shape[1], -1))
    return np.array(result)
