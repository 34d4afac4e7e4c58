"""HDF5 files of ours back in, whoever has written them or changed them since: results and meshes.

Reading ends with what is wanted or with one sentence. Only what is needed is touched, each by its own name; nothing
outside the file is followed; no array is made before the file is known to be large enough for it.
"""

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hpcdvc.errors import RunError, UserError, file_error, shortened
from hpcdvc.kernels import guard
from hpcdvc.output.files import check_regular

#: Most bytes of a text: parameters have a few thousand.
LONGEST_TEXT = 2**26
#: Most bytes that one byte of a file can stand for where its arrays are compressed (deflate: 1032).
COMPRESSED = 1100
#: Bytes that HDF5 reads in a second of CPU time at least.
SLOWEST = 1e8


class Stored:
    """An open HDF5 file.

    Parameters
    ----------
    file : the file
    path : its name, for messages
    """

    def __init__(self, file: "h5py.File", path: str | Path):
        self.root, self.path, self._bytes = file["/"], path, os.path.getsize(path)

    def find(self, name: str) -> "h5py.Group | h5py.Dataset | None":
        """The group or dataset of this name in the file itself; None if there is none."""
        node = self.root
        for part in filter(None, name.split("/")):
            word = part.encode()
            if not isinstance(node, h5py.Group) or word not in node.id:
                return None
            if node.id.links.get_info(word).type != h5py.h5l.TYPE_HARD:
                raise self.damaged(f"{name} is a link")
            node = node[part]
        return node

    def array(self, name: str, shape: tuple[int | None, ...] | None = None) -> np.ndarray:
        """A dataset of numbers in memory; of a shape in which None is any length."""
        return self.dataset(name, shape)[...]

    def dataset(self, name: str, shape: tuple[int | None, ...] | None = None) -> "h5py.Dataset":
        """The same, to be read in parts."""
        found = self.find(name)
        if not isinstance(found, h5py.Dataset):
            raise self.damaged(f"it has no dataset {name}")
        self._check(found, name)
        if shape is not None and not _fits(found.shape, shape):
            raise self.damaged(f"{name} has shape {found.shape}")
        if found.dtype.kind not in "biuf":
            raise self.damaged(f"{name} holds no numbers")
        return found

    def records(self, name: str) -> np.ndarray | None:
        """A table of records of numbers; None where there is none of this name."""
        found = self.find(name)
        if not isinstance(found, h5py.Dataset):
            return None
        self._check(found, name)
        if found.dtype.hasobject:
            raise self.damaged(f"{name} holds no numbers")
        return found[...]

    def holds_numbers(self, name: str, lead: tuple[int, ...]) -> bool:
        """Whether there is a dataset of numbers, one or more for each point; what is none is left alone."""
        try:
            found = self.find(name)
            numbers = isinstance(found, h5py.Dataset) and found.dtype.kind in "biuf"
            return numbers and found.shape[: len(lead)] == lead and self._check(found, name) is None
        except (UserError, TypeError):
            return False

    def text(self, group: str, name: str) -> str | None:
        """A text beside the arrays of a group, or of a dataset; None where there is none."""
        node, word = self.find(group), name.encode()
        if node is None:
            return None
        if h5py.h5a.exists(node.id, word):
            attribute = h5py.h5a.open(node.id, word)
            if attribute.shape not in ((), (1,)) or attribute.get_storage_size() > LONGEST_TEXT:
                raise self.damaged(f"{name} is no text")
            value = np.asarray(node.attrs[name]).reshape(-1)[0]
        elif isinstance(node, h5py.Group) and isinstance(self.find(f"{group}/{name}"), h5py.Dataset):
            found = self.find(f"{group}/{name}")
            self._check(found, name)
            value = found[()]
        else:
            return None
        if not isinstance(value, (str, bytes)):
            raise self.damaged(f"{name} is no text")
        return value.decode(errors="replace") if isinstance(value, bytes) else str(value)

    def json(self, group: str, name: str) -> Any:
        """What a text says in JSON; None where there is none of this name."""
        text = self.text(group, name)
        try:
            return None if text is None else json.loads(text)
        except (ValueError, RecursionError) as error:
            raise self.damaged(f"{name} is not JSON") from error

    def damaged(self, what: str) -> UserError:
        """The sentence for a file that is not as it was written."""
        return UserError(f"{self.path} is damaged or was changed: {shortened(what, 160)}")

    def _check(self, found: "h5py.Dataset", name: str) -> None:
        """Make sure that a dataset stands in the file, all of it."""
        if found.shape is None or found.is_virtual or found.external:
            raise self.damaged(f"{name} does not stand in the file itself")
        size = math.prod(found.shape) * found.dtype.itemsize
        if size > self._bytes * (COMPRESSED if found.chunks else 1):
            raise self.damaged(f"{name} would have {size} bytes, more than the file has")


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(shape) == len(wanted) and all(w in (None, n) for n, w in zip(shape, wanted, strict=True))


def is_hdf5(path: str | Path) -> bool:
    """Whether a file is one of HDF5.

    Raises
    ------
    UserError : no such file; RunError : the disk has failed
    """
    check_regular(path)
    try:
        return h5py.is_hdf5(path)
    except Exception as error:
        raise file_error(path, error) or error from error


@contextmanager
def opened(path: str | Path) -> Iterator[Stored]:
    """Open an HDF5 file to read. Whatever is raised in the ``with`` leaves it as one sentence that names the file; what
    no exception reports ends the process, see `hpcdvc.kernels.guard`.

    Raises
    ------
    UserError : no such file, no HDF5 file, or one that is damaged; RunError : the disk or the memory has failed
    """
    check_regular(path)
    try:
        seconds = round(guard.CPU_SECONDS + os.path.getsize(path) / SLOWEST, 1)
        with guard.reading(path, seconds), h5py.File(path, "r", locking=False) as file:
            yield Stored(file, path)
    except (UserError, RunError):
        raise
    except MemoryError as error:
        raise RunError(f"not enough memory to read {path}") from error
    except Exception as error:  # of a damaged file h5py raises anything
        reason = shortened(" ".join(str(error).split()), 120)
        damaged = UserError(f"{path} is not an HDF5 file, or it is damaged: {type(error).__name__} {reason}".rstrip())
        raise file_error(path, error) or damaged from error
