"""A column that a command declares is in the file, comes back, and is shown where it says; nobody else is touched."""

import h5py
import numpy as np
import pytest
import tifffile
from affine_field import GRID, METADATA, affine_rows, field_of_rows
from test_hdf5_transports import needs_parallel_hdf5, objects

from hpcdvc.errors import UserError
from hpcdvc.fields.field import ROW, row_with
from hpcdvc.fields.status import Family
from hpcdvc.output import columns, hdf5, tiff, tsv, vtk
from hpcdvc.output.columns import SYMMETRIC, TENSOR, VECTOR, Column, Components
from hpcdvc.output.result import FieldFile

ZYX = tuple(i + j for i in "zyx" for j in "zyx")
SYMMETRIC_ZYX = ("zz", "zy", "zx", "yy", "yx", "xx")
#: no command will ever have these
NEW = (
    Column("toy_vol", "f8", "1", "volumetric strain", blank=True, tsv=("toyVol",), tif=("toyVol",), vtk="toy_vol"),
    Column("toy_volume", "u4", "voxel^3", "a count", tsv=("toyVolume",)),
    Column("toy_reason", "i4", "", "a number without a name in tables", tif=("toyWhy",)),
    Column("toy_centre", "f4", "voxel", "a vector", VECTOR, tsv=("toyZ", "toyY", "toyX"),
           tif=("toyZ", "toyY", "toyX"), vtk="toy_centre"),
    Column("toy_counts", "i4", "", "a vector of whole numbers", VECTOR, vtk="toy_counts"),
    Column("toy_gradient", "f8", "1", "a tensor", TENSOR, tsv=tuple(f"toyG{ij}" for ij in ZYX),
           vtk="toy_gradient", blank=True),
    Column("toy_strain", "f8", "1", "a symmetric tensor", SYMMETRIC, tsv=tuple(f"toyE{ij}" for ij in SYMMETRIC_ZYX),
           tif=tuple(f"toyE{ij}" for ij in SYMMETRIC_ZYX), vtk="toy_strain"),
    Column("toy_principal", "f8", "1", "three numbers that are no vector",
           Components(("1", "2", "3"), (0, 1, 2), (3,))),
)  # fmt: skip
#: component of the file -> where it stands in memory
PLACES = {
    **dict(zip("zyx", [(0,), (1,), (2,)], strict=True)),
    **{i + j: (k, m) for k, i in enumerate("zyx") for m, j in enumerate("zyx")},
}
FAILED = [2, 17]


@pytest.fixture
def declared(monkeypatch):
    """Declare the new columns; nothing else knows of them."""
    monkeypatch.setattr(columns, "COLUMNS", (*columns.COLUMNS, *NEW))


def contents(count):
    """The new columns of `count` points, ZYX: number 100 * point + place in memory."""
    shaped = {column.name: column.components.shape for column in NEW}
    return {
        name: np.add.outer(100 * np.arange(count), np.arange(int(np.prod(shape)))).reshape(count, *shape)
        for name, shape in shaped.items()
    }


def field_file(path, **arguments):
    rows, extra = affine_rows(GRID.positions(), FAILED), contents(GRID.size)
    hdf5.write_field(path, rows, 0, GRID, METADATA, extra=extra, **arguments)
    return path


def test_an_undeclared_column_is_refused_by_name(tmp_path):
    """Without a declaration `toy_vol` would vanish."""
    extra = {"toy_vol": np.zeros(GRID.size)}
    with pytest.raises(UserError, match="the column toy_vol is not declared"):
        hdf5.write_field(tmp_path / "a.hdf", affine_rows(GRID.positions()), 0, GRID, METADATA, extra=extra)
    field = field_of_rows(affine_rows(GRID.positions()), GRID, extra=extra)
    with pytest.raises(UserError, match="the column toy_vol is not declared"):
        tsv.write_tsv(tmp_path / "a.tsv", field)
    assert list(tmp_path.iterdir()) == []


