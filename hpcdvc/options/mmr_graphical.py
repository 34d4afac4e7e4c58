"""Options of hpcdvc-mmr-graphical."""

from dataclasses import dataclass
from typing import ClassVar

from hpcdvc.errors import UserError
from hpcdvc.options.common import ImagePair, Mask, Messages, Place, Processes
from hpcdvc.options.declare import OptionSet, option, option_group
from hpcdvc.options.ereg import Shown, Start
from hpcdvc.options.mmr import AUTO, GreyValues, Phases, number_or_word
from hpcdvc.options.pages import Served

DESCRIPTION = (
    "Pick the phases of two images that show the same body by different means, in a browser: align, crop, joint "
    "histogram, phase diagram, registration. One file is kept, which hpcdvc-mmr --phases replays."
)
SIX = tuple[int, int, int, int, int, int]


@option_group
class Box(OptionSet):
    """Which part of im1 counts."""

    group: ClassVar[str] = "start"

    box: SIX | None = option(
        None, "-box", "--box", "--roi", metavar="Z0 Z1 Y0 Y1 X0 X1", at_least=0, at_most=2**31, unit="voxel",
        help="the part of im1 that counts, first voxel and last + 1 along each axis; default: a tenth of each side is "
        "left out, or what -cro says where that is more",
    )  # fmt: skip

    def check(self) -> None:
        for axis, first, stop in zip("ZYX", *(self.box[k::2] for k in (0, 1)), strict=True) if self.box else ():
            if not first < stop:
                raise UserError(f"-box ends at {axis} = {stop}, which is not beyond its beginning, {first}")


@dataclass(kw_only=True)
class Options(ImagePair, Mask, Start, Box, GreyValues, Phases, Shown, Place, Served, Processes, Messages):
    """Options of hpcdvc-mmr-graphical."""

    differently: ClassVar[dict[str, dict]] = {
        "auto": {"help": "find the start as --auto of hpcdvc-mmr does"},
        "phases_file": {"help": "phases, Phi and box to begin with, of hpcdvc-mmr or of this page (.json)"},
        "batch": {"help": "no page: find phases and write them at once"},
    }

    n_phases: tuple[int, ...] = option(
        (AUTO,), "-ph", "--phases-number", type=number_or_word, metavar="N|auto", group="phases",
        help="peaks that are found by themselves; auto: as many as the joint histogram tells apart (BIC)",
    )  # fmt: skip
    rigid: bool = option(False, "-rig", "--rigid", group="start", help="displacement and rotation only")
    force: bool = option(False, "--force", group="output", help="begin anew where an earlier session has left its file")

    def check(self) -> None:
        if len(self.n_phases) != 1:
            raise UserError(f"-ph has {len(self.n_phases)} numbers of phases: the page has one level")
        starts = (("--phases", self.phases_file), ("-pf", self.start_file), ("--auto", self.auto))
        given = [flag for flag, value in starts if value]
        if len(given) > 1:
            raise UserError(f"give only one of {' and '.join(given)}: each says where to start from")
        if self.phases_file and self.box:
            raise UserError("--phases says itself what -box would say: leave that out")
        for flag, threshold in (("-im1th", self.im1_threshold), ("-im2th", self.im2_threshold)):
            if threshold >= self.bins:
                raise UserError(f"{flag} {threshold} leaves no bin: the last of -jhb {self.bins} is {self.bins - 1}")
