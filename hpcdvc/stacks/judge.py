"""What the best displacement of each pixel of a block is worth; numpy or cupy arrays, after `cython/stacks/judge.h`."""

import math
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import numpy as np

from hpcdvc.fields.status import Status
from hpcdvc.stacks.best import Best, Top, find_best, find_top, unsearched_filled, values_of
from hpcdvc.stacks.comparison import Compared, Shape
from hpcdvc.stacks.dense import DenseSettings
from hpcdvc.stacks.judged import EXACT, chance_correlation, doubtful_misfit
from hpcdvc.stacks.models import CONSTANT, Sums, correlation
from hpcdvc.stacks.peaks import Quadratic

#: As in cython/stacks/judge.h, where they are explained.
UNIQUE, FLATTEST, UNSURE, LIFT_UNSURE, ABOVE_ROUNDING = 0.95, 1e-4, 0.3, 0.25, 10
ALONG_EDGE, OF_EDGE, LEFT_OF_EDGE, NOISE_PEAK = 0.1, 0.25, 0.05, 14


@dataclass(frozen=True)
class Look:
    """The correlation about the best displacement, and what is news in it.

    Attributes
    ----------
    height : (h, w) at the top of the peak
    misfit : (h, w) that is left there at least, as far as is known
    curvatures : for each searched axis (h, w), in units of the best correlation
    least_curvature : (h, w) of all directions
    along_edge : (h, w) the least that may be left of it, where the correlation across is no quadratic function
    exact : (h, w) misfit that is rounding
    values, most, partly : (h, w) independent values of a window, those there were if all of its texture were of one
        kind, and those for misfits, of which some are noise
    trials : (h, w) independent displacements
    """

    height: Any
    misfit: Any
    curvatures: list
    least_curvature: Any
    along_edge: Any
    exact: Any
    values: Any
    most: Any
    partly: Any
    trials: Any


def judge(c: Compared, shape: Shape, settings: DenseSettings, xp: ModuleType = np) -> dict[str, Any]:
    """From scores to what `dense.measure_rows` returns, all columns of a block of rows."""
    best = find_best(c.chosen, shape, xp)
    near = best.around(c.score)
    middle = c.sums.map(lambda values: best.around(values, (0, 0))[..., 0, 0])
    status = xp.full(best.known.shape, int(Status.CONVERGED), xp.int8)

    def end(condition, code: Status) -> None:
        status[:] = xp.where(condition & (status == Status.CONVERGED), xp.int8(code), status)

    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        end(c.clipped, Status.SATURATED)
        end(~c.there, Status.FEW_VALID_VOXELS)
        end(middle.own_variance <= CONSTANT * middle.ii, Status.SINGULAR)
        end(~best.known, Status.FEW_VALID_VOXELS)
        searched = unsearched_filled(near, shape, xp)
        end(xp.isnan(searched).any((-1, -2)), Status.FEW_VALID_VOXELS)
        end(_is_higher_beyond(best, searched, c.score.shape[:2], shape), Status.BORDER_OF_RANGE)
        end(best.around(c.other_clipped, (0, 0))[..., 0, 0] > 0, Status.SATURATED)
        look = _look(c, best, middle, shape)
        chance = chance_correlation(look.values, look.trials, xp)
        end(~(xp.minimum(look.height, 1 - EXACT) >= chance), Status.DECORRELATED)
        end(_flat(look, c.values, xp), Status.AMBIGUOUS)
        top = _top(c, best, middle, shape, settings)
        end(~top.complete, Status.FEW_VALID_VOXELS)
        end(~top.found, Status.AMBIGUOUS)
        if settings.metric == "ncc" and settings.least_score is not None:
            end(top.height < settings.least_score, Status.DECORRELATED)
        by_chance = chance_correlation(look.most, look.trials, xp)
        bar = _bar(c, middle, top, look, by_chance, settings, xp)
        end(_rivals(c, best, bar, look, shape, xp), Status.AMBIGUOUS)
        found, known = values_of(c, best, top, shape, settings) if settings.metric != "ncc" else ({}, True)
        end(~xp.asarray(known), Status.AMBIGUOUS)
    found = {**_displacement_and_score(best, top, shape, settings), **found}
    measured = status == Status.CONVERGED
    for name, numbers in found.items():
        found[name] = xp.where(measured[..., None] if numbers.ndim == 3 else measured, numbers, xp.nan).astype("f4")
    return {**found, "status": status}


def _top(c: Compared, best: Best, middle: Sums, shape: Shape, settings: DenseSettings) -> Top:
    """The top of the scores, or that of the correlation and the cost there."""
    xp = best.xp
    if settings.peak_of == "score":
        return find_top(best, best.around(c.score), c.score, shape, settings)
    zncc = xp.where(xp.isnan(c.score), xp.nan, correlation(c.sums, xp))
    top = find_top(best, best.around(zncc), zncc, shape, settings)
    scale = middle.own_variance * (c.full / middle.there)
    return replace(top, height=-scale * (1 - xp.minimum(top.height**2, 1)))


def _is_higher_beyond(best: Best, searched, size: tuple[int, int], shape: Shape):
    """Whether a score beside the best is higher and lies beyond the range; inside it is one that was not chosen."""
    xp, inside = best.xp, []
    for at, n, beyond in zip((best.y, best.x), size, shape.beyond, strict=True):
        beside = at[..., None] + xp.arange(-1, 2)
        inside.append((beside >= beyond) & (beside < n - beyond) if beyond else beside == beside)
    inside = inside[0][..., :, None] & inside[1][..., None, :]
    return (~inside & (searched > searched[..., 1:2, 1:2])).any((-1, -2))


