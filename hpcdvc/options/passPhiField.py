"""Options of hpcdvc-passPhiField."""

from dataclasses import dataclass

from hpcdvc.errors import UserError
from hpcdvc.options.common import PARTS, ZYX, PartOfF, RunControl, Slices, ratio_option
from hpcdvc.options.declare import OptionSet, option, option_group
from hpcdvc.options.labels import LabelFile
from hpcdvc.options.registration import NodeSpacing
from hpcdvc.options.roi import RoiOfPoints
from hpcdvc.options.tables import Neighbourhood, TableFile, TableOutput, Threshold
from hpcdvc.options.values import LONGEST

DESCRIPTION = "Pass a registration or a field to other points: nodes of a grid, particles; subtract one, or merge two."


@option_group
class Target(LabelFile, Slices, NodeSpacing, RoiOfPoints):
    """The points that get it."""

    group = "points"
    differently = {
        "labels1": {
            "nargs": "+",
            "help": "label image: its particles get it, at their centres of mass; of -pf2: one for each of its files",
        }
    }

    im1: str | None = option(
        None, "-im1", "--image1", metavar="FILE", reads="volume", help="-ns: image that the grid is laid into"
    )
    im1_shape: ZYX | None = option(
        None, "-im1shape", "--image1-shape", at_least=1, at_most=LONGEST, unit="voxel",
        help="-ns: the shape of that image, instead of the image",
    )  # fmt: skip


@option_group
class Taken(PartOfF):
    """What they get."""

    group = "points"
    differently = {"apply_f": {"help": "part of F that is passed; the displacement is that of all of Phi"}}


@option_group
class Rows(Neighbourhood, Threshold):
    """Which rows of a field a point takes it from."""

    group = "neighbours"

    surrounded: bool = option(
        False, "-cps", "--check-point-surrounded", help="only points that lie in the box of their neighbours"
    )


@option_group
class Subtract(OptionSet):
    """A registration that is subtracted."""

    group = "subtract a registration"

    registration: str | None = option(
        None,
        "-regs",
        "--registrationSubtract",
        metavar="FILE",
        reads="table",
        help="subtract the displacements of this registration at the points of the field",
    )
    registration_part: str = option(
        "rigid", "-regsF", "--registrationSubtractF", choices=PARTS, help="with this part of its F"
    )
    registration_bin_ratio: float = ratio_option(
        "-regsb", "--registrationSubtract-bin-ratio", help="factor on its centre and displacement, as -pfb"
    )


@option_group
class Merge(OptionSet):
    """Particles that are merged with a grid."""

    group = "merge with particles"

    particles: tuple[str, ...] | None = option(
        None,
        "-pf2",
        "--phiFile2",
        metavar="FILE",
        reads="table",
        help="measured particles, each with its -lab1: nodes of the field that are not measured take that of theirs",
    )
    particles_bin_ratio: float = ratio_option(
        "-pf2b",
        "--phiFile2-bin-ratio",
        help="factor on the positions and displacements of -pf2, and on the voxels of its label images",
    )
    prefer_label: bool = option(
        False,
        "-mpl",
        "--merge-prefer-label",
        help="nodes in a measured particle take its Phi even where measured",
    )


@dataclass(kw_only=True)
class Options(TableFile, Target, Taken, Rows, Subtract, Merge, TableOutput, RunControl):
    """Options of hpcdvc-passPhiField."""

    @property
    def mode(self) -> str:
        """What is done: "subtract", "merge", "labels" or "grid"."""
        if self.registration:
            return "subtract"
        if self.particles:
            return "merge"
        return "labels" if self.labels1 else "grid"

    @property
    def suffix(self) -> str:
        """End of the names of the files."""
        if self.mode == "subtract":
            return f"passed-regs-{'disp' if self.registration_part == 'no' else self.registration_part}"
        if self.mode == "grid":
            return f"passed-ns{self.node_spacing or '-'.join(map(str, self.node_spacing3))}"
        return {"merge": "passed-merged", "labels": "passed-labelled"}[self.mode]

    def check(self) -> None:
        given = {
            "-regs": self.registration,
            "-pf2": self.particles,
            "-ns": self.spacing,
            "-lab1": None if self.particles else self.labels1,
        }
        modes = [name for name, value in given.items() if value]
        if len(modes) > 1:
            raise UserError(f"give only one of {' and '.join(modes)}")
        if not modes:
            raise UserError("nothing says where to: -ns (with -im1 or -im1shape), -lab1, -pf2 or -regs is missing")
        if self.mode == "grid" and (self.im1 is None) == (self.im1_shape is None):
            raise UserError("-ns needs one of -im1 and -im1shape: the image that the grid is laid into")
        if self.roi and self.mode not in ("grid", "labels"):
            raise UserError("--roi is for the points of -ns and -lab1: -pf2 and -regs keep those of -pf")
        if self.mode == "labels" and len(self.labels1) > 1:
            raise UserError(f"-lab1 takes one label image, not {len(self.labels1)}, without -pf2")
        if self.mode == "merge" and len(self.labels1 or ()) != len(self.particles):
            raise UserError(
                f"-pf2 needs a label image for each of its files: it has {len(self.particles)}, "
                f"-lab1 has {len(self.labels1 or ())}"
            )
