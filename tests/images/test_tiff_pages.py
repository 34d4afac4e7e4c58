"""Every page of a TIFF file is read, or the sentence says what is not; tags that change grey values are said."""

import json
import struct

import numpy as np
import pytest
from test_images import SHAPE, check_volume, texture
from test_images_refused import refused

from hpcdvc.images import describe

tifffile = pytest.importorskip("tifffile")


def write_micromanager(path, volume, planned=None, order=None, frames=1, shift=0):
    """A stack as Micro-Manager leaves it: its own index, a summary, and an ImageJ description.

    `planned`: slices of the summary; `order`: in which the slices were acquired; `shift`: bytes between header and
    voxels of every page but the first.
    """
    nz, ny, nx = volume.shape
    order = list(range(nz)) if order is None else order
    summary = {"MicroManagerVersion": "2.0", "Frames": frames, "Slices": planned or nz // frames, "Channels": 1}
    summary = json.dumps({**summary, "Positions": 1}).encode()
    words = f"ImageJ=1.43d\nimages={nz}\nslices={nz // frames}\nframes={frames}\n".encode() + b"\0"
    begin, size = 40 + len(summary), 162 + 8 + len(words) + 8 + volume[0].nbytes
    places = [begin + k * size + k % 2 for k in range(nz)]
    with open(path, "wb") as file:
        file.write(b"II*\0" + struct.pack("<I", begin))
        file.write(
            struct.pack("<IIIIIIII", 54773648, begin + nz * size + 8, 483765892, 0, 99384722, 0, 2355492, len(summary))
        )
        file.write(summary)
        for k, z in enumerate(order):
            start, data = places[k], places[k] + 162 + shift * (k > 0)
            ratio, text = data + volume[z].nbytes, data + volume[z].nbytes + 8
            tags = [
                (256, 4, 1, nx), (257, 4, 1, ny), (258, 3, 1, 16), (259, 3, 1, 1), (262, 3, 1, 1),
                (270, 2, len(words), text), (273, 4, 1, data), (277, 3, 1, 1), (278, 4, 1, ny),
                (279, 4, 1, volume[z].nbytes), (282, 5, 1, ratio), (283, 5, 1, ratio), (51123, 2, 6, text + len(words)),
            ]  # fmt: skip
            file.seek(start)
            file.write(struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags))
            file.write(struct.pack("<I", places[k + 1] if k + 1 < nz else 0))
            file.seek(data)
            file.write(volume[z].tobytes() + struct.pack("<II", 1, 1) + words + b"{   }\0")
        file.seek(begin + nz * size + 8)
        file.write(struct.pack("<II", 3453623, nz))
        for k, z in enumerate(order):
            file.write(struct.pack("<IIIII", 0, z % (nz // frames), z // (nz // frames), 0, places[k]))


def test_micromanager_stack(tmp_path):
    write_micromanager(tmp_path / "a_MMStack_Pos0.tif", texture())
    with tifffile.TiffFile(tmp_path / "a_MMStack_Pos0.tif") as file:
        assert file.series[0].kind == "mmstack" and file.is_imagej
    assert check_volume(tmp_path / "a_MMStack_Pos0.tif", texture(), mapped=False).notes == ()
    write_micromanager(tmp_path / "b_MMStack_Pos0.tif", texture(), order=[3, 0, 1, 2, 6, 5, 4])
    check_volume(tmp_path / "b_MMStack_Pos0.tif", texture(), mapped=False)


def test_micromanager_stack_that_is_no_volume(tmp_path):
    write_micromanager(tmp_path / "a_MMStack_Pos0.tif", texture()[:6], frames=2)
    refused(tmp_path / "a_MMStack_Pos0.tif", "(2, 3, 32, 48)")
    write_micromanager(tmp_path / "b_MMStack_Pos0.tif", texture(), shift=2)
    refused(tmp_path / "b_MMStack_Pos0.tif", "index of Micro-Manager")


def test_micromanager_stack_that_was_stopped(tmp_path):
    write_micromanager(tmp_path / "a_MMStack_Pos0.tif", texture(), planned=12)
    info = check_volume(tmp_path / "a_MMStack_Pos0.tif", texture(), mapped=False)
    assert info.notes == ("12 slices were to be acquired, 7 are there and taken",)


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}])
@pytest.mark.parametrize("told", [5, 9])
def test_ome_with_another_size_than_its_pages(tmp_path, told, options):
    path = tmp_path / "v.ome.tif"
    tifffile.imwrite(path, texture(), ome=True, metadata={"axes": "ZYX"}, photometric="minisblack", **options)
    with tifffile.TiffFile(path) as file:
        words = file.pages[0].description
    words = words.replace('SizeZ="7"', f'SizeZ="{told}"').replace('PlaneCount="7"', f'PlaneCount="{told}"')
    tifffile.tiffcomment(path, words)
    refused(path, "7 pages", f"header (OME) tells of {told}")


def test_imagej_with_fewer_slices_than_pages(tmp_path):
    path = tmp_path / "v.tif"
    tifffile.imwrite(path, texture(), imagej=True, metadata={"axes": "ZYX"})
    content = path.read_bytes()
    assert content.count(b"images=7\nslices=7") == 1
    path.write_bytes(content.replace(b"images=7\nslices=7", b"images=5\nslices=5"))
    refused(path, "v.tif")


def test_ome_positions_are_no_slices(tmp_path):
    path = tmp_path / "v.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as file:
        for page in texture():
            file.write(page, photometric="minisblack")
    refused(path, "several images")


def test_tags_that_are_not_applied(tmp_path):
    path = tmp_path / "v.tif"
    for options in ({}, {"compression": "zlib"}):
        tifffile.imwrite(path, texture("u1"), photometric="miniswhite", **options)
        assert "white is stored as 0" in check_volume(path, texture("u1"), mapped=not options).notes[0]
    colours = np.arange(768, dtype="u2").reshape(3, 256)
    tifffile.imwrite(path, texture("u1")[0], photometric="palette", colormap=colours)
    assert "palette" in check_volume(path, texture("u1")[0], mapped=True).notes[0]
    tifffile.imwrite(path, texture(), photometric="minisblack", extratags=[(274, 3, 1, 8, True)])
    assert "orientation tag (8) is not applied" in check_volume(path, texture(), mapped=True).notes[0]
    tifffile.imwrite(path, texture(), photometric="minisblack", extratags=[(274, 3, 1, 1, True)])
    assert describe(str(path)).notes == ()


def test_tags_of_slices(tmp_path):
    (tmp_path / "s").mkdir()
    for z in range(len(texture())):
        tifffile.imwrite(tmp_path / "s" / f"{z}.tif", texture()[z], photometric="miniswhite")
    assert len(check_volume(tmp_path / "s", texture(), mapped=False).notes) == 1
    tifffile.imwrite(tmp_path / "s" / "3.tif", texture()[3], photometric="minisblack")
    refused(tmp_path / "s", "3.tif is not stored as", "0.tif", "white")
    assert SHAPE == texture().shape
