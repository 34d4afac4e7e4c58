"""Some of many points, spread out evenly over the space that they fill."""

import numpy as np


def spread_out(positions: np.ndarray, count: int) -> np.ndarray:
    """Numbers of some points: in each of about so many equal boxes the point nearest to its middle.

    Parameters
    ----------
    positions : (n, 3) ZYX, voxels
    count : about how many are wanted

    Returns
    -------
    (m,) int64 array, ascending; all where no more are wanted than there are
    """
    if count >= len(positions):
        return np.arange(len(positions))
    low, extent = positions.min(axis=0), np.ptp(positions, axis=0)
    filled = extent > 0
    edge = (extent[filled].prod() / count) ** (1 / max(filled.sum(), 1))
    boxes = np.where(filled, np.maximum(np.rint(extent / edge), 1), 1).astype(np.int64)
    size = np.where(filled, extent / boxes, 1)
    box = np.minimum(((positions - low) / size).astype(np.int64), boxes - 1)
    apart = ((((positions - low) / size - box - 0.5) * filled) ** 2).sum(axis=1)
    key = np.ravel_multi_index(tuple(box.T), tuple(boxes))
    order = np.lexsort((apart, key))
    first = np.r_[True, np.diff(key[order]) > 0]
    return evenly(np.sort(order[first]), count)


def evenly(numbers: np.ndarray, count: int) -> np.ndarray:
    """At most `count` of some numbers, evenly."""
    if len(numbers) <= count:
        return numbers
    return numbers[np.linspace(0, len(numbers) - 1, count).astype(np.int64)]
