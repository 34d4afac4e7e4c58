"""The shift of two images from correlation coefficients of windows: the middle of im2, or windows at some points."""

from dataclasses import replace

import numpy as np

from hpcdvc.fields.status import Status
from hpcdvc.stacks.images import Images
from hpcdvc.stacks.match import overlap_beats_chance
from hpcdvc.stacks.one_window import MapShift, PeakSettings
from hpcdvc.stacks.points import PointShifts, global_shift_of_map, global_shift_of_points
from hpcdvc.stacks.settings import Shift, ShiftSettings, measured, nothing


def shift_by_map(images: Images, settings: ShiftSettings) -> Shift:
    """The shift of the middle of im2, from which all displacements of the range stay in im1.

    Parameters
    ----------
    images : of two axes
    settings : reach, axis, peak, peak_size, peak_dim, largest, keep_map
    """
    found = global_shift_of_map(*_with_holes(images), settings.reach, settings.axis, _peak(settings))
    details = {"map": {"zncc": found.scores, "lowest": found.lowest}} if settings.keep_map else {}
    status = _status(found.status, found.displacement, settings.largest)
    if status == Status.CONVERGED and not overlap_beats_chance(images, found.displacement, found.scores.size):
        status = Status.DECORRELATED
    if status != Status.CONVERGED:
        return nothing(status, found.score, details)
    window = np.array(images.shape) - np.array(found.scores.shape) + 1
    variances = _variances(found, len(images.im1) * np.prod(window))
    return measured(found.displacement, np.diag(variances), found.score, details)


def shift_by_points(images: Images, settings: ShiftSettings) -> Shift:
    """The middle one of the shifts of windows of im2 at some points; all of them are in `details["points"]`.

    Parameters
    ----------
    images : of two axes
    settings : half_window, points, number, seed, global_value, reach, peak, peak_size, peak_dim, largest
    """
    found = global_shift_of_points(
        *_with_holes(images), settings.points, settings.half_window, settings.reach, settings.number, settings.seed,
        settings.global_value, _peak(settings),
    )  # fmt: skip
    details = {"points": found}
    score = float(np.median(found.scores))
    status = _status(found.status, found.displacement, settings.largest)
    if status == Status.CONVERGED and not _beats_chance_at_points(images, found, settings):
        status = Status.DECORRELATED
    if status != Status.CONVERGED:
        return nothing(status, score, details)
    return measured(found.displacement, np.diag(found.std**2), score, details)


def _beats_chance_at_points(images: Images, found: PointShifts, settings: ShiftSettings) -> bool:
    """Whether the part of the images that holds the windows that were measured matches better than chance.

    Windows that overlap are alike: by chance many of them match as soon as one does.
    """
    points, reach = found.points[found.statuses == Status.CONVERGED], np.array(settings.reach).reshape(2, 2)
    first = points.min(0) - settings.half_window - np.maximum(reach[:, 1], 0)
    stop = points.max(0) + settings.half_window - np.minimum(reach[:, 0], 0) + 1
    part = (slice(None), *(slice(max(a, 0), b) for a, b in zip(first, stop, strict=True)))
    cut = replace(images, im1=images.im1[part], im2=images.im2[part])
    return overlap_beats_chance(cut, found.displacement, np.prod(reach[:, 1] - reach[:, 0] + 1))


def _with_holes(images: Images) -> list[np.ndarray]:
    """(K, ny, nx) arrays, NaN where a pixel is not there."""
    pairs = ((images.im1, images.there1), (images.im2, images.there2))
    return [image if there is None else np.where(there, image, np.nan) for image, there in pairs]


def _peak(settings: ShiftSettings) -> PeakSettings:
    return PeakSettings(settings.peak, settings.peak_size, settings.peak_dim)


def _status(status: Status, displacement: np.ndarray, largest: float | None) -> Status:
    beyond = status == Status.CONVERGED and largest is not None and np.abs(displacement).max() > largest
    return Status.BORDER_OF_RANGE if beyond else status


def _variances(found: MapShift, pixels: float) -> np.ndarray:
    """(2,) variances from the curvature of the coefficient, as of `zucker_covariance`; 0 where it was not searched."""
    best = np.array(np.unravel_index(np.nanargmax(found.scores), found.scores.shape))
    value = min(float(found.scores[tuple(best)]), 1 - 1e-12)
    variances = np.zeros(2)
    for axis, n in enumerate(found.scores.shape):
        if n > 1:
            line = np.pad(found.scores.take(best[1 - axis], 1 - axis), 1, mode="reflect")
            curvature = 2 * value - line[best[axis]] - line[best[axis] + 2]
            variances[axis] = (1 - value**2) / (pixels * curvature * value)
    return variances
