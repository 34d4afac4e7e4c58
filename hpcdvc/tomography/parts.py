"""Parts of HDF5 files by name: links are followed with care, and what was never written is not taken for zeros."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.images.hdf5_links import follow
from hpcdvc.images.hdf5_numbers import number_type, read_numbers
from hpcdvc.images.hdf5_storage import files_of, load_filters
from hpcdvc.images.volume import header_seconds, reading

if TYPE_CHECKING:
    import h5py

#: Numbers that a part other than a view holds at most: angles, keys, matrices.
MOST_NUMBERS = 2**24


@contextmanager
def opened(path: str, spec: str, seconds: float = 0.0) -> Iterator["h5py.File"]:
    """An HDF5 file, open while it is read.

    Parameters
    ----------
    path : the file
    spec : the scan, for messages
    seconds : CPU time that it may take beside that of a header

    Raises
    ------
    UserError : it is damaged, or none
    """
    with reading(spec, header_seconds(path) + seconds):
        import h5py

        with h5py.File(path, "r") as file:
            yield file


def part(group: "h5py.Group", name: str, spec: str) -> "h5py.Group | h5py.Dataset | None":
    """What stands under a path in a group; None if nothing does."""
    return follow(group, name, spec)


def numbers(group: "h5py.Group", name: str, spec: str) -> np.ndarray | None:
    """The numbers of a small dataset as float64, of its own shape; None if it is not there.

    Raises
    ------
    UserError : it holds none, was never written, or is too large
    """
    import h5py

    data = follow(group, name, spec)
    if data is None:
        return None
    place = f"{spec}:{group.name.rstrip('/')}/{name}"
    if not isinstance(data, h5py.Dataset) or data.shape is None or not is_numeric(data):
        raise UserError(f"{place} holds no numbers")
    if data.size > MOST_NUMBERS:
        raise UserError(f"{place} holds {data.size} numbers, where one for each view is meant")
    return read_whole(data, place).astype(np.float64)


def is_numeric(data: "h5py.Dataset") -> bool:
    """Whether a dataset holds numbers of a type that can be read."""
    try:
        return number_type(data).kind in "biuf"
    except TypeError:
        return False


def read_whole(data: "h5py.Dataset", spec: str) -> np.ndarray:
    """All numbers of a dataset in their own type; UserError where some were never written."""
    files_of(data, spec)
    load_filters(data, spec)
    if data.shape == ():
        return np.asarray(data[()])
    values = np.empty(data.shape, number_type(data).newbyteorder("="))
    if values.size:
        read_numbers(data, (), values)
    return values


def attribute(node: "h5py.Group | h5py.Dataset", name: str) -> str | None:
    """A text attribute, however it was stored; None if it is no text, or not there."""
    value = node.attrs.get(name)
    if isinstance(value, np.ndarray) and value.size:
        value = value.ravel()[0]
    value = value.decode(errors="replace") if isinstance(value, bytes) else value
    return value if isinstance(value, str) else None


def text(group: "h5py.Group", name: str, spec: str) -> str | None:
    """The text of a scalar dataset; None if it is none, or not there."""
    import h5py

    data = follow(group, name, spec)
    if not isinstance(data, h5py.Dataset) or data.size != 1 or data.dtype.kind not in "SO":
        return None
    value = np.asarray(data[()]).ravel()[0]
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
