"""Results that somebody has changed, damaged or made up: what is wanted is read, or one sentence says what is wrong."""

import json
import os

import h5py
import numpy as np
import pytest
from affine_field import GRID, METADATA, affine_rows

from hpcdvc.errors import UserError
from hpcdvc.output import hdf5
from hpcdvc.output.mesh import read_mesh

DATA = "VTKHDF/PointData/"
WITHIN = {"origin": [100, 50, 30], "spacing": [20, 10, 5], "shape": [4, 5, 6]}


@pytest.fixture
def result(tmp_path):
    path = tmp_path / "a.hdf"
    explained = {"advice": {1: "raise -it"}}
    hdf5.write_field(path, affine_rows(GRID.positions(), [3]), 0, GRID, {"key": "k", **METADATA}, **explained)
    return path


def changed(path, change):
    """What is there now, after a change."""
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def attribute(name, value):
    return lambda file: file["hpcdvc"].attrs.__setitem__(name, value)


def replaced(name, value):
    def change(file):
        del file[name]
        file[name] = value

    return change


def external(file):
    del file[DATA + "Phi"]
    file.create_dataset(DATA + "Phi", (*GRID.shape, 16), "f8", external=[("/dev/zero", 0, h5py.h5f.UNLIMITED)])


def virtual(file):
    layout = h5py.VirtualLayout((*GRID.shape, 16), "f8")
    layout[...] = h5py.VirtualSource("other.hdf", DATA + "Phi", (*GRID.shape, 16))
    del file[DATA + "Phi"]
    file.create_virtual_dataset(DATA + "Phi", layout)


def huge(file):
    """Chunks that were never written take no room."""
    del file[DATA + "Phi"]
    file.create_dataset(DATA + "Phi", (*GRID.shape, 16, 2**20), "f8", chunks=(1, 1, 1, 16, 2**10))
    file["hpcdvc"].attrs["grid"] = json.dumps({**WITHIN, "shape": [100_000] * 3})


SPOILED = {
    "version text": (attribute("schema_version", "abc"), "does not say the version"),
    "version float": (attribute("schema_version", 1.5), "does not say the version"),
    "version newer": (attribute("schema_version", 2), "has version 2 of the file format"),
    "version none": (lambda file: file["hpcdvc"].attrs.__delitem__("schema_version"), "does not say the version"),
    "grid none": (lambda file: file["hpcdvc"].attrs.__delitem__("grid"), "no dataset VTKHDF/Points"),
    "grid no JSON": (attribute("grid", "{"), "grid is not JSON"),
    "grid deep": (attribute("grid", "[" * 50_000), "grid is not JSON"),
    "grid a number": (attribute("grid", "3"), "grid reads 3"),
    "grid no text": (attribute("grid", np.zeros(3)), "grid is no text"),
    "grid empty": (attribute("grid", h5py.Empty("f8")), "grid is no text"),
    "grid huge": (attribute("grid", json.dumps({**WITHIN, "shape": [100_000] * 3})), "Phi has shape"),
    "grid negative": (attribute("grid", json.dumps({**WITHIN, "shape": [-4, -5, 6]})), "grid reads"),
    "grid float": (attribute("grid", json.dumps({**WITHIN, "shape": [4.0, 5, 6]})), "grid reads"),
    "grid nan": (attribute("grid", json.dumps({**WITHIN, "origin": [float("nan")] * 3})), "grid reads"),
    "grid no spacing": (attribute("grid", json.dumps({**WITHIN, "spacing": [20, 0, 5]})), "grid reads"),
    "grid of two": (attribute("grid", json.dumps({**WITHIN, "shape": [24, 5]})), "grid reads"),
    "family": (attribute("family", "friends"), "family reads 'friends'"),
    "Phi none": (lambda file: file.__delitem__(DATA + "Phi"), "no column Phi"),
    "Phi shape": (replaced(DATA + "Phi", np.zeros((4, 5, 5, 16))), r"Phi has shape \(4, 5, 5, 16\)"),
    "Phi scalars": (replaced(DATA + "Phi", np.zeros(GRID.shape)), r"Phi has shape \(4, 5, 6\)"),
    "Phi complex": (replaced(DATA + "Phi", np.zeros((*GRID.shape, 16), "c16")), "Phi holds no numbers"),
    "Phi a link": (replaced(DATA + "Phi", h5py.SoftLink("/nowhere")), "Phi is a link"),
    "Phi elsewhere": (replaced(DATA + "Phi", h5py.ExternalLink("b.hdf", "/d")), "Phi is a link"),
    "Phi a group": (lambda file: (file.__delitem__(DATA + "Phi"), file.create_group(DATA + "Phi")), "no dataset"),
    "Phi external": (external, "does not stand in the file itself"),
    "Phi virtual": (virtual, "does not stand in the file itself"),
    "Phi huge": (huge, "more than the file has"),
    "status 1.5": (
        replaced(DATA + "returnStatus", np.full(GRID.shape, 1.5)),
        "returnStatus is 1.5, not a whole number",
    ),
    "status nan": (replaced(DATA + "returnStatus", np.full(GRID.shape, np.nan)), "returnStatus is nan"),
    "status large": (replaced(DATA + "returnStatus", np.full(GRID.shape, 2**40)), "not a whole number"),
    "no result": (lambda file: file.__delitem__("hpcdvc"), "not a result of hpcdvc"),
    "a number": (replaced("hpcdvc", 3), "not a result of hpcdvc"),
    "no arrays": (replaced("VTKHDF/PointData", 3), "not a result of hpcdvc"),
}


