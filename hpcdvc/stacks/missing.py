"""What takes the place of pixels that are not there, for a spline."""

import numpy as np


def filled_in(frame: np.ndarray, absent: np.ndarray, steps: int) -> np.ndarray:
    """Missing pixels as the mean of those about them, shell by shell.

    What a pixel gets depends on those within `steps` pixels alone: bands of an image get the same.

    Parameters
    ----------
    frame : (h, w) array
    absent : (h, w) bool, the pixels that are missing
    steps : shells; pixels farther away from all that are there become 0

    Returns
    -------
    (h, w) array of the same type
    """
    from scipy import ndimage  # slow to load, and rarely asked for

    values, known, near = np.where(absent, frame.dtype.type(0), frame), ~absent, np.ones((3, 3), bool)
    for _ in range(steps):
        shell = ndimage.binary_dilation(known, near) & ~known
        y, x = np.nonzero(shell)
        if len(y) == 0:
            break
        total, count = np.zeros(len(y)), np.zeros(len(y))
        for dy, dx in ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)):
            at = np.clip(y + dy, 0, known.shape[0] - 1), np.clip(x + dx, 0, known.shape[1] - 1)
            total += np.where(known[at], values[at], 0)
            count += known[at]
        values[y, x] = total / count
        known = known | shell
    return values
