"""Options of what makes masks and labels of grey values."""

import math
from typing import ClassVar

from hpcdvc.errors import UserError
from hpcdvc.options.common import Slices
from hpcdvc.options.declare import OptionSet, option, option_group
from hpcdvc.options.roi import BOX, Roi


@option_group
class GreyImage(Slices, Roi):
    """The image, and the part of it that counts."""

    group: ClassVar[str] = "images"
    differently = {"roi": {"help": f"only this box of the image counts, and what is written is 0 outside: {BOX}"}}

    im: str = option(
        metavar="im", reads="volume", help="image: TIFF, folder of slices, file.h5:/dataset, .nii, .raw ..."
    )


@option_group
class BrightVoxels(OptionSet):
    """Which voxels are bright."""

    group: ClassVar[str] = "threshold"

    threshold: tuple[float, ...] | None = option(
        None,
        "-thr",
        "--threshold",
        metavar="LOW [HIGH]",
        at_least=-math.inf,
        at_most=math.inf,
        help="take the voxels above LOW (and below HIGH); default the threshold of Otsu, and all above it",
    )

    def check(self) -> None:
        if self.threshold is None:
            return
        if len(self.threshold) > 2:
            raise UserError(f"-thr takes one or two numbers, not {len(self.threshold)}")
        if len(self.threshold) == 2 and not self.threshold[0] < self.threshold[1]:
            low, high = self.threshold
            raise UserError(f"-thr {low:g} {high:g}: no grey value is above {low:g} and below {high:g}")

    @property
    def limits(self) -> tuple[float, float | None] | None:
        """Above which grey value and below which, None: any; None where Otsu is to find it."""
        return None if self.threshold is None else (*self.threshold, None)[:2]
