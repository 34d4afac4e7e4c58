"""What the page of hpcdvc-mmr-graphical is in: the motion, the box, and what was picked in the joint histogram."""

from dataclasses import dataclass, field, replace

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.multimodal.components import MOST_PHASES
from hpcdvc.multimodal.settings import AUTO, BRIGHTEST
from hpcdvc.pages.ereg_state import EregState, Outcome

#: Bins of the joint histogram that can be chosen.
BINS = (64, 96, 128, 192, 256)
#: Least side of the box, voxels, where the image has as many; least reach of a peak, bins.
SMALLEST, CLOSEST = 8, 1.0

Peak = tuple[float, float, float]
Box = tuple[tuple[int, int], ...]
Ranges = tuple[tuple[float | None, float | None], ...]


@dataclass(frozen=True)
class Picked:
    """What the joint histogram is made of, and taken apart into.

    Attributes
    ----------
    box : (first, last + 1) voxel of im1 that counts, along Z, Y and X
    bins : of each axis
    ranges : lowest and highest grey value of im1 and of im2; None: that of the middle of the image
    thresholds : bins of im1 and im2 below which no peak is found by itself
    n_phases : peaks that are found by themselves, or "auto"
    peaks : bin of im1, bin of im2, reach in bins, of each peak; None: they are found
    coverage : part of the voxels that the phase diagram gives to a phase
    """

    box: Box
    bins: int = 128
    ranges: Ranges = ((None, None), (None, None))
    thresholds: tuple[float, float] = (0.0, 0.0)
    n_phases: int | str = AUTO
    peaks: tuple[Peak, ...] | None = None
    coverage: float = 1.0


@dataclass
class MmrState(EregState):
    """The state of the page; undo takes back what was picked as well.

    Attributes
    ----------
    picked : see there
    found : what the registration has found, JSON-able; None before it
    """

    picked: Picked = field(default_factory=lambda: Picked(()))
    found: dict | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.picked.box:
            self.picked = replace(self.picked, box=whole_box(self.shape))

    def pick(self, stroke: str | None = None, **changes: object) -> None:
        """Change what is picked; it can be taken back."""
        picked = replace(self.picked, **changes)
        if picked != self.picked:
            self._remember(stroke)
            self.picked = picked

    def set_box(self, box: list, stroke: str | None = None) -> None:
        """Take another box, moved and shortened so that it lies in im1."""
        self.pick(stroke, box=inside_box(box, self.shape))

    def set_bins(self, bins: int) -> None:
        """Other bins; peaks and thresholds stay at their grey values."""
        scale = (bins - 1) / (self.picked.bins - 1)
        peaks = self.picked.peaks and tuple(tuple(value * scale for value in peak) for peak in self.picked.peaks)
        self.pick(bins=bins, peaks=peaks, thresholds=tuple(value * scale for value in self.picked.thresholds))

    def set_peaks(self, peaks: list[Peak], stroke: str | None = None) -> None:
        """Other peaks, in the bins that there are.

        Raises
        ------
        UserError
            None, or too many.
        """
        if not 1 <= len(peaks) <= MOST_PHASES:
            raise UserError(f"{len(peaks)} peaks: there are 1 to {MOST_PHASES}")
        last = self.picked.bins - 1
        kept = [(*np.clip(at, 0, last).tolist(), float(np.clip(reach, CLOSEST, last + 1))) for *at, reach in peaks]
        self.pick(stroke, peaks=tuple(kept))

    # what undo keeps

    def _now(self) -> tuple:
        return self.phi, self.outcome, self.picked

    def _take(self, phi: list, outcome: Outcome, picked: Picked | None = None) -> None:
        super()._take(phi, outcome)
        self.picked = picked or self.picked


def whole_box(shape: tuple[int, int, int], part: float = 0.0) -> Box:
    """The box of an image, without a part of each side at either end."""
    return tuple((int(part * n), n - int(part * n)) if n > 1 else (0, 1) for n in shape)


def inside_box(box: list, shape: tuple[int, int, int]) -> Box:
    """The nearest box in an image."""
    found = []
    for (first, stop), n in zip(box, shape, strict=True):
        least = min(SMALLEST, n)
        first = min(max(round(first), 0), n - least)
        found.append((first, min(max(round(stop), first + least), n)))
    return tuple(found)


def ranges_of(given: object) -> Ranges:
    """Lowest and highest grey value of im1 and of im2, each may be None, as a browser or a file says them.

    Raises
    ------
    UserError
        They are none.
    """
    match given:
        case [[low1, high1], [low2, high2]]:
            found = (low1, high1), (low2, high2)
            plain = [v for pair in found for v in pair if v is not None]
            numbers = all(isinstance(v, int | float) and not isinstance(v, bool) and abs(v) <= BRIGHTEST for v in plain)
            if numbers and all(None in pair or pair[0] < pair[1] for pair in found):
                return tuple(tuple(None if v is None else float(v) for v in pair) for pair in found)
    raise UserError("grey values: lowest and highest of im1 and of im2, the lowest less than the highest")


def count_of(given: object) -> int | str:
    """A number of phases, or "auto".

    Raises
    ------
    UserError
        It is none.
    """
    if given == AUTO or (isinstance(given, int) and not isinstance(given, bool) and 1 <= given <= MOST_PHASES):
        return given
    raise UserError(f"phases: 1 to {MOST_PHASES}, or {AUTO}")
