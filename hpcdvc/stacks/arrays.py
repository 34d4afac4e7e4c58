"""Dense maps by numpy or cupy: the way of a graphics card, and the slow twin of the compiled `dense`.

What is known of all displacements of the range, and of those one pixel beyond it, are arrays (y, x, rows, columns) of a
block of rows.
"""

from collections.abc import Iterator
from types import ModuleType

import numpy as np

from hpcdvc.stacks.comparison import Shape, compare
from hpcdvc.stacks.dense import DenseSettings
from hpcdvc.stacks.device import to_numpy
from hpcdvc.stacks.judge import judge

#: Numbers of a block of rows: 256 MB in float64.
BLOCK = 2**25


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
    if settings.metric == "ncc":
        a, b = (band - level for band, level in zip((a, b), levels[:, 0].tolist(), strict=True))
    else:
        a, b = (band / xp.asarray(level)[:, None, None] for band, level in zip((a, b), levels, strict=True))
    weights = xp.ones((len(a), 1, 1))
    own, other = levels.mean(axis=1)
    parts = []
    for block in _blocks(rows, a.shape[-1], shape, settings):
        windows = _cut(a, first, height, block, shape.half, (0, 0), (1, 1), xp)
        others = _cut(b, first, height, block, shape.half, shape.first, shape.size, xp)
        found = judge(compare(windows, others, weights, shape, settings, xp), shape, settings, xp)
        if settings.metric != "ncc":
            found["score"] *= np.float32(own**2)
            found["transmission"] *= np.float32(own / other)
        every = settings.step
        parts.append({name: to_numpy(values[::every, ::every]) for name, values in found.items()})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _levels(settings: DenseSettings, means: np.ndarray | None, frames: int) -> np.ndarray:
    """(2, frames) means that frames are divided by, the template first; for "ncc" what is taken off."""
    if means is None:
        if settings.metric != "ncc":
            raise ValueError("UMPA needs the means of both stacks")
        means = np.zeros(2)
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