def test_a_file_holds_what_is_declared(declared, tmp_path):
    expected = contents(GRID.size)
    with h5py.File(field_file(tmp_path / "a.hdf")) as file:
        for column in NEW:
            data, names = file["VTKHDF/PointData"][column.name], column.components.names
            assert data.dtype == column.dtype and data.shape == (*GRID.shape, *([len(names)] if names else []))
            assert data.attrs["unit"].decode() == (column.unit or "1")
            assert data.attrs.get("components", b"").decode() == " ".join(names)
            flat, memory = data[...].reshape(GRID.size, -1), expected[column.name]
            assert np.isnan(flat[FAILED]).all() == column.blank
            for k, name in enumerate(names or [""]):
                if column.components is SYMMETRIC:
                    place = (SYMMETRIC_ZYX.index(name if name in SYMMETRIC_ZYX else name[::-1]),)
                else:
                    place = PLACES.get(name, (k,) if names else ())
                good = np.delete(np.arange(GRID.size), FAILED)
                np.testing.assert_array_equal(flat[good, k], memory[(good, *place)], err_msg=f"{column.name} {name}")


def test_readers_return_all_columns(declared, tmp_path):
    field = hdf5.read_field(field_file(tmp_path / "a.hdf"))
    for name, values in contents(GRID.size).items():
        blank = next(column.blank for column in NEW if column.name == name)
        expected = values.astype(float)
        expected[FAILED if blank else []] = np.nan
        np.testing.assert_array_equal(field.extra[name], expected, err_msg=name)


def test_columns_of_a_newer_version_come_back(tmp_path, monkeypatch):
    """Their components tell the order; what has others stays as it is in the file."""
    with monkeypatch.context() as newer:
        newer.setattr(columns, "COLUMNS", (*columns.COLUMNS, *NEW))
        field_file(tmp_path / "a.hdf")
    extra, expected = hdf5.read_field(tmp_path / "a.hdf").extra, contents(GRID.size)
    assert set(expected) <= set(extra)
    for name, values in expected.items():
        good = np.delete(np.arange(GRID.size), FAILED)
        np.testing.assert_array_equal(extra[name][good], values[good], err_msg=name)


def test_files_without_the_new_attributes_are_read(tmp_path):
    """Those written before kind, family, unit and components were stored."""
    hdf5.write_field(tmp_path / "a.hdf", affine_rows(GRID.positions(), FAILED), 0, GRID, METADATA)
    expected = hdf5.read_field(tmp_path / "a.hdf")
    with h5py.File(tmp_path / "a.hdf", "r+") as file:
        for name in ("kind", "family"):
            del file["hpcdvc"].attrs[name]
        for data in file["VTKHDF/PointData"].values():
            for name in list(data.attrs):
                del data.attrs[name]
    found = hdf5.read_field(tmp_path / "a.hdf")
    assert found.family == Family.REGISTRATION and found.grid == expected.grid
    np.testing.assert_array_equal(found.phi, expected.phi)
    assert found.extra.keys() == expected.extra.keys()
    for name, values in expected.extra.items():
        np.testing.assert_array_equal(found.extra[name], values)


def test_table_shows_what_is_named_there(declared, tmp_path):
    field = hdf5.read_field(field_file(tmp_path / "a.hdf"))
    tsv.write_tsv(tmp_path / "a.tsv", field)
    header, first, *_ = (tmp_path / "a.tsv").read_text().splitlines()
    names = [name for column in NEW for name in column.tsv]
    assert header.split("\t")[-len(names) :] == names
    assert first.split("\t")[-len(names) :] == [str(k) for column in NEW for k in range(len(column.tsv))]
    back = tsv.read_tsv(tmp_path / "a.tsv")
    for column in NEW:
        assert (column.name in back.extra) == bool(column.tsv)
        if column.tsv:
            np.testing.assert_array_equal(back.extra[column.name], field.extra[column.name])
            assert back.extra[column.name].dtype == column.dtype


def test_further_columns_of_a_table_are_not_lost(tmp_path):
    text = "Zpos\tYpos\tXpos\tXdisp\tYdisp\tZdisp\tbin\tZdisp_std\n1\t2\t3\t4\t5\t6\t7\t8\n"
    (tmp_path / "a.tsv").write_text(text)
    extra = tsv.read_tsv(tmp_path / "a.tsv").extra
    assert {name: values.tolist() for name, values in extra.items()} == {"bin": [7], "Zdisp_std": [8]}


def test_images_show_what_is_named_there(declared, tmp_path):
    field = hdf5.read_field(field_file(tmp_path / "a.hdf"))
    names = [path.stem.removeprefix("a-") for path in tiff.write_tiffs(tmp_path / "a", field)]
    new = [name for column in NEW for name in column.tif]
    assert names[-len(new) :] == new and names[: -len(new)] == tiff.image_names(flat=False)
    expected = contents(GRID.size)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a-toyY.tif").ravel(), expected["toy_centre"][:, 1])
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a-toyEzx.tif").ravel(), expected["toy_strain"][:, 2])
    assert np.flatnonzero(np.isnan(tifffile.imread(tmp_path / "a-toyVol.tif"))).tolist() == FAILED
    assert np.flatnonzero(np.isnan(tifffile.imread(tmp_path / "a-Zdisp.tif"))).tolist() == FAILED


