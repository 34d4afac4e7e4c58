"""A file exists whole under its final name, or not at all.

Until then it has a name that nobody can foresee, and is made only where there is nothing: what somebody else has put
into a shared folder, a link to another file for example, is never written to.
"""

import contextlib
import errno
import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from hpcdvc.errors import RunError, UserError, error_number, file_error, shortened

#: rows of text made by one format operation: large enough to hide Python's cost per row, small enough to stay in cache
ROWS_PER_BLOCK = 4096


#: Permissions of files and folders, of which the umask takes more away: nothing is writable by all.
FILE_MODE, FOLDER_MODE = 0o664, 0o775
#: What a temporary name adds to the final one.
_TEMPORARY = re.compile(r"\.[0-9a-f]{16}\.tmp")


def temporary_name(path: str | Path) -> Path:
    """A name beside `path`, another one each time, under which the file is written until it is whole."""
    return Path(f"{path}.{os.urandom(8).hex()}.tmp")


def temporary_files(paths: Iterable[str | Path]) -> list[Path]:
    """What runs that were killed have left of files to be written to `paths`, or others are writing now."""
    wanted, found = {os.path.abspath(path) for path in paths}, []
    for folder in {os.path.dirname(path) for path in wanted}:
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(folder):
                end = _TEMPORARY.search(name)
                if end and end.end() == len(name) and os.path.join(folder, name[: end.start()]) in wanted:
                    found.append(Path(folder, name))
    return found


def sweep(paths: Iterable[str | Path]) -> None:
    """Delete what runs that were killed have left of files to be written to `paths`, where that is allowed."""
    for path in temporary_files(paths):
        with contextlib.suppress(OSError):
            path.unlink()


def create(path: str | Path, flags: int = os.O_WRONLY) -> int:
    """Make a file where there is nothing, not even a link that leads nowhere, and open it; FileExistsError else."""
    return os.open(path, flags | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)


def check_regular(path: str | Path) -> None:
    """Make sure that a file that somebody names is there: UserError where it is not, or is a pipe, a device, a folder.

    What it leads to, if it is a link, counts; see `open_regular` for files whose names are ours.
    """
    if not os.path.isfile(path):
        raise UserError(f"{path} is no regular file" if os.path.exists(path) else f"{path}: no such file")


def read_small(path: str | Path, largest: int, what: str) -> bytes:
    """What stands in a file that somebody has written by hand, or a program for a few numbers.

    Parameters
    ----------
    path : the file
    largest : bytes that it may have
    what : it holds, for the message

    Raises
    ------
    UserError
        No such file, or a pipe or device, or one that cannot be read or is larger.
    """
    path = Path(path)
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise UserError(f"{path} is no file")
        with path.open("rb") as file:
            data = file.read(largest + 1)
    except OSError as error:
        raise file_error(path, error) or error from error
    if len(data) > largest:
        raise UserError(f"{path} is larger than {largest} bytes: it holds more than {what}")
    return data


def open_regular(path: str | Path, flags: int = os.O_RDONLY) -> int:
    """Open a file that programs of hpcdvc have made; UserError where it is a link, a pipe, a device or a folder."""
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise UserError(f"{path} is no regular file: remove it") from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UserError(f"{path} is no regular file: remove it")
    return descriptor


def fill(temporary: str | Path, mode: str = "w", **more: Any) -> IO:
    """Open a file that `create` has made, which is empty, as `open` does; not what somebody has put in its place since.

    Raises
    ------
    UserError
        It is a link now, or has another name too.
    """
    return open(temporary, mode, opener=open_alone, **more)


def open_alone(path: str | Path, flags: int) -> int:
    """Open a file that is there, if it has no other name; the opener of `fill`."""
    descriptor = open_regular(path, flags & ~(os.O_CREAT | os.O_TRUNC))
    if os.fstat(descriptor).st_nlink == 1:
        return descriptor
    os.close(descriptor)
    raise UserError(f"{path} has another name too: remove it")


@contextlib.contextmanager
def whole_file(path: str | Path, size: int = 0) -> Iterator[Path]:
    """Write a temporary file in the body of the ``with``; it is renamed to `path` when that ends well, else removed.

    Parameters
    ----------
    path : final name, replaced if it exists
    size : bytes that will be written, compared with the free space before the body runs

    Raises
    ------
    RunError : the disk is full, or the file cannot be written
    """
    with write_errors(path):
        temporary = prepare(path, size)
        with removed_on_errors(temporary):
            yield temporary
            settle(temporary, path)


@contextlib.contextmanager
def removed_on_errors(temporary: Path) -> Iterator[None]:
    """When the body of the ``with`` fails, remove the temporary file."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


@contextlib.contextmanager
def write_errors(path: str | Path) -> Iterator[None]:
    """RunError, one sentence about `path`, when the file system fails in the body of the ``with``."""
    try:
        yield
    except Exception as error:
        if isinstance(error, OSError) or error_number(error):
            raise _write_failure(path, error) from error
        raise


def prepare(path: str | Path, size: int) -> Path:
    """Make the temporary file of `path`, empty; OSError (ENOSPC) if fewer than `size` bytes are free there."""
    temporary = temporary_name(path)
    free = shutil.disk_usage(temporary.parent).free
    if size > free:
        raise OSError(errno.ENOSPC, f"{size / 1e6:.1f} MB are needed, {free / 1e6:.1f} MB are free")
    os.close(create(temporary))
    return temporary


def settle(temporary: Path, path: str | Path) -> None:
    """Bring the temporary file to the disk and give it its final name."""
    _sync(temporary)
    os.replace(temporary, path)
    with contextlib.suppress(OSError):  # some file systems cannot sync a directory; the rename is done all the same
        _sync(temporary.parent)


def _write_failure(path: str | Path, error: BaseException) -> RunError:
    """One sentence that says why `path` was not written."""
    number, own = error_number(error), str(getattr(error, "strerror", None))
    if number in (errno.ENOSPC, errno.EDQUOT):
        detail = f" ({own})" if "are needed" in own else ""
        return RunError(f"{path} was not written: no space left on its disk{detail}; free some space and run again")
    reason = os.strerror(number) if number else shortened(" ".join(str(error).split()) or type(error).__name__)
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
