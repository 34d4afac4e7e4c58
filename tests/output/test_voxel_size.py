"""Files with a voxel size: lengths in its unit for viewers, and for readers of ours voxels, bit for bit."""

from itertools import product
from pathlib import Path

import h5py
import numpy as np
import pytest
from affine_field import GRID, GRID_2D, METADATA, affine_rows
from same_fields import same

import hpcdvc
from hpcdvc.errors import UserError
from hpcdvc.fem.mesh import create_cuboid
from hpcdvc.options.voxel_size import VoxelSize
from hpcdvc.output import hdf5, vtk
from hpcdvc.output.contents import Elements, Mesh
from hpcdvc.output.dense import DenseFile
from hpcdvc.output.dense_result import read_dense
from hpcdvc.output.mesh import read_mesh, read_mesh_geometry
from hpcdvc.output.mesh_file import FORMATS, MeshFile
from hpcdvc.output.mesh_result import read_elements
from hpcdvc.output.scaled import of_result
from hpcdvc.output.voxel_size import agreed
from hpcdvc.pages.result_file import open_result

SIZES = ("6.5um", "0.1mm", "3.3333333e-7m", "1nm")
KINDS = ("grid", "2-D", "points", "labels", "registration", "mesh", "cells")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(kind: str, path: str, size: str | None) -> None:
    """A result of a kind, at places that are no round numbers."""
    metadata = METADATA | ({"voxel_size": size} if size else {})
    grid = {"grid": GRID, "2-D": GRID_2D}.get(kind)
    points, cells = create_cuboid((20, 20, 20), 6.1, (3.3, 4.1, 5.7))
    positions = {"registration": np.array([[10.1, 20.3, 30.7]]), "mesh": points}.get(kind)
    if positions is None:
        positions = (grid or GRID).positions() + (0 if grid else 1 / 3)
    extra, more = {}, {}
    if kind == "labels":
        extra["label"] = np.arange(len(positions), dtype="u4") + 5
    if kind == "grid":
        extra["measured_Phi"] = np.arange(12.0 * len(positions)).reshape(-1, 12) / 7
        extra["measured_status"] = np.full(len(positions), 2)
    if kind == "cells":
        positions = points[cells].mean(axis=1)
        more["mesh"] = Mesh(points, cells, points / 7)
    if kind == "mesh":
        status = np.full(len(cells), 2)
        more["elements"] = Elements(cells, {"residual": np.arange(len(cells)) / 3, "return_status": status})
    rows = affine_rows(positions, [3] if len(positions) > 3 else [])
    hdf5.write_field(path, rows, 0, grid, metadata, positions=None if grid else positions, extra=extra, **more)


def every(kinds):
    """Kinds and sizes: one size of each kind, and the others with the slow tests."""
    quick = {(kind, SIZES[k % len(SIZES)]) for k, kind in enumerate(kinds)}
    marks = {pair: () if pair in quick else pytest.mark.slow for pair in product(kinds, SIZES)}
    return [pytest.param(*pair, marks=mark) for pair, mark in marks.items()]


@pytest.mark.parametrize("kind, size", every(KINDS))
def test_readers_give_voxels_back(kind, size):
    for name, told in (("plain", None), ("sized", size)):
        write(kind, f"{name}.hdf", told)
    plain, sized = hpcdvc.read("plain.hdf"), hpcdvc.read("sized.hdf")
    assert same(plain, sized) and plain.columns.keys() == sized.columns.keys()
    assert np.array_equal(plain.displacement, sized.displacement, equal_nan=True)
    assert sized.metadata["voxel_size"] == size and "voxel_size" not in plain.metadata
    assert of_result("sized.hdf") == VoxelSize.of(size) and of_result("plain.hdf") is None
    for again in ("again.hdf", "again.vtk"):
        sized.save(again)
        assert of_result(again) == VoxelSize.of(size)
        np.testing.assert_allclose(hpcdvc.read(again).positions, plain.positions, rtol=1e-8)
    with open_result("plain.hdf") as one, open_result("sized.hdf") as other:
        assert one.columns.keys() == other.columns.keys()
        assert all(np.array_equal(one.values(name), other.values(name), equal_nan=True) for name in one.columns)
        assert all(one.columns[name].unit == other.columns[name].unit for name in one.columns)
        assert one.grid == other.grid if one.grid else np.array_equal(one.positions, other.positions)
    if kind in ("mesh", "cells"):
        for read in (read_mesh, read_mesh_geometry):
            for one, other in zip(read("plain.hdf"), read("sized.hdf"), strict=True):
                assert np.array_equal(one, other, equal_nan=True)
    if kind == "mesh":
        assert np.array_equal(read_elements("plain.hdf").cells, read_elements("sized.hdf").cells)


