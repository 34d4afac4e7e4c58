"""Which files are opened for a volume: regular ones, and what a file may lead to."""

import io
import os
import stat

import numpy as np

from hpcdvc.errors import UserError

#: Voxels take at most so many times the bytes of their files: what a compressor makes of an image of one grey value.
DENSEST = 2**16


class LoneFile(io.BufferedReader):
    """A file open for reading, which does not tell libraries that there are files beside it.

    tifffile opens what headers name, whatever it is and wherever; not for a stream without a descriptor. The end of a
    ``with`` raises the first failure of the disk: libraries take it for an end of the file, or for damage.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self._raw = _Remembering(open_regular(path))
        super().__init__(self._raw)
        self._path = os.path.realpath(path)

    def __exit__(self, *error: object) -> None:
        self.close()
        if self._raw.failure:
            raise self._raw.failure

    @property
    def name(self) -> str:
        """Where it is, links resolved."""
        return self._path

    def fileno(self) -> int:
        """None is told."""
        raise io.UnsupportedOperation("fileno")


class _Remembering(io.FileIO):
    """A file that remembers its first failure."""

    failure: OSError | None = None

    def readinto(self, buffer) -> int | None:
        try:
            return super().readinto(buffer)
        except OSError as error:
            self.failure = self.failure or error
            raise


def open_regular(path: str | os.PathLike) -> int:
    """Descriptor of a file for reading.

    Raises
    ------
    UserError
        It is a pipe, a device or a socket, which is not waited for.
    OSError
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise UserError(f"{path} is no regular file")


def is_regular(path: str, spec: str) -> bool:
    """Whether a file is there that can be opened.

    Parameters
    ----------
    path : of the file
    spec : the volume that leads to it, for messages

    Raises
    ------
    UserError
        It is a pipe, a device or a socket.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return stat.S_ISREG(mode)
    raise UserError(f"{spec} leads to {path}, which is no regular file")


def is_within(path: str, folder: str) -> bool:
    """Whether a file lies in a folder or below, links resolved."""
    top = os.path.realpath(folder)
    return os.path.commonpath([top, os.path.realpath(path)]) == top


def check_size(spec: str, claimed: int, files: tuple[str, ...]) -> None:
    """Refuse a header that claims more bytes of voxels than its files can hold, before memory is asked for.

    Raises
    ------
    UserError
        They are more than `DENSEST` times those of the files.
    """
    held = sum(os.path.getsize(path) for path in dict.fromkeys(files))
    if claimed > DENSEST * held:
        raise UserError(
            f"{spec} is damaged: its header claims {claimed} bytes of voxels, its files hold {held}, compressed"
        )


def read_block(file, offset: int, stored: np.dtype, slices: np.ndarray) -> None:
    """Read C-ordered voxels from a byte offset of a file on, straight into place."""
    file.seek(offset)
    if file.readinto(slices) != slices.nbytes:
        raise EOFError(f"file ends before byte {offset + slices.nbytes}")
    if not stored.isnative:
        slices.byteswap(inplace=True)
