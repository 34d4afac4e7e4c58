"""Raw, NIfTI and MetaImage files: every kind of number, compressed or not, and one sentence for what is damaged."""

import gzip
import os

import numpy as np
import pytest
from test_images import SHAPE, TYPES, Ranks, check_volume, texture
from test_images_refused import refused
from volume_files import nifti_bytes, save_meta, save_nifti

import hpcdvc.images.block as block
from hpcdvc.errors import UserError
from hpcdvc.images import RawLayout, describe, identity, open_volume, read_box, read_planes


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", TYPES)
def test_numbers_of_all_types(tmp_path, dtype, order):
    volume = texture(dtype)
    mapped = order == "<" or dtype[1] == "1"
    bits = f"{dtype[0]}{8 * int(dtype[1])}"
    name = f"scan_7x32x48_{bits}.raw"
    volume.tofile(tmp_path / name)
    check_volume(tmp_path / name, volume, mapped=True)
    for version in 1, 2:
        save_nifti(tmp_path / "v.nii", volume, version=version, order=order)
        check_volume(tmp_path / "v.nii", volume, mapped)
    save_nifti(tmp_path / "v.nii.gz", volume, order=order)
    check_volume(tmp_path / "v.nii.gz", volume, mapped=False)
    save_meta(tmp_path / "v.mha", volume, order, HeaderSize=-1)
    check_volume(tmp_path / "v.mha", volume, mapped and describe(str(tmp_path / "v.mha")).offset is not None)
    save_meta(tmp_path / "v.mhd", volume, order, beside="v.raw")
    check_volume(tmp_path / "v.mhd", volume, mapped)
    save_meta(tmp_path / "c.mha", volume, order, packed=True)
    check_volume(tmp_path / "c.mha", volume, mapped=False)


def test_axes_are_those_of_the_file(tmp_path):
    """The slowest axis is Z; nothing is flipped."""
    volume = np.arange(24, dtype="u2").reshape(2, 3, 4)
    save_nifti(tmp_path / "v.nii", volume)
    save_meta(tmp_path / "v.mha", volume, ElementSpacing="1 -1 1", TransformMatrix="-1 0 0 0 1 0 0 0 1")
    for name in "v.nii", "v.mha":
        assert open_volume(describe(str(tmp_path / name)))[1, 0, 3] == 15
    save_nifti(tmp_path / "flat.nii", volume[0])
    save_meta(tmp_path / "flat.mha", volume[0])
    for name in "flat.nii", "flat.mha":
        info = describe(str(tmp_path / name))
        assert info.two_dimensional and info.shape == (1, 3, 4)


@pytest.mark.parametrize("stored, dtype", [("u1", "f4"), ("i2", "f4"), ("i4", "f8"), ("f4", "f4"), ("f8", "f8")])
def test_slopes(tmp_path, stored, dtype):
    numbers = texture(stored)
    expected = (0.25 * numbers.astype("f8") - 3.5).astype(dtype)
    save_nifti(tmp_path / "v.nii", numbers, slope=0.25, zero=-3.5)
    save_nifti(tmp_path / "v.nii.gz", numbers, slope=0.25, zero=-3.5, order=">")
    keys = {"ElementToIntensityFunctionSlope": 0.25, "ElementToIntensityFunctionOffset": -3.5}
    save_meta(tmp_path / "v.mha", numbers, **keys)
    save_meta(tmp_path / "c.mha", numbers, ">", packed=True, **keys)
    for name in "v.nii", "v.nii.gz", "v.mha", "c.mha":
        check_volume(tmp_path / name, expected, mapped=False)
    for slope in 0.0, np.nan:  # none is meant
        save_nifti(tmp_path / "none.nii", numbers, slope=slope, zero=7.0)
        np.testing.assert_array_equal(open_volume(describe(str(tmp_path / "none.nii"))), numbers)


def test_colours(tmp_path):
    colours = np.random.default_rng(2).integers(0, 256, (*SHAPE, 3)).astype("u1")
    grey = (0.299 * colours[..., 0] + 0.587 * colours[..., 1] + 0.114 * colours[..., 2]).astype("f4")
    save_meta(tmp_path / "v.mha", colours, channels=3)
    (tmp_path / "v.nii").write_bytes(nifti_bytes(colours[..., 0], code=128, bits=24)[:352] + colours.tobytes())
    for name in "v.mha", "v.nii":
        info = check_volume(tmp_path / name, grey, mapped=False)
        assert any("luminance" in note for note in info.notes)
    save_meta(tmp_path / "v.mha", colours[..., :2], channels=2)
    refused(tmp_path / "v.mha", "2 numbers for each voxel")


