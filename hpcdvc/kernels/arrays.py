"""What a kernel is handed, checked: it reads and writes by address, and an array that does not fit would crash it."""

import numpy as np

from hpcdvc.kernels.records import RECORDS, dtype


def address(array: np.ndarray, kind: str, shape: tuple, what: str, *, fill: bool = False) -> int:
    """Address of the first byte of an array that is what the kernel takes it for.

    Parameters
    ----------
    array : aligned and C-contiguous
    kind : name of a record, or of a numpy type
    shape : lengths of the axes; None for one that may be any
    what : its name in messages
    fill : the kernel writes into it

    Raises
    ------
    TypeError
        It is no array, or one of another type.
    ValueError
        It has another shape, is not aligned, not C-contiguous, or not writeable though it is to be filled.
    """
    wanted = dtype(kind) if kind in RECORDS else np.dtype(kind)
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{what}: an array is needed, not {type(array).__name__}")
    if array.dtype != wanted:
        found = "other records" if array.dtype.names else array.dtype
        raise TypeError(f"{what}: an array of {kind} is needed, not one of {found}")
    fits = array.ndim == len(shape) and all(n in (m, None) for n, m in zip(shape, array.shape, strict=True))
    if not fits:
        text = ", ".join("any" if n is None else str(n) for n in shape)
        raise ValueError(f"{what}: the shape ({text}) is needed, not {array.shape}")
    if not (array.flags.c_contiguous and array.flags.aligned):
        raise ValueError(f"{what}: a C-contiguous and aligned array is needed")
    if fill and not array.flags.writeable:
        raise ValueError(f"{what}: an array that can be written to is needed")
    return array.ctypes.data


def record(name: str, /, **values) -> np.ndarray:
    """A record (array without axes) with these values, 0 elsewhere."""
    result = np.zeros((), dtype(name))
    for field, value in values.items():
        result[field] = value
    return result
