"""What the page of hpcdvc-mmr-graphical is in: the motion, the box, and what was picked in the joint histogram."""

from dataclasses import dataclass, field, replace

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.multimodal.components import MOST_PHASES
from hpcdvc.multimodal.settings import AUTO
from hpcdvc.pages.ereg_state import EregState, Outcome

#: Bins of the joint histogram that can be chosen.
BINS = (64, 96, 128, 192, 256)
#: Least side of the box, voxels, where the image has as many; least reach of a peak, bins.
SMALLEST, CLOSEST = 8, 1.0

Peak = tuple[float, float, float]
Box = tuple[tuple[int, int], ...]


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
    ranges: tuple[tuple[float | None, float | None], ...] = ((None, None), (None, None))
    thresholds: tuple[float, float] = (0, 0)
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
