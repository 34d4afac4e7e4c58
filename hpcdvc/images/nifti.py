"""Images in NIfTI files (.nii, .nii.gz), of version 1 and 2: https://nifti.nimh.nih.gov.

The first axis of NIfTI is the fastest, x. Voxels are taken in the order of the file: where its axes point to in a
patient is not looked at, nothing is flipped.
"""

import gzip
import math
import struct
import zlib

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.images.block import describe_block
from hpcdvc.images.files import LoneFile
from hpcdvc.images.numbers import Numbers
from hpcdvc.images.packed import GZIP, Block
from hpcdvc.images.volume import VolumeInfo, header_seconds, reading

#: Code of a type -> the numbers that are stored, and how many of them a voxel has.
TYPES = {
    2: ("u1", 1), 4: ("i2", 1), 8: ("i4", 1), 16: ("f4", 1), 64: ("f8", 1), 256: ("i1", 1), 512: ("u2", 1),
    768: ("u4", 1), 1024: ("i8", 1), 1280: ("u8", 1), 128: ("u1", 3), 2304: ("u1", 4),
}  # fmt: skip
#: Bytes of a header -> where its fields are, each with its type: number of axes and their sizes, type, bits, where the
#: voxels begin, slope, intercept; where the magic word is, and what it is.
VERSIONS = {
    348: ({"sizes": (40, "8h"), "type": (70, "h"), "bits": (72, "h"), "start": (108, "f"), "slope": (112, "f"),
           "zero": (116, "f")}, 344, b"n+1\0", b"ni1\0"),
    540: ({"sizes": (16, "8q"), "type": (12, "h"), "bits": (14, "h"), "start": (168, "q"), "slope": (176, "d"),
           "zero": (184, "d")}, 4, b"n+2\0", b"ni2\0"),
}  # fmt: skip
#: Bytes of the longest header.
LONGEST = max(VERSIONS)


def begin(path: str) -> bytes:
    """The first bytes of a file, inflated; b"" where they cannot be."""
    with LoneFile(path) as file:
        if file.peek(2)[:2] != GZIP:
            return file.read(LONGEST)
        try:
            return gzip.GzipFile(fileobj=file).read(LONGEST)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            return b""


def is_nifti(header: bytes) -> bool:
    """Whether a file begins so."""
    return _version(header) is not None


def _version(header: bytes) -> tuple[str, int] | None:
    """Byte order, and bytes of the header; None where it is none of NIfTI."""
    for order in "<>":
        size = struct.unpack(f"{order}i", header[:4])[0] if len(header) >= 4 else 0
        if size in VERSIONS:
            _, place, *words = VERSIONS[size]
            if header[place : place + 4] in words:
                return order, size
    return None


def describe(spec: str, path: str, index: tuple[int, ...]) -> VolumeInfo:
    """Header of a NIfTI file; see `hpcdvc.images.describe`."""
    with reading(spec, header_seconds(path)):
        header = begin(path)
        block = _block(spec, path, header)
    return describe_block(spec, path, block, "nifti", index)


def _block(spec: str, path: str, header: bytes) -> Block:
    order, size = _version(header)
    places, magic, _, pair = VERSIONS[size]
    if header[magic : magic + 4] == pair:
        raise UserError(f"{spec} is a header of NIfTI whose voxels are in another file: save both as one .nii")
    if len(header) < size:
        raise UserError(f"{spec} is truncated: it ends in its header")
    known = {name: struct.unpack_from(order + kind, header, place) for name, (place, kind) in places.items()}
    (count, *sizes), (code,), (start,) = known["sizes"], known["type"], known["start"]
    if code not in TYPES:
        raise UserError(f"{spec} holds voxels of a type (NIfTI's {code}) that cannot be read: convert it")
    stored, samples = TYPES[code]
    shape = tuple(sizes[: max(count, 0)][::-1])
    bits = np.dtype(stored).itemsize * 8 * samples
    if not 1 <= count <= 7 or min(shape) < 1 or known["bits"][0] not in (0, bits):
        told = f"{count} axes of {sizes}, and {known['bits'][0]} bits"
        raise UserError(f"{spec} is damaged: its header tells of {told}")
    if not size <= start < 2**62 or start % 1:
        raise UserError(f"{spec} is damaged: its voxels are said to begin at byte {start:g}, its header ends at {size}")
    slope, zero = known["slope"][0], known["zero"][0]
    if not math.isfinite(slope) or slope == 0:
        slope, zero = 1.0, 0.0  # none is meant
    if not math.isfinite(zero):
        raise UserError(f"{spec} is damaged: its intercept is {zero:g}")
    numbers = Numbers.scaled(np.dtype(order + stored), *((slope, zero) if samples == 1 else (1, 0)), samples)
    return Block(path, shape, numbers, int(start), "gzip" if _is_packed(path) else "")


def edges_of(info: VolumeInfo) -> tuple[tuple[float, ...], str]:
    """Edges of a voxel, ZYX, and their unit; "" where the file says none."""
    header = begin(info.path)
    order, size = _version(header)
    first, kind, units = {348: (80, "3f", 123), 540: (112, "3d", 500)}[size]
    edges = struct.unpack_from(order + kind, header, first)[::-1]
    code = header[units] if size == 348 else struct.unpack_from(f"{order}i", header, units)[0]
    return edges, {1: "m", 2: "mm", 3: "um"}.get(code & 7, "")


def _is_packed(path: str) -> bool:
    with LoneFile(path) as file:
        return file.read(2) == GZIP