@pytest.mark.parametrize("kind, size", every(["grid", "points", "mesh"]))
def test_legacy_files_give_voxels_back(kind, size):
    write(kind, "plain.hdf", None)
    field = hdf5.read_field("plain.hdf")
    elements = read_elements("plain.hdf") if kind == "mesh" else None
    vtk.write_vtk("plain.vtk", field, elements=elements)
    vtk.write_vtk("sized.vtk", field, elements=elements, size=VoxelSize.of(size))
    plain, sized = hpcdvc.read("plain.vtk"), hpcdvc.read("sized.vtk")
    assert same(plain, sized) and plain.family == sized.family
    assert sized.metadata == {"voxel_size": size}
    if kind == "mesh":
        pytest.importorskip("meshio")
        for one, other in zip(read_mesh("plain.vtk"), read_mesh("sized.vtk"), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-7)  # without a size POINTS are float32


@pytest.mark.parametrize("kind", KINDS)
def test_viewers_have_the_unit(kind):
    """What ParaView warps: geometry and displacement in one unit, each dataset with its own."""
    write(kind, "plain.hdf", None)
    write(kind, "sized.hdf", "6.5um")
    where = "VTKHDF/CellData" if kind == "cells" else "VTKHDF/PointData"
    with h5py.File("plain.hdf") as plain, h5py.File("sized.hdf") as sized:
        if kind == "grid":
            for name in ("Origin", "Spacing"):
                assert np.array_equal(sized["VTKHDF"].attrs[name], 6.5 * plain["VTKHDF"].attrs[name])
        else:
            assert np.array_equal(sized["VTKHDF/Points"][...], 6.5 * plain["VTKHDF/Points"][...])
        if kind not in ("grid", "2-D"):
            assert np.array_equal(sized["VTKHDF/PointData/position_voxel"][...], plain["VTKHDF/Points"][...])
        one, other = plain[where], sized[where]
        lengths = {"displacement", "displacement_std", *(["measured_displacement"] if kind == "grid" else [])}
        for name in lengths:
            assert np.array_equal(other[name][...], 6.5 * one[name][...], equal_nan=True)
            assert np.array_equal(other[f"{name}_voxel"][...], one[name][...], equal_nan=True)
            assert (other[name].attrs["unit"], other[f"{name}_voxel"].attrs["unit"]) == (b"um", b"voxel")
        for name in set(one) - lengths:
            assert np.array_equal(other[name][...], one[name][...], equal_nan=True)
            assert dict(other[name].attrs) == dict(one[name].attrs)


@pytest.mark.parametrize("kind", ["grid", "2-D", "points", "mesh"])
def test_paraview_warps_right(kind):
    pyvista = pytest.importorskip("pyvista")
    write(kind, "sized.hdf", "6.5um")
    mesh, field = pyvista.read("sized.hdf"), hdf5.read_field("sized.hdf")
    moved = mesh.warp_by_vector("displacement").points[:, ::-1]
    good = field.measured
    np.testing.assert_allclose(moved[good], 6.5 * (field.positions + field.displacement)[good], rtol=1e-6)


