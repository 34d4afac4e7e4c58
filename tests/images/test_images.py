"""Volumes of every accepted kind are read alike: one file, or in slabs by the ranks of a node."""

import tracemalloc

import numpy as np
import pytest

from hpcdvc.errors import UserError
from hpcdvc.images import describe, hdf5, open_volume

h5py = pytest.importorskip("h5py")
tifffile = pytest.importorskip("tifffile")

SHAPE = (7, 32, 48)
TYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"]


def texture(dtype="u2", shape=SHAPE):
    """Numbers that differ in every byte, so that a wrong slice, type or byte order shows."""
    values = np.random.default_rng(1).integers(-(2**31), 2**31, shape)
    return (values * 1.5).astype(dtype) if np.dtype(dtype).kind == "f" else values.astype(dtype)


class Ranks:
    """Stand-in for the team: the ranks of one node, played one after the other on the same memory."""

    def __init__(self, size):
        self.rank, self.size, self.memory = 0, size, None

    def shared_array(self, shape, dtype):
        if self.memory is None:
            self.memory = np.zeros(shape, dtype)
        return self.memory[:]

    def node_span(self, n):
        return n * self.rank // self.size, n * (self.rank + 1) // self.size

    def agree_all(self, function):
        return function()

    def node_barrier(self):
        pass

    def open(self, info):
        for rank in range(self.size):
            self.rank = rank
            volume = open_volume(info, self)
        return volume


def check_volume(path, expected, mapped):
    """The volume is read right, serially and cut among ranks, and memory-mapped or not."""
    info = describe(str(path))
    assert info.shape == (expected if expected.ndim == 3 else expected[None]).shape
    assert info.two_dimensional == (info.shape[0] == 1)
    assert info.dtype == expected.dtype.newbyteorder("=") and info.dtype.isnative
    assert (info.offset is not None) == mapped
    for volume in (open_volume(info), Ranks(3).open(info), Ranks(9).open(info)):
        assert type(volume) is np.ndarray and volume.dtype == info.dtype
        assert volume.flags.c_contiguous and volume.flags.aligned and not volume.flags.writeable
        assert isinstance(volume.base, np.memmap) == mapped
        np.testing.assert_array_equal(volume, expected.reshape(info.shape))
    return info


# TIFF


#: what: (memory-mapped, options of tifffile.imwrite)
TIFFS = {
    "contiguous": (True, {}),
    "bigtiff": (True, {"bigtiff": True}),
    "imagej": (True, {"imagej": True}),
    "ome": (True, {"ome": True, "metadata": {"axes": "ZYX"}}),
    "strips": (True, {"rowsperstrip": 5}),
    "bare": (True, {"metadata": None}),
    "big endian": (False, {"byteorder": ">"}),
    "big endian bigtiff": (False, {"byteorder": ">", "bigtiff": True}),
    "imagej big endian": (False, {"byteorder": ">", "imagej": True}),
    "tiled": (False, {"tile": (16, 32)}),
    "volumetric": (False, {"tile": (4, 16, 16), "volumetric": True}),
    "zlib": (False, {"compression": "zlib"}),
    "zlib predictor": (False, {"compression": "zlib", "predictor": True, "byteorder": ">"}),
    "lzw": (False, {"compression": "lzw"}),
    "lzw predictor tiled": (False, {"compression": "lzw", "predictor": True, "tile": (16, 16)}),
    "packbits": (False, {"compression": "packbits"}),
    "ome zlib": (False, {"ome": True, "metadata": {"axes": "ZYX"}, "compression": "zlib"}),
    "bare zlib": (False, {"metadata": None, "compression": "zlib"}),
}


def write_tiff(path, what, volume):
    if "lzw" in what or "packbits" in what:
        pytest.importorskip("imagecodecs")
    tifffile.imwrite(path, volume, photometric="minisblack", **TIFFS[what][1])


@pytest.mark.parametrize("what", TIFFS)
def test_tiff_kinds(tmp_path, what):
    write_tiff(tmp_path / "v.tif", what, texture())
    check_volume(tmp_path / "v.tif", texture(), TIFFS[what][0])


@pytest.mark.parametrize("options", [{}, {"metadata": None}, {"metadata": None, "byteorder": ">", "tile": (16, 16)}])
def test_tiff_written_page_after_page(tmp_path, options):
    byteorder = options.pop("byteorder", None)
    with tifffile.TiffWriter(tmp_path / "v.tif", byteorder=byteorder) as file:
        for page in texture():
            file.write(page, contiguous=False, **options)
    check_volume(tmp_path / "v.tif", texture(), mapped=False)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", TYPES)
