"""Options of hpcdvc-gdic."""

from dataclasses import dataclass
from typing import ClassVar

from hpcdvc.errors import UserError
from hpcdvc.options.common import ImagePair, PhiFile, Place, PointViews, Reported, RunControl
from hpcdvc.options.declare import OptionSet, option, option_group
from hpcdvc.options.needless import NeedlessDebug
from hpcdvc.options.registration import RegistrationFirst
from hpcdvc.options.values import LONGEST

DESCRIPTION = "Measure the displacements of all nodes of a mesh of tetrahedra at once, with mechanical regularisation."


@option_group
class Mesh(OptionSet):
    """Where the displacements are wanted."""

    group: ClassVar[str] = "mesh"

    mesh: str = option(
        reads="mesh",
        help="tetrahedra in im1, in voxels: a file of ours (.hdf), .h5 with mesh-points and mesh-connectivity, .vtk, "
        ".vtu, .msh or .xdmf",
    )
    regularisation: str | None = option(
        None,
        "-r",
        "--regularisation",
        metavar="FILE",
        reads="parameters",
        help="parameters of the mechanical regularisation (.yaml); without it there is none",
    )


@option_group
class MeshStart(PhiFile):
    """Where it starts from."""

    group: ClassVar[str] = "start"
    differently = {
        "phi_file": {
            "help": "a registration (one row) or a field (.tsv or .hdf) to start from, such as the result of the step "
            "before; a field on other points is passed to the nodes"
        }
    }

    coarse_mesh: str | None = option(
        None,
        "--coarse-mesh",
        metavar="FILE",
        reads="mesh",
        help="measure on this coarser mesh of the same body first, and start from that",
    )


@option_group
class Iterations(OptionSet):
    """How it iterates."""

    group: ClassVar[str] = "correlation"

    max_iterations: int = option(25, "-it", "--max-iterations", at_least=1, at_most=10**6, help="most iterations")
    convergence: float = option(
        0.01, "-cc", "--convergence-criterion", above=0, at_most=LONGEST, unit="voxel",
        help="converged when no node moves by more than this, and the residual changes by less than 0.1 %",
    )  # fmt: skip
    criterion: str = option(
        "znssd",
        "-crit",
        "--criterion",
        choices=("znssd", "ssd", "map"),
        help="grey values of im2 are brought to mean and contrast of im1: znssd as a whole, map by place, slowly; ssd "
        "takes them as they are",
    )
    median: bool = option(
        False, "-fm", "--median-filter", help="take the median of each node and its neighbours after each iteration"
    )
    gradient: str = option(
        "im1", "--gradient", choices=("im1", "both"), help="gradient of im1, or the mean of those of both images"
    )
    solver: str | None = option(
        None, "-solver", "--solver", choices=("direct", "pcg"),
        help="direct factorises the equations; pcg takes less memory and time where there are many nodes; default pcg "
        "above 3000 unknowns with regularisation, above 20000 without",
    )  # fmt: skip


@option_group
class Beside(Place, PointViews):
    """What is written."""

    group: ClassVar[str] = "output"

    strain: bool = option(
        False, "-str", "--strain", help="calculate the strain of each tetrahedron: vol, dev, volss, devss and e"
    )
    probes: int | None = option(
        None, "--std", at_least=0, at_most=10**4, metavar="N",
        help="random vectors for the standard deviations of the nodes; default 32 up to 100000 unknowns, else 0: none",
    )  # fmt: skip


@dataclass(kw_only=True)
class Options(ImagePair, Mesh, MeshStart, RegistrationFirst, Iterations, Beside, Reported, RunControl, NeedlessDebug):
    """Options of hpcdvc-gdic."""

    differently = {
        "register": {"help": "register the images as a whole first, and start from that; short for -regbb 4 -regbe 1"}
    }

    def check(self) -> None:
        if self.phi_file and self.register:
            raise UserError("give only one of -pf and --register")
