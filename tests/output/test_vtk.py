import numpy as np
import pytest
from affine_field import GRID, GRID_2D, affine_rows, displacement, field_of_rows

from hpcdvc.errors import RunError
from hpcdvc.output import tsv, vtk


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
    half = (0 if grid is GRID_2D else 7, 6, 5)
    vtk.write_vtk(tmp_path / "a.vtk", field, half)
    header, arrays = parse(tmp_path / "a.vtk")
    assert header["DATASET"] == ["STRUCTURED_POINTS"] and header["CELL_DATA"] == [str(grid.size)]
    assert [int(n) for n in header["DIMENSIONS"]] == [n + 1 for n in grid.shape[::-1]]
    assert [float(h) for h in header["ASPECT_RATIO"]] == list(grid.spacing[::-1])
    assert [float(x) for x in header["ORIGIN"]] == [o - h for o, h in zip(grid.origin, half, strict=True)][::-1]
    np.testing.assert_allclose(arrays["displacements"], displacement(grid.positions())[:, ::-1], rtol=5e-9)
    np.testing.assert_array_equal(arrays["iterations"], field.iterations)


def test_what_is_no_number_becomes_zero(tmp_path):
    field = field_of_rows(affine_rows(GRID.positions()), GRID)
    field.phi[3, 1, 3] = np.nan
    field.error[4] = np.inf
    vtk.write_vtk(tmp_path / "a.vtk", field)
    _, arrays = parse(tmp_path / "a.vtk")
    assert arrays["displacements"][3, 1] == 0 and arrays["error"][4] == 0
    assert arrays["displacements"][3, 0] != 0


def test_vtk_reads_the_grid(pyvista, tmp_path):
    vtk.write_vtk(tmp_path / "a.vtk", field_of_rows(affine_rows(GRID.positions()), GRID), GRID_HALF)
    mesh = pyvista.read(tmp_path / "a.vtk")
    # with windows of half the spacing every node stands in the middle of its cell
    np.testing.assert_allclose(mesh.cell_centers().points[:, ::-1], GRID.positions())
    np.testing.assert_allclose(mesh["displacements"], displacement(GRID.positions())[:, ::-1], rtol=1e-6)
    assert set(mesh.cell_data) == {"displacements", "error", "iterations", "returnStatus", "deltaPhiNorm"}


GRID_HALF = tuple(spacing / 2 for spacing in GRID.spacing)


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
    folder = shared / "oracle" / "spam" / case
    table = next(folder.glob("*-ldic.tsv"))
    vtk.write_vtk(tmp_path / "a.vtk", tsv.read_tsv(table), half)
    (header, arrays), (peer_header, peer_arrays) = parse(tmp_path / "a.vtk"), parse(next(folder.glob("*-ldic.vtk")))
    assert list(header) == list(peer_header) and header["DIMENSIONS"] == peer_header["DIMENSIONS"]
    for name in ("ASPECT_RATIO", "ORIGIN"):
        assert [float(x) for x in header[name]] == [float(x) for x in peer_header[name]]
    assert list(arrays) == list(peer_arrays)
    for name, numbers in arrays.items():
        np.testing.assert_allclose(numbers, peer_arrays[name], rtol=1e-6, atol=1e-7, err_msg=name)
