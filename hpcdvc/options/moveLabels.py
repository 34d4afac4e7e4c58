"""Options of hpcdvc-moveLabels."""

from dataclasses import dataclass

from hpcdvc.options.common import ImageFormat, Place, RunControl
from hpcdvc.options.declare import OptionSet, option, option_group
from hpcdvc.options.labels import LabelImage, MotionOfLabels
from hpcdvc.options.needless import NeedlessLazyLoad
from hpcdvc.options.roi import RoiOfOutput
from hpcdvc.options.tables import Threshold
from hpcdvc.options.values import LONGEST

DESCRIPTION = "Move each label of a label image as a field of these labels was measured to move."


@option_group
class Moves(Threshold):
    """Which labels are moved, and how."""

    group = "labels"
    differently = {
        "return_status_threshold": {
            "help": "move the labels whose rows have at least this return status, not those that are measured"
        }
    }

    centre_of_mass: bool = option(
        False,
        "-com",
        "--apply-phi-centre-of-mass",
        help="tables of spam: take the displacements for those of the centres of mass, not of the middles of the "
        "boxes; those of fields of ours always are",
    )
    threshold: float = option(
        0.5,
        "-thr",
        "--threshold",
        at_least=0,
        at_most=1,
        help="a voxel is of a label where its mask, moved and linear between voxels, is above this: less than 1",
    )
    label_dilate: int = option(
        0,
        "-ld",
        "--label-dilate",
        at_least=-100,
        at_most=100,
        unit="voxel",
        help="radius of the ball by which labels are dilated before they move; negative erodes",
    )


@option_group
class NeedlessLabelMargin(OptionSet):
    """Accepted so that command lines written for other programs run unchanged."""

    group = "accepted, without effect"

    label_margin: int = option(
        3,
        "-lm",
        "--label-margin",
        at_least=0,
        at_most=LONGEST,
        unit="voxel",
        in_key=False,
        help="not needed: labels are followed wherever they move",
    )


@dataclass(kw_only=True)
class Options(
    LabelImage, MotionOfLabels, Moves, RoiOfOutput, Place, ImageFormat, RunControl, NeedlessLabelMargin,
    NeedlessLazyLoad,
):  # fmt: skip
    """Options of hpcdvc-moveLabels."""
