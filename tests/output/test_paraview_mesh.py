"""What pyvista and ParaView see of a field at the nodes of a mesh: tetrahedra, vectors at nodes, tensors in cells."""

import json

import numpy as np
import pytest
from affine_field import METADATA, G, affine_rows
from pvbatch import run_pvbatch

from hpcdvc.fem.mesh import create_cuboid
from hpcdvc.fields.strain import six
from hpcdvc.output import hdf5
from hpcdvc.output.contents import Elements

GRADIENT_XYZ = G[::-1, ::-1].ravel()


@pytest.fixture
def pyvista():
    """pyvista, which opens files with the reader of the vtk wheel."""
    return pytest.importorskip("pyvista", reason="pyvista is not installed: pip install pyvista")


def write_tetrahedra(path):
    """A mesh as hpcdvc-gdic writes it: displacements at its nodes, their strain in its tetrahedra."""
    points, cells = create_cuboid((60.0, 40.0, 25.0), 12.0, (100.0, 50.0, 30.0))
    strain = np.tile(six(G[None] / 2 + G.T[None] / 2), (len(cells), 1))
    known = {"return_status": np.full(len(cells), 2, "i4"), "e": strain, "residual": np.arange(len(cells), dtype=float)}
    hdf5.write_field(
        path, affine_rows(points, ()), 0, None, METADATA, positions=points, elements=Elements(cells, known)
    )
    return points, cells


def test_vtk_reads_tetrahedra(pyvista, tmp_path):
    """Vectors at nodes and symmetric tensors in cells, whose volumes are positive and fill the box."""
    points, cells = write_tetrahedra(tmp_path / "m.hdf")
    mesh = pyvista.read(tmp_path / "m.hdf")
    np.testing.assert_array_equal(mesh.points, points[:, ::-1])
    assert set(mesh.celltypes) == {pyvista.CellType.TETRA} and mesh.n_cells == len(cells)
    assert mesh.compute_cell_sizes()["Volume"].min() > 0
    assert mesh.compute_cell_sizes()["Volume"].sum() == pytest.approx(60 * 40 * 25)
    gradient = mesh.compute_derivative("displacement")["gradient"].reshape(-1, 3, 3)
    symmetric = (gradient + gradient.transpose(0, 2, 1)) / 2
    np.testing.assert_allclose(mesh.cell_data["e"][0], symmetric[0][(0, 1, 2, 0, 1, 0), (0, 1, 2, 1, 2, 2)], atol=1e-12)


MESH = """
import json, sys
from paraview import simple
simple._DisableFirstRenderCameraReset()
reader = simple.OpenDataFile("m.hdf")
found = simple.servermanager.Fetch(simple.CellSize(Input=reader))
volume = found.GetCellData().GetArray("Volume")
gradient = simple.servermanager.Fetch(simple.Gradient(Input=reader, ScalarArray=["POINTS", "displacement"]))
seen = {
    "cells": {a.Name: a.GetNumberOfComponents() for a in reader.CellData.values()},
    "points": {a.Name: a.GetNumberOfComponents() for a in reader.PointData.values()},
    "volumes": [volume.GetValue(k) for k in range(volume.GetNumberOfValues())],
    "gradient": list(gradient.GetPointData().GetArray("Gradient").GetTuple(3)),
    "strain": list(found.GetCellData().GetArray("e").GetTuple(3)),
}
view = simple.CreateView("RenderView")
view.ViewSize = [800, 600]
warped = simple.WarpByVector(Input=reader, Vectors=["POINTS", "displacement"])
shown = simple.Show(warped, view)
shown.Representation = "Surface With Edges"
simple.ColorBy(shown, ("CELLS", "residual"))
shown.RescaleTransferFunctionToDataRange()
simple.ResetCamera(view)
simple.SaveScreenshot("mesh.png", view)
with open("seen.json", "w") as stream:
    json.dump(seen, stream)
"""


@pytest.mark.paraview
def test_paraview_opens_a_mesh(tmp_path):
    """Tetrahedra with positive volumes, vectors at nodes, tensors in cells; warped by the displacement in mesh.png."""
    points, cells = write_tetrahedra(tmp_path / "m.hdf")
    run_pvbatch(tmp_path, MESH, [])
    seen = json.loads((tmp_path / "seen.json").read_text())
    assert seen["cells"] | {"e": 6, "residual": 1, "returnStatus": 1} == seen["cells"]
    assert seen["points"] | {"displacement": 3, "F": 9, "returnStatus": 1} == seen["points"]
    assert len(seen["volumes"]) == len(cells) and min(seen["volumes"]) > 0
    assert sum(seen["volumes"]) == pytest.approx(60 * 40 * 25, rel=1e-5)
    np.testing.assert_allclose(seen["gradient"], GRADIENT_XYZ, atol=1e-6)
    strain = np.reshape(seen["gradient"], (3, 3))
    strain = (strain + strain.T) / 2
    np.testing.assert_allclose(seen["strain"], strain[(0, 1, 2, 0, 1, 0), (0, 1, 2, 1, 2, 2)], atol=1e-6)
    assert (tmp_path / "mesh.png").stat().st_size > 5000
