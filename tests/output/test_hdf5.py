import json
import resource
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from affine_field import GRID, GRID_2D, METADATA, G, affine_rows, displacement, field_of_rows

from hpcdvc.errors import RunError, UserError
from hpcdvc.fields.field import ROW
from hpcdvc.fields.status import Status, reason_of
from hpcdvc.output import files, hdf5, schema, transports
from hpcdvc.output.columns import columns_of
from hpcdvc.output.schema import field_of_members
from hpcdvc.output.transports import boxes

FAILED = [3, 17]


@pytest.fixture
def grid_file(tmp_path):
    path = tmp_path / "im1-im2-ldic.hdf"
    hdf5.write_field(path, affine_rows(GRID.positions(), FAILED), 0, GRID, METADATA, advice={1: "raise -it"})
    return path


@pytest.fixture
def points_file(tmp_path):
    """Free points, with labels."""
    path = tmp_path / "points.hdf"
    positions = GRID.positions()[::7] + 0.25
    extra = {"label": np.arange(len(positions)) + 5}
    hdf5.write_field(path, affine_rows(positions), 0, None, METADATA, positions=positions, extra=extra)
    return path


def test_layout_of_a_grid(grid_file):
    nz, ny, nx = GRID.shape
    with h5py.File(grid_file) as file:
        root = file["VTKHDF"]
        assert root.attrs["Version"].tolist() == [1, 0]
        assert root.attrs["WholeExtent"].tolist() == [0, nx - 1, 0, ny - 1, 0, nz - 1]
        assert root.attrs["Origin"].tolist() == [30, 50, 100] and root.attrs["Spacing"].tolist() == [5, 10, 20]
        assert root.attrs["Direction"].tolist() == [1, 0, 0, 0, 1, 0, 0, 0, 1]
        data = root["PointData"]
        written = [column for column in columns_of("grid") if schema.in_rows(column)]
        assert set(data) == {column.name for column in written}
        for column in written:
            names = column.components.names
            assert data[column.name].shape == (nz, ny, nx, *([len(names)] if names else []))
            assert data[column.name].dtype == np.dtype(column.dtype)
            assert data[column.name].attrs["unit"].decode() == (column.unit or "1")
            assert data[column.name].attrs.get("components", b"").decode() == " ".join(names)
        k, j, i = 3, 1, 4  # node (k, j, i), not one of FAILED
        z, y, x = 100 + 20 * k, 50 + 10 * j, 30 + 5 * i
        np.testing.assert_allclose(data["displacement"][k, j, i], displacement([z, y, x])[::-1], rtol=1e-14)
        np.testing.assert_array_equal(data["F"][k, j, i].reshape(3, 3), (np.eye(3) + G)[::-1, ::-1])


def test_what_readers_refuse_is_not_in_the_file(grid_file, points_file):
    """Each of these was seen to lose data in ParaView 5.11 or vtk 9."""
    for path, kind in ((grid_file, b"ImageData"), (points_file, b"UnstructuredGrid")):
        with h5py.File(path) as file:
            for group, name in (("VTKHDF", "Type"), ("VTKHDF/PointData", "Vectors"), ("VTKHDF/PointData", "Scalars")):
                attribute = h5py.h5a.open(file[group].id, name.encode())
                text = attribute.get_type()
                assert not text.is_variable_str() and text.get_strpad() != h5py.h5t.STR_NULLTERM
                assert text.get_size() == len(file[group].attrs[name])
            assert file["VTKHDF"].attrs["Type"] == kind
            assert file.id.get_create_plist().get_version()[0] == 0, "superblock of libver earliest"
            for data in (*file["VTKHDF/PointData"].values(), file["hpcdvc/done"]):
                assert data.chunks is None and data.compression is None and data.ndim <= 4 and data.dtype != bool


def test_layout_of_free_points(points_file):
    positions = GRID.positions()[::7] + 0.25
    count = len(positions)
    with h5py.File(points_file) as file:
        root = file["VTKHDF"]
        for name in ("NumberOfPoints", "NumberOfCells", "NumberOfConnectivityIds"):
            assert root[name][...].tolist() == [count]
        np.testing.assert_array_equal(root["Points"], positions[:, ::-1])
        np.testing.assert_array_equal(root["Connectivity"], np.arange(count))
        np.testing.assert_array_equal(root["Offsets"], np.arange(count + 1))
        assert root["Types"][...].tolist() == [1] * count and root["Types"].dtype == "u1"
        assert root["PointData/label"][0] == 5 and root["PointData/label"].dtype == "u4"


