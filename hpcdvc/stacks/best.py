"""The best displacement of each pixel of a block, and its place between pixels; numpy or cupy arrays."""

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from hpcdvc.stacks.comparison import Compared, Shape
from hpcdvc.stacks.dense import DenseSettings
from hpcdvc.stacks.models import transmission_and_visibility
from hpcdvc.stacks.peaks import Quadratic


@dataclass(frozen=True)
class Best:
    """The best displacement of each pixel.

    Attributes
    ----------
    y, x : (h, w) its place in the maps
    known : (h, w) bool, False where there is none
    """

    y: Any
    x: Any
    known: Any
    xp: ModuleType

    def around(self, maps, half: tuple[int, int] = (1, 1), centre: tuple | None = None):
        """(h, w, 2 n + 1, 2 m + 1) values of maps (sy, sx, h, w) about the best; NaN outside of the maps."""
        xp, (height, width) = self.xp, maps.shape[:2]
        y, x = centre or (self.y, self.x)
        iy, ix = (at[..., None] + xp.arange(-n, n + 1) for at, n in zip((y, x), half, strict=True))
        inside = ((iy >= 0) & (iy < height))[..., :, None] & ((ix >= 0) & (ix < width))[..., None, :]
        rows, columns = (xp.arange(n) for n in maps.shape[2:])
        iy, ix = xp.clip(iy, 0, height - 1)[..., :, None], xp.clip(ix, 0, width - 1)[..., None, :]
        values = maps[iy, ix, rows[:, None, None, None], columns[:, None, None]]
        return xp.where(inside, values, xp.nan)


