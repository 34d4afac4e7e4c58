"""Parts of HDF5 files of scans by name: links are followed with care, and what was never written is not taken for zeros."""

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
def opened(path: str, spec: str) -> Iterator["h5py.File"]:
    """An HDF5 file, open while its header is read; UserError, naming `spec`, when it is damaged or none."""
    with reading(spec, header_seconds(path)):
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
