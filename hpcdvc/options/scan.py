"""Options that name the views of a tomographic scan, and say how they are taken."""

from typing import ClassVar

from hpcdvc.errors import UserError, quoted
from hpcdvc.options.declare import REQUIRED, OptionSet, option, option_group
from hpcdvc.options.values import whole_number

#: Voxels along an axis of a volume at most.
LARGEST = 2**20


@option_group
class ScanFiles(OptionSet):
    """A scan: views, angles, and how they become absorbances."""

    group: ClassVar[str] = "scan"

    scan: str = option(
        REQUIRED,
        reads="projections",
        help="views: HDF5 file of mumott, NXtomo or DataExchange, any other HDF5 file (-data, -angles), or a stack of "
        "images (-angles): TIFF of many pages, folder of TIFF files, .npy; rows are along the axis",
    )
    data: str | None = option(
        None, "-data", "--data", metavar="PATH", help="the views in an HDF5 file of any kind: a 3-D dataset"
    )
    angles: str | None = option(
        None, "-angles", "--angles", metavar="FILE | PATH", reads="projections",
        help="angles in degrees: a text, a line for each view, with a second number where views are tilted; a dataset "
        "of the scan; or a .geo file",
    )  # fmt: skip
    tilt: str | None = option(
        None, "-tilt", "--tilt", metavar="DEG | FILE | PATH", reads="projections", or_number=True,
        help="tilt in degrees: a number for all views, or a text or dataset of one for each",
    )  # fmt: skip
    flat: str | None = option(
        None, "-flat", "--flat", metavar="FILE | PATH", reads="projections",
        help="frames without sample, whose mean is the beam: a file, or a dataset of the scan",
    )  # fmt: skip
    dark: str | None = option(
        None,
        "-dark",
        "--dark",
        metavar="FILE | PATH",
        reads="projections",
        help="frames without beam, whose mean is subtracted",
    )
    absorbances: bool = option(
        True, "-noabs", "--no-absorbances",
        help="take the values as they are stored, not the absorbances of light; of mumott's files the mean of the data",
    )  # fmt: skip
    background: str = option(
        "bright", "-background", "--background", choices=("bright", "percentile", "none"),
        help="light beside the sample, of which absorbance is 0: median of the bright part of each view; its 99.9th "
        "percentile, above which pixels have no weight, as in mumott; none takes the flats for it",
    )  # fmt: skip
    volume: tuple[str, ...] = option(
        ("auto",), "-volume", "--volume", metavar="auto | X Y Z", unit="voxel",
        help="size of the volume; auto: that of the file, else J J K of views of J x K pixels",
    )  # fmt: skip

    @property
    def volume_shape(self) -> tuple[int, int, int] | None:
        """(X, Y, Z) voxels that are asked for; None: auto."""
        return None if self.volume == ("auto",) else tuple(whole_number(word) for word in self.volume)

    def check(self) -> None:
        if self.volume != ("auto",):
            words = " ".join(self.volume)
            try:
                sizes = self.volume_shape
            except ValueError:
                sizes = ()
            if len(sizes) != 3 or not all(1 <= size <= LARGEST for size in sizes):
                raise UserError(f"-volume takes auto or three whole numbers from 1 to {LARGEST}, not {quoted(words)}")
