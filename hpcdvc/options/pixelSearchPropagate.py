"""Options of hpcdvc-pixelSearchPropagate."""

from dataclasses import dataclass
from typing import ClassVar

from hpcdvc.errors import UserError
from hpcdvc.options.common import PARTS, ZYX, ImagePair, Output, Reported, RunControl
from hpcdvc.options.declare import REQUIRED, OptionSet, option, option_group
from hpcdvc.options.needless import NeedlessLazyLoad
from hpcdvc.options.registration import HalfWindowOfFive, NodeSpacing, WindowSelection
from hpcdvc.options.roi import RoiOfPoints
from hpcdvc.options.search import Particles, SearchOptions, range_option
from hpcdvc.options.values import LONGEST

DESCRIPTION = (
    "Find where windows or particles have gone, each starting from what its neighbours have measured: the motion "
    "spreads from a starting point that is known."
)
#: Least correlation of a point that others start from, by criterion.
GOOD = {"zncc": 0.6, "ncc": 0.9}


@option_group
class Propagation(OptionSet):
    """How the motion spreads."""

    group: ClassVar[str] = "propagation"

    starting_point: tuple[float, float, float, float, float, float] = option(
        REQUIRED,
        "-sp",
        "--starting-point-and-displacement",
        metavar="Z Y X Zdisp Ydisp Xdisp",
        at_least=-LONGEST,
        at_most=LONGEST,
        unit="voxel",
        help="a point, and how it has moved, to about the range of -sr",
    )
    guiding_points: str | None = option(
        None,
        "-gp",
        "--guiding-points-file",
        metavar="FILE",
        reads="table",
        help="points to be measured instead of the nodes of a grid: text with Z Y X in each line, or a table (.tsv) "
        "with columns Zpos, Ypos, Xpos",
    )
    neighbourhood_radius: float | None = option(
        None,
        "-nr",
        "--neighbourhood-radius",
        above=0,
        at_most=LONGEST,
        unit="voxel",
        help="neighbours of a point are those within this distance, the forty nearest of them; default the mean half "
        "window and the mean upper end of -sr together; doubled until most points have a neighbour",
    )
    weighting_distance: float | None = option(
        None,
        "-gwd",
        "-gdw",
        "--gaussian-weighting-distance",
        above=0,
        at_most=LONGEST,
        unit="voxel",
        help="a neighbour at distance d weighs exp(-(d / this)^2); default the sum of the half windows and of the "
        "upper ends of -sr",
    )
    correlation_threshold: float | None = option(
        None,
        "-cct",
        "--CC-threshold",
        at_least=-1,
        at_most=1,
        help="least correlation of a point that its neighbours start from; default 0.6 of zncc, 0.9 of ncc",
    )
    apply_f: str = option(
        "no",
        "-F",
        "--apply-F",
        choices=PARTS,
        help="deform windows before they are compared, by the F that fits the displacements of the neighbours: all of "
        "it, its rotation, or not",
    )


@dataclass(kw_only=True)
class Options(
    ImagePair,
    Propagation,
    NodeSpacing,
    HalfWindowOfFive,
    Particles,
    RoiOfPoints,
    SearchOptions,
    WindowSelection,
    Output,
    Reported,
    RunControl,
    NeedlessLazyLoad,
):
    """Options of hpcdvc-pixelSearchPropagate."""

    search_range: tuple[int, int, int, int, int, int] = range_option(
        (-3, 3, -3, 3, -3, 3),
        "first and last displacement that are tried along each axis, about what the neighbours lead to, rounded",
    )

    def check(self) -> None:
        if self.labels1 and self.guiding_points:
            raise UserError("give only one of -lab1 and -gp")

    @property
    def node_distance(self) -> ZYX:
        """Node spacing, ZYX: twice the half window where none is given."""
        return self.spacing or tuple(max(2 * h, 1) for h in self.window)

    @property
    def good(self) -> float:
        """Least correlation of a point that others start from."""
        return GOOD[self.criterion] if self.correlation_threshold is None else self.correlation_threshold

    def radius(self, axes: range) -> float:
        """Of the neighbourhood, by the axes (0 to 2) that the images have."""
        if self.neighbourhood_radius is not None:
            return self.neighbourhood_radius
        upper = self.search_range[1::2]
        return max(sum(self.window[i] + max(upper[i], 0) for i in axes) / len(axes), 1.0)

    def width(self, axes: range) -> float:
        """Distance at which a neighbour weighs 1/e."""
        if self.weighting_distance is not None:
            return self.weighting_distance
        return max(float(sum(self.window[i] + max(self.search_range[1::2][i], 0) for i in axes)), 1.0)
