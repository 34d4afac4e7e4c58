"""The peer's recorded case of global DVC: errors of nodes are at most its own, and its mesh is read as it is."""

import shlex

import numpy as np
import pytest
from reg_ends import play_command

from hpcdvc.cli import main
from hpcdvc.output.hdf5 import read_field
from hpcdvc.output.mesh_result import read_elements


def truth(points: np.ndarray) -> np.ndarray:
    """The displacement of tex2-field, ZYX."""
    z, y, x = points.T
    return np.stack(
        [
            0.02 * (z - 47.5) + 0.6 * np.sin(2 * np.pi * x / 96),
            1.5 * np.tanh((z - 47.5) / 10),
            -0.01 * (x - 47.5) + 0.4 * np.cos(2 * np.pi * y / 96),
        ],
        axis=1,
    )


def test_gdic_cube(shared, tmp_path, monkeypatch):
    """A mesh that is too coarse for the field, which the residual tells."""
    meshio = pytest.importorskip("meshio")
    folder = shared / "oracle" / "spam" / "gdic-cube"
    monkeypatch.chdir(folder)
    play_command(monkeypatch, "gdic")
    words = shlex.split((folder / "cmd.txt").read_text())[1:]
    words[words.index("-od") + 1] = str(tmp_path)
    assert main("gdic", [*words, "-q"]) == 0
    field = read_field(str(tmp_path / "tex1-tex2-field-GDIC.hdf"))
    theirs = meshio.read(folder / "tex1-tex2-field-GDIC.vtk")
    name = next(name for name in theirs.point_data if name.startswith("displacement"))
    used = np.unique(theirs.cells_dict["tetra"])
    errors = [
        np.linalg.norm(displacements - truth(points), axis=1)
        for points, displacements in (
            (field.positions, field.displacement),
            (theirs.points[used, ::-1], theirs.point_data[name][used, ::-1]),
        )
    ]
    assert field.measured.all() and len(errors[0]) == len(errors[1])
    ours, peers = ([np.median(e), np.percentile(e, 95), e.max()] for e in errors)
    assert (np.array(ours) <= peers).all(), (ours, peers)
    elements, points = read_elements(str(tmp_path / "tex1-tex2-field-GDIC.hdf")), field.positions
    middle = np.abs(points[elements.cells].mean(axis=1)[:, 0] - 47.5)
    residual = elements.members["residual"]
    assert np.median(residual[middle < 12]) > 1.5 * np.median(residual[middle > 24])
