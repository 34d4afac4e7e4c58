"""Options of hpcdvc-mesh."""

from dataclasses import dataclass

from hpcdvc.errors import UserError
from hpcdvc.options.common import Mask, Place, RunControl, Slices
from hpcdvc.options.declare import OptionSet, one_of, option, option_group
from hpcdvc.options.roi import BOX, Roi
from hpcdvc.options.values import LONGEST
from hpcdvc.options.voxel_size import InUnits

DESCRIPTION = "Make a mesh of tetrahedra, of a box, a cylinder or a mask, or check and refine one that is there."

FIVE = tuple[float, float, float, float, float]
SIX = tuple[float, float, float, float, float, float]
#: Programs that make meshes.
MESHERS = ("hpcdvc", "gmsh")


@option_group
class Bodies(Mask, Roi, Slices):
    """What is meshed."""

    group = "body"
    differently = {
        "mask1": {"help": "mesh of a mask, of what is not 0: TIFF, folder of slices, file.h5:/dataset, .nii, .raw ..."},
        "roi": {"help": f"-mf1: mesh only what of the mask lies in this box: {BOX}"},
    }

    cuboid: SIX | None = option(
        None, "-cube", "--cuboid", metavar="Z0 Z1 Y0 Y1 X0 X1", at_least=-LONGEST, at_most=LONGEST, unit="voxel",
        help="a box, from its first to its last coordinate along each axis",
    )  # fmt: skip
    cylinder: FIVE | None = option(
        None, "-cylinder", "--cylinder", metavar="YC XC R Z0 Z1", at_least=-LONGEST, at_most=LONGEST, unit="voxel",
        help="a cylinder along z: its centre, its radius, and where it begins and ends",
    )  # fmt: skip
    mesh: str | None = option(
        None, "--from", metavar="FILE", reads="mesh",
        help="a mesh that is there, to be checked, refined and written anew: .hdf, .h5, .vtk, .vtu, .msh, .xdmf",
    )  # fmt: skip

    def check(self) -> None:
        one_of(self, "cuboid", "cylinder", "mask1", "mesh", required=True)
        if self.roi and not self.mask1:
            raise UserError("--roi cuts the mask of -mf1: what else there is says itself where it lies")
        spans = []
        if self.cuboid:
            spans = [("-cube", axis, *self.cuboid[2 * k : 2 * k + 2]) for k, axis in enumerate("zyx")]
        elif self.cylinder:
            spans = [("-cylinder", "z", *self.cylinder[3:])]
        for label, axis, first, last in spans:
            if not first < last:
                raise UserError(f"{label} ends at {axis} = {last:g}, which is not beyond its beginning, {first:g}")
        if self.cylinder and not self.cylinder[2] > 0:
            raise UserError(f"-cylinder needs a radius above 0, not {self.cylinder[2]:g}")


@option_group
class Elements(OptionSet):
    """How large the tetrahedra are."""

    group = "tetrahedra"

    lc: float | None = option(
        None, "-lc", "--characteristic-length", above=0, at_most=LONGEST, unit="voxel",
        help="mean length of edges that is aimed at; of --from, edges that are longer are halved",
    )  # fmt: skip
    size: str | None = option(
        None, "--size", metavar="FILE", reads="volume",
        help="volume of lengths of edges in voxels, where they are to be shorter than -lc; 0: no wish",
    )  # fmt: skip
    mesher: str = option(
        "hpcdvc", "--mesher", choices=MESHERS,
        help="gmsh: the program of this name, where it is installed, meshes boxes and cylinders",
    )  # fmt: skip


@option_group
class MeshViews(InUnits):
    """What is written beside the HDF5 file."""

    group = "output"

    vtk: bool = option(True, "-novtk", "-noVTK", "--noVTK", in_key=False, help="write no .vtk file")
    vtu: bool = option(False, "-vtu", "--VTUout", in_key=False, help="write a .vtu file as well")
    msh: bool = option(False, "-msh", "--MSHout", in_key=False, help="write a .msh file as well, as gmsh reads it")
    xdmf: bool = option(False, "-xdmf", "--XDMFout", in_key=False, help="write an .xdmf file as well")


@option_group
class NeedlessFormats(OptionSet):
    """Accepted so that command lines written for other programs run unchanged."""

    group = "accepted, without effect"

    h5: bool = option(
        False, "-h5", "--HDF5", in_key=False, help="not needed: the .hdf file is always written",
        note="-h5 is ignored: the .hdf file is always written",
    )  # fmt: skip
    ascii: bool = option(
        False, "-ascii", "--ASCII", in_key=False, help="not done: .vtk files are binary",
        note="-ascii is ignored: .vtk files are binary",
    )  # fmt: skip


@dataclass(kw_only=True)
class Options(Bodies, Elements, Place, MeshViews, RunControl, NeedlessFormats):
    """Options of hpcdvc-mesh."""

    differently = {
        "out_dir": {"help": "folder, made if needed; default the working folder"},
        "prefix": {"help": "beginning of the file names, instead of cuboid-mesh, cylinder-mesh, or that of the file"},
    }

    def check(self) -> None:
        if self.lc is None and not self.mesh:
            raise UserError("-lc is missing")
        if self.mesher == "gmsh" and not (self.cuboid or self.cylinder):
            raise UserError("--mesher gmsh makes boxes and cylinders: -cube or -cylinder is needed")

    @property
    def views(self) -> tuple[str, ...]:
        """Which files are written beside the HDF5 file."""
        return tuple(view for view in ("vtk", "vtu", "msh", "xdmf") if getattr(self, view))
