"""The slow twin of the search: all scores in float64, displacement by displacement, with numpy alone."""

from itertools import product

import numpy as np


def cut(image, mask, origin, shape):
    """Values and which of them count, of a box that may reach out of the image."""
    values, counts = np.zeros(shape), np.zeros(shape, bool)
    low = [max(o, 0) for o in origin]
    high = [min(o + n, m) for o, n, m in zip(origin, shape, image.shape, strict=True)]
    if all(a < b for a, b in zip(low, high, strict=True)):
        there = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        here = tuple(slice(a - o, b - o) for a, b, o in zip(low, high, origin, strict=True))
        part = image[there].astype(float)
        good = np.isfinite(part) if mask is None else np.isfinite(part) & (mask[there] != 0)
        values[here], counts[here] = np.where(good, part, 0), good
    return values, counts


def score(a, b, criterion):
    """Of two lists of grey values; None without texture."""
    for values in (a, b):
        if np.ptp(values) == 0:
            return None
    if criterion == "ncc":
        return (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum())
    a, b = a - a.mean(), b - b.mean()
    return (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum())


def all_scores(window, counts, whole, im2, mask2, origin, search_range, min_valid, criterion="zncc"):
    """Scores of a window at all displacements; NaN where there is none.

    Parameters
    ----------
    window, counts : (wz, wy, wx) grey values, and which count
    whole : voxels of the whole window
    im2, mask2 : image and its mask, or None
    origin : first voxel of the window at displacement 0, ZYX
    search_range : first and last displacement along Z, Y, X
    """
    spans = [range(search_range[2 * i], search_range[2 * i + 1] + 1) for i in range(3)]
    scores = np.full([len(span) for span in spans], np.nan)
    for place, move in zip(np.ndindex(scores.shape), product(*spans), strict=True):
        b, good = cut(im2, mask2, [int(o + d) for o, d in zip(origin, move, strict=True)], window.shape)
        both = counts & good
        if both.sum() >= max(min_valid * whole, 3):
            found = score(window[both], b[both], criterion)
            scores[place] = np.nan if found is None else found
    return scores


def best_of(scores, search_range):
    """Displacement of the best score, the first of equal ones, and the score."""
    place = np.unravel_index(np.nanargmax(scores), scores.shape)
    return np.array(place) + search_range[::2], scores[place]
