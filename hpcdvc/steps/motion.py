"""The deformation that a file holds, as a mapping of voxels: a registration, a field or a mesh."""

import logging

import numpy as np

from hpcdvc.deformation.mappings import NeighbourMap, PhiMap
from hpcdvc.deformation.meshes import MeshMap
from hpcdvc.errors import UserError
from hpcdvc.fields.field import Field
from hpcdvc.fields.phi import part_of
from hpcdvc.fields.status import Status, reason_of
from hpcdvc.fields.triangulation import triangulated
from hpcdvc.images import VolumeInfo
from hpcdvc.options.motion import OF_FIELDS, MotionOptions
from hpcdvc.output.mesh import read_mesh
from hpcdvc.steps.selection import check_in_image, usable_rows, within_radius
from hpcdvc.steps.start import read_start

log = logging.getLogger("hpcdvc")

Motion = PhiMap | NeighbourMap | MeshMap
#: What deforms the image -> end of the names of the files.
KINDS = {
    "registration": "reg-def",
    "field": "def",
    "displacements": "disp-def",
    "triangulation": "tetMesh-def",
    "mesh": "mesh-def",
}


def read_motion(options: MotionOptions, image: VolumeInfo) -> tuple[str, Motion]:
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
    field = read_start(options.phi_file, options.phi_file_bin_ratio, image)
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
    if not field.measured[0] and status != Status.NOT_EVALUATED:  # set by hand
        reason = reason_of(status, field.family)
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
    cells = triangulated((positions + displacements)[:, axes], options.alpha, options.phi_file)
    log.info("%d %s between them", len(cells), "triangles" if image.two_dimensional else "tetrahedra")
    return MeshMap(positions, cells, displacements, options.grey_for_strain, partition=True)


def _mesh(options: MotionOptions, image: VolumeInfo) -> MeshMap:
    points, cells, displacements = read_mesh(options.mesh)
    if (cells.shape[1] == 3) != image.two_dimensional:
        kind, other = ("triangles", "volume") if cells.shape[1] == 3 else ("tetrahedra", "2-D image")
        raise UserError(f"{options.mesh} is a mesh of {kind}, and {image.spec} is a {other}")
    check_in_image(points, image, options.mesh)
    log.info("%d cells of %d nodes", len(cells), len(points))
    return MeshMap(points, _measured(cells, displacements), displacements, options.grey_for_strain)


def _measured(cells: np.ndarray, displacements: np.ndarray) -> np.ndarray:
    """The cells whose nodes are all measured; where there are none all, which are refused for that."""
    measured = np.isfinite(displacements).all(axis=1).take(cells, mode="clip").all(axis=1)
    if measured.all() or not measured.any():
        return cells
    log.warning("%d cells of the mesh have nodes that are not measured, and are left out", (~measured).sum())
    return cells[measured]
