"""Options on a deformation that is read from a file."""

from typing import ClassVar

from hpcdvc.errors import UserError
from hpcdvc.options.common import PhiFile
from hpcdvc.options.declare import declarations, one_of, option, option_group
from hpcdvc.options.tables import Threshold
from hpcdvc.options.values import LONGEST

#: Options about the rows of a field.
OF_FIELDS = (
    "displacement_only",
    "neighbours",
    "triangulation",
    "alpha",
    "grey_for_strain",
    "return_status_threshold",
    "radius",
)


@option_group
class Motion(Threshold):
    """What else may be applied, and how."""

    differently = {
        "return_status_threshold": {
            "help": "field: use the rows with at least this return status, not those that are measured"
        }
    }

    mesh: str | None = option(
        None,
        "--mesh",
        metavar="FILE",
        reads="mesh",
        help="a mesh with displacements at its nodes (.hdf, .h5, .vtk, .vtu) to apply",
    )
    rigid: bool = option(False, "-rr", "--rigid", help="registration: apply its rotation and displacement only")
    radius: float | None = option(
        None,
        "-rad",
        "--radius-limit",
        above=0,
        at_most=LONGEST,
        unit="voxel",
        help="field: leave out nodes farther than this from the axis along z through the middle of the image",
    )
    neighbours: int = option(
        8, "-nn", "--number-of-neighbours", at_least=1, at_most=1000,
        help="field: nodes that each voxel takes its deformation from",
    )  # fmt: skip
    displacement_only: bool = option(
        False,
        "-disp",
        "-interpolateDisplacements",
        "--interpolate-displacements",
        help="field: interpolate the displacements of the nodes, without their F",
    )
    triangulation: bool = option(
        False,
        "-tet",
        "-triangulation",
        "-mesh-transformation",
        help="field: triangulate the displaced nodes, displacements are linear in each tetrahedron; 0 outside",
    )
    alpha: float = option(
        0.0,
        "-a",
        "-triangulation-alpha-value",
        "--triangulation-alpha-value",
        at_least=-1e12,
        at_most=1e12,
        unit="voxel^2",
        help="-tet: remove tetrahedra with a squared circumradius above this; 0 keeps all, negative finds a value",
    )
    grey_for_strain: bool = option(
        False,
        "-cgs",
        "--correct-grey-for-strain",
        help="-tet, --mesh: divide grey values by the change of volume, as for a density (air must be 0)",
    )


@option_group
class MotionOptions(PhiFile, Motion):
    """Which deformation is applied, and how."""

    group: ClassVar[str] = "deformation"

    def check(self) -> None:
        one_of(self, "phi_file", "mesh", required=True)
        if self.mesh:
            self.refuse([name for name in OF_FIELDS if name != "grey_for_strain"], "--mesh")
            self.refuse(["phi_file_bin_ratio", "rigid"], "--mesh")
        elif self.triangulation:
            self.refuse(["displacement_only", "neighbours"], "-tet")
        else:
            for name, label in (("alpha", "-a"), ("grey_for_strain", "-cgs")):
                if getattr(self, name):
                    raise UserError(f"{label} needs the tetrahedra of -tet{' or --mesh' * (label == '-cgs')}")

    def refuse(self, names: list[str] | tuple[str, ...], what: str) -> None:
        """Raise UserError when one of the options is given that make no sense with `what`."""
        for declared in declarations(type(self)):
            if declared.name in names and getattr(self, declared.name) != declared.default:
                raise UserError(f"{declared.label} makes no sense with {what}")