def test_types(tmp_path, dtype, order):
    volume = texture(np.dtype(dtype).newbyteorder(order))
    native = volume.dtype.isnative
    tifffile.imwrite(tmp_path / "v.tif", volume, byteorder=order)
    np.save(tmp_path / "v.npy", volume)
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file["data"] = volume
    check_volume(tmp_path / "v.tif", volume, native or dtype[1] == "1")
    check_volume(tmp_path / "v.npy", volume, native)
    check_volume(tmp_path / "v.h5", volume, native)
    tifffile.imwrite(tmp_path / "z.tif", volume, byteorder=order, compression="zlib")
    check_volume(tmp_path / "z.tif", volume, mapped=False)


def test_float_predictor(tmp_path):
    pytest.importorskip("imagecodecs")
    tifffile.imwrite(tmp_path / "v.tif", texture("f4"), compression="zlib", predictor=3)
    check_volume(tmp_path / "v.tif", texture("f4"), mapped=False)


def test_unaligned_voxels_are_not_mapped(tmp_path):
    write_tiff(tmp_path / "v.tif", "contiguous", texture("f4"))
    content = bytearray((tmp_path / "v.tif").read_bytes())
    start = describe(str(tmp_path / "v.tif")).offset
    content[start - 1 : start - 1] = b"x"  # moves the voxels; the first page and its link move with them
    with tifffile.TiffFile(tmp_path / "v.tif") as file:
        tag = file.pages[0].tags["StripOffsets"]
        link = file.pages.first.offset + 2 + 12 * len(file.pages.first.tags)
    content[tag.offset + 8 : tag.offset + 12] = (start + 1).to_bytes(4, "little")
    content[link : link + 4] = bytes(4)
    (tmp_path / "v.tif").write_bytes(content)
    check_volume(tmp_path / "v.tif", texture("f4"), mapped=False)


def test_map_is_no_copy(tmp_path):
    write_tiff(tmp_path / "v.tif", "contiguous", texture())
    info = describe(str(tmp_path / "v.tif"))
    volume = open_volume(info)
    with open(tmp_path / "v.tif", "r+b") as file:
        file.seek(info.offset + 2 * (48 + 7))
        file.write(b"\x39\x30")
    assert volume[0, 1, 7] == 12345


@pytest.mark.parametrize("what", ["zlib", "big endian", "tiled", "ome zlib"])
def test_decoding_needs_no_second_copy(tmp_path, what):
    volume = texture(shape=(64, 128, 128))
    write_tiff(tmp_path / "v.tif", what, volume)
    info, ranks = describe(str(tmp_path / "v.tif")), Ranks(1)
    ranks.shared_array(info.shape, info.dtype)
    tracemalloc.start()
    ranks.open(info)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.25 * volume.nbytes


# 2-D images and masks


def test_two_dimensional(tmp_path):
    image = texture(shape=SHAPE[1:])
    tifffile.imwrite(tmp_path / "a.tif", image)
    tifffile.imwrite(tmp_path / "b.tif", image[None], metadata={"axes": "ZYX"})
    tifffile.imwrite(tmp_path / "z.tif", image, compression="zlib", tile=(16, 16))
    np.save(tmp_path / "a.npy", image)
    np.save(tmp_path / "b.npy", image.T.copy().T[None])
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["mapped"] = image
        file.create_dataset("zipped", data=image, chunks=(8, 8), compression="gzip")
    for name, mapped in [("a.tif", True), ("b.tif", True), ("z.tif", False), ("a.npy", True), ("b.npy", False)]:
        assert check_volume(tmp_path / name, image, mapped).two_dimensional
    assert check_volume(f"{tmp_path / 'a.h5'}:mapped", image, True).two_dimensional
    assert check_volume(f"{tmp_path / 'a.h5'}:/zipped", image, False).two_dimensional


def test_masks_of_bool(tmp_path):
    mask = texture() % 3 == 0
    tifffile.imwrite(tmp_path / "m.tif", mask)  # one bit a voxel
    np.save(tmp_path / "m.npy", mask)
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["mapped"] = mask
        file.create_dataset("zipped", data=mask, compression="gzip")
    expected = mask.astype("u1")
    check_volume(tmp_path / "m.tif", expected, mapped=False)
    check_volume(tmp_path / "m.npy", expected, mapped=True)
    check_volume(f"{tmp_path / 'm.h5'}:mapped", expected, mapped=True)
    check_volume(f"{tmp_path / 'm.h5'}:zipped", expected, mapped=False)


