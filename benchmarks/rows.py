"""A million measured rows, dealt out over the ranks in any order, brought together and written. Run under mpiexec."""

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from hpcdvc.fields.field import ROW
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.status import Status
from hpcdvc.output.hdf5 import read_field, write_field
from hpcdvc.output.tsv import write_tsv
from hpcdvc.ranks.team import connect


def rows_of(team, total: int, chunk: int = 8) -> np.ndarray:
    """This rank's share: chunks dealt in turn, as a run leaves them."""
    index = np.arange(total)
    rows = np.zeros(np.count_nonzero(index // chunk % team.size == team.rank), ROW)
    rows["index"] = index[index // chunk % team.size == team.rank]
    rows["Phi"][:, :, :3] = np.eye(3)
    rows["Phi"][:, :, 3] = np.random.default_rng(team.rank).standard_normal((len(rows), 3))
    rows["return_status"] = Status.CONVERGED
    return rows


def main(edge: int, folder: str) -> None:
    """Time it with edge^3 points; rank 0 prints a line of JSON."""
    team = connect()
    grid = Grid(origin=(10.0, 10.0, 10.0), spacing=(5.0, 5.0, 5.0), shape=(edge,) * 3)
    rows = rows_of(team, grid.size)
    stem = team.agree(lambda: tempfile.mkdtemp(dir=folder, prefix="rows-"))
    team.barrier()
    began = time.perf_counter()
    ordered, start = team.collect(rows, grid.size)
    gathered = time.perf_counter()
    write_field(f"{stem}/rows.hdf", ordered, start, grid, {"key": ""}, team, "gather")
    written = time.perf_counter()
    if team.rank == 0:
        size = Path(f"{stem}/rows.hdf").stat().st_size
        write_tsv(Path(f"{stem}/rows.tsv"), read_field(f"{stem}/rows.hdf"))
        table = time.perf_counter()
        shutil.rmtree(stem)
        times = {"gather": gathered - began, "write": written - gathered, "tsv": table - written}
        print(json.dumps({"points": grid.size, "ranks": team.size, "bytes": size, **times}))
    team.barrier()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
