"""What files say of the size of their voxels."""

import struct

import h5py
import numpy as np
import pytest
import tifffile
from volume_files import nifti_bytes, save_meta

from hpcdvc.images import describe
from hpcdvc.images.lengths import said_by, sentence
from hpcdvc.options.voxel_size import VoxelSize

VOLUME = np.zeros((7, 5, 6), np.uint8)
IMAGEJ = {"imagej": True, "resolution": (1 / 6.5, 1 / 6.5)}
OME = {f"PhysicalSize{axis}": 6.5 for axis in "XYZ"} | {f"PhysicalSize{axis}Unit": "\u00b5m" for axis in "XYZ"}


def fits(path: str, **cards) -> None:
    head = {"SIMPLE": "T", "BITPIX": 8, "NAXIS": 3, "NAXIS1": 6, "NAXIS2": 5, "NAXIS3": 7, **cards}
    words = [f"{name:8}= {value:>20}" if value == "T" or not isinstance(value, str) else f"{name:8}= '{value:8}'"
             for name, value in head.items()]  # fmt: skip
    text = "".join(word.ljust(80) for word in (*words, "END")).ljust(2880)
    with open(path, "wb") as file:
        file.write(text.encode() + bytes(2880))


def hdf(path: str, **attributes) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("a", data=VOLUME).attrs.update(attributes)


CASES = {
    "imagej.tif": (lambda path: tifffile.imwrite(path, VOLUME, **IMAGEJ, metadata={"spacing": 6.5, "unit": "um"}),
                   "6.5 um"),
    "micron.tif": (lambda path: tifffile.imwrite(path, VOLUME, **IMAGEJ, metadata={"spacing": 6.5, "unit": "micron"}),
                   "6.5 um"),
    "steps.tif": (lambda path: tifffile.imwrite(path, VOLUME, **IMAGEJ, metadata={"spacing": 10.0, "unit": "um"}),
                  "10 x 6.5 x 6.5 um (Z Y X)"),
    "pixels.tif": (lambda path: tifffile.imwrite(path, VOLUME, **IMAGEJ, metadata={"spacing": 1, "unit": "pixel"}),
                   None),
    "a.ome.tif": (lambda path: tifffile.imwrite(path, VOLUME, ome=True, metadata={"axes": "ZYX", **OME}), "6.5 um"),
    "cm.tif": (lambda path: tifffile.imwrite(path, VOLUME[0], resolution=(2000, 2000), resolutionunit="CENTIMETER"),
               "5 um"),
    "screen.tif": (lambda path: tifffile.imwrite(path, VOLUME[0], resolution=(72, 72), resolutionunit="INCH"), None),
    "plain.tif": (lambda path: tifffile.imwrite(path, VOLUME), None),
    "a.h5": (lambda path: hdf(path, element_size_um=[6.5, 6.5, 6.5]), "6.5 um"),
    "b.h5": (lambda path: hdf(path, element_size_um=[6.5]), None),
    "c.h5": (lambda path: hdf(path, element_size_um="wide"), None),
    "d.h5": (lambda path: hdf(path, element_size_um=[np.nan] * 3), None),
    "m.fits": (lambda path: fits(path, **{f"CDELT{k}": -0.0065 for k in (1, 2, 3)},
                                 **{f"CUNIT{k}": "mm" for k in (1, 2, 3)}), "0.0065 mm"),
    "sky.fits": (lambda path: fits(path, **{f"CDELT{k}": 0.1 for k in (1, 2, 3)},
                                   **{f"CUNIT{k}": "deg" for k in (1, 2, 3)}), None),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_said(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make, wanted = CASES[name]
    make(name)
    found = said_by(describe(name))
    assert (None if found is None else str(found)) == wanted


def test_a_folder_of_slices(tmp_path):
    for k in range(3):
        tifffile.imwrite(tmp_path / f"{k}.tif", VOLUME[0], resolution=(2000, 2000), resolutionunit="CENTIMETER")
    assert str(said_by(describe(str(tmp_path)))) == "5 um"


def test_sentences(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("imagej.tif", "steps.tif", "plain.tif"):
        CASES[name][0](name)
    cube, steps, plain = map(describe, ("imagej.tif", "steps.tif", "plain.tif"))
    assert sentence(cube, None) == "imagej.tif says 6.5 um: --voxel-size 6.5um uses it"
    assert sentence(cube, VoxelSize.of("0.0065mm")) is None
    assert sentence(cube, VoxelSize.of("3um")) == "imagej.tif says 6.5 um, 3 um is used"
    assert "that are no cubes have no --voxel-size" in sentence(steps, None)
    assert sentence(plain, None) is None


def test_nifti_and_metaimage(tmp_path):
    volume = np.zeros((3, 4, 5), "u1")
    for version in 1, 2:
        content = bytearray(nifti_bytes(volume, version=version))
        place, kind, unit = {1: (80, "3f", 123), 2: (112, "3d", 500)}[version]
        struct.pack_into(f"<{kind}", content, place, 6.5, 6.5, 13.0)
        for code, expected in ((3, "13 x 6.5 x 6.5 um (Z Y X)"), (2, "13 x 6.5 x 6.5 mm (Z Y X)"), (0, None)):
            content[unit] = code
            (tmp_path / "v.nii").write_bytes(content)
            said = said_by(describe(str(tmp_path / "v.nii")))
            assert (said and str(said)) == expected
    for keys, expected in (
        ({"ElementSpacing": "0.5 0.5 0.5"}, "0.5mm"),
        ({"ElementSize": "2 2 2", "DistanceUnits": "um"}, "2um"),
        ({"ElementSpacing": "x"}, None),
        ({}, None),
    ):
        save_meta(tmp_path / "v.mha", volume, **keys)
        said = said_by(describe(str(tmp_path / "v.mha")))
        assert (said and said.size.text) == expected
