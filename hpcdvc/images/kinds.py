"""Which file a volume is in, by the name that the user gives it, and of which kind that is, by its content."""

import os
import re
import stat

import hpcdvc.images.fits as fits
import hpcdvc.images.metaimage as metaimage
import hpcdvc.images.nifti as nifti
import hpcdvc.images.picture as picture
import hpcdvc.images.raw as raw
import hpcdvc.images.zarr as zarr
from hpcdvc.errors import UserError
from hpcdvc.images.packed import GZIP
from hpcdvc.images.raw import RawLayout

_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
#: What is read, for those who gave something else.
READ = "TIFF, HDF5, FITS, NIfTI, MetaImage, Zarr, PNG, JPEG, BMP, .npy, .raw or a folder of slices"


def split(spec: str) -> tuple[str, str | None]:
    """File and dataset of ``file.h5:/path``, file and ``[1]`` of ``file.fits[1]``, and of ``file.nii[1]``."""
    if not os.path.exists(spec):
        for bracket in re.finditer(r"\[", spec):
            if spec.endswith("]") and os.path.exists(spec[: bracket.start()]):
                return spec[: bracket.start()], spec[bracket.start() :]
        parts = spec.split(":")
        for k in range(1, len(parts)):
            path, dataset = ":".join(parts[:k]), ":".join(parts[k:])
            if os.path.isfile(path) or os.path.isdir(path) and zarr.is_zarr(path):
                return path, dataset
    return spec, None


def kind_of(spec: str, path: str, told: RawLayout | None) -> str:
    """Which of the known formats a file has: a raw one by its name, others by their first bytes."""
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        return "zarr" if zarr.is_zarr(path) else "slices"
    if not stat.S_ISREG(mode):
        raise UserError(f"{spec} is no regular file")
    with open(path, "rb") as file:
        begin = file.read(64)
    if not begin:
        raise UserError(f"{spec} is an empty file")
    is_raw = path.lower().endswith(".raw")
    if is_raw and (told or RawLayout.named(path)):
        return "raw"
    known = _by_content(path, begin)
    if known is not None:
        return known
    if told or is_raw:
        return "raw"
    if begin[:2] == GZIP:
        raise UserError(f"{spec} is compressed by gzip, and no whole NIfTI file: unpack it first")
    raise UserError(f"{spec} is no image that can be read: {READ} is needed; of raw files {raw.WAY_OUT}")


def _by_content(path: str, begin: bytes) -> str | None:
    """The same by the first bytes; None of others."""
    if begin[:4] in _TIFF_MAGIC:
        return "tiff"
    if begin[:6] == b"\x93NUMPY":
        return "npy"
    if begin[:8] == fits.MAGIC:
        return "fits"
    if picture.format_of(begin):
        return "picture"
    if metaimage.is_metaimage(begin):
        return "metaimage"
    if nifti.is_nifti(nifti.begin(path)):
        return "nifti"
    import h5py

    return "hdf5" if h5py.is_hdf5(path) else None
