"""Local shifts refined by Gauss-Newton in the images, from the places that `dense` has found.

Frames (K, H, W) of two stacks have one motion in a window: a translation, or an affine map. One of the images, the
template, stays as it is; the other one, R, is interpolated where the motion takes the window to, and fitted by

    R(x + s + A (x - c)) = gain I(x) + offset + gain grad I . change of the motion,

whose right-hand side is made of the template alone. So noise in R, which interpolation smooths more between pixels than
on them, cannot pull the result to either, as it does with the gradient of R; and where the change is zero, the
correlation of both is at its maximum whatever gain and offset are (inverse composition: Baker & Matthews 2004,
doi 10.1023/B:VISI.0000011205.11775.fd). Scattering and absorption are gain and offset, too: the motion is that of UMPA
with a dark field, whether one is asked for or not.
"""

from collections.abc import Mapping

import numpy as np

from hpcdvc.fields.status import Status
from hpcdvc.kernels.records import dtype
from hpcdvc.kernels.refine import MARGIN, prefilter, refine, room_for
from hpcdvc.registration.filters import prefilter_taps
from hpcdvc.stacks.dense import DenseSettings
from hpcdvc.stacks.dense import halo as halo_of_dense
from hpcdvc.stacks.missing import filled_in
from hpcdvc.stacks.models import Sums, correlation, transmission_and_visibility, umpa_cost

#: Motions of a window, and whether they are affine.
KINDS = {"gn": False, "gnaffine": True}
#: Farthest that a window moves from where it was found, pixels; and, in its own half length, its edges beside that.
MOST_MOVED, MOST_STRETCHED = 1.5, 0.3
MOST_ITERATIONS = 20
#: Step at the edge of a window below which it has converged, pixels.
TOLERANCE = 5e-4
#: Of the cubic spline: pixels that its coefficients depend on.
PREFILTER = prefilter_taps(3)
#: Pixels about those that are there which are made up where some are missing: all that the spline sees.
AROUND = len(PREFILTER) - 1 + MARGIN


def halo(settings: DenseSettings) -> int:
    """Rows beyond those asked for, above and below, that `refine_rows` needs of both stacks."""
    return halo_of_dense(settings) + int(2 + MOST_STRETCHED * settings.half_window) + 2 * AROUND


