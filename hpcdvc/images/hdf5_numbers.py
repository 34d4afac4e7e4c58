"""Numbers of HDF5 datasets: types that numpy has not, and where HDF5 must convert them."""

import numpy as np


def number_type(data) -> np.dtype:
    """Type of the numbers of a dataset in memory, in the byte order of the file.

    Raises
    ------
    TypeError
        Neither numpy nor h5py has one that holds them.
    """
    from h5py import h5t

    try:
        found = data.dtype
    except (TypeError, ValueError, KeyError) as error:
        raise TypeError(*error.args) from error
    stored = data.id.get_type()
    if isinstance(stored, h5t.TypeEnumID) and not _is_numpys(stored.get_super()):
        raise TypeError("names for numbers of another width than their bytes")
    whole = [getattr(h5t, f"STD_B{8 * stored.get_size()}{order}", None) for order in ("LE", "BE")]
    if isinstance(stored, h5t.TypeBitfieldID) and not any(stored == kind for kind in whole):
        raise TypeError("a number of bits that is not that of their bytes")
    return found


def _is_numpys(stored) -> bool:
    """Whether numpy would write such numbers: all bits of their bytes count."""
    from h5py import h5t

    return stored == h5t.py_create(stored.dtype, logical=True)


def block_offset(data) -> int | None:
    """Where the voxels start in the file of a dataset, if they lie there as numpy would write them; else None."""
    from h5py import h5d

    how = data.id.get_create_plist()
    in_one_block = how.get_layout() == h5d.CONTIGUOUS and not how.get_external_count()
    return data.id.get_offset() if in_one_block and _is_numpys(data.id.get_type()) else None


def _order(stored) -> int | None:
    """Byte order of a type; None of those that are read as they are."""
    from h5py import h5t

    is_number = isinstance(stored, (h5t.TypeIntegerID, h5t.TypeFloatID, h5t.TypeBitfieldID))
    return stored.get_order() if is_number else None


def is_read_rightly(part, data) -> bool:
    """Whether HDF5 reads a source of a virtual dataset rightly when it reads the latter; see `read_numbers`."""
    stored = part.id.get_type()
    return _is_numpys(stored) or _order(stored) == _order(data.id.get_type())


def read_numbers(data, start: tuple[int, ...], values: np.ndarray) -> None:
    """Read voxels of a dataset.

    They are read in the byte order of the file and turned round here: HDF5 2.0 and before forget, when they turn them
    round, that not all bits of a number may count, and its sign with them.

    Parameters
    ----------
    data : h5py.Dataset
    start : the first voxel, of its first axes; of the others all is read
    values : array of a native type, filled; C-contiguous
    """
    from h5py import h5s, h5t

    array = values.view(data.dtype) if data.dtype == np.dtype(bool) else values
    stored, wanted = data.id.get_type(), h5t.py_create(array.dtype, logical=True)
    order = _order(stored)
    turned = order is not None and order != h5t.py_create(values.dtype).get_order()
    if isinstance(stored, h5t.TypeBitfieldID):
        wanted = stored  # bits become no number
    elif turned:
        wanted = wanted.copy()
        wanted.set_order(order)
    first = (*start, *(0,) * (data.ndim - len(start)))
    count = (1,) * (data.ndim - array.ndim) + array.shape
    space = data.id.get_space()
    space.select_hyperslab(first, count)
    data.id.read(h5s.create_simple(array.shape), space, array, wanted)
    if turned:
        array.byteswap(inplace=True)