@pytest.mark.parametrize("view", ["hdf", *FORMATS])
def test_meshes_give_voxels_back(view):
    pytest.importorskip("meshio")
    points, cells = create_cuboid((20, 20, 20), 6.1, (3.3, 4.1, 5.7))
    for name, size in (("plain", {}), ("sized", {"voxel_size": "6.5um"})):
        file = MeshFile(name, {"key": name, **size}, (view,) if view != "hdf" else ())
        file.write(points, cells, {"aspect": np.ones(len(cells))})
        file.write_views()
    plain, sized = read_mesh_geometry(f"plain.{view}"), read_mesh_geometry(f"sized.{view}")
    assert all(map(np.array_equal, plain, sized))
    said = b'"6.5um"' if view == "hdf" else b"voxel 6.5um"
    assert [said in Path(f"{name}.{view}").read_bytes() for name in ("plain", "sized")] == [False, True]
    with h5py.File("sized.hdf") as file:
        assert np.array_equal(file["VTKHDF/Points"][...], 6.5 * points[:, ::-1])
    with pytest.raises(UserError, match="is a mesh without displacements"):
        hdf5.read_field("sized.hdf")


def test_dense_results_give_voxels_back():
    values = {"displacement": np.random.default_rng(1).random((12, 5, 3), np.float32), "zncc": np.ones((12, 5))}
    values |= {"returnStatus": np.full((12, 5), 2), "displacement_std": values["displacement"] / 7}
    found, displacement = {}, values["displacement"].reshape(2, 6, 5, 3)
    for name, size in (("plain", {}), ("sized", {"voxel_size": "6.5um"})):
        file = DenseFile(name, (2, 6, 5), tuple(values), {"key": name, **size}, ("tif", "vtk"))
        path, offsets = file.create()
        for writer, column in zip(file.writers((path, offsets)), file.declared(), strict=True):
            sums = [writer.write(z, plane) for z, plane in enumerate(values[column.name])]
            assert [writer.stored(z) for z in range(12)] == sums
            writer.close()
        file.settle(path)
        file.write_views()
        found[name] = read_dense(f"{name}.hdf")
    assert found["plain"].names == found["sized"].names
    assert all(np.array_equal(found["plain"][name], found["sized"][name]) for name in found["plain"].names)
    assert found["sized"].metadata["voxel_size"] == "6.5um"
    with h5py.File("sized.hdf") as file:
        assert np.array_equal(file["VTKHDF/CellData/displacement"][...], displacement * np.float32(6.5))
        assert file["VTKHDF"].attrs["Spacing"].tolist() == [6.5] * 3
    for picture in ("Xdisp", "zncc"):
        plain, sized = (open(f"{name}-{picture}.tif", "rb").read() for name in ("plain", "sized"))
        assert plain == sized
    assert "-3.25 -3.25 -3.25" in open("sized.xdmf").read() and "displacement_voxel" in open("sized.xdmf").read()


def test_what_is_taken():
    for text in ("6.5um", "6.5 um", "6.5\u00b5m", "6.5 \u03bcm"):
        assert VoxelSize.of(text) == VoxelSize(6.5, "um", "6.5um")
    assert str(VoxelSize.of("1e-3 mm")) == "1e-3 mm"
    assert VoxelSize.of("13um").divided(2) == VoxelSize.of("6.5um")
    assert agreed({"a": VoxelSize.of("6.5um"), "b": VoxelSize.of("0.0065mm")}).unit == "um"
    with pytest.raises(UserError, match="a has voxels of 6.5 um, b of 3 um: --voxel-size says which"):
        agreed({"a": VoxelSize.of("6.5um"), "b": VoxelSize.of("3um")})


def test_a_damaged_size_is_said():
    write("grid", "sized.hdf", "6.5um")
    with h5py.File("sized.hdf", "a") as file:
        file["hpcdvc"].attrs["voxel_size"] = np.bytes_('"6.5 parsec"')
    with pytest.raises(UserError, match="sized.hdf is damaged or was changed: voxel_size knows the units"):
        of_result("sized.hdf")
    for read in (hpcdvc.read, hdf5.read_metadata):
        with pytest.raises(UserError, match="sized.hdf is damaged or was changed: voxel_size knows the units"):
            read("sized.hdf")
    with open("bad.vtk", "w") as file:
        file.write("# vtk DataFile Version 2.0\nhpcdvc field, search, voxel 6.5\nASCII\n")
    with pytest.raises(UserError, match="bad.vtk, line 2: the size of a voxel needs a unit"):
        of_result("bad.vtk")
