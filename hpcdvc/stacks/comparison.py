"""Windows of a block of rows compared at all displacements, by numpy or cupy."""

from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import numpy as np

from hpcdvc.stacks.dense import DenseSettings
from hpcdvc.stacks.models import Sums, correlation, umpa_cost
from hpcdvc.stacks.products import Products, window_sums

#: Part of the samples of a window that must be there, and that may be saturated.
ENOUGH, MOST_SATURATED = 0.5, 0.1
#: Fourth moment of speckle, in units of its squared variance.
OF_SPECKLE = 9


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
    squares, other_squares : (h, w) and (sy, sx, h, w) sums of the squares about the level: rounding is a part of them
    values : pixels and frames of a window, as many as count alike
    textured : (h, w) the part of them that tell something
    still, other_still : (h, w) and (sy, sx, h, w) correlation of the frames of a window with each other
    full : weight of a window of which nothing is missing
    """

    sums: Sums
    score: Any
    chosen: Any
    there: Any
    clipped: Any
    other_clipped: Any
    squares: Any
    other_squares: Any
    values: float
    textured: Any
    still: Any
    other_still: Any
    full: float


def compare(a, b, weights, shape: Shape, settings: DenseSettings, xp: ModuleType) -> Compared:
    """Windows of a at all displacements in b, both with what they reach beyond the block."""
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
    level = 0 if settings.metric == "ncc" else 1
    squares = _squares(a, b, level, taps, shape, xp)
    counted = (ok_a, ok_b) if settings.partial else (xp.ones(band.shape, bool) for band in (a, b))
    zero = (xp.where(ok, band - level, 0) for ok, band in ((ok_a, a), (ok_b, b)))
    (textured, still), (_, other) = (_parts(v, ok, taps, xp) for v, ok in zip(zero, counted, strict=True))
    other_still = _at_all_displacements(other, still, shape, xp)
    values = len(a) / float(np.prod([np.square(t).sum() for t in taps]))
    score = xp.where(comparable, score, xp.nan)
    chosen = xp.where(sums.ir * sums.mm > sums.im * sums.rm, score, xp.nan) if dark else score
    return Compared(sums, score, chosen, there, *clipped, *squares, values, textured, still, other_still, full)


def _clipped(a, b, taps: tuple, shape: Shape, settings: DenseSettings, xp: ModuleType) -> tuple[Any, Any]:
    """Whether too much of a window, and of what it is compared with, is saturated."""
    box, most = tuple(np.full(len(t), 1 / len(t)) for t in taps), MOST_SATURATED if settings.partial else 0
    own, other = (window_sums(stack.mean(0, dtype=xp.float64), box, xp) > most for stack in (a, b))
    return own, _at_all_displacements(other, own, shape, xp)


def _squares(a, b, level: float, taps: tuple, shape: Shape, xp: ModuleType) -> tuple[Any, Any]:
    """Sums of squares about a level over windows, and over what they are compared with."""
    squares = (xp.where(xp.isfinite(stack), stack - level, 0) ** 2 for stack in (a, b))
    own, other = (window_sums(stack.sum(0), taps, xp) for stack in squares)
    return own, _at_all_displacements(other, own, shape, xp)


def _parts(v, ok, taps: tuple, xp: ModuleType) -> tuple[Any, Any]:
    """The part of the values of windows that tell something, and the correlation of their frames with each other: see
    `cython/stacks/news.h`."""
    counts, v = ok.sum(0, dtype=xp.float64), xp.where(ok, v, 0)
    powers = ((v**i).sum(0) for i in (1, 2, 3, 4))
    n, first, second, third, fourth = (window_sums(p, taps, xp) for p in (counts, *powers))
    still = window_sums(v.sum(0) ** 2 / (counts + 1e-9), taps, xp)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = first / n
        variance = second - n * mean**2
        fourth = fourth - 4 * mean * third + 6 * mean**2 * second - 3 * n * mean**4
        textured = xp.where(fourth > 0, xp.minimum(OF_SPECKLE * variance**2 / (n * fourth), 1), 1)
        alike = xp.clip((n * (still - n * mean**2) / variance - 1) / (n - 1), 0, 1)
        return textured, xp.where((n > 1) & (variance > 0), alike, 0)


def _at_all_displacements(other, own, shape: Shape, xp: ModuleType):
    """(sy, sx, h, w) view of a map of what windows are compared with."""
    return xp.lib.stride_tricks.as_strided(other, (*shape.size, *own.shape), 2 * other.strides)
