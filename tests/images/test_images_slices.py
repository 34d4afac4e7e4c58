"""A folder of slices is a volume, its files in the order of their numbers."""

import re

import numpy as np
import pytest
from test_images import check_volume, texture
from test_images_refused import refused

from hpcdvc.errors import UserError
from hpcdvc.images import describe, open_volume

tifffile = pytest.importorskip("tifffile")


def write_slices(folder, names, **options):
    folder.mkdir()
    for name, page in zip(names, texture(), strict=True):
        tifffile.imwrite(folder / name, page, **options)
    return folder


def test_slices(tmp_path, caplog):
    names = [f"s{k:02}.tif" for k in range(5, 12)]
    for which, options in enumerate([{}, {"compression": "zlib"}, {"byteorder": ">"}, {"ome": True}]):
        folder = write_slices(tmp_path / f"s{which}", names, **options)
        (folder / "notes.txt").write_text("x")
        (folder / ".s06.tif").write_text("x")
        check_volume(folder, texture(), mapped=False)
    assert not caplog.records
    assert describe(f"{folder}/").stem == "s3"


#: names of seven slices in order of which there is no doubt
ORDERS = {
    "without zeros": [f"s{k}.tif" for k in range(5, 12)],
    "every tenth": [f"s{k}.tif" for k in range(0, 70, 10)],
    "two extensions": [f"s{k}.{'tif' if k % 2 else 'TIFF'}" for k in range(7)],
    "a constant number": [f"scan12_{k}_16bit.tif" for k in range(95, 102)],
    "parts": [f"part{k // 4 + 1}_{k}.tif" for k in range(7)],
    "times": [f"{k + 97}_{10**15 + 7**k}.tif" for k in range(7)],
    "two counts": [f"{k}_{k + 5}.tif" for k in range(7)],
}


@pytest.mark.parametrize("names", ORDERS.values(), ids=ORDERS)
def test_order_of_numbers(tmp_path, names):
    check_volume(write_slices(tmp_path / "s", names), texture(), mapped=False)


#: names of seven slices, and words of the sentence that refuses them
DOUBTS = {
    "a gap": ([f"s_{k:04}.tif" for k in (0, 1, 2, 4, 5, 6, 7)], "s_0003.tif is missing in"),
    "gaps": ([f"s{k}.tif" for k in (8, 9, 12, 15, 16, 18, 19)], "s10.tif, s11.tif, s13.tif and 2 more are missing in"),
    "far": ([f"{k}.tif" for k in (1, 2, 3, 4, 5, 6, 10**15)], "7.tif, 8.tif, 9.tif and 999999999999990 more are"),
    "two series": ([f"{c}_{k}.tif" for c in "ab" for k in range(4)][:7], "not of one series, a_0.tif, b_0.tif"),
    "two numbered series": (
        [f"{c}_{k}.tif" for c in (1, 2) for k in range(4)][:7],
        "1_0.tif and 2_0.tif with the",
    ),
    "a copy": (["s0 (1).tif", *(f"s{k}.tif" for k in range(6))], "not of one series, s0.tif, s0 (1).tif"),
    "a copy with zeros": (["s01.tif", *(f"s{k}.tif" for k in range(6))], "s01.tif and s1.tif with the same number"),
    "a preview": ([*(f"s{k}.tif" for k in range(6)), "s_spr.tif"], "not of one series, s0.tif, s_spr.tif"),
    "no numbers": ([f"{c}.tif" for c in "abcdefg"], "not of one series, a.tif, b.tif, c.tif and 4 more"),
    "two orders": ([f"{k}_{6 - k}.tif" for k in range(7)], "not clear which number of 0_6.tif"),
}


@pytest.mark.parametrize(("names", "words"), DOUBTS.values(), ids=DOUBTS)
def test_slices_in_doubt(tmp_path, names, words):
    folder = write_slices(tmp_path / "s", names)
    refused(folder, words, "--every-slice")
    np.testing.assert_array_equal(open_volume(describe(str(folder), every_slice=True)), _by_name(folder, names))


def _by_name(folder, names):
    """Slices in the order that --every-slice promises: as if all numbers had the same number of digits."""
    ordered = sorted(names, key=lambda name: (re.sub(r"\d+", lambda found: found[0].zfill(20), name[:-4]), name))
    return np.stack([tifffile.imread(folder / name) for name in ordered])


def test_one_slice_and_two(tmp_path):
    (tmp_path / "s").mkdir()
    tifffile.imwrite(tmp_path / "s" / "only.tif", texture()[0])
    check_volume(tmp_path / "s", texture()[:1], mapped=False)
    (tmp_path / "s" / "only.tif").rename(tmp_path / "s" / "s1.tif")
    tifffile.imwrite(tmp_path / "s" / "s3.tif", texture()[1])
    refused(tmp_path / "s", "s2.tif is missing")


def test_slices_that_do_not_agree(tmp_path):
    names = [f"s{k}.TIFF" for k in range(7)]
    folder = write_slices(tmp_path / "s", names)
    for page in (texture()[0, :-1], texture("f4")[0]):
        tifffile.imwrite(folder / names[4], page)
        with pytest.raises(UserError, match=r"slice .*s4\.TIFF has shape"):
            describe(str(folder))
    for name in (names[4], names[0]):
        tifffile.imwrite(folder / name, texture())
        with pytest.raises(UserError, match=name):
            describe(str(folder))
    (folder / names[0]).write_bytes(b"hello")
    with pytest.raises(UserError, match=names[0]):
        describe(str(folder))
    folder = write_slices(tmp_path / "damaged", names, compression="zlib")
    with open(folder / names[3], "r+b") as file:
        file.seek(-50, 2)
        file.write(bytes(50))
    with pytest.raises(UserError, match=names[3]):
        open_volume(describe(str(folder)))
    (folder / names[3]).unlink()
    (folder / names[3]).symlink_to("nowhere")
    with pytest.raises(UserError, match=r"s3\.TIFF cannot be read: No such file"):
        describe(str(folder))
    folder = write_slices(tmp_path / "gone", names)
    info = describe(str(folder))
    (folder / names[6]).unlink()
    with pytest.raises(UserError, match=r"s6\.TIFF cannot be read: No such file"):
        open_volume(info)
