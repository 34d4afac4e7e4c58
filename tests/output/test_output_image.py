"""Images written by offset: what readers find in them, and how they fail."""

import os
import resource
import shutil
import signal
import subprocess
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import tifffile

import hpcdvc
from hpcdvc.cli import main
from hpcdvc.errors import RunError, UserError
from hpcdvc.images import describe, open_volume
from hpcdvc.output import files, slab_file
from hpcdvc.output.image import ImageFile
from hpcdvc.output.slab_file import ImageWriter, checksum

RNG = np.random.default_rng(3)
TYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8")


def volume(shape=(5, 6, 7), dtype="u2") -> np.ndarray:
    return RNG.integers(0, 120, shape).astype(dtype)


def file_for(path: Path, values: np.ndarray, key: str = "k1", **more) -> ImageFile:
    return ImageFile(str(path), values.shape, values.dtype, {"key": key, "parameters": {"order": 1}}, **more)


def write(path: Path, values: np.ndarray, **more) -> ImageFile:
    """Lay out a file and fill its planes, the last first."""
    target = file_for(path, values, **more)
    place = target.create()
    writer = ImageWriter(target, place)
    for z in reversed(range(len(values))):
        writer.write(z, values[z])
    writer.close()
    target.settle(place[0])
    return target


@pytest.mark.parametrize("name", ["a.tif", "a.hdf"])
@pytest.mark.parametrize("dtype", TYPES)
def test_what_is_written_can_be_mapped(tmp_path, name, dtype):
    values = volume(dtype=dtype)
    target = write(tmp_path / name, values)
    info = describe(target.path)
    assert info.offset is not None and info.dtype == values.dtype and info.shape == values.shape
    np.testing.assert_array_equal(open_volume(info), values)
    assert os.listdir(tmp_path) == [name]
    assert os.path.getsize(target.path) <= target.file_bytes


@pytest.mark.parametrize("shape", [(5, 6, 7), (1, 6, 7), (2, 1, 3), (1, 1, 1)])
def test_tiff(tmp_path, shape):
    values = volume(shape)
    target = write(tmp_path / "a.tif", values)
    with tifffile.TiffFile(target.path) as tif:
        assert len(tif.pages) == shape[0] and not tif.is_bigtiff
        assert "DateTime" not in tif.pages[0].tags
        assert all(page.compression == 1 and page.photometric == 1 for page in tif.pages)
    read = tifffile.imread(target.path)
    assert read.ndim == (2 if shape[0] == 1 else 3)
    np.testing.assert_array_equal(read, values[0] if shape[0] == 1 else values)


def test_big_tiff(tmp_path):
    values = volume()
    for limit, big in ((values.nbytes + 1, False), (values.nbytes, True)):
        target = write(tmp_path / "a.tif", values, big_from=limit)
        with tifffile.TiffFile(target.path) as tif:
            assert tif.is_bigtiff == big
        np.testing.assert_array_equal(tifffile.imread(target.path), values)


def test_more_than_4_gb(tmp_path, monkeypatch):
    """A file full of holes."""
    monkeypatch.setattr(slab_file, "_reserve", lambda path: None)
    shape = (1100, 2000, 2000)
    target = ImageFile(str(tmp_path / "a.tif"), shape, np.dtype("u1"), {"key": "k"})
    if target.file_bytes > shutil.disk_usage(tmp_path).free:
        pytest.skip("needs 4.5 GB of free disk, although it does not use them")
    place = target.create()
    writer = ImageWriter(target, place)
    plane = volume(shape[1:], "u1")
    for z in (0, 1099):
        writer.write(z, plane + z % 100)
    writer.close()
    target.settle(place[0])
    info = describe(target.path)
    assert info.shape == shape and Path(target.path).stat().st_blocks * 512 < 2**25
    mapped = open_volume(info)
    np.testing.assert_array_equal(mapped[1099], plane + 99)
    assert (mapped[0] == plane).all() and not mapped[500].any()


@pytest.mark.parametrize("shape", [(5, 6, 7), (1, 6, 7)])
def test_hdf5(tmp_path, shape):
    values = volume(shape, "i4")
    target = write(tmp_path / "a.hdf", values)
    with h5py.File(target.path) as file:
        data = file["VTKHDF/PointData/grey" if shape[0] > 1 else "VTKHDF/CellData/grey"]
        np.testing.assert_array_equal(data, values)
        assert data.chunks is None and data.compression is None
        assert data.attrs["unit"] == b"1"
        assert file["VTKHDF"].attrs["Type"] == b"ImageData" and file["VTKHDF"].attrs["Direction"].size == 9
        assert file.id.get_create_plist().get_version()[0] == 0
        assert file["hpcdvc"].attrs["parameters"] == b'{"order": 1}'


@pytest.mark.parametrize("shape", [(5, 6, 7), (1, 6, 7)])
def test_vtk_reads_hdf5(tmp_path, shape):
    """Voxel i stands at coordinate i: as a point, or as the middle of a cell."""
    pyvista = pytest.importorskip("pyvista", reason="pyvista is not installed: pip install pyvista")
    values = volume(shape, "f4")
    mesh = pyvista.read(write(tmp_path / "a.hdf", values).path)
    assert isinstance(mesh, pyvista.ImageData)
    np.testing.assert_array_equal(mesh["grey"].reshape(shape), values)
    where = mesh.points if shape[0] > 1 else mesh.cell_centers().points
    np.testing.assert_array_equal(where[:, ::-1], np.indices(shape).reshape(3, -1).T)


