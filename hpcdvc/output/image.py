"""Images of grey values that all ranks write.

TIFF files are contiguous, uncompressed, and BigTIFF where they must be; HDF5 files are VTKHDF, which ParaView opens.
Either can be memory-mapped.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hpcdvc.images import describe
from hpcdvc.images.files import LoneFile
from hpcdvc.kernels import guard
from hpcdvc.output import files, voxel_size, vtkhdf
from hpcdvc.output.columns import columns_of
from hpcdvc.output.contents import explain
from hpcdvc.output.slab_file import KEY, ImageWriter, SlabFile, contiguous, key_in_hdf, only_ours, put_facts
from hpcdvc.output.tiff import BIG_TIFF
from hpcdvc.output.transports import GatheredFile, put_text

#: What voxels in an HDF5 file are.
GREY = next(column for column in columns_of("image") if column.name == "grey")


@dataclass(frozen=True)
class ImageFile(SlabFile):
    """An image to be written.

    Attributes
    ----------
    path : final name, ending in .tif or .hdf
    shape : (nz, ny, nx) voxels; nz = 1 for a 2-D image
    dtype : of the voxels
    metadata : what to remember, anything JSON can hold; "key" tells this run from others, the rest goes into HDF5 only
    big_from : bytes of voxels from which on a TIFF file is a BigTIFF
    first : where its voxel 0 lies in the image that it is a part of, ZYX
    """

    path: str
    shape: tuple[int, int, int]
    dtype: np.dtype
    metadata: dict
    big_from: int = BIG_TIFF
    first: tuple[int, int, int] = (0, 0, 0)

    @property
    def voxel_bytes(self) -> int:
        """Bytes of all voxels."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def file_bytes(self) -> int:
        """About the size of the file: voxels, and a header for each page."""
        return self.voxel_bytes + 300 * self.shape[0] + 2**16

    @property
    def planes(self) -> int:
        """How many there are."""
        return self.shape[0]

    def writers(self, place: tuple[str, int]) -> list[ImageWriter]:
        """The one of its grey values."""
        return [ImageWriter(self, place)]

    def stored(self) -> dict:
        """What the file says of what it was made from: all that it holds in HDF5, its key alone in TIFF."""
        return super().stored() if self._is_hdf else {"key": self.key_in(self.path)}

    def key_in(self, path: str | Path) -> str | None:
        """Key of the run that made an image."""
        return (key_in_hdf if self._is_hdf else _key_in_tiff)(path)

    def lay_out(self, path: Path) -> int:
        """Lay out an empty file; returns where the voxels begin."""
        return (_lay_out_hdf if self._is_hdf else _lay_out_tiff)(path, self)

    def offsets_in(self, path: str) -> int | None:
        """Where the voxels begin."""
        return describe(path).offset

    @property
    def _is_hdf(self) -> bool:
        return self.path.endswith(".hdf")


def _lay_out_tiff(path: Path, image: ImageFile) -> int:
    import tifffile

    with files.fill(path, "w+b") as file:
        offset, _ = tifffile.imwrite(
            file,
            shape=image.shape if image.shape[0] > 1 else image.shape[1:],
            dtype=image.dtype,
            bigtiff=image.voxel_bytes >= image.big_from,
            photometric="minisblack",
            software="hpcdvc",
            metadata={KEY: image.metadata["key"]},
            contiguous=True,
            returnoffset=True,
        )
    return offset


def _lay_out_hdf(path: Path, image: ImageFile) -> int:
    with GatheredFile(path) as out:
        file = out.file
        ours = file.create_group("hpcdvc")
        put_text(ours, "schema", "hpcdvc-image")
        put_facts(ours, image.metadata)
        root = file.create_group("VTKHDF")
        root.attrs["Version"] = np.array([1, 0], "i8")
        factor = voxel_size.factor_of(voxel_size.of_metadata(image.metadata))
        data = vtkhdf.write_voxels(root, image.shape, GREY.name, image.first, factor)
        offset = contiguous(data, GREY.name, image.shape, image.dtype)
        explain(data[GREY.name], GREY)
        return offset


def _key_in_tiff(path: str | Path) -> str | None:
    import tifffile

    with only_ours(path), guard.reading(path), LoneFile(path) as file, tifffile.TiffFile(file) as tif:
        return (tif.shaped_metadata or ({},))[0].get(KEY)
