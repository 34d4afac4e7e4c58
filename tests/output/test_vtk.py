import numpy as np
import pytest
from affine_field import GRID, GRID_2D, METADATA, affine_rows, displacement, field_of_rows

from hpcdvc.errors import RunError
from hpcdvc.output import hdf5, tsv, vtk


@pytest.fixture
def pyvista():
    return pytest.importorskip("pyvista", reason="pyvista is not installed: pip install pyvista")


def parse(path):
    """Header lines by keyword, and the arrays by name."""
    header, arrays, name = {}, {}, None
    for line in path.read_text().splitlines()[3:]:
        words = line.split()
        if words and words[0] in ("VECTORS", "SCALARS"):
            name = words[1]
            arrays[name] = []
        elif words and words[0].isupper() and name is None:
            header[words[0]] = words[1:]
        elif words and name and words[0] != "LOOKUP_TABLE":
            arrays[name].append([float(word) for word in words])
    return header, {key: np.array(rows).squeeze() for key, rows in arrays.items()}


@pytest.mark.parametrize("grid", [GRID, GRID_2D], ids=["3-D", "2-D"])
def test_cells_of_the_size_of_the_spacing(tmp_path, grid):
    field = field_of_rows(affine_rows(grid.positions()), grid)
    vtk.write_vtk(tmp_path / "a.vtk", field)
    header, arrays = parse(tmp_path / "a.vtk")
    assert header["DATASET"] == ["STRUCTURED_POINTS"] and header["CELL_DATA"] == [str(grid.size)]
    assert [int(n) for n in header["DIMENSIONS"]] == [n + 1 for n in grid.shape[::-1]]
    assert [float(h) for h in header["ASPECT_RATIO"]] == list(grid.spacing[::-1])
    corner = np.subtract(grid.origin, np.divide(grid.spacing, 2))
    assert [float(x) for x in header["ORIGIN"]] == corner[::-1].tolist()
    np.testing.assert_allclose(arrays["displacements"], displacement(grid.positions())[:, ::-1], rtol=5e-9)
    np.testing.assert_array_equal(arrays["iterations"], field.iterations)


def test_what_failed_is_not_a_number(tmp_path):
    field = field_of_rows(affine_rows(GRID.positions(), failed=[3]), GRID)
    field.error[4] = np.inf
    vtk.write_vtk(tmp_path / "a.vtk", field)
    _, arrays = parse(tmp_path / "a.vtk")
    assert np.isnan(arrays["displacements"][3]).all() and np.isfinite(np.delete(arrays["displacements"], 3, 0)).all()
    assert np.isinf(arrays["error"][4]) and arrays["returnStatus"][3] == 1


def test_what_float32_cannot_hold(pyvista, tmp_path):
    """A reader must get through the file."""
    field = field_of_rows(affine_rows(GRID.positions()), GRID)
    field.error[:5] = 1e40, -1e40, 1e-50, np.inf, np.nan
    vtk.write_vtk(tmp_path / "a.vtk", field)
    np.testing.assert_allclose(pyvista.read(tmp_path / "a.vtk")["error"], field.error, rtol=1e-8)


@pytest.mark.parametrize("grid", [GRID, GRID_2D], ids=["3-D", "2-D"])
def test_both_views_lie_on_each_other(pyvista, tmp_path, grid):
    """The cells of the text around the points of the HDF5 file, with the same values, as a reader sees them."""
    rows = affine_rows(grid.positions(), failed=[7])
    hdf5.write_field(tmp_path / "a.hdf", rows, 0, grid, METADATA)
    vtk.write_vtk(tmp_path / "a.vtk", hdf5.read_field(tmp_path / "a.hdf"))
    mesh, points = pyvista.read(tmp_path / "a.vtk"), pyvista.read(tmp_path / "a.hdf")
    np.testing.assert_allclose(mesh.cell_centers().points, points.points)
    np.testing.assert_allclose(mesh["displacements"], points["displacement"], rtol=1e-6)
    assert np.isnan(mesh["displacements"][7]).all() and mesh["returnStatus"][7] == 1
    assert set(mesh.cell_data) == {"displacements", "error", "iterations", "returnStatus", "deltaPhiNorm"}


def test_vtk_reads_free_points(pyvista, tmp_path):
    positions = GRID.positions()[::7] + 0.25
    field = field_of_rows(affine_rows(positions), positions=positions)
    vtk.write_vtk(tmp_path / "a.vtk", field)
    mesh = pyvista.read(tmp_path / "a.vtk")
    assert mesh.n_cells == len(positions)
    np.testing.assert_allclose(mesh.points, positions[:, ::-1], rtol=1e-6)
    np.testing.assert_allclose(mesh["displacements"], displacement(positions)[:, ::-1], rtol=1e-6)
    assert mesh["returnStatus"].tolist() == [2] * len(positions)


def test_missing_directory(tmp_path):
    with pytest.raises(RunError, match=r"a\.vtk was not written"):
        vtk.write_vtk(tmp_path / "nowhere" / "a.vtk", field_of_rows(affine_rows(GRID.positions()), GRID))


@pytest.mark.parametrize(("case", "half"), [("ldic-tex-field", (8, 8, 8)), ("ldic-2d", (0, 10, 10))])
def test_same_text_as_the_peer(shared, tmp_path, case, half):
    """But for the cells, which begin there at the first node minus the half window, and for what is not measured."""
    folder = shared / "oracle" / "spam" / case
    field = tsv.read_tsv(next(folder.glob("*-ldic.tsv")))
    vtk.write_vtk(tmp_path / "a.vtk", field)
    (header, arrays), (peer_header, peer_arrays) = parse(tmp_path / "a.vtk"), parse(next(folder.glob("*-ldic.vtk")))
    assert list(header) == list(peer_header) and header["DIMENSIONS"] == peer_header["DIMENSIONS"]
    spacing, origin, peer_origin = (
        np.array([float(x) for x in words])
        for words in (header["ASPECT_RATIO"], header["ORIGIN"], peer_header["ORIGIN"])
    )
    assert spacing.tolist() == [float(x) for x in peer_header["ASPECT_RATIO"]]
    assert (origin + spacing / 2).tolist() == (peer_origin + half[::-1]).tolist()
    assert list(arrays) == list(peer_arrays)
    for name, numbers in arrays.items():
        shown = np.isfinite(numbers)
        assert shown[field.measured].all()
        np.testing.assert_allclose(numbers[shown], peer_arrays[name][shown], rtol=1e-6, atol=1e-7, err_msg=name)
