"""One shift of a pair of images from a similarity map: of all of them, or of windows at some points."""

import logging
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.status import Status
from hpcdvc.stacks.one_window import MapShift, PeakSettings, shift_of_window

log = logging.getLogger("hpcdvc")

GLOBAL_VALUES = ("median", "mean", "mixed")
#: Fewest pixels of a window along an axis.
SMALLEST = 3
#: Part of the points that must be measured.
ENOUGH_POINTS = 0.25


@dataclass(frozen=True)
class PointShifts:
    """The shifts of windows at some points, and what they say together.

    Attributes
    ----------
    displacement : (2,) float64, y and x, pixels, from im1 to im2; NaN where the status is not 2
    std : (2,) its standard deviation, from the scatter of the points; NaN of one point
    status : 2, or the most frequent reason of points that are not measured
    points : (n, 2) middles of the windows in im2, y and x
    displacements : (n, 2) of the windows; NaN where not measured
    statuses : (n,) of the windows
    scores : (n,) correlation coefficients
    """

    displacement: np.ndarray
    std: np.ndarray
    status: Status
    points: np.ndarray
    displacements: np.ndarray
    statuses: np.ndarray
    scores: np.ndarray


def global_shift_of_map(
    im1: np.ndarray,
    im2: np.ndarray,
    reach: tuple[int, int, int, int],
    axis: int | None = None,
    peak: PeakSettings = PeakSettings(),  # noqa: B008 (frozen)
    xp: ModuleType = np,
) -> MapShift:
    """Shift of im2 against im1 by the middle of im2, from which all displacements of the range stay in im1.

    Parameters
    ----------
    im1, im2 : (H, W) images or (K, H, W) stacks of one shape; what is not finite does not count
    reach : displacements that are tried, whole pixels: y from, y to, x from, x to, all inclusive
    axis : 0 or 1: the shift is along y or x only
    peak : how the peak is located
    xp : numpy or cupy, where maps are made

    Returns
    -------
    MapShift

    Raises
    ------
    UserError
        The images do not fit each other, or the range leaves nothing of them.
    """
    im1, im2 = _stacks(im1, im2)
    reach = tuple(0 if axis is not None and axis != i // 2 else int(value) for i, value in enumerate(reach))
    window = tuple(
        slice(max(high, 0), size + min(low, 0))
        for low, high, size in zip(reach[::2], reach[1::2], im1.shape[1:], strict=True)
    )
    if any(part.stop - part.start < SMALLEST for part in window):
        raise UserError(f"a range of {reach} leaves no window of an image of {im1.shape[1]} x {im1.shape[2]} pixels")
    return shift_of_window(im1, im2, window, reach, peak, xp)


def global_shift_of_points(
    im1: np.ndarray,
    im2: np.ndarray,
    points: np.ndarray | None,
    half_window: int,
    reach: tuple[int, int, int, int],
    number: int = 30,
    seed: int = 0,
    global_value: str = "mixed",
    peak: PeakSettings = PeakSettings(),  # noqa: B008 (frozen)
    xp: ModuleType = np,
) -> PointShifts:
    """Shift of im2 against im1 from windows at some points of im2.

    Parameters
    ----------
    im1, im2, reach, peak, xp : see `global_shift_of_map`
    points : (n, 2) whole pixels, y and x; None: at random. Those whose windows leave an image are left out,
        with a warning
    half_window : n, windows are of 2 n + 1 pixels along each axis
    number, seed : of random points
    global_value : "median", "mean" (without the two lowest and highest of more than 7), or "mixed", the mean of the
        six in the middle

    Returns
    -------
    PointShifts

    Raises
    ------
    UserError
        The images do not fit each other, or no window stays in them.
    """
    im1, im2 = _stacks(im1, im2)
    if global_value not in GLOBAL_VALUES:
        raise UserError(f"{global_value!r} is none of {', '.join(GLOBAL_VALUES)}")
    if half_window < 1:
        raise UserError(f"a half window of {half_window} is a window of a single pixel")
    points = _inside(points, im1.shape[1:], half_window, reach, number, seed)
    found = []
    for point in points.tolist():
        window = tuple(slice(at - half_window, at + half_window + 1) for at in point)
        found.append(shift_of_window(im1, im2, window, reach, peak, xp))
    return _together(points, found, half_window, global_value)


def _together(points: np.ndarray, found: list[MapShift], half_window: int, global_value: str) -> PointShifts:
    """What the windows say together."""
    displacements = np.array([one.displacement for one in found])
    statuses = np.array([one.status for one in found], np.int8)
    measured = displacements[statuses == Status.CONVERGED]
    if len(measured) >= max(ENOUGH_POINTS * len(points), 1):
        value, status = np.array([_middle(values, global_value) for values in measured.T]), Status.CONVERGED
    else:
        codes, counts = np.unique(statuses[statuses != Status.CONVERGED], return_counts=True)
        value, status = np.full(2, np.nan), Status(int(codes[counts.argmax()]))
    std = value
    if status == Status.CONVERGED:
        std = _deviation(measured, _shared(points[statuses == Status.CONVERGED], 2 * half_window + 1))
    return PointShifts(value, std, status, points, displacements, statuses, np.array([one.score for one in found]))


def _stacks(im1: np.ndarray, im2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as (K, H, W) of one shape."""
    im1, im2 = np.asarray(im1), np.asarray(im2)
    if im1.shape != im2.shape or im1.ndim not in (2, 3) or im1.size == 0:
        raise UserError(f"two images, or two stacks, of one shape are needed, not {im1.shape} and {im2.shape}")
    return (im1, im2) if im1.ndim == 3 else (im1[None], im2[None])


def _inside(points, shape: tuple, half: int, reach: tuple, number: int, seed: int) -> np.ndarray:
    """Middles of windows that stay in both images at all displacements."""
    low = np.array([half + max(0, high) for high in reach[1::2]])
    high = np.array([size - 1 - half + min(0, lowest) for size, lowest in zip(shape, reach[::2], strict=True)])
    words = (
        f"windows of {2 * half + 1} pixels and the range {tuple(reach)} in an image of {shape[0]} x {shape[1]} pixels"
    )
    if (high < low).any():
        raise UserError(f"there is no place for {words}")
    if points is None:
        return np.random.default_rng(seed).integers(low, high, (number, 2), endpoint=True)
    points = np.atleast_2d(np.rint(points).astype(np.int64))
    inside = ((points >= low) & (points <= high)).all(1)
    if not inside.any():
        raise UserError(f"none of the points has place for {words}")
    if not inside.all():
        log.warning("%d of %d points have no place for %s", np.count_nonzero(~inside), len(points), words)
    return points[inside]


def _middle(values: np.ndarray, name: str) -> float:
    values, half = np.sort(values), len(values) // 2
    if name == "median":
        return float(np.median(values))
    if name == "mixed":
        return float(values[max(half - 3, 0) : half + 3].mean())
    return float((values[2:-2] if len(values) > 7 else values).mean())


def _shared(points: np.ndarray, size: int) -> float:
    """Part of the pixels of a window that another one has as well, the mean of all pairs."""
    apart = np.abs(points[:, None] - points)
    shared = np.prod(np.clip(1 - apart / size, 0, None), axis=-1)
    return float((shared.sum() - len(points)) / max(len(points) * (len(points) - 1), 1))


def _deviation(values: np.ndarray, shared: float) -> np.ndarray:
    """Standard deviation of a median, from the median deviation.

    Of values of windows that share a part of their pixels that part of the error is common to all: it does not scatter.
    """
    if len(values) < 2 or shared >= 1:
        return np.full(2, np.nan)
    scatter = 1.4826 * np.median(abs(values - np.median(values, 0)), 0)
    return scatter * np.sqrt(np.pi / 2 / len(values) + shared / (1 - shared))
