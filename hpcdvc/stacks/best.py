"""The best displacement of each pixel of a block, its fraction, and what it is worth; numpy or cupy arrays."""

from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcdvc.fields.status import Status
from hpcdvc.stacks.dense import DenseSettings
from hpcdvc.stacks.judged import beats_chance, is_ambiguous, pixels_alike
from hpcdvc.stacks.models import CONSTANT, Sums, correlation, transmission_and_visibility
from hpcdvc.stacks.peaks import line_peak, polynomial_peak, taylor_offset

if TYPE_CHECKING:
    from hpcdvc.stacks.arrays import Compared, Shape

#: The second best lies farther than this from the best, pixels.
SAME_PEAK = 2


@dataclass(frozen=True)
class Best:
    """The best displacement of each pixel.

    Attributes
    ----------
    y, x : (h, w) its place in the maps
    compared, known : (h, w) bool, whether there is a score at all, and one of a window that is alike
    """

    y: Any
    x: Any
    compared: Any
    known: Any
    xp: ModuleType

    def around(self, maps, half: int = 1, centre: tuple | None = None):
        """(h, w, 2 half + 1, 2 half + 1) values of maps (sy, sx, h, w) about the best; NaN outside of the maps."""
        xp, (height, width) = self.xp, maps.shape[:2]
        steps = xp.arange(-half, half + 1)
        y, x = centre or (self.y, self.x)
        iy, ix = (at[..., None] + steps for at in (y, x))
        inside = ((iy >= 0) & (iy < height))[..., :, None] & ((ix >= 0) & (ix < width))[..., None, :]
        rows, columns = (xp.arange(n) for n in maps.shape[2:])
        iy, ix = xp.clip(iy, 0, height - 1)[..., :, None], xp.clip(ix, 0, width - 1)[..., None, :]
        values = maps[iy, ix, rows[:, None, None, None], columns[:, None, None]]
        return xp.where(inside, values, xp.nan)


