"""Geometry in .geo files comes back, and what is none is refused."""

import io
import json
import tarfile

import numpy as np
import pytest
import scan_files as files

from hpcdvc.errors import UserError
from hpcdvc.tomography.geo import read_geo, write_geo
from hpcdvc.tomography.geometry import Geometry, Goniometer
from hpcdvc.tomography.opening import describe_scan


def geometry(n=4):
    rng = np.random.default_rng(7)
    goniometer = Goniometer(p=np.array([0.0, 0, 1]), w=np.array([0.0, 1, 0]), outer_axis=np.array([0.6, 0, 0.8]))
    return Geometry.of_angles(*rng.uniform(-3, 3, (2, n)), (9, 8), (7, 6, 5), goniometer)


def test_comes_back(tmp_path):
    known, offsets = geometry(), np.random.default_rng(1).normal(size=(2, 4))
    write_geo(tmp_path / "a.geo", known, *offsets, {"detector_angles": [0.5]})
    found = read_geo(str(tmp_path / "a.geo"))
    assert np.array_equal([found.j_offsets, found.k_offsets], offsets)
    assert np.array_equal(found.rotations, known.rotations)
    assert np.array_equal([found.inner, found.outer], [known.inner, known.outer])
    assert (found.shape, found.volume) == (known.shape, known.volume)
    back = Geometry.of_rotations(found.rotations, found.shape, found.volume, goniometer=found.goniometer)
    assert np.allclose([back.p, back.u, back.w], [known.p, known.u, known.w], atol=1e-14)


def test_bytes_are_the_same_on_any_day_and_angles_may_be_unknown(tmp_path):
    known = Geometry.of_rotations(geometry().rotations, (9, 8))
    for name in "ab":
        write_geo(tmp_path / name, known, np.zeros(4), np.zeros(4))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert np.isnan(read_geo(str(tmp_path / "a")).inner).all()
    with tarfile.open(tmp_path / "a") as archive:
        assert json.loads(archive.extractfile("_inner_angles").read()) == [None] * 4


def test_directions_and_offsets_of_a_stack_are_taken_from_it(tmp_path):
    mumott = describe_scan(files.write_mumott(tmp_path / "scan.h5"))
    write_geo(tmp_path / "scan.geo", mumott.geometry, mumott.j_offsets, mumott.k_offsets)
    stack, _ = files.write_stack(tmp_path)
    scan = describe_scan(stack, angles=str(tmp_path / "scan.geo"))
    assert np.array_equal(scan.geometry.u, mumott.geometry.u)
    assert np.array_equal(scan.k_offsets, mumott.k_offsets)


def archive(path, **members):
    with tarfile.open(path, "w") as file:
        for name, value in members.items():
            text = value.encode() if isinstance(value, str) else json.dumps(value).encode()
            header = tarfile.TarInfo(name)
            header.size = len(text)
            file.addfile(header, io.BytesIO(text))


TURNED = {"_rotations": [np.eye(3).tolist()] * 2, "_j_offsets": [0.0, 1.0], "_k_offsets": [0.0, 0.0]}


@pytest.mark.parametrize(
    "change, words",
    [
        ({"_rotations": None}, "does not fit"),
        ({"_rotations": [[[1, 0, 0], [0, 1, 0], [0, 0, 2]]] * 2}, "matrix of view 0 is no rotation"),
        ({"_j_offsets": [0.0]}, "_j_offsets has shape"),
        ({"_k_offsets": [0.0, None]}, "an offset is no number"),
        ({"_k_offsets": "words"}, "damaged"),
        ({"_k_offsets": ["a", "b"]}, "does not fit"),
        ({"volume_shape": [0, 1, 2]}, "whole numbers"),
        ({"_inner_angles": [1.0]}, "_inner_angles has shape"),
    ],
)
def test_what_is_none_is_refused(tmp_path, change, words):
    path = tmp_path / "a.geo"
    archive(path, **(TURNED | change))
    with pytest.raises(UserError, match=words):
        read_geo(str(path))


def test_parts_that_are_missing_and_files_that_are_no_archive(tmp_path):
    path = tmp_path / "a.geo"
    archive(path, **TURNED)
    assert read_geo(str(path)).volume is None
    archive(path, **{name: value for name, value in TURNED.items() if name != "_rotations"})
    with pytest.raises(UserError, match="it has no part _rotations"):
        read_geo(str(path))
    path.write_text("no archive")
    with pytest.raises(UserError, match="cannot be read"):
        read_geo(str(path))
    with pytest.raises(UserError, match="missing.geo"):
        read_geo(str(tmp_path / "missing.geo"))
