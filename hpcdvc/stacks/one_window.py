"""Where one window of im2 comes from: its similarity map, the peak, and what that is worth."""

from dataclasses import dataclass
from functools import partial
from types import ModuleType

import numpy as np

from hpcdvc.fields.status import Status
from hpcdvc.stacks.device import to_numpy
from hpcdvc.stacks.judged import EXACT, chance_correlation, doubtful_misfit
from hpcdvc.stacks.models import CONSTANT
from hpcdvc.stacks.peaks import locate_peak
from hpcdvc.stacks.similarity import ENOUGH, correlation_map, pixels_alike_of

#: The second best place lies farther than this from the best, pixels.
SAME_PEAK = 2


@dataclass(frozen=True)
class PeakSettings:
    """How a peak is located: see `hpcdvc.stacks.peaks.locate_peak`."""

    method: str = "taylor"
    size: int = 3
    dim: int = 2
    subpixel: bool = True


@dataclass(frozen=True)
class MapShift:
    """The shift of a window, or of a whole image.

    Attributes
    ----------
    displacement : (2,) float64, y and x, pixels, from im1 to im2; NaN where the status is not 2
    status : Status
    score : correlation coefficient at the best whole pixel
    scores : (ny, nx) map of them over the displacements lowest + (i, j)
    lowest : displacement of the first value of the map, y and x
    """

    displacement: np.ndarray
    status: Status
    score: float
    scores: np.ndarray
    lowest: tuple[int, int]


def shift_of_window(
    im1: np.ndarray,
    im2: np.ndarray,
    window: tuple[slice, slice],
    reach: tuple[int, int, int, int],
    peak: PeakSettings,
    xp: ModuleType = np,
) -> MapShift:
    """Where a window of im2 comes from.

    Parameters
    ----------
    im1, im2 : (K, H, W) stacks
    window : rows and columns of im2
    reach, peak, xp : see `global_shift_of_map`

    Returns
    -------
    MapShift
    """
    low, high = reach[::2], reach[1::2]
    searched = [int(a < b) for a, b in zip(low, high, strict=True)]
    template = im2[:, window[0], window[1]]
    scores = _scores(im1, template, window, low, high, xp)
    result = partial(MapShift, scores=scores, lowest=tuple(low))
    nothing = np.full(2, np.nan)
    valid = template[np.isfinite(template)].astype(float)
    if not np.isfinite(scores).any() or valid.size < ENOUGH * template.size:
        return result(nothing, Status.FEW_VALID_VOXELS, np.nan)
    if not valid.var() > CONSTANT * np.square(valid).mean() or not np.nanmax(np.abs(scores)) > 0:
        return result(nothing, Status.SINGULAR, 0.0)
    whole = np.array(np.unravel_index(np.nanargmax(scores), scores.shape))
    beyond, at = scores, whole
    if ((whole < searched) | (whole >= np.array(scores.shape) - searched)).any():
        more = [(a - s, b + s) for a, b, s in zip(low, high, searched, strict=True)]
        beyond, at = _scores(im1, template, window, *zip(*more, strict=True), xp), whole + searched
    start = [part.start - u - a for part, u, a in zip(window, whole.tolist(), low, strict=True)]
    match = im1[:, start[0] : start[0] + template.shape[1], start[1] : start[1] + template.shape[2]]
    alike, count = pixels_alike_of(template, match), valid.size
    status = _judge(beyond, at, searched, scores, whole, count, alike)
    if status != Status.CONVERGED:
        return result(nothing, status, float(scores[tuple(whole)]))
    place = _place(scores, beyond, at, searched, peak)
    return result(place + low, status, float(scores[tuple(whole)]))


def _scores(
    im1: np.ndarray, template: np.ndarray, window: tuple, low: tuple, high: tuple, xp: ModuleType
) -> np.ndarray:
    """Correlation over the displacements from low to high; outside of im1 nothing counts."""
    first = [part.start - b for part, b in zip(window, high, strict=True)]
    stop = [part.stop - a for part, a in zip(window, low, strict=True)]
    inside = [slice(max(a, 0), min(b, n)) for a, b, n in zip(first, stop, im1.shape[1:], strict=True)]
    region = im1[:, inside[0], inside[1]]
    missing = [(part.start - a, b - part.stop) for part, a, b in zip(inside, first, stop, strict=True)]
    if any(map(any, missing)):
        region = np.pad(region.astype(float), ((0, 0), *missing), constant_values=np.nan)
    return to_numpy(correlation_map(xp.asarray(region), xp.asarray(template), xp))[::-1, ::-1]


def _judge(
    beyond: np.ndarray, at: np.ndarray, searched: list, scores: np.ndarray, whole: np.ndarray, count: int, alike: float
) -> Status:
    """What the best of a map is worth: `beyond` holds its neighbours, at `at`."""
    near = np.pad(beyond, 1, constant_values=np.nan)[at[0] : at[0] + 3, at[1] : at[1] + 3]
    near = near[np.ix_(*([0, 1, 2] if s else [1] for s in searched))]
    best = scores[tuple(whole)]
    if np.isnan(near).any():
        return Status.FEW_VALID_VOXELS
    if near.max() > best:
        return Status.BORDER_OF_RANGE
    values = count / alike
    chance = chance_correlation(values, scores.size / alike)
    if min(best, 1 - EXACT) < chance:
        return Status.DECORRELATED
    second = _second_best(scores, whole)
    # what chance makes of another place is no rival
    if second >= chance and 1 - second <= doubtful_misfit(1 - best, values):
        return Status.AMBIGUOUS
    return Status.CONVERGED


def _second_best(scores: np.ndarray, whole: np.ndarray) -> float:
    """The highest local maximum that is no part of the best peak; -1 where there is none."""
    from scipy.ndimage import maximum_filter

    known = np.where(np.isnan(scores), -1, scores)
    far = np.abs(np.indices(scores.shape) - whole[:, None, None]).max(0) > SAME_PEAK
    peaks = known[far & (maximum_filter(known, 3, mode="nearest") == known)]
    return float(peaks.max()) if peaks.size else -1.0


def _place(scores: np.ndarray, beyond: np.ndarray, at: np.ndarray, searched: list, peak: PeakSettings) -> np.ndarray:
    """Row and column of the peak in `scores`; by Taylor series with the neighbours beyond the range."""
    shift = at - np.array(np.unravel_index(np.nanargmax(scores), scores.shape))
    if not peak.subpixel or not any(searched):
        return (at - shift).astype(float)
    if peak.method == "poly":
        return locate_peak(scores, "poly", peak.size, peak.dim).place
    inner = beyond[at[0] - searched[0] : at[0] + searched[0] + 1, at[1] - searched[1] : at[1] + searched[1] + 1]
    return locate_peak(inner, "taylor", 3, peak.dim).place + at - searched - shift
