"""Options of hpcdvc-shift."""

from dataclasses import dataclass
from typing import Any, ClassVar

from hpcdvc.errors import UserError, quoted
from hpcdvc.options.common import Images, Mask, Mask2, Output, Reported, RunControl
from hpcdvc.options.declare import OptionSet, option, option_group
from hpcdvc.options.roi import Roi
from hpcdvc.options.search import FARTHEST
from hpcdvc.options.stacks import PeakSize, Pictures, ShiftRange, check_crop
from hpcdvc.options.values import LONGEST, is_number, number, whole_number

DESCRIPTION = "Measure by how much whole images have moved: one translation for each pair, with its standard deviation."
#: Ways to measure; those that take volumes too.
METHODS = ("chi2", "chi2iterzoom", "cc", "dft", "phase", "map", "points")
FOR_VOLUMES = ("chi2", "cc", "dft", "phase")
#: Largest up-sampling, points along an axis of a grid that is zoomed into, and points with windows.
FINEST, WIDEST_GRID, MOST_POINTS = 10**6, 4096, 10**6


@option_group
class Frames(Roi):
    """What the images of a series are, and what of them is compared."""

    group: ClassVar[str] = "images"
    differently: ClassVar[dict[str, dict]] = {
        "roi": {"help": "as -crop, always six numbers: of images in two dimensions, and of frames, Z is 0 1"}
    }

    stack: bool = option(
        False, "-stack", "--stack", help="each image is a stack of frames, which have one shift; else it is a volume"
    )
    frames: bool = option(
        False, "--frames", help="one file is given, and its frames are the series: each against the first"
    )
    crop: tuple[int, ...] | None = option(
        None, "-crop", "--crop", metavar="Y0 Y1 X0 X1", at_least=0, at_most=LONGEST, unit="voxel",
        help="what is compared of both images: first row and column, and the first that are not any more; of volumes "
        "Z0 Z1 Y0 Y1 X0 X1",
    )  # fmt: skip

    def check(self) -> None:
        if self.frames and self.stack:
            raise UserError("give only one of -stack and --frames")
        if self.frames and len(self.images) > 1:
            raise UserError(f"--frames takes one file with all frames, {len(self.images)} are given")
        if not self.frames and len(self.images) < 2:
            raise UserError(f"at least two images are needed, only {quoted(self.images[0])} is given")
        if self.crop is not None and len(self.crop) not in (4, 6):
            raise UserError(f"-crop takes 4 or 6 numbers, not {len(self.crop)}")
        check_crop(self.crop)
        if self.crop is not None and self.roi is not None:
            raise UserError("give only one of -crop and --roi")


@option_group
class Comparison(OptionSet):
    """How images are compared."""

    group: ClassVar[str] = "shift"

    method: str = option(
        "chi2", "-met", "--method", choices=METHODS,
        help="chi2: least chi square, by Newton's method on its trigonometric interpolation; chi2iterzoom: the same by "
        "zooming in; cc: cross-correlation; dft: up-sampled cross-correlation; phase: phase correlation; map: "
        "correlation of a window with all places in a range; points: many windows",
    )  # fmt: skip
    upsampling: str = option(
        "auto", "-us", "--upsampling", metavar="auto|N",
        help="steps per pixel of dft and phase; auto: none, the maximum itself, by Newton's method, as chi2 does",
    )  # fmt: skip
    noise: str | None = option(
        None, "-err", "--error", metavar="X|FILE", reads="volume", or_number=True,
        help="standard deviation of the noise of im2 (grey value), or an image of it; else it is estimated",
    )  # fmt: skip
    zero_mean: bool = option(
        False,
        "-zeromean",
        "--zero-mean",
        help="take the mean from each image first; with one noise for all pixels it makes no difference",
    )
    boundary: str | None = option(
        None, "-boundary", "--boundary", choices=("wrap", "overlap", "fill"),
        help="wrap: images are periodic; overlap: only what lies in both is compared, and pixels that are masked or no "
        "number are absent; fill: zeros outside; default wrap, with -wcs overlap",
    )  # fmt: skip
    largest: float | None = option(
        None, "-maxoff", "--max-offset", at_least=0, at_most=FARTHEST, unit="voxel",
        help="largest displacement along each axis; a better match beyond is status -11",
    )  # fmt: skip
    sigma_cut: float | None = option(
        None, "-sigmacut", "--sigma-cut", above=0, at_most=1e6,
        help="before, grey values not above so many standard deviations of the image become 0",
    )  # fmt: skip
    wcs: bool = option(
        False, "-wcs", "--wcs",
        help="FITS images: bring im2 onto the pixels of im1 by their world coordinates first, and give the "
        "displacement in degrees as well",
    )  # fmt: skip

    def check(self) -> None:
        if self.upsampling != "auto":
            try:
                steps = whole_number(self.upsampling)
            except ValueError:
                steps = 0
            if not 1 <= steps <= FINEST:
                raise UserError(f"-us must be auto or a whole number from 1 to {FINEST}, not {quoted(self.upsampling)}")
        if is_number(self.noise) and not 0 < number(self.noise) < float("inf"):
            raise UserError(f"-err must be above 0, not {self.noise.strip()}")
        if self.wcs and (self.stack or self.frames):
            raise UserError("-wcs is for single images, not for frames")


