"""Memory that the ranks of one node share.

Each piece is a file in /dev/shm, or in $TMPDIR when /dev/shm is too small, mapped by every rank of the node. It never
has a name, so nothing is left behind, however the run ends: the others open what one rank holds open. Where that cannot
be (no O_TMPFILE on a file system of the network, no sight of other processes in a container), it has a name until all
have it open, and what a kill leaves in between is removed by the next run. Files rather than an MPI window because MPI
libraries do not check the room: they end by SIGBUS, without a word, at the first touch of a page that is not there.
``posix_fallocate`` reserves the pages beforehand and reports what is missing.

`node` is everywhere the communicator of the ranks of one node (mpi4py), or None for a serial run.
"""

import contextlib
import errno
import glob
import itertools
import mmap
import os
import tempfile
import time
import uuid
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from hpcdvc.errors import RunError

#: Seconds that a file with a name may have it, for all ranks to open it.
OLD = 60.0


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
    """Descriptor of a file of `size` bytes that all ranks of the node have open and that has no name."""
    problems = []
    node.Barrier()  # a file with a name that waits for a late rank would be left by a kill
    for folder in node.bcast(_folders()):
        for create in (_create_without_name, _create_with_name):
            descriptor, problem = _open_together(node, create, folder, size, flags)
            if problem is None:
                if reserve:
                    descriptor, problem = _reserve(node, descriptor, size)
                break
        if problem is None:
            return descriptor
        problems.append(f"{folder}: {problem}")
    raise RunError(
        f"no room for {size / 1e6:.1f} MB that the ranks of {os.uname().nodename} share ({'; '.join(problems)}): "
        "set TMPDIR to a folder with more room"
    )


def _open_together(node, create: Callable, folder: str, size: int, flags: int) -> tuple[int | None, str | None]:
    """The file opened by all ranks of the node: (descriptor, problem of one of them)."""
    with contextlib.ExitStack() as until_open:
        made = problem = None
        if node.rank == 0:
            made, problem = _or_problem(lambda: until_open.enter_context(create(folder, size, node.size)))
        made, problem = node.bcast((made, problem))
        if problem is not None:
            return None, problem
        descriptor, problem = _or_problem(lambda: _open(*made, flags))
        problem = next(filter(None, node.allgather(problem)), None)
    if problem is not None and descriptor is not None:
        os.close(descriptor)
    return descriptor, problem


def _reserve(node, descriptor: int, size: int) -> tuple[int | None, str | None]:
    """Reserve the file, each rank its part so that pages lie near the ranks: (descriptor, problem of one of them)."""
    start, stop = size * node.rank // node.size, size * (node.rank + 1) // node.size
    problem = None
    if stop > start and hasattr(os, "posix_fallocate"):  # macOS has none
        _, problem = _or_problem(lambda: os.posix_fallocate(descriptor, start, stop - start))
    problem = next(filter(None, node.allgather(problem)), None)
    if problem is not None:
        os.close(descriptor)
        return None, problem
    return descriptor, None


def _or_problem(function: Callable) -> tuple[Any, str | None]:
    try:
        return function(), None
    except OSError as error:
        return None, error.strerror or str(error)


@contextlib.contextmanager
def _create_without_name(folder: str, size: int, ranks: int) -> Iterator[tuple[str, tuple[int, int]]]:
    """Create the empty file, on one rank; gives the path by which the others reach it meanwhile, and what it is."""
    _check_room(folder, size, ranks)
    if not hasattr(os, "O_TMPFILE"):
        raise OSError(errno.ENOTSUP, "no files without a name")
    descriptor = os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o600)
    try:
        os.truncate(descriptor, size)
        yield f"/proc/{os.getpid()}/fd/{descriptor}", _identity(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _create_with_name(folder: str, size: int, ranks: int) -> Iterator[tuple[str, tuple[int, int]]]:
    """The same with a name, for as long as the others need it."""
    _remove_abandoned(folder)
    _check_room(folder, size, ranks)
    path = os.path.join(folder, f"hpcdvc-{os.uname().nodename}-{os.getpid()}-{uuid.uuid4().hex}")
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    try:
        os.truncate(descriptor, size)
        yield path, _identity(descriptor)
    finally:
        os.close(descriptor)
        with contextlib.suppress(OSError):
            os.unlink(path)


def _check_room(folder: str, size: int, ranks: int) -> None:
    space = os.statvfs(folder)
    free = space.f_bavail * space.f_frsize
    # the MPI library fills its own part of /dev/shm as it goes, and dies when it cannot
    margin = (16 + 4 * ranks) * 2**20 if folder == "/dev/shm" else 0
    if size + margin > free:
        raise OSError(errno.ENOSPC, f"{free / 1e6:.1f} MB free")


def _open(path: str, identity: tuple[int, int], flags: int) -> int:
    """Open what another rank has created; OSError if the path leads elsewhere, as in a container of its own."""
    descriptor = os.open(path, os.O_RDWR | flags)
    if _identity(descriptor) != identity:
        os.close(descriptor)
        raise OSError(errno.ESTALE, "another file has this name here")
    return descriptor


def _identity(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def _remove_abandoned(folder: str) -> None:
    """Remove the files that runs of this machine have left which were killed before they could take the name away."""
    start = f"hpcdvc-{os.uname().nodename}-"
    for path in glob.glob(os.path.join(glob.escape(folder), f"{start}*")):
        process = os.path.basename(path).removeprefix(start).split("-")[0]
        with contextlib.suppress(OSError):  # of another user, or gone
            # processes of other containers cannot be seen, and theirs keep a name for less than that
            if time.time() - os.stat(path).st_ctime > OLD and not os.path.exists(f"/proc/{process}"):
                os.unlink(path)
