"""What vtk, pyvista and ParaView see in our files: a regular grid, vectors in XYZ, values where they belong."""

import importlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from affine_field import GRID, GRID_2D, METADATA, G, affine_rows, displacement
from ddic_cases import NUMBERS, ddic_here, save_eight
from pvbatch import run_pvbatch

from hpcdvc.fields.grid import Grid
from hpcdvc.output import hdf5

GRADIENT_XYZ = G[::-1, ::-1].ravel()


def write(path, grid=GRID, failed=(), **arguments):
    positions = arguments.get("positions", grid.positions() if grid else None)
    hdf5.write_field(path, affine_rows(positions, failed), 0, grid, METADATA, **arguments)
    return path


@pytest.fixture
def pyvista():
    """pyvista, which opens files with the reader of the vtk wheel."""
    return pytest.importorskip("pyvista", reason="pyvista is not installed: pip install pyvista")


def test_vtk_reads_a_regular_grid(pyvista, tmp_path):
    mesh = pyvista.read(write(tmp_path / "a.hdf", failed=[7]))
    assert isinstance(mesh, pyvista.ImageData)
    assert tuple(mesh.dimensions) == GRID.shape[::-1]
    assert tuple(mesh.origin) == GRID.origin[::-1] and tuple(mesh.spacing) == GRID.spacing[::-1]
    np.testing.assert_array_equal(mesh.points[:, ::-1], GRID.positions())
    expected = displacement(GRID.positions())[:, ::-1]
    expected[7] = np.nan
    np.testing.assert_allclose(mesh["displacement"], expected, rtol=1e-14)
    assert mesh["Phi"].shape == (GRID.size, 16) and mesh["F"].shape == (GRID.size, 9)
    assert mesh["returnStatus"][7] == 1 and mesh["returnStatus"].dtype == np.int32
    assert set(mesh.point_data) >= {"iterations", "zncc", "valid_fraction", "displacement_std", "F_std", "Phi_variance"}


@pytest.mark.parametrize("shape", [(1, 5, 6), (4, 1, 6), (4, 5, 1), (1, 1, 6), (4, 1, 1), (1, 1, 1)])
def test_vtk_reads_a_grid_with_one_layer(pyvista, tmp_path, shape):
    """As ImageData such a grid is unreadable in vtk 9.7 and ends ParaView 5.11."""
    grid = Grid(GRID_2D.origin, (2.0, 10.0, 5.0), shape)
    mesh = pyvista.read(write(tmp_path / "a.hdf", grid))
    np.testing.assert_array_equal(mesh.points[:, ::-1], grid.positions())
    np.testing.assert_allclose(mesh["displacement"], displacement(grid.positions())[:, ::-1], rtol=1e-14)
    extended = [(n - 1, h) for n, h in zip(shape, grid.spacing, strict=True) if n > 1]
    assert mesh.n_cells == np.prod([n for n, _ in extended] or [1])
    sizes = mesh.compute_cell_sizes()["Area" if len(extended) == 2 else "Length"]
    np.testing.assert_allclose(sizes, np.prod([h for _, h in extended]) if extended else 0)


def test_gradient_in_two_dimensions(pyvista, tmp_path):
    mesh = pyvista.read(write(tmp_path / "a.hdf", GRID_2D))
    gradient = mesh.compute_derivative("displacement")["gradient"].reshape(-1, 3, 3)
    np.testing.assert_allclose(gradient[:, :2, :2], np.tile(G[:0:-1, :0:-1], (GRID_2D.size, 1, 1)), atol=1e-12)


def test_vtk_interpolates_at_any_point(pyvista, tmp_path):
    mesh = pyvista.read(write(tmp_path / "a.hdf"))
    points = np.array([[103.0, 57.0, 41.0], [155.5, 83.25, 54.0]])  # ZYX
    found = pyvista.PolyData(points[:, ::-1].copy()).sample(mesh)
    np.testing.assert_allclose(found["displacement"], displacement(points)[:, ::-1], rtol=1e-12)


