"""Displacement, and what speckle says of the specimen, at every pixel: similarity maps of windows in bands of rows.

Frames (K, H, W) of two stacks; u is that of what is seen, from im1 to im2, in pixels, in the order y, x: what lies at x
in im1 lies at x + u in im2.
"""

from dataclasses import dataclass

import numpy as np

from hpcdvc.kernels import stacks as kernels

METRICS = ("ncc", "umpa", "umpa-dark")
PEAKS = ("none", "taylor", "poly")


@dataclass(frozen=True)
class DenseSettings:
    """How windows are compared.

    Attributes
    ----------
    half_window : n, windows are of 2 n + 1 pixels along each axis
    reach : displacements u that are tried, whole pixels: y from, y to, x from, x to, all inclusive
    metric : "ncc", the zero-mean normalised correlation of all frames together; "umpa", a sample that absorbs;
        "umpa-dark", that scatters, too
    template : image whose pixels the maps stand on, from which the windows come: "im1" or "im2"
    along : "both"; "x" or "y" for windows of one row or one column, as a search along one axis has them
    taps : window function along an axis, 2 n + 1 values whose sum is 1; empty: all pixels count alike
    peak : sub-pixel place: "taylor", "poly" (quadratic function fitted to `peak_size` displacements along each axis) or
        "none"
    peak_size : 3, 5, 7 or 9
    peak_dim : 2, or 1 for one peak along each axis
    peak_of : "score"; or "correlation", for "umpa-dark" without `local_mean`: the cost is least where it is greatest,
        and a quadratic function is nearer to it
    values_at : where transmission and visibility are taken: at the "subpixel" place, or at the "pixel" beside it
    local_mean : "umpa-dark": scattering pulls grey values towards the mean of the window of the reference, not towards
        that of the stack
    partial : pixels that are NaN or saturated in some frames are left out in these alone, and the rest of a window is
        measured; without, it is not
    least_score : lowest correlation of a match ("ncc")
    step : every step-th row and column from 0 on is measured
    """

    half_window: int
    reach: tuple[int, int, int, int]
    metric: str = "ncc"
    template: str = "im1"
    along: str = "both"
    taps: tuple[float, ...] = ()
    peak: str = "taylor"
    peak_size: int = 3
    peak_dim: int = 2
    peak_of: str = "score"
    values_at: str = "subpixel"
    local_mean: bool = False
    partial: bool = False
    least_score: float | None = None
    step: int = 1


def halo(settings: DenseSettings) -> int:
    """Rows beyond those asked for, above and below, that `measure_rows` needs of both stacks."""
    window = 0 if settings.along == "x" else settings.half_window
    return window + max(map(abs, settings.reach[:2])) + 1