def refine_rows(
    im1: np.ndarray,
    im2: np.ndarray,
    first: int,
    rows: range,
    height: int,
    found: Mapping[str, np.ndarray],
    settings: DenseSettings,
    kind: str = "gn",
    means: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Refine what was measured of some rows.

    What a pixel gets depends on the images about it and on its start alone: not on the band, nor on the rows and
    columns that are refined with it.

    Parameters
    ----------
    im1, im2, first, rows, height, settings, means : see `hpcdvc.stacks.dense.measure_rows`; the bands hold
        `halo(settings)` rows about `rows`, as far as the image goes
    found : what `measure_rows` has found there; pixels of status 2 are refined
    kind : "gn": all pixels of a window move alike; "gnaffine": its motion is affine, and the displacement that of its
        middle

    Returns
    -------
    dict of the arrays of `found`, and of float32 ``std`` (n, W', 2), standard deviations of the displacement, pixels:
        those of a white noise that both images have alike. Status 1: 20 iterations were not enough; -2: not enough
        texture; -6: left the image, or what is there of it; -9: farther than 1.5 pixels from the start, or correlated
        worse than there, or less than `least_score`. All else is NaN then.

    Raises
    ------
    MemoryError
    ValueError
        There is no such kind, or arrays do not fit.
    """
    if kind not in KINDS or settings.along != "both":
        raise ValueError(f'no refinement "{kind}" of windows along "{settings.along}": {" or ".join(KINDS)}, both')
    _check_band(im1, im2, first, rows, height, halo(settings))
    levels = np.ones(2) if settings.metric == "ncc" else np.asarray(means, float)
    levels = np.broadcast_to(levels.reshape(2, -1), (2, len(im1)))
    forward = settings.template == "im1"
    stacks = (im1, levels[0]), (im2, levels[1])
    template, other = stacks if forward else stacks[::-1]
    which = np.nonzero(found["status"] == Status.CONVERGED)
    points = _points(found["displacement"][which] * (1 if forward else -1), np.array(rows), which, settings.step)
    refined = _refined(template, other, first, height, points, settings, kind)
    return _results(refined, which, found, settings, template[1], other[1])


def _points(start: np.ndarray, rows: np.ndarray, which: tuple[np.ndarray, np.ndarray], step: int) -> np.ndarray:
    """Records "refine_point" of pixels of which rows and columns, in steps."""
    points = np.zeros(len(start), dtype("refine_point"))
    points["pixel"], points["start"] = np.stack([rows[which[0]], step * which[1]], axis=1), start
    return points


def _check_band(im1, im2, first: int, rows: range, height: int, around: int) -> None:
    if im1.ndim != 3 or im1.shape != im2.shape:
        raise ValueError(f"bands of shapes {im1.shape} and {im2.shape}: (K, h, W) twice is needed")
    last = first + im1.shape[1]
    if not 0 <= first <= last <= height or not 0 <= rows[0] <= rows[-1] < height:
        raise ValueError(f"rows {rows[0]} to {rows[-1]}, and a band of {first} to {last - 1}: there are {height}")
    if first > max(0, rows[0] - around) or last < min(height, rows[-1] + around + 1):
        raise ValueError(f"rows {rows[0]} to {rows[-1]} need {around} more on both sides, not {first} to {last - 1}")


def _refined(template, other, first: int, height: int, points, settings: DenseSettings, kind: str) -> np.ndarray:
    """Records "refined" of the points."""
    n = settings.half_window
    refined = np.zeros(len(points), dtype("refined"))
    if len(points) == 0:
        return refined
    (stack, levels), (others, other_levels), radius = template, other, len(PREFILTER) - 1
    shape = (len(stack), *(size + 2 * MARGIN for size in stack.shape[1:]))
    grey, coefficients, missing = room_for(shape), room_for(shape), [None, None]
    for i, every in enumerate((stack, others)):
        if not np.isfinite(every).all():
            missing[i] = np.stack([np.pad(~np.isfinite(frame), MARGIN, "reflect") for frame in every]).view(np.uint8)
    for k in range(len(stack)):
        grey[k] = _continued(stack[k], levels[k], MARGIN)
        prefilter(_continued(others[k], other_levels[k], MARGIN + radius), PREFILTER, coefficients[k])
    taps = np.array(settings.taps or np.ones(2 * n + 1) / (2 * n + 1))
    refine(
        grey, coefficients, missing, points, np.outer(taps, taps).astype(np.float32), refined,
        first=first, shape=(height, stack.shape[2]), affine=KINDS[kind], partial=settings.partial,
        most_iterations=MOST_ITERATIONS, tolerance=TOLERANCE, most_moved=MOST_MOVED,
    )  # fmt: skip
    return refined


def _continued(frame: np.ndarray, level: float, around: int) -> np.ndarray:
    """A frame divided by its level, with what is missing filled in, and as many more pixels about it."""
    absent = ~np.isfinite(frame)
    if absent.any():
        frame = filled_in(frame, absent, AROUND)
    # odd: slopes go on beyond the border
    return np.pad(frame * np.float32(1 / level), around, mode="reflect", reflect_type="odd")


def _results(refined, which, found, settings: DenseSettings, level, other_level) -> dict[str, np.ndarray]:
    """The arrays of `found`, with what was refined."""
    weight, i, r, ii, ir, rr = refined["moments"].T
    with np.errstate(invalid="ignore", divide="ignore"):
        sums = Sums(ii, weight, rr, i, ir, r)
        values = {"displacement": refined["displacement"] * (1 if settings.template == "im1" else -1)}
        values["std"] = refined["std"]
        if settings.metric == "ncc":
            values["score"] = correlation(sums)
        else:
            dark = settings.metric == "umpa-dark"
            sums = sums.with_local_mean() if settings.local_mean else sums
            values["score"] = umpa_cost(sums, dark) * len(level) / weight * level.mean() ** 2
            transmission, values["visibility"] = transmission_and_visibility(sums, dark)
            values["transmission"] = transmission * level.mean() / other_level.mean()
    status = refined["return_status"].copy()
    if settings.metric == "ncc" and settings.least_score is not None:
        status[(status == Status.CONVERGED) & (values["score"] < settings.least_score)] = Status.DECORRELATED
    results = {name: array.copy() for name, array in found.items()}
    results["std"] = np.full_like(found["displacement"], np.nan)
    results["status"][which] = status
    for name, array in results.items():
        if name != "status":
            array[which] = values[name]
            array[results["status"] != Status.CONVERGED] = np.nan
    return results
