"""The part of the whole volume that a command is asked for: one option, with what it means where."""

from typing import ClassVar

from hpcdvc.errors import UserError
from hpcdvc.options.declare import OptionSet, option, option_group
from hpcdvc.options.values import LONGEST

SIX = tuple[int, int, int, int, int, int]
#: Begins what the option says everywhere.
BOX = "the first voxel along each axis and the one behind the last, six numbers (of 2-D images Z is 0 1)"


@option_group
class Roi(OptionSet):
    """Region of interest."""

    group: ClassVar[str] = "region"

    roi: SIX | None = option(
        None, "--roi", metavar="Z0 Z1 Y0 Y1 X0 X1", at_least=-LONGEST, at_most=LONGEST, unit="voxel",
        help=f"only voxels of im1 in this box count: {BOX}",
    )  # fmt: skip

    def check(self) -> None:
        for axis, low, high in zip("ZYX", *(self.roi[k::2] for k in (0, 1)), strict=True) if self.roi else ():
            if not low < high:
                raise UserError(f"--roi ends at {axis} = {high}, which is not beyond its beginning, {low}")


def _meaning(text: str) -> dict[str, dict[str, str]]:
    return {"roi": {"help": f"{text}: {BOX}"}}


@option_group
class RoiOfNodes(Roi):
    """Nodes of a grid."""

    differently = _meaning("only the nodes of the grid of the whole image that lie in this box")


@option_group
class RoiOfPoints(Roi):
    """Nodes of a grid, or particles."""

    differently = _meaning(
        "only the nodes of the grid of the whole image, other points, or particles by their centres of mass, that lie "
        "in this box"
    )


@option_group
class RoiOfLabels(Roi):
    """Particles."""

    differently = _meaning("only the particles whose centre of mass lies in this box")


@option_group
class RoiOfPixels(Roi):
    """Pixels or nodes of a dense measurement."""

    differently = _meaning("only the pixels, or nodes of the grid of the whole image, that lie in this box")


@option_group
class RoiOfOutput(Roi):
    """What is written of an image."""

    group: ClassVar[str] = "output"
    differently = _meaning("write only this box of the image")
