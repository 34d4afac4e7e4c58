"""What takes the place of pixels that are not there, for a spline."""

import numpy as np

#: Missing pixels from which on it pays to find those that will be reached.
MANY = 20_000
NEIGHBOURS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))


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
    known = np.pad(~absent, 1)
    values = np.pad(np.where(absent, frame.dtype.type(0), frame), 1)
    y, x = np.nonzero(absent)
    if len(y) > MANY:
        from scipy import ndimage  # slow to load, and rarely asked for

        near = ndimage.binary_dilation(~absent, np.ones((3, 3), bool), steps)
        y, x = np.nonzero(absent & near)  # the others are not reached
    for _ in range(steps):
        total, count = np.zeros(len(y)), np.zeros(len(y))
        for dy, dx in NEIGHBOURS:
            at = y + dy + 1, x + dx + 1
            total += values[at]  # 0 where not known
            count += known[at]
        shell = count > 0
        if not shell.any():
            break
        place = y[shell] + 1, x[shell] + 1
        values[place], known[place] = total[shell] / count[shell], True
        y, x = y[~shell], x[~shell]
    return values[1:-1, 1:-1]
