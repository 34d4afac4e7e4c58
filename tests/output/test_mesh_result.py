"""Files of fields at the nodes of a mesh: rows are nodes, what is known of tetrahedra stands beside them."""

import h5py
import numpy as np
import pytest

from hpcdvc.errors import UserError
from hpcdvc.fem.mesh import create_cuboid
from hpcdvc.fem.quality import orient
from hpcdvc.fields.field import ROW
from hpcdvc.fields.status import Status
from hpcdvc.output.hdf5 import read_field, read_metadata, read_table
from hpcdvc.output.mesh import read_mesh, read_mesh_geometry
from hpcdvc.output.mesh_result import MeshFieldFile, read_elements
from hpcdvc.output.read import read
from hpcdvc.ranks.team import Team

POINTS, CELLS = create_cuboid((20.0, 20.0, 30.0), 10.0, (3.0, 4.0, 5.0))
METADATA = {"key": "k", "parameters": {}, "provenance": {"program": "hpcdvc-gdic"}}
HISTORY = np.array([(1, 0.5), (2, 0.1)], [("index", "<i8"), ("rms", "<f8")])
GRADIENT = np.array([[0.01, 0.02, 0.03], [0.0, -0.01, 0.0], [0.04, 0.0, 0.005]])
U = POINTS @ GRADIENT.T
LOST = 4


def rows() -> np.ndarray:
    made = np.zeros(len(POINTS), ROW)
    made["index"], made["return_status"] = np.arange(len(POINTS)), Status.CONVERGED
    made["return_status"][LOST] = Status.SINGULAR
    made["Phi"][:, :, :3], made["Phi"][:, :, 3] = np.eye(3) + GRADIENT, U
    made["variance"] = 0.01
    return made


def of_elements() -> dict:
    status = rows()["return_status"][CELLS].min(axis=1)
    strain = np.tile([1.0, 2, 3, 4, 5, 6], (len(CELLS), 1))  # zz zy zx yy yx xx
    return {"return_status": status, "residual": np.arange(len(CELLS), dtype=float), "e": strain}


@pytest.fixture
def path(tmp_path):
    file = MeshFieldFile(str(tmp_path / "a"), len(POINTS), METADATA, ("tsv", "vtk"), elements=len(CELLS))
    file.write_nodes(rows(), POINTS, CELLS, of_elements(), HISTORY, Team())
    file.write_views()
    assert sum(p.stat().st_size for p in tmp_path.iterdir()) < file.file_bytes + 2**20
    return str(tmp_path / "a.hdf")


def test_nodes(path):
    field = read_field(path)
    assert np.array_equal(field.positions, POINTS) and np.array_equal(field.displacement, U)
    assert field.measured.sum() == len(POINTS) - 1 and not field.measured[LOST]
    assert read_metadata(path)["kind"] == "mesh" and read_metadata(path)["statuses"]["-2"]["count"] == 1
    assert np.array_equal(read_table(path, "iterations"), HISTORY)


def test_cells(path):
    """Their columns come back in ZYX; strain next to a node that is not measured is left out."""
    elements, lost = read_elements(path), (CELLS == LOST).any(axis=1)
    assert repr(elements).startswith(f"<{len(CELLS)} tetrahedra; cells, members ") and "residual" in repr(elements)
    assert np.array_equal(elements.cells, CELLS) and elements.members["residual"].tolist() == list(range(len(CELLS)))
    assert np.isnan(elements.members["e"][lost]).all() and (elements.members["e"][~lost] == [1, 2, 3, 4, 5, 6]).all()
    with h5py.File(path) as file:
        assert file["VTKHDF/CellData/e"][np.flatnonzero(~lost)[0]].tolist() == [6, 4, 1, 5, 2, 3]
        assert file["VTKHDF/CellData/residual"].attrs["unit"] in (b"grey value", "grey value")


def test_what_was_read_is_saved_as_a_mesh(path, tmp_path):
    """With its tetrahedra, and what is known of them: a gauge, and what deforms an image, need these."""
    result = read(path)
    assert repr(result).startswith(f"<mesh of {len(POINTS)} nodes and {len(CELLS)} tetrahedra")
    result.save(tmp_path / "b.hdf")
    again, elements = read(tmp_path / "b.hdf"), read_elements(path)
    assert again.metadata["kind"] == "mesh" and np.array_equal(again.phi, result.phi)
    assert np.array_equal(again.elements.cells, CELLS) and again.elements.members.keys() == elements.members.keys()
    for name, values in elements.members.items():
        assert np.array_equal(again.elements.members[name], values, equal_nan=True), name
    assert np.array_equal(read_mesh(tmp_path / "b.hdf")[1], read_mesh(path)[1])


def test_pyvista(path):
    pytest.importorskip("pyvista")
    mesh = read(path).to_pyvista()
    assert mesh.n_cells == len(CELLS) and mesh.volume == pytest.approx(20 * 20 * 30)
    assert mesh.compute_cell_sizes()["Volume"].min() > 0, "none is inside out"


def test_as_a_mesh(path):
    points, cells = read_mesh_geometry(path)
    assert np.array_equal(points, POINTS) and np.array_equal(orient(points, cells), CELLS)
    points, cells, displacements = read_mesh(path)
    assert np.array_equal(displacements[np.arange(len(U)) != LOST], np.delete(U, LOST, axis=0))


def test_not_upside_down_for_viewers(path):
    """VTK's tetrahedra have a positive volume in XYZ."""
    with h5py.File(path) as file:
        corners = file["VTKHDF/Points"][:][file["VTKHDF/Connectivity"][:].reshape(-1, 4)]
    assert (np.linalg.det(corners[:, 1:] - corners[:, :1]) > 0).all()


def test_legacy(path):
    mesh = pytest.importorskip("meshio").read(path.replace("hdf", "vtk"))
    assert np.array_equal(mesh.cells_dict["tetra"][:, [0, 1, 3, 2]], CELLS)
    assert np.allclose(mesh.points[:, ::-1], POINTS)
    assert mesh.cell_data["residual"][0].ravel().tolist() == list(range(len(CELLS)))
    found = mesh.point_data["displacements"]
    assert np.isnan(found[LOST]).all() and np.allclose(np.delete(found, LOST, 0)[:, ::-1], np.delete(U, LOST, 0))


def test_no_elements(tmp_path):
    with h5py.File(tmp_path / "a.hdf", "w") as file:
        file["VTKHDF/Connectivity"] = np.arange(4)
    with pytest.raises(UserError, match="no data of tetrahedra"):
        read_elements(str(tmp_path / "a.hdf"))
