"""Options of hpcdvc-mask."""

from dataclasses import dataclass

from hpcdvc.errors import UserError
from hpcdvc.options.common import ImageFormat, Place, RunControl
from hpcdvc.options.declare import OptionSet, option, option_group
from hpcdvc.options.segmentation import BrightVoxels, GreyImage
from hpcdvc.options.values import LONGEST

DESCRIPTION = "Make a mask of an image: what is bright, tidied up by balls, or a cylinder."

#: Radius of the largest ball, voxels.
LARGEST_BALL = 1000


@option_group
class CylinderMask(OptionSet):
    """A cylinder in the place of a threshold."""

    group = "cylinder"

    cylinder: tuple[float, ...] | None = option(
        None,
        "-cyl",
        "--cylinder",
        metavar="Y X R [Z0 Z1]|auto",
        unit="voxel",
        at_least=-LONGEST,
        at_most=LONGEST,
        or_word="auto",
        help="the mask is the cylinder along Z with this axis and radius, from plane Z0 to Z1 - 1; auto finds it about "
        "what is above the threshold",
    )

    def check(self) -> None:
        if self.cylinder is None or self.finds_cylinder:
            return
        if "auto" in self.cylinder or len(self.cylinder) not in (3, 5):
            raise UserError(f"-cyl takes Y X R, or Y X R Z0 Z1, or auto, not {' '.join(map(str, self.cylinder))}")
        if not self.cylinder[2] > 0:
            raise UserError(f"-cyl: a radius of {self.cylinder[2]:g} voxels holds nothing")
        z0, z1 = (*self.cylinder[3:], 0, 1)[:2]
        if z0 != int(z0) or z1 != int(z1):
            raise UserError(f"-cyl: planes are whole numbers, not {z0:g} and {z1:g}")
        if not 0 <= z0 < z1:
            raise UserError(f"-cyl: from plane {z0:g} to before {z1:g} there is none")

    @property
    def finds_cylinder(self) -> bool:
        """Whether the cylinder is to be found."""
        return self.cylinder == ("auto",)


@option_group
class Tidied(OptionSet):
    """What is done to the mask, in this order."""

    group = "afterwards, in this order"

    open: int | None = option(
        None, "--open", at_least=1, at_most=LARGEST_BALL, unit="voxel",
        help="remove what no ball of this radius fits into: specks, threads",
    )  # fmt: skip
    close: int | None = option(
        None, "--close", at_least=1, at_most=LARGEST_BALL, unit="voxel",
        help="add the gaps that no ball of this radius fits into",
    )  # fmt: skip
    largest: bool = option(False, "--largest", help="keep the largest part that is connected by faces of voxels")
    fill: bool = option(False, "--fill", help="fill the holes that do not reach the border of the image")
    erode: int | None = option(
        None, "--erode", at_least=1, at_most=LARGEST_BALL, unit="voxel",
        help="take away what is within this distance of the background; the border of the image is none",
    )  # fmt: skip


@dataclass(kw_only=True)
class Options(GreyImage, BrightVoxels, CylinderMask, Tidied, Place, ImageFormat, RunControl):
    """Options of hpcdvc-mask."""

    def check(self) -> None:
        if self.threshold is not None and self.cylinder is not None and not self.finds_cylinder:
            raise UserError("give only one of -thr and -cyl Y X R: either says what the mask is")
