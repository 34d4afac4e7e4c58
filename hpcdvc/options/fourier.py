"""Options of hpcdvc-fourier."""

from dataclasses import dataclass
from typing import Any, ClassVar

from hpcdvc.errors import UserError
from hpcdvc.options.common import Place, RunControl, Slices
from hpcdvc.options.declare import REQUIRED, OptionSet, declarations, option, option_group
from hpcdvc.options.values import LONGEST, listed
from hpcdvc.options.voxel_size import InUnits

DESCRIPTION = "Shift, zoom, resample, bin, smooth or correlate images, right to the last digit between the pixels."

#: Options of each operation, those first that must be given.
USES = {
    "shift": ("by",),
    "zoom": ("finer", "out_shape", "offset", "at"),
    "upsample": ("finer",),
    "scale": ("spacing", "out_shape", "first"),
    "downsample": ("factor", "axis"),
    "smooth": ("width", "kernel", "boundary"),
    "convolve": ("other", "boundary"),
    "correlate2d": ("other", "boundary"),
}
#: How many of them must be.
NEEDED = {"scale": 2, "smooth": 0}


def numbers_option(*flags: str, help: str, **details: Any) -> Any:
    """Declare numbers along the axes, of those operations that take them."""
    return option(None, *flags, metavar="[Z] Y X", at_most=LONGEST, help=help, **details)


@option_group
class Operation(OptionSet):
    """What is done."""

    group: ClassVar[str] = "operation"

    operation: str = option(REQUIRED, metavar="operation", choices=tuple(USES), help=listed(USES, "or"))
    by: tuple[float, ...] | None = numbers_option(
        "-by", "--by", at_least=-LONGEST, unit="pixel", help="shift: how far the content is moved along each axis"
    )
    finer: tuple[float, ...] | None = numbers_option(
        "-us", "--upsample-factor", above=0, help="zoom, upsample: places for one pixel, for all axes or each"
    )
    spacing: tuple[float, ...] | None = numbers_option(
        "-spacing",
        "--spacing",
        at_least=-LONGEST,
        unit="pixel",
        help="scale: from place to place, for all axes or each",
    )
    out_shape: tuple[int, ...] | None = numbers_option(
        "-shape", "--shape", at_least=1, help="zoom, scale: number of places along each axis; of zoom that of pixels"
    )
    first: tuple[float, ...] | None = numbers_option(
        "-first", "--first", at_least=-LONGEST, unit="pixel", help="scale: the first place; default 0"
    )
    offset: tuple[float, ...] | None = numbers_option(
        "-offset",
        "--offset",
        at_least=-LONGEST,
        unit="pixel",
        help="zoom: middle of the places, from that of the image",
    )
    at: tuple[float, ...] | None = numbers_option(
        "-at", "--at", at_least=-LONGEST, unit="pixel", help="zoom: middle of the places, from the first pixel"
    )
    factor: tuple[int, ...] | None = numbers_option(
        "-factor", "--factor", at_least=1, help="downsample: pixels of a block, for all axes or each"
    )
    axis: tuple[int, ...] | None = option(
        None, "-axis", "--axis", at_least=-3, at_most=2, metavar="N", help="downsample: along these axes only, from 0"
    )
    width: float = option(
        3.0, "-width", "--width", above=0, at_most=LONGEST, unit="pixel",
        help="smooth: standard deviation of a gaussian, side of a boxcar, radius of a tophat, of the top of a "
        "trapezoid, of the first dark ring of an airy pattern",
    )  # fmt: skip
    kernel: str = option(
        "gaussian", "-kernel", "--kernel", choices=("gaussian", "boxcar", "tophat", "trapezoid", "airy"),
        help="smooth: weights of the pixels around a pixel",
    )  # fmt: skip
    other: str | None = option(
        None, "-with", "--with", metavar="FILE", reads="volume",
        help="convolve: the kernel; correlate2d: the second image, of the shape of the others",
    )  # fmt: skip
    boundary: str | None = option(
        None, "-boundary", "--boundary", choices=("wrap", "fill", "ignore"),
        help="smooth, convolve, correlate2d: outside is the other side, nothing, or not known (not of correlate2d); "
        "default of smooth ignore, of convolve fill, of correlate2d wrap",
    )  # fmt: skip

    def check(self) -> None:
        takes, own = USES[self.operation], {name for names in USES.values() for name in names}
        declared = {d.name: d for d in declarations(type(self)) if d.name in own}
        for name, option_ in declared.items():
            if name not in takes and getattr(self, name) != option_.default:
                words = listed([declared[other].label for other in takes], "and")
                raise UserError(f"{option_.label} is not for {self.operation}, which takes {words}")
        for name in takes[: NEEDED.get(self.operation, 1)]:
            if getattr(self, name) is None:
                raise UserError(f"{declared[name].label} is missing: {self.operation} needs it")
        if self.offset is not None and self.at is not None:
            raise UserError("give only one of -offset and -at")
        if 0 in (self.spacing or ()):
            raise UserError("-spacing must not be 0: all places would be one")


@option_group
class Images(Slices):
    """What it is done with."""

    group: ClassVar[str] = "images"

    images: tuple[str, ...] = option(
        REQUIRED,
        metavar="im1 [im2 ...]",
        reads="volume",
        help="images, which make one stack, or volumes, each by itself: TIFF, folder of slices, file.h5:/dataset, .npy",
    )
    stack: bool = option(False, "-stack", "--stack", help="every plane of a volume is an image of its own")


@option_group
class Files(Place, InUnits):
    """What is written."""

    group: ClassVar[str] = "output"

    tif: bool = option(False, "-tif", "-tiff", "--TIFFout", "--TIFout", in_key=False, help="write a .tif file as well")


@option_group
class NeedlessTables(OptionSet):
    """Accepted, not needed."""

    group: ClassVar[str] = "accepted, without effect"

    tsv: bool = option(
        True, "-notsv", "-noTSV", "--noTSV", "--noTSVout", in_key=False, help="not needed: an image is no table"
    )


@dataclass(kw_only=True)
class Options(Operation, Images, Files, RunControl, NeedlessTables):
    """Options of hpcdvc-fourier."""
