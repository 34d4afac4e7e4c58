"""Options of what measures shifts in images and stacks of images, as dataclasses that a command combines."""

from typing import Any, ClassVar

from hpcdvc.errors import UserError
from hpcdvc.options.common import Mask, Output, Slices
from hpcdvc.options.declare import REQUIRED, OptionSet, option, option_group
from hpcdvc.options.values import LONGEST

#: Half windows and displacements at most, pixels.
WIDEST, FARTHEST = 2**12, 2**12


@option_group
class StackPair(Slices):
    """Two images, or two stacks of as many frames."""

    group: ClassVar[str] = "images"

    im1: str = option(
        REQUIRED,
        reads="volume",
        help="reference, an image or a stack of frames: TIFF of one or more pages, folder of TIFF files, "
        "file.h5:/dataset, .npy",
    )
    im2: str = option(REQUIRED, reads="volume", help="what is compared with it, of as many frames")


@option_group
class ShiftWindow(OptionSet):
    """Which pixels have a window, and how large it is."""

    group: ClassVar[str] = "windows"

    half_window_size: int = option(
        3, "-hws", "--half-window-size", at_least=1, at_most=WIDEST, unit="pixel",
        help="half window: it has 2*hws+1 pixels along each axis, of all frames",
    )  # fmt: skip
    node_spacing: int = option(
        1, "-ns", "--node-spacing", at_least=1, at_most=LONGEST, unit="pixel",
        help="1: a value for every pixel, arrays of the size of the image; larger: a table of the nodes of a grid",
    )  # fmt: skip


def shift_range_option(default: tuple[int, ...] | None, **more: Any) -> Any:
    """Declare `-sr` of whoever searches shifts of images."""
    return option(
        default,
        "-sr",
        "-m",
        "--search-range",
        metavar="N | Z- Z+ Y- Y+ X- X+",
        at_least=-FARTHEST,
        at_most=FARTHEST,
        unit="pixel",
        help="greatest displacement along y and x; or six numbers, first and last displacement along each axis, z 0 0",
        **more,
    )


@option_group
class ShiftRange(OptionSet):
    """Which displacements are tried."""

    group: ClassVar[str] = "search"

    search_range: tuple[int, ...] = shift_range_option((10,))

    def check(self) -> None:
        reach_of(self.search_range)

    @property
    def reach(self) -> tuple[int, int, int, int]:
        """First and last displacement along y, then along x."""
        return reach_of(self.search_range)


def reach_of(values: tuple[int, ...]) -> tuple[int, int, int, int]:
    """First and last displacement along y, then along x, of the numbers of `-sr`.

    Raises
    ------
    UserError
        They are not one or six, or no range.
    """
    if len(values) == 1 and values[0] >= 0:
        return -values[0], values[0], -values[0], values[0]
    if len(values) == 1:
        raise UserError(f"-sr must be at least 0, not {values[0]}")
    if len(values) != 6:
        raise UserError(f"-sr takes one number or six, not {len(values)}")
    if values[0] or values[1]:
        raise UserError(f"-sr: images have no z, its range is 0 0, not {values[0]} {values[1]}")
    for name, low, high in zip("YX", values[2::2], values[3::2], strict=True):
        if low > high:
            raise UserError(f"-sr: the range in {name} begins with {low} and ends with {high}")
    return values[2:]


@option_group
class PeakSize(OptionSet):
    """How many scores tell the fraction of a pixel."""

    group: ClassVar[str] = "peak"

    peak_size: int = option(3, "-psize", "--peak-size", choices=(3, 5, 7, 9), help="scores along each axis of -pm poly")


@option_group
class Peak(OptionSet):
    """How the fraction of a pixel is found, of what has `PeakSize` too."""

    group: ClassVar[str] = "peak"

    peak_method: str = option(
        "taylor", "-pm", "--peak-method", choices=("taylor", "poly", "gn", "gnaffine"),
        help="fraction of a pixel: second-order Taylor series of the scores about the best, polynomial through -psize "
        "of them along each axis, or Gauss-Newton on the grey values from the former on",
    )  # fmt: skip

    def check(self) -> None:
        if self.peak_size != 3 and self.peak_method != "poly":
            raise UserError(f"-psize is for -pm poly, not for -pm {self.peak_method}")


def check_crop(limits: tuple[int, ...] | None) -> None:
    """Check the numbers of `-crop`: along each axis the first that is kept, and the first that is not any more.

    Raises
    ------
    UserError
        Nothing is left along an axis.
    """
    for low, high in zip(limits[::2], limits[1::2], strict=True) if limits else ():
        if low >= high:
            raise UserError(f"-crop: nothing lies from {low} on and before {high}")


@option_group
class Pictures(OptionSet):
    """What the pictures of -tif show."""

    group: ClassVar[str] = "output"

    convention: str = option(
        "u", "-convention", "--convention", choices=("u", "algotom", "skimage"), in_key=False,
        help="sign of the displacement in pictures: u of what lies at x in im1 and at x + u in im2; algotom and "
        "skimage have -u. Files and tables have u always",
    )  # fmt: skip

    @property
    def turned(self) -> bool:
        """Whether pictures show the displacement the other way round."""
        return self.convention != "u"


@option_group
class DenseOutput(Output, Pictures):
    """What is written of pixels, or of nodes."""

    differently = {
        "vtk": {"help": "write a legacy .vtk file of nodes as well; of pixels an .xdmf, which ParaView 5.11 needs"},
        "tif": {"help": "write a .tif image of each column as well"},
        "tsv": {"help": "write no .tsv table of nodes, only the .hdf file"},
    }


@option_group
class Bands(OptionSet):
    """How the pixels are measured: no result depends on it."""

    group: ClassVar[str] = "run"

    chunk: int = option(
        32, "-chunk", "--chunk", at_least=1, at_most=LONGEST, unit="row", in_key=False,
        help="rows that a rank has in memory at a time, at most 32: fewer take less memory, the result is the same",
    )  # fmt: skip
    device: str = option(
        "cpu", "-device", "--device", choices=("cpu", "cuda"),
        help="cuda: on graphics cards, rank r on card r mod cards, needs cupy; right to 1e-4 pixel, not the same bits",
    )  # fmt: skip


@option_group
class StackMask(Mask):
    """Which windows are worth measuring."""

    group: ClassVar[str] = "selection of windows"
    differently = {"mask1": {"help": "mask of im1, one for all frames: where it is 0, pixels are left out"}}

    mask_coverage: float = option(
        0.5, "-mc", "--mask-coverage", at_least=0, at_most=1,
        help="least part of a window that -mf1 must leave, else it has no specimen (status -5)",
    )  # fmt: skip
