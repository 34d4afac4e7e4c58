"""Two stacks that are compared as they are: bands of rows, what makes their grey values comparable, and a mask."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.status import Status
from hpcdvc.images import VolumeInfo
from hpcdvc.images.stack import Stack
from hpcdvc.steps.row_measure import box_counts

#: Rows that are looked at together when a stack is looked through.
LOOK = 64
#: Exponent of 2 up to which the spread of grey values is left as it is.
USUAL = 30
#: Largest exponent of a factor.
MOST = 1000


@dataclass(frozen=True)
class Greys:
    """What the grey values of a stack are multiplied by, after something is taken off.

    Attributes
    ----------
    offset, factor : of all pixels
    columns, rows : (K, W), (K, H) float32, of the columns and rows of each frame; None: 1
    """

    offset: float = 0.0
    factor: float = 1.0
    columns: np.ndarray | None = None
    rows: np.ndarray | None = None

    def band(self, raw: np.ndarray, first: int) -> np.ndarray:
        """Rows (K, n, W) from `first` on as float32; numbers that have more digits lose them at the end only."""
        values = np.array(raw, np.float64 if is_wide(raw.dtype) else np.float32, order="C")
        if self.offset or self.factor != 1.0:
            values -= values.dtype.type(self.offset)
            values *= values.dtype.type(self.factor)
        if self.columns is not None:
            values *= self.columns[:, None]
            values *= self.rows[:, first : first + values.shape[1], None]
        return values.astype(np.float32, copy=False)


def is_wide(dtype: np.dtype) -> bool:
    """Whether numbers have more digits than float32."""
    return dtype.itemsize > 4 or (dtype.kind in "iu" and dtype.itemsize == 4)


def _within_reach(stack: Stack) -> Greys:
    """What brings grey values to where float32 holds them, their differences and the squares of these; of others
    nothing is changed."""
    mean, spread = stack.rough_greys
    exponent = int(np.frexp(spread)[1]) if spread else 0
    offset = 0.0
    if is_wide(stack.dtype) and spread:
        unit = float(np.ldexp(1.0, exponent + 1))
        offset = float(np.rint(mean / unit)) * unit
    return Greys(offset, 2.0 ** min(-exponent, MOST) if abs(exponent) > USUAL else 1.0)


def coarse(value: float) -> float:
    """A number of so few digits that pixels which come or go hardly ever change it."""
    mantissa, exponent = np.frexp(value)
    return float(np.ldexp(np.rint(mantissa * 32) / 32, exponent))


def greys_of(stack: Stack, norm: str, team) -> Greys:
    """How a stack is normalised. Collective.

    Parameters
    ----------
    stack : the frames
    norm : "none"; "rowcol", each frame divided by the sums of its columns and of its rows, over their means; "global",
        mean 0 and standard deviation 1 of all frames together
    team : hpcdvc.ranks.team.Team
    """
    if norm == "none":
        return team.agree(lambda: _within_reach(stack))
    start, stop = team.spans(stack.frames)
    of_frame = _line_sums if norm == "rowcol" else _moments
    mine = team.agree_all(lambda: [of_frame(stack, frame) for frame in range(start, stop)])
    found = [one for some in team.all_gather(mine) for one in some]
    if norm == "rowcol":
        columns, rows = (np.stack(lines) for lines in zip(*found, strict=True))
        return Greys(columns=_over_mean(columns), rows=_over_mean(rows))
    count, total, squares = np.sum(found, axis=0)
    mean = total / max(count, 1)
    spread = np.sqrt(max(squares / max(count, 1) - mean**2, 0))
    return Greys(mean, 1 / spread if spread > 0 else 1.0)


def _line_sums(stack: Stack, frame: int) -> tuple[np.ndarray, np.ndarray]:
    """Sums of the columns (W,) and rows (H,) of a frame; what is no number is 0."""
    columns, rows = np.zeros(stack.width), np.zeros(stack.height)
    for first in range(0, stack.height, LOOK):
        values = np.nan_to_num(_frame_rows(stack, frame, first), nan=0, posinf=0, neginf=0)
        columns += values.sum(axis=0)
        rows[first : first + LOOK] = values.sum(axis=1)
    return columns, rows


def _moments(stack: Stack, frame: int) -> tuple[int, float, float]:
    """Number, sum and sum of squares of the finite pixels of a frame."""
    count, total, squares = 0, 0.0, 0.0
    for first in range(0, stack.height, LOOK):
        values = _frame_rows(stack, frame, first)
        values = values[np.isfinite(values)]
        count, total, squares = count + values.size, total + values.sum(), squares + (values**2).sum()
    return count, total, squares


def _frame_rows(stack: Stack, frame: int, first: int) -> np.ndarray:
    rows = stack.rows(first, min(first + LOOK, stack.height), slice(frame, frame + 1))
    return rows[0].astype(np.float64)


def _over_mean(sums: np.ndarray) -> np.ndarray:
    """Mean of the sums of each frame over each; no number where a sum is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return (sums.mean(axis=1, keepdims=True) / np.where(sums, sums, np.nan)).astype(np.float32)


