"""Dense maps by numpy or cupy: the way of a graphics card, and the slow twin of the compiled `dense`.

What is known of all displacements of the range, and of those one pixel beyond it, are arrays (y, x, rows, columns) of a
block of rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import numpy as np

from hpcdvc.stacks.dense import DenseSettings
from hpcdvc.stacks.device import to_numpy
from hpcdvc.stacks.judge import judge
from hpcdvc.stacks.models import Sums, correlation, umpa_cost
from hpcdvc.stacks.products import Products, window_sums

#: Numbers of a block of rows: 256 MB in float64.
BLOCK = 2**25
#: Part of the samples of a window that must be there, and that may be saturated.
ENOUGH, MOST_SATURATED = 0.5, 0.1


@dataclass(frozen=True)
class Shape:
    """Window and range, (y, x): displacements from the window to the other image."""

    half: tuple[int, int]
    low: tuple[int, int]
    high: tuple[int, int]

    @property
    def beyond(self) -> tuple[int, int]:
        """Displacements beyond the range: none along an axis of a single one."""
        return tuple(int(a < b) for a, b in zip(self.low, self.high, strict=True))

    @property
    def first(self) -> tuple[int, int]:
        """The first displacement of the maps."""
        return tuple(a - b for a, b in zip(self.low, self.beyond, strict=True))

    @property
    def size(self) -> tuple[int, int]:
        """Displacements of the maps."""
        return tuple(h - a + 1 + b for h, a, b in zip(self.high, self.first, self.beyond, strict=True))


def shape_of(settings: DenseSettings) -> Shape:
    """What is searched: the reach is of the displacement from im1 to im2."""
    y0, y1, x0, x1 = settings.reach
    low, high = ((y0, x0), (y1, x1)) if settings.template == "im1" else ((-y1, -x1), (-y0, -x0))
    half = tuple(settings.half_window * (settings.along != other) for other in "xy")
    return Shape(half, low, high)


def measure_rows(
    im1: np.ndarray,
    im2: np.ndarray,
    first: int,
    rows: range,
    height: int,
    settings: DenseSettings,
    means: np.ndarray | None = None,
    xp: ModuleType = np,
) -> dict[str, np.ndarray]:
    """Measure the pixels of some rows: `dense.measure_rows` on the device of `xp`, the same to rounding.

    Parameters
    ----------
    im1, im2, first, rows, height, settings, means : see `dense.measure_rows`; inf is a saturated pixel
    xp : numpy or cupy

    Returns
    -------
    dict of arrays on the processor, as of `dense.measure_rows`
    """
    shape = shape_of(settings)
    levels = _levels(settings, means, len(im1))
    a, b = (xp.asarray(band, dtype=xp.float64) for band in ((im1, im2) if settings.template == "im1" else (im2, im1)))
    if settings.metric != "ncc":
        a, b = (band / xp.asarray(level)[:, None, None] for band, level in zip((a, b), levels, strict=True))
    weights = xp.ones((len(a), 1, 1))
    own, other = levels.mean(axis=1)
    parts = []
    for block in _blocks(rows, a.shape[-1], shape, settings):
        windows = _cut(a, first, height, block, shape.half, (0, 0), (1, 1), xp)
        others = _cut(b, first, height, block, shape.half, shape.first, shape.size, xp)
        found = judge(_compared(windows, others, weights, shape, settings, xp), shape, settings, xp)
        if settings.metric != "ncc":
            found["score"] *= np.float32(own**2)
            found["transmission"] *= np.float32(own / other)
        every = settings.step
        parts.append({name: to_numpy(values[::every, ::every]) for name, values in found.items()})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _levels(settings: DenseSettings, means: np.ndarray | None, frames: int) -> np.ndarray:
    """(2, frames) means that frames are divided by, the template first; of "ncc" nothing depends on them."""
    if settings.metric == "ncc":
        return np.ones((2, frames))
    if means is None:
        raise ValueError("UMPA needs the means of both stacks")
    means = np.asarray(means, float)[:: 1 if settings.template == "im1" else -1]
    return np.broadcast_to(means.reshape(2, -1), (2, frames))


def _blocks(rows: range, width: int, shape: Shape, settings: DenseSettings) -> Iterator[range]:
    """The rows in blocks whose arrays fit into the memory meant for them; each begins with a row that is measured."""
    arrays = 6 if settings.partial else 2
    most = max(1, BLOCK // (int(np.prod(shape.size)) * width * arrays) // rows.step)
    for k in range(0, len(rows), most):
        some = rows[k : k + most]
        yield range(some[0], some[-1] + 1)


def _cut(band, first: int, height: int, block: range, half: tuple, start: tuple, size: tuple, xp: ModuleType):
    """The part of a band that windows of a block reach, NaN outside the image."""
    width = band.shape[-1]
    low = block.start - half[0] + start[0], start[1] - half[1]
    high = block.stop + half[0] + start[0] + size[0] - 1, width + half[1] + start[1] + size[1] - 1
    out = xp.full((len(band), high[0] - low[0], high[1] - low[1]), xp.nan)
    y0, y1, x0, x1 = max(low[0], 0), min(high[0], height), max(low[1], 0), min(high[1], width)
    if y0 < y1 and x0 < x1:
        out[:, y0 - low[0] : y1 - low[0], x0 - low[1] : x1 - low[1]] = band[:, y0 - first : y1 - first, x0:x1]
    return out


@dataclass(frozen=True)
class Compared:
    """What was found out about the windows of a block at all displacements.

    Attributes
    ----------
    sums : Sums of (sy, sx, h, w) arrays, some of them views
    score : (sy, sx, h, w), the higher the better; NaN where it cannot be told
    chosen : the same, NaN also where light is dark: the model with a dark field takes it, but no specimen makes it
    there, clipped : (h, w) bool, whether enough of the window is there, and too much of it saturated
    other_clipped : (sy, sx, h, w) bool, whether too much of what it is compared with is saturated
    values : pixels and frames of a window, as many as count alike
    full : weight of a window of which nothing is missing
    """

    sums: Sums
    score: Any
    chosen: Any
    there: Any
    clipped: Any
    other_clipped: Any
    values: float
    full: float


def _compared(a, b, weights, shape: Shape, settings: DenseSettings, xp: ModuleType) -> Compared:
    """Windows of a at all displacements in b, both from `_cut`."""
    taps = tuple((settings.taps or np.full(2 * n + 1, 1 / (2 * n + 1))) if n else (1.0,) for n in shape.half)
    ok_a, ok_b = xp.isfinite(a), xp.isfinite(b)
    clipped = _clipped(xp.isinf(a), xp.isinf(b), taps, shape, settings, xp)
    if not settings.partial:
        ok_a, ok_b = (xp.broadcast_to(ok.all(0), ok.shape) for ok in (ok_a, ok_b))
    products = Products(xp.where(ok_a, a, 0), xp.where(ok_b, b, 0), ok_a, ok_b, taps, shape.size, xp)
    dark = settings.metric == "umpa-dark"
    if settings.partial:
        if settings.local_mean:
            raise ValueError("local means are of whole windows")
        sums, there, comparable = products.partial(weights, ENOUGH)
    elif dark and settings.local_mean:
        sums, there, comparable = products.about_local_means()
    else:
        sums, there, comparable = products.whole(weights)
    full = float(len(a))
    if sums.there is None:
        sums = replace(sums, there=xp.broadcast_to(xp.full((1, 1), full), products.shape))
    with np.errstate(invalid="ignore", divide="ignore"):
        score = correlation(sums, xp) if settings.metric == "ncc" else -umpa_cost(sums, dark, xp) * full / sums.there
    values = len(a) / float(np.prod([np.square(t).sum() for t in taps]))
    score = xp.where(comparable, score, xp.nan)
    chosen = xp.where(sums.ir * sums.mm > sums.im * sums.rm, score, xp.nan) if dark else score
    return Compared(sums, score, chosen, there, *clipped, values, full)


def _clipped(a, b, taps: tuple, shape: Shape, settings: DenseSettings, xp: ModuleType) -> tuple[Any, Any]:
    """Whether too much of a window, and of what it is compared with, is saturated."""
    box, most = tuple(np.full(len(t), 1 / len(t)) for t in taps), MOST_SATURATED if settings.partial else 0
    own, other = (window_sums(stack.mean(0, dtype=xp.float64), box, xp) > most for stack in (a, b))
    windows = (*shape.size, *own.shape)
    return own, xp.lib.stride_tricks.as_strided(other, windows, 2 * other.strides)
