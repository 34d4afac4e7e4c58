"""How far a view is from the projection of the volume, in one step: by correlation, or by Gauss-Newton.

A step is what has to be added to the offsets of the view. Features of the view that lie u further than those of the
projection ask for -u.
"""

import numpy as np

from hpcdvc.stacks.chi2 import cross_spectrum, spectrum_of
from hpcdvc.stacks.highest import highest
from hpcdvc.stacks.images import prepare
from hpcdvc.stacks.overlap import overlap_correlation
from hpcdvc.stacks.settings import ShiftSettings
from hpcdvc.stacks.shift import similarity_of, upsampled
from hpcdvc.stacks.spectrum import Polynomial, find_maximum, signed

#: Pixels at each side that Gauss-Newton steps leave out: gradients are poorer there.
MARGIN = 2
#: Pixels that an axis has at least for a shift along it to be told.
LEAST_PIXELS = 3
#: Smallest eigenvalue of the normal equations, as part of the largest, with which a step is known.
LEAST_CURVATURE = 1e-10
#: Part of the largest overlap that pixels with weight have at least where "masked" looks.
LEAST_OVERLAP = 0.3


def step_of(
    method: str,
    projection: np.ndarray,
    view: np.ndarray,
    weights: np.ndarray,
    upsampling: int = 1,
    directions: tuple[bool, bool] = (True, True),
) -> np.ndarray:
    """What a view asks to be added to its offsets.

    Parameters
    ----------
    method : "masked", "cc", "phase" or "gn": see `hpcdvc.tomography.settings.AlignSettings`
    projection, view : (J, K), of the volume and what was measured
    weights : (J, K), 0 where the view is not known
    upsampling : steps of correlation are multiples of 1 / upsampling
    directions : whether j and k are wanted

    Returns
    -------
    (2,) pixels, 0 where nothing can be told
    """
    if method == "gn":
        step = gauss_newton_step(projection, view, weights, directions)
    else:
        known = np.array(projection.shape) >= LEAST_PIXELS
        directions = known & directions
        # of an axis that tells nothing correlation wants some pixels, too: darkness, in which it is highest where it is
        around = [(0, 0 if there else LEAST_PIXELS) for there in known]
        projection, view, weights = (np.pad(a, around) for a in (projection, view, weights))
        step = {"masked": _masked, "cc": _correlated, "phase": _whitened}[method](projection, view, weights, upsampling)
    return np.where(directions, np.nan_to_num(step, nan=0.0, posinf=0.0, neginf=0.0), 0.0)


def gauss_newton_step(
    projection: np.ndarray, view: np.ndarray, weights: np.ndarray, directions: tuple[bool, bool] = (True, True)
) -> np.ndarray:
    """The step that fits view(x) = gain (projection(x) + step . gradient of projection) + offset.

    The gradient is that of the projection: the noise of the view would be taken for motion in its own.

    Parameters
    ----------
    projection, view, weights, directions : see `step_of`

    Returns
    -------
    (2,) pixels; 0 where the projection has no texture
    """
    axes = [axis for axis in (0, 1) if directions[axis] and projection.shape[axis] >= LEAST_PIXELS]
    inner = tuple(slice(m, n - m) for n in projection.shape for m in [min(MARGIN, max(n - LEAST_PIXELS, 0) // 2)])
    counts = np.asarray(weights[inner], float).ravel()
    projection = projection.astype(float)
    gradients = [np.gradient(projection, axis=axis)[inner].ravel() for axis in axes]
    columns = np.stack([projection[inner].ravel(), *gradients], axis=1)
    values, total = view[inner].ravel().astype(float), counts.sum()
    step = np.zeros(2)
    if not axes or not total > 0:
        return step
    columns = columns - counts @ columns / total  # the offset
    values = values - counts @ values / total
    matrix = columns.T @ (counts[:, None] * columns)
    size = np.sqrt(np.diag(matrix))
    if not (size > 0).all() or np.linalg.eigvalsh(matrix / np.outer(size, size))[0] < LEAST_CURVATURE:
        return step
    gain, *moved = np.linalg.solve(matrix, columns.T @ (counts * values))
    if gain > 0:
        step[axes] = np.array(moved) / gain
    return step


def _correlated(projection: np.ndarray, view: np.ndarray, weights: np.ndarray, upsampling: int) -> np.ndarray:
    images = prepare(projection, view)
    if images.status:
        return np.zeros(2)
    return -_top(similarity_of(images, ShiftSettings("cc")).cross, upsampling)


def _whitened(projection: np.ndarray, view: np.ndarray, weights: np.ndarray, upsampling: int) -> np.ndarray:
    spectra = [spectrum_of(image[None].astype(float), image.shape) for image in (projection, view)]
    cross = cross_spectrum(*spectra)
    heights = np.maximum(np.abs(cross), 100 * np.finfo(float).eps)
    return -_top(Polynomial(cross / heights, projection.shape), upsampling)


def _top(score: Polynomial, upsampling: int) -> np.ndarray:
    """Where a map is highest, on the grid of 1 / upsampling."""
    first, _ = highest(score.map)
    peak = find_maximum(score, first) if upsampling > 1 else None
    return upsampled(score, first, first if peak is None else peak, upsampling)


def _masked(projection: np.ndarray, view: np.ndarray, weights: np.ndarray, upsampling: int) -> np.ndarray:
    images = prepare(projection, view, mask1=weights > 0, mask2=weights > 0)
    if images.status:
        return np.zeros(2)
    correlation, count = overlap_correlation(images)
    correlation[count < LEAST_OVERLAP * count.max()] = 0
    index = np.unravel_index(np.argmax(correlation), correlation.shape)
    return -signed(index, correlation.shape).astype(float)
