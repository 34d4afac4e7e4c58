"""FITS files: every kind of number, the HDU that is meant, and one sentence for what is damaged."""

import gzip
import os

import numpy as np
import pytest
from fits_files import fits_header, save_fits
from test_images import SHAPE, check_volume, texture
from test_images_refused import refused

from hpcdvc.errors import UserError
from hpcdvc.images import describe, fits, identity, numbers, open_volume, read_planes


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "f4", "f8"])
def test_numbers_as_they_are(tmp_path, dtype):
    save_fits(tmp_path / "v.fits", (texture(dtype), {}))
    check_volume(tmp_path / "v.fits", texture(dtype), mapped=dtype == "u1")


@pytest.mark.parametrize(
    "stored, dtype, zero", [("u1", "i1", "-128."), ("i2", "u2", "3.2768D+04"), ("i4", "u4", 2**31)]
)
def test_numbers_of_the_other_sign(tmp_path, stored, dtype, zero):
    volume = texture(dtype)
    shifted = (volume.astype("i8") - int(float(str(zero).replace("D", "E")))).astype(stored)
    save_fits(tmp_path / "v.fits", (shifted, {"BZERO": zero, "BSCALE": "1. / one"}))
    check_volume(tmp_path / "v.fits", volume, mapped=False)


@pytest.mark.parametrize("stored, dtype", [("u1", "f4"), ("i2", "f4"), ("i4", "f8"), ("f4", "f4"), ("f8", "f8")])
def test_numbers_that_are_scaled(tmp_path, monkeypatch, stored, dtype):
    monkeypatch.setattr(numbers, "SOME", 100)
    values = texture(stored)
    save_fits(tmp_path / "v.fits", (values, {"BSCALE": 0.25, "BZERO": "-3.5E0"}))
    check_volume(tmp_path / "v.fits", (0.25 * values.astype("f8") - 3.5).astype(dtype), mapped=False)


def test_pixels_that_are_blank(tmp_path):
    numbers = texture("i2")
    numbers[2, 3, 4] = -32768
    save_fits(tmp_path / "v.fits", (numbers, {"BLANK": -32768}))
    expected = np.where(numbers == -32768, np.nan, numbers).astype("f4")
    assert np.isnan(expected[2, 3, 4])
    check_volume(tmp_path / "v.fits", expected, mapped=False)
    save_fits(tmp_path / "f.fits", (texture("f4"), {"BLANK": 5}))  # means nothing in floating point
    check_volume(tmp_path / "f.fits", texture("f4"), mapped=False)


def test_shapes_and_planes(tmp_path):
    save_fits(tmp_path / "image.fits", (texture()[0].astype("f4"), {}))
    check_volume(tmp_path / "image.fits", texture()[0].astype("f4"), mapped=False)
    save_fits(tmp_path / "radio.fits", (texture("f4")[None, :1], {}))  # as radio telescopes store an image
    assert describe(str(tmp_path / "radio.fits")).two_dimensional
    save_fits(tmp_path / "v.fits", (texture("f4"), {}))
    np.testing.assert_array_equal(read_planes(describe(str(tmp_path / "v.fits")), 2, 5), texture("f4")[2:5])
    save_fits(tmp_path / "4d.fits", (np.zeros((2, *SHAPE), "u1"), {}))
    refused(tmp_path / "4d.fits", f"shape {(2, *SHAPE)}")
    save_fits(tmp_path / "i8.fits", (texture("i8"), {}))
    refused(tmp_path / "i8.fits", "int64")


def save_several(path):
    """An empty primary HDU, a table with a heap, three images of two names."""
    table = np.zeros((3, 8), "u1"), {"XTENSION": "'BINTABLE'", "PCOUNT": 3000, "GCOUNT": 1}
    images = [(texture()[k].astype("f4"), {"EXTNAME": name, "EXTVER": version})
              for k, (name, version) in enumerate([("'SCI     '", 1), ("'it''s'", 1), ("'SCI'", 2)])]  # fmt: skip
    save_fits(path, (None, {}), table, *images)
    content = path.read_bytes()  # the heap, which stands behind the table
    path.write_bytes(content[:5760] + bytes(2880) + content[5760:] + b"further records".ljust(2880))


def test_hdu_that_is_meant(tmp_path):
    path = tmp_path / "v.fits"
    save_several(path)
    for name, plane in {"2": 0, "3": 1, "4": 2, "SCI,2": 2, "sci, 1": 0, "SCI": 0, "It's": 1}.items():
        info = describe(f"{path}[{name}]")
        np.testing.assert_array_equal(open_volume(info)[0], texture()[plane].astype("f4"))
        assert info.stem == f"v-{plane + 2}"
    refused(path, "several images", "[SCI,1], [IT'S,1], [SCI,2]")
    refused(f"{path}[0]", "HDU 0 is empty")
    refused(f"{path}[1]", "HDU 1 is BINTABLE")
    refused(f"{path}[5]", "no HDU [5]")
    refused(f"{path}[]", "no HDU []")
    refused(f"{path}:SCI", "is a FITS file", f"{path}[1]")
    assert identity(describe(f"{path}[2]")) != identity(describe(f"{path}[3]"))
    one, two = (texture()[k].astype("f4") for k in (0, 1))
    save_fits(path, (one, {}), (two, {}))
    assert describe(str(path)).dataset == "0" and describe(str(path)).stem == "v"
    np.testing.assert_array_equal(open_volume(describe(f"{path}[1]"))[0], two)
    save_fits(path, (None, {}), (two, {}))
    assert describe(str(path)).dataset == "1"
    path.rename(tmp_path / "v[1]")  # a file of that name goes first
    assert describe(str(tmp_path / "v[1]")).dataset == "1"


