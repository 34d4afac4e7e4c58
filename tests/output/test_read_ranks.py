"""Large results are read by all ranks: the same field and the same sentences on any number of ranks and nodes."""

import h5py
import numpy as np
import pytest
from affine_field import GRID, GRID_2D, METADATA, affine_rows

from hpcdvc.errors import UserError
from hpcdvc.fields.grid import Grid
from hpcdvc.output import hdf5, reader, stored_field
from hpcdvc.ranks.team import Team

pytestmark = pytest.mark.mpi

GRIDS = {"3-D": GRID, "2-D": GRID_2D, "two planes": Grid((5.0,) * 3, (1.0,) * 3, (2, 3, 4)), "free points": None}


@pytest.fixture(params=[None, 2, 3], ids=["real", "two", "three"])
def nodes(request, team, monkeypatch):
    """The team as it is, and its ranks grouped as if they stood on 2 or 3 nodes; all files are large."""
    if request.param is not None and (team.comm is None or request.param > team.size):
        pytest.skip("fewer ranks than nodes")
    monkeypatch.setattr(reader, "READ_TOGETHER_FROM", 0)
    monkeypatch.setattr(stored_field, "POINTS_AT_ONCE", 7)
    return team if request.param is None else Team(team.comm, request.param)


def write(path, grid):
    positions = None if grid else GRID.positions()[::3] + 0.25
    rows = affine_rows(grid.positions() if grid else positions, [3])
    extra = {} if grid else {"label": np.arange(len(rows)) + 5}
    hdf5.write_field(path, rows, 0, grid, METADATA, positions=positions, extra=extra)
    with h5py.File(path, "a") as file:
        data = file["VTKHDF/PointData"]
        data["colour"] = np.arange(len(rows) * 2).reshape(*data["error"].shape, 2)  # of another version
        data["return_status"] = np.zeros(data["error"].shape)  # a name in memory
        data["flow"] = data["displacement"][...]
        data["flow"].attrs["components"] = np.bytes_("x y z")


@pytest.mark.parametrize("kind", GRIDS)
def test_same_field(nodes, shared_tmp_path, kind):
    path = shared_tmp_path / "a.hdf"
    nodes.agree(lambda: write(path, GRIDS[kind]))
    found, expected = reader.read_together(path, nodes), hdf5.read_field(path)
    nodes.barrier()
    assert (found.grid, found.family) == (expected.grid, expected.family)
    members = [vars(field) | field.extra for field in (found, expected)]
    assert members[0].keys() == members[1].keys() >= {"colour", "flow", "zncc"}
    assert expected.return_status.max() == 2
    np.testing.assert_array_equal(found.extra["flow"][found.measured], found.displacement[found.measured])
    for name, array in members[1].items():
        if isinstance(array, np.ndarray):
            assert members[0][name].dtype == array.dtype and members[0][name].shape == array.shape
            assert members[0][name].tobytes() == array.tobytes(), name


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [("iterations", np.full(GRID.shape, 0.5), "iterations is 0.5, not a whole number"), ("error", np.ones(3), "shape")],
)
def test_same_sentences(nodes, shared_tmp_path, name, value, words):
    path = shared_tmp_path / "a.hdf"

    def spoil():
        write(path, GRID)
        with h5py.File(path, "a") as file:
            del file["VTKHDF/PointData"][name]
            file["VTKHDF/PointData"][name] = value

    nodes.agree(spoil)
    with pytest.raises(UserError, match=words):
        reader.read_together(path, nodes)
    nodes.barrier()
