"""Legacy VTK files back in: ours, and those of spam."""

import numpy as np
import pytest
from affine_field import GRID, GRID_2D, affine_rows, field_of_rows

import hpcdvc
from hpcdvc.errors import UserError
from hpcdvc.fields.status import Family
from hpcdvc.output.tsv import read_tsv
from hpcdvc.output.vtk import write_vtk
from hpcdvc.output.vtk_reader import read_vtk


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("grid", [GRID, GRID_2D, None], ids=["3-D", "2-D", "free points"])
def test_what_is_shown_comes_back(grid, family):
    positions = (grid or GRID).positions() + (0 if grid else 0.25)
    field = field_of_rows(
        affine_rows(positions, failed=[3]), grid, None if grid else positions, {"CC": np.arange(len(positions)) / 7}
    )
    field.family = family
    write_vtk("a.vtk", field)
    found = read_vtk("a.vtk")
    assert (found.grid, found.family) == (grid, family)
    np.testing.assert_allclose(found.positions, positions, rtol=1e-8)
    expected = np.where(field.measured[:, None], field.displacement, np.nan)
    np.testing.assert_allclose(found.displacement, expected, rtol=1e-8)
    assert (found.phi[:, :3, :3] == np.eye(3)).all() and set(found.extra) == {"CC"}
    for name in ("return_status", "iterations", "error", "delta_phi_norm"):
        np.testing.assert_allclose(getattr(found, name), getattr(field, name), rtol=1e-8)
        assert getattr(found, name).dtype == getattr(field, name).dtype


def test_files_of_the_peer(shared):
    """The same points and displacements as in the table beside it; what holds none is refused."""
    read = 0
    for path in sorted((shared / "oracle" / "spam").glob("*/*.vtk")):
        if not path.with_suffix(".tsv").exists():
            with pytest.raises(UserError, match=path.name):
                read_vtk(path)
            continue
        read += 1
        found, table = read_vtk(path), hpcdvc.read(path.with_suffix(".tsv"))
        if "-strain-" in path.name:
            np.testing.assert_allclose(found.positions, table.positions)
            np.testing.assert_allclose(np.nan_to_num(found.extra["vol"]), np.nan_to_num(table.extra["vol"]), atol=1e-7)
            continue
        table = read_tsv(path.with_suffix(".tsv"))
        if "pass-regs" in str(path):  # spam calls its nodes labels, and draws them as points
            assert found.grid is None and table.grid is not None
        else:
            assert found.grid == table.grid, path
        shown = np.nan_to_num(table.displacement)  # spam writes 0 where it has NaN
        np.testing.assert_allclose(found.displacement, shown, atol=1e-7, err_msg=path)
        if "psp-lab" not in str(path):  # there spam's own table has other positions
            np.testing.assert_allclose(found.positions, table.positions, atol=1e-7, err_msg=path)
    assert read > 12


def text():
    """Lines of a file of two nodes."""
    grid = type(GRID)((1.0, 2.0, 3.0), (1.0, 1.0, 1.0), (1, 1, 2))
    write_vtk("a.vtk", field_of_rows(affine_rows(grid.positions()), grid))
    with open("a.vtk") as file:
        return file.read().split("\n")


SPOILED = {
    "no VTK": (lambda lines: ["hello"], "is not a legacy VTK file: it begins with 'hello"),
    "empty": (lambda lines: [], "ends too early, at line 0"),
    "binary": (lambda lines: [*lines[:2], "BINARY", *lines[3:]], "in ASCII, but in BINARY"),
    "another data set": (lambda lines: [*lines[:4], "DATASET POLYDATA"], "line 5: POLYDATA holds no field"),
    "no dimensions": (lambda lines: [*lines[:5], "DIMENSIONS 1 x 2", *lines[6:]], "line 8: DIMENSIONS"),
    "no cells": (lambda lines: [*lines[:5], "DIMENSIONS 1 1 1", *lines[6:]], "line 8: the dimensions"),
    "huge": (lambda lines: [*lines[:5], "DIMENSIONS 9999999 9999999 2", *lines[6:]], "does not hold so many numbers"),
    "other cells": (
        lambda lines: [*lines[:5], "DIMENSIONS 4 2 2", *lines[6:]],
        "line 10: 'CELL_DATA 2', but there are 3",
    ),
    "cut": (lambda lines: lines[:13], "line 12: 2 x 3 numbers are needed below this line"),
    "a word": (lambda lines: [*lines[:12], "1 2 x", *lines[13:]], "line 12: 2 x 3 numbers are needed below this line"),
    "no arrays": (lambda lines: lines[:10], "holds no field: there are no arrays"),
    "other bytes": (lambda lines: [*lines[:4], "DATAS\xe9T"], "is not a text file"),
    "no status": (
        lambda lines: [line.replace("2", "0.5") if k > 20 else line for k, line in enumerate(lines)],
        "not a whole number",
    ),
}


@pytest.mark.parametrize("how", SPOILED)
def test_spoiled(how):
    change, words = SPOILED[how]
    lines = change(text())
    with open("a.vtk", "w", encoding="latin-1") as file:
        file.write("\n".join(lines))
    with pytest.raises(UserError) as caught:
        read_vtk("a.vtk")
    assert words in str(caught.value) and str(caught.value).startswith("a.vtk")
