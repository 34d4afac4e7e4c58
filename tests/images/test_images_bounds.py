"""What headers claim is bounded by the bytes of their files, circles have an end, and so has the time of a library."""

import os
import shutil
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from test_images import SHAPE, check_volume, texture
from test_images_outside import write_ome
from test_images_refused import refused

from hpcdvc.errors import UserError
from hpcdvc.images import describe, open_volume

h5py = pytest.importorskip("h5py")
tifffile = pytest.importorskip("tifffile")

DATA = Path(__file__).resolve().parents[1] / "data"


def refused_cheaply(path, *words):
    """Refused, and little memory was asked for."""
    tracemalloc.start()
    refused(path, *words)
    assert tracemalloc.get_traced_memory()[1] < 2**23
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("planes", "data"),
    [
        (50_000_000, '<TiffData IFD="0" PlaneCount="7"/>'),
        (7, '<TiffData IFD="0" PlaneCount="50000000"/>'),
        (10**18, '<TiffData IFD="0" FirstZ="500000000000000000" PlaneCount="7"/>'),
        (7, '<TiffData IFD="0" FirstZ="50000000" PlaneCount="7"/>'),
    ],
)
def test_ome_header_with_many_planes(tmp_path, planes, data):
    write_ome(tmp_path / "v.tif", planes, data)
    refused_cheaply(tmp_path / "v.tif", "has 7 pages, but its header (OME) tells of ")


def test_ome_header_with_many_labels_or_entities(tmp_path):
    along = (
        '</Pixels></Image><StructuredAnnotations><XMLAnnotation ID="Annotation:0" Namespace="x/modulo"><Value><Modulo>'
        '<ModuloAlongZ Type="phase" Start="0" End="{}" Step="1"/></Modulo></Value></XMLAnnotation>'
        "</StructuredAnnotations><Image><Pixels>"
    )
    write_ome(tmp_path / "v.tif", 7, '<TiffData IFD="0" PlaneCount="7"/>' + along.format(10**9))
    refused_cheaply(tmp_path / "v.tif", "tells of 1000000000")
    write_ome(tmp_path / "v.tif", 7, '<TiffData IFD="0" PlaneCount="7"/>')
    check_volume(tmp_path / "v.tif", texture(), mapped=False)
    content = tifffile.TiffFile(tmp_path / "v.tif").pages[0].description
    tifffile.tiffcomment(tmp_path / "v.tif", '<!DOCTYPE OME [<!ENTITY a "b">]>' + content)
    refused(tmp_path / "v.tif", "entities")


def tag(path, name, value):
    """Overwrite a tag of the first page."""
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[0].tags[name].overwrite(value)


def test_strips_outside(tmp_path):
    path = tmp_path / "v.tif"
    for options in ({}, {"compression": "zlib"}, {"bigtiff": True}):
        for start in (0, 7):
            tifffile.imwrite(path, texture()[0], **options)
            tag(path, "StripOffsets", start)
            refused(path, f"voxels are said to begin at byte {start}, within its header")
        tifffile.imwrite(path, texture()[0], **options)
        tag(path, "StripOffsets", os.path.getsize(path))
        refused(path, "truncated")


def test_strip_with_too_few_bytes(tmp_path):
    with tifffile.TiffWriter(tmp_path / "v.tif") as file:
        for page in texture():
            file.write(page, contiguous=False, metadata=None)
    check_volume(tmp_path / "v.tif", texture(), mapped=False)
    tag(tmp_path / "v.tif", "StripByteCounts", 32 * 48)
    refused(tmp_path / "v.tif", "slice 0 has fewer bytes")


def test_size_is_bounded_by_the_file(tmp_path):
    """A few hundred bytes claim a gigabyte: more than any compression makes of so much."""
    tifffile.imwrite(tmp_path / "v.tif", np.zeros((8, 8), "u1"), compression="zlib", metadata=None)
    tag(tmp_path / "v.tif", "ImageWidth", 40000)
    tag(tmp_path / "v.tif", "ImageLength", 40000)
    tag(tmp_path / "v.tif", "RowsPerStrip", 40000)
    refused_cheaply(tmp_path / "v.tif", "claims 1600000000 bytes of voxels")
    with h5py.File(tmp_path / "v.h5", "w") as file:
        data = file.create_dataset("d", (2**15,) * 3, "u1", chunks=(2**10, 2**10, 2**10), compression="gzip")
        for place in np.ndindex(32, 1, 1):
            data.id.write_direct_chunk(tuple(1024 * k for k in place), b"x")
        file.create_dataset("chunk", (1, 1, 1), "u1", chunks=(2**10,) * 3, maxshape=(None,) * 3, compression="gzip")
        file["chunk"].id.write_direct_chunk((0, 0, 0), b"x")
    refused_cheaply(f"{tmp_path / 'v.h5'}:d", "v.h5:d")
    refused_cheaply(f"{tmp_path / 'v.h5'}:chunk", "claims 1073741824 bytes")


