"""Images that all ranks write: one rank lays out the file at its full size, then every rank fills its planes by offset.

TIFF files are contiguous, uncompressed, and BigTIFF where they must be; HDF5 files are VTKHDF, which ParaView opens.
Either can be memory-mapped. The key of the run stands in the file, so that a finished image, or a half-filled one,
says itself what it was made from.
"""

import ctypes
import errno
import json
import math
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from hpcdvc.errors import RunError, UserError, file_error
from hpcdvc.fields.grid import Grid
from hpcdvc.images import describe
from hpcdvc.images.files import LoneFile
from hpcdvc.kernels import guard
from hpcdvc.output import files, vtkhdf
from hpcdvc.output.stored import opened
from hpcdvc.output.transports import GatheredFile, put_text

#: Bytes of voxels from which on a TIFF file is a BigTIFF: offsets of the other kind have 32 bits.
BIG_TIFF = 2**32 - 2**25
KEY = "hpcdvc_key"


@dataclass(frozen=True)
class ImageFile:
    """An image to be written.

    Attributes
    ----------
    path : final name, ending in .tif or .hdf
    shape : (nz, ny, nx) voxels; nz = 1 for a 2-D image
    dtype : of the voxels
    metadata : what to remember, anything JSON can hold; "key" tells this run from others, the rest goes into HDF5 only
    big_from : bytes of voxels from which on a TIFF file is a BigTIFF
    """

    path: str
    shape: tuple[int, int, int]
    dtype: np.dtype
    metadata: dict
    big_from: int = BIG_TIFF

    @property
    def voxel_bytes(self) -> int:
        """Bytes of all voxels."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def file_bytes(self) -> int:
        """About the size of the file: voxels, and a header for each page."""
        return self.voxel_bytes + 300 * self.shape[0] + 2**16

    def is_ours(self, path: str | Path | None = None) -> bool:
        """Whether the file at `path` (default: the final name) was made by a run with this key.

        Raises
        ------
        UserError
            It is no TIFF or HDF5 file.
        """
        return self._key_in(path or self.path) == self.metadata["key"]

    def stored(self) -> dict:
        """What the file says of what it was made from: all that it holds in HDF5, its key alone in TIFF."""
        if not self._is_hdf:
            return {"key": self._key_in(self.path)}
        with opened(self.path) as stored:
            found = {name: stored.json("hpcdvc", name) for name in self.metadata}
        return {name: value for name, value in found.items() if value is not None}

    def remembered(self) -> dict:
        """What the record of the run that made it can say after that run (one rank)."""
        return self.metadata

    def begun(self) -> tuple[str, int] | None:
        """Where an earlier run with this key has put voxels: file, final or temporary, and offset; None if nowhere."""
        for path in (*files.temporary_files([self.path]), Path(self.path)):
            with suppress(UserError):  # no image, or one that has lost a part
                if _is_alone(path) and self.is_ours(path):
                    return str(path), describe(str(path)).offset
        return None

    def create(self) -> tuple[str, int]:
        """Lay out the temporary file and reserve its disk space, on one rank; returns its name and the offset.

        Raises
        ------
        RunError
            There is no room, or the file cannot be written.
        """
        with files.write_errors(self.path):
            self.discard()
            temporary = files.prepare(self.path, self.file_bytes)
            with files.removed_on_errors(temporary):
                lay_out = _lay_out_hdf if self._is_hdf else _lay_out_tiff
                offset = lay_out(temporary, self)
                _reserve(temporary)
        return str(temporary), offset

    def settle(self, path: str) -> None:
        """Give the file, which is at `path` until then, its final name, on one rank; RunError if that fails."""
        if path != self.path:  # else a run that was killed has done it
            with files.write_errors(self.path):
                files.settle(Path(path), self.path)

    def discard(self) -> None:
        """Delete what an unfinished run has left, on one rank."""
        files.sweep([self.path])

    @property
    def _is_hdf(self) -> bool:
        return self.path.endswith(".hdf")

    def _key_in(self, path: str | Path) -> str | None:
        return (_key_in_hdf if self._is_hdf else _key_in_tiff)(path)

    def view_paths(self) -> list[str]:
        """Files beside it: none."""
        return []

    def write_views(self) -> None:
        """Nothing: an image is its own view."""

    def summary(self) -> str | None:
        """Nothing to be said that the work has not said."""
        return None


class ImageWriter:
    """The planes of an `ImageFile`, for the rank that fills some of them.

    Parameters
    ----------
    image : what is written
    place : file and offset, from `ImageFile.create` or `begun`
    """

    def __init__(self, image: ImageFile, place: tuple[str, int]):
        self.image = image
        self._plane = np.empty(image.shape[1:], image.dtype)
        path, self._offset = place
        with files.write_errors(image.path):
            self._descriptor = files.open_alone(path, os.O_RDWR)

    def write(self, z: int, plane: np.ndarray) -> int:
        """Write plane z (ny, nx); returns its checksum. RunError if the disk does not take it."""
        data = np.ascontiguousarray(plane, self.image.dtype)
        rest, offset = memoryview(data.reshape(-1).view(np.uint8)), self._offset_of(z)
        with files.write_errors(self.image.path):
            while rest:
                written = os.pwrite(self._descriptor, rest, offset)
                rest, offset = rest[written:], offset + written
        return checksum(data)

    def stored(self, z: int) -> int | None:
        """Checksum of plane z as it is in the file; None if the file ends before."""
        buffer = memoryview(self._plane.reshape(-1).view(np.uint8))
        with files.write_errors(self.image.path):
            whole = os.preadv(self._descriptor, [buffer], self._offset_of(z)) == len(buffer)
        return checksum(self._plane) if whole else None

    def close(self) -> None:
        """Bring what this rank has written to the disk; RunError if that fails."""
        with files.write_errors(self.image.path):
            os.fsync(self._descriptor)
            os.close(self._descriptor)

    def _offset_of(self, z: int) -> int:
        return self._offset + z * self._plane.nbytes


def checksum(values: np.ndarray) -> int:
    """Sum of the bytes of an array, taken as numbers of 64 bits, modulo 2^64: tells lost pages from written ones."""
    data = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
    whole = data.size // 8 * 8
    tail = int.from_bytes(data[whole:].tobytes(), "little")
    return (int(data[:whole].view("<u8").sum(dtype=np.uint64)) + tail) % 2**64


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
    """Voxels are points of ImageData, voxel i at coordinate i; the pixels of a 2-D image are cells, for readers fail on
    points in a single layer."""
    nz, ny, nx = image.shape
    flat = nz == 1
    with GatheredFile(path) as out:
        file = out.file
        ours = file.create_group("hpcdvc")
        put_text(ours, "schema", "hpcdvc-image")
        put_text(ours, KEY, image.metadata["key"])
        for name, value in image.metadata.items():
            put_text(ours, name, json.dumps(value))
        root = file.create_group("VTKHDF")
        root.attrs["Version"] = np.array([1, 0], "i8")
        grid = Grid((-0.5,) * 3, (1.0,) * 3, (2, ny + 1, nx + 1)) if flat else Grid((0.0,) * 3, (1.0,) * 3, image.shape)
        vtkhdf.write_image(root, grid)
        data = root.create_group("CellData" if flat else "PointData")
        data.attrs["Scalars"] = np.bytes_("grey")
        return _contiguous(data, "grey", image).get_offset()


def _contiguous(group: "h5py.Group", name: str, image: ImageFile) -> "h5py.h5d.DatasetID":
    """Dataset whose place in the file is fixed at once, and which HDF5 does not fill."""
    how = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    how.set_layout(h5py.h5d.CONTIGUOUS)
    how.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    how.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    how.set_obj_track_times(False)
    kind, space = h5py.h5t.py_create(image.dtype), h5py.h5s.create_simple(image.shape)
    return h5py.h5d.create(group.id, name.encode(), kind, space, how)


def _is_alone(path: Path) -> bool:
    """Whether this is a file of this name and no other: nothing is written into what a link leads to."""
    with suppress(OSError):
        status = path.lstat()
        return stat.S_ISREG(status.st_mode) and status.st_nlink == 1
    return False


@contextmanager
def _only_ours(path: str | Path) -> Iterator[None]:
    """UserError for a file that was not written here: the libraries raise anything on it; RunError for the disk."""
    try:
        yield
    except RunError:
        raise
    except Exception as error:
        other = f"{path} is no image that hpcdvc has written: -pre or -od give another name, --force overwrites it"
        raise file_error(path, error) or UserError(other) from error


def _key_in_hdf(path: str | Path) -> str | None:
    """Key that an image holds; None where it was not written here."""
    with _only_ours(path), opened(path) as stored:
        return stored.text("hpcdvc", KEY)


def _key_in_tiff(path: str | Path) -> str | None:
    import tifffile

    with _only_ours(path), guard.reading(path), LoneFile(path) as file, tifffile.TiffFile(file) as tif:
        return (tif.shaped_metadata or ({},))[0].get(KEY)


def _reserve(path: Path) -> None:
    """Reserve the disk space of a sparse file, where the file system can; OSError (ENOSPC) if it has none.

    fallocate(2) itself: os.posix_fallocate falls back to writing a byte into every block, which takes hours for a large
    file in a network.
    """
    size = path.stat().st_size
    allocate = getattr(ctypes.CDLL(None, use_errno=True), "fallocate64", None)
    if allocate is None:  # not Linux
        return
    allocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    descriptor = files.open_alone(path, os.O_RDWR)
    try:
        while allocate(descriptor, 0, 0, size):
            code = ctypes.get_errno()
            if code in (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL):
                return
            if code != errno.EINTR:
                raise OSError(code, os.strerror(code))
    finally:
        os.close(descriptor)
