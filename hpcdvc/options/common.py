"""Options that many commands share, as dataclasses that a command combines by inheritance."""

import os
from typing import Any, ClassVar

from hpcdvc.errors import UserError, quoted
from hpcdvc.options.declare import REQUIRED, OptionSet, option, option_group
from hpcdvc.options.raw import Raw
from hpcdvc.options.voxel_size import InUnits

ZYX = tuple[int, int, int]
#: Parts of an F that may be taken of it.
PARTS = ("all", "rigid", "no")


def ratio_option(*flags: str, help: str) -> Any:
    """Declare a factor on positions and displacements, of which each has its own flags and help."""
    return option(1.0, *flags, above=0, at_most=1024, help=help)


@option_group
class Slices(Raw):
    """How folders of slices and raw files are read."""

    group: ClassVar[str] = "images"

    every_slice: bool = option(
        False,
        "--every-slice",
        in_key=False,
        help="folders of slices: take all that are there, in the order of their names, also where numbers are missing "
        "or there is more than one series",
    )


@option_group
class ImagePair(Slices):
    """Reference and deformed image."""

    group: ClassVar[str] = "images"

    im1: str = option(
        REQUIRED, reads="volume", help="reference image: TIFF, folder of slices, file.h5:/dataset, .nii, .raw ..."
    )
    im2: str = option(REQUIRED, reads="volume", help="deformed image")


@option_group
class Images(Slices):
    """Images in order."""

    group: ClassVar[str] = "images"

    images: tuple[str, ...] = option(
        REQUIRED,
        metavar="im1 im2 [im3 ...]",
        reads="volume",
        help="images in order, the first is the reference: TIFF, folder of slices, file.h5:/dataset, .nii, .raw ...",
    )
    series_incremental: bool = option(
        False,
        "-sei",
        "--series-incremental",
        in_key=False,
        help="measure each image against the one before, not against the first",
    )

    def pairs(self, images: tuple) -> list[tuple]:
        """(reference, deformed) of every step, of the images or of what is known of each of them."""
        first = images[:-1] if self.series_incremental else images[:1] * (len(images) - 1)
        return list(zip(first, images[1:], strict=True))


@option_group
class ImageSeries(Images):
    """Reference image and one or more deformed ones."""

    def check(self) -> None:
        if len(self.images) < 2:
            raise UserError(f"at least two images are needed, only {quoted(self.images[0])} is given")


@option_group
class Mask(OptionSet):
    """A mask of im1."""

    mask1: str | None = option(
        None,
        "-mf1",
        "--maskFile1",
        metavar="FILE",
        reads="volume",
        help="mask of im1: where it is 0, voxels are left out",
    )


@option_group
class Mask2(OptionSet):
    """A mask of im2."""

    mask2: str | None = option(
        None,
        "-mf2",
        "--maskFile2",
        metavar="FILE",
        reads="volume",
        help="mask of im2: where it is 0, voxels are left out, of a deformed image they are 0",
    )


@option_group
class PhiTable(OptionSet):
    """A file of deformation functions."""

    phi_file: str | None = option(
        None,
        "-pf",
        "-phiFile",
        metavar="FILE",
        reads="table",
        help="a registration (one row) or a field of nodes (.tsv or .hdf); as a start it must be on the same nodes",
    )


@option_group
class PhiBinning(OptionSet):
    """How its voxels and those of the images compare."""

    phi_file_bin_ratio: float = ratio_option(
        "-pfb", "--phiFile-bin-ratio",
        help="factor on the positions and displacements of -pf, e.g. 2 when it was measured on images binned by 2",
    )  # fmt: skip


@option_group
class PhiFile(PhiTable, PhiBinning):
    """A file of deformation functions, to start from or to apply."""

    group: ClassVar[str] = "start"


@option_group
class PartOfF(OptionSet):
    """What is used of a deformation function."""

    apply_f: str = option(
        "all", "-F", "--apply-F", choices=PARTS,
        help="part of the F of a registration to start from; its displacement at each node is always exact",
    )  # fmt: skip


