"""Voxels that lie in a file as one C-ordered block, behind a header that another module reads; it may be compressed.

A block that is not compressed is mapped where its numbers are voxels, else each rank reads its slab. A compressed one
has no places to begin at: one rank of a node reads it from its beginning.
"""

import gzip
import math
import os
import struct
import zlib
from dataclasses import replace

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.images.files import LoneFile
from hpcdvc.images.packed import SOME, Block
from hpcdvc.images.volume import HEADER_SECONDS, SLOWEST, VolumeInfo, make_info, part_of, reading

#: Bytes behind the voxels up to which the end of a file is looked for.
BEHIND = 2**24


def describe_block(spec: str, path: str, block: Block, kind: str, index: tuple[int, ...] = ()) -> VolumeInfo:
    """Header of a block, all of whose voxels are there; see `hpcdvc.images.describe`.

    Parameters
    ----------
    spec, path, kind, index : see `VolumeInfo`
    block : from the header of the file

    Raises
    ------
    UserError
        The file is cut, or holds no volume.
    """
    numbers = block.numbers
    offset = block.start if numbers.how == "plain" and not block.packing else None
    files, notes = (block.path,), numbers.notes
    info = make_info(spec, path, block.shape, numbers.dtype, kind, offset, None, files, notes, index=index)
    if info.frames is None:  # else it is refused
        _check_all_there(spec, block)
    return replace(info, block=block, depth=info.shape[0] if block.packing else 1)


def _check_all_there(spec: str, block: Block) -> None:
    """Refuse a file that is shorter than its header says."""
    size = os.path.getsize(block.path)
    if not block.packing:
        if block.stop > size:
            raise UserError(f"{spec} is truncated: its voxels end at byte {block.stop}, the file at {size}")
        return
    if block.packed_bytes is not None:
        if block.packed_start + block.packed_bytes > size:
            ends = block.packed_start + block.packed_bytes
            raise UserError(f"{spec} is truncated: its compressed voxels end at byte {ends}, the file at {size}")
        return
    if block.packing == "gzip" and _told_by_gzip(block.path, size) == block.stop % 2**32:
        return
    with reading(spec, HEADER_SECONDS + block.stop / SLOWEST), block.opened() as file:
        try:
            ends = _drained(file, block.stop)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            ends = -1
    if ends < block.stop:
        raise UserError(f"{spec} is truncated or damaged: it does not inflate to the {block.stop} bytes of its voxels")


def _drained(file, stop: int) -> int:
    """Read a file to its end, where a checksum is compared, or to well behind its voxels; how far that is."""
    while file.tell() < stop + BEHIND and file.read(SOME):
        pass
    return file.tell()


def _told_by_gzip(path: str, size: int) -> int:
    """Bytes that a file inflates to by its last four bytes, modulo 2**32."""
    with LoneFile(path) as file:
        file.seek(max(size - 4, 0))
        last = file.read(4)
        return struct.unpack("<I", last)[0] if len(last) == 4 else -1


def fill(info: VolumeInfo, volume: np.ndarray, start: int, stop: int) -> None:
    """Read slices start to stop into volume (nz, ny, nx); of a compressed block all, by who reads the first."""
    block = info.block
    if block.packing:
        if start > 0:
            return
        stop = len(volume)
    before = part_of(info.spec, block.shape, info.index)[0] * info.shape[0] + start
    offset = block.start + before * math.prod(info.shape[1:]) * block.numbers.voxel_bytes
    with block.opened() as file:
        block.numbers.read(file, offset, volume[start:stop].reshape(-1))
        if block.packing:
            _drained(file, block.stop)