def vtk_numbers(path):
    """Keyword and numbers of each array of a legacy VTK file."""
    found = {}
    for part in path.read_text().split("\n\n")[3:]:
        head, *lines = part.strip().splitlines()
        keyword, name, _ = head.split()
        found[name] = keyword, np.array([line.split() for line in lines if "LOOKUP" not in line], float)
    return found


def test_legacy_vtk_shows_what_is_named_there(declared, tmp_path):
    vtk.write_vtk(tmp_path / "a.vtk", hdf5.read_field(field_file(tmp_path / "a.hdf")))
    found = vtk_numbers(tmp_path / "a.vtk")
    usual = {"displacements", "error", "iterations", "returnStatus", "deltaPhiNorm"}
    assert set(found) == usual | {"toy_vol", "toy_centre", "toy_counts", "toy_gradient", "toy_strain"}
    expected = contents(GRID.size)
    point = 5
    assert found["toy_vol"][0] == "SCALARS" and found["toy_vol"][1][point] == expected["toy_vol"][point]
    assert found["toy_counts"][0] == "VECTORS" and found["toy_counts"][1][point].tolist() == [502, 501, 500]
    keyword, tensors = found["toy_gradient"]
    assert (
        keyword == "TENSORS" and tensors[point].tolist() == expected["toy_gradient"][point, ::-1, ::-1].ravel().tolist()
    )
    keyword, tensors = found["toy_strain"]  # zz zy zx yy yx xx in memory
    assert keyword == "TENSORS" and (tensors[point] - 500).tolist() == [5, 4, 2, 4, 3, 1, 2, 1, 0]
    for name in ("toy_vol", "toy_gradient", "displacements"):
        assert np.isnan(found[name][1][FAILED]).all() and np.isfinite(np.delete(found[name][1], FAILED, 0)).all()


def test_viewers_name_the_components(declared, tmp_path):
    pyvista = pytest.importorskip("pyvista", reason="pyvista is not installed: pip install pyvista")
    mesh, expected = pyvista.read(field_file(tmp_path / "a.hdf")), contents(GRID.size)
    assert {column.name for column in NEW} <= set(mesh.point_data)
    np.testing.assert_array_equal(mesh["toy_centre"][5], expected["toy_centre"][5, ::-1])
    np.testing.assert_array_equal(mesh["toy_gradient"][5], expected["toy_gradient"][5, ::-1, ::-1].ravel())
    assert mesh["toy_volume"].dtype == np.uint32 and mesh["toy_strain"].shape == (GRID.size, 6)


@pytest.mark.mpi
@pytest.mark.parametrize("transport", ["gather", pytest.param("parallel", marks=needs_parallel_hdf5)])
def test_ranks_write_the_same_file(declared, transport, team, shared_tmp_path):
    if team.rank == 0:
        field_file(shared_tmp_path / "serial.hdf")
    team.barrier()
    alone = transport == "gather"
    start, stop = ((0, GRID.size) if team.rank == 0 else (0, 0)) if alone else team.spans(GRID.size)
    rows = affine_rows(GRID.positions(), FAILED)[start:stop]
    extra = {name: values[start:stop] for name, values in contents(GRID.size).items()}
    hdf5.write_field(shared_tmp_path / "a.hdf", rows, start, GRID, METADATA, team, transport, extra=extra)
    assert objects(shared_tmp_path / "a.hdf") == objects(shared_tmp_path / "serial.hdf")
    team.barrier()


@pytest.mark.mpi
@pytest.mark.parametrize("transport", ["gather", pytest.param("parallel", marks=needs_parallel_hdf5)])
def test_all_ranks_are_told_of_an_undeclared_column(transport, team, shared_tmp_path):
    start, stop = ((0, GRID.size) if team.rank == 0 else (0, 0)) if transport == "gather" else team.spans(GRID.size)
    rows = affine_rows(GRID.positions())[start:stop]
    extra = {"toy_vol": np.zeros(stop - start)}
    with pytest.raises(UserError, match="the column toy_vol is not declared"):
        hdf5.write_field(shared_tmp_path / "a.hdf", rows, start, GRID, METADATA, team, transport, extra=extra)
    team.barrier()


