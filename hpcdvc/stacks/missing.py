"""Pixels that are not there: frames that were moved, and what takes the place of missing pixels for a spline."""

import numpy as np
from scipy import ndimage


def shifted(stack: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Frames moved back by their positions: pixel x is x + position of what is given, NaN where there is none.

    Parameters
    ----------
    stack : (K, h, W)
    positions : (K, 2) whole numbers dy, dx
    """
    result, size = np.full_like(stack, np.nan), stack.shape[1:]
    for k, position in enumerate(np.asarray(positions, int)):
        to = tuple(slice(max(0, -p), max(0, n - max(0, p))) for p, n in zip(position, size, strict=True))
        source = tuple(slice(max(0, p), max(0, n + min(0, p))) for p, n in zip(position, size, strict=True))
        result[k][to] = stack[k][source]
    return result


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
