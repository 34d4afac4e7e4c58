"""Views as they would be had the sample not moved."""

import numpy as np
from scipy.ndimage import shift, uniform_filter


def aligned_frame(values: np.ndarray, weights: np.ndarray, j_offset: float, k_offset: float) -> np.ndarray:
    """A view whose pixel j looks at (j + 0.5 - J/2) u, and k alike: its offsets are 0 then.

    It is interpolated by cubic splines. Pixels without weight get the mean of their neighbours first, and what the view
    does not show is as its border is.

    Parameters
    ----------
    values, weights : (J, K) of the view
    j_offset, k_offset : its offsets, pixels

    Returns
    -------
    (K, J) float32, a frame whose rows are along the axis
    """
    there = np.asarray(weights > 0, np.float64)
    known = np.where(there > 0, values, 0).astype(np.float64)
    if not there.all():
        count = uniform_filter(there, 3, mode="nearest")
        means = np.divide(uniform_filter(known, 3, mode="nearest"), count, out=known.copy(), where=count > 1e-9)
        known = np.where(there > 0, known, means)
    moved = shift(known, (j_offset, k_offset), order=3, mode="nearest") if j_offset or k_offset else known
    return np.ascontiguousarray(moved.T, np.float32)