@option_group
class Deviations(OptionSet):
    """How the standard deviation is found, and how chi square is zoomed into."""

    group: ClassVar[str] = "shift"

    errors: str = option(
        "hessian", "-errors", "--errors", choices=("hessian", "contour", "zucker"),
        help="standard deviations: from the second derivatives, from where chi square has risen enough, or from the "
        "peak of the correlation coefficient (Zucker 2003)",
    )  # fmt: skip
    fitted: int = option(2, "-nfit", "--nfitted", at_least=1, at_most=100, help="contour: parameters that are fitted")
    zoom_shape: tuple[int, int] = option(
        (10, 10), "-zshape", "--zoom-shape", metavar="Y X", at_least=3, at_most=WIDEST_GRID,
        help="chi2iterzoom: points of the grid that zooms in",
    )  # fmt: skip
    least_difference: float = option(
        1.0, "-mindiff", "--min-difference", above=0, at_most=1e300,
        help="chi2iterzoom: zoom until chi square differs by less",
    )  # fmt: skip


def needless(default: Any, *flags: str, **details: Any) -> Any:
    """Declare what contours need in other programs, where they are counted out on a grid."""
    why = "contours of chi square are found between the points of any grid"
    return option(
        default, *flags, in_key=False, help=f"not needed: {why}", note=f"{flags[0]} is ignored: {why}", **details
    )


@option_group
class NeedlessGrids(OptionSet):
    """Accepted, not needed."""

    group: ClassVar[str] = "accepted, without effect"

    nsig: float = needless(1.1, "-nsig", "--max-nsig", above=0, at_most=30)
    largest_grid: int = needless(512, "-maxauto", "--max-auto-size", at_least=1, at_most=WIDEST_GRID)
    rezoom_shape: tuple[int, int] = needless(
        (100, 100), "-rezoom", "--rezoom-shape", metavar="Y X", at_least=1, at_most=WIDEST_GRID
    )
    rezoom_factor: float = needless(5.0, "-rezoomFactor", "--rezoom-factor", above=0, at_most=FINEST)


@option_group
class Windows(ShiftRange, PeakSize):
    """Windows of the methods map and points."""

    group: ClassVar[str] = "map and points"

    axis: int | None = option(None, "-axis", "--axis", choices=(0, 1), help="map: move along y (0) or x (1) only")
    peak: str = option(
        "taylor", "-pm", "--peak-method", choices=("taylor", "poly"), help="fraction of a pixel: Taylor series or fit"
    )
    peak_dimensions: int = option(
        2, "-pdim", "--peak-dimensions", choices=(1, 2), help="1: the fraction along each axis by itself"
    )
    half_window: int = option(20, "-hws", "--half-window-size", at_least=1, at_most=2**15, unit="voxel",
        help="points: half window",
    )  # fmt: skip
    point_count: int = option(
        30, "-npt", "--points", at_least=1, at_most=MOST_POINTS, help="points: how many, at random"
    )
    points_file: str | None = option(
        None, "-pts", "--points-file", metavar="FILE", reads="table",
        help="points: where the windows stand instead, text with Y X or Z Y X in each line",
    )  # fmt: skip
    seed: int = option(0, "-seed", "--seed", at_least=0, at_most=2**62, help="points: of the random numbers")
    global_value: str = option(
        "mixed", "-gv", "--global-value", choices=("median", "mean", "mixed"),
        help="points: what is taken of all; mixed: mean of the middle ones",
    )  # fmt: skip
    listed: bool = option(
        False, "-list", "--list", in_key=False, help="points: write the displacement of each window, too"
    )


@option_group
class Written(Pictures):
    """What is written beside the table."""

    group: ClassVar[str] = "output"

    registered: bool = option(
        False, "-reg", "--registered", in_key=False, help="write im2 shifted back, by splines, with -tif as TIFF, too"
    )
    map_file: str | None = option(
        None, "-map", "--map", metavar="FILE.hdf", in_key=False,
        help="write the map of chi square over all displacements and its terms; of a series FILE-1.hdf, FILE-2.hdf ...",
    )  # fmt: skip

    def check(self) -> None:
        if self.map_file is not None and not self.map_file.endswith(".hdf"):
            raise UserError(f"-map must name a file that ends in .hdf, not {quoted(self.map_file)}")


@dataclass(kw_only=True)
class Options(
    Images, Frames, Mask, Mask2, Comparison, Deviations, Windows, Output, Written, Reported, RunControl, NeedlessGrids
):
    """Options of hpcdvc-shift."""

    differently: ClassVar[dict[str, dict]] = {
        "mask1": {"help": "mask of im1, of each pair the first: where it is 0, pixels are left out", "group": "images"},
        "mask2": {"help": "mask of im2, of each pair the second: the same", "group": "images"},
        "series_incremental": {"in_key": True},
        "convention": {
            "help": "sign of the displacement in tables (.tsv): u of what lies at x in im1 and at x + u in im2; "
            "algotom and skimage have -u. The .hdf file has u always"
        },
    }