@pytest.mark.parametrize("name", SPOILED)
def test_spoiled(result, name):
    change, words = SPOILED[name]
    with pytest.raises(UserError, match=words) as caught:
        hdf5.read_field(changed(result, change))
    assert "\n" not in str(caught.value) and str(result) in str(caught.value)
    assert len(str(caught.value)) < len(str(result)) + 260


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (attribute("statuses", "[]"), r"statuses reads \[\]"),
        (attribute("statuses", '{"2": 5}'), "statuses reads"),
        (attribute("statuses", '{"2": {"count": "5", "reason": "", "advice": ""}}'), "statuses reads"),
        (attribute("statuses", '{"two": {"count": 5, "reason": "", "advice": ""}}'), "statuses reads"),
        (lambda file: file["hpcdvc"].attrs.__delitem__("statuses"), "does not say how its points ended"),
    ],
)
def test_spoiled_statuses(result, change, words):
    with pytest.raises(UserError, match=words):
        hdf5.read_statuses(changed(result, change))


@pytest.mark.parametrize(
    ("name", "value"), [("parameters", "3"), ("provenance", '"x"'), ("key", "5"), ("parameters", "nothing")]
)
def test_spoiled_metadata(result, name, value):
    with pytest.raises(UserError, match=f"{name} (reads|is not JSON)"):
        hdf5.read_metadata(changed(result, attribute(name, value)))
    assert hdf5.read_field(result).grid == GRID, "what is not needed is not read"


def test_what_is_not_known_does_no_harm(result):
    expected, about = hdf5.read_field(result), hdf5.read_metadata(result)

    def add(file):
        for group in (file, file["hpcdvc"], file["VTKHDF"], file[DATA], file[DATA + "Phi"]):
            group.attrs["comment"] = "a good run"
            group.attrs["numbers"] = np.zeros((2, 2))
        for name, value in {"text": "a", "one": 5, "few": np.zeros(3), "complex": np.zeros(GRID.shape, "c8")}.items():
            file[DATA + name] = file[f"hpcdvc/{name}"] = value
        file.create_group(DATA + "group")
        file[DATA + "gone"] = h5py.SoftLink("/nowhere")
        file[DATA + "elsewhere"] = h5py.ExternalLink("/dev/zero", "/d")

    found = hdf5.read_field(changed(result, add))
    assert hdf5.read_metadata(result) == about
    assert found.extra.keys() == expected.extra.keys() and found.phi.tobytes() == expected.phi.tobytes()


def test_only_what_is_wanted_is_read(result):
    changed(result, replaced(DATA + "zncc", np.zeros(3)))
    assert sorted(hdf5.read_field(result, ("Phi", "return_status", "variance")).extra) == ["variance"]
    with pytest.raises(UserError, match="zncc has shape"):
        hdf5.read_field(result)