@option_group
class StartField(PhiFile, PartOfF):
    """Where the measurement starts from."""


@option_group
class Place(OptionSet):
    """Where files are written."""

    group: ClassVar[str] = "output"

    out_dir: str | None = option(
        None, "-od", "--out-dir", metavar="DIR", in_key=False, help="folder, made if needed; default that of im1"
    )
    prefix: str | None = option(
        None, "-pre", "--prefix", in_key=False, help="beginning of the file names, instead of the names of the images"
    )

    def check(self) -> None:
        if self.prefix is not None and (not self.prefix or "/" in self.prefix):
            raise UserError(
                f"-pre must be the beginning of a file name, not {quoted(self.prefix)}; folders go into -od"
            )


@option_group
class PointViews(InUnits):
    """What is written beside the HDF5 file of a field, wherever its points are."""

    group: ClassVar[str] = "output"

    vtk: bool = option(False, "-vtk", "--VTKout", in_key=False, help="write a legacy .vtk file as well")
    tsv: bool = option(
        True, "-notsv", "-noTSV", "--noTSV", "--noTSVout", in_key=False, help="write no .tsv table, only the .hdf file"
    )


@option_group
class Views(PointViews):
    """What is written of a field on a grid, too."""

    tif: bool = option(
        False, "-tif", "-tiff", "--TIFFout", "--TIFout", in_key=False, help="write a .tif image of each field as well"
    )


@option_group
class ImageFormat(InUnits):
    """How an image is written."""

    group: ClassVar[str] = "output"

    format: str = option("tif", "--format", choices=("tif", "hdf"), help="TIFF, or HDF5 that ParaView opens by itself")

    def check(self) -> None:
        if self.voxel_size and self.format != "hdf":
            raise UserError("--voxel-size is for --format hdf: a TIFF file is in voxels")


@option_group
class Output(Place, Views):
    """Which files are written, and where."""


@option_group
class Reported(OptionSet):
    """Whether a report is written of what was measured."""

    group: ClassVar[str] = "output"

    report: bool = option(
        False,
        "--report",
        in_key=False,
        help="write a report, an HTML page, beside each result as well; HPCDVC_REPORT=1 in the environment always does",
    )
    no_report: bool = option(False, "--no-report", in_key=False, help="write none, whatever HPCDVC_REPORT says")

    def check(self) -> None:
        if self.report and self.no_report:
            raise UserError("give only one of --report and --no-report")

    @property
    def with_report(self) -> bool:
        """Whether there is to be one."""
        return self.report or (not self.no_report and os.environ.get("HPCDVC_REPORT", "") not in ("", "0"))


@option_group
class Messages(OptionSet):
    """How much is said."""

    group: ClassVar[str] = "run"

    quiet: bool = option(False, "-q", "--quiet", in_key=False, help="only warnings and errors")
    verbose: bool = option(False, "-v", "--verbose", in_key=False, help="more messages")

    def check(self) -> None:
        if self.quiet and self.verbose:
            raise UserError("give only one of -q and -v")


@option_group
class Processes(OptionSet):
    """How many processes, when no launcher says so."""

    group: ClassVar[str] = "run"

    processes: int | None = option(
        None,
        "-np",
        "--number-of-processes",
        at_least=1,
        at_most=4096,
        in_key=False,
        help="processes on this machine, without mpirun; default 1",
    )


@option_group
class RunControl(Processes, Messages):
    """Processes, restart and what to do with files that exist."""

    group: ClassVar[str] = "run"

    resume: bool = option(False, "--resume", in_key=False, help="go on with an unfinished run")
    force: bool = option(False, "--force", in_key=False, help="overwrite the result of an earlier run")
    dry_run: bool = option(
        False, "--dry-run", in_key=False, help="say how many points, how much memory and time it takes, then leave"
    )
    checkpoint_interval: float = option(
        10.0, "--checkpoint-interval", above=0, at_most=86400, unit="s", in_key=False,
        help="most work that a crash can cost",
    )  # fmt: skip