def test_parts_of_compressed_files(tmp_path):
    volume = texture("u2")
    save_nifti(tmp_path / "v.nii.gz", volume)
    info = describe(str(tmp_path / "v.nii.gz"))
    assert info.stem == "v"
    np.testing.assert_array_equal(read_planes(info, 3, 5), volume[3:5])
    np.testing.assert_array_equal(read_box(info, (2, 3, 4), (4, 9, 8)), volume[2:4, 3:9, 4:8])
    blocks = b"".join(gzip.compress(part) for part in (nifti_bytes(volume)[:500], nifti_bytes(volume)[500:]))
    (tmp_path / "v.nii.gz").write_bytes(blocks)  # several members, as bgzip writes
    np.testing.assert_array_equal(Ranks(3).open(describe(str(tmp_path / "v.nii.gz"))), volume)
    save_meta(tmp_path / "v.mha", volume, packed=True, CompressedDataSize=None)
    check_volume(tmp_path / "v.mha", volume, mapped=False)


def test_bombs(tmp_path, monkeypatch):
    """Behind the voxels not more is inflated than what a program may have put there."""
    monkeypatch.setattr(block, "BEHIND", 2**21)
    volume, read = texture("u2"), []
    zeros = b"".join(gzip.compress(bytes(2**24)) for _ in range(4))
    (tmp_path / "v.nii.gz").write_bytes(gzip.compress(nifti_bytes(volume)) + zeros)
    plain = gzip.GzipFile.read
    monkeypatch.setattr(gzip.GzipFile, "read", lambda *given: read.append(len(some := plain(*given))) or some)
    check_volume(tmp_path / "v.nii.gz", volume, mapped=False)
    assert 0 < sum(read) < 2**25


@pytest.mark.parametrize("part", [0.001, 0.3, 0.7, 0.95, 1.0])
@pytest.mark.parametrize("name", ["v.nii", "v.nii.gz", "v.mha", "c.mha", "no_size.mha", "v.mhd", "v_7x32x48_u16.raw"])
def test_cut_files(tmp_path, name, part):
    path = held = tmp_path / name
    if "nii" in name:
        save_nifti(path, texture())
    elif name.endswith(".raw"):
        texture().tofile(path)
    elif name == "v.mhd":
        held = tmp_path / "v.raw"
        save_meta(path, texture(), beside="v.raw")
    else:
        keys = {"CompressedDataSize": None} if name == "no_size.mha" else {}
        save_meta(path, texture(), packed=name != "v.mha", **keys)
    check_volume(path, texture(), mapped=describe(str(path)).offset is not None)
    os.truncate(held, min(int(part * held.stat().st_size), held.stat().st_size - 1))
    refused(path)


def test_damage_within_compressed_voxels(tmp_path):
    for name, save in (("v.nii.gz", save_nifti), ("c.mha", lambda path, array: save_meta(path, array, packed=True))):
        save(tmp_path / name, texture())
        content = bytearray((tmp_path / name).read_bytes())
        content[-12:-6] = b"\xff" * 6  # what the checksum tells
        (tmp_path / name).write_bytes(content)
        refused(tmp_path / name, voxels=True)


LIES = {
    "no axes": ({"dim": (0,) * 8}, "axes"),
    "too many axes": ({"dim": (9, 2, 2, 2, 2, 2, 2, 2)}, "axes"),
    "negative": ({"dim": (3, 48, -32, 7, 1, 1, 1, 1)}, "axes"),
    "zero": ({"dim": (3, 48, 0, 7, 1, 1, 1, 1)}, "axes"),
    "huge": ({"dim": (3, 32767, 32767, 32767, 1, 1, 1, 1)}, "truncated"),
    "bits": ({"bits": 8}, "bits"),
    "type": ({"code": 1536}, "type (NIfTI's 1536)"),
    "complex": ({"code": 32}, "type"),
    "start": ({"start": 12.0}, "begin at byte 12"),
    "not finite": ({"start": float("inf")}, "begin at byte inf"),
    "zero level": ({"slope": 2.0, "zero": float("nan")}, "intercept"),
    "pair": ({"magic": b"ni1\0"}, "another file"),
}


@pytest.mark.parametrize("lie", LIES)
def test_headers_of_nifti_that_lie(tmp_path, lie):
    fields, words = LIES[lie]
    for name in "v.nii", "v.nii.gz":
        save_nifti(tmp_path / name, texture(), **fields)
        refused(tmp_path / name, "" if lie == "huge" else words)


META_LIES = {
    "DimSize": ["0 32 48", "-1 2 3", "7 32", "a b c", "999999 99999 9999"],
    "NDims": ["0", "99", "x", None],
    "ElementType": ["MET_STRING", None],
    "HeaderSize": ["-3", "999999"],
    "ElementNumberOfChannels": ["0", "7"],
    "BinaryData": ["False", "perhaps"],
    "ElementToIntensityFunctionSlope": ["0", "nan"],
}


