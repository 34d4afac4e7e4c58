"""Options of hpcdvc-ereg."""

from dataclasses import dataclass

from hpcdvc.errors import UserError
from hpcdvc.options.common import ImagePair, Mask, Messages, PhiFile, Place, Processes
from hpcdvc.options.declare import OptionSet, one_of, option, option_group
from hpcdvc.options.pages import Served

DESCRIPTION = (
    "Bring two images together by eye, in a browser: the start of a registration. The page is served by this command; "
    "through ssh it is looked at from afar."
)


@option_group
class Start(PhiFile):
    """Where the page starts."""

    group = "start"

    start: str | None = option(
        None,
        nargs="?",
        metavar="[phi.tsv]",
        reads="table",
        group="images",
        help="a registration to start from, as -pf",
    )
    auto: bool = option(False, "--auto", help="find the start as --auto of hpcdvc-reg does")

    def check(self) -> None:
        one_of(self, "start", "phi_file")
        if self.auto and self.start_file:
            raise UserError("give only one of --auto and -pf")

    @property
    def start_file(self) -> str | None:
        """The file that it starts from."""
        return self.start or self.phi_file


@option_group
class Shown(OptionSet):
    """What is shown, and whether."""

    group = "page"

    bin: str = option(
        "auto",
        "-bin",
        "--bin",
        "--binning",
        metavar="auto|N",
        help="binning of what is shown; auto: at most 512 voxels along an axis",
    )
    batch: bool = option(False, "--batch", help="no page: write the start at once")

    def check(self) -> None:
        if self.bin != "auto" and not (self.bin.isascii() and self.bin.isdigit() and 1 <= int(self.bin) <= 4096):
            raise UserError(f"--bin takes auto or a whole number from 1 to 4096, not {self.bin}")


@dataclass(kw_only=True)
class Options(ImagePair, Mask, Start, Shown, Place, Served, Processes, Messages):
    """Options of hpcdvc-ereg."""

    deformed: bool = option(
        False, "-def", "--save-deformed-image1", group="output", help="at the end write im1 deformed by Phi as well"
    )
    force: bool = option(
        False, "--force", group="output", help="begin anew where an earlier session has left its files"
    )
