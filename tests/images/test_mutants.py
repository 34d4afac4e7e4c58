"""Files of images with some bytes wrong: read, or refused in one sentence. Never a traceback, a crash, or no end."""

import h5py
import numpy as np
import pytest
import tifffile
from fits_files import save_fits
from mutants import check_mutants
from PIL import Image
from test_tiff_pages import write_micromanager
from volume_files import save_meta, save_nifti

SHAPE = (3, 8, 8)


def texture() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 60000, SHAPE).astype("u2")


def write_tiffs(folder):
    kinds = {
        "block": {},
        "big": {"bigtiff": True, "byteorder": ">"},
        "imagej": {"imagej": True},
        "ome": {"ome": True, "metadata": {"axes": "ZYX"}},
        "ome-zlib": {"ome": True, "metadata": {"axes": "ZYX"}, "compression": "zlib", "predictor": True},
        "bare": {"metadata": None, "rowsperstrip": 3},
        "tiled": {"tile": (16, 16), "compression": "zlib"},
        "packbits": {"compression": "packbits"},
    }
    for name, options in kinds.items():
        tifffile.imwrite(folder / f"{name}.tif", texture(), photometric="minisblack", **options)
    write_micromanager(folder / "micromanager.tif", texture())


def write_hdf5s(folder):
    for version in ("earliest", "latest"):
        with h5py.File(folder / f"nexus-{version}.h5", "w", libver=version) as file:
            group = file.create_group("entry/data")
            file.attrs["default"], file["entry"].attrs["default"] = "entry", "data"
            group.attrs["NX_class"], group.attrs["signal"] = "NXdata", "image"
            group["image"] = texture()
            group["angles"] = np.arange(3.0)
            file["link"] = h5py.SoftLink("/entry/data/image")
        with h5py.File(folder / f"packed-{version}.h5", "w", libver=version) as file:
            file.create_dataset(
                "d", data=texture(), chunks=(1, 8, 8), compression="gzip", shuffle=True, maxshape=(None, 8, 8)
            )
    with h5py.File(folder / "virtual.h5", "w", libver="latest") as file:
        file["parts"] = texture()[None]
        layout = h5py.VirtualLayout(SHAPE, "u2")
        layout[:] = h5py.VirtualSource(".", "parts", (1, *SHAPE))[0]
        file.create_virtual_dataset("v", layout)


def write_npys(folder):
    np.save(folder / "c.npy", texture())
    np.save(folder / "f.npy", np.asfortranarray(texture().astype(">f4")))


def write_fits(folder):
    save_fits(folder / "plain.fits", (texture().astype(">f4"), {}))
    save_fits(folder / "unsigned.fits", ((texture() ^ 0x8000).astype(">i2"), {"BZERO": 32768}))
    scaled = texture().astype("u1"), {"BSCALE": 0.5, "BLANK": 7, "EXTNAME": "'SCI'"}
    save_fits(folder / "extension.fits", (None, {}), (np.zeros(5, "u1"), {"XTENSION": "'BINTABLE'"}), scaled)


def write_blocks(folder):
    for name, version in (("one.nii", 1), ("two.nii", 2), ("packed.nii.gz", 1)):
        save_nifti(folder / name, texture(), version=version, slope=0.5)
    save_meta(folder / "plain.mha", texture(), ">")
    save_meta(folder / "packed.mha", texture(), packed=True)
    save_meta(folder / "end.mha", texture(), HeaderSize=-1, ElementToIntensityFunctionSlope=2)


def write_pictures(folder):
    colours = np.random.default_rng(1).integers(0, 256, (16, 16, 3)).astype("u1")
    for ending in ("png", "bmp", "jpg"):
        Image.fromarray(colours[..., 0]).save(folder / f"grey.{ending}")
        Image.fromarray(colours).save(folder / f"colour.{ending}")
    Image.fromarray(colours).quantize(8).save(folder / "palette.bmp")
    tifffile.imwrite(folder / "colour.tif", colours, photometric="rgb", compression="zlib")


@pytest.mark.slow
@pytest.mark.parametrize("write", [write_tiffs, write_hdf5s, write_npys, write_fits, write_blocks, write_pictures])
def test_mutants(tmp_path, write):
    write(tmp_path)
    ended = check_mutants("read_image", tmp_path, 1000)
    assert len(ended) == 1000
    assert 0.1 < np.mean([end == "read" for end in ended]) < 0.9
