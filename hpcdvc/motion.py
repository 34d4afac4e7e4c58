"""The deformation that a file holds, as a mapping of voxels: a registration, a field or a mesh."""

import logging
from dataclasses import dataclass

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.field import STATUS_TEXT, Field, Status
from hpcdvc.images import VolumeInfo
from hpcdvc.mappings import MeshMap, NeighbourMap, PhiMap
from hpcdvc.nodes import check_in_image, usable_rows, within_radius
from hpcdvc.options import OptionSet, declarations, one_of, option
from hpcdvc.output.mesh import read_mesh
from hpcdvc.phi import part_of
from hpcdvc.start import read_start
from hpcdvc.triangulation import triangulate

log = logging.getLogger("hpcdvc")

Mapping = PhiMap | NeighbourMap | MeshMap
#: What deforms the image -> end of the names of the files.
KINDS = {
    "registration": "reg-def",
    "field": "def",
    "displacements": "disp-def",
    "triangulation": "tetMesh-def",
    "mesh": "mesh-def",
}
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


@dataclass(kw_only=True)
class MotionOptions(OptionSet):
    """Which deformation is applied, and how."""

    group = "deformation"

    phi_file: str | None = option(
        None, "-pf", "-phiFile", metavar="FILE", help="a registration (one row) or a field (.tsv or .hdf) to apply"
    )
    mesh: str | None = option(
        None, "--mesh", metavar="FILE", help="a mesh with displacements at its nodes (.hdf, .h5, .vtk, .vtu) to apply"
    )
    phi_file_bin_ratio: float = option(
        1.0,
        "-pfb",
        "--phiFile-bin-ratio",
        above=0,
        help="factor on the positions and displacements of -pf, e.g. 2 when it was measured on images binned by 2",
    )
    rigid: bool = option(False, "-rr", "--rigid", help="registration: apply its rotation and displacement only")
    return_status_threshold: int = option(
        2, "-rst", "--return-status-threshold", help="field: use the rows with at least this return status"
    )
    radius: float | None = option(
        None,
        "-rad",
        "--radius-limit",
        above=0,
        unit="voxel",
        help="field: leave out nodes farther than this from the axis along z through the middle of the image",
    )
    neighbours: int = option(
        8, "-nn", "--number-of-neighbours", at_least=1, help="field: nodes that each voxel takes its deformation from"
    )
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
        unit="voxel^2",
        help="-tet: remove tetrahedra with a squared circumradius above this; 0 keeps all, negative finds a value",
    )
    grey_for_strain: bool = option(
        False,
        "-cgs",
        "--correct-grey-for-strain",
        help="-tet, --mesh: divide grey values by the change of volume, as for a density (air must be 0)",
    )

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


def read_motion(options: MotionOptions, image: VolumeInfo) -> tuple[str, Mapping]:
    """Read the file of the deformation.

    Parameters
    ----------
    options : which file, and what to make of it
    image : the image that will be deformed

    Returns
    -------
    kind : one of `KINDS`
    mapping

    Raises
    ------
    UserError
        The file cannot be used, or the options do not fit it.
    """
    if options.mesh:
        return "mesh", _mesh(options, image)
    field = read_start(options.phi_file, options.phi_file_bin_ratio)
    if len(field) == 1:
        options.refuse(OF_FIELDS, f"a registration: {options.phi_file} holds one row, a field has several")
        return "registration", _registration(options, field)
    options.refuse(["rigid"], f"a field: {options.phi_file} holds {len(field)} rows, a registration has one")
    positions, phi = _nodes(options, field, image)
    if options.triangulation:
        return "triangulation", _tetrahedra(options, positions, phi[:, :3, 3], image)
    kind = "displacements" if options.displacement_only else "field"
    return kind, NeighbourMap(positions, phi, options.neighbours, options.displacement_only)


def _registration(options: MotionOptions, field: Field) -> PhiMap:
    status = int(field.return_status[0])
    if status != Status.CONVERGED:
        reason = STATUS_TEXT.get(status, ("unknown status",))[0]
        log.warning("the registration in %s has return status %d (%s)", options.phi_file, status, reason)
    return PhiMap(part_of(field.phi[0], "rigid" if options.rigid else "all"), field.positions[0])


def _nodes(options: MotionOptions, field: Field, image: VolumeInfo) -> tuple[np.ndarray, np.ndarray]:
    """Positions (n, 3) and Phi (n, 4, 4) of the nodes to use."""
    rows = usable_rows(field, options.return_status_threshold, options.phi_file)
    positions, phi = field.positions[rows], field.phi[rows]
    check_in_image(positions, image, options.phi_file)
    if options.radius is not None:
        near = within_radius(positions, options.radius, image.shape, options.phi_file)
        positions, phi = positions[near], phi[near]
    log.info("%d of the %d nodes of %s are used", len(positions), len(field), options.phi_file)
    return positions, phi


def _tetrahedra(options: MotionOptions, positions: np.ndarray, displacements: np.ndarray, image: VolumeInfo) -> MeshMap:
    axes = slice(1 if image.two_dimensional else 0, 3)
    cells = triangulate((positions + displacements)[:, axes], options.alpha)
    log.info("%d %s between them", len(cells), "triangles" if image.two_dimensional else "tetrahedra")
    return MeshMap(positions, cells, displacements, options.grey_for_strain, partition=True)


def _mesh(options: MotionOptions, image: VolumeInfo) -> MeshMap:
    points, cells, displacements = read_mesh(options.mesh)
    if (cells.shape[1] == 3) != image.two_dimensional:
        kind, other = ("triangles", "volume") if cells.shape[1] == 3 else ("tetrahedra", "2-D image")
        raise UserError(f"{options.mesh} is a mesh of {kind}, and {image.spec} is a {other}")
    check_in_image(points, image, options.mesh)
    log.info("%d cells of %d nodes", len(cells), len(points))
    return MeshMap(points, cells, displacements, options.grey_for_strain)
