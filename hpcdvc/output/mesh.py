"""Meshes, with or without displacements at their nodes, read from files."""

import contextlib
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from hpcdvc.errors import UserError, file_error, shortened
from hpcdvc.kernels import guard
from hpcdvc.output import voxel_size
from hpcdvc.output.scaled import of_result
from hpcdvc.output.stored import Stored, is_hdf5, opened
from hpcdvc.output.vtk_reader import lengths_in_voxels
from hpcdvc.output.vtkhdf import VTK_OF

if TYPE_CHECKING:
    import meshio

#: VTK's number of a cell type -> corners
CELLS = {kind: corners for corners, kind in VTK_OF.items()}
#: Seconds of CPU time that meshio may take, and bytes that it reads in one more at least.
SECONDS, SLOWEST = guard.CPU_SECONDS, 1e6
#: Ends of the names of files that hold displacements, beside HDF5.
WITH_DISPLACEMENTS = (".vtk", ".vtu")
DISPLACEMENT = "VTKHDF/PointData/displacement"
OURS = ("mesh-points", "mesh-connectivity", "mesh-displacements")


def read_mesh(path: str | Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read a mesh of tetrahedra (triangles in two dimensions) and the displacements of its nodes.

    Parameters
    ----------
    path : VTKHDF file (an UnstructuredGrid with point data `displacement`, XYZ), plain HDF5 file with the datasets
        `mesh-points`, `mesh-connectivity` and `mesh-displacements` (ZYX), or .vtk or .vtu file, which needs meshio

    Returns
    -------
    points : (m, 3) float64 array, ZYX, voxels
    connectivity : (k, 4) or (k, 3) int64 array
    displacements : (m, 3) float64 array, ZYX, voxels

    Raises
    ------
    UserError
        No such file, none of these, or a mesh without tetrahedra or displacements.
    """
    if not is_hdf5(path):
        mesh = _displacements_of(path, read_with_meshio(path, WITH_DISPLACEMENTS))
    else:
        with opened(path) as stored:
            plain = stored.find("VTKHDF") is None
            mesh = _plain_arrays(stored, OURS, "mesh with displacements") if plain else _read_vtkhdf(stored)
    points, connectivity, displacements = mesh
    if any(array.dtype.kind not in "iuf" for array in mesh):
        raise UserError(f"{path} is no mesh with displacements: it holds no numbers")
    if points.ndim != 2 or points.shape[1:] != (3,) or displacements.shape != points.shape:
        raise UserError(
            f"{path} holds points of shape {points.shape} and displacements of shape {displacements.shape}: "
            "two arrays of shape (nodes, 3) are needed"
        )
    if not len(connectivity) or connectivity.shape[1:] not in ((4,), (3,)):
        raise UserError(f"{path} holds no tetrahedra and no triangles: its connectivity has shape {connectivity.shape}")
    return points.astype(float), connectivity.astype(np.int64), displacements.astype(float)


def read_mesh_geometry(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Read the tetrahedra of a mesh; cells of other kinds are left out.

    Parameters
    ----------
    path : VTKHDF file (an UnstructuredGrid, XYZ), plain HDF5 file with the datasets `mesh-points` and
        `mesh-connectivity` (ZYX), or what meshio reads of these: .vtk, .vtu, .msh, and .xdmf whose numbers stand in it

    Returns
    -------
    points : (n, 3) float64 array, ZYX, voxels
    connectivity : (k, 4) int64 array, in either orientation

    Raises
    ------
    UserError
        No such file, none of these, or a mesh without tetrahedra.
    """
    if is_hdf5(path):
        with opened(path) as stored:
            if stored.find("VTKHDF") is None:
                points, cells = _plain_arrays(stored, OURS[:2], "mesh")
            else:
                points, cells = _vtkhdf_cells(stored)
    else:
        mesh = read_with_meshio(path, (*WITH_DISPLACEMENTS, ".msh", ".xdmf"))
        points, cells = _points_of(mesh, path)[:, ::-1], mesh.cells_dict.get("tetra", np.empty((0, 4), int))
    if points.dtype.kind not in "iuf" or points.ndim != 2 or points.shape[1] != 3:
        raise UserError(f"{path} holds points of shape {points.shape} and type {points.dtype}: (nodes, 3) are needed")
    if cells.dtype.kind not in "iu" or not len(cells) or cells.shape[1:] != (4,):
        raise UserError(f"{path} holds no tetrahedra: its connectivity has shape {cells.shape}, type {cells.dtype}")
    return np.ascontiguousarray(points, float), np.ascontiguousarray(cells, np.int64)


def _plain_arrays(stored: Stored, names: tuple[str, ...], what: str) -> tuple[np.ndarray, ...]:
    missing = [name for name in names if not isinstance(stored.find(name), h5py.Dataset)]
    if missing:
        raise UserError(f"{stored.path} is no {what}: it has no dataset {', '.join(missing)}")
    return tuple(stored.array(name) for name in names)


def _vtkhdf_cells(stored: Stored) -> tuple[np.ndarray, np.ndarray]:
    """Points (m, 3), ZYX, and cells, all of one kind."""
    path, kind = stored.path, stored.text("VTKHDF", "Type") or "no type of data"
    if kind != "UnstructuredGrid" or stored.find("VTKHDF/Types") is None:
        raise UserError(f"{path} holds {shortened(kind)}, not a mesh; a field is given with -pf")
    types = np.unique(stored.array("VTKHDF/Types", (None,)))
    if len(types) != 1 or int(types[0]) not in CELLS:
        found = shortened(", ".join(map(str, types)))
        raise UserError(f"{path} holds cells of VTK type {found}: tetrahedra (10) are needed")
    corners = CELLS[int(types[0])]
    connectivity = stored.array("VTKHDF/Connectivity", (None,))
    if len(connectivity) % corners:
        raise stored.damaged(f"Connectivity has {len(connectivity)} entries, which are no cells of {corners} corners")
    return stored.array(voxel_size.points_in_voxels(stored), (None, 3))[:, ::-1], connectivity.reshape(-1, corners)


def _read_vtkhdf(stored: Stored) -> tuple[np.ndarray, ...]:
    points, connectivity = _vtkhdf_cells(stored)
    if stored.find(DISPLACEMENT) is None:
        raise UserError(f"{stored.path} holds a mesh without displacements: there is no point data `displacement`")
    return points, connectivity, stored.array(voxel_size.in_voxels(stored, DISPLACEMENT), (None, 3))[:, ::-1]


def read_with_meshio(path: str | Path, endings: tuple[str, ...]) -> "meshio.Mesh":
    """What meshio reads of a file whose name has one of these ends.

    Raises
    ------
    UserError
        No such file, another end, no mesh, or no meshio.
    """
    # meshio goes by the ending, and some of its formats lead to other files
    ending = Path(path).suffix.lower()
    if ending not in endings:
        *others, last = endings
        known = f"{', '.join(others)} or {last}"
        raise UserError(f"{path} is no HDF5 file, and its name does not end in {known}: no other mesh is read")
    try:
        import meshio
    except ImportError:
        raise UserError(f"{path} is no HDF5 file: to read other meshes, pip install meshio") from None
    seconds = round(SECONDS + os.path.getsize(path) / SLOWEST, 1)
    said = io.StringIO()  # it tells the terminal why it fails, and leaves the process
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), guard.reading(path, seconds):
            if ending == ".xdmf":
                _check_complete(path)
            return meshio.read(path)
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        raise file_error(path, error) or UserError(f"{path} is no mesh that can be read") from error


