"""Where results go: their names, what is there already, and whether there is room."""

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from hpcdvc.errors import MISTAKES, RunError, UserError
from hpcdvc.output import files


def stem_of(folder: str | None, name: str, suffix: str, im1: str) -> str:
    """Path of a result without its extension: in `folder`, by default that of im1."""
    return os.path.join(os.path.dirname(os.path.normpath(im1)) if folder is None else folder, f"{name}-{suffix}")


def is_finished(
    path: str, is_ours: Callable[[], bool], force: bool, resume: bool, changes: Callable[[], str] = str
) -> bool:
    """Whether a result is there already, whole and from the parameters of this run (only with `resume`).

    Parameters
    ----------
    path : the result
    is_ours : whether the file at `path` is of this run; UserError if it is no file of hpcdvc
    force : overwrite what is there
    resume : complete what is there; with `force`, only where it is of this run
    changes : parameters by which the file at `path` differs from this run, as text; "" where it does not say

    Raises
    ------
    UserError
        There is such a file already, and it is not to be overwritten or completed.
    """
    if not os.path.exists(path):
        return False
    if not resume and not force:
        raise UserError(f"{path} exists: --resume completes it, -pre or -od give another name, --force overwrites it")
    try:
        if resume and is_ours():
            return True
    except UserError:
        if not force:
            raise
    if not force:
        found = changes()
        raise UserError(
            f"{path} was made with other parameters or images{f' ({found})' * bool(found)}: "
            "-pre or -od give another name, --force overwrites it"
        )
    return False


def check_inputs_stay(results: list[str], inputs: list[str | None]) -> None:
    """Make sure that no result takes the place of a file that it is made from, or comes between slices.

    Raises
    ------
    UserError
        One would.
    """
    for folder in {os.path.dirname(result) or "." for result in results}:
        for path in filter(os.path.isdir, filter(None, inputs)):
            if os.path.isdir(folder) and os.path.samefile(path, folder):
                raise UserError(f"the results would come between the slices of {path}: give another -od")
    for result in filter(os.path.exists, results):
        for path in filter(None, inputs):
            if os.path.samefile(path, result):
                raise UserError(f"the result would replace {path}, from which it is made: give it another -pre or -od")


def check_names(paths: Iterable[str]) -> None:
    """Make sure that the file system takes the names of files to be written, and those that they have until then.

    Raises
    ------
    UserError
        One is too long.
    """
    for path in paths:
        temporary = files.temporary_name(path)  # the longest of all
        folder = next(str(folder) for folder in temporary.absolute().parents if os.path.exists(folder))
        length, most = len(os.fsencode(temporary.name)), os.pathconf(folder, "PC_NAME_MAX")
        if length > most:
            name = f"{temporary.name[:20]}...{temporary.name[-40:]}"
            raise UserError(
                f"the name of a result is too long, {name} has {length} bytes, {folder} takes {most}: "
                "give a shorter -pre, or rename the images"
            )


def check_folder(folder: str | Path) -> None:
    """Find out, before anything is computed, whether files can be written into a folder, which is made if needed.

    Raises
    ------
    UserError
        The folder cannot be made or written; RunError when the disk fails.
    """
    folder = Path(folder)
    with _said(folder):
        for place in (*reversed(folder.parents), folder):
            place.mkdir(files.FOLDER_MODE, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"hpcdvc")
            file.flush()


def check_room(folder: str | Path, need: int) -> None:
    """Find out whether a folder, which need not be there yet, has room for `need` bytes; changes nothing on the disk.

    Raises
    ------
    UserError
        The folder cannot be written, or its disk is too small; RunError when that fails.
    """
    folder = Path(folder)
    with _said(folder):
        place = next(place for place in (folder, *folder.absolute().parents) if place.exists())
        if not place.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"{place} is not a folder")
        if not os.access(place, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "permission denied")
        free = shutil.disk_usage(place).free
    if need > free:
        raise UserError(f"no space for the results in {folder}: {_size(need)} are needed, {_size(free)} are free")


@contextlib.contextmanager
def _said(folder: str | Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        kind = UserError if error.errno in MISTAKES else RunError
        raise kind(f"the output folder {Path(folder)} cannot be written: {error.strerror}") from error


def _size(number: int) -> str:
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.1f} MB"
