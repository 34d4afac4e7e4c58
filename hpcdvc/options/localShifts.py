"""Options of hpcdvc-localShifts."""

from dataclasses import dataclass
from typing import ClassVar

from hpcdvc.errors import UserError
from hpcdvc.options.common import Reported, RunControl
from hpcdvc.options.declare import OptionSet, option, option_group
from hpcdvc.options.needless import NeedlessLazyLoad
from hpcdvc.options.roi import RoiOfPixels
from hpcdvc.options.stacks import Bands, DenseOutput, Peak, PeakSize, ShiftRange, ShiftWindow, StackMask, StackPair

DESCRIPTION = (
    "Measure where the window about each pixel of an image, or of a stack of images, has gone: by the best correlation "
    "of all displacements in a range, to a fraction of a pixel."
)


@option_group
class Comparison(OptionSet):
    """How windows are compared."""

    group: ClassVar[str] = "search"

    template: str = option(
        "im1", "-template", "--template", choices=("im1", "im2"),
        help="image from which the windows come, and on whose pixels the result stands",
    )  # fmt: skip
    dim: int = option(
        2, "-dim", "--dim", choices=(1, 2),
        help="2: windows and displacements in both axes; 1: two searches, of parts of rows along x, of columns along y",
    )  # fmt: skip
    norm: str = option(
        "none", "-norm", "--normalisation", choices=("none", "rowcol", "global"),
        help="rowcol: each frame is divided by the sums of its columns and rows first; global: each stack is brought "
        "to mean 0 and standard deviation 1",
    )  # fmt: skip
    least_score: float | None = option(
        None, "-ccmin", "--cc-minimum", at_least=-1, at_most=1,
        help="lowest correlation that counts as a match (else status -9)",
    )  # fmt: skip


@dataclass(kw_only=True)
class Options(
    StackPair, ShiftWindow, RoiOfPixels, ShiftRange, Comparison, PeakSize, Peak, StackMask, DenseOutput, Reported,
    RunControl, Bands, NeedlessLazyLoad,
):  # fmt: skip
    """Options of hpcdvc-localShifts."""

    def check(self) -> None:
        if self.dim == 1 and self.peak_method in ("gn", "gnaffine"):
            raise UserError(f"-dim 1 searches rows and columns: -pm {self.peak_method} needs windows, -dim 2")
