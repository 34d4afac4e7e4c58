"""Options of hpcdvc-convert."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from hpcdvc.errors import UserError
from hpcdvc.options.common import Messages, Processes
from hpcdvc.options.declare import REQUIRED, OptionSet, option, option_group
from hpcdvc.options.registration import NodeSpacing
from hpcdvc.options.voxel_size import InUnits

DESCRIPTION = "Write a result in another format; the ends of the names say which: .hdf, .tsv, .vtk, .tif."

#: Ends of the names of what is read and of what is written.
IMAGES = (".tif", ".tiff")
INPUTS = OUTPUTS = (".hdf", ".tsv", ".vtk", *IMAGES)


@option_group
class Files(OptionSet):
    """What is converted into what."""

    group: ClassVar[str] = "files"

    input: str = option(
        REQUIRED,
        metavar="INPUT",
        reads="table",
        help="a result of hpcdvc or spam: .hdf, .tsv, .vtk, or an image of its displacement, <name>-Xdisp.tif",
    )
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
        target = Path(self.output).suffix.lower()
        if target not in OUTPUTS:
            raise UserError(f"{self.output}: what is written ends in {', '.join(OUTPUTS)}")
        if self.program and target != ".tsv":
            raise UserError(f"--for {self.program} writes a table, and {self.output} does not end in .tsv")


@option_group
class OfImages(NodeSpacing):
    """The nodes that images have a voxel for."""

    group: ClassVar[str] = "files"
    differently = {"node_spacing": {"help": "distance between the nodes of images, which do not say it"}}


@dataclass(kw_only=True)
class Options(Files, OfImages, InUnits, Processes, Messages):
    """Options of hpcdvc-convert."""

    def check(self) -> None:
        if self.voxel_size and Path(self.output).suffix.lower() not in (".hdf", ".vtk"):
            raise UserError(f"--voxel-size is for .hdf and .vtk files, {self.output} is in voxels")
