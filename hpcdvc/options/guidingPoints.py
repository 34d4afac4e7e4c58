"""Options of hpcdvc-guidingPoints."""

from dataclasses import dataclass

from hpcdvc.options.common import Mask, Place, RunControl, Slices
from hpcdvc.options.declare import OptionSet, option, option_group
from hpcdvc.options.needless import NeedlessLazyLoad
from hpcdvc.options.registration import HalfWindowOfFive, MaskCoverage
from hpcdvc.options.roi import BOX, Roi
from hpcdvc.options.values import LONGEST

DESCRIPTION = "Find the points of an image whose windows have the strongest texture along all axes, to be measured."


@option_group
class Image(Slices):
    """The image."""

    group = "images"

    im1: str = option(reads="volume", help="reference image: TIFF, folder of slices, file.h5:/dataset, .nii, .raw ...")


@option_group
class Selection(Mask, MaskCoverage, Roi):
    """Which voxels count, and how many must."""

    group = "selection of windows"
    differently = {"roi": {"help": f"only points in this box, chosen as if nothing else were there: {BOX}"}}


@option_group
class Choice(OptionSet):
    """Which of its points are wanted."""

    group = "points"

    count: int | None = option(
        None,
        "-n",
        "--number",
        at_least=1,
        at_most=2**31,
        help="so many points, the strongest; default all that are strong enough",
    )
    minimum_spacing: float | None = option(
        None,
        "-ms",
        "--minimum-spacing",
        above=0,
        at_most=LONGEST,
        unit="voxel",
        help="least distance between two points; default twice the half window",
    )
    least_strength: float = option(
        0.1,
        "-ls",
        "--least-strength",
        at_least=0,
        at_most=1,
        help="least strength, as a part of that which one of twenty places exceeds",
    )


@dataclass(kw_only=True)
class Options(Image, Choice, HalfWindowOfFive, Selection, Place, RunControl, NeedlessLazyLoad):
    """Options of hpcdvc-guidingPoints."""
