"""Options of hpcdvc-deformImage."""

from dataclasses import dataclass

from hpcdvc.errors import UserError
from hpcdvc.options.common import ImageFormat, Mask2, Place, RunControl, Slices
from hpcdvc.options.declare import option, option_group
from hpcdvc.options.motion import MotionOptions
from hpcdvc.options.needless import NeedlessLazyLoad
from hpcdvc.options.roi import RoiOfOutput

DESCRIPTION = "Deform an image by a registration, a field or a mesh that was measured, and show what is left of im2."


@option_group
class Images(Slices, Mask2):
    """What is deformed, and what it is compared with."""

    group = "images"

    im1: str = option(reads="volume", help="image to deform: TIFF, folder of slices, file.h5:/dataset, .nii, .raw ...")
    residual: str | None = option(
        None, "--residual", metavar="im2", reads="volume", help="write im1(Phi) - im2 as well, and say how large it is"
    )
    criterion: str = option(
        "znssd",
        "-crit",
        "--criterion",
        choices=("znssd", "ssd"),
        help="--residual: znssd first brings mean and contrast of im1 to those of im2, ssd takes them as they are",
    )


@dataclass(kw_only=True)
class Options(Images, MotionOptions, RoiOfOutput, Place, ImageFormat, RunControl, NeedlessLazyLoad):
    """Options of hpcdvc-deformImage."""

    order: int = option(
        1,
        "-o",
        "--interpolation-order",
        choices=(0, 1, 3, 5),
        read_as={2: 3},
        group="deformation",
        help="0 nearest voxel (labels, masks), 1 trilinear, 3 cubic spline (o-MOMS), 5 quintic B-spline",
    )
    coverage: bool = option(
        False, "--coverage", group="output", help="write a mask as well, 1 where the deformed image has a value"
    )

    def check(self) -> None:
        if self.order == 0 and self.grey_for_strain:
            raise UserError("-cgs changes grey values, and -o 0 copies them")
