"""PNG, JPEG and BMP, alone and as slices; colours in these and in TIFF files become their luminance."""

import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image
from test_images import check_volume
from test_images_refused import refused

from hpcdvc.images import describe, open_volume

RNG = np.random.default_rng(3)
GREY = RNG.integers(0, 256, (20, 31)).astype("u1")
COLOUR = RNG.integers(0, 256, (20, 31, 3)).astype("u1")


def luminance(colours):
    red, green, blue = (colours[..., k].astype("f8") for k in range(3))
    return (0.299 * red + 0.587 * green + 0.114 * blue).astype("f4")


def png_bytes(colours, kind):
    """A PNG file of 16 bits: kind 0 grey, 2 colour, 4 grey and transparency."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    rows, columns = colours.shape[:2]
    lines = b"".join(b"\0" + row.astype(">u2").tobytes() for row in colours)
    header = struct.pack(">IIBBBBB", columns, rows, 16, kind, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(lines)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("ending", ["png", "bmp", "jpg"])
def test_grey_and_colour(tmp_path, ending):
    for array, expected in ((GREY, GREY), (COLOUR, None)):
        path = tmp_path / f"v.{ending}"
        Image.fromarray(array).save(path)
        array = np.asarray(Image.open(path)) if ending == "jpg" else array
        info = check_volume(path, array if expected is not None else luminance(array), mapped=False)
        assert any("luminance" in note for note in info.notes) == (expected is None)
        for part in 0.02, 0.5, 0.9, 1.0:
            content = path.read_bytes()
            (tmp_path / "cut").write_bytes(content[: min(int(part * len(content)), len(content) - 1)])
            refused(tmp_path / "cut")


def test_kinds_of_png(tmp_path):
    path, deep = tmp_path / "v.png", RNG.integers(0, 65536, (20, 31)).astype("u2")
    path.write_bytes(png_bytes(deep, 0))
    check_volume(path, deep, mapped=False)
    deep = RNG.integers(0, 65536, (20, 31, 3)).astype("u2")
    path.write_bytes(png_bytes(deep, 2))
    check_volume(path, luminance(deep), mapped=False)
    path.write_bytes(png_bytes(deep[..., :2], 4))
    assert check_volume(path, deep[..., 0], mapped=False).notes == ("its transparency is not used",)
    Image.fromarray(GREY > 100).save(path)
    check_volume(path, (GREY > 100) * np.uint8(255), mapped=False)
    few = Image.fromarray(COLOUR).quantize(16)
    for name in "v.png", "v.bmp":
        few.save(tmp_path / name)
        check_volume(tmp_path / name, luminance(np.asarray(few.convert("RGB"))), mapped=False)
    content = bytearray(png_bytes(deep, 2))
    content[25] = 7
    path.write_bytes(content)
    refused(path, "colour type 7")


def test_jpeg_for_print(tmp_path):
    Image.fromarray(COLOUR).convert("CMYK").save(tmp_path / "v.jpg")
    refused(tmp_path / "v.jpg", "4 numbers of 8 bits")


@pytest.mark.parametrize("ending", ["png", "bmp", "jpg"])
def test_folder_of_slices(tmp_path, ending):
    for k in range(5):
        Image.fromarray(np.roll(GREY, k)).save(tmp_path / f"s{k}.{ending}")
    expected = np.stack([np.asarray(Image.open(tmp_path / f"s{k}.{ending}")) for k in range(5)])
    check_volume(tmp_path, expected, mapped=False)
    tifffile.imwrite(tmp_path / "a.tif", GREY)  # these go before
    check_volume(tmp_path, GREY, mapped=False)
    (tmp_path / "a.tif").unlink()
    Image.fromarray(COLOUR).save(tmp_path / f"s5.{ending}")
    with pytest.raises(Exception, match="s5"):
        describe(str(tmp_path))


TIFFS = {
    "one": {},
    "volume": {},
    "compressed": {"compression": "zlib"},
    "imagej": {"imagej": True},
    "big": {"byteorder": ">"},
}


@pytest.mark.parametrize("what", TIFFS)
def test_colours_of_tiff(tmp_path, what):
    colours = COLOUR if what == "one" else RNG.integers(0, 256, (3, 20, 31, 3)).astype("u1")
    if what == "big":
        colours = RNG.integers(0, 65536, (3, 20, 31, 3)).astype("u2")
    path = tmp_path / "v.tif"
    tifffile.imwrite(path, colours, photometric="rgb", **TIFFS[what])
    info = check_volume(path, luminance(colours), mapped=False)
    assert "luminance" in info.notes[0]
    if what in ("one", "volume"):
        apart = np.moveaxis(colours, -1, -3)
        tifffile.imwrite(path, apart, photometric="rgb", planarconfig="separate")
        check_volume(path, luminance(colours), mapped=False)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refused(path)


def test_grey_saved_as_colour(tmp_path):
    """Its luminance is the grey value."""
    Image.fromarray(np.repeat(GREY[..., None], 3, axis=-1)).save(tmp_path / "v.png")
    np.testing.assert_allclose(open_volume(describe(str(tmp_path / "v.png")))[0], GREY, rtol=1e-6)
