"""Options of hpcdvc-label."""

from dataclasses import dataclass

from hpcdvc.options.common import ImageFormat, Place, RunControl
from hpcdvc.options.declare import OptionSet, option, option_group
from hpcdvc.options.segmentation import BrightVoxels, GreyImage
from hpcdvc.options.values import LONGEST

DESCRIPTION = (
    "Number the grains of an image, or of a mask: those that touch are told apart where their necks are narrow."
)


@option_group
class Grains(OptionSet):
    """What is a grain."""

    group = "grains"

    h_maxima: float = option(
        1.0,
        "--h-maxima",
        at_least=0,
        at_most=LONGEST,
        unit="voxel",
        help="two grains are one when the neck between them is less than this narrower, as a radius, than the smaller "
        "one: larger merges more, smaller splits more",
    )
    border: str = option("keep", "--border", choices=("keep", "drop"), help="grains that touch the border of the image")
    min_volume: int = option(
        1, "--min-volume", at_least=1, at_most=2**62, unit="voxel", help="leave out grains of fewer voxels"
    )


@dataclass(kw_only=True)
class Options(GreyImage, BrightVoxels, Grains, Place, ImageFormat, RunControl):
    """Options of hpcdvc-label."""
