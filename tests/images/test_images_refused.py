"""What is not one volume of grey values is refused with one sentence that names it."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from hpcdvc.errors import RunError, UserError
from hpcdvc.images import check_mask, check_pair, describe, identity, kinds, open_volume, provenance

h5py = pytest.importorskip("h5py")
tifffile = pytest.importorskip("tifffile")

VOLUME = np.random.default_rng(1).integers(0, 60000, (7, 32, 48)).astype("u2")


def refused(path, *words, voxels=False):
    """Described with an error, or only opened (voxels): one sentence that names the file and has these words."""
    info = describe(str(path)) if voxels else None
    with pytest.raises(UserError) as caught:
        open_volume(info) if voxels else describe(str(path))
    text = str(caught.value)
    assert str(path) in text and "\n" not in text
    for word in words:
        assert word in text


TIFFS = {
    "contiguous": {},
    "bigtiff": {"bigtiff": True},
    "imagej": {"imagej": True},
    "ome": {"ome": True, "metadata": {"axes": "ZYX"}},
    "bare": {"metadata": None},
    "big endian": {"byteorder": ">"},
    "tiled": {"tile": (16, 32)},
    "zlib": {"compression": "zlib"},
    "bare zlib": {"metadata": None, "compression": "zlib"},
}


@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.95])
@pytest.mark.parametrize("what", TIFFS)
def test_truncated_tiff(tmp_path, what, part, caplog):
    tifffile.imwrite(tmp_path / "v.tif", VOLUME, photometric="minisblack", **TIFFS[what])
    os.truncate(tmp_path / "v.tif", int(part * os.path.getsize(tmp_path / "v.tif")))
    refused(tmp_path / "v.tif")
    assert not caplog.records


def test_truncated_page_after_page(tmp_path):
    path = tmp_path / "v.tif"
    tifffile.imwrite(path, VOLUME[0])
    os.truncate(path, os.path.getsize(path) - 1)
    refused(path, "truncated")
    with tifffile.TiffWriter(path) as file:
        for page in VOLUME:
            file.write(page, contiguous=False, metadata=None)
    for part in (0.98, 0.9, 0.5, 0.2):
        os.truncate(path, int(part * os.path.getsize(path)))
        refused(path, "truncated")


def test_truncated_imagej_hyperstack_of_one_page(tmp_path):
    """ImageJ writes one page only when the file is large, and all voxels behind it."""
    path = tmp_path / "v.tif"
    text = "ImageJ=1.53\nimages=7\nslices=7\n"
    tifffile.imwrite(path, VOLUME[0], description=text, metadata=None)
    with open(path, "ab") as file:
        file.seek(tifffile.TiffFile(path).pages[0].dataoffsets[0])
        file.truncate()
        file.write(VOLUME.tobytes())
    info = describe(str(path))
    assert info.offset is not None
    np.testing.assert_array_equal(open_volume(info), VOLUME)
    os.truncate(path, os.path.getsize(path) - 100)
    refused(path, "truncated")


@pytest.mark.parametrize("name", ["v.h5", "v.npy"])
@pytest.mark.parametrize("part", [0.02, 0.3, 0.95])
def test_truncated_other(tmp_path, name, part):
    if name == "v.npy":
        np.save(tmp_path / name, VOLUME)
    else:
        with h5py.File(tmp_path / name, "w") as file:
            file["data"] = VOLUME
    os.truncate(tmp_path / name, int(part * os.path.getsize(tmp_path / name)))
    refused(tmp_path / name)


def damage_last_slice(path):
    """A zlib-compressed volume with a few wrong bytes in the last slice."""
    tifffile.imwrite(path, VOLUME, compression="zlib")
    with tifffile.TiffFile(path) as file:
        start = file.pages[-1].dataoffsets[0]
    with open(path, "r+b") as file:
        file.seek(start + 100)
        file.write(b"damage")


def test_damaged_voxels(tmp_path):
    damage_last_slice(tmp_path / "v.tif")
    refused(tmp_path / "v.tif", "damaged", voxels=True)
    with h5py.File(tmp_path / "v.h5", "w") as file:
        data = file.create_dataset("d", data=VOLUME, chunks=(3, 32, 48), fletcher32=True)
        start = data.id.get_chunk_info(1).byte_offset
    with open(tmp_path / "v.h5", "r+b") as file:
        file.seek(start + 100)
        file.write(b"damage")
    refused(tmp_path / "v.h5", voxels=True)


def test_random_damage(tmp_path, caplog):
    """Whatever bytes are wrong: read, or one sentence; never another exception, and nothing logged."""
    random = np.random.default_rng(7)
    for what, options in TIFFS.items():
        tifffile.imwrite(tmp_path / f"{what}.tif", VOLUME[:, :16, :16], photometric="minisblack", **options)
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file.create_dataset("e/d", data=VOLUME, chunks=(3, 16, 16), compression="gzip")
    np.save(tmp_path / "v.npy", VOLUME)
    outcomes = []
    for path in sorted(tmp_path.iterdir()):
        content = path.read_bytes()
        for _ in range(25):
            wrong = bytearray(content)
            wrong[random.integers(min(600, len(wrong)))] = random.integers(256)
            wrong[random.integers(len(wrong))] = random.integers(256)
            path.write_bytes(wrong)
            try:
                info = describe(str(path))
                outcomes.append(np.prod(info.shape, dtype=float) > 1e8 or open_volume(info).size > 0)
            except (UserError, RunError):
                outcomes.append(False)
    assert 0.1 < np.mean(outcomes) < 0.9
    assert not caplog.records


def test_not_an_image(tmp_path):
    (tmp_path / "empty.tif").touch()
    refused(tmp_path / "empty.tif", "empty")
    (tmp_path / "text.tif").write_text("hello")
    refused(tmp_path / "text.tif", "no image")
    (tmp_path / "head.tif").write_bytes(b"II*\0" + b"\xff" * 5000)
    refused(tmp_path / "head.tif", "damaged")
    refused(tmp_path / "missing.tif", "No such file")
    refused(f"{tmp_path / 'missing.h5'}:/data", "No such file")
    (tmp_path / "folder").mkdir()
    refused(tmp_path / "folder", "without .tif slices")
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "no regular file")
    np.save(tmp_path / "v.npy", VOLUME)
    refused(f"{tmp_path / 'v.npy'}:/data", "no HDF5 file")
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file["t"] = np.arange(5.0)
        file["s"], file["none"] = "text", h5py.Empty("f4")
    refused(tmp_path / "v.h5", "no 2-D or 3-D dataset")
    with h5py.File(tmp_path / "mesh.hdf", "w") as file:
        file["VTKHDF/Points"] = np.zeros((9, 3))
        file["VTKHDF"].attrs["Type"] = np.bytes_("UnstructuredGrid")
    refused(tmp_path / "mesh.hdf", "holds a mesh or points, and no image")
    assert describe(f"{tmp_path / 'mesh.hdf'}:/VTKHDF/Points").shape == (1, 9, 3)
    for name in "s", "none":
        refused(f"{tmp_path / 'v.h5'}:{name}")


def test_permission_denied(tmp_path, monkeypatch):
    def closed(path, *mode):
        raise PermissionError(13, "Permission denied", path)

    tifffile.imwrite(tmp_path / "v.tif", VOLUME)
    monkeypatch.setattr(kinds, "open", closed, raising=False)
    refused(tmp_path / "v.tif", "Permission denied")


@pytest.mark.parametrize("dtype", ["u8", "i8", "f2", "c8"])
def test_types_that_are_refused(tmp_path, dtype):
    tifffile.imwrite(tmp_path / "v.tif", VOLUME.astype(dtype))
    np.save(tmp_path / "v.npy", VOLUME.astype(dtype))
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file["d"] = VOLUME.astype(dtype)
    for name in "v.tif", "v.npy", "v.h5":
        refused(tmp_path / name, np.dtype(dtype).name)


def test_shapes_that_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "two.tif", np.zeros((9, 8, 2), "u1"), photometric="minisblack", planarconfig="contig")
    refused(tmp_path / "two.tif", "colour", "(9, 8, 2)", "uint8")
    tifffile.imwrite(tmp_path / "lab.tif", np.zeros((9, 8, 3), "u1"), photometric="cielab")
    refused(tmp_path / "lab.tif", "colour")
    tifffile.imwrite(tmp_path / "czyx.tif", np.zeros((2, 7, 9, 8), "u1"), imagej=True)
    refused(tmp_path / "czyx.tif", "(2, 7, 9, 8)")
    with tifffile.TiffWriter(tmp_path / "mixed.tif") as file:
        for k in range(12):
            file.write(VOLUME[0, : 30 + (k == 5)], contiguous=False, metadata=None)
    refused(tmp_path / "mixed.tif", "slice 5")
    with tifffile.TiffWriter(tmp_path / "two.tif") as file:
        file.write(VOLUME)
        file.write(VOLUME[0])
    refused(tmp_path / "two.tif", "several images")
    np.save(tmp_path / "v.npy", np.zeros((2, 3, 4, 5)))
    refused(tmp_path / "v.npy", "(2, 3, 4, 5)")


def test_compression_without_its_library(tmp_path):
    pytest.importorskip("imagecodecs")
    tifffile.imwrite(tmp_path / "v.tif", VOLUME, compression="lzw")
    code = "import sys; sys.modules['imagecodecs'] = None; from hpcdvc.images import describe; describe(sys.argv[1])"
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path / "v.tif")], capture_output=True, timeout=60)
    assert b"pip install imagecodecs" in ended.stderr.splitlines()[-1]


def test_import_is_light():
    code = "import sys, hpcdvc.images; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=True).stdout.split()
    assert not {b"tifffile", b"h5py", b"scipy", b"mpi4py"} & set(loaded)


def test_pairs_and_masks(tmp_path):
    np.save(tmp_path / "a.npy", VOLUME)
    np.save(tmp_path / "b.npy", VOLUME[:5])
    np.save(tmp_path / "c.npy", VOLUME[0])
    a, b, c = (describe(str(tmp_path / f"{name}.npy")) for name in "abc")
    check_pair(a, a)
    check_mask(a, a)
    with pytest.raises(UserError, match=r"a\.npy is 7 x 32 x 48 voxels, .*b\.npy is 5 x 32 x 48 voxels"):
        check_pair(a, b)
    with pytest.raises(UserError, match=r"c\.npy is 2-D, 32 x 48 pixels"):
        check_pair(a, c)
    with pytest.raises(UserError, match=r"mask does not fit.*b\.npy is 5 x 32 x 48 voxels, .*a\.npy is 7"):
        check_mask(a, b)


def test_identity(tmp_path):
    np.save(tmp_path / "a.npy", VOLUME)
    known = identity(describe(str(tmp_path / "a.npy")))
    assert json.loads(json.dumps(known)) == known
    assert (known["name"], known["shape"], known["dtype"]) == ("a.npy", [7, 32, 48], "uint16")
    assert known["bytes"] == os.path.getsize(tmp_path / "a.npy")
    os.utime(tmp_path / "a.npy", (1, 1))
    assert identity(describe(str(tmp_path / "a.npy"))) == known, "another date is not another image"
    other = VOLUME.copy()
    other[3, 20, 30] += 1
    np.save(tmp_path / "a.npy", other)
    assert identity(describe(str(tmp_path / "a.npy"))) != known
    (tmp_path / "s").mkdir()
    for k in range(3):
        tifffile.imwrite(tmp_path / "s" / f"{k}.tif", VOLUME[k])
    info = describe(str(tmp_path / "s") + "/")
    known = identity(info)
    assert (known["name"], known["files"]) == ("s", 3) and known["bytes"] > VOLUME[:3].nbytes
    os.utime(tmp_path / "s" / "1.tif", (2e9, 2e9))
    for name in (".DS_Store", "notes.txt", ".1.tif"):
        (tmp_path / "s" / name).write_text("no slice")
    assert identity(info) == known, "what is no slice does not count"
    tifffile.imwrite(tmp_path / "s" / "1.tif", other[3])
    assert identity(info) != known


@pytest.mark.parametrize("size", [0, 1, 2**16, 2**20, 5 * 2**20 + 3])
def test_identity_samples_the_whole_file(tmp_path, size):
    """First and last bytes count whatever the size; of a small file all of them."""
    path, data = tmp_path / "a.raw", bytearray(os.urandom(size))
    found = set()
    for place in (None, 0, size // 2 if size <= 2**20 else size * 3 // 10, size - 1):
        if place is not None and size:
            data[place] ^= 1
        path.write_bytes(data)
        found.add(provenance._sample([str(path)]))
    assert len(found) == (4 if 1 < size <= 2**20 else 3 if size > 2**20 else 2 if size else 1)