# HDF5, npy


@pytest.mark.parametrize(
    "options",
    [{"chunks": (3, 16, 16)}, {"chunks": SHAPE}, {"compression": "gzip", "shuffle": True}, {"dtype": ">u2"}],
)
def test_hdf5_that_must_be_decoded(tmp_path, options):
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file.create_dataset("data", data=texture(), **options)
        file.create_dataset("stack", data=texture()[None], **({} if "chunks" in options else options))
    check_volume(f"{tmp_path / 'v.h5'}:data", texture(), mapped=False)
    check_volume(f"{tmp_path / 'v.h5'}:stack", texture(), mapped="chunks" in options)


def test_hdf5_chunks_are_read_by_one_rank(tmp_path):
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file.create_dataset("data", data=texture(), chunks=(3, 16, 16))
    volume = np.zeros(SHAPE, "u2")
    hdf5.fill(describe(str(tmp_path / "v.h5")), volume, 1, 4)
    np.testing.assert_array_equal(volume[3:6], texture()[3:6])
    assert not volume[:3].any() and not volume[6:].any()


def test_hdf5_that_is_mapped_or_not_by_where_it_is(tmp_path):
    with h5py.File(tmp_path / "block.h5", "w", userblock_size=1024) as file:
        file["data"] = texture()
    check_volume(tmp_path / "block.h5", texture(), mapped=True)
    texture().tofile(tmp_path / "v.raw")
    with h5py.File(tmp_path / "away.h5", "w") as file:
        file.create_dataset("d", SHAPE, "u2", external=[(str(tmp_path / "v.raw"), 0, texture().nbytes)])
    check_volume(tmp_path / "away.h5", texture(), mapped=False)
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        layout = h5py.VirtualLayout(SHAPE, "u2")
        layout[:] = h5py.VirtualSource(tmp_path / "block.h5", "data", SHAPE)
        file.create_virtual_dataset("v", layout)
    check_volume(tmp_path / "virtual.h5", texture(), mapped=False)


def nexus(group, name, signal, **arrays):
    """An NXdata group."""
    data = group.create_group(name)
    data.attrs["NX_class"], data.attrs["signal"] = np.bytes_("NXdata"), signal
    for key, array in arrays.items():
        data[key] = array
    return data


def test_dataset_is_found(tmp_path):
    path = str(tmp_path / "v.nxs")
    with h5py.File(path, "w") as file:
        file["angles"] = np.arange(9.0)
        file["flat"] = texture()[0]
        file["entry/a"] = texture()
    assert describe(path).dataset == describe(path + ":entry").dataset == "/entry/a"  # the only 3-D one
    with h5py.File(path, "a") as file:
        file["entry/b"] = texture()
        file["entry"].move("a", "a:1")
    with pytest.raises(UserError, match="several images.*/entry/a:1, /entry/b"):
        describe(path)
    assert describe(path + ":/entry/a:1").dataset == "/entry/a:1"
    with h5py.File(path, "a") as file:
        nexus(file["entry"], "recon", "values", values=texture("f4"), other=texture("f4"))
    assert describe(path).dataset == "/entry/recon/values"  # the only signal
    with h5py.File(path, "a") as file:
        nexus(file["entry"], "raw", np.array([b"values"]), values=texture("u1"))
    with pytest.raises(UserError, match="several images"):
        describe(path)
    with h5py.File(path, "a") as file:
        file.attrs["default"], file["entry"].attrs["default"] = "entry", "raw"
    assert describe(path).dataset == "/entry/raw/values"  # the default plot
    assert (describe(path).stem, describe(path + ":entry/a:1").stem) == ("v", "v-entry-a:1")
    assert check_volume(path + ":/entry/recon", texture("f4"), mapped=True).dataset == "/entry/recon/values"
    with pytest.raises(UserError, match="no dataset /entry/c"):
        describe(path + ":/entry/c")
    with pytest.raises(UserError, match=r"shape \(9,\)"):
        describe(path + ":/angles")


def test_npy(tmp_path):
    np.save(tmp_path / "f.npy", np.asfortranarray(texture()))
    check_volume(tmp_path / "f.npy", texture(), mapped=False)
    np.save(tmp_path / "o.npy", np.array([{}, None]), allow_pickle=True)
    with pytest.raises(UserError, match=r"o\.npy"):
        describe(str(tmp_path / "o.npy"))
