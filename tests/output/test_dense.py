"""Dense results: what readers find in them, what ParaView makes of them, and how they begin and end."""

import json
import os

import h5py
import numpy as np
import pytest
import tifffile

import hpcdvc
from hpcdvc.errors import UserError
from hpcdvc.fields.status import Status
from hpcdvc.output.dense import DenseFile
from hpcdvc.output.hdf5 import read_field

RNG = np.random.default_rng(3)
COLUMNS = ("displacement", "zncc", "returnStatus", "phase")
ADVICE = {Status.FEW_VALID_VOXELS: "smaller windows"}
SHAPES = [(1, 6, 7), (3, 5, 4)]


def contents(shape) -> dict[str, np.ndarray]:
    """Displacement x, y, z; a status below 2 at some pixels, which are NaN."""
    rows = (shape[0] * shape[1], shape[2])
    status = RNG.choice([2, 2, 2, -6, -11], rows).astype("i4")
    values = {name: RNG.normal(size=rows).astype("f4") for name in ("zncc", "phase")}
    displacement = RNG.normal(size=(*rows, 3)).astype("f4")
    for array in (displacement, *values.values()):
        array[status != 2] = np.nan
    return {"displacement": displacement, "returnStatus": status, **values}


def file_for(folder, shape, **more) -> DenseFile:
    metadata = {"key": "k1", "parameters": {"hws": 3}, "provenance": {"program": "test"}}
    return DenseFile(str(folder / "a"), shape, COLUMNS, metadata, advice=ADVICE, later=("phase",), **more)


def write(folder, shape, **more) -> tuple[DenseFile, dict[str, np.ndarray]]:
    """Lay out a file and fill its rows, the last first; the phase when all others are there."""
    target, values = file_for(folder, shape, **more), contents(shape)
    place = target.create()
    for names, writers in (
        (COLUMNS[:3], target.writers(place)),
        (COLUMNS[3:], target.writers(place, later=True)),
    ):
        for row in reversed(range(target.planes)):
            for name, writer in zip(names, writers, strict=True):
                writer.write(row, values[name][row])
        for writer in writers:
            writer.close()
    target.settle(place[0])
    return target, values


@pytest.mark.parametrize("shape", SHAPES)
def test_layout(tmp_path, shape):
    target, values = write(tmp_path, shape, units={"phase": "radian"}, extend=lambda file: file.create_group("entry"))
    assert os.path.getsize(target.path) <= target.file_bytes
    with h5py.File(target.path) as file:
        for name, array in values.items():
            data = file[f"VTKHDF/CellData/{name}"]
            assert data.shape[:3] == shape and data.dtype == array.dtype and data.chunks is None
            np.testing.assert_array_equal(data[...].reshape(array.shape), array)
        assert file["VTKHDF"].attrs["Type"] == b"ImageData" and "entry" in file
        assert file["VTKHDF/CellData/displacement"].attrs["components"] == b"x y z"
        assert file["VTKHDF/CellData/phase"].attrs["unit"] == b"radian"
        ours = dict(file["hpcdvc"].attrs)
        assert (ours["kind"], ours["family"], ours["schema"]) == (b"image", b"registration", b"hpcdvc-image")
        statuses = json.loads(file["hpcdvc/statuses"][()])
    assert {int(code): entry["count"] for code, entry in statuses.items()} == {
        int(code): int((values["returnStatus"] == code).sum()) for code in np.unique(values["returnStatus"])
    }
    assert statuses["-6"]["advice"] == "smaller windows" and target.counts()["all"] == np.prod(shape)
    assert "smaller windows" in target.summary()


@pytest.mark.parametrize("shape", SHAPES)
def test_vtk_reads_it(tmp_path, shape):
    """The reader that ParaView has: pixel i is a cell about coordinate i, vectors are x, y, z."""
    pyvista = pytest.importorskip("pyvista", reason="pyvista is not installed: pip install pyvista")
    target, values = write(tmp_path, shape)
    mesh = pyvista.read(target.path)
    assert isinstance(mesh, pyvista.ImageData) and mesh.n_cells == np.prod(shape)
    for name, array in values.items():
        np.testing.assert_array_equal(mesh.cell_data[name].reshape(array.shape), array)
    np.testing.assert_array_equal(mesh.cell_centers().points[:, ::-1], np.indices(shape).reshape(3, -1).T)


