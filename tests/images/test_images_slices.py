"""A folder of slices is a volume, its files in alphabetical order."""

import pytest
from test_images import check_volume, texture

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
    folder = write_slices(tmp_path / "unpadded", [f"s{k}.tif" for k in range(5, 12)])
    check_volume(folder, texture()[[5, 6, 0, 1, 2, 3, 4]], mapped=False)
    assert "alphabetical order" in caplog.text


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
    folder = write_slices(tmp_path / "gone", names)
    info = describe(str(folder))
    (folder / names[6]).unlink()
    with pytest.raises(UserError, match="7 slices and now has 6"):
        open_volume(info)