def test_gradient_of_displacement_is_F_minus_1(pyvista, tmp_path):
    mesh = pyvista.read(write(tmp_path / "a.hdf"))
    gradient = mesh.compute_derivative("displacement")["gradient"]
    np.testing.assert_allclose(gradient, mesh["F"] - np.eye(3).ravel(), atol=1e-12)
    np.testing.assert_allclose(gradient, np.tile(GRADIENT_XYZ, (GRID.size, 1)), atol=1e-12)


def test_vtk_reads_free_points(pyvista, tmp_path):
    positions = GRID.positions()[::7] + 0.25
    labels = {"label": np.arange(len(positions)) + 5}
    mesh = pyvista.read(write(tmp_path / "p.hdf", None, positions=positions, extra=labels))
    assert isinstance(mesh, pyvista.UnstructuredGrid)
    assert mesh.n_cells == len(positions) and set(mesh.celltypes) == {pyvista.CellType.VERTEX}
    np.testing.assert_array_equal(mesh.points, positions[:, ::-1])
    np.testing.assert_allclose(mesh["displacement"], displacement(positions)[:, ::-1], rtol=1e-14)
    np.testing.assert_array_equal(mesh["label"], labels["label"])


def test_vtk_plays_a_series(tmp_path):
    vtk = pytest.importorskip("vtkmodules.vtkIOHDF", reason="vtk is not installed: pip install vtk")
    for step in (0, 1):
        write(tmp_path / f"a{step}.hdf", GRID, failed=[step])
    hdf5.write_series(tmp_path / "a.hdf.series", ["a0.hdf", "a1.hdf"], [0, 2.5])
    series = json.loads((tmp_path / "a.hdf.series").read_text())
    for step, entry in enumerate(series["files"]):
        reader = vtk.vtkHDFReader()
        reader.SetFileName(str(tmp_path / entry["name"]))
        reader.Update()
        status = reader.GetOutput().GetPointData().GetArray("returnStatus")
        assert [status.GetValue(k) for k in range(2)] == [1 + (step == 1), 1 + (step == 0)]


PVBATCH = """
import json, sys
from paraview import simple
simple._DisableFirstRenderCameraReset()
reader = simple.OpenDataFile(sys.argv[1])
reader.UpdatePipeline()
information = reader.GetDataInformation()
seen = {
    "version": str(simple.GetParaViewVersion()),
    "type": information.GetDataSetTypeAsString(),
    "extent": list(information.GetExtent()),
    "bounds": list(information.GetBounds()),
    "arrays": {a.Name: a.GetNumberOfComponents() for a in reader.PointData.values()},
}
points = simple.PolyPointSource(Points=json.loads(sys.argv[2]))
probe = simple.ResampleWithDataset(SourceDataArrays=[reader], DestinationMesh=points)
found = simple.servermanager.Fetch(probe).GetPointData().GetArray("displacement")
seen["displacement"] = [list(found.GetTuple(k)) for k in range(found.GetNumberOfTuples())]
gradient = simple.Gradient(Input=reader, ScalarArray=["POINTS", "displacement"])
found = simple.servermanager.Fetch(gradient).GetPointData().GetArray("Gradient")
seen["gradient"] = list(found.GetTuple(found.GetNumberOfTuples() // 2))

series = simple.OpenDataFile(sys.argv[3])
seen["times"] = list(series.TimestepValues)
seen["failed"] = []
for time in seen["times"]:
    series.UpdatePipeline(time)
    status = simple.servermanager.Fetch(series).GetPointData().GetArray("returnStatus")
    seen["failed"].append(sum(status.GetValue(k) != 2 for k in range(status.GetNumberOfValues())))
flat = simple.OpenDataFile(sys.argv[4])
gradient = simple.Gradient(Input=flat, ScalarArray=["POINTS", "displacement"])
found = simple.servermanager.Fetch(gradient)
seen["flat"] = {
    "points": found.GetNumberOfPoints(),
    "cells": found.GetNumberOfCells(),
    "gradient": list(found.GetPointData().GetArray("Gradient").GetTuple(8)),
}
view = simple.CreateView("RenderView")
view.ViewSize = [800, 600]
shown = simple.Show(reader, view)
shown.Representation = "Surface With Edges"
simple.ColorBy(shown, ("POINTS", "displacement", "Magnitude"))
shown.RescaleTransferFunctionToDataRange()
shown.SetScalarBarVisibility(view, True)
glyphs = simple.Glyph(Input=reader, GlyphType="Arrow", OrientationArray=["POINTS", "displacement"],
                      ScaleArray=["POINTS", "displacement"], ScaleFactor=1.5, GlyphMode="All Points")
simple.Show(glyphs, view)
view.OrientationAxesVisibility = 1
camera = simple.GetActiveCamera()
view.CameraPosition = [200, -250, 350]
view.CameraFocalPoint = [43, 70, 130]
view.CameraViewUp = [0, 0, 1]
simple.ResetCamera(view)
simple.SaveScreenshot(sys.argv[5], view)
with open(sys.argv[6], "w") as stream:
    json.dump(seen, stream)
"""


