"""Options of hpcdvc-ldic."""

from dataclasses import dataclass

from hpcdvc.errors import UserError
from hpcdvc.options.common import ImageSeries, Needless, Output, RunControl, StartField
from hpcdvc.options.declare import option
from hpcdvc.options.registration import (
    InterpolationOptions,
    IterationOptions,
    NodeSpacing,
    WindowSelection,
    WindowShape,
    WindowSize,
)

DESCRIPTION = "Measure the deformation function in a window about every node of a regular grid, by image correlation."


@dataclass(kw_only=True)
class Options(
    ImageSeries,
    StartField,
    NodeSpacing,
    WindowSize,
    WindowSelection,
    IterationOptions,
    InterpolationOptions,
    WindowShape,
    Output,
    RunControl,
    Needless,
):
    """Options of hpcdvc-ldic."""

    skip: bool = option(
        False,
        "-skp",
        "--skip",
        group="start",
        help="keep the rows of -pf, measure only those that failed before (return status 1, -1, -2 or -3)",
    )

    def check(self) -> None:
        if self.skip and self.phi_file is None:
            raise UserError("-skp needs the earlier result, give it with -pf")
