"""Memory that the ranks of one node share.

Each piece is a file in /dev/shm, or in $TMPDIR when /dev/shm is too small, mapped by every rank of the node and
unlinked at once: nothing is left behind, however the run ends. Files rather than an MPI window because MPI
libraries do not check the room: they end by SIGBUS, without a word, at the first touch of a page that is not there.
``posix_fallocate`` reserves the pages beforehand and reports what is missing.

`node` is everywhere the communicator of the ranks of one node (mpi4py), or None for a serial run.
"""

import itertools
import mmap
import os
import tempfile
import uuid
import weakref
from collections.abc import Callable

import numpy as np

from hpcdvc.errors import RunError


def shared_array(node, shape: int | tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Zero-filled writable array, one copy for all ranks of the node, gone with the last reference to it.

    Parameters
    ----------
    node : mpi4py communicator or None
        Ranks of one node; collective over them.
    shape : int or tuple of int
    dtype : numpy dtype

    Raises
    ------
    RunError
        On every rank of the node, when neither /dev/shm nor $TMPDIR has the room.
    """
    if node is None:
        return np.zeros(shape, dtype)
    dtype = np.dtype(dtype)
    size = max(dtype.itemsize * int(np.prod(shape, dtype=np.int64)), 1)
    descriptor = _shared_file(node, size)
    try:
        memory = mmap.mmap(descriptor, size)
    finally:
        os.close(descriptor)
    return np.ndarray(shape, dtype, buffer=memory)


class SharedPlanes:
    """An array that the ranks of a node share, filled by planes through the file and mapped when it is whole.

    Pages that are written through the file come into being full, and a reader maps many of them at a time: half of what
    it costs to fill a mapping that was reserved before.

    Parameters
    ----------
    node : mpi4py communicator
        Ranks of one node; collective over them.
    shape : (n, ...) of the array
    dtype : numpy dtype
    reserve : reserve all its pages now, because some will be written into the mapping

    Raises
    ------
    RunError
        On every rank of the node, when neither /dev/shm nor $TMPDIR has the room.
    """

    def __init__(self, node, shape: tuple[int, ...], dtype: np.dtype, reserve: bool):
        self._shape, self._dtype = shape, np.dtype(dtype)
        self._plane = self._dtype.itemsize * int(np.prod(shape[1:], dtype=np.int64))
        self._size = max(shape[0] * self._plane, 1)
        self._descriptor = _shared_file(node, self._size, reserve=reserve)

    def write(self, start: int, planes: np.ndarray) -> None:
        """Write contiguous planes from `start` on; RunError when there is no room."""
        data, offset = memoryview(planes.reshape(-1).view(np.uint8)), start * self._plane
        try:
            while data:
                written = os.pwrite(self._descriptor, data, offset)
                data, offset = data[written:], offset + written
        except OSError as error:
            raise RunError(
                f"no room for {self._size / 1e6:.1f} MB that the ranks of {os.uname().nodename} share "
                f"({error.strerror}): set TMPDIR to a folder with more room"
            ) from error

    def mapped(self) -> np.ndarray:
        """The array; the file is closed."""
        try:
            memory = mmap.mmap(self._descriptor, self._size)
        finally:
            os.close(self._descriptor)
        return np.ndarray(self._shape, self._dtype, buffer=memory)


def shared_counter(node) -> Callable[[], int]:
    """Function that returns 0, 1, 2, ...: every number to exactly one rank of the node. Collective.

    A byte appended to a file moves the offset of this rank to the new end of the file, which the kernel does as one
    step (O_APPEND, POSIX write): two system calls, no lock that a killed rank could hold, no MPI progress needed.
    """
    if node is None:
        return itertools.count().__next__
    return _Counter(_shared_file(node, 0, os.O_APPEND))


class _Counter:
    def __init__(self, descriptor: int):
        self._descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)

    def __call__(self) -> int:
        try:
            os.write(self._descriptor, b"\0")
        except OSError as error:
            raise RunError(f"cannot hand out the next points: {error.strerror} in /dev/shm or $TMPDIR") from error
        return os.lseek(self._descriptor, 0, os.SEEK_CUR) - 1


def _folders() -> list[str]:
    """Where shared files may go, best first. ``HPCDVC_SHM=file`` leaves /dev/shm out."""
    memory = [] if os.environ.get("HPCDVC_SHM") == "file" else ["/dev/shm"]
    return [*memory, tempfile.gettempdir()]


def _shared_file(node, size: int, flags: int = 0, reserve: bool = True) -> int:
    """Descriptor of a file of `size` bytes that all ranks of the node have open and that has no name any more."""
    problems = []
    node.Barrier()  # a file that waits for a late rank would be left by a kill
    for folder in node.bcast(_folders()):
        path = os.path.join(folder, f"hpcdvc-{node.bcast(uuid.uuid4().hex)}")
        problem = node.bcast(_create(path, size, node.size) if node.rank == 0 else None)
        descriptor = None
        try:
            if problem is None:
                descriptor, mine = _open(path, flags)
                problem = _first(node, mine)
        finally:
            if node.rank == 0 and os.path.exists(path):
                os.unlink(path)
        if problem is None and reserve:  # after the name is gone: for a large volume this takes long
            problem = _first(node, _reserve(descriptor, size, node.rank, node.size))
        if problem is None:
            return descriptor
        if descriptor is not None:
            os.close(descriptor)
        problems.append(f"{folder}: {problem}")
    raise RunError(
        f"no room for {size / 1e6:.1f} MB that the ranks of {os.uname().nodename} share ({'; '.join(problems)}): "
        "set TMPDIR to a folder with more room"
    )


def _create(path: str, size: int, ranks: int) -> str | None:
    """Create the empty file; what hinders it, or None."""
    try:
        space = os.statvfs(os.path.dirname(path))
        free = space.f_bavail * space.f_frsize
        # the MPI library fills its own part of /dev/shm as it goes, and dies when it cannot
        margin = (16 + 4 * ranks) * 2**20 if path.startswith("/dev/shm") else 0
        if size + margin > free:
            return f"{free / 1e6:.1f} MB free"
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        os.truncate(path, size)
    except OSError as error:
        return error.strerror
    return None


def _first(node, problem: str | None) -> str | None:
    """The problem of the first rank that has one."""
    return next(filter(None, node.allgather(problem)), None)


def _open(path: str, flags: int) -> tuple[int | None, str | None]:
    """Open the file: (descriptor, problem)."""
    try:
        return os.open(path, os.O_RDWR | flags), None
    except OSError as error:
        return None, error.strerror


def _reserve(descriptor: int, size: int, rank: int, ranks: int) -> str | None:
    """Reserve this rank's part of the file, so that pages lie near the ranks; what hinders it, or None."""
    start, stop = size * rank // ranks, size * (rank + 1) // ranks
    try:
        if stop > start and hasattr(os, "posix_fallocate"):  # macOS has none
            os.posix_fallocate(descriptor, start, stop - start)
    except OSError as error:
        return error.strerror
    return None