def measure_rows(
    im1: np.ndarray,
    im2: np.ndarray,
    first: int,
    rows: range,
    height: int,
    settings: DenseSettings,
    means: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Measure the pixels of some rows.

    What a pixel gets depends on its window and on what it is compared with alone: not on the band, nor on the rows or
    columns that are measured with it.

    Parameters
    ----------
    im1, im2 : (K, h, W) float32 bands of both stacks, C-contiguous; NaN: no grey value, +inf: a saturated one
    first : row of the image that the bands begin with; they hold `rows` and `halo(settings)` rows about them,
        as far as the image goes
    rows : of the image, n of them; multiples of `settings.step`
    height : rows of the image
    settings : see `DenseSettings`
    means : of im1 and im2, (2,), or of their frames, (2, K), float64; with these every frame is divided by its own
        ("umpa" alone, which needs means; "ncc" takes them off, which makes rounding errors small)

    Returns
    -------
    dict of arrays (n, W'), W' the columns that are multiples of the step: float32 ``displacement`` (n, W', 2), y and x;
        ``score``: correlation, or the cost of UMPA; int8 ``status``; with UMPA float32 ``transmission`` and, with the
        dark field, ``visibility`` (1: nothing is scattered). All but the status is NaN where the status is not 2.

    Raises
    ------
    MemoryError
    ValueError
        Arrays that do not fit.
    """
    _check(im1, im2, first, rows, height, settings)
    levels, scales = _levels(settings, means, len(im1))
    low, lags, beyond = _range(settings)
    half = [settings.half_window if settings.along in ("both", axis) else 0 for axis in "yx"]
    # grey values from the first window on, and from where that is compared first
    starts = np.array([rows[0] - first - half[0], -half[1]]) + [(0, 0), low]
    size = np.array([rows[-1] - rows[0] + 1, im1.shape[2]]) + 2 * np.array(half)
    bands = (im1, im2) if settings.template == "im1" else (im2, im1)
    taken = [
        _take(*of, size + more, settings)
        for of, more in zip(zip(bands, levels, scales, starts, strict=True), (0, lags), strict=True)
    ]
    columns = -(-im1.shape[2] // settings.step)
    values, statuses = np.empty((len(rows), columns, 5), "f4"), np.empty((len(rows), columns), "i4")
    level = np.abs(levels).mean(axis=1) if settings.metric == "ncc" else (1.0, 1.0)
    numbers = _numbers(settings) | {"lags": lags, "beyond": beyond, "columns": im1.shape[2], "level": level}
    kernels.measure(*taken, numbers, *(_taps(settings, n) for n in half), values, statuses)
    return _results(values, statuses, settings, low, beyond, levels)


def _check(im1: np.ndarray, im2: np.ndarray, first: int, rows: range, height: int, settings: DenseSettings) -> None:
    """Make sure that the bands hold what is needed."""
    if im1.ndim != 3 or im1.shape != im2.shape:
        raise ValueError(f"bands of shapes {im1.shape} and {im2.shape}: two of one shape, (K, h, W), are needed")
    if not rows or rows.step != settings.step or rows.start % settings.step or not 0 <= rows[0] <= rows[-1] < height:
        raise ValueError(f"{rows} of {height} rows: multiples of {settings.step} are needed")
    needed = max(rows[0] - halo(settings), 0), min(rows[-1] + 1 + halo(settings), height)
    if first > needed[0] or first + im1.shape[1] < needed[1] or first + im1.shape[1] > height:
        raise ValueError(f"rows {first} to {first + im1.shape[1]} of {height}: {needed[0]} to {needed[1]} are needed")
    if settings.taps and len(settings.taps) != 2 * settings.half_window + 1:
        raise ValueError(
            f"a window function of {len(settings.taps)} values for half a window of {settings.half_window}"
        )


def _levels(settings: DenseSettings, means: np.ndarray | None, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """What is taken off the grey values of each frame, and the factor on the rest, (2, frames), template first."""
    if means is None:
        if settings.metric != "ncc":
            raise ValueError("UMPA needs the means of both stacks")
        means = np.zeros(2)
    means = np.asarray(means, float)
    if means.ndim == 2 and settings.metric == "ncc":
        raise ValueError("means of single frames are for UMPA alone")
    if settings.template == "im2":
        means = means[::-1]
    levels = np.ascontiguousarray(np.broadcast_to(means.reshape(2, -1), (2, frames)))
    if settings.metric == "ncc":
        return levels, np.ones_like(levels)
    if not (levels > 0).all():
        raise ValueError(f"means of {means}: UMPA needs grey values above 0")
    return levels, 1 / levels


def _range(settings: DenseSettings) -> tuple[list[int], list[int], list[int]]:
    """First displacement of the windows of the other image yx, number of displacements, and how many at each end lie
    beyond the range: they tell whether a maximum on its border is one."""
    y0, y1, x0, x1 = settings.reach
    if settings.template == "im2":
        y0, y1, x0, x1 = -y1, -y0, -x1, -x0
    sizes = [y1 - y0 + 1, x1 - x0 + 1]
    if min(sizes) < 1:
        raise ValueError(f"a range of displacements of {settings.reach} is empty")
    beyond = [int(size > 1) for size in sizes]
    return [y0 - beyond[0], x0 - beyond[1]], [n + 2 * m for n, m in zip(sizes, beyond, strict=True)], beyond


def _take(band, levels, scales, start: tuple[int, int], size: tuple[int, int], settings: DenseSettings) -> dict:
    """Rows and columns of a band as the kernels want them."""
    rows, frames = int(size[0]), len(band)
    # an odd multiple of 16 columns: frames of a row do not fall on each other in the cache
    columns = -(-int(size[1] + kernels.MORE_COLUMNS) // 32) * 32 + 16
    stack = {
        "grey": np.empty((rows, frames, columns), "f4"),
        "there": np.empty((rows, frames, columns), "f4") if settings.partial else None,
        "missing": np.empty((rows, columns), "f4"),
        "saturated": np.empty((rows, columns), "f4"),
    }
    kernels.take(band, levels, scales, *start, stack)
    return stack


def _taps(settings: DenseSettings, half: int) -> np.ndarray:
    """Window function along an axis."""
    if half and settings.taps:
        return np.array(settings.taps, "f4")
    return np.full(2 * half + 1, 1 / (2 * half + 1), "f4")


def _numbers(settings: DenseSettings) -> dict:
    """Settings as the kernels read them."""
    least = -np.inf if settings.least_score is None else settings.least_score
    return {
        "metric": METRICS.index(settings.metric),
        "step": settings.step,
        "partial": settings.partial,
        "local_mean": settings.local_mean and settings.metric == "umpa-dark",
        "peak": PEAKS.index(settings.peak),
        "peak_size": settings.peak_size,
        "peak_dim": settings.peak_dim,
        "of_correlation": settings.peak_of == "correlation",
        "whole_values": settings.values_at == "pixel",
        "least_score": least,
    }


def _results(values, statuses, settings: DenseSettings, low, beyond, levels) -> dict[str, np.ndarray]:
    """What `measure_rows` returns, in grey values and displacements of what is seen."""
    start = np.add(low, beyond).astype("f4")
    displacement = values[..., :2] + start
    result = {
        "displacement": displacement if settings.template == "im1" else -displacement,
        "score": values[..., 2].copy(),
        "status": statuses.astype("i1"),
    }
    if settings.metric != "ncc":
        own, other = levels.mean(axis=1)
        result["score"] *= np.float32(own * own)
        result["transmission"] = values[..., 3] * np.float32(own / other)
        if settings.metric == "umpa-dark":
            result["visibility"] = values[..., 4].copy()
    return result