def _check_complete(path: str | Path) -> None:
    """Make sure that an XDMF file holds its numbers itself: it may name any other file.

    Raises
    ------
    UserError
        It does not.
    """
    from xml.etree import ElementTree

    for _, element in ElementTree.iterparse(path):
        if element.get("Format", "XML").upper() != "XML" or element.tag.endswith("include"):
            raise UserError(f"{path} leads to other files: an XDMF file is read whose numbers stand in it")


def _displacements_of(path: str | Path, mesh: "meshio.Mesh") -> tuple[np.ndarray, ...]:
    for name in ("displacement_voxel", "displacements_voxel", "displacement", "displacements"):
        if name in mesh.point_data:
            displacement = np.asarray(mesh.point_data[name])
            break
    else:
        raise UserError(f"{path} holds a mesh without displacements: there is no point data `displacement`")
    cells = [mesh.cells_dict[kind] for kind in ("tetra", "triangle") if kind in mesh.cells_dict]
    return _points_of(mesh, path)[:, ::-1], cells[0] if cells else np.empty((0, 4), int), displacement[:, ::-1]


def _points_of(mesh: "meshio.Mesh", path: str | Path) -> np.ndarray:
    """Positions of the nodes, XYZ, voxels, which stand beside those in a unit, or follow from the size of one."""
    if voxel_size.POSITIONS in mesh.point_data:
        return np.asarray(mesh.point_data[voxel_size.POSITIONS])
    return lengths_in_voxels(mesh.points, of_result(path))
