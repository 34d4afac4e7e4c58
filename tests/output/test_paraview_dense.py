"""Dense results in ParaView itself; tests/output/test_dense.py has the reader that it shares with vtk."""

import json

import numpy as np
import pytest
from pvbatch import run_pvbatch
from test_dense import write

LOOK = """
import json, sys
from paraview import simple
simple._DisableFirstRenderCameraReset()
seen = []
for path in sys.argv[1:3]:
    reader = simple.OpenDataFile(path)
    reader.UpdatePipeline()
    data = simple.servermanager.Fetch(reader)
    arrays = {a.Name: a.GetNumberOfComponents() for a in reader.CellData.values()}
    values = [data.GetCellData().GetArray(name) for name in ("displacement", "returnStatus")]
    seen.append({
        "type": data.GetClassName(),
        "bounds": list(data.GetBounds()),
        "arrays": arrays,
        "values": [[a.GetTuple(k) for k in range(a.GetNumberOfTuples())] for a in values],
    })
view = simple.CreateView("RenderView")
view.ViewSize = [400, 300]
shown = simple.Show(reader, view)
shown.Representation = "Surface"
simple.ColorBy(shown, ("CELLS", "displacement", "Magnitude"))
simple.ResetCamera(view)
simple.SaveScreenshot(sys.argv[3], view)
with open(sys.argv[4], "w") as stream:
    json.dump(seen, stream)
"""


@pytest.mark.paraview
def test_paraview_opens_it(tmp_path):
    """An image and a stack of projections: one cell a pixel, all arrays; renders dense.png.

    By the text beside the file, which has the same name: the reader of ParaView 5.11 fails on cells of VTKHDF images.
    """
    shapes, expected = [(1, 6, 7), (3, 5, 4)], []
    for shape in shapes:
        (tmp_path / str(shape[0])).mkdir()
        target, values = write(tmp_path / str(shape[0]), shape, views=("vtk",))
        target.write_views()
        assert target.view_paths() == [f"{target.stem}.xdmf"]
        expected.append(values)
    run_pvbatch(tmp_path, LOOK, ["1/a.xdmf", "3/a.xdmf", "dense.png", "seen.json"])
    seen = json.loads((tmp_path / "seen.json").read_text())
    for shape, values, found in zip(shapes, expected, seen, strict=True):
        assert found["type"] in ("vtkImageData", "vtkUniformGrid")
        assert found["bounds"] == [bound for n in shape[::-1] for bound in (-0.5, n - 0.5)]
        assert found["arrays"] == {"displacement": 3, "zncc": 1, "returnStatus": 1, "phase": 1}
        displacement, status = (np.array(array, dtype=float) for array in found["values"])
        np.testing.assert_array_equal(status[:, 0], values["returnStatus"].ravel())
        np.testing.assert_allclose(displacement, values["displacement"].reshape(-1, 3), rtol=1e-6)
    assert (tmp_path / "dense.png").stat().st_size > 1000