def find_best(c: "Compared", shape: "Shape", xp: ModuleType = np) -> Best:
    """The highest score in the range, the first of equal ones."""
    (by, bx), (sy, sx) = shape.beyond, c.score.shape[:2]
    inner = np.s_[by : sy - by, bx : sx - bx]
    compared = ~xp.isnan(c.score[inner])
    scores = xp.where(compared & c.alike[inner], c.score[inner], -xp.inf)
    width, scores = scores.shape[1], scores.reshape(-1, *scores.shape[2:])
    place = scores.argmax(0)
    return Best(place // width + by, place % width + bx, compared.any((0, 1)), xp.isfinite(scores.max(0)), xp)


def judge(c: "Compared", shape: "Shape", settings: DenseSettings, xp: ModuleType = np) -> dict[str, Any]:
    """From scores to what `dense.measure_rows` returns, all columns of a block of rows."""
    best = find_best(c, shape, xp)
    near = best.around(c.score)
    fraction = _fraction(best, near, c.score, shape, settings)
    at = c.sums.map(lambda values: best.around(values))
    middle = at.map(lambda values: values[..., 1, 1])
    status = xp.full(best.known.shape, int(Status.CONVERGED), xp.int8)

    def end(condition, code: Status) -> None:
        status[:] = xp.where(condition & (status == Status.CONVERGED), xp.int8(code), status)

    searched = near[..., :, :] if all(shape.beyond) else near[..., 1:2, :] if shape.beyond[1] else near[..., :, 1:2]
    with np.errstate(invalid="ignore", divide="ignore"):
        end(c.clipped, Status.SATURATED)
        end(~c.there, Status.FEW_VALID_VOXELS)
        end(middle.ii - middle.im**2 / middle.mm <= CONSTANT * middle.ii, Status.SINGULAR)
        end(~best.compared, Status.FEW_VALID_VOXELS)
        end(~best.known, Status.DECORRELATED)
        if any(shape.beyond):
            end(xp.isnan(searched).any((-1, -2)) | xp.isnan(fraction).any(-1), Status.FEW_VALID_VOXELS)
        end((searched > near[..., 1:2, 1:2]).any((-1, -2)), Status.BORDER_OF_RANGE)
        zncc = correlation(middle, xp)
        if settings.least_score is not None:
            end(zncc < settings.least_score, Status.DECORRELATED)
        values, trials = _independent(c, at, shape, xp)
        end(~beats_chance(zncc, values, trials, xp), Status.DECORRELATED)
        one, second = _misfits(c, best, middle, shape, settings, xp)
        # what chance makes of another place is no rival
        rival = xp.sqrt(xp.clip(1 - second, 0, None)) if settings.metric != "ncc" else 1 - second
        rivals = beats_chance(rival, values, trials, xp) & is_ambiguous(one, second, values, xp)
        end(rivals, Status.AMBIGUOUS)
    found = _results(best, near, at, fraction, shape, settings)
    measured = status == Status.CONVERGED
    for name, values in found.items():
        found[name] = xp.where(measured[..., None] if values.ndim == 3 else measured, values, xp.nan).astype("f4")
    return {**found, "status": status}


def _fraction(best: Best, near, score, shape: "Shape", settings: DenseSettings):
    """(h, w, 2) from the best displacement to the peak; NaN where something that is missing hides it."""
    xp, size = best.xp, settings.peak_size
    if settings.peak == "none" or not any(shape.beyond):
        return xp.zeros((*best.y.shape, 2))
    if settings.peak == "taylor" or min(n for n, b in zip(score.shape, shape.beyond, strict=False) if b) < size + 2:
        if all(shape.beyond):
            return taylor_offset(near, settings.peak_dim, xp)
        line = near[..., 1, :] if shape.beyond[1] else near[..., :, 1]
        steps = taylor_offset(xp.broadcast_to(line[..., None, :], near.shape), 1, xp)[..., 1]
        return xp.stack([steps * shape.beyond[0], steps * shape.beyond[1]], -1)
    half, whole = size // 2, (best.y, best.x)
    # the patch stays in the range, of which the beyond is no part
    centre = tuple(
        xp.clip(at, half + b, n - 1 - half - b) if b else at
        for at, n, b in zip(whole, score.shape[:2], shape.beyond, strict=True)
    )
    patch = best.around(score, half, centre)
    if all(shape.beyond) and settings.peak_dim == 2:
        places, hidden = polynomial_peak(patch, xp), xp.isnan(patch).any((-1, -2))
        places = [places[..., 0], places[..., 1]]
    else:
        own = [
            best.around(score, half, (centre[0], best.x))[..., :, half],
            best.around(score, half, (best.y, centre[1]))[..., half, :],
        ]
        places = [
            line_peak(line, xp) if b else xp.zeros(best.y.shape) for line, b in zip(own, shape.beyond, strict=True)
        ]
        hidden = sum(xp.isnan(line).any(-1) * b for line, b in zip(own, shape.beyond, strict=True)) > 0
    steps = [xp.where(xp.isnan(place), 0, place + c - at) for place, c, at in zip(places, centre, whole, strict=True)]
    return xp.where(hidden[..., None], xp.nan, xp.stack(steps, -1))


def _independent(c: "Compared", at: Sums, shape: "Shape", xp: ModuleType):
    """Values of a window, and displacements tried, that are news of each other: by the width of the peak."""
    zncc = correlation(at, xp)
    peak, lines = zncc[..., 1, 1], (zncc[..., :, 1], zncc[..., 1, :])
    known = [axis for axis in (0, 1) if shape.beyond[axis]]
    if not known:
        return c.values, xp.ones(1)
    curvatures = [(2 * peak - lines[axis][..., 0] - lines[axis][..., 2]) / peak for axis in known]
    # along an axis of the window that is not searched textures are taken to be as wide as along the other
    alike = pixels_alike(tuple((2 * curvatures)[: sum(n > 0 for n in shape.half)]), xp)
    tried = float(np.prod([h - a + 1 for h, a in zip(shape.high, shape.low, strict=True)]))
    return c.values / alike, tried / alike


def _misfits(c: "Compared", best: Best, middle: Sums, shape: "Shape", settings: DenseSettings, xp: ModuleType):
    """Part of the variance that the best place, and the best local maximum away from it, leave."""
    own = middle.ii - middle.im**2 / middle.mm
    (by, bx), (sy, sx) = shape.beyond, c.score.shape[:2]
    maps = xp.where(xp.isnan(c.score), -xp.inf, c.score)
    peaks = xp.ones(maps.shape, bool)
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        one = maps[: sy - dy, max(0, -dx) : sx - max(0, dx)]
        two = maps[dy:, max(0, dx) : sx - max(0, -dx)]
        peaks[: sy - dy, max(0, -dx) : sx - max(0, dx)] &= one >= two
        peaks[dy:, max(0, dx) : sx - max(0, -dx)] &= two >= one
    y, x = xp.arange(sy)[:, None, None, None], xp.arange(sx)[:, None, None]
    far = (abs(y - best.y) > SAME_PEAK) | (abs(x - best.x) > SAME_PEAK)
    far = far & peaks & c.alike & (y >= by) & (y < sy - by) & (x >= bx) & (x < sx - bx)
    second = xp.where(far, maps, -xp.inf).max((0, 1))
    first = maps.max((0, 1)) if not any(shape.beyond) else best.around(maps)[..., 1, 1]
    if settings.metric == "ncc":
        return 1 - first, 1 - second
    return -first / own, -second / own


def _results(best: Best, near, at: Sums, fraction, shape: "Shape", settings: DenseSettings) -> dict[str, Any]:
    """Displacement from im1 to im2, score, transmission and visibility of all pixels."""
    xp = best.xp
    place = xp.stack([best.y + shape.first[0], best.x + shape.first[1]], -1) + fraction
    score, dark = near[..., 1, 1], settings.metric == "umpa-dark"
    found = {"displacement": place if settings.template == "im1" else -place, "score": score}
    if settings.metric != "ncc":
        found["score"] = -score
        exact = settings.values_at == "subpixel"
        sums = at.map(lambda values: _value_at(values, fraction if exact else xp.rint(fraction), exact, xp))
        found["transmission"], visibility = transmission_and_visibility(sums, dark, xp)
        if dark:
            found["visibility"] = visibility
    return found


def _value_at(near, fraction, exact: bool, xp: ModuleType):
    """Taylor series of second degree of (h, w, 3, 3) values about the middle, or the value of a pixel."""
    y, x = fraction[..., 0], fraction[..., 1]
    if not exact:
        iy, ix = (xp.clip(xp.nan_to_num(at), -1, 1).astype(int) + 1 for at in (y, x))
        rows, columns = (xp.arange(n) for n in near.shape[:2])
        return near[rows[:, None], columns, iy, ix]
    middle = near[..., 1, 1]
    near = xp.where(xp.isnan(near), middle[..., None, None], near)  # beyond an axis that is not searched
    fy, fx = (near[..., 2, 1] - near[..., 0, 1]) / 2, (near[..., 1, 2] - near[..., 1, 0]) / 2
    fyy, fxx = near[..., 2, 1] + near[..., 0, 1] - 2 * middle, near[..., 1, 2] + near[..., 1, 0] - 2 * middle
    fxy = (near[..., 2, 2] + near[..., 0, 0] - near[..., 2, 0] - near[..., 0, 2]) / 4
    return middle + y * fy + x * fx + y * y * fyy / 2 + x * x * fxx / 2 + x * y * fxy