def objects(file):
    """All groups and datasets."""
    found = [file["/"]]
    file.visititems(lambda name, item: found.append(item))
    return found


def test_no_text_of_variable_length(result):
    """HDF5 keeps those in a heap, and does not come back from one with a wrong byte in it."""
    with h5py.File(result) as file:
        for item in objects(file):
            assert not (isinstance(item, h5py.Dataset) and item.dtype.hasobject)
            for name in item.attrs:
                kind = h5py.h5a.open(item.id, name.encode()).get_type()
                assert not (isinstance(kind, h5py.h5t.TypeStringID) and kind.is_variable_str()), (item.name, name)


def test_texts_of_variable_length_are_read(result):
    """Those of older versions."""
    expected, about = hdf5.read_field(result), hdf5.read_metadata(result)

    def as_before(file):
        for item in objects(file):
            for name, value in item.attrs.items():
                if isinstance(value, bytes) and not item.name.startswith("/VTKHDF/P"):
                    item.attrs[name] = value.decode()
        assert isinstance(file["hpcdvc"].attrs["grid"], str)

    found = hdf5.read_field(changed(result, as_before))
    assert hdf5.read_metadata(result) == about
    assert (found.grid, found.family) == (expected.grid, expected.family)


def test_long_texts(tmp_path):
    """An attribute has at most 64 kB."""
    metadata = {"key": "k", "parameters": {"files": ["x" * 100] * 3000}}
    hdf5.write_field(tmp_path / "a.hdf", affine_rows(GRID.positions()), 0, GRID, metadata)
    assert hdf5.read_metadata(tmp_path / "a.hdf")["parameters"] == metadata["parameters"]


@pytest.mark.parametrize("read", [hdf5.read_field, hdf5.read_metadata, read_mesh])
def test_only_regular_files(tmp_path, read):
    os.mkfifo(tmp_path / "a.hdf")
    with pytest.raises(UserError, match=r"a\.hdf is no regular file"):
        read(tmp_path / "a.hdf")


@pytest.mark.parametrize("number", [5, 13])
def test_failures_of_the_disk_are_no_damage(result, monkeypatch, number):
    text = f"Can't read data (file read failed: errno = {number}, error message = '{os.strerror(number)}')"

    def fail(*words, **more):
        raise OSError(text)

    monkeypatch.setattr(h5py, "File", fail)
    with pytest.raises((RuntimeError, ValueError), match=f"cannot be read: {os.strerror(number)}") as caught:
        hdf5.read_field(result)
    assert caught.value.exit_code == (1 if number == 5 else 2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (replaced("VTKHDF/Connectivity", np.zeros(5, int)), "5 entries, which are no cells of 4 corners"),
        (replaced("VTKHDF/Connectivity", np.zeros((5, 4), int)), r"Connectivity has shape \(5, 4\)"),
        (replaced("VTKHDF/Types", np.zeros((1, 1), "u1")), r"Types has shape \(1, 1\)"),
        (replaced("VTKHDF/Points", np.zeros((3, 4))), r"Points has shape \(3, 4\)"),
        (replaced("VTKHDF/Points", np.array([b"a", b"b"])), "Points has shape"),
        (replaced("VTKHDF/PointData/displacement", h5py.ExternalLink("b.hdf", "/d")), "displacement is a link"),
        (lambda file: file["VTKHDF"].attrs.__setitem__("Type", np.zeros(3)), "Type is no text"),
        (lambda file: file["VTKHDF"].attrs.__setitem__("Type", "x" * 1000), r"holds x{77}\.\.\., not a mesh"),
    ],
)
def test_spoiled_meshes(tmp_path, change, words):
    path = tmp_path / "mesh.hdf"
    with h5py.File(path, "w") as file:
        file["VTKHDF/Points"] = file["VTKHDF/PointData/displacement"] = np.eye(4, 3)
        file["VTKHDF/Connectivity"], file["VTKHDF/Types"] = np.arange(4), np.array([10], "u1")
        file["VTKHDF"].attrs["Type"] = np.bytes_("UnstructuredGrid")
    assert read_mesh(path)[1].tolist() == [[0, 1, 2, 3]]
    with pytest.raises(UserError, match=words):
        read_mesh(changed(path, change))
