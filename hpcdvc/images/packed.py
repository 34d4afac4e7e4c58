"""Where voxels lie in a file as one C-ordered block, and what it inflates to where it is compressed."""

import gzip
import io
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hpcdvc.images.files import LoneFile
from hpcdvc.images.numbers import Numbers

#: First bytes of a file that is compressed by gzip.
GZIP = b"\x1f\x8b"
#: Bytes that are inflated at a time.
SOME = 2**20


@dataclass(frozen=True)
class Block:
    """Where the voxels of a file are, and what they are.

    Attributes
    ----------
    path : the file that holds them
    shape : along the axes of the file, the slowest first
    numbers : how they become voxels
    start : byte where they begin, of a compressed block in what it inflates to
    packing : ``""``; ``"gzip"``, the whole file; ``"zlib"``, from `packed_start` on
    packed_start, packed_bytes : where the compressed block begins, and its bytes; None: up to the end of the file
    """

    path: str
    shape: tuple[int, ...]
    numbers: Numbers
    start: int = 0
    packing: str = ""
    packed_start: int = 0
    packed_bytes: int | None = None

    @property
    def stop(self) -> int:
        """First byte behind the voxels."""
        return self.start + math.prod(self.shape) * self.numbers.voxel_bytes

    @contextmanager
    def opened(self) -> Iterator:
        """The file, or what it inflates to, for reading from any byte on."""
        with LoneFile(self.path) as file:
            if self.packing == "gzip":
                yield gzip.GzipFile(fileobj=file)
            elif self.packing == "zlib":
                yield _Inflated(file, self.packed_start, self.packed_bytes)
            else:
                yield file


class _Inflated(io.RawIOBase):
    """What a part of a file inflates to; it is read onward, or from its beginning again.

    Parameters
    ----------
    file : of bytes
    start, size : the part; size None: up to the end of the file
    """

    def __init__(self, file, start: int, size: int | None) -> None:
        self._file, self._start, self._size = file, start, size
        self._begin()

    def _begin(self) -> None:
        self._file.seek(self._start)
        self._left, self._place = self._size, 0
        self._inflate, self._packed = zlib.decompressobj(47), b""  # with the header of zlib or of gzip

    def readable(self) -> bool:
        """It is."""
        return True

    def seek(self, place: int, whence: int = 0) -> int:
        """Go to a byte from the beginning."""
        if place < self._place:
            self._begin()
        while self._place < place:
            if not self.readinto(memoryview(bytearray(min(place - self._place, SOME)))):
                break
        return self._place

    def tell(self) -> int:
        """Bytes that have been read."""
        return self._place

    def readinto(self, memory) -> int:
        """Fill memory as far as there are bytes; their number."""
        view, filled = memoryview(memory).cast("B"), 0
        while filled < len(view) and not self._inflate.eof:
            packed = self._packed or self._file.read(SOME if self._left is None else min(SOME, self._left))
            if not packed:
                raise EOFError("the compressed voxels end too early")
            if not self._packed and self._left is not None:
                self._left -= len(packed)
            found = self._inflate.decompress(packed, len(view) - filled)
            self._packed = self._inflate.unconsumed_tail
            view[filled : filled + len(found)] = found
            filled += len(found)
        self._place += filled
        return filled