def _look(c: Compared, best: Best, middle: Sums, shape: Shape) -> Look:
    xp = best.xp
    other = best.around(c.other_squares, (0, 0))[..., 0, 0] / middle.other_variance
    exact = EXACT * xp.maximum(xp.maximum(c.squares / middle.own_variance, other), 1)
    near = unsearched_filled(correlation(c.sums.map(best.around), xp), shape, xp)
    q = Quadratic.of_taylor(near)
    bends, curvatures, lift = (-q.fyy / q.f, -q.fxx / q.f), [], 1
    for axis, slope in ((0, q.fy / q.f), (1, q.fx / q.f)):
        if shape.beyond[axis]:
            curvatures.append(xp.maximum(bends[axis], FLATTEST))
            # where a cost is least the correlation need not have a peak
            lift = lift + xp.where(abs(slope) < curvatures[-1], slope**2 / (2 * curvatures[-1]), 0)
    least = along_edge = bends[0] if shape.beyond[0] else bends[1]
    if all(shape.beyond):
        least = (bends[0] + bends[1]) / 2 - xp.sqrt((bends[0] - bends[1]) ** 2 / 4 + (q.fxy / q.f) ** 2)
        # across an edge the correlation is no quadratic function, which looks like curvature along it
        mixed = (near * xp.asarray([[1.0, -2, 1], [-2, 4, -2], [1, -2, 1]])).sum((-1, -2))
        along_edge = least - OF_EDGE * xp.maximum(mixed, 0) / q.f
    height = xp.minimum(q.f * lift, 1)
    misfit = xp.maximum(xp.maximum(1 - height, LIFT_UNSURE * q.f * (lift - 1)), exact)
    alike = xp.ones(height.shape)
    for curvature in curvatures:
        alike = alike * xp.sqrt(math.pi / curvature)
    alike = xp.clip(alike, 1, c.values / c.full)
    tried = float(np.prod([h - a + 1 for h, a in zip(shape.high, shape.low, strict=True)]))
    # what never moves is seen once
    still = c.still * best.around(c.other_still, (0, 0))[..., 0, 0]
    news = c.textured / (1 + (c.full - 1) * still)
    most, partly = c.values / alike, c.values * xp.sqrt(news / alike)
    curvature = curvatures, least, along_edge
    return Look(height, misfit, *curvature, exact, news * most, most, partly, tried / alike)


def _flat(look: Look, pixels: float, xp: ModuleType):
    """Whether noise as large as the residual moves the peak by much in some direction, or has made it along an edge."""
    if not look.curvatures:
        return xp.zeros(look.height.shape, bool)
    variance = 2 * look.misfit / (look.partly * look.least_curvature * look.height)
    steep = look.least_curvature > xp.maximum(ABOVE_ROUNDING * look.exact, FLATTEST)
    greatest = look.curvatures[0] if len(look.curvatures) == 1 else xp.maximum(*look.curvatures)
    of_noise = NOISE_PEAK * look.misfit / math.sqrt(pixels)
    made = (look.least_curvature < ALONG_EDGE * greatest) & (look.least_curvature < of_noise)
    made |= (look.along_edge < LEFT_OF_EDGE * greatest) & (look.along_edge < of_noise)
    return ~(steep & (variance < UNSURE**2)) | made


def _bar(c: Compared, middle: Sums, top: Top, look: Look, chance, settings: DenseSettings, xp: ModuleType):
    """How good another place must be to be as good; the top of its peak may lie between pixels."""
    lift = 1 + sum(look.curvatures) / 8
    if settings.metric == "ncc":
        height = xp.minimum(top.height, 1)
        as_good = xp.minimum(1 - doubtful_misfit(1 - height, look.partly, look.exact, xp), UNIQUE * height / lift)
        return xp.maximum(as_good, chance)
    scale = middle.own_variance * (c.full / middle.there)
    misfit = xp.maximum(-top.height / scale, look.exact)
    height = UNIQUE * xp.sqrt(xp.maximum(1 - misfit, 0)) / lift
    as_good = xp.maximum(doubtful_misfit(misfit, look.partly, look.exact, xp), 1 - height**2)
    return -scale * xp.minimum(as_good, 1 - chance**2)


def _rivals(c: Compared, best: Best, bar, look: Look, shape: Shape, xp: ModuleType):
    """Whether there is a place as good, farther off than the peak is wide."""
    if not look.curvatures:
        return xp.zeros(bar.shape, bool)
    flattest = look.curvatures[0] if len(look.curvatures) == 1 else xp.minimum(*look.curvatures)
    radius = 1 + 1.5 / xp.sqrt(flattest)
    (by, bx), (sy, sx) = shape.beyond, c.score.shape[:2]
    y, x = xp.arange(by, sy - by)[:, None, None, None], xp.arange(bx, sx - bx)[:, None, None]
    far = xp.maximum(abs(y - best.y), abs(x - best.x)) > radius
    return (far & (c.chosen[by : sy - by, bx : sx - bx] >= bar)).any((0, 1))


def _displacement_and_score(best: Best, top: Top, shape: Shape, settings: DenseSettings) -> dict[str, Any]:
    """From im1 to im2, and correlation or cost."""
    xp = best.xp
    place = xp.stack([best.y + shape.first[0], best.x + shape.first[1]], -1) + top.offset
    score = xp.minimum(top.height, 1) if settings.metric == "ncc" else xp.maximum(-top.height, 0)
    return {"displacement": place if settings.template == "im1" else -place, "score": score}
