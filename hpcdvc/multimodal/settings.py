"""What a registration across modalities is told; a phase is a Gaussian in the joint histogram of the two images."""

from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.multimodal.components import MOST_PHASES
from hpcdvc.registration.settings import Iterations

if TYPE_CHECKING:
    from hpcdvc.multimodal.phases_file import PhasesFile

#: Bins of each axis of the joint histogram.
BINS = (8, 1024)
#: Part of each side that may be left out.
MOST_LEFT_OUT = 0.45
#: Largest grey value: what float32 holds.
BRIGHTEST = 3e38
AUTO = "auto"
#: Voxels left out along Z, Y, X, at both ends alike or at the low and the high one.
Margin = tuple[int | tuple[int, int], ...]


def is_whole(value: object) -> bool:
    """Whether a value is a whole number."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def _are_counts(numbers: object) -> bool:
    if isinstance(numbers, str) or not np.iterable(numbers):
        return False
    return len(numbers) > 0 and all(is_whole(number) and 1 <= number <= MOST_PHASES for number in numbers)


@dataclass(frozen=True)
class ModalSettings:
    """How images of two modalities are registered.

    Attributes
    ----------
    n_phases : phases of each level, coarse first, or one number for all; "auto": as many as BIC finds
    bins : of each axis of the joint histogram
    crop : part of each side left out on either end where the range of grey values is found, and of im1 that counts
    margin : part of each side of im1 left out on either end, room for movement, the larger of it and crop counts; or
        voxels (ZYX) of the images, of both ends of a side or of each (low, high)
    ranges : lowest and highest grey value of im1 and of im2; None: that of the central crop
    thresholds : bins of im1 and of im2 below which no phase is looked for
    distance : least distance between the peaks of two phases, bins; None: bins / 25
    fit_distance : how far from its peak a phase is fitted at first, bins; None: bins / 2
    coverage : part of the voxels that the phase diagram gives to a phase
    iterations : most of a level, the change of Phi at which they end, rigid or not
    phases : read from a file: they are used as they are
    names : of the images, for messages

    Raises
    ------
    UserError
        A value that makes no sense.
    """

    n_phases: tuple[int, ...] | str = (2,)
    bins: int = 128
    crop: float = 0.1
    margin: float | Margin = 0.1
    ranges: tuple[tuple[float | None, float | None], ...] = ((None, None), (None, None))
    thresholds: tuple[int, int] = (0, 0)
    distance: float | None = None
    fit_distance: float | None = None
    coverage: float = 1.0
    max_iterations: int = 50
    min_delta_phi: float = 5e-4
    rigid: bool = False
    phases: "PhasesFile | None" = None
    names: tuple[str, str] = field(default=("im1", "im2"))

    def __post_init__(self) -> None:
        Iterations(self.max_iterations, self.min_delta_phi)
        if self.n_phases != AUTO and not _are_counts(self.n_phases):
            raise UserError(
                f"{self.n_phases!r} phases are not possible: 1 to {MOST_PHASES} for each level, or {AUTO!r}"
            )
        if not (is_whole(self.bins) and BINS[0] <= self.bins <= BINS[1]):
            raise UserError(f"a joint histogram of {self.bins} bins is not possible: {BINS[0]} to {BINS[1]}")
        for name in ("crop", "margin"):
            part = getattr(self, name)
            if not isinstance(part, tuple) and not 0 <= part <= MOST_LEFT_OUT:
                raise UserError(f"{name} must be 0 to {MOST_LEFT_OUT}, a part of each side, not {part}")
        if not np.iterable(self.ranges) or [np.shape(pair) for pair in self.ranges] != [(2,), (2,)]:
            raise UserError(f"ranges {self.ranges} are not the lowest and the highest grey value of im1 and of im2")
        for image, (low, high) in zip(self.names, self.ranges, strict=True):
            if None not in (low, high) and not low < high:
                raise UserError(f"the grey values of {image} from {low:g} to {high:g} are no range")
            if not all(grey is None or abs(grey) <= BRIGHTEST for grey in (low, high)):
                raise UserError(f"the grey values of {image} must be {-BRIGHTEST:g} to {BRIGHTEST:g}")
        if self.phases is None and not max(self.thresholds) < self.bins:
            raise UserError(f"a threshold of bin {max(self.thresholds)} leaves nothing of {self.bins} bins")
        for name in ("distance", "fit_distance"):
            if getattr(self, name) is not None and not getattr(self, name) > 0:
                raise UserError(f"{name} must be above 0, not {getattr(self, name)}")
        if not 0 < self.coverage <= 1:
            raise UserError(f"coverage must be above 0 and at most 1, not {self.coverage}")

    def replaying(self, phases: "PhasesFile", shape: tuple[int, int, int]) -> "ModalSettings":
        """With what a file of phases says; what it does not say stays.

        Parameters
        ----------
        phases : of the file
        shape : of im1

        Raises
        ------
        UserError
            Its box does not lie in im1.
        """
        ranges = phases.ranges and tuple((grey.low, grey.high) for grey in phases.ranges)
        return replace(
            self,
            bins=phases.bins,
            crop=phases.crop,
            margin=phases.margin(shape) or self.margin,
            ranges=ranges or self.ranges,
            thresholds=phases.thresholds,
            coverage=self.coverage if phases.coverage == 1 else phases.coverage,
            rigid=self.rigid or phases.rigid,
            phases=phases,
        )

    def phases_of(self, number: int, levels: int) -> int | str:
        """Phases of one of the levels, counted from the coarsest.

        Raises
        ------
        UserError
            There are not as many numbers as levels.
        """
        if self.n_phases == AUTO:
            return AUTO
        if len(self.n_phases) not in (1, levels):
            raise UserError(f"{len(self.n_phases)} numbers of phases for {levels} levels: one for each, or one for all")
        return self.n_phases[number if len(self.n_phases) > 1 else 0]

    def margin_of(self, shape: tuple[int, int, int], factor: int) -> Margin:
        """Voxels left out at each side of an image that is binned by a factor; none in z of a 2-D one."""
        if isinstance(self.margin, tuple):
            return tuple(
                0 if n == 1 else tuple(end // factor for end in m) if isinstance(m, tuple) else m // factor
                for n, m in zip(shape, self.margin, strict=True)
            )
        return tuple(0 if n == 1 else int(max(self.crop, self.margin) * n) for n in shape)
