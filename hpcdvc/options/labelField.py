"""Options of hpcdvc-labelField."""

from dataclasses import dataclass

from hpcdvc.options.common import ImageFormat, Place, RunControl
from hpcdvc.options.declare import REQUIRED, OptionSet, option, option_group
from hpcdvc.options.labels import FieldOfLabels, LabelImage
from hpcdvc.options.needless import NeedlessLazyLoad
from hpcdvc.options.roi import RoiOfOutput

DESCRIPTION = "Write a column of a field of labels as a volume: each voxel has the value of its label."


@option_group
class Value(OptionSet):
    """What is shown."""

    group = "field"

    column: str = option(
        REQUIRED,
        "-col",
        "--column",
        metavar="NAME",
        help="name of the column, as in tables: Zdisp, Fzz, returnStatus, zncc, ...; one that is not there is answered "
        "with those that are",
    )


@dataclass(kw_only=True)
class Options(LabelImage, FieldOfLabels, Value, RoiOfOutput, Place, ImageFormat, RunControl, NeedlessLazyLoad):
    """Options of hpcdvc-labelField."""
