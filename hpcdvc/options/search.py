"""Options of everything that searches windows and particles, as dataclasses that a command combines by inheritance."""

from typing import Any, ClassVar

from hpcdvc.errors import UserError
from hpcdvc.options.common import Mask2
from hpcdvc.options.declare import OptionSet, option, option_group
from hpcdvc.options.labels import LabelFile

#: Displacements at most, and how many of them along an axis, voxels.
FARTHEST, WIDEST = 10**6, 2000


def range_option(default: tuple[int, ...] | None, text: str) -> Any:
    """Declare `-sr`, of which commands have their own default and help."""
    return option(
        default,
        "-sr",
        "--search-range",
        metavar="Z- Z+ Y- Y+ X- X+",
        at_least=-FARTHEST,
        at_most=FARTHEST,
        unit="voxel",
        group="search",
        help=text,
    )


@option_group
class ParticleSize(OptionSet):
    """Which voxels are of a particle, and how many it must have."""

    group: ClassVar[str] = "particles"

    label_dilate: int = option(
        1,
        "-ld",
        "--label-dilate",
        at_least=-100,
        at_most=100,
        unit="voxel",
        help="radius of the ball by which particles are dilated; negative erodes",
    )
    label_volume_threshold: int = option(
        100,
        "-lvt",
        "-vt",
        "--label-volume-threshold",
        at_least=0,
        at_most=2**62,
        unit="voxel",
        help="particles of no more voxels, dilated, are skipped",
    )


@option_group
class Particles(LabelFile, ParticleSize):
    """Particles instead of the nodes of a grid."""


@option_group
class SearchOptions(Mask2):
    """Which displacements are tried, and how they are compared."""

    group: ClassVar[str] = "search"

    search_range: tuple[int, int, int, int, int, int] | None = range_option(
        None,
        "first and last displacement that are tried along each axis, about the start, rounded; without it the range "
        "adapts: coarse to fine, and wider where nothing is found",
    )
    criterion: str = option(
        "zncc",
        "-crit",
        "--criterion",
        choices=("zncc", "ncc"),
        help="zncc, zero-mean normalised correlation, is blind to gain and offset of the grey values; ncc is the "
        "correlation of the grey values as they are",
    )

    def check(self) -> None:
        values = self.search_range or (0,) * 6
        for name, low, high in zip("ZYX", values[::2], values[1::2], strict=True):
            if low > high:
                raise UserError(f"-sr: the range in {name} begins with {low} and ends with {high}")
            if high - low > WIDEST:
                raise UserError(f"-sr: the range in {name}, from {low} to {high}, has more than {WIDEST} voxels")