def find_best(score, shape: Shape, xp: ModuleType = np) -> Best:
    """The highest score in the range, the first of equal ones."""
    (by, bx), (sy, sx) = shape.beyond, score.shape[:2]
    inner = score[by : sy - by, bx : sx - bx]
    scores = xp.where(xp.isnan(inner), -xp.inf, inner).reshape(-1, *score.shape[2:])
    place = scores.argmax(0)
    return Best(place // inner.shape[1] + by, place % inner.shape[1] + bx, xp.isfinite(scores.max(0)), xp)


def unsearched_filled(patches, shape: Shape, xp: ModuleType = np):
    """3 x 3 values; along an axis that is not searched nothing changes."""
    if not shape.beyond[0]:
        patches = xp.broadcast_to(patches[..., 1:2, :], patches.shape)
    if not shape.beyond[1]:
        patches = xp.broadcast_to(patches[..., :, 1:2], patches.shape)
    return patches


@dataclass(frozen=True)
class Top:
    """Where scores are highest between pixels.

    Attributes
    ----------
    offset : (h, w, 2) from the best displacement, y and x
    height : (h, w) score there
    found, complete : (h, w) bool, whether there is such a place, and whether all scores that tell are there
    """

    offset: Any
    height: Any
    found: Any
    complete: Any


def find_top(best: Best, near, score, shape: Shape, settings: DenseSettings) -> Top:
    """The place of the peak, by the 3 x 3 scores about the best, or by a polynomial."""
    xp = best.xp
    yes = xp.ones(best.y.shape, bool)
    if settings.peak == "none" or not any(shape.beyond):
        return Top(xp.zeros((*best.y.shape, 2)), near[..., 1, 1], yes, yes)
    if settings.peak == "poly":
        return _top_of_polynomial(best, near, score, shape, settings)
    q = Quadratic.of_taylor(unsearched_filled(near, shape, xp))
    offset, found = _maximum(q, shape, settings.peak_dim == 1, (1, 1), xp)
    if settings.peak_dim == 1:
        q = Quadratic(q.f, q.fy, q.fx, q.fyy, q.fxx, 0)
    return Top(offset, q.value(offset), found, yes)


def _maximum(q: Quadratic, shape: Shape, apart: bool, within: tuple[int, int], xp: ModuleType):
    """(h, w, 2) place of the maximum of a function, and whether there is one nearer than so many pixels."""
    both = all(shape.beyond)
    places = q.extremum(2 if both and not apart else 1, xp)
    found = xp.ones(places.shape[:-1], bool)
    offsets = []
    for axis, bend in ((0, q.fyy), (1, q.fxx)):
        place = places[..., axis] if shape.beyond[axis] else xp.zeros(found.shape)
        if shape.beyond[axis]:
            found &= (bend < 0) & (abs(place) < within[axis])
        offsets.append(place)
    if both and not apart:
        found &= q.fyy * q.fxx - q.fxy**2 > 0
    return xp.where(found[..., None], xp.stack(offsets, -1), 0), found


def _top_of_polynomial(best: Best, near, score, shape: Shape, settings: DenseSettings) -> Top:
    """The patch that the polynomial is fitted to is moved inside the maps."""
    xp, whole = best.xp, (best.y, best.x)
    half = tuple((min(settings.peak_size, n) - 1) // 2 for n in score.shape[:2])
    centre = tuple(xp.clip(at, n, size - 1 - n) for at, n, size in zip(whole, half, score.shape[:2], strict=True))
    moved = xp.stack([c - at for c, at in zip(centre, whole, strict=True)], -1)
    if settings.peak_dim == 2 and all(shape.beyond):
        patch = best.around(score, half, centre)
        q = Quadratic.of_fit(patch, xp)
        offset, found = _maximum(q, shape, False, half, xp)
        return Top(offset + moved, q.value(offset), found, ~xp.isnan(patch).any((-1, -2)))
    top = Top(xp.zeros(moved.shape), near[..., 1, 1], xp.ones(best.y.shape, bool), xp.ones(best.y.shape, bool))
    for axis in (0, 1):
        if shape.beyond[axis]:
            top = _with_line(top, axis, best, half, centre, moved, score)
    return top


def _with_line(top: Top, axis: int, best: Best, half: tuple, centre: tuple, moved, score) -> Top:
    """The place along one axis, by the column or the row of the best."""
    xp, n = best.xp, half[axis]
    about = (centre[0], best.x) if axis == 0 else (best.y, centre[1])
    patch = best.around(score, (n, 0) if axis == 0 else (0, n), about)
    line = patch[..., 0] if axis == 0 else patch[..., 0, :]
    square = xp.broadcast_to(line[..., None], (*line.shape, line.shape[-1]))  # the same along the other axis
    q = Quadratic.of_fit(square, xp)
    with np.errstate(invalid="ignore", divide="ignore"):
        place = -q.fy / q.fyy
        found = (q.fyy < 0) & (abs(place) < n)
    place = xp.where(found, place, 0)
    offset = top.offset + (place + moved[..., axis])[..., None] * xp.asarray([1.0 - axis, float(axis)])
    height = top.height + q.f + q.fy * place + q.fyy * place**2 / 2 - best.around(score, (0, 0))[..., 0, 0]
    return Top(offset, height, top.found & found, top.complete & ~xp.isnan(line).any(-1))


def values_of(c: Compared, best: Best, top: Top, shape: Shape, settings: DenseSettings) -> tuple[dict, Any]:
    """Transmission and visibility, and whether the displacements around their place can tell."""
    xp = best.xp
    step = xp.rint(top.offset)
    exact = settings.values_at == "subpixel"
    if exact:  # all around the best displacement is there
        step = xp.where((abs(top.offset) < 1).all(-1, keepdims=True), 0, step)
    place = tuple(at + step[..., axis].astype(int) for axis, at in enumerate((best.y, best.x)))
    near = best.around(c.score, centre=place)
    if exact:
        known = ~xp.isnan(unsearched_filled(near, shape, xp)).any((-1, -2))
    else:
        known = ~xp.isnan(near[..., 1, 1])

    def value(maps):
        patch = best.around(maps, centre=place)
        if not exact:
            return patch[..., 1, 1]
        return Quadratic.of_taylor(unsearched_filled(patch, shape, xp)).value(top.offset - step)

    dark = settings.metric == "umpa-dark"
    transmission, visibility = transmission_and_visibility(c.sums.map(value), dark, xp)
    found = {"transmission": transmission}
    return found | ({"visibility": visibility} if dark else {}), known