def test_images_of_one_grey_value_are_not_refused(tmp_path):
    image = np.zeros((20, 200, 200), "u2")
    tifffile.imwrite(tmp_path / "v.tif", image, compression="zlib", photometric="minisblack")
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file.create_dataset("d", data=image, chunks=image.shape, compression="gzip", compression_opts=9)
    check_volume(tmp_path / "v.tif", image, mapped=False)
    check_volume(tmp_path / "v.h5", image, mapped=False)


@pytest.mark.parametrize("default", [".", "/", "loop", "entry/loop"])
def test_defaults_in_a_circle(tmp_path, default):
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file["a"] = texture()
        file["loop"], file["entry/loop"] = h5py.SoftLink("/"), h5py.SoftLink("/")
        file.attrs["default"] = default
    refused(tmp_path / "v.h5", "in a circle, name the image (file.h5:/path)")
    check_volume(f"{tmp_path / 'v.h5'}:a", texture(), mapped=True)


def test_virtual_datasets_of_themselves(tmp_path):
    for own, source in (("a.h5", "."), ("b.h5", "c.h5"), ("c.h5", "b.h5")):
        with h5py.File(tmp_path / own, "w") as file:
            layout = h5py.VirtualLayout(SHAPE, "u2")
            layout[:] = h5py.VirtualSource(source, "v", SHAPE)
            file.create_virtual_dataset("v", layout)
    refused(tmp_path / "a.h5", "the virtual dataset /v", "is made of itself")
    refused(tmp_path / "b.h5", "the virtual dataset /v", "is made of itself")


def test_deep_groups(tmp_path):
    with h5py.File(tmp_path / "v.h5", "w", libver="latest") as file:
        group = file
        for _ in range(2000):
            group = group.create_group("g")
        group["d"] = texture()
    np.testing.assert_array_equal(open_volume(describe(str(tmp_path / "v.h5"))), texture())


def end(path):
    """Exit code and stderr of a process that describes a volume within some seconds of CPU time."""
    code = (
        "import sys; from hpcdvc.images import describe, open_volume, volume\n"
        "volume.HEADER_SECONDS = 0.3; open_volume(describe(sys.argv[1]))"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=60)
    return ended.returncode, ended.stderr


def test_header_without_end():
    """An object of the global heap has size 0: HDF5 never comes back."""
    returncode, said = end(DATA / "nexus-1byte-hang.nxs")
    assert (returncode, said.count("\n")) == (1, 1)
    assert "nexus-1byte-hang.nxs cannot be read: 0.3 s of CPU time were not enough" in said


def test_source_without_end(tmp_path):
    """The same in the source of a virtual dataset: it is named by the volume, its own limit counts."""
    shutil.copy(DATA / "nexus-1byte-hang.nxs", tmp_path / "source.nxs")
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file["link"] = h5py.ExternalLink("source.nxs", "/")
    returncode, said = end(f"{tmp_path / 'v.h5'}:link")
    assert (returncode, said.count("\n")) == (1, 1) and "v.h5:link cannot be read: 0.3 s" in said


def test_pages_in_a_circle(tmp_path):
    """Longer than tifffile looks for: a list that grows for ever."""
    path = tmp_path / "v.tif"
    with tifffile.TiffWriter(path) as file:
        for _ in range(150):
            file.write(np.zeros((2, 2), "u1"), contiguous=False, metadata=None)
    with tifffile.TiffFile(path) as file:
        first, place = file.pages[120].offset, file.pages[-1].offset
        link = place + 2 + 12 * len(file.pages[-1].tags)
    content = bytearray(path.read_bytes())
    content[link : link + 4] = first.to_bytes(4, "little")
    path.write_bytes(content)
    returncode, said = end(path)
    assert (returncode, said.count("\n")) == (1, 1) and "v.tif cannot be read" in said


def test_npy_that_claims_more_than_it_has(tmp_path):
    for shape in ("(99999, 99999, 99999)", "(4611686018427387904, 4, 4)", "(-1, 2, 3)", "(3,)" * 900):
        words = f"{{'descr': '<u2', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(4096 - 11) + b"\n"
        (tmp_path / "v.npy").write_bytes(b"\x93NUMPY\1\0" + len(words).to_bytes(2, "little") + words + bytes(50))
        with pytest.raises(UserError, match=r"v\.npy"):
            describe(str(tmp_path / "v.npy"))
