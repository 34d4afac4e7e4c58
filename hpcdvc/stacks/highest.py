"""Peaks of whole-pixel maps: the highest within a range, and the highest elsewhere."""

import numpy as np

from hpcdvc.stacks.spectrum import signed

#: Part of the height of the first below which it does not matter whether there is another peak.
LOW = 0.25


def highest(values: np.ndarray, largest: float | None = None) -> tuple[np.ndarray, bool]:
    """Whole displacement of the highest value of a map, and whether it is a peak.

    Parameters
    ----------
    values : the map, index d or, for negative displacements, n + d
    largest : of each component; one pixel more is looked at, as the peak may lie before its whole pixel. None: any

    Returns
    -------
    (axes,) displacement; False where a neighbour, which then lies beyond the range, is higher
    """
    inside = values if largest is None else values[np.ix_(*(reachable(n, largest) for n in values.shape))]
    index = np.unravel_index(np.argmax(inside), inside.shape)
    if largest is not None:
        index = tuple(reachable(n, largest)[i] for i, n in zip(index, values.shape, strict=True))
    return signed(index, values.shape), bool(around(values, index).max() <= values[index])


def reachable(n: int, largest: float) -> np.ndarray:
    """Indices of displacements of an axis, from the lowest to the highest."""
    most = int(min(np.floor(largest) + 1, n))
    return np.arange(max(-most, -(n // 2)), min(most, (n - 1) // 2) + 1) % n


def around(values: np.ndarray, index: np.ndarray) -> np.ndarray:
    """(3, ...) values about a place of a periodic map."""
    return values[np.ix_(*((np.arange(i - 1, i + 2)) % n for i, n in zip(index, values.shape, strict=True)))]


def second_highest(values: np.ndarray, first: np.ndarray, largest: float | None = None) -> float:
    """Height of the highest peak but the first, or more, if that is low; -inf where there is nothing else.

    Parameters
    ----------
    values : the map, as of `highest`
    first : (axes,) whole displacement of the highest
    largest : see `highest`
    """
    if largest is None:  # a map that goes round: the first in its middle, so that its foot is in one piece
        index = [n // 2 for n in values.shape]
        window = np.roll(values, [i - d for i, d in zip(index, first, strict=True)], range(values.ndim))
    else:
        rows = [reachable(n, largest) for n in values.shape]
        index = [int(np.flatnonzero(row == d % n)[0]) for row, d, n in zip(rows, first, values.shape, strict=True)]
        window = values[np.ix_(*rows)]
    base = window.mean()
    low_enough = base + LOW * (window[tuple(index)] - base)
    low, high = _foot(window, index, low_enough)
    rest = window.copy()
    for _ in range(window.size):
        rest[tuple(slice(a, b + 1) for a, b in zip(low, high, strict=True))] = -np.inf
        at = np.array(np.unravel_index(np.argmax(rest), rest.shape))
        if rest[tuple(at)] <= low_enough:
            return float(rest[tuple(at)])
        top = _uphill(window, at)
        if not ((top >= low) & (top <= high)).all():
            return float(window[tuple(top)])
        low, high = np.minimum(low, at), np.maximum(high, at)  # still the first's own hill
    return -np.inf


def _foot(window: np.ndarray, index: list[int], low_enough: float) -> tuple[np.ndarray, np.ndarray]:
    """First and last index per axis to which values fall from the highest, as far as that is worth following."""
    low, high = np.array(index), np.array(index)
    for axis in range(len(index)):
        line = window[tuple(slice(None) if a == axis else k for a, k in enumerate(index))]
        while high[axis] + 1 < len(line) and low_enough < line[high[axis] + 1] < line[high[axis]]:
            high[axis] += 1
        while low[axis] > 0 and low_enough < line[low[axis] - 1] < line[low[axis]]:
            low[axis] -= 1
    return low, high


def _uphill(window: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The top that leads up from a place, neighbour by neighbour."""
    while True:
        low = np.maximum(at - 1, 0)
        near = window[tuple(slice(a, b + 2) for a, b in zip(low, at, strict=True))]
        best = low + np.unravel_index(np.argmax(near), near.shape)
        if window[tuple(best)] <= window[tuple(at)]:
            return at
        at = best
