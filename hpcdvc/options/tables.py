"""Options of commands that make fields of fields."""

from typing import ClassVar

from hpcdvc.errors import UserError
from hpcdvc.options.common import Output, PhiFile
from hpcdvc.options.declare import REQUIRED, OptionSet, option, option_group
from hpcdvc.options.values import LONGEST


@option_group
class TableFile(PhiFile):
    """The field that is taken."""

    group: ClassVar[str] = "field"
    differently = {"phi_file": {"default": REQUIRED, "help": "a registration or a field (.tsv or .hdf)"}}


@option_group
class TableOutput(Output):
    """Which files are written, and where."""

    differently = {
        "out_dir": {"help": "folder, made if needed; default that of the field"},
        "prefix": {"help": "beginning of the file names, instead of the name of the field"},
    }


@option_group
class Threshold(OptionSet):
    """Which rows are taken."""

    return_status_threshold: int | None = option(
        None,
        "-rst",
        "--return-status-threshold",
        at_least=-99,
        at_most=99,
        help="take the rows with at least this return status, not those that are measured",
    )


@option_group
class Neighbourhood(OptionSet):
    """Which rows around a point count."""

    group: ClassVar[str] = "neighbours"

    radius: float | None = option(
        None,
        "-nr",
        "--neighbourhood-radius",
        above=0,
        at_most=LONGEST,
        unit="voxel",
        help="take the rows within this distance of a point",
    )
    neighbours: int | None = option(
        None,
        "-nn",
        "--number-of-neighbours",
        at_least=1,
        at_most=1000,
        help="take so many rows, the nearest",
    )

    def check(self) -> None:
        if self.radius is not None and self.neighbours is not None:
            raise UserError("give only one of -nr and -nn")
