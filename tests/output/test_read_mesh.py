"""Meshes with displacements, from our files, plain HDF5 and those that meshio reads."""

import subprocess
import sys

import h5py
import meshio
import numpy as np
import pytest
from plain_mesh import CELLS, DISPLACEMENTS, POINTS, write_plain

from hpcdvc.errors import UserError
from hpcdvc.output.mesh import read_mesh


def write_vtkhdf(path, kind=b"UnstructuredGrid", cell_type=10, displacement="displacement", cells=CELLS) -> None:
    with h5py.File(path, "w") as file:
        root = file.create_group("VTKHDF")
        root.attrs["Version"], root.attrs["Type"] = np.array([1, 0]), np.bytes_(kind)
        root["Points"] = POINTS[:, ::-1]
        root["Connectivity"] = cells.ravel()
        root["Offsets"] = np.arange(0, cells.size + 1, cells.shape[1])
        root["Types"] = np.full(len(cells), cell_type, "u1")
        data = root.create_group("PointData")
        data[displacement] = DISPLACEMENTS[:, ::-1]


def write_meshio(path, blocks, **point_data) -> None:
    """A .vtk or .vtu file of blocks of cells; vectors of nodes are given ZYX."""
    meshio.Mesh(POINTS[:, ::-1], blocks, {name: data[:, ::-1] for name, data in point_data.items()}).write(path)


def check(path, cells=CELLS, tolerance=0.0) -> None:
    points, connectivity, displacements = read_mesh(path)
    np.testing.assert_allclose(points, POINTS, atol=tolerance)
    np.testing.assert_allclose(displacements, DISPLACEMENTS, atol=tolerance)
    np.testing.assert_array_equal(connectivity, cells)
    assert (points.dtype, connectivity.dtype, displacements.dtype) == (np.float64, np.int64, np.float64)


def test_vtkhdf(tmp_path):
    write_vtkhdf(tmp_path / "mesh.hdf")
    check(tmp_path / "mesh.hdf")
    write_vtkhdf(tmp_path / "flat.hdf", cell_type=5, cells=CELLS[:, :3])
    check(tmp_path / "flat.hdf", CELLS[:, :3])


def test_plain_hdf5(tmp_path):
    write_plain(tmp_path / "mesh.h5")
    check(tmp_path / "mesh.h5", tolerance=1e-5)


@pytest.mark.parametrize("name", ["displacement", "displacements"])
@pytest.mark.parametrize("ending", ["vtk", "vtu"])
def test_meshio(tmp_path, name, ending):
    path = tmp_path / f"mesh.{ending}"
    mixed = [("vertex", CELLS[:, :1]), ("triangle", CELLS[:, :3]), ("tetra", CELLS)]
    for blocks, expected in ((mixed[2:], CELLS), (mixed[1:2], CELLS[:, :3]), (mixed, CELLS)):
        write_meshio(path, blocks, **{name: DISPLACEMENTS, "other": POINTS})
        check(path, expected, tolerance=1e-12)


def test_mesh_of_the_peer(shared):
    path = shared / "oracle" / "spam" / "gdic-cube" / "tex1-tex2-field-GDIC.vtk"
    points, cells, displacements = read_mesh(path)
    assert points.shape == displacements.shape == (104, 3) and cells.shape == (321, 4)
    assert points.min() == 12 and points.max() == 84


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda path: None, "no such file"),
        (lambda path: write_vtkhdf(path, kind=b"ImageData"), "holds ImageData, not a mesh; a field is given with -pf"),
        (lambda path: write_vtkhdf(path, cell_type=12), "cells of VTK type 12"),
        (lambda path: write_vtkhdf(path, displacement="u"), "a mesh without displacements"),
        (lambda path: write_plain(path, mesh_displacements=None), "no dataset mesh-displacements"),
        (lambda path: write_plain(path, mesh_points=POINTS[:, :2]), r"points of shape \(7, 2\)"),
        (lambda path: write_plain(path, mesh_displacements=DISPLACEMENTS[1:]), r"displacements of shape \(6, 3\)"),
        (lambda path: write_plain(path, mesh_connectivity=CELLS[:0]), "no tetrahedra"),
        (lambda path: write_plain(path, mesh_connectivity=CELLS.ravel()), r"no triangles: .* shape \(12,\)"),
        (lambda path: path.write_text("what is this?"), "mesh.hdf"),
    ],
)
def test_refused(tmp_path, write, words):
    path = tmp_path / "mesh.hdf"
    write(path)
    with pytest.raises(UserError, match=words):
        read_mesh(path)


@pytest.mark.parametrize("ending", ["vtk", "vtu"])
def test_meshio_refused(tmp_path, ending):
    path = tmp_path / f"mesh.{ending}"
    write_meshio(path, [("tetra", CELLS)], u=DISPLACEMENTS)
    with pytest.raises(UserError, match="a mesh without displacements: there is no point data `displacement`"):
        read_mesh(path)
    write_meshio(path, [("vertex", CELLS[:, :1])], displacement=DISPLACEMENTS)
    with pytest.raises(UserError, match="no tetrahedra and no triangles"):
        read_mesh(path)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("lambda path: os.kill(os.getpid(), signal.SIGSEGV)", "is damaged and cannot be read: the library"),
        ("lambda path: [None for _ in iter(int, 1)]", "cannot be read: 0.2 s of CPU time were not enough"),
    ],
)
def test_meshio_that_crashes_or_never_ends(tmp_path, fault, said):
    write_meshio(tmp_path / "a.vtu", [("tetra", CELLS)], displacement=DISPLACEMENTS)
    lines = (
        "import os, signal, meshio",
        "from hpcdvc.output import mesh",
        "mesh.SECONDS = 0.2",
        f"meshio.read = {fault}",
        "mesh.read_mesh('a.vtu')",
    )
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], cwd=tmp_path, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, b"")
    assert f"a.vtu {said}" in done.stderr.decode() and done.stderr.count(b"\n") == 1


def test_without_meshio(tmp_path, monkeypatch):
    """It is optional: who has none is told, and other files are read."""
    write_meshio(tmp_path / "mesh.vtu", [("tetra", CELLS)], displacement=DISPLACEMENTS)
    write_plain(tmp_path / "mesh.h5")
    monkeypatch.setitem(sys.modules, "meshio", None)
    with pytest.raises(UserError, match="mesh.vtu is no HDF5 file: to read other meshes, pip install meshio"):
        read_mesh(tmp_path / "mesh.vtu")
    check(tmp_path / "mesh.h5", tolerance=1e-5)


def test_formats_that_lead_to_other_files(tmp_path):
    """An .xdmf file names the file that its points are in, any file."""
    write_meshio(tmp_path / "mesh.xdmf", [("tetra", CELLS)], displacement=DISPLACEMENTS)
    with pytest.raises(UserError, match=r"mesh\.xdmf is no HDF5 file, and its name does not end in \.vtk or \.vtu"):
        read_mesh(tmp_path / "mesh.xdmf")


def test_text_named_vtk(tmp_path, capfd):
    path = tmp_path / "mesh.vtk"
    path.write_text("what is this?")
    with pytest.raises(UserError, match="mesh.vtk is no mesh that can be read"):
        read_mesh(path)
    assert capfd.readouterr() == ("", "")