@pytest.mark.parametrize("shape", SHAPES)
def test_read(tmp_path, shape):
    target, values = write(tmp_path, shape)
    result = hpcdvc.read(target.path)
    assert "zncc" in result and "nothing" not in result
    lead = shape[1:] if shape[0] == 1 else shape
    np.testing.assert_array_equal(result.displacement, values["displacement"][..., ::-1].reshape(*lead, 3))
    for name in ("zncc", "phase", "returnStatus"):
        np.testing.assert_array_equal(result[name], values[name].reshape(lead))
    np.testing.assert_array_equal(result.measured, result.return_status == 2)
    assert set(result.names) == set(COLUMNS) and result.metadata["parameters"] == {"hws": 3}
    assert " x ".join(map(str, lead)) in repr(result)
    with pytest.raises(UserError, match="has a value for each pixel and no field of nodes: measure one with -ns"):
        read_field(target.path)


@pytest.mark.parametrize("shape", SHAPES)
def test_other_packages(tmp_path, shape):
    result = hpcdvc.read(write(tmp_path, shape)[0].path)
    xarray = pytest.importorskip("xarray", reason="xarray is not installed: pip install xarray")
    result.metadata["parameters"]["roi"] = None
    found = result.to_xarray()
    assert found.attrs == {"path": result.path, "hws": 3}, "netCDF has no None"
    assert isinstance(found, xarray.Dataset) and found["zncc"].dims == ("projection", "y", "x")[-found["zncc"].ndim :]
    np.testing.assert_array_equal(found["displacement"].sel(component="x"), result.displacement[..., 2])
    assert found["y"].attrs == found["x"].attrs == {"units": "voxel"}
    pyvista = pytest.importorskip("pyvista", reason="pyvista is not installed: pip install pyvista")
    made, read = result.to_pyvista(), pyvista.read(result.path)
    assert made.bounds == read.bounds
    for name in COLUMNS:
        np.testing.assert_array_equal(made.cell_data[name], read.cell_data[name])


@pytest.mark.parametrize("shape", SHAPES)
def test_pandas(tmp_path, shape):
    result = hpcdvc.read(write(tmp_path, shape)[0].path)
    pytest.importorskip("pandas")
    table = result.to_pandas()
    np.testing.assert_array_equal(table[["Zpos", "Ypos", "Xpos"]], np.indices(shape).reshape(3, -1).T)
    np.testing.assert_array_equal(table[["Zdisp", "Ydisp", "Xdisp"]], result.displacement.reshape(-1, 3))
    np.testing.assert_array_equal(table["zncc"], result["zncc"].ravel())


@pytest.mark.mpi
def test_read_by_all_ranks(team, shared_tmp_path):
    if team.rank == 0:
        write(shared_tmp_path, (3, 5, 4))
    team.barrier()
    result = hpcdvc.read(shared_tmp_path / "a.hdf", team.comm)
    assert result.displacement.shape == (3, 5, 4, 3)
    assert len({array.tobytes() for array in team.all_gather(result["zncc"])}) == 1


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_pictures(tmp_path, shape, turned):
    target, values = write(tmp_path, shape, views=("tif",), turned=turned)
    target.write_views()
    assert {os.path.basename(path) for path in target.view_paths()} == set(os.listdir(tmp_path)) - {"a.hdf"}
    lead, sign = shape[1:] if shape[0] == 1 else shape, -1 if turned else 1
    for name, expected in {
        "Xdisp": sign * values["displacement"][..., 0],
        "Ydisp": sign * values["displacement"][..., 1],
        "zncc": values["zncc"],
        "phase": values["phase"],
        "returnStatus": values["returnStatus"],
    }.items():
        picture = tifffile.imread(tmp_path / f"a-{name}.tif")
        assert picture.shape == lead and picture.dtype == np.float32
        np.testing.assert_array_equal(picture, expected.reshape(lead))


def test_same_bytes_every_time(tmp_path):
    values = contents((1, 4, 5))
    found = []
    for name in ("1", "2"):
        (tmp_path / name).mkdir()
        target = file_for(tmp_path / name, (1, 4, 5))
        place = target.create()
        for later in (False, True):
            for name, writer in zip(COLUMNS[3:] if later else COLUMNS, target.writers(place, later), strict=False):
                for row in range(4):
                    writer.write(row, values[name][row])
                writer.close()
        target.settle(place[0])
        found.append(open(target.path, "rb").read())
    assert found[0] == found[1]


def test_begun_and_settled(tmp_path):
    """A file says itself which run it is of, finished or not, and where its arrays are."""
    target = file_for(tmp_path, (1, 4, 5))
    assert target.begun() is None
    place = target.create()
    assert target.begun() == place
    other = DenseFile(target.stem, target.shape, COLUMNS, {"key": "k2"})
    assert other.begun() is None
    fewer = DenseFile(target.stem, target.shape, (*COLUMNS, "cost"), target.metadata)
    assert fewer.begun() is None, "an array is missing"
    target.settle(place[0])
    assert target.is_ours() and not other.is_ours()
    assert target.begun() == (target.path, place[1])
    target.settle(target.path)  # again: nothing to do
    assert target.stored() == target.metadata and os.listdir(tmp_path) == ["a.hdf"]
