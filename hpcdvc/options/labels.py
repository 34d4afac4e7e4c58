"""Options of what works on a label image and a field of its labels."""

from typing import ClassVar

from hpcdvc.options.common import PhiFile, Slices
from hpcdvc.options.declare import REQUIRED, OptionSet, option, option_group


@option_group
class LabelImage(Slices):
    """The label image."""

    group: ClassVar[str] = "images"

    labels: str = option(
        metavar="lab", reads="volume", help="label image: TIFF, folder of slices, file.h5:/dataset, .npy; 0 is nothing"
    )


@option_group
class FieldOfLabels(OptionSet):
    """What was measured of its labels."""

    group: ClassVar[str] = "field"

    phi_file: str = option(
        REQUIRED, "-pf", "-phiFile", metavar="FILE", reads="table", help="a field of these labels (.tsv or .hdf)"
    )


@option_group
class MotionOfLabels(FieldOfLabels, PhiFile):
    """How its labels have moved."""


@option_group
class ImageFormat(OptionSet):
    """How an image is written."""

    group: ClassVar[str] = "output"

    format: str = option("tif", "--format", choices=("tif", "hdf"), help="TIFF, or HDF5 that ParaView opens by itself")
