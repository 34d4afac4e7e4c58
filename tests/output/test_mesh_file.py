"""Files of meshes: what is written is read again, by us and by others, and nothing else is taken for a mesh."""

import json
from pathlib import Path

import h5py
import meshio
import numpy as np
import pytest
from mesh_cases import determinants
from plain_mesh import CELLS, POINTS, write_plain
from pvbatch import run_pvbatch

from hpcdvc.errors import UserError
from hpcdvc.fem.mesh import create_cylinder
from hpcdvc.fem.quality import aspect_ratios, check_mesh
from hpcdvc.output.mesh import read_mesh_geometry
from hpcdvc.output.mesh_file import FORMATS, MeshFile

METADATA = {"key": "12ab", "parameters": {"lc": 6.0}, "provenance": {"program": "hpcdvc-mesh"}}


@pytest.fixture(scope="module")
def mesh():
    return create_cylinder((31.3, 27), 12, 30, 6, z_origin=4.25)


@pytest.fixture(scope="module")
def made(mesh, tmp_path_factory):
    """All files of a mesh."""
    file = MeshFile(str(tmp_path_factory.mktemp("files") / "m"), METADATA, tuple(FORMATS))
    file.write(*mesh, {"aspect": aspect_ratios(*mesh)})
    file.write_views()
    return file


@pytest.mark.parametrize("ending", ["hdf", *FORMATS])
def test_written_and_read(mesh, made, ending):
    """The same nodes to the last digit, and the same tetrahedra; in the file they are upright in XYZ."""
    points, cells = read_mesh_geometry(f"{made.stem}.{ending}")
    assert points.dtype == np.float64 and cells.dtype == np.int64
    assert np.array_equal(points, mesh[0]) and np.array_equal(check_mesh(points, cells), mesh[1])
    assert determinants(points[:, ::-1], cells).min() > 0


def test_what_stands_in_the_file(mesh, made):
    with h5py.File(made.path) as file:
        root, ours = file["VTKHDF"], file["hpcdvc"]
        assert root.attrs["Type"] == b"UnstructuredGrid" and ours.attrs["kind"] == b"mesh"
        assert set(root["Types"]) == {10} and root["NumberOfCells"][:].tolist() == [len(mesh[1])]
        np.testing.assert_allclose(root["CellData/aspect"], aspect_ratios(*mesh), rtol=1e-6)
        assert root["CellData/aspect"].attrs["unit"] == b"1"
        assert json.loads(ours.attrs["parameters"]) == METADATA["parameters"]
    assert made.is_ours() and not MeshFile(made.stem, {"key": "other"}).is_ours()
    assert made.stored() == METADATA and made.file_bytes > sum(Path(p).stat().st_size for p in made.view_paths())


def test_files_stand_alone(made, tmp_path):
    """No file leads to another one."""
    for path in (made.path, *made.view_paths()):
        copy = tmp_path / Path(path).name
        copy.write_bytes(Path(path).read_bytes())
        assert len(read_mesh_geometry(copy)[1])
        copy.unlink()


def test_meshes_of_the_peer(shared):
    for name, nodes, cells in (("mesh-cube/cube-lc24.0", 104, 321), ("mesh-cylinder/cyl-lc18.0", 165, 512)):
        path = shared / "oracle" / "spam" / name
        points, connectivity = read_mesh_geometry(f"{path}.h5")
        assert (len(points), len(connectivity)) == (nodes, cells)
        assert points[:, 0].min() == 12 and points[:, 0].max() == 84
        same, others = read_mesh_geometry(f"{path}.vtk")  # with nodes of no tetrahedron, in another order
        assert (len(np.unique(others)), len(others)) == (nodes, cells)
        volumes = [np.sort(determinants(p, check_mesh(p, c))) for p, c in ((points, connectivity), (same, others))]
        np.testing.assert_allclose(*volumes, rtol=1e-4)


def test_plain_hdf5(tmp_path):
    write_plain(tmp_path / "m.h5", mesh_displacements=None)
    points, cells = read_mesh_geometry(tmp_path / "m.h5")
    np.testing.assert_allclose(points, POINTS, rtol=1e-6)
    assert np.array_equal(cells, CELLS)


