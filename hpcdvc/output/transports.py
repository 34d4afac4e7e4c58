"""Two ways to bring rows into one HDF5 file: rank 0 writes all, or all ranks write theirs (MPI-HDF5).

The rules of MPI-HDF5 kept here: every rank creates the same groups, datasets and attributes with the same values; all
ranks take part in every write, those without rows with an empty selection.
"""

import contextlib
import io
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.output.files import open_alone

if TYPE_CHECKING:
    from hpcdvc.ranks.team import Team

#: what ParaView 5.11 reads; "latest" loses all arrays there
LIBVER = ("earliest", "v110")


#: makes the numbers of the points from one on, up to another one
Make = Callable[[int, int], np.ndarray]
#: points whose numbers are made or read at a time where one rank writes or reads those of all
POINTS_AT_ONCE = 2**18
#: most bytes of a text in an attribute; an attribute of 64 kB fits into no file of this format
LONGEST_ATTRIBUTE = 60_000


def put_text(node: "h5py.Group | h5py.Dataset", name: str, text: str) -> None:
    """Store a text beside arrays: of fixed length, for those of variable length stand in a heap, where HDF5 crashes
    over single wrong bytes. A long one, which only a group can have, becomes a dataset."""
    value = np.bytes_(text.encode())
    if len(value) > LONGEST_ATTRIBUTE:
        node.create_dataset(name, data=value, track_times=False)
    else:
        node.attrs[name] = value


def choose_transport(team: "Team | None" = None) -> str:
    """How the result is written, on one rank: "gather", or "parallel" if the environment variable HPCDVC_HDF5 says so.

    Parameters
    ----------
    team : ranks of the run, None = serial

    Raises
    ------
    UserError : HPCDVC_HDF5 is neither, or asks for what this h5py cannot do
    """
    wanted = os.environ.get("HPCDVC_HDF5") or "gather"
    if wanted not in ("gather", "parallel"):
        raise UserError(f"HPCDVC_HDF5={wanted} is not known; use HPCDVC_HDF5=parallel or HPCDVC_HDF5=gather")
    if wanted == "gather":
        return wanted
    if not h5py.get_config().mpi:
        raise UserError(f"HPCDVC_HDF5=parallel needs an h5py with MPI; h5py {h5py.__version__} here was built without")
    libraries = _loaded_mpi_libraries()
    if len(libraries) > 1:
        raise UserError(
            "HPCDVC_HDF5=parallel needs h5py and mpi4py built for the same MPI; loaded are " + " and ".join(libraries)
        )
    return "parallel" if team and team.comm is not None else "gather"


def _loaded_mpi_libraries() -> list[str]:
    """MPI libraries in this process (Linux): a second one means that h5py was built for another MPI."""
    maps = Path("/proc/self/maps")
    text = maps.read_text() if maps.exists() else ""
    return sorted(set(re.findall(r"\S+/(libmpi(?:ch)?\.so\S*)", text)))


