"""What the best displacement of each pixel of a block is worth; numpy or cupy arrays, after `cython/stacks/judge.h`."""

import math
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcdvc.fields.status import Status
from hpcdvc.stacks.best import Best, Top, find_best, find_top, unsearched_filled, values_of
from hpcdvc.stacks.dense import DenseSettings
from hpcdvc.stacks.models import CONSTANT, Sums, correlation

if TYPE_CHECKING:
    from hpcdvc.stacks.arrays import Compared, Shape

#: As in cython/stacks/judge.h, where they are explained.
CHANCE_ODDS, DEVIATIONS, EXACT, UNIQUE, FLATTEST, UNSURE = 2.5, 3.5, 1e-6, 0.95, 1e-4, 0.3


def judge(c: "Compared", shape: "Shape", settings: DenseSettings, xp: ModuleType = np) -> dict[str, Any]:
    """From scores to what `dense.measure_rows` returns, all columns of a block of rows."""
    best = find_best(c.score, shape, xp)
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
        end((searched > near[..., 1:2, 1:2]).any((-1, -2)), Status.BORDER_OF_RANGE)
        end(best.around(c.other_clipped, (0, 0))[..., 0, 0] > 0, Status.SATURATED)
        height, curvatures = _at_the_top(c.sums, best, shape)
        values, chance = _independent(c, height, curvatures, shape, xp)
        end(~chance, Status.DECORRELATED)
        end(_flat(height, curvatures, values), Status.AMBIGUOUS)
        top = find_top(best, near, c.score, shape, settings)
        end(~top.complete, Status.FEW_VALID_VOXELS)
        end(~top.found, Status.AMBIGUOUS)
        if settings.metric == "ncc" and settings.least_score is not None:
            end(top.height < settings.least_score, Status.DECORRELATED)
        bar = _bar(c, middle, top, values, curvatures, settings, xp)
        end(_rivals(c, best, bar, curvatures, shape, xp), Status.AMBIGUOUS)
        found, known = values_of(c, best, top, shape, settings) if settings.metric != "ncc" else ({}, True)
        end(~xp.asarray(known), Status.AMBIGUOUS)
    found = {**_displacement_and_score(best, top, shape, settings), **found}
    measured = status == Status.CONVERGED
    for name, numbers in found.items():
        found[name] = xp.where(measured[..., None] if numbers.ndim == 3 else measured, numbers, xp.nan).astype("f4")
    return {**found, "status": status}


def _at_the_top(sums: Sums, best: Best, shape: "Shape") -> tuple[Any, list]:
    """Correlation at the top of its peak, and for each searched axis its curvature in units of it."""
    xp = best.xp
    zncc = correlation(sums.map(best.around), xp)
    whole, height, curvatures = zncc[..., 1, 1], zncc[..., 1, 1], []
    for axis in (0, 1):
        if shape.beyond[axis]:
            line = zncc[..., :, 1] if axis == 0 else zncc[..., 1, :]
            bend = xp.maximum(2 * whole - line[..., 0] - line[..., 2], FLATTEST * whole)
            height = height + (line[..., 2] - line[..., 0]) ** 2 / (8 * bend)
            curvatures.append(bend / whole)
    return xp.minimum(height, 1), curvatures


def _independent(c: "Compared", height, curvatures: list, shape: "Shape", xp: ModuleType) -> tuple[Any, Any]:
    """Number of values for misfits, and whether the correlation is more than chance makes of unrelated textures."""
    alike = xp.maximum(math.prod([xp.sqrt(math.pi / k) for k in curvatures]), 1.0)
    tried = float(np.prod([h - a + 1 for h, a in zip(shape.high, shape.low, strict=True)]))
    rest = 1 - xp.minimum(height, 1 - EXACT) ** 2
    odds = -c.values / alike / 2 * xp.log(rest)
    return c.values / xp.sqrt(alike), (height > 0) & (odds >= CHANCE_ODDS + xp.log(xp.maximum(tried / alike, 1)))


def _flat(height, curvatures: list, values):
    """Whether noise as large as the residual moves the peak by much."""
    flat = height != height
    for curvature in curvatures:
        flat = flat | (2 * (1 - height).clip(EXACT, None) / (values * curvature * height) > UNSURE**2)
    return flat


def _bar(c: "Compared", middle: Sums, top: Top, values, curvatures: list, settings: DenseSettings, xp: ModuleType):
    """How good another place must be to be as good; the top of its peak may lie between pixels."""
    noise, lift = 1 + DEVIATIONS * xp.sqrt(3 / values), 1 + sum(curvatures) / 8
    if settings.metric == "ncc":
        height = xp.minimum(top.height, 1)
        return xp.minimum(1 - noise * xp.maximum(1 - height, EXACT), UNIQUE * height / lift)
    scale = middle.own_variance * (c.full / middle.there)
    misfit = xp.maximum(-top.height, EXACT * scale)
    height = UNIQUE * xp.sqrt(xp.maximum(1 - misfit / scale, 0)) / lift
    return -xp.maximum(noise * misfit, scale * (1 - height**2))


def _rivals(c: "Compared", best: Best, bar, curvatures: list, shape: "Shape", xp: ModuleType):
    """Whether there is a place as good, farther off than the peak is wide."""
    if not curvatures:
        return xp.zeros(bar.shape, bool)
    flattest = curvatures[0] if len(curvatures) == 1 else xp.minimum(*curvatures)
    radius = 1 + 1.5 / xp.sqrt(flattest)
    (by, bx), (sy, sx) = shape.beyond, c.score.shape[:2]
    y, x = xp.arange(by, sy - by)[:, None, None, None], xp.arange(bx, sx - bx)[:, None, None]
    far = xp.maximum(abs(y - best.y), abs(x - best.x)) > radius
    return (far & (c.score[by : sy - by, bx : sx - bx] >= bar)).any((0, 1))


def _displacement_and_score(best: Best, top: Top, shape: "Shape", settings: DenseSettings) -> dict[str, Any]:
    """From im1 to im2, and correlation or cost."""
    xp = best.xp
    place = xp.stack([best.y + shape.first[0], best.x + shape.first[1]], -1) + top.offset
    score = xp.minimum(top.height, 1) if settings.metric == "ncc" else xp.maximum(-top.height, 0)
    return {"displacement": place if settings.template == "im1" else -place, "score": score}