@pytest.mark.parametrize("grid", [GRID, GRID_2D], ids=["3-D", "2-D"])
def test_field_comes_back(tmp_path, grid):
    rows = affine_rows(grid.positions(), FAILED)
    hdf5.write_field(tmp_path / "a.hdf", rows, 0, grid, METADATA)
    field = hdf5.read_field(tmp_path / "a.hdf")
    expected = field_of_rows(rows, grid)
    assert field.grid == grid
    np.testing.assert_array_equal(field.positions, grid.positions())
    np.testing.assert_array_equal(field.phi, expected.phi, err_msg="Phi keeps the last iterate")
    for name in ("return_status", "error", "iterations", "delta_phi_norm"):
        np.testing.assert_array_equal(getattr(field, name), getattr(expected, name))
    assert set(field.extra) == {"zncc", "valid_fraction", "variance", "curvature", "curvature_part"}
    np.testing.assert_array_equal(field.extra["variance"], rows["variance"])


def test_free_points_come_back(points_file):
    field = hdf5.read_field(points_file)
    assert field.grid is None
    np.testing.assert_array_equal(field.positions, GRID.positions()[::7] + 0.25)
    np.testing.assert_array_equal(field.displacement, displacement(field.positions))
    np.testing.assert_array_equal(field.extra["label"], np.arange(len(field)) + 5)


def test_metadata_comes_back_as_json(grid_file):
    metadata, bad = hdf5.read_metadata(grid_file), len(FAILED)
    good = GRID.size - bad
    assert (metadata["schema"], metadata["schema_version"]) == ("hpcdvc-phi-field", 1)
    assert (metadata["component_order"], metadata["array_order"]) == ("xyz", "zyx")
    assert metadata["provenance"] == METADATA["provenance"]
    assert metadata["parameters"] == METADATA["parameters"] | {"glt": "-inf"}
    assert (metadata["kind"], metadata["family"]) == ("grid", "registration")
    assert metadata["statuses"] == {
        "2": {"count": good, "percent": 100 * good / GRID.size, "reason": "converged", "advice": ""},
        "1": {"count": bad, "percent": 100 * bad / GRID.size, "reason": reason_of(1), "advice": "raise -it"},
    }
    with h5py.File(grid_file) as file:
        json.loads(file["hpcdvc"].attrs["parameters"], parse_constant=pytest.fail)


def test_points_not_yet_measured_are_not_done(tmp_path):
    rows = affine_rows(GRID.positions())
    rows["index"][[0, 9]] = -1
    rows["return_status"][[0, 9]] = Status.NOT_EVALUATED
    hdf5.write_field(tmp_path / "a.partial.hdf", rows, 0, GRID, {})
    with h5py.File(tmp_path / "a.partial.hdf") as file:
        assert np.flatnonzero(file["hpcdvc/done"][...] == 0).tolist() == [0, 9]
        assert file["hpcdvc/done"].dtype == "u1"


def test_same_field_same_bytes(grid_file, tmp_path):
    again = tmp_path / "again.hdf"
    hdf5.write_field(again, affine_rows(GRID.positions(), FAILED), 0, GRID, METADATA, advice={1: "raise -it"})
    assert again.read_bytes() == grid_file.read_bytes()


@pytest.mark.parametrize(
    "content", [None, b"", b"NodeNumber\tZpos\n", b"\x89HDF\r\n\x1a\n truncated", "foreign", "newer"]
)
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "other.hdf"
    if content == "foreign":
        h5py.File(path, "w").create_dataset("entry/data", data=1)
    elif content == "newer":
        hdf5.write_field(path, affine_rows(GRID.positions()), 0, GRID, {})
        with h5py.File(path, "r+") as file:
            file["hpcdvc"].attrs["schema_version"] = 99
    elif content is not None:
        path.write_bytes(content)
    for read in (hdf5.read_field, hdf5.read_metadata):
        with pytest.raises(UserError, match=r"other\.hdf"):
            read(path)


# A file is there whole or not at all.


def test_too_little_space_is_found_before_writing(grid_file, monkeypatch):
    before = grid_file.read_bytes()
    monkeypatch.setattr(files.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 100_000}))
    with pytest.raises(
        RunError, match=r"ldic\.hdf was not written: no space left .*1\.1 MB are needed, 0\.1 MB are free"
    ):
        hdf5.write_field(grid_file, affine_rows(GRID.positions()), 0, GRID, METADATA)
    assert grid_file.read_bytes() == before and sorted(grid_file.parent.iterdir()) == [grid_file]


LIMITED = """
import resource
from affine_field import GRID, affine_rows, field_of_rows
from hpcdvc.errors import RunError
from hpcdvc.output import hdf5
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
try:
    hdf5.write_field("a.hdf", affine_rows(GRID.positions()), 0, GRID, {{}})
except RunError as error:
    print(error)
"""


