"""Options of hpcdvc-convert."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from hpcdvc.errors import UserError
from hpcdvc.options.common import Messages, Processes
from hpcdvc.options.declare import REQUIRED, OptionSet, option, option_group

DESCRIPTION = "Write a result in another format; the ends of the names say which: .hdf, .tsv, .vtk, .tif."

#: Ends of the names of what is read and of what is written.
INPUTS, OUTPUTS = (".hdf", ".tsv", ".vtk"), (".hdf", ".tsv", ".vtk", ".tif", ".tiff")


@option_group
class Files(OptionSet):
    """What is converted into what."""

    group: ClassVar[str] = "files"

    input: str = option(REQUIRED, metavar="INPUT", reads="table", help="a result of hpcdvc or spam: .hdf, .tsv or .vtk")
    output: str = option(
        REQUIRED,
        metavar="OUTPUT",
        in_key=False,
        help="the file to be written: .hdf, .tsv, .vtk; .tif: an image of each column, <OUTPUT>-<name>.tif",
    )
    program: str | None = option(
        None,
        "--for",
        choices=("spam",),
        help="write a table as spam has it: its statuses, of labels a row for each number and for the background",
    )
    force: bool = option(False, "--force", in_key=False, help="overwrite files that exist")

    def check(self) -> None:
        source, target = (Path(path).suffix.lower() for path in (self.input, self.output))
        if source in (".tif", ".tiff"):
            raise UserError(
                f"{self.input}: images do not say where their nodes are; convert the .hdf, .tsv or .vtk file"
            )
        if source not in INPUTS:
            raise UserError(f"{self.input}: what is read ends in {', '.join(INPUTS)}")
        if target not in OUTPUTS:
            raise UserError(f"{self.output}: what is written ends in {', '.join(OUTPUTS)}")
        if source == target == ".hdf":
            raise UserError(f"{self.input} and {self.output} are of one format: copy the file")
        if self.program and target != ".tsv":
            raise UserError(f"--for {self.program} writes a table, and {self.output} does not end in .tsv")


@dataclass(kw_only=True)
class Options(Files, Processes, Messages):
    """Options of hpcdvc-convert."""