@pytest.mark.parametrize(
    ("family", "label", "kind"),
    [
        (Family.REGISTRATION, False, "T1"),
        (Family.REGISTRATION, True, "T3"),
        (Family.SEARCH, False, "T2"),
        (Family.SEARCH, True, "T2"),
        (Family.PASSED, False, "T2"),
    ],
)
def test_files_and_tables_tell_the_family(tmp_path, family, label, kind):
    """A search matched to the whole voxel (1) is measured, a registration that used up its iterations is not."""
    positions = GRID.positions()[::7]
    extra = {"label": np.arange(len(positions)) + 4} if label else {}
    rows = affine_rows(positions, FAILED[:1])
    hdf5.write_field(tmp_path / "a.hdf", rows, 0, None, {}, positions=positions, extra=extra, family=family)
    field = hdf5.read_field(tmp_path / "a.hdf")
    assert field.family == family and hdf5.read_metadata(tmp_path / "a.hdf")["family"] == family.value
    assert hdf5.read_metadata(tmp_path / "a.hdf")["kind"] == ("labels" if label else "points")
    assert field.measured[2] == (family != Family.REGISTRATION)
    with h5py.File(tmp_path / "a.hdf") as file:
        assert np.isnan(file["VTKHDF/PointData/displacement"][2]).all() != field.measured[2]
    tsv.write_tsv(tmp_path / "a.tsv", field)
    header = (tmp_path / "a.tsv").read_text().splitlines()[0].split("\t")
    assert header[1 : len(tsv.COLUMN_SETS[kind])] == list(tsv.COLUMN_SETS[kind][1:])
    assert header[0] == ("Label" if label else "NodeNumber")
    np.testing.assert_array_equal(tsv.read_tsv(tmp_path / "a.tsv").measured, field.measured)


def test_a_registration_that_searched_its_start_stays_one(tmp_path):
    """The search column alone makes no T2."""
    extra = {"CC": np.linspace(0, 1, GRID.size)}
    tsv.write_tsv(tmp_path / "a.tsv", field_of_rows(affine_rows(GRID.positions()), GRID, extra=extra))
    found = tsv.read_tsv(tmp_path / "a.tsv")
    assert found.family == Family.REGISTRATION
    np.testing.assert_allclose(found.extra["CC"], extra["CC"], rtol=5e-9)


def test_old_tables_with_a_search_column_are_registrations(tmp_path):
    names = "NodeNumber Zpos Ypos Xpos Zdisp Ydisp Xdisp pixelSearchCC SubPixReturnStat error".split()
    (tmp_path / "a.tsv").write_text("\t".join(names) + "\n" + "\t".join("1234567819") + "\n")
    assert tsv.read_tsv(tmp_path / "a.tsv").family == Family.REGISTRATION


@pytest.mark.mpi
@pytest.mark.parametrize("transport", ["gather", pytest.param("parallel", marks=needs_parallel_hdf5)])
def test_rows_of_a_run_take_further_columns_along(team, shared_tmp_path, monkeypatch, transport):
    """From the ranks that measured them to the file and its views; the family, too."""
    monkeypatch.setattr(columns, "COLUMNS", (*columns.COLUMNS, *NEW))
    dtype = row_with(("toy_vol", "f8"), ("toy_centre", "f4", 3))
    rows = np.zeros(GRID.size, dtype)
    for name, values in {name: affine_rows(GRID.positions(), FAILED)[name] for name in ROW.names}.items():
        rows[name] = values
    rows["toy_vol"], rows["toy_centre"] = contents(GRID.size)["toy_vol"], contents(GRID.size)["toy_centre"]
    stem = str(shared_tmp_path / "a")
    views = ("tsv", "tif")
    file = FieldFile(stem, GRID.size, {"key": ""}, views, (2, 2, 2), transport, dtype=dtype, family=Family.SEARCH)
    file.write(rows[team.rank :: team.size], GRID, team)
    team.agree(file.write_views)
    field = hdf5.read_field(file.path)
    assert field.family == Family.SEARCH
    for name in ("toy_vol", "toy_centre"):
        np.testing.assert_array_equal(field.extra[name], rows[name], err_msg=name)
    assert sorted(map(str, shared_tmp_path.glob("*"))) == sorted([file.path, *file.view_paths()])
    assert f"{stem}-toyVol.tif" in file.view_paths() and f"{stem}-toyZ.tif" in file.view_paths()
    assert file.file_bytes > FieldFile(stem, GRID.size, {}, views).file_bytes