@pytest.mark.parametrize("shape", [(5, 6, 7), (1, 6, 7)])
def test_read_gives_the_voxels(tmp_path, shape):
    values = volume(shape, "u2")
    result = hpcdvc.read(write(tmp_path / "a.hdf", values).path)
    np.testing.assert_array_equal(result["grey"], values[0] if shape[0] == 1 else values)
    assert result.metadata["parameters"] == {"order": 1} and result.measured.all() and "grey" in repr(result)
    assert main("convert", [str(tmp_path / "a.hdf"), str(tmp_path / "b.tif")]) == 0
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "b-grey.tif"), result["grey"])


@pytest.mark.parametrize("name", ["a.tif", "a.hdf"])
def test_same_bytes_every_time(tmp_path, name):
    values = volume()
    first, second = (Path(write(tmp_path / folder / name, values).path) for folder in made(tmp_path, "1", "2"))
    assert first.read_bytes() == second.read_bytes()


def made(folder: Path, *names: str) -> tuple[str, ...]:
    for name in names:
        (folder / name).mkdir()
    return names


@pytest.mark.parametrize("name", ["a.tif", "a.hdf"])
def test_key(tmp_path, name):
    """A file says itself which run it is of, finished or not."""
    values = volume()
    target, other = file_for(tmp_path / name, values), file_for(tmp_path / name, values, key="k2")
    assert target.begun() is None
    place = target.create()
    assert target.begun() == place and other.begun() is None
    ImageWriter(target, place).close()
    target.settle(place[0])
    assert target.is_ours() and not other.is_ours()
    assert target.begun() == (target.path, place[1])
    target.settle(target.path)  # again: nothing to do
    theirs = other.create()
    assert target.begun() == (target.path, place[1]) and other.begun() == theirs
    other.discard()
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", ["a.tif", "a.hdf"])
def test_files_of_others(tmp_path, name):
    path, values = tmp_path / name, volume()
    target = file_for(path, values)
    path.write_text("no image")
    with pytest.raises(UserError, match="a\\.(tif|hdf) is no image that hpcdvc has written: -pre or -od .* --force"):
        target.is_ours()
    assert target.begun() is None
    if name == "a.tif":
        tifffile.imwrite(path, values)
    else:
        with h5py.File(path, "w") as file:
            file["image"] = values
    assert not target.is_ours() and target.begun() is None


def test_checksum():
    values = RNG.integers(0, 256, 8 * 1024 + 3).astype("u1")
    number = checksum(values)
    assert (
        number == sum(int.from_bytes(values[k : k + 8].tobytes(), "little") for k in range(0, len(values), 8)) % 2**64
    )
    lost = values.copy()
    lost[4096:8192] = 0
    assert checksum(lost) != number
    assert checksum(np.array([], "u1")) == 0


def test_planes_read_back(tmp_path):
    values = volume()
    target = file_for(tmp_path / "a.tif", values)
    place = target.create()
    writer = ImageWriter(target, place)
    assert [writer.write(z, values[z]) for z in (1, 3)] == [writer.stored(z) for z in (1, 3)]
    assert writer.stored(2) == 0
    os.truncate(place[0], place[1] + 4 * values[0].nbytes + 1)
    assert writer.stored(3) == checksum(values[3]) and writer.stored(4) is None
    writer.close()


def test_short_writes(tmp_path, monkeypatch):
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, offset: pwrite(file, bytes(data[:11]), offset))
    values = volume()
    np.testing.assert_array_equal(tifffile.imread(write(tmp_path / "a.tif", values).path), values)


def test_no_space(tmp_path, monkeypatch):
    monkeypatch.setattr(files.shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(RunError, match=r"a\.tif was not written: no space left on its disk \(0\.1 MB are needed"):
        file_for(tmp_path / "a.tif", volume()).create()
    assert not os.listdir(tmp_path)


def test_file_size_limit(tmp_path):
    """A write that fails on the way."""
    values = volume((40, 100, 100))
    target = file_for(tmp_path / "a.tif", values)
    writer = ImageWriter(target, target.create())
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        writer.write(0, values[0])
        with pytest.raises(RunError, match="a.tif was not written: File too large"):
            writer.write(39, values[39])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert target.begun(), "what is there is kept for --resume"


def test_folder_that_is_gone(tmp_path):
    with pytest.raises(RunError, match="a.tif was not written: No such file or directory"):
        file_for(tmp_path / "gone" / "a.tif", volume()).create()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small file system")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("name", ["a.tif", "a.hdf"])
def test_space_is_reserved(small_disk, monkeypatch, name):
    """A disk that is too small is found out before anything is computed, even when it does not say how full it is."""
    fits, large = volume((10, 100, 100)), volume((300, 100, 100))
    target = file_for(small_disk / name, fits)
    path, _ = target.create()
    assert os.stat(path).st_blocks * 512 >= fits.nbytes
    target.discard()
    monkeypatch.setattr(files.shutil, "disk_usage", lambda path: SimpleNamespace(free=10**12))
    with pytest.raises(RunError, match="no space left on its disk"):
        file_for(small_disk / name, large).create()
    assert not os.listdir(small_disk)