@dataclass(frozen=True)
class PairReader:
    """Rows of two stacks: a `hpcdvc.steps.bands.Reader`.

    Attributes
    ----------
    stacks, greys : of im1 and im2
    mask : (H, W) of im1, 0 where pixels are left out, or None
    """

    stacks: tuple[Stack, Stack]
    greys: tuple[Greys, Greys]
    mask: np.ndarray | None = None

    def __call__(self, first: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows `first` to `stop` - 1 of both, (K, n, W) float32."""
        bands = [self._band(k, first, stop) for k in (0, 1)]
        if self.mask is not None:
            bands[0][:, self.mask[first:stop] == 0] = np.nan
        return tuple(bands)

    def _band(self, k: int, first: int, stop: int) -> np.ndarray:
        stack = self.stacks[k]
        raw = stack.rows(first, stop)
        band = self.greys[k].band(raw, first)
        if stack.largest is None:
            band[~np.isfinite(band)] = np.nan
        else:
            clipped = raw == stack.largest
            if clipped.any():
                band[clipped] = np.inf
        return band

    @property
    def means(self) -> np.ndarray:
        """(2,) rough mean grey values, the same on all ranks; see `coarse`."""
        greys = [stack.rough_greys for stack in self.stacks]
        found = [(mean - g.offset) * g.factor for (mean, _), g in zip(greys, self.greys, strict=True)]
        return np.array([0.0 if g.offset else coarse(mean) for mean, g in zip(found, self.greys, strict=True)])


def check_flat_mask(image: VolumeInfo, mask: VolumeInfo) -> None:
    """Check that a mask is one image of the size of the frames.

    Raises
    ------
    UserError
        It is not.
    """
    if mask.shape != (1, *image.shape[1:]):
        size, wanted = (" x ".join(map(str, shape)) for shape in (mask.shape, image.shape[1:]))
        raise UserError(f"the mask {mask.spec} is {size}: one image is needed, {wanted} pixels as {image.spec}")


def masked_marker(mask: np.ndarray, half: int, coverage: float) -> Callable[[range, dict[str, np.ndarray]], None]:
    """Marks pixels as without a specimen where the mask takes more of their windows than it may.

    Parameters
    ----------
    mask : (H, W), 0 where pixels are left out
    half : half window
    coverage : least part of a window that must be left, not only a little of which is needed in any case
    """
    area = (2 * half + 1) ** 2

    def mark(rows: range, found: dict[str, np.ndarray]) -> None:
        first, stop = max(rows[0] - half, 0), min(rows[-1] + half + 1, len(mask))
        columns = range(0, mask.shape[1], rows.step)
        lost = box_counts(mask[first:stop] == 0, first, rows, columns, half, half)
        gone = (lost > (1 - coverage) * area) | (lost == area)
        found["status"][gone] = Status.NO_SPECIMEN
        for name in found.keys() - {"status"}:
            found[name][gone] = np.nan

    return mark
