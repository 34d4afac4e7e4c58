"""Centres of mass of views and volumes."""

from collections.abc import Iterable

import numpy as np


def centres_of_mass(views: Iterable[np.ndarray]) -> np.ndarray:
    """(2, m) of m views (J, K), pixels from their middles; each by itself, so that its bits do not depend on m."""
    return np.array([centre_of_mass(view) for view in views]).reshape(-1, 2).T


def centre_of_mass(values: np.ndarray) -> np.ndarray:
    """One number for each axis, pixels from the middle; 0 where the sum of all values is not positive."""
    total = values.sum(dtype=float)
    if not total > 0:
        return np.zeros(values.ndim)
    axes = range(values.ndim)
    lines = [values.sum(axis=tuple(other for other in axes if other != axis), dtype=float) for axis in axes]
    places = [np.arange(n) + 0.5 - n / 2 for n in values.shape]
    return np.array([(line * at).sum() / total for line, at in zip(lines, places, strict=True)])
