"""Meshes with what is known at their nodes, as .vtu files hold them."""

from contextlib import nullcontext

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.output import schema
from hpcdvc.output.mesh import read_with_meshio
from hpcdvc.output.voxel_size import POSITIONS
from hpcdvc.pages.view_result import FieldResult, Mesh, Source
from hpcdvc.pages.vti import members_of


def read_vtu(path: str) -> Source:
    """A mesh of tetrahedra or triangles, or points, with arrays at its nodes and in its cells.

    Raises
    ------
    UserError
        No such file, no mesh, or one without numbers.
    """
    mesh = read_with_meshio(path, (".vtu",))
    kind = next((one for one in ("tetra", "triangle") if one in mesh.cells_dict), None)
    arrays = {name: np.asarray(values) for name, values in mesh.point_data.items()}
    # of our meshes in a unit, positions in voxels
    points = np.ascontiguousarray(np.asarray(arrays.pop(POSITIONS, mesh.points), float)[:, ::-1])
    of_cells = {name: np.asarray(found[kind]) for name, found in mesh.cell_data_dict.items() if kind in found}
    if not arrays and not of_cells:
        raise UserError(f"{path} holds a mesh without numbers")
    result = _result(arrays, points, path)
    if kind is None:
        return Source.in_memory(result)
    cells = Mesh(points, np.asarray(mesh.cells_dict[kind], np.int64))
    if not of_cells:
        return Source.in_memory(result, mesh=cells)
    inside = _result(of_cells, points[cells.cells].mean(axis=1), path)
    if not arrays:
        return Source.in_memory(inside, mesh=Mesh(points, cells.cells, True))
    return Source.in_memory(result, mesh=cells, cells=lambda: nullcontext(inside))


def _result(arrays: dict[str, np.ndarray], positions: np.ndarray, path: str) -> FieldResult:
    members, family = members_of(arrays, len(positions), path)
    return FieldResult.of(schema.field_of_members(members, None, positions, family), path)
