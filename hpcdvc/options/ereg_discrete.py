"""Options of hpcdvc-ereg-discrete."""

from dataclasses import dataclass
from typing import ClassVar

from hpcdvc.options.common import Messages, PhiFile, Place, Processes, Slices
from hpcdvc.options.ddic import LabelledImage, ParticleIterations, ParticleVoxels
from hpcdvc.options.declare import REQUIRED, OptionSet, option, option_group
from hpcdvc.options.needless import NeedlessLazyLoad
from hpcdvc.options.pages import Served
from hpcdvc.options.registration import InterpolationOptions, MaskCoverage, WindowShape
from hpcdvc.options.values import LONGEST
from hpcdvc.options.voxel_size import InUnits

DESCRIPTION = (
    "Repair a field of labels by eye, in a browser: those that were not measured, or wrongly, are brought to their "
    "place by hand, refined as hpcdvc-ddic does it, and accepted; each decision is on the disk at once."
)


@option_group
class Deformed(Slices):
    """The deformed image."""

    group: ClassVar[str] = "images"

    im2: str = option(REQUIRED, reads="volume", help="deformed image")


@option_group
class Repaired(PhiFile):
    """What is repaired."""

    differently = {
        "phi_file": {
            "help": "what is repaired: a field of labels (.tsv or .hdf); or a registration (one row), from which all "
            "labels start; without it they start from no motion"
        }
    }


@option_group
class Listed(OptionSet):
    """Which labels are to be looked at, and how they are shown."""

    group = "page"

    margin: int = option(
        5, "-mar", "--margin", at_least=0, at_most=LONGEST, unit="voxel", in_key=False,
        help="what is shown around the box of a label",
    )  # fmt: skip
    return_status_threshold: int = option(
        2,
        "-rst",
        "--return-status-threshold",
        at_least=-15,
        at_most=3,
        in_key=False,
        help="labels with a lower return status are to be repaired",
    )
    mask_converged: bool = option(
        False, "-maskconv", "--mask-converged", in_key=False, help="show im1 at first without the labels that converged"
    )
    no_mask: bool = option(
        False,
        "-nomask",
        "--no-mask",
        in_key=False,
        group="accepted, without effect",
        help="not needed: the surroundings of a label are shown until the key k hides them",
    )


@dataclass(kw_only=True)
class Options(
    LabelledImage,
    Deformed,
    Repaired,
    ParticleVoxels,
    MaskCoverage,
    ParticleIterations,
    InterpolationOptions,
    WindowShape,
    Listed,
    Place,
    InUnits,
    Served,
    Processes,
    Messages,
    NeedlessLazyLoad,
):
    """Options of hpcdvc-ereg-discrete."""

    force: bool = option(
        False,
        "--force",
        in_key=False,
        group="output",
        help="begin anew where an earlier session has left its files",
    )