@pytest.mark.parametrize("limit", [1000, 20_000, 50_000])
def test_failure_while_writing_leaves_nothing(tmp_path, limit):
    """The limit on the size of files stands for a disk that fills up; HDF5 meets it when writing or when closing."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED.format(limit=limit)],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{Path(__file__).parents[1] / 'support'}:{Path(hdf5.__file__).parents[2]}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.startswith("a.hdf was not written: ") and "File too large" in done.stdout
    assert (done.returncode, done.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []


def test_missing_directory(tmp_path):
    with pytest.raises(RunError, match=r"nowhere/a\.hdf was not written: No such file or directory"):
        hdf5.write_field(tmp_path / "nowhere" / "a.hdf", affine_rows(GRID.positions()), 0, GRID, {})


def test_what_another_run_writes_is_left_to_it(grid_file):
    other = files.temporary_name(grid_file)
    other.write_bytes(b"half a file")
    hdf5.write_field(grid_file, affine_rows(GRID.positions()), 0, GRID, {})
    assert hdf5.read_field(grid_file).grid == GRID and other.read_bytes() == b"half a file"
    assert files.temporary_files([grid_file]) == [other]


def test_a_mistake_in_the_contents_is_no_disk_error(tmp_path):
    with pytest.raises(TypeError):
        hdf5.write_field(tmp_path / "a.hdf", affine_rows(GRID.positions()), 0, GRID, {"parameters": object()})
    assert list(tmp_path.iterdir()) == []


def test_million_nodes_need_little_memory(tmp_path):
    """Columns are made one by one: the peak stays below the rows and two columns of Phi."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    grid = type(GRID)((0.0,) * 3, (1.0,) * 3, (50, 50, 100))
    rows = np.zeros(grid.size, ROW)
    hdf5.write_field(tmp_path / "a.hdf", rows, 0, grid, {})
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < rows.nbytes + 2 * grid.size * 128 + 20e6


# Series, transports


def test_series(tmp_path):
    hdf5.write_series(tmp_path / "a.hdf.series", ["a1.hdf", "a2.hdf"], [0, 1.5])
    assert json.loads((tmp_path / "a.hdf.series").read_text()) == {
        "file-series-version": "1.0",
        "files": [{"name": "a1.hdf", "time": 0.0}, {"name": "a2.hdf", "time": 1.5}],
    }


def test_transport_is_chosen_by_the_environment(monkeypatch):
    monkeypatch.delenv("HPCDVC_HDF5", raising=False)
    assert hdf5.choose_transport() == "gather"
    monkeypatch.setenv("HPCDVC_HDF5", "collective")
    with pytest.raises(UserError, match="HPCDVC_HDF5=collective is not known"):
        hdf5.choose_transport()
    monkeypatch.setenv("HPCDVC_HDF5", "parallel")
    if not h5py.get_config().mpi:
        with pytest.raises(UserError, match="needs an h5py with MPI"):
            hdf5.choose_transport()


@pytest.mark.parametrize("shape", [(24,), (4, 6), (2, 3, 4), (3, 1, 5), (1, 1, 7), (5, 4, 1)])
def test_boxes_cover_exactly_the_rows(shape):
    size = int(np.prod(shape))
    numbers = np.arange(size).reshape(shape)
    for start in range(size + 1):
        for stop in range(start, size + 1):
            cut = boxes(start, stop, shape)
            parts = [numbers[tuple(slice(o, o + c) for o, c in zip(*box, strict=True))].ravel() for box in cut]
            assert np.concatenate([np.arange(0), *parts]).tolist() == list(range(start, stop))
            assert len(cut) <= 2 * len(shape) - 1


@pytest.mark.parametrize("grid", [GRID, GRID_2D, None], ids=["3-D", "2-D", "free points"])
def test_a_field_that_was_read_is_written_as_it_was(tmp_path, monkeypatch, grid):
    """The same bytes, also where few points are written at a time."""
    positions = (grid or GRID).positions() + (0 if grid else 0.25)
    rows = affine_rows(positions, FAILED)
    hdf5.write_field(tmp_path / "a.hdf", rows, 0, grid, METADATA, positions=None if grid else positions)
    field = hdf5.read_field(tmp_path / "a.hdf")
    monkeypatch.setattr(transports, "POINTS_AT_ONCE", 7)
    hdf5.save_field(tmp_path / "b.hdf", field, METADATA)
    assert (tmp_path / "b.hdf").read_bytes() == (tmp_path / "a.hdf").read_bytes()


def test_a_field_has_the_columns_that_it_has(tmp_path):
    hdf5.save_field(tmp_path / "a.hdf", field_of_members({"Phi": np.eye(4)[None]}, positions=np.zeros((1, 3))), {})
    assert hdf5.read_field(tmp_path / "a.hdf").extra == {}
    with pytest.raises(UserError, match="the column colour is not declared"):
        members = {"Phi": np.eye(4)[None], "colour": np.ones(1)}
        hdf5.save_field(tmp_path / "b.hdf", field_of_members(members, positions=np.zeros((1, 3))), {})
    assert not (tmp_path / "b.hdf").exists()