def test_what_is_no_image(tmp_path):
    path = tmp_path / "v.fits"
    save_fits(path, (None, {}))
    refused(path, "no plain image", "HDU 0 is empty")
    save_fits(path, (None, {}), (np.zeros((3, 8), "u1"), {"XTENSION": "'BINTABLE'", "ZIMAGE": True}))
    refused(path, "compressed image", "funpack")
    groups = np.zeros((4, 6), "f4"), {"NAXIS": 3, "NAXIS1": 0, "NAXIS2": 6, "NAXIS3": 4, "GROUPS": True}
    save_fits(path, groups, (texture("u1"), {}))
    np.testing.assert_array_equal(open_volume(describe(str(path))), texture("u1"))
    refused(f"{path}[0]", "random groups")
    (tmp_path / "v.fits.gz").write_bytes(gzip.compress(path.read_bytes()))
    refused(tmp_path / "v.fits.gz", "compressed by gzip")
    np.save(tmp_path / "v.npy", texture())
    refused(f"{tmp_path / 'v.npy'}[SCI]", "is no FITS file, it has no HDU [SCI]")
    with pytest.raises(UserError, match=r"v\.npy is no FITS file: only these have world coordinates"):
        fits.header_of(describe(str(tmp_path / "v.npy")))


DAMAGES = {
    "BITPIX": ("12", "BITPIX of HDU 0 is '12'"),
    "NAXIS": ("1000", "NAXIS"),
    "NAXIS1": ("-48", "NAXIS1 of HDU 0 is '-48'"),
    "NAXIS2": ("", "NAXIS2"),
    "NAXIS3": ("9999999999", "truncated"),
    "BSCALE": ("nan", "BSCALE"),
    "BZERO": ("1E999", "BZERO"),
    "BLANK": ("1.5", "BLANK"),
    "PCOUNT": ("-7", "PCOUNT"),
    "GCOUNT": ("-1", "GCOUNT"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_headers(tmp_path, name):
    value, words = DAMAGES[name]
    save_fits(tmp_path / "v.fits", (texture("i2"), {name: value}))
    refused(tmp_path / "v.fits", words)


def test_headers_without_an_end(tmp_path, monkeypatch):
    path, header = tmp_path / "v.fits", fits_header({"SIMPLE": True, "BITPIX": 8, "NAXIS": 0})
    path.write_bytes(header.replace(b"END ", b"ENDE"))
    refused(path, "truncated", "header of HDU 0")
    monkeypatch.setattr(fits, "LONGEST_HEADER", 5 * 2880)
    path.write_bytes(header.replace(b"END ", b"ENDE") + b" " * 10 * 2880)
    refused(path, "header of HDU 0 has no end")


@pytest.mark.parametrize("part", [0.02, 0.3, 0.9])
def test_truncated(tmp_path, part):
    path = tmp_path / "v.fits"
    save_fits(path, (texture("f4"), {}))
    os.truncate(path, int(part * os.path.getsize(path)))
    refused(path, "truncated")


def test_without_the_last_padding(tmp_path):
    path = tmp_path / "v.fits"
    save_fits(path, (texture("f4"), {}))
    os.truncate(path, 2880 + texture("f4").nbytes)
    check_volume(path, texture("f4"), mapped=False)
    os.truncate(path, 2880 + texture("f4").nbytes - 1)
    refused(path, "truncated")


def test_truncated_after_it_was_described(tmp_path):
    path = tmp_path / "v.fits"
    save_fits(path, (texture("f4"), {}))
    info = describe(str(path))
    os.truncate(path, 9000)
    with pytest.raises(UserError, match=r"v\.fits"):
        open_volume(info)


def test_against_astropy(tmp_path):
    astropy = pytest.importorskip("astropy.io.fits")
    primary, scaled = astropy.PrimaryHDU(texture("u2")), astropy.ImageHDU(texture("f4"), name="FLUX")
    scaled.scale("int16", bzero=2.0**30, bscale=2.0**17)  # exact in float32, in which astropy computes
    astropy.HDUList([primary, scaled, astropy.ImageHDU(texture("u4"))]).writeto(tmp_path / "v.fits")
    with astropy.open(tmp_path / "v.fits") as hdus:
        for number, hdu in enumerate(hdus):
            ours = open_volume(describe(f"{tmp_path / 'v.fits'}[{number}]"))
            np.testing.assert_array_equal(ours, hdu.data)
            assert ours.dtype == hdu.data.dtype.newbyteorder("=")


def test_real_images(shared):
    """A real pair of frames of a CCD camera, whose numbers are shifted."""
    infos = [describe(str(path)) for path in sorted((shared / "data/astro_properimage").glob("*.fit"))]
    assert [(info.shape, info.dtype) for info in infos] == [((1, 682, 1024), np.dtype("u2"))] * 2
    assert [int(open_volume(info).max()) for info in infos] == [65535, 65535]
