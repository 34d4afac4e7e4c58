"""`hpcdvc.read` and what it gives to other packages."""

import sys
from pathlib import Path

import numpy as np
import pytest
from affine_field import GRID, GRID_2D, METADATA, affine_rows

import hpcdvc
from hpcdvc.errors import UserError
from hpcdvc.fields.field import Field
from hpcdvc.fields.grid import Grid
from hpcdvc.output import hdf5, tsv, vtk

FAILED = [3]


@pytest.fixture(params=["3-D", "2-D", "labels"])
def path(request, tmp_path, monkeypatch):
    """A result."""
    monkeypatch.chdir(tmp_path)
    grid = {"3-D": GRID, "2-D": GRID_2D}.get(request.param)
    positions = (grid or GRID).positions() + (0 if grid else 0.25)
    extra = {} if grid else {"label": np.arange(len(positions), dtype="u4") + 5}
    rows = affine_rows(positions, FAILED)
    hdf5.write_field("a.hdf", rows, 0, grid, METADATA, positions=None if grid else positions, extra=extra)
    return "a.hdf"


def test_result(path):
    found, stored = hpcdvc.read(path), hdf5.read_field(path)
    assert "returnStatus" in found and "nothing" not in found
    assert isinstance(found, Field) and found.metadata["parameters"]["hws"] == [5, 5, 5]
    assert np.isnan(found.displacement[FAILED]).all() and np.isnan(found["F"][FAILED]).all()
    np.testing.assert_array_equal(found.displacement[found.measured], stored.displacement[found.measured])
    assert np.isfinite(found.phi).all(), "the last iterate stays"
    assert {"displacement", "F", "error", "returnStatus", "zncc", "displacement_std"} <= found.columns.keys()
    assert (found["zncc"] == stored.extra["zncc"]).all()
    assert (np.stack([found[f"{axis}pos"] for axis in "ZYX"], 1) == found.positions).all()
    shape = " x ".join(map(str, found.grid.shape)) if found.grid else ""
    what = f"grid of {shape} nodes (z y x), every " if found.grid else "120 labels\n"
    assert repr(found).startswith(f"<{what}") and "\n lengths in voxels; columns displacement, Phi, F, " in repr(found)
    good, ended = len(found) - 1, "1 maximum number of iterations reached (1)"
    assert f"\n {good} of {len(found)} measured: {good} converged (2), {ended}\n" in repr(found)


def test_what_is_no_path(path):
    for given in (None, 3, hpcdvc.read(path)):
        with pytest.raises(TypeError, match=f"^path takes the path of a result, not {type(given).__name__}: "):
            hpcdvc.read(given)


def test_lists_of_results(path):
    """A result is itself, and no other."""
    first, second = (hpcdvc.read(path) for _ in range(2))
    assert [first, second].index(second) == 1 and first != second and len({first, second, first}) == 2


def test_columns_by_name(path):
    """Those of the file, their numbers by the names of tables; near names where there is none."""
    found = hpcdvc.read(path)
    np.testing.assert_array_equal(found["Xdisp"], found.displacement[:, 2])
    np.testing.assert_array_equal(found["Fyx"], found["F"][:, 1, 2])
    np.testing.assert_array_equal(found["return_status"], found["returnStatus"])
    assert (found.unit_of("Xdisp"), found.unit_of("zncc")) == ("voxel", "")
    for name, hint in (("znnc", "did you mean zncc"), ("displacment", "did you mean displacement"), (7, "there are ")):
        with pytest.raises(KeyError, match=f"no column {name!r}: {hint}"):
            found[name]
        assert name not in found


def test_formats_agree(path):
    found = hpcdvc.read(path)
    tsv.write_tsv("a.tsv", hdf5.read_field(path))
    vtk.write_vtk("a.vtk", hdf5.read_field(path))
    for other in map(hpcdvc.read, ("a.tsv", "a.vtk")):
        assert other.grid == found.grid and other.metadata == {}
        np.testing.assert_allclose(other.displacement, found.displacement, rtol=1e-8)
    with pytest.raises(UserError, match=r"gone: no such file"):
        hpcdvc.read("gone")
    Path("a.xyz").write_text("1 2 3")
    with pytest.raises(UserError, match=r"a\.xyz: no result has a name with this end"):
        hpcdvc.read("a.xyz")
    with pytest.raises(UserError, match=r"b\.hdf: no such file"):
        hpcdvc.read("b.hdf")


@pytest.mark.parametrize("name", ["b.hdf", "b.tsv", "b.vtk"])
def test_saved(path, name):
    """It comes back as it was, an HDF5 file with what it was made from; columns that files do not have are left out."""
    found = hpcdvc.read(path)
    found.extra["mine"] = np.arange(len(found))
    found.save(name)
    again = hpcdvc.read(name)
    assert again.grid == found.grid and "mine" not in again
    np.testing.assert_allclose(again.displacement, found.displacement, rtol=1e-8)
    assert again.metadata.get("parameters") == (found.metadata["parameters"] if name == "b.hdf" else None)
    with pytest.raises(UserError, match="b.png: a field is saved as .hdf, .tsv or .vtk"):
        found.save("b.png")


