"""Voxels of HDF5 files are found wherever links and virtual datasets lead to, or said to be missing."""

import os
import subprocess
import sys

import numpy as np
import pytest
from test_images import SHAPE, check_volume, texture
from test_images_refused import refused

from hpcdvc.images import describe, identity, open_volume

h5py = pytest.importorskip("h5py")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder with raw/scan.h5, which holds a contiguous and a compressed volume."""
    monkeypatch.chdir(tmp_path)
    os.mkdir("raw")
    with h5py.File("raw/scan.h5", "w") as file:
        file["exchange/data"] = texture()
        file.create_dataset("exchange/packed", data=texture(), chunks=(3, 16, 16), compression="gzip")


def master(path="master.h5", name="data", target="raw/scan.h5"):
    """A file that has something else where its link leads to in the other file."""
    with h5py.File(path, "w") as file:
        file["exchange/data"] = file["exchange/packed"] = texture()[::-1]
        group = file.create_group("entry/data")
        group.attrs["NX_class"], group.attrs["signal"] = "NXdata", "image"
        group["image"] = h5py.ExternalLink(target, f"/exchange/{name}")
    return path


@pytest.mark.parametrize(("name", "mapped"), [("data", True), ("packed", False)])
def test_external_link(tmp_path, monkeypatch, name, mapped):
    path = master(name=name)
    info = check_volume(f"{path}:/entry/data/image", texture(), mapped)
    assert (info.path, info.stem) == (path, "master-entry-data-image")
    assert len(info.files) == 1 and os.path.samefile(info.files[0], "raw/scan.h5")
    check_volume(f"{path}:entry/data", texture(), mapped)
    assert check_volume(path, texture(), mapped).stem == "master", "the only signal"
    monkeypatch.chdir("raw")
    check_volume("../master.h5", texture(), mapped)


def test_identity_is_that_of_the_linked_file():
    path = master()
    before = identity(describe(path))
    with h5py.File("raw/scan.h5", "a") as file:
        file["exchange/data"][3, 4, 5] += 1
    assert identity(describe(path)) != before


def test_linked_images_are_images():
    with h5py.File("master.h5", "w") as file:
        file["a"] = h5py.ExternalLink("raw/scan.h5", "/exchange/data")
        file["b"] = h5py.SoftLink("/a")
        file["plot/flat"] = texture()[0]
    check_volume("master.h5", texture(), mapped=True)
    with h5py.File("master.h5", "a") as file:
        file["preview"] = texture()
    refused("master.h5", "several images", "/preview")


def test_broken_links():
    path = master(target="raw/gone.h5")
    for spec in (path, f"{path}:entry", f"{path}:/entry/data/image"):
        refused(spec, "raw/gone.h5:/exchange/data, which is not there")
    path = master(name="other")
    refused(f"{path}:/entry/data/image", "raw/scan.h5:/exchange/other, which is not there")
    with h5py.File("soft.h5", "w") as file:
        file["image"] = texture()
        file["link"] = h5py.SoftLink("/nowhere")
    refused("soft.h5:link", "/nowhere, which is not there")
    refused("soft.h5", "name the image", "/nowhere")
    check_volume("soft.h5:image", texture(), mapped=True)


def virtual(count=7, shape=SHAPE, name="exchange/data", source="raw/scan.h5"):
    """A virtual dataset whose first slices are those of another file."""
    with h5py.File("virtual.h5", "w") as file:
        layout = h5py.VirtualLayout(shape, "u2")
        for z in range(count):
            layout[z] = h5py.VirtualSource(source, name, SHAPE)[z]
        file.create_virtual_dataset("v", layout, fillvalue=7)
    return "virtual.h5"


def test_virtual_dataset(monkeypatch):
    info = check_volume(virtual(), texture(), mapped=False)
    assert info.files == ("virtual.h5", "raw/scan.h5")
    check_volume(virtual(name="exchange/packed"), texture(), mapped=False)
    monkeypatch.chdir("raw")
    check_volume("../virtual.h5", texture(), mapped=False)


def test_virtual_dataset_in_its_own_file():
    with h5py.File("own.h5", "w") as file:
        file["parts/a"] = texture()[:3]
        file["parts/b"] = texture()[3:]
        layout = h5py.VirtualLayout(SHAPE, "u2")
        layout[:3] = h5py.VirtualSource(file["parts/a"])
        layout[3:] = h5py.VirtualSource(file["parts/b"])
        file.create_virtual_dataset("whole", layout)
    check_volume("own.h5:whole", texture(), mapped=False)


def test_virtual_dataset_that_grows_with_its_source():
    with h5py.File("raw/grown.h5", "w") as file:
        file.create_dataset("d", data=texture(), chunks=(1, 32, 48), maxshape=(None, 32, 48))
    with h5py.File("virtual.h5", "w") as file:
        endless = slice(0, h5py.h5s.UNLIMITED)
        layout = h5py.VirtualLayout(SHAPE, "u2", maxshape=(None, 32, 48))
        layout[endless] = h5py.VirtualSource("raw/grown.h5", "d", SHAPE, maxshape=(None, 32, 48))[endless]
        file.create_virtual_dataset("v", layout)
    check_volume("virtual.h5", texture(), mapped=False)


def test_virtual_dataset_with_holes():
    refused(virtual(5), "is not whole", "parts of the virtual dataset /v have no source")
    refused(virtual(name="exchange/other"), "is not whole", "1 of its 1 sources", "raw/scan.h5:exchange/other")
    refused(virtual(source="raw/gone.h5"), "is not whole", "1 of its 1 sources", "raw/gone.h5:exchange/data")
    path = virtual(name="exchange/short")
    with h5py.File("raw/scan.h5", "a") as file:
        file["exchange/short"] = texture()[:5]
    refused(path, "is not whole", "raw/scan.h5:exchange/short", "(5, 32, 48)")
    path = virtual(name="exchange/stopped")
    with h5py.File("raw/scan.h5", "a") as file:
        file.create_dataset("exchange/stopped", SHAPE, "u2", chunks=(1, 32, 48))[:4] = 1
    refused(path, "is not whole", "only 4 of the 7 chunks of /exchange/stopped in raw/scan.h5")


def test_what_was_never_written():
    with h5py.File("v.h5", "w") as file:
        file.create_dataset("chunks", SHAPE, "u2", chunks=(2, 16, 16))[:3] = 1
        file.create_dataset("block", SHAPE, "u2")
    refused("v.h5:chunks", "is not whole", "only 12 of the 24 chunks of /chunks in v.h5")
    refused("v.h5:block", "is not whole", "never written")


def test_raw_files_beside_it():
    texture().tofile("v.raw")
    with h5py.File("v.h5", "w") as file:
        file.create_dataset("d", SHAPE, "u2", external=[("v.raw", 0, h5py.h5f.UNLIMITED)])
    assert check_volume("v.h5", texture(), mapped=False).files == ("v.h5", "v.raw")
    os.truncate("v.raw", texture().nbytes - 1)
    refused("v.h5", "v.raw", "too short")
    os.unlink("v.raw")
    refused("v.h5", "v.raw", "not there")


@pytest.mark.parametrize("place", [0, 4])
def test_words_wider_than_their_precision(place):
    """12 bits of 16, as some cameras have them: not mapped, for the other bits are none of the number."""
    expected = texture() % 4096
    kind = h5py.h5t.STD_U16LE.copy()
    kind.set_precision(12)
    kind.set_offset(place)
    with h5py.File("v.h5", "w") as file:
        space = h5py.h5s.create_simple(SHAPE)
        data = h5py.Dataset(h5py.h5d.create(file.id, b"d", kind, space))
        data.write_direct(expected)
    check_volume("v.h5", expected, mapped=False)


def test_type_that_numpy_has_not():
    kind = h5py.h5t.STD_U16LE.copy()
    kind.set_size(3)
    with h5py.File("v.h5", "w") as file:
        h5py.h5d.create(file.id, b"d", kind, h5py.h5s.create_simple(SHAPE))
    refused("v.h5", "of a type that cannot be read")


def test_voxels_beyond_the_end():
    with h5py.File("v.h5", "w") as file:
        file["d"] = texture()
        start = file["d"].id.get_offset()
    content = bytearray(open("v.h5", "rb").read())
    place = content.index(start.to_bytes(8, "little"))
    content[place : place + 8] = (start + 10**6).to_bytes(8, "little")
    open("v.h5", "wb").write(content)
    refused("v.h5", "v.h5")


def compressed(number: int, path: str = "packed.h5") -> str:
    """A dataset whose filter HDF5 does not have; a chunk has been stored as it is."""
    with h5py.File(path, "w") as file:
        how = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        how.set_chunk(SHAPE)
        how.set_filter(number, h5py.h5z.FLAG_OPTIONAL, ())
        data = h5py.h5d.create(file.id, b"d", h5py.h5t.NATIVE_UINT16, h5py.h5s.create_simple(SHAPE), how)
        data.write_direct_chunk((0, 0, 0), texture().tobytes())
    return path


WITHOUT = "import sys; sys.modules['hdf5plugin'] = None; from hpcdvc.images import describe; describe(sys.argv[1])"


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (
            32008,
            "is compressed with bitshuffle (HDF5 filter 32008), which is not installed here: try `pip inst",
        ),
        (511, "(HDF5 filter 511), which is not installed here: HDF5_PLUGIN_PATH must"),
    ],
)
def test_compression_without_its_plugin(number, words):
    with h5py.File("virtual.h5", "w") as file:
        layout = h5py.VirtualLayout(SHAPE, "u2")
        layout[:] = h5py.VirtualSource(compressed(number), "d", SHAPE)
        file.create_virtual_dataset("v", layout)
    for path in ("packed.h5", "virtual.h5"):
        ended = subprocess.run([sys.executable, "-c", WITHOUT, path], capture_output=True, text=True, timeout=60)
        assert f"{path} is compressed" in ended.stderr.splitlines()[-1] and words in ended.stderr.splitlines()[-1]


def test_compression_with_its_plugin():
    """In a process of its own each: it must register the filters itself."""
    pytest.importorskip("hdf5plugin")
    code = (
        "import h5py, hdf5plugin, numpy as np\n"
        "with h5py.File('b.h5', 'w') as file:\n"
        f"    file.create_dataset('d', data=np.arange({np.prod(SHAPE)}).astype('u2').reshape({SHAPE}), "
        "chunks=(3, 16, 16), **hdf5plugin.Bitshuffle())\n"
        "with h5py.File('v.h5', 'w') as file:\n"
        f"    layout = h5py.VirtualLayout({SHAPE}, 'u2')\n"
        f"    layout[:] = h5py.VirtualSource('b.h5', 'd', {SHAPE})\n"
        "    file.create_virtual_dataset('v', layout)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    look = "import pickle, sys; from hpcdvc.images import describe; pickle.dump(describe(sys.argv[1]), open('i', 'wb'))"
    read = (
        "import pickle, numpy as np; from hpcdvc.images import open_volume\n"
        "assert (open_volume(pickle.load(open('i', 'rb'))).ravel() == np.arange("
        f"{np.prod(SHAPE)}).astype('u2')).all()"
    )
    for path in ("b.h5", "v.h5"):
        for words in ([look, path], [read]):
            subprocess.run([sys.executable, "-c", *words], check=True, timeout=60)


def test_reports(shared):
    """Files as beamlines write them."""
    folder = shared / "oracle" / "reports" / "hdf5-external-link"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    with h5py.File(next(iter((folder / "raw").glob("*a*.h5")))) as file:
        expected = file["exchange/data"][:]
    for name in ("master_a.nxs:/entry/data/data", "gzip_a.nxs:/entry/data/data", "nexus_a.nxs"):
        np.testing.assert_array_equal(open_volume(describe(str(folder / name))), expected)
