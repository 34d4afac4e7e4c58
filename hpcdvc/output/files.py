"""A file exists whole under its final name, or not at all."""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from hpcdvc.errors import RunError

#: rows of text made by one format operation: large enough to hide Python's cost per row, small enough to stay in cache
ROWS_PER_BLOCK = 4096


def temporary_name(path: str | Path) -> Path:
    """Name beside `path` under which the file is written until it is whole."""
    return Path(f"{path}.tmp")


@contextlib.contextmanager
def whole_file(path: str | Path, size: int = 0) -> Iterator[Path]:
    """Write `<path>.tmp` in the body of the ``with``; it is renamed to `path` when the body ends well, else removed.

    Parameters
    ----------
    path : final name, replaced if it exists
    size : bytes that will be written, compared with the free space before the body runs

    Raises
    ------
    RunError : the disk is full, or the file cannot be written
    """
    with disk_errors(path):
        prepare(path, size)
        yield temporary_name(path)
        settle(path)


@contextlib.contextmanager
def disk_errors(path: str | Path) -> Iterator[None]:
    """When the body of the ``with`` fails, remove the temporary file of `path`; RunError if the file system failed."""
    try:
        with write_errors(path):
            yield
    except BaseException:
        with contextlib.suppress(OSError):
            temporary_name(path).unlink()
        raise


@contextlib.contextmanager
def write_errors(path: str | Path) -> Iterator[None]:
    """RunError, one sentence about `path`, when the file system fails in the body of the ``with``."""
    try:
        yield
    except Exception as error:
        if _is_disk_error(error):
            raise _write_failure(path, error) from error
        raise


def prepare(path: str | Path, size: int) -> None:
    """Clear away the temporary file of a killed run; OSError (ENOSPC) if fewer than `size` bytes are free there."""
    temporary = temporary_name(path)
    temporary.unlink(missing_ok=True)
    free = shutil.disk_usage(temporary.parent).free
    if size > free:
        raise OSError(errno.ENOSPC, f"{size / 1e6:.1f} MB are needed, {free / 1e6:.1f} MB are free")


def settle(path: str | Path) -> None:
    """Bring the temporary file of `path` to the disk and give it its final name."""
    temporary = temporary_name(path)
    _sync(temporary)
    os.replace(temporary, path)
    with contextlib.suppress(OSError):  # some file systems cannot sync a directory; the rename is done all the same
        _sync(temporary.parent)


def _is_disk_error(error: BaseException) -> bool:
    """Whether the file system failed; HDF5 reports some of its failures as RuntimeError with the errno in the text."""
    return isinstance(error, OSError) or (isinstance(error, RuntimeError) and "errno = " in str(error))


def _write_failure(path: str | Path, error: BaseException) -> RunError:
    """One sentence that says why `path` was not written."""
    full = getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error)
    reason = getattr(error, "strerror", None) or (str(error) or type(error).__name__).splitlines()[0]
    if full:
        detail = f" ({reason})" if "are needed" in reason else ""
        return RunError(f"{path} was not written: no space left on its disk{detail}; free some space and run again")
    return RunError(f"{path} was not written: {reason}")


def write_table(stream: IO[str], columns: Sequence[np.ndarray], formats: Sequence[str], separator: str) -> None:
    """Write columns as lines of text, one line per row.

    Parameters
    ----------
    stream : text file
    columns : arrays of the same length
    formats : one %-format per column
    separator : text between two columns
    """
    line = separator.join(formats) + "\n"
    width, total = len(columns), len(columns[0])
    for start in range(0, total, ROWS_PER_BLOCK):
        count = min(ROWS_PER_BLOCK, total - start)
        values = [None] * (count * width)
        for k, column in enumerate(columns):
            values[k::width] = column[start : start + count].tolist()
        stream.write((line * count) % tuple(values))


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
