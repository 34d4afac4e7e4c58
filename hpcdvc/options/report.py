"""Options of hpcdvc-report."""

from dataclasses import dataclass
from typing import ClassVar

from hpcdvc.errors import UserError
from hpcdvc.options.common import Messages, Processes
from hpcdvc.options.declare import REQUIRED, OptionSet, option, option_group

DESCRIPTION = (
    "Write one HTML page on a result: command line, versions, statuses, numbers, pictures. It needs no server."
)


@option_group
class Files(OptionSet):
    """What is shown, and where."""

    group: ClassVar[str] = "files"

    result: str = option(REQUIRED, metavar="RESULT", reads="table", help="a result of a measuring command, .hdf")
    output: str | None = option(
        None,
        "-o",
        "--output",
        metavar="FILE",
        in_key=False,
        help="the page, .html; its numbers go to the same name with .json; default <RESULT>-report.html",
    )
    force: bool = option(False, "--force", in_key=False, help="overwrite files that exist")

    def check(self) -> None:
        if self.output is not None and not self.output.endswith((".html", ".htm")):
            raise UserError(f"-o {self.output}: the name of a page ends in .html")


@dataclass(kw_only=True)
class Options(Files, Processes, Messages):
    """Options of hpcdvc-report."""