@pytest.mark.paraview
def test_paraview_opens_the_file(tmp_path):
    """Real ParaView: type, arrays, displacement at points, gradient, series, two dimensions; renders field.png."""
    write(tmp_path / "a.hdf", failed=[7, 59])
    write(tmp_path / "b.hdf")
    hdf5.write_series(tmp_path / "s.hdf.series", ["a.hdf", "b.hdf"], [0, 2.5])
    write(tmp_path / "flat.hdf", GRID_2D)
    points = np.array([[141.0, 57.0, 41.0], [155.5, 83.25, 54.0]])  # ZYX, away from the failed points
    arguments = [
        "a.hdf",
        json.dumps(points[:, ::-1].ravel().tolist()),
        "s.hdf.series",
        "flat.hdf",
        "field.png",
        "seen.json",
    ]
    run_pvbatch(tmp_path, PVBATCH, arguments)
    seen = json.loads((tmp_path / "seen.json").read_text())
    nz, ny, nx = GRID.shape
    assert "Image" in seen["type"] or "Uniform" in seen["type"], seen["type"]
    assert seen["extent"] == [0, nx - 1, 0, ny - 1, 0, nz - 1]
    assert seen["bounds"] == [30, 55, 50, 90, 100, 160]
    assert seen["arrays"] | {"displacement": 3, "F": 9, "Phi": 16, "returnStatus": 1, "error": 1} == seen["arrays"]
    np.testing.assert_allclose(seen["displacement"], displacement(points)[:, ::-1], rtol=1e-6)
    np.testing.assert_allclose(seen["gradient"], GRADIENT_XYZ, atol=1e-6)
    assert seen["times"] == [0, 2.5] and seen["failed"] == [2, 0]
    assert (seen["flat"]["points"], seen["flat"]["cells"]) == (GRID_2D.size, 4 * 5)
    found = np.reshape(seen["flat"]["gradient"], (3, 3))[:2, :2]
    np.testing.assert_allclose(found, G[:0:-1, :0:-1], atol=1e-6)
    assert (tmp_path / "field.png").stat().st_size > 5000


