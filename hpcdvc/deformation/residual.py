"""What is left between a deformed image and the one it should look like."""

import numpy as np

#: Voxels worked on at a time: what numpy makes of them in between stays in cache.
BLOCK = 2**15


def residual_of(
    deformed: np.ndarray, inside: np.ndarray, im1: np.ndarray, im2: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Difference im1(Phi) - im2 of one plane, and the sums that its norms are made of.

    Parameters
    ----------
    deformed : (ny, nx) im1(Phi)
    inside : (ny, nx) 0 where `deformed` has no value
    im1, im2 : (ny, nx) the images before

    Returns
    -------
    residual : (ny, nx) float32; 0 where there is no value, in `deformed` or (not a number) in the images
    sums : (3,) number of voxels with a value, and over these the sums of (im1 - im2)^2 and (im1(Phi) - im2)^2
    """
    residual, sums = np.zeros(deformed.shape, np.float32), np.zeros(3)
    rows = max(1, BLOCK // deformed.shape[1])
    for first in range(0, len(deformed), rows):
        part = slice(first, first + rows)
        target = im2[part].astype(np.float64)
        before, after = im1[part] - target, deformed[part] - target
        use = (inside[part] != 0) & np.isfinite(before) & np.isfinite(after)
        before, after = np.where(use, before, 0), np.where(use, after, 0)
        residual[part] = after
        sums += np.count_nonzero(use), np.sum(before * before), np.sum(after * after)
    return residual, sums


def norms(sums: np.ndarray) -> tuple[int, float, float]:
    """Number of voxels, and root mean squares of im1 - im2 and im1(Phi) - im2 over them (NaN for none), from sums."""
    count = int(sums[0])
    before, after = np.sqrt(sums[1:] / count) if count else (np.nan, np.nan)
    return count, float(before), float(after)
