"""Gathered or collective, on any number of ranks: one and the same file."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from affine_field import GRID, GRID_2D, METADATA, affine_rows
from running import end_group, find_mpiexec

from hpcdvc.errors import RunError
from hpcdvc.fields.field import ROW
from hpcdvc.fields.grid import Grid
from hpcdvc.output import hdf5
from hpcdvc.ranks import launch

needs_parallel_hdf5 = pytest.mark.skipif(
    not h5py.get_config().mpi, reason="h5py is built without MPI: the parallel transport cannot run"
)
GRIDS = {
    "3-D": GRID,
    "2-D": GRID_2D,
    "one node": Grid((5.0,) * 3, (1.0,) * 3, (1, 1, 1)),
    "two nodes": Grid((5.0,) * 3, (1.0,) * 3, (2, 1, 1)),
    "odd": Grid((0.0,) * 3, (2.0,) * 3, (7, 3, 5)),
}
NOTHING = np.zeros(0, ROW)


@pytest.fixture(params=[*GRIDS, "free points"])
def case(request):
    """Arguments of write_field for all points: rows, grid, positions, extra."""
    grid = GRIDS.get(request.param)
    positions = grid.positions() if grid else GRID.positions()[::13]
    rows = affine_rows(positions, failed=range(0, len(positions), 5)[1:])
    return rows, grid, None if grid else positions, {"label": np.arange(len(rows), dtype="u4")}


def share(case, span):
    rows, grid, positions, extra = case
    part = slice(*span)
    return {
        "rows": rows[part],
        "start": span[0],
        "grid": grid,
        "positions": None if positions is None else positions[part],
        "extra": {name: values[part] for name, values in extra.items()},
    }


def write_serial(path, case, team):
    if team.rank == 0:
        hdf5.write_field(path, metadata=METADATA, **share(case, (0, len(case[0]))))
    team.barrier()


def objects(path):
    """Everything in a file: attributes and datasets with their types."""
    found = {}
    with h5py.File(path) as file:

        def visit(name, item):
            for key, value in item.attrs.items():
                found[f"{name}@{key}"] = (str(np.asarray(value).dtype), np.asarray(value).tolist())
            if isinstance(item, h5py.Dataset):
                found[name] = (item.dtype.str, item.shape, item.chunks, item[...].tobytes())

        file.visititems(visit)
    return found


@pytest.mark.mpi
def test_gathered_file_has_the_same_bytes_on_any_number_of_ranks(case, team, shared_tmp_path):
    write_serial(shared_tmp_path / "serial.hdf", case, team)
    span = (0, len(case[0])) if team.rank == 0 else (0, 0)
    hdf5.write_field(shared_tmp_path / "gather.hdf", metadata=METADATA, team=team, **share(case, span))
    assert (shared_tmp_path / "gather.hdf").read_bytes() == (shared_tmp_path / "serial.hdf").read_bytes()
    team.barrier()


@pytest.mark.mpi
@needs_parallel_hdf5
@pytest.mark.parametrize("uneven", [False, True], ids=["spans", "all on the last rank"])
def test_collective_file_is_identical(case, uneven, team, shared_tmp_path, monkeypatch):
    if team.comm is None:
        pytest.skip("no communicator: run under mpiexec")
    monkeypatch.setenv("HPCDVC_HDF5", "parallel")
    assert hdf5.choose_transport(team) == "parallel"
    write_serial(shared_tmp_path / "serial.hdf", case, team)
    total = len(case[0])
    span = team.spans(total) if not uneven else (0 if team.rank == team.size - 1 else total, total)
    # what only rank 0 says must win: an attribute that differs between ranks is a race
    metadata = METADATA if team.rank == 0 else {"parameters": {"rank": team.rank}, "provenance": {}}
    path = shared_tmp_path / "parallel.hdf"
    hdf5.write_field(path, metadata=metadata, team=team, transport="parallel", **share(case, span))
    assert objects(path) == objects(shared_tmp_path / "serial.hdf")
    if shutil.which("h5diff"):
        done = subprocess.run(["h5diff", "-c", str(path), str(shared_tmp_path / "serial.hdf")], capture_output=True)
        assert (done.returncode, done.stdout) == (0, b"")
    team.barrier()


@pytest.mark.mpi
@pytest.mark.parametrize("transport", ["gather", pytest.param("parallel", marks=needs_parallel_hdf5)])
def test_a_field_that_all_ranks_have(case, transport, team, shared_tmp_path):
    """Written by one rank or by all, each its part: what it was read from."""
    write_serial(shared_tmp_path / "serial.hdf", case, team)
    field = hdf5.read_field(shared_tmp_path / "serial.hdf")
    metadata = METADATA if team.rank == 0 else {"parameters": {"rank": team.rank}, "provenance": {}}
    hdf5.save_field(shared_tmp_path / "again.hdf", field, metadata, team, transport)
    assert objects(shared_tmp_path / "again.hdf") == objects(shared_tmp_path / "serial.hdf")
    team.barrier()


@pytest.mark.mpi
@pytest.mark.parametrize("transport", ["gather", pytest.param("parallel", marks=needs_parallel_hdf5)])
def test_failure_of_rank_0_is_told_to_all(transport, team, shared_tmp_path):
    path = shared_tmp_path / "nowhere" / "a.hdf"
    rows = affine_rows(GRID.positions()) if team.rank == 0 else NOTHING
    start = 0 if team.rank == 0 else len(rows)
    with pytest.raises(RunError, match=r"a\.hdf was not written"):
        hdf5.write_field(path, rows, start, GRID, METADATA, team, transport)


FULL_DISK = """
import resource
from affine_field import GRID, affine_rows
from hpcdvc.output import hdf5
from hpcdvc.ranks.team import connect
team = connect()
start, stop = team.spans(GRID.size)
resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))
hdf5.write_field("a.hdf", affine_rows(GRID.positions())[start:stop], start, GRID, {}, team, "parallel")
print("written")
"""


@needs_parallel_hdf5
@pytest.mark.skipif(launch.under_launcher(), reason="starts its own mpiexec")
@pytest.mark.parametrize("ranks", [1, 2])
def test_failure_inside_collective_writing_ends_all_ranks(ranks, tmp_path):
    """A limit on the size of files stands for a disk that fills up."""
    process = subprocess.Popen(
        [find_mpiexec(), "-n", str(ranks), sys.executable, "-c", FULL_DISK],
        cwd=tmp_path,
        env={
            **os.environ,
            **launch.launcher_environment(),
            "PYTHONPATH": f"{Path(__file__).parents[1] / 'support'}:{Path(hdf5.__file__).parents[2]}",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        stdout, stderr = process.communicate(timeout=60)
    finally:
        end_group(process)
    assert process.returncode != 0 and "written" not in stdout
    assert "a.hdf was not written" in stderr
    assert not list(tmp_path.glob("*.hdf"))
