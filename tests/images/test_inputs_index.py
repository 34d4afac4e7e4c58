"""Numbers in brackets lead to a volume within more dimensions, whatever the file is."""

import h5py
import numpy as np
import pytest
import tifffile
from fits_files import save_fits
from test_images import Ranks, texture
from test_images_refused import refused
from volume_files import save_meta, save_nifti

from hpcdvc.images import describe, open_volume, read_box, read_planes

FOUR = texture("i2", (3, 5, 8, 9))


def save_hdf5(path, name, array, **options):
    with h5py.File(path, "w") as file:
        file.create_dataset(name, data=array, **options)


#: what: name behind that of the file, how it is written
FILES = {
    "v.npy": ("", np.save),
    "v.tif": ("", lambda path, array: tifffile.imwrite(path, array, photometric="minisblack")),
    "big.tif": ("", lambda path, array: tifffile.imwrite(path, array, photometric="minisblack", byteorder=">")),
    "z.tif": ("", lambda path, array: tifffile.imwrite(path, array, photometric="minisblack", compression="zlib")),
    "v.nii": ("", save_nifti),
    "v.nii.gz": ("", save_nifti),
    "v.mha": ("", save_meta),
    "c.mha": ("", lambda path, array: save_meta(path, array, packed=True)),
    "v.fits": ("[0]", lambda path, array: save_fits(path, (array, {}))),
    "v.h5": (":/group/a", lambda path, array: save_hdf5(path, "group/a", array)),
    "only.h5": ("", lambda path, array: save_hdf5(path, "a", array)),
    "c.h5": (":/a", lambda path, array: save_hdf5(path, "a", array, chunks=(1, 2, 8, 9), compression="gzip")),
}


@pytest.mark.parametrize("name", FILES)
def test_index(tmp_path, name):
    behind, save = FILES[name]
    save(tmp_path / name, FOUR)
    spec = f"{tmp_path / name}{behind}"
    refused(spec, "shape (3, 5, 8, 9)", f"{spec}[0] is the first")
    for k in range(3):
        info = describe(f"{spec}[{k}]")
        assert info.index == (k,) and info.stem.endswith(f"-{k}") and info.frames is None
        for volume in open_volume(info), Ranks(3).open(info):
            np.testing.assert_array_equal(volume, FOUR[k])
        np.testing.assert_array_equal(read_planes(info, 2, 4), FOUR[k, 2:4])
        np.testing.assert_array_equal(read_box(info, (1, 2, 3), (4, 5, 6)), FOUR[k, 1:4, 2:5, 3:6])
    plane = describe(f"{spec}[1, 4]")
    assert plane.two_dimensional
    np.testing.assert_array_equal(open_volume(plane)[0], FOUR[1, 4])
    for index, words in {"3": "no 3", "0,5": "no 5", "0,0,0": "no image", "-1": "", "x": "", "0.5": "", "": ""}.items():
        refused(f"{spec}[{index}]", words)


def test_five_dimensions(tmp_path):
    five, spec = texture("u2", (2, 3, 4, 5, 6)), f"{tmp_path / 'f.h5'}:/a"
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["a"] = five
        file["a[0,1]"] = five[1, 2]  # a name of its own goes before
    refused(f"{tmp_path / 'f.h5'}:/a[1]", "shape (3, 4, 5, 6)", f"{spec}[1,0] is the first")
    np.testing.assert_array_equal(open_volume(describe(f"{spec}[1,1]")), five[1, 1])
    np.testing.assert_array_equal(open_volume(describe(f"{spec}[0,1]")), five[1, 2])
    assert describe(f"{spec}[1]", scan=True).frames == 4
    np.testing.assert_array_equal(open_volume(describe(f"{spec}[1]", scan=True)), five[1].reshape(-1, 5, 6))
