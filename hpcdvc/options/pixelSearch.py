"""Options of hpcdvc-pixelSearch."""

from dataclasses import dataclass

from hpcdvc.options.common import ImagePair, Output, Reported, RunControl, StartField
from hpcdvc.options.declare import one_of, option
from hpcdvc.options.needless import NeedlessLazyLoad
from hpcdvc.options.registration import HalfWindow, NodeSpacing, WindowSelection
from hpcdvc.options.roi import RoiOfPoints
from hpcdvc.options.search import Particles, SearchOptions

DESCRIPTION = (
    "Find where the window about each node of a grid, or each particle of a label image, has gone: to the whole voxel, "
    "by the best correlation of all displacements in a range."
)


@dataclass(kw_only=True)
class Options(
    ImagePair,
    StartField,
    NodeSpacing,
    HalfWindow,
    Particles,
    RoiOfPoints,
    SearchOptions,
    WindowSelection,
    Output,
    Reported,
    RunControl,
    NeedlessLazyLoad,
):
    """Options of hpcdvc-pixelSearch."""

    subvoxel: bool = option(
        False,
        "-sub",
        "--subvoxel",
        group="search",
        help="add the fraction of a voxel: the maximum of a parabola through the correlations about the best",
    )

    def check(self) -> None:
        if self.labels1 is None:
            one_of(self, "half_window_size", "half_window_size3", required=True)