@pytest.mark.parametrize("key", META_LIES)
def test_headers_of_metaimage_that_lie(tmp_path, key):
    for value in META_LIES[key]:
        save_meta(tmp_path / "v.mha", texture(), **{key: value})
        refused(tmp_path / "v.mha")


def test_metaimage_in_other_files(tmp_path):
    save_meta(tmp_path / "v.mhd", texture(), beside="v.raw")
    (tmp_path / "v.raw").unlink()
    refused(tmp_path / "v.mhd", "v.raw", "is not there")
    for word in "LIST", "slice%03d.raw 1 7 1":
        (tmp_path / "v.mhd").write_text((tmp_path / "v.mhd").read_text().rsplit("=", 1)[0] + f"= {word}\n")
        refused(tmp_path / "v.mhd", "several files")
    (tmp_path / "below").mkdir()
    save_meta(tmp_path / "below" / "v.mhd", texture(), beside="../w.raw")
    refused(tmp_path / "below" / "v.mhd", "w.raw", "outside of its own folder")
    os.mkfifo(tmp_path / "pipe")
    save_meta(tmp_path / "p.mhd", texture(), beside="q.raw")
    (tmp_path / "q.raw").unlink()
    (tmp_path / "q.raw").symlink_to("pipe")
    refused(tmp_path / "p.mhd", "no regular file")


def raw(path, shape, dtype, spec=""):
    return describe(f"{path}{spec}", raw_layout=RawLayout.told({"raw_shape": shape, "raw_dtype": dtype}))


def test_raw_files_by_options(tmp_path):
    path, volume = tmp_path / "v.bin", texture("u2")
    volume.astype(">u2").tofile(path)
    for word in ">u2", ">u16", ">uint16":
        info = raw(path, SHAPE, word)
        np.testing.assert_array_equal(open_volume(info), volume)
        np.testing.assert_array_equal(Ranks(3).open(info), volume)
    volume.tofile(path)
    for word in "u2", "u16", "uint16", "<u2", "UINT16":
        assert raw(path, SHAPE, word).offset == 0
    assert raw(path, (7 * 32, 48), "u2").two_dimensional
    np.testing.assert_array_equal(open_volume(raw(path, SHAPE, "u2", "[2]"))[0], volume[2])
    np.save(tmp_path / "v.npy", volume)  # what is known by its content is no raw file
    assert raw(tmp_path / "v.npy", SHAPE, "u1").kind == "npy"


def test_size_of_raw_files(tmp_path):
    path = tmp_path / "v.raw"
    texture().tofile(path)
    refused(path, "--raw-shape Z Y X --raw-dtype")
    for shape, dtype in ((SHAPE, "u1"), (SHAPE, "f4"), ((7, 32, 47), "u2"), ((8, 32, 48), "u2")):
        with pytest.raises(UserError, match="must fit exactly"):
            raw(path, shape, dtype)
    path.write_bytes(b"")
    refused(path, "empty")
    (tmp_path / "v.bin").write_bytes(bytes(10))
    refused(tmp_path / "v.bin", "no image that can be read", "--raw-shape")


def test_name_of_a_raw_file_and_options(tmp_path):
    """The size decides; where it cannot, nobody guesses."""
    mask = tmp_path / "mask_7x32x48_u8.raw"
    texture("u1").tofile(mask)
    assert raw(mask, SHAPE, "u16").dtype == "u1"
    texture("u2").tofile(tmp_path / "7x32x48_u16.raw")
    assert raw(tmp_path / "7x32x48_u16.raw", SHAPE, "u16").dtype == "u2"
    with pytest.raises(UserError, match="leave these out"):
        raw(tmp_path / "7x32x48_u16.raw", SHAPE, "i16")
    texture("u1")[0].tofile(tmp_path / "a_32x48_u8.raw")
    assert describe(str(tmp_path / "a_32x48_u8.raw")).two_dimensional
    for name in "a_0x48_u8.raw", "a_32x48_u7.raw", "a_2x2x2x2_u8.raw", "a_32x47_u8.raw":
        os.rename(next(tmp_path.glob("a_*")), tmp_path / name)
        refused(tmp_path / name)


def test_identity_of_a_part(tmp_path):
    volume = texture("u1", (2, *SHAPE))
    save_nifti(tmp_path / "v.nii", volume)
    first, second = (describe(f"{tmp_path / 'v.nii'}[{k}]") for k in (0, 1))
    assert identity(first) != identity(second) and (first.stem, second.stem) == ("v-0", "v-1")


def test_as_others_write_them(tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    volume = texture("i2")
    image = sitk.GetImageFromArray(volume)
    image.SetDirection((-1, 0, 0, 0, 1, 0, 0, 0, -1))
    for name in "v.mha", "v.mhd", "v.nii", "v.nii.gz":
        for packed in False, True:
            sitk.WriteImage(image, str(tmp_path / name), useCompression=packed)
            np.testing.assert_array_equal(open_volume(describe(str(tmp_path / name))), volume)
