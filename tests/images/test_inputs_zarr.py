"""Zarr stores: versions 2 and 3, shards, groups, and chunks that are not there."""

import os
import sys

import numpy as np
import pytest
from test_images import TYPES, check_volume, texture
from test_images_refused import refused

from hpcdvc.images import describe, identity, open_volume


def store(path, array, **options):
    zarr = pytest.importorskip("zarr")
    options = {"chunks": (2, 16, 20)[-array.ndim :], "zarr_format": 3} | options
    made = zarr.create_array(str(path), shape=array.shape, dtype=array.dtype, overwrite=True, **options)
    made[...] = array
    return made


@pytest.mark.parametrize("version", [2, 3])
def test_versions_and_types(tmp_path, version):
    for dtype in TYPES:
        store(tmp_path / dtype, texture(dtype), zarr_format=version)
        check_volume(tmp_path / dtype, texture(dtype), mapped=False)
    store(tmp_path / "big", texture(">u2"), zarr_format=version)
    check_volume(tmp_path / "big", texture("u2"), mapped=False)
    store(tmp_path / "flat", texture()[0], zarr_format=version)
    check_volume(tmp_path / "flat", texture()[0], mapped=False)
    store(tmp_path / "names", texture("i8"), zarr_format=version)
    refused(tmp_path / "names", "int64")


def test_shards_and_plain_chunks(tmp_path):
    store(tmp_path / "s", texture(), chunks=(2, 8, 12), shards=(4, 16, 24))
    check_volume(tmp_path / "s", texture(), mapped=False)
    store(tmp_path / "p", texture(), compressors=None)
    check_volume(tmp_path / "p", texture(), mapped=False)


def test_groups(tmp_path):
    zarr = pytest.importorskip("zarr")
    path = tmp_path / "g.zarr"
    group = zarr.create_group(str(path))
    refused(path, "no array")
    for name, volume in (("0", texture()), ("half", texture()[::2]), ("four", texture("u2", (3, 2, 32, 48)))):
        group.create_array(name, shape=volume.shape, chunks=(1, *volume.shape[1:]), dtype="u2")[...] = volume
    refused(path, "several arrays", "/0", "/half")
    refused(f"{path}:/none", "no array")
    np.testing.assert_array_equal(open_volume(describe(f"{path}:/half")), texture()[::2])
    assert describe(f"{path}:/half").stem == "g-half"
    refused(f"{path}:/four", "shape (3, 2, 32, 48)", "[0]")
    part = describe(f"{path}:/four[2]")
    np.testing.assert_array_equal(open_volume(part), texture("u2", (3, 2, 32, 48))[2])
    assert part.stem == "g-four-2" and identity(part)["index"] == [2]
    refused(f"{path}:/four[3]", "no 3")
    group.attrs["multiscales"] = [{"datasets": [{"path": "0"}, {"path": "half"}]}]
    check_volume(path, texture(), mapped=False)


@pytest.mark.parametrize("version, fill_value", [(2, 7), (2, None), (3, 7)])
def test_chunks_that_are_not_there(tmp_path, version, fill_value):
    path = tmp_path / "v"
    store(path, texture(), zarr_format=version, fill_value=fill_value)
    check_volume(path, texture(), mapped=False)
    os.remove(next(path.glob("1.0.1" if version == 2 else "c/1/0/1")))
    refused(path, "1 of its 24 chunks is not there", "write_empty_chunks")


@pytest.mark.parametrize("version", [2, 3])
def test_chunks_of_blosc_that_are_cut(tmp_path, version):
    """Blosc reads what lies in memory behind a chunk that is cut, and says nothing."""
    blosc = {2: lambda: pytest.importorskip("numcodecs").Blosc(), 3: lambda: __import__("zarr").codecs.BloscCodec()}
    pytest.importorskip("zarr")
    store(tmp_path / "v", texture(), zarr_format=version, compressors=blosc[version]())
    check_volume(tmp_path / "v", texture(), mapped=False)
    chunk = next((tmp_path / "v").glob("1.0.1" if version == 2 else "c/1/0/1"))
    whole = chunk.read_bytes()
    for size in (len(whole) - 1, len(whole) // 2, 10):
        chunk.write_bytes(whole[:size])
        refused(tmp_path / "v", "truncated", f"{size} bytes")


def test_chunks_that_were_left_out(tmp_path):
    """What a writer leaves out looks as what is lost; the way out that is named is one."""
    volume = texture()
    volume[:2, :16, :20] = 0
    store(tmp_path / "v", volume)
    refused(tmp_path / "v", "1 of its 24 chunks is not there", "write_empty_chunks")
    store(tmp_path / "v", volume, config={"write_empty_chunks": True})
    assert check_volume(tmp_path / "v", volume, mapped=False).notes == ()


@pytest.mark.parametrize("where", ["start", "end"])
def test_chunks_missing_within_a_shard(tmp_path, where):
    """Places of shards beyond the end of the array are no chunks of it."""
    volume, path = np.ascontiguousarray(texture()[:5, :20, :30]), tmp_path / "s"
    assert volume.all()
    shards = {"shape": (4, 16, 24), "index_location": where}
    store(path, volume, chunks=(2, 8, 12), shards=shards)
    assert check_volume(path, volume, mapped=False).notes == ()
    volume[4:, 16:, 24:] = 0  # the fill value is not stored
    volume[:2, :8, :12] = 0
    store(path, volume, chunks=(2, 8, 12), shards=shards)
    refused(path, "2 of its 27 chunks are not there")
    os.remove(path / "c/0/0/0")
    refused(path, "9 of its 27 chunks are not there")


@pytest.mark.parametrize("compressed", [True, False])
def test_cut_chunks(tmp_path, compressed):
    store(tmp_path / "v", texture(), **({} if compressed else {"compressors": None}))
    chunk = tmp_path / "v/c/1/0/1"
    os.truncate(chunk, chunk.stat().st_size // 2)
    refused(tmp_path / "v", "damaged", voxels=True)


def test_nothing_is_read_elsewhere(tmp_path):
    store(tmp_path / "v", texture())
    chunk = tmp_path / "v/c/1/0/1"
    os.rename(chunk, tmp_path / "away")
    chunk.symlink_to(tmp_path / "away")
    refused(tmp_path / "v", "out of the store")
    chunk.unlink()
    os.mkfifo(chunk)
    refused(tmp_path / "v", "no regular file")


def test_headers_that_are_damaged(tmp_path):
    pytest.importorskip("zarr")
    store(tmp_path / "v", texture())
    header = tmp_path / "v" / "zarr.json"
    text = header.read_text()
    others = text.replace("regular", "other"), text.replace("uint16", "uint17")
    for damaged in (text[: len(text) // 2], "", "[]", *others):
        header.write_text(damaged)
        refused(tmp_path / "v")


def test_without_the_package(tmp_path, monkeypatch):
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "zarr.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "zarr", None)
    refused(tmp_path / "v", "pip install zarr")
