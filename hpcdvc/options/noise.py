"""Options of hpcdvc-noise."""

from dataclasses import dataclass
from typing import ClassVar

from hpcdvc.errors import UserError, quoted
from hpcdvc.options.common import Place, RunControl, Slices
from hpcdvc.options.declare import REQUIRED, OptionSet, option, option_group
from hpcdvc.options.registration import (
    WIDEST,
    InterpolationOptions,
    IterationOptions,
    WindowSelection,
    WindowShape,
)
from hpcdvc.options.roi import BOX, Roi

DESCRIPTION = (
    "Measure random error and bias of the displacement against the size of the window, and recommend a window and a "
    "node spacing."
)


@option_group
class StillImages(Slices):
    """Two scans of a specimen at rest, or one scan."""

    group: ClassVar[str] = "images"

    images: tuple[str, ...] = option(
        REQUIRED,
        metavar="im1 [im2]",
        reads="volume",
        help="two scans of a specimen at rest; or one scan, which is measured against itself, resampled: TIFF, folder "
        "of slices, file.h5:/dataset, file.fits[1], .npy",
    )

    def check(self) -> None:
        if len(self.images) > 2:
            raise UserError(f"one image or two are taken, not {len(self.images)}")
        if len(set(self.images)) < len(self.images):
            raise UserError(
                f"{quoted(self.images[0])} is given twice: two scans are needed, or the one alone, for its resampling"
            )


@option_group
class Sizes(OptionSet):
    """The windows that are compared."""

    group: ClassVar[str] = "windows"

    half_window_sizes: tuple[int, ...] | None = option(
        None, "-hws", "--half-window-sizes", at_least=1, at_most=WIDEST, unit="voxel",
        help="half windows to compare, each of 2*hws+1 voxels; default those of 3 5 7 10 14 20 that fit",
    )  # fmt: skip
    windows: int = option(
        200, "-nw", "--number-of-windows", at_least=20, at_most=10**6,
        help="about how many windows of each size are measured, spread over the image, of two scans side by side; of "
        "one scan small windows are more",
    )  # fmt: skip
    wanted: float = option(
        0.01, "-want", "--wanted-noise", above=0, at_most=1, unit="voxel",
        help="random error, and bias, that the recommended window shall not exceed",
    )  # fmt: skip
    noise: float | None = option(
        None, "-noise", "--grey-noise", above=0, at_most=1e30, unit="grey value",
        help="one scan: standard deviation of its noise; default estimated from it, as white",
    )  # fmt: skip

    def check(self) -> None:
        sizes = self.half_window_sizes or ()
        if len(set(sizes)) < len(sizes):
            raise UserError(f"-hws {' '.join(map(str, sizes))} names a size twice")


@option_group
class RoiOfWindows(Roi):
    """Where the windows stand."""

    differently: ClassVar = {"roi": {"help": f"windows, and of one scan what is about them, lie in this box: {BOX}"}}


@dataclass(kw_only=True)
class Options(
    StillImages,
    RoiOfWindows,
    Sizes,
    WindowSelection,
    IterationOptions,
    InterpolationOptions,
    WindowShape,
    Place,
    RunControl,
):
    """Options of hpcdvc-noise."""

    def check(self) -> None:
        if self.noise is not None and len(self.images) > 1:
            raise UserError("-noise is for one scan: two show their noise")
