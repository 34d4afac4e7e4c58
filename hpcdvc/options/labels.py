"""Options of what works on a label image and a field of its labels."""

from typing import ClassVar

from hpcdvc.options.common import PhiFile, PhiTable, Slices
from hpcdvc.options.declare import REQUIRED, OptionSet, option, option_group


@option_group
class LabelImage(Slices):
    """The label image."""

    group: ClassVar[str] = "images"

    labels: str = option(
        metavar="lab",
        reads="volume",
        help="label image: TIFF, folder of slices, file.h5:/dataset, .nii, .raw ...; 0 is nothing",
    )


@option_group
class LabelFile(OptionSet):
    """A label image of im1, by a flag."""

    labels1: str | tuple[str, ...] | None = option(
        None,
        "-lab1",
        "--labelledFile1",
        metavar="FILE",
        reads="volume",
        help="label image of im1: its particles are measured, instead of the nodes of a grid",
    )


@option_group
class FieldOfLabels(PhiTable):
    """What was measured of its labels."""

    group: ClassVar[str] = "field"
    differently = {"phi_file": {"default": REQUIRED, "help": "a field of these labels (.tsv or .hdf)"}}


@option_group
class MotionOfLabels(FieldOfLabels, PhiFile):
    """How its labels have moved."""
