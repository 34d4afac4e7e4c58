"""hpcdvc-ldic reads the same volume from any file: the file format and the number type change nothing."""

import h5py
import numpy as np
import pytest
import tifffile
from ldic_cases import FLAT_FIELD, FLAT_SHAPE, images, largest_error, measure, run_here, same_rows, save_pair

from hpcdvc.fields.status import Status
from hpcdvc.output.hdf5 import read_field

GRID = ("-ns", 10, "-hws", 5)


pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The field of the plain pair."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("plain"))
        save_pair()
        return measure(*GRID)


TIFFS = {
    "big endian": {"byteorder": ">"},
    "BigTIFF": {"bigtiff": True},
    "zlib": {"compression": "zlib"},
    "zlib with predictor": {"compression": "zlib", "predictor": True},
    "tiles": {"tile": (16, 32)},
    "big endian, zlib, tiles": {"byteorder": ">", "compression": "zlib", "tile": (32, 16)},
    "strips": {"rowsperstrip": 7},
    "ImageJ": {"imagej": True},
}


@pytest.mark.parametrize("kind", TIFFS)
def test_tiff(expected, kind):
    save_pair(**TIFFS[kind])
    assert same_rows(measure(*GRID), expected)


def test_tiff_with_lzw(expected):
    pytest.importorskip("imagecodecs")
    save_pair(compression="lzw")
    assert same_rows(measure(*GRID), expected)


def test_page_after_page(expected):
    for name, volume in zip(("im1.tif", "im2.tif"), images(), strict=True):
        with tifffile.TiffWriter(name) as file:
            for page in volume:
                file.write(page, contiguous=False, metadata=None)
    assert same_rows(measure(*GRID), expected)


def test_folders_of_slices(expected, tmp_path):
    for name, volume in zip(("first", "second"), images(), strict=True):
        (tmp_path / name).mkdir()
        for z, page in enumerate(volume):
            tifffile.imwrite(tmp_path / name / f"slice{z:04d}.tif", page)
    paths = run_here("first", "second/", *GRID)
    assert paths == [f"{p}first-second-ldic.{e}" for p, e in (("", "hdf"), ("", "tsv"))]
    assert same_rows(read_field(paths[0]), expected)


@pytest.mark.parametrize("how", [{}, {"chunks": (8, 16, 16), "compression": "gzip"}, {"dtype": ">u2"}])
def test_hdf5(expected, how):
    with h5py.File("scan.h5", "w") as file:
        for name, volume in zip(("entry/before", "entry/after"), images(), strict=True):
            file.create_dataset(name, data=volume.astype(how.get("dtype", "u2")), **{**how, "dtype": None})
    paths = run_here("scan.h5:/entry/before", "scan.h5:/entry/after", *GRID)
    assert paths[0] == "scan-entry-before-scan-entry-after-ldic.hdf"
    assert same_rows(read_field(paths[0]), expected)


def test_npy(expected):
    for name, volume in zip(("a.npy", "b.npy"), images(), strict=True):
        np.save(name, volume)
    assert same_rows(read_field(run_here("a.npy", "b.npy", *GRID)[0]), expected)


def test_two_formats_in_one_pair(expected):
    save_pair()
    np.save("b.npy", images()[1])
    assert same_rows(read_field(run_here("im1.tif", "b.npy", *GRID)[0]), expected)


@pytest.mark.parametrize("dtype", ["i2", "u4", "i4", "f4", "f8"])
def test_number_types_that_hold_the_grey_values(dtype):
    """Integers and floats of the same values give the same field; signed ones may be negative."""
    im1, im2 = (image.astype("f8") for image in images())
    offset = {"i2": -30000, "i4": -30000}.get(dtype, 0)
    save_pair()
    plain, affine = measure(*GRID), measure(*GRID, "-so", 1)
    save_pair((im1 + offset).astype(dtype), (im2 + offset).astype(dtype))
    field = measure(*GRID)
    assert np.abs(field.displacement - plain.displacement).max() < 5e-5
    assert (field.iterations == plain.iterations).all()
    assert np.abs(measure(*GRID, "-so", 1).displacement - affine.displacement).max() < 1e-6


@pytest.mark.parametrize("dtype", ["u4", "i4", "f8"])
def test_low_contrast_on_a_large_offset(dtype):
    im1, im2 = (np.rint(image / 50.0) for image in images())
    save_pair(im1.astype(dtype), im2.astype(dtype))
    plain = measure(*GRID, "-so", 1)
    save_pair((im1 + 1e7).astype(dtype), (im2 + 1e7).astype(dtype))
    assert np.abs(measure(*GRID, "-so", 1).displacement - plain.displacement).max() < 1e-5


@pytest.mark.parametrize("dtype", ["u1", "i1"])
def test_eight_bits(expected, dtype):
    """As good as the rounding lets it be."""
    im1, im2 = (np.rint((image.astype("f8") - 30000) / 250) for image in images())
    offset = 128 if dtype == "u1" else 0
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    save_pair(*(np.clip(image + offset, low, high).astype(dtype) for image in (im1, im2)))
    field = measure(*GRID)
    assert (field.return_status == Status.CONVERGED).all()
    assert np.abs(field.displacement - expected.displacement).max() < 0.05
    save_pair(*(np.clip(image, low - offset, high - offset) for image in (im1, im2)))
    assert np.abs(field.displacement - measure(*GRID).displacement).max() < 5e-5


def test_number_types_may_differ_in_a_pair(expected):
    im1, im2 = images()
    save_pair(im1.astype("f4"), im2)
    assert np.abs(measure(*GRID).displacement - expected.displacement).max() < 5e-5


@pytest.mark.parametrize("dtype", ["u1", "u2", "i4", "f4", "bool"])
def test_masks_of_any_type(dtype):
    save_pair()
    mask = np.ones(images()[0].shape, "u1")
    mask[:, :18] = 0
    np.save("mask.npy", mask)
    expected = measure(*GRID, "-mf1", "mask.npy")
    other = mask.astype(dtype) * (1 if dtype == "bool" else 17)
    if dtype == "f4":
        other[:, :18] = np.nan
    np.save("other.npy", other.astype(dtype))
    assert same_rows(measure(*GRID, "-mf1", "other.npy"), expected)
    assert 0 < (expected.return_status == Status.NO_SPECIMEN).sum() < len(expected)


@pytest.mark.parametrize("dtype", ["u2", "f8"])
def test_images_in_two_dimensions(dtype):
    im1, im2 = images(FLAT_FIELD, FLAT_SHAPE)
    save_pair(im1.astype(dtype), im2.astype(dtype))
    plain = measure("-ns", 12, "-hws", 8)
    assert largest_error(plain, FLAT_FIELD) < 0.02
    save_pair(im1[None].astype(dtype), im2[None].astype(dtype), compression="zlib")
    assert same_rows(measure("-ns", 12, "-hws", 8), plain)


def test_decoded_by_several_ranks(expected, run_command):
    """Slabs that the ranks of a node decode together make the same volume."""
    save_pair(compression="zlib", byteorder=">")
    mask = np.ones(images()[0].shape, "u2")
    tifffile.imwrite("mask.tif", mask, compression="zlib")
    for ranks in (2, 3):
        words = ("im1.tif", "im2.tif", *GRID, "-mf1", "mask.tif", "-pre", f"n{ranks}", "-q")
        result = run_command("ldic", *words, ranks=ranks, env={"HPCDVC_SHM": "file"} if ranks == 3 else None)
        assert (result.returncode, result.stderr) == (0, "")
        assert same_rows(read_field(f"n{ranks}-ldic.hdf"), expected)