def test_the_background_is_no_particle(shared):
    """Row 0 of spam's tables is left out where it is the background, and not where its labels are numbers of nodes.

    spam calls these Label where it has taken a registration from the field of a grid.
    """
    spam = shared / "oracle" / "spam"
    grains = hpcdvc.read(next((spam / "ddic-grains").glob("*-ddic.tsv")))
    assert grains["label"].tolist() == list(range(1, 34)) and len(grains.positions) == len(grains["F"]) == 33
    nodes = hpcdvc.read(next((spam / "pass-regs").glob("*.tsv")))
    assert nodes.grid.shape == (8, 8, 8) and "label" not in nodes.extra


@pytest.mark.parametrize("package", ["pandas", "xarray", "pyvista"])
def test_a_package_that_is_missing(path, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=f"^to_{package} needs {package}, which cannot be imported .*: pip install"):
        getattr(hpcdvc.read(path), f"to_{package}")()


def test_pandas(path):
    pytest.importorskip("pandas")
    found = hpcdvc.read(path)
    table = found.to_pandas()
    assert table.index.name == ("NodeNumber" if found.grid else "Label") and table.index[0] == (0 if found.grid else 5)
    np.testing.assert_array_equal(table[["Zpos", "Ypos", "Xpos"]], found.positions)
    np.testing.assert_array_equal(table[["Zdisp", "Ydisp", "Xdisp"]], found.displacement)
    np.testing.assert_array_equal(table["Fzx"], found["F"][:, 0, 2])
    np.testing.assert_array_equal(
        table[["Zdisp_std", "F_std_zx"]], np.stack([found["displacement_std"][:, 0], found["F_std"][:, 0, 2]], 1)
    )


def test_xarray(path):
    pytest.importorskip("xarray")
    found = hpcdvc.read(path)
    data = found.to_xarray()
    place = {"z": 0, "y": 2, "x": 1} if found.grid else {"point": 13}
    row = np.ravel_multi_index((0, 2, 1), found.grid.shape) if found.grid else 13
    assert [float(data[axis][place.get(axis, row)]) for axis in "zyx"] == found.positions[row].tolist()
    np.testing.assert_array_equal(data["displacement"].isel(place).sel(component="y"), found.displacement[row, 1])
    np.testing.assert_array_equal(data["F"].isel(place).sel(component="z", derivative="x"), found["F"][row, 0, 2])
    assert data["displacement"].attrs["units"] == "voxel" and data.attrs["hws"] == [5, 5, 5]
    assert {data[axis].attrs["units"] for axis in "zyx"} == {"voxel"}


def test_small_image_in_xarray(tmp_path):
    """A field of an image stays on its grid, however few its nodes, from a table as well."""
    pytest.importorskip("xarray")
    for shape in ((1, 2, 2), (1, 2, 1), (1, 1, 3)):
        grid = Grid((0.0, 12.0, 12.0), (1.0, 12.0, 12.0), shape)
        hdf5.write_field(tmp_path / "a.hdf", affine_rows(grid.positions(), []), 0, grid, METADATA)
        tsv.write_tsv(tmp_path / "a.tsv", hdf5.read_field(tmp_path / "a.hdf"))
        for name in ("a.hdf", "a.tsv"):
            data = hpcdvc.read(tmp_path / name).to_xarray()
            assert data["displacement"].sizes == {**dict(zip("zyx", shape, strict=True)), "component": 3}, name
            assert data["x"].values.tolist() == [12.0 * (k + 1) for k in range(shape[2])]


def test_pyvista(path):
    pytest.importorskip("pyvista")
    found = hpcdvc.read(path)
    mesh = found.to_pyvista()
    np.testing.assert_allclose(mesh.points[13], found.positions[13, ::-1], rtol=1e-6)
    np.testing.assert_array_equal(mesh["displacement"][13], found.displacement[13, ::-1])
    np.testing.assert_array_equal(mesh["F"][13], found["F"][13, ::-1, ::-1].ravel())


def test_tables_of_strain(shared):
    """They have no displacements; points without a strain are not measured."""
    for path in sorted((shared / "oracle" / "spam").glob("*/*-strain-*.tsv")):
        found, expected = hpcdvc.read(path), np.genfromtxt(path, delimiter="\t", names=True)
        assert found.grid is not None and np.isnan(found.displacement).all()
        np.testing.assert_array_equal(found["vol"], expected["vol"])
        assert (found.measured == np.isfinite(expected["vol"])).all() and found.measured.any()
        with pytest.raises(UserError, match="is not a table of displacements"):
            tsv.read_tsv(path)
