"""Results and tables with some bytes wrong: read, or refused in one sentence. Never a traceback, a crash, or no end."""

import h5py
import numpy as np
import pytest
from affine_field import GRID, GRID_2D, METADATA, affine_rows, field_of_rows
from mutants import check_mutants

from hpcdvc.output import hdf5, tsv, vtk
from hpcdvc.output.dense import DenseFile
from hpcdvc.registration.gauss_newton import ITERATE


def write_results(folder):
    positions = GRID.positions()[::7] + 0.25
    label = {"label": np.arange(len(positions))}
    hdf5.write_field(folder / "grid.hdf", affine_rows(GRID.positions(), [3]), 0, GRID, {"key": "k", **METADATA})
    hdf5.write_field(folder / "flat.hdf", affine_rows(GRID_2D.positions()), 0, GRID_2D, METADATA)
    hdf5.write_field(folder / "labels.hdf", affine_rows(positions), 0, None, METADATA, positions=positions, extra=label)
    table = {"iterations": np.zeros(3, ITERATE)}
    hdf5.write_field(
        folder / "one.hdf", affine_rows(positions[:1]), 0, None, METADATA, positions=positions[:1], tables=table
    )
    dense = DenseFile(
        str(folder / "dense"), (1, 6, 7), ("displacement", "zncc", "returnStatus"), {"key": "k", **METADATA}
    )
    dense.settle(dense.create()[0])
    with h5py.File(folder / "mesh.hdf", "w") as file:
        file["VTKHDF/Points"] = file["VTKHDF/PointData/displacement"] = np.eye(4, 3)
        file["VTKHDF/Connectivity"], file["VTKHDF/Types"] = np.arange(4), np.array([10], "u1")
        file["VTKHDF"].attrs["Type"] = np.bytes_("UnstructuredGrid")


def write_older(folder):
    """Texts of variable length, as older versions wrote them."""
    write_results(folder)
    for path in folder.iterdir():
        with h5py.File(path, "r+") as file:
            attributes = file["hpcdvc"].attrs if "hpcdvc" in file else {}
            for name, value in attributes.items():
                if isinstance(value, bytes):
                    attributes[name] = value.decode()


def write_tables(folder):
    positions = GRID.positions()
    tsv.write_tsv(folder / "grid.tsv", field_of_rows(affine_rows(positions, [3]), GRID))
    labels = {"label": np.arange(len(positions))}
    tsv.write_tsv(folder / "labels.tsv", field_of_rows(affine_rows(positions), None, positions, labels))
    (folder / "short.tsv").write_text("Zpos\tYpos\tXpos\tZdisp\tYdisp\tXdisp\n1\t2\t3\t0.5\t-1e-3\tnan\n")


def write_vtk_files(folder):
    positions = GRID.positions()[::7]
    vtk.write_vtk(folder / "grid.vtk", field_of_rows(affine_rows(GRID_2D.positions(), [3]), GRID_2D))
    vtk.write_vtk(folder / "points.vtk", field_of_rows(affine_rows(positions), None, positions))


READERS = [
    ("read_result", write_results),
    ("read_result", write_older),
    ("read_table", write_tables),
    ("read_vtk_text", write_vtk_files),
]


@pytest.mark.slow
@pytest.mark.parametrize(("reader", "write"), READERS)
def test_mutants(tmp_path, reader, write):
    write(tmp_path)
    ended = check_mutants(reader, tmp_path, 1000)
    assert len(ended) == 1000
    assert 0.05 < np.mean([end == "read" for end in ended]) < 0.95
