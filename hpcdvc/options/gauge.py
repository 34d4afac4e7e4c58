"""Options of hpcdvc-gauge."""

from dataclasses import dataclass
from typing import ClassVar

from hpcdvc.errors import UserError
from hpcdvc.options.common import Messages, Place, Processes, Slices
from hpcdvc.options.declare import REQUIRED, OptionSet, one_of, option, option_group
from hpcdvc.options.registration import HalfWindow
from hpcdvc.options.values import LONGEST

DESCRIPTION = (
    "Lay a gauge on a result, or on those of a series: an extensometer, two planes, a region, a profile; numbers with "
    "their standard deviations."
)

SIX = tuple[float, float, float, float, float, float]
GAUGES = ("line", "planes", "box", "mask", "label", "profile")


@option_group
class Results(OptionSet):
    """What is gauged."""

    group: ClassVar[str] = "files"

    results: tuple[str, ...] = option(
        REQUIRED,
        metavar="RESULT [RESULT ...]",
        reads="table",
        help="results in order, a step each: .hdf, .tsv, .vtk, of grids, labels, points or meshes",
    )


@option_group
class Gauge(Slices):
    """The gauge, one for each call."""

    group: ClassVar[str] = "gauge"

    line: SIX | None = option(
        None, "--line", metavar="Z Y X Z Y X", unit="voxel", at_least=-LONGEST, at_most=LONGEST,
        help="extensometer between two places: length, strain",
    )  # fmt: skip
    planes: tuple[str, str, str] | None = option(
        None, "--planes", metavar="z|y|x A B",
        help="two planes of a grid across an axis, at these voxels: mean displacement of each",
    )  # fmt: skip
    box: SIX | None = option(
        None, "--box", metavar="Z0 Z1 Y0 Y1 X0 X1", unit="voxel", at_least=-LONGEST, at_most=LONGEST,
        help="points from the first number of each axis to below the second: mean displacement and strain",
    )  # fmt: skip
    mask: str | None = option(
        None, "--mask", metavar="FILE", reads="volume",
        help="the same of points whose voxel in a mask is not 0",
    )  # fmt: skip
    label: int | None = option(
        None, "--label", at_least=1, at_most=2**32 - 1,
        help="the row of a label in a result of labels; with --labels, the same of points in this label",
    )  # fmt: skip
    labels: str | None = option(
        None, "--labels", metavar="FILE", reads="volume", help="label image that --label is a label of"
    )
    profile: SIX | None = option(
        None, "--profile", metavar="Z Y X Z Y X", unit="voxel", at_least=-LONGEST, at_most=LONGEST,
        help="displacement and strain along a line, as a table",
    )  # fmt: skip
    places: int | None = option(
        None, "--places", at_least=2, at_most=1_000_000, help="rows of --profile; default about one a voxel"
    )
    remove: str | None = option(
        None, "--remove", choices=("rigid", "dilation"),
        help="undo first what fits all measured points best: rotation and translation, or one factor and translation",
    )  # fmt: skip

    def check(self) -> None:
        one_of(self, *GAUGES, required=True)
        if self.labels is not None and self.label is None:
            raise UserError("--labels needs --label, the number of one of them")
        if self.places is not None and self.profile is None:
            raise UserError("--places is for --profile")
        for name in ("line", "profile"):
            ends = getattr(self, name)
            if ends is not None and ends[:3] == ends[3:]:
                raise UserError(f"--{name}: both ends are {' '.join(f'{v:g}' for v in ends[:3])}, it has no length")
        if self.box is not None:
            for axis, low, high in zip("ZYX", self.box[::2], self.box[1::2], strict=True):
                if not low < high:
                    raise UserError(f"--box is empty along {axis}: from {low:g} to below {high:g}")
        if self.planes is not None:
            _ = self.plane_axis, self.plane_places

    @property
    def kind(self) -> str:
        """Which gauge it is."""
        return next(name for name in GAUGES if getattr(self, name) is not None)

    @property
    def plane_axis(self) -> int:
        """Axis across the planes."""
        if self.planes[0] not in ("z", "y", "x"):
            raise UserError(f"--planes begins with the axis across them, z, y or x, not {self.planes[0]!r}")
        return "zyx".index(self.planes[0])

    @property
    def plane_places(self) -> tuple[float, float]:
        """Where they are, voxels."""
        try:
            first, second = (float(word) for word in self.planes[1:])
        except ValueError:
            first = second = float("nan")
        if not first - second:
            raise UserError(f"--planes takes two different numbers, not {' and '.join(self.planes[1:])}")
        if not abs(first - second) < float("inf"):
            raise UserError(f"--planes takes two numbers, not {' and '.join(self.planes[1:])}")
        return first, second


@option_group
class Windows(HalfWindow):
    """The windows that the results were measured with."""

    group: ClassVar[str] = "files"
    differently = {
        "half_window_size": {"help": "half window of results that do not say it, as tables: it has 2*hws+1 voxels"}
    }


@option_group
class Files(Place):
    """What is written, and where."""

    differently = {
        "out_dir": {"help": "folder, made if needed; default that of the first result"},
        "prefix": {"help": "beginning of the file names, instead of the name of the first result"},
    }
    force: bool = option(False, "--force", in_key=False, help="overwrite files that exist")


@dataclass(kw_only=True)
class Options(Results, Gauge, Windows, Files, Processes, Messages):
    """Options of hpcdvc-gauge."""