DEMO = """
import json, sys
from paraview import simple
simple._DisableFirstRenderCameraReset()
reader = simple.OpenDataFile(sys.argv[1])
points = simple.PolyPointSource(Points=json.loads(sys.argv[2]))
probe = simple.ResampleWithDataset(SourceDataArrays=[reader], DestinationMesh=points)
found = simple.servermanager.Fetch(probe).GetPointData().GetArray("displacement")
with open(sys.argv[4], "w") as stream:
    json.dump([list(found.GetTuple(k)) for k in range(found.GetNumberOfTuples())], stream)
view = simple.CreateView("RenderView")
view.ViewSize = [1000, 800]
cut = simple.Slice(Input=reader)
cut.SliceType.Normal = [0, 1, 0]
shown = simple.Show(cut, view)
simple.ColorBy(shown, ("POINTS", "displacement", "X"))
shown.RescaleTransferFunctionToDataRange()
shown.SetScalarBarVisibility(view, True)
glyphs = simple.Glyph(Input=cut, GlyphType="Arrow", OrientationArray=["POINTS", "displacement"],
                      ScaleArray=["POINTS", "displacement"], ScaleFactor=4, GlyphMode="All Points")
simple.Show(glyphs, view)
view.CameraPosition = [63, -300, 63]
view.CameraFocalPoint = [63, 63, 63]
view.CameraViewUp = [0, 0, 1]
simple.ResetCamera(view)
simple.SaveScreenshot(sys.argv[3], view)
"""


@pytest.mark.paraview
def test_paraview_shows_the_demo(tmp_path, monkeypatch):
    """The file that `make demo` writes: displacement of nodes in XYZ as measured; renders demo.png."""
    if not shutil.which("pvbatch"):
        pytest.skip("pvbatch is not on PATH: apt-get install paraview python3-paraview xvfb")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "demo")
    importlib.import_module("demo").main()
    path = tmp_path / "demo-output" / "cement-ldic.hdf"
    field = hdf5.read_field(path)
    nodes = np.flatnonzero(field.return_status == 2)[[100, 2000, 4000, 7000]]
    arguments = [str(path), json.dumps(field.positions[nodes, ::-1].ravel().tolist()), "demo.png", "seen.json"]
    run_pvbatch(tmp_path, DEMO, arguments)
    seen = json.loads((tmp_path / "seen.json").read_text())
    np.testing.assert_allclose(seen, field.displacement[nodes][:, ::-1], rtol=1e-6)
    assert (tmp_path / "demo.png").stat().st_size > 5000


LABELS = """
import json, sys
from paraview import simple
reader = simple.OpenDataFile(sys.argv[1])
reader.UpdatePipeline()
data = simple.servermanager.Fetch(reader)
arrays = [data.GetPointData().GetArray(name) for name in ("label", "displacement", "rotation", "returnStatus")]
seen = {
    "type": data.GetClassName(),
    "cells": [data.GetCellType(k) for k in range(data.GetNumberOfCells())],
    "points": [data.GetPoint(k) for k in range(data.GetNumberOfPoints())],
    "values": [[a.GetTuple(k) for k in range(a.GetNumberOfTuples())] for a in arrays],
}
json.dump(seen, open(sys.argv[2], "w"))
"""


@pytest.mark.paraview
def test_paraview_opens_labels(tmp_path, monkeypatch):
    """Points with label, displacement, rotation vector and status, vectors in XYZ."""
    monkeypatch.chdir(tmp_path)
    save_eight()
    ddic_here("im1.tif", "lab.tif", "im2.tif")
    field = hdf5.read_field("im1-im2-ddic.hdf")
    run_pvbatch(tmp_path, LABELS, ["im1-im2-ddic.hdf", "seen.json"])
    seen = json.loads(Path("seen.json").read_text())
    assert seen["type"] == "vtkUnstructuredGrid" and seen["cells"] == [1] * len(NUMBERS[1:])  # vertices
    label, displacement, rotation, status = (np.array(values) for values in seen["values"])
    assert np.array_equal(label[:, 0], NUMBERS[1:]) and np.array_equal(status[:, 0], field.return_status)
    np.testing.assert_allclose(seen["points"], field.positions[:, ::-1], rtol=1e-6)
    np.testing.assert_allclose(displacement, field.displacement[:, ::-1], rtol=1e-6)
    np.testing.assert_allclose(rotation, field.extra["rotation"][:, ::-1], rtol=1e-6)