class _CheckedFile(io.FileIO):
    """A file for HDF5 that keeps its first failure to itself.

    HDF5 writes late, when h5py can raise nothing any more: it would print, go on and end in a crash.
    """

    failure: OSError | None = None

    def write(self, data) -> int:
        """Write all of `data`, or remember why not."""
        rest = memoryview(data)
        with self._remembering():
            while rest.nbytes:
                rest = rest[super().write(rest) :]
        return memoryview(data).nbytes

    def truncate(self, size: int | None = None) -> int:
        """Set the size of the file, or remember why not."""
        with self._remembering():
            return super().truncate(size)
        return size or 0

    @contextlib.contextmanager
    def _remembering(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.failure = self.failure or error

    def check(self) -> None:
        """Raise what went wrong so far."""
        if self.failure:
            raise self.failure


class GatheredFile:
    """An HDF5 file that one rank writes: `put` is given all rows. Use it in a ``with``, which raises disk errors."""

    def __init__(self, path: Path):
        self.stream = _CheckedFile(path, "w+", opener=open_alone)
        self.file = h5py.File(self.stream, "w", libver=LIBVER)

    def __enter__(self) -> "GatheredFile":
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()
        self.stream.close()
        if not error[0]:
            self.stream.check()

    def put(self, name: str, values: np.ndarray, start: int, shape: tuple[int, ...]) -> None:
        """Create the dataset `name` of `shape` and fill it."""
        dataset = self.file.create_dataset(name, shape, values.dtype, track_times=False)
        if dataset.size:
            dataset[...] = values.reshape(shape)
        self.stream.check()

    def fill(self, name: str, make: Make, count: int, dtype: np.dtype, start: int, shape: tuple[int, ...]) -> None:
        """Create the dataset `name` of `shape` and fill it with what `make` makes of some points at a time."""
        dataset = self.file.create_dataset(name, shape, dtype, track_times=False)
        per_plane = count // max(shape[0], 1)
        step = max(POINTS_AT_ONCE // max(per_plane, 1), 1)
        for first in range(0, shape[0] if dataset.size else 0, step):
            last = min(first + step, shape[0])
            dataset[first:last] = make(first * per_plane, last * per_plane).reshape(last - first, *shape[1:])
            self.stream.check()


class CollectiveFile:
    """An HDF5 file that all ranks write together: each calls `put` with its own rows."""

    def __init__(self, path: Path, comm):
        self.file = h5py.File(path, "w", libver=LIBVER, driver="mpio", comm=comm)
        self.transfer = h5py.h5p.create(h5py.h5p.DATASET_XFER)
        self.transfer.set_dxpl_mpio(h5py.h5fd.MPIO_COLLECTIVE)

    def fill(self, name: str, make: Make, count: int, dtype: np.dtype, start: int, shape: tuple[int, ...]) -> None:
        """Create the dataset `name` of `shape` and fill rows `start`, `start` + 1, ... with the points of this rank."""
        self.put(name, make(0, count), start, shape)

    def put(self, name: str, values: np.ndarray, start: int, shape: tuple[int, ...]) -> None:
        """Create the dataset `name` of `shape` and fill rows `start`, `start` + 1, ... counted in C order."""
        dataset = self.file.create_dataset(name, shape, values.dtype, track_times=False)
        if not dataset.size:  # a collective write of nothing is an error
            return
        components = values.shape[1:]
        selected = dataset.id.get_space()
        selected.select_none()
        for offset, count in boxes(start, start + len(values), shape[: len(shape) - len(components)]):
            whole = (0,) * len(components)
            selected.select_hyperslab((*offset, *whole), (*count, *components), op=h5py.h5s.SELECT_OR)
        memory = h5py.h5s.create_simple((max(values.size, 1),))
        if not values.size:
            memory.select_none()  # h5py skips the call for an empty slice, and the other ranks would wait for ever
            values = np.zeros(1, values.dtype)
        dataset.id.write(memory, selected, np.ascontiguousarray(values), dxpl=self.transfer)


def boxes(start: int, stop: int, shape: tuple[int, ...]) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Cut elements start..stop-1 of an array of `shape` (C order) into boxes.

    Returns
    -------
    list of (offset, count), at most 2 * ndim - 1 of them, in C order
    """
    if start >= stop:
        return []
    if len(shape) == 1:
        return [((start,), (stop - start,))]
    slab = int(np.prod(shape[1:]))
    first, last = -(-start // slab), stop // slab  # whole slabs: first..last-1

    def within(k: int, a: int, b: int) -> list:
        return [((k, *offset), (1, *count)) for offset, count in boxes(a - k * slab, b - k * slab, shape[1:])]

    if first > last:
        return within(last, start, stop)
    middle = [((first,) + (0,) * (len(shape) - 1), (last - first, *shape[1:]))] if last > first else []
    return within(first - 1, start, first * slab) + middle + within(last, last * slab, stop)
