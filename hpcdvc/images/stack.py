"""Stacks of frames, read in place some rows at a time: one for a scan, or one for each of its projections."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.images.opening import open_volume, read_planes
from hpcdvc.images.volume import VolumeInfo

if TYPE_CHECKING:
    from hpcdvc.ranks.team import Team

#: Rows of a frame, at most, of which its mean grey value is made where that need not be exact.
SAMPLED = 64


@dataclass(eq=False)
class Stack:
    """K frames of one size, for each of P projections.

    A file that can be mapped is; what must be decoded is decoded once a machine, or, of several projections, one at a
    time by the rank that asks for it.

    Attributes
    ----------
    info : header of the file
    volume : (P * K, H, W) grey values; None where projections are decoded one at a time
    """

    info: VolumeInfo
    volume: np.ndarray | None
    _decoded: tuple[int, np.ndarray] | None = field(default=None, repr=False)

    @property
    def frames(self) -> int:
        """Frames of a projection, K."""
        return frames_of(self.info)

    @property
    def projections(self) -> int:
        """Projections, P; 1 of a stack that is no scan."""
        return self.info.shape[0] // self.frames

    @property
    def height(self) -> int:
        """Rows of a frame, H."""
        return self.info.shape[1]

    @property
    def width(self) -> int:
        """Columns of a frame, W."""
        return self.info.shape[2]

    @property
    def dtype(self) -> np.dtype:
        """Number type of the file."""
        return self.info.dtype

    @property
    def largest(self) -> int | None:
        """Grey value of clipped pixels, the largest of a type of whole numbers; None of others."""
        return int(np.iinfo(self.dtype).max) if self.dtype.kind in "iu" else None

    def rows(self, first: int, stop: int, frames: slice | np.ndarray = slice(None), projection: int = 0) -> np.ndarray:
        """Some rows of the frames of a projection, (K, stop - first, W), in the type of the file, not to be written to.

        Parameters
        ----------
        first, stop : the first row, and the first that is not wanted any more
        frames : which of them, by default all
        projection : its number

        Raises
        ------
        UserError, RunError : they cannot be read
        """
        begin = projection * self.frames
        if self.volume is not None:
            return self.volume[begin : begin + self.frames][frames, first:stop]
        if self._decoded is None or self._decoded[0] != projection:
            self._decoded = None  # first: its memory is for the next
            self._decoded = projection, read_planes(self.info, begin, begin + self.frames)
        return self._decoded[1][frames, first:stop]

    @cached_property
    def rough_greys(self) -> tuple[float, float]:
        """Mean grey value of some rows of the first projection, and mean absolute difference between pixels beside each
        other, without clipped ones; the same whoever asks; 0 and 0 where there is none."""
        total, count, differences, pairs = 0.0, 0, 0.0, 0
        for row in range(0, self.height, -(-self.height // SAMPLED)):
            values = self.rows(row, row + 1).astype(np.float64)
            values = values[np.isfinite(values) & (values != self.largest)]
            total, count = total + float(values.sum()), count + values.size
            differences, pairs = differences + float(np.abs(np.diff(values)).sum()), pairs + max(values.size - 1, 0)
        return total / max(count, 1), differences / max(pairs, 1)


def frames_of(info: VolumeInfo) -> int:
    """Frames of a projection; of a stack that is no scan, all of them."""
    return info.frames or info.shape[0]


def open_stack(info: VolumeInfo, team: "Team | None" = None) -> Stack:
    """Open the frames of a stack. All ranks call this together.

    Parameters
    ----------
    info : from `describe`
    team : the ranks of this run; None when there is one process

    Raises
    ------
    UserError, RunError : a rank cannot read its part: the same sentence on all ranks
    """
    one_at_a_time = info.offset is None and frames_of(info) < info.shape[0]
    return Stack(info, None if one_at_a_time else open_volume(info, team))


def check_stacks(a: VolumeInfo, b: VolumeInfo) -> None:
    """Check that the frames of two stacks can be compared one by one.

    Raises
    ------
    UserError : their numbers, or their sizes, differ
    """
    for what, first, second in (
        ("size (YX)", a.shape[1:], b.shape[1:]),
        ("number of frames", frames_of(a), frames_of(b)),
    ):
        if first != second:
            shown = (" x ".join(map(str, size)) if isinstance(size, tuple) else size for size in (first, second))
            raise UserError(f"the stacks differ in {what}: {a.spec} has {next(shown)}, {b.spec} has {next(shown)}")
