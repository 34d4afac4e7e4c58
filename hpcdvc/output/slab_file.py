"""Files that all ranks fill: one rank lays the file out at its full size, then every rank writes its planes by offset.

The key of the run stands in the file, so that a finished one, or a half-filled one, says itself what it was made from.
"""

import ctypes
import errno
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np

from hpcdvc.errors import RunError, UserError, file_error
from hpcdvc.output import files
from hpcdvc.output.stored import opened
from hpcdvc.output.transports import put_text
from hpcdvc.output.voxel_size import scaled

KEY = "hpcdvc_key"


class Planes(Protocol):
    """An array in a file: the final name of the file, and the shape and type of the array, planes first."""

    path: str
    shape: tuple[int, ...]
    dtype: np.dtype


class SlabFile:
    """What is common to such files; a kind of them adds `file_bytes`, `planes`, `writers`, and the methods below that
    end in `NotImplementedError`.

    Attributes
    ----------
    path : final name
    metadata : what to remember, anything JSON can hold; "key" tells this run from others
    """

    path: str
    metadata: dict
    file_bytes: int
    planes: int

    def writers(self, place: tuple[str, Any]) -> list["ImageWriter | ScaledWriter"]:
        """Of each of its arrays, for a rank that fills some planes; `place` is from `create` or `begun`."""
        raise NotImplementedError

    def key_in(self, path: str | Path) -> str | None:
        """Key of the run that made a file of this kind; None where none of ours did, UserError where it is no such."""
        raise NotImplementedError

    def lay_out(self, path: Path) -> Any:
        """Lay out an empty file; returns where its arrays begin."""
        raise NotImplementedError

    def offsets_in(self, path: str) -> Any:
        """Where the arrays begin in a file that was laid out."""
        raise NotImplementedError

    def is_ours(self, path: str | Path | None = None) -> bool:
        """Whether the file at `path` (default: the final name) was made by a run with this key.

        Raises
        ------
        UserError
            It is no TIFF or HDF5 file.
        """
        return self.key_in(path or self.path) == self.metadata["key"]

    def stored(self) -> dict:
        """What the file says of what it was made from."""
        with opened(self.path) as stored:
            found = {name: stored.json("hpcdvc", name) for name in self.metadata}
        return {name: value for name, value in found.items() if value is not None}

    def remembered(self) -> dict:
        """What the record of the run that made it can say after that run (one rank)."""
        return self.metadata

    def begun(self) -> tuple[str, Any] | None:
        """Where an earlier run with this key has put planes: file, final or temporary, and offsets; None if nowhere."""
        for path in (*files.temporary_files([self.path]), Path(self.path)):
            with suppress(UserError):  # no such file, or one that has lost a part
                if _is_alone(path) and self.is_ours(path):
                    return str(path), self.offsets_in(str(path))
        return None

    def create(self) -> tuple[str, Any]:
        """Lay out the temporary file and reserve its disk space, on one rank; returns its name and the offsets.

        Raises
        ------
        RunError
            There is no room, or the file cannot be written.
        """
        with files.write_errors(self.path):
            self.discard()
            temporary = files.prepare(self.path, self.file_bytes)
            with files.removed_on_errors(temporary):
                offsets = self.lay_out(temporary)
                _reserve(temporary)
        return str(temporary), offsets

    def settle(self, path: str) -> None:
        """Give the file, which is at `path` until then, its final name, on one rank; RunError if that fails."""
        if path != self.path:  # else a run that was killed has done it
            with files.write_errors(self.path):
                files.settle(Path(path), self.path)

    def discard(self) -> None:
        """Delete what an unfinished run has left, on one rank."""
        files.sweep([self.path])

    def view_paths(self) -> list[str]:
        """Files beside it: none."""
        return []

    def write_views(self) -> None:
        """Nothing: it is its own view."""

    def summary(self) -> str | None:
        """Nothing to be said that the work has not said."""
        return None


class ImageWriter:
    """The planes of an array in a file, for the rank that fills some of them.

    Parameters
    ----------
    image : what is written
    place : the file, and where in it the array begins
    """

    def __init__(self, image: Planes, place: tuple[str, int]):
        self.image = image
        self._plane = np.empty(image.shape[1:], image.dtype)
        path, self._offset = place
        with files.write_errors(image.path):
            self._descriptor = files.open_alone(path, os.O_RDWR)

    def write(self, z: int, plane: np.ndarray) -> int:
        """Write plane z; returns its checksum. RunError if the disk does not take it."""
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


class ScaledWriter:
    """The same of an array that stands in a file several times, each times a factor.

    Parameters
    ----------
    writers : of each time, and its factor
    """

    def __init__(self, writers: list[tuple[ImageWriter, float]]):
        self._writers = writers

    def write(self, z: int, plane: np.ndarray) -> int:
        """Write plane z to all; returns the sum of the checksums. RunError if the disk does not take it."""
        plane = np.asarray(plane, np.float32)
        return sum(writer.write(z, scaled(plane, factor)) for writer, factor in self._writers)

    def stored(self, z: int) -> int | None:
        """Sum of the checksums of plane z as it is in the file; None if the file ends before."""
        sums = [writer.stored(z) for writer, _ in self._writers]
        return None if None in sums else sum(sums)

    def close(self) -> None:
        """Bring what this rank has written to the disk; RunError if that fails."""
        for writer, _ in self._writers:
            writer.close()


def checksum(values: np.ndarray) -> int:
    """Sum of the bytes of an array, taken as numbers of 64 bits, modulo 2^64: tells lost pages from written ones."""
    data = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
    whole = data.size // 8 * 8
    tail = int.from_bytes(data[whole:].tobytes(), "little")
    return (int(data[:whole].view("<u8").sum(dtype=np.uint64)) + tail) % 2**64


def contiguous(group: "h5py.Group", name: str, shape: tuple[int, ...], dtype: np.dtype) -> int:
    """Make a dataset whose place is fixed at once, which HDF5 does not fill; returns where it begins in the file."""
    how = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    how.set_layout(h5py.h5d.CONTIGUOUS)
    how.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    how.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    how.set_obj_track_times(False)
    space = h5py.h5s.create_simple(shape) if shape else h5py.h5s.create(h5py.h5s.SCALAR)
    return h5py.h5d.create(group.id, name.encode(), h5py.h5t.py_create(dtype), space, how).get_offset()


def put_facts(group: "h5py.Group", metadata: dict) -> None:
    """Store what the file is to remember, and by which it is known again."""
    put_text(group, KEY, metadata["key"])
    for name, value in metadata.items():
        put_text(group, name, json.dumps(value))


def _is_alone(path: Path) -> bool:
    """Whether this is a file of this name and no other: nothing is written into what a link leads to."""
    with suppress(OSError):
        status = path.lstat()
        return stat.S_ISREG(status.st_mode) and status.st_nlink == 1
    return False


@contextmanager
def only_ours(path: str | Path) -> Iterator[None]:
    """UserError for a file that was not written here: the libraries raise anything on it; RunError for the disk."""
    try:
        yield
    except RunError:
        raise
    except Exception as error:
        other = f"{path} is no image that hpcdvc has written: -pre or -od give another name, --force overwrites it"
        raise file_error(path, error) or UserError(other) from error


def key_in_hdf(path: str | Path) -> str | None:
    """Key that an HDF5 file holds; None where it was not written here."""
    with only_ours(path), opened(path) as stored:
        return stored.text("hpcdvc", KEY)


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
