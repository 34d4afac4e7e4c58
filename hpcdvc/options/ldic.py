"""Options of hpcdvc-ldic."""

from dataclasses import dataclass

from hpcdvc.errors import UserError, quoted
from hpcdvc.options.common import ImageSeries, Output, Reported, RunControl, StartField
from hpcdvc.options.declare import option
from hpcdvc.options.needless import Needless
from hpcdvc.options.registration import (
    InterpolationOptions,
    IterationOptions,
    NodeSpacing,
    RegistrationFirst,
    SelfStart,
    WindowSelection,
    WindowShape,
    WindowSize,
)
from hpcdvc.options.roi import RoiOfNodes
from hpcdvc.options.values import whole_number

DESCRIPTION = "Measure the deformation function in a window about every node of a regular grid, by image correlation."


#: Value of -skp without statuses: all that the table of statuses marks.
MARKED = "marked"


def statuses_of(skip: str | None) -> tuple[int, ...] | None:
    """Return statuses that a value of -skp names; None: all that the table of statuses marks.

    Raises
    ------
    UserError
        It is no list of numbers.
    """
    if skip in (None, MARKED):
        return None
    try:
        return tuple(whole_number(word) for word in skip.split(","))
    except ValueError:
        raise UserError(f"-skp= takes return statuses such as -skp=-1,-9, not {quoted(skip)}") from None


@dataclass(kw_only=True)
class Options(
    ImageSeries,
    StartField,
    RegistrationFirst,
    SelfStart,
    NodeSpacing,
    WindowSize,
    RoiOfNodes,
    WindowSelection,
    IterationOptions,
    InterpolationOptions,
    WindowShape,
    Output,
    Reported,
    RunControl,
    Needless,
):
    """Options of hpcdvc-ldic."""

    differently = {
        "mask1": {
            "help": "mask of im1, the first image: where it is 0, voxels are left out; with -sei at the same voxels of "
            "each image that another is measured against"
        }
    }

    start_from: str = option(
        "previous",
        "--start-from",
        choices=("first", "previous", "file"),
        in_key=False,
        group="start",
        help="what the steps of a series after the first start from: the result of the first step, what the steps "
        "before lead to, or -pf (without it their own) like the first",
    )
    skip: str | None = option(
        None,
        "-skp",
        "--skip",
        alone=MARKED,
        metavar="[=STATUSES]",
        group="start",
        help="keep the rows of -pf and measure those that failed again, from what their neighbours have measured; "
        "-skp=-1,-9 those of these return statuses alone",
    )
    total: bool = option(
        False,
        "--total",
        in_key=False,
        group="output",
        help="-sei: write the motion of the points of the first image up to each image as well, in a second file",
    )

    def check(self) -> None:
        if self.skip is not None and self.phi_file is None:
            raise UserError("-skp needs the earlier result, give it with -pf")
        if self.skip is not None and len(self.images) > 2:
            raise UserError(f"-skp completes one result: it takes two images, not {len(self.images)}")
        if self.total and not self.series_incremental:
            raise UserError("--total needs -sei: without it every result is a total already")
        _ = self.skipped_statuses

    @property
    def skipped_statuses(self) -> tuple[int, ...] | None:
        """Return statuses that `-skp` names; None: all that are marked to be measured again."""
        return statuses_of(self.skip)