@pytest.mark.parametrize("ending", ["vtk", "vtu", "msh", "xdmf"])
def test_cells_of_other_kinds_are_left_out(tmp_path, ending):
    path = tmp_path / f"m.{ending}"
    blocks = [("line", CELLS[:, :2]), ("triangle", CELLS[:, :3]), ("tetra", CELLS[:2]), ("tetra", CELLS[2:])]
    how = {"file_format": "gmsh22", "binary": False} if ending == "msh" else {}
    how |= {"data_format": "XML"} if ending == "xdmf" else {}
    meshio.Mesh(POINTS[:, ::-1], blocks).write(path, **how)
    points, cells = read_mesh_geometry(path)
    np.testing.assert_allclose(points, POINTS, rtol=1e-12)
    assert np.array_equal(cells, CELLS)
    meshio.Mesh(POINTS[:, ::-1], blocks[:2]).write(path, **how)
    with pytest.raises(UserError, match=f"m.{ending} holds no tetrahedra"):
        read_mesh_geometry(path)


def write_grid(path, kind=b"ImageData", types=(10, 10, 10)):
    with h5py.File(path, "w") as file:
        root = file.create_group("VTKHDF")
        root.attrs["Type"] = np.bytes_(kind)
        root["Points"], root["Connectivity"] = POINTS[:, ::-1], CELLS.ravel()
        root["Types"] = np.array(types, "u1")


@pytest.mark.parametrize(
    ("name", "write", "words"),
    [
        ("m.hdf", lambda path: None, "no such file"),
        ("m.stl", lambda path: path.write_text("solid"), r"does not end in .vtk, .vtu, .msh or .xdmf"),
        ("m.msh", lambda path: path.write_text("what is this?"), "m.msh is no mesh that can be read"),
        ("m.xdmf", lambda path: path.write_text("<Xdmf>"), "m.xdmf is no mesh that can be read"),
        ("m.xdmf", lambda path: meshio.Mesh(POINTS, [("tetra", CELLS)]).write(path), "m.xdmf leads to other files"),
        ("m.h5", lambda path: write_plain(path, mesh_points=None), "m.h5 is no mesh: it has no dataset mesh-points"),
        ("m.h5", lambda path: write_plain(path, mesh_points=POINTS[:, :2]), r"points of shape \(7, 2\)"),
        ("m.h5", lambda path: write_plain(path, mesh_connectivity=CELLS[:, :3]), "m.h5 holds no tetrahedra"),
        ("m.h5", lambda path: write_plain(path, mesh_connectivity=CELLS * 1.0), "no tetrahedra: .* type float64"),
        ("m.hdf", lambda path: write_grid(path), "m.hdf holds ImageData, not a mesh"),
        ("m.hdf", lambda path: write_grid(path, b"UnstructuredGrid", (10, 12, 10)), "cells of VTK type 10, 12"),
        ("m.hdf", lambda path: write_grid(path, b"UnstructuredGrid", (5, 5, 5)), "m.hdf holds no tetrahedra"),
    ],
)
def test_refused(tmp_path, name, write, words):
    path = tmp_path / name
    write(path)
    with pytest.raises(UserError, match=words):
        read_mesh_geometry(path)


def test_pyvista_reads_it(mesh, made):
    pyvista = pytest.importorskip("pyvista", reason="pyvista is not installed: pip install pyvista")
    for path in (made.path, f"{made.stem}.vtk", f"{made.stem}.vtu"):
        seen = pyvista.read(path)
        np.testing.assert_array_equal(seen.points[:, ::-1], mesh[0])
        volumes = seen.compute_cell_sizes()["Volume"]
        np.testing.assert_allclose(volumes, determinants(*mesh) / 6, rtol=1e-9)


PVBATCH = """
import json, sys
from paraview import simple
seen = {}
for path in sys.argv[1:-1]:
    reader = simple.OpenDataFile(path)
    quality = simple.MeshQuality(Input=reader)
    quality.TetQualityMeasure = "Volume"
    data = simple.servermanager.Fetch(quality)
    array = data.GetCellData().GetArray("Quality")
    volumes = [array.GetValue(k) for k in range(data.GetNumberOfCells())]
    seen[path] = [data.GetNumberOfPoints(), list(data.GetBounds()), min(volumes), sum(volumes)]
with open(sys.argv[-1], "w") as stream:
    json.dump(seen, stream)
"""


@pytest.mark.paraview
def test_paraview_opens_all_files(mesh, made, tmp_path):
    """Real ParaView: nodes, bounds, and volumes that are all positive."""
    paths = [made.path, *(f"{made.stem}.{ending}" for ending in ("vtk", "vtu", "xdmf"))]
    run_pvbatch(tmp_path, PVBATCH, [*paths, "seen.json"])
    points, cells = mesh
    for nodes, bounds, least, volume in json.loads((tmp_path / "seen.json").read_text()).values():
        assert nodes == len(points) and least > 0
        np.testing.assert_allclose(np.reshape(bounds, (3, 2))[::-1], np.stack([points.min(0), points.max(0)], axis=1))
        assert volume == pytest.approx(determinants(points, cells).sum() / 6)
