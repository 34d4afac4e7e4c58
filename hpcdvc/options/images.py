"""Options of the registration of whole images."""

from typing import ClassVar

from hpcdvc.errors import UserError
from hpcdvc.options.common import ZYX, Mask, PhiFile, Place
from hpcdvc.options.declare import OptionSet, one_of, option, option_group
from hpcdvc.options.roi import Roi
from hpcdvc.options.values import LONGEST
from hpcdvc.options.voxel_size import InUnits


@option_group
class Start(PhiFile):
    """Where the registration starts."""

    auto: bool = option(
        False,
        "--auto",
        group="start",
        help="find the start: rotations to about 45 degrees and displacements to a quarter of the image",
    )
    binning_begin: int | None = option(
        None, "-bb", "--binning-begin", at_least=1, at_most=4096, group="start",
        help="binning to begin with, a power of two; default 4, or what the image allows",
    )  # fmt: skip
    binning_end: int = option(
        1, "-be", "--binning-end", at_least=1, at_most=4096, group="start",
        help="binning to end with; 1 is the image itself",
    )  # fmt: skip

    def check(self) -> None:
        if self.auto and self.phi_file:
            raise UserError("give only one of --auto and -pf")


@option_group
class Margin(OptionSet):
    """Voxels at the border of im1 that do not count, and where Phi is given."""

    margin: float | None = option(
        None, "-m", "-mar", "--margin", at_least=0, at_most=LONGEST, unit="voxel",
        help="margin of im1 that is left out, room for movement; default a tenth of the smallest side",
    )  # fmt: skip
    margin3: ZYX | None = option(
        None, "-m3", "-mar3", "--margin3", at_least=0, at_most=LONGEST, unit="voxel", help="the same, one for each axis"
    )
    return_mask_centre: bool = option(
        False, "-rmc", "--returnPhiMaskCentre", help="give Phi at the middle of what -mf1 and --roi leave, not of im1"
    )

    def check(self) -> None:
        one_of(self, "margin", "margin3")


@option_group
class Selection(Mask, Roi, Margin):
    """Which voxels of im1 count."""

    group: ClassVar[str] = "selection of voxels"


@option_group
class Files(Place, InUnits):
    """What is written beside the result."""

    deformed: bool = option(
        False, "-def", "--save-deformed-image1", in_key=False, group="output", help="write im1 deformed by Phi as well"
    )
    graph: bool = option(
        False, "-g", "--graph", in_key=False, group="output", help="draw the iterations into a PNG beside the result"
    )
    journal: bool = option(
        False, "-j", "--journal", in_key=False, group="output", help="write all iterations into a .npy file as well"
    )
