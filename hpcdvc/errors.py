"""How a run can end other than with a result."""

import errno
import os
import re
from collections.abc import Callable
from typing import Any


class UserError(ValueError):
    """A mistake in the command line or the input files: one sentence, exit code 2, nothing computed."""

    exit_code = 2


class RunError(RuntimeError):
    """A failure that needs no traceback (disk full, lost file): one sentence, exit code 1."""

    exit_code = 1


class Unfinished(RunError):
    """The run was asked to leave (SIGUSR1); what was measured is on disk, `--resume` goes on: exit code 75."""

    exit_code = 75


#: Errors that need no traceback.
SENTENCES = (UserError, RunError, OSError)


def outcome_of(function: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    """What a function returns, or the error that it raises, of those that need no traceback and of ``sys.exit``."""
    try:
        return function(), None
    except (*SENTENCES, SystemExit) as error:
        return None, error


def shortened(text: str, most: int = 80) -> str:
    """The beginning of a text that somebody else has written, for a message."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def quoted(value: object) -> str:
    """A value as a message quotes it: in its Python form, which shows control characters, and cut where it is long."""
    return shortened(repr(value))


#: Errors of the file system that are mistakes of whoever names a file; the others are failures of the machine.
MISTAKES = (
    *(errno.ENOENT, errno.EACCES, errno.EPERM, errno.EROFS),
    *(errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG),
)


def error_number(error: BaseException) -> int:
    """The errno behind an exception, 0 if there is none; HDF5 tells it in its text."""
    told = re.findall(r"errno = (\d+)", str(error))
    return int(told[-1]) if told else getattr(error, "errno", None) or 0


def file_error(path: object, error: BaseException, what: str = "cannot be read") -> UserError | RunError | None:
    """One sentence about a file for a failure of the file system; None for any other exception.

    Parameters
    ----------
    path : the file or folder
    error : raised by Python, or by a library that reads or writes
    what : could not be done
    """
    number = error_number(error)
    if not number:
        return None
    if number == errno.ENOMEM:
        return RunError(f"not enough memory: {path} {what}")
    kind = UserError if number in MISTAKES else RunError
    return kind(f"{path} {what}: {os.strerror(number)}")


def memory_error(error: BaseException) -> RunError | None:
    """One sentence for an exception, or one that has led to it, over memory that was not there; None for any other."""
    while error is not None:
        if isinstance(error, MemoryError):
            words = " ".join(str(error).split())
            return RunError(f"not enough memory{f': {shortened(words, 160)}' if words else ''}")
        library = re.search(r"(\S+): failed to map segment", str(error)) if isinstance(error, ImportError) else None
        if library:
            return RunError(f"not enough memory to load {os.path.basename(library[1])}")
        if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
            return RunError("no thread can be started: not enough memory, or too many processes")
        error = error.__cause__ or error.__context__
    return None
