"""Images in MetaImage files, .mha, or .mhd beside a file of voxels (itk.org/Wiki/MetaIO).

The header is text, ``Key = value`` line by line, and ends with the line of ElementDataFile. The first of its axes is
the fastest, x.
"""

import math
import os
import re

import numpy as np

from hpcdvc.errors import UserError, quoted
from hpcdvc.images.block import describe_block
from hpcdvc.images.files import LoneFile, is_regular, is_within
from hpcdvc.images.numbers import Numbers, check_samples
from hpcdvc.images.packed import Block
from hpcdvc.images.volume import VolumeInfo, header_seconds, reading

#: ElementType -> the numbers that are stored.
TYPES = {
    "MET_UCHAR": "u1", "MET_CHAR": "i1", "MET_USHORT": "u2", "MET_SHORT": "i2", "MET_UINT": "u4", "MET_INT": "i4",
    "MET_ULONG": "u4", "MET_LONG": "i4", "MET_ULONG_LONG": "u8", "MET_LONG_LONG": "i8", "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}  # fmt: skip
#: Bytes of a header at most, and its axes.
LONGEST_HEADER, MOST_AXES = 2**16, 10

_BEGIN = re.compile(rb"(ObjectType|ObjectSubType|NDims|Comment|DimSize|BinaryData|ElementType) *=")
_LAST = re.compile(rb"^ElementDataFile *=([^\r\n]*)(\r?\n|\Z)", re.MULTILINE)


def is_metaimage(begin: bytes) -> bool:
    """Whether a file begins so."""
    return _BEGIN.match(begin) is not None


def describe(spec: str, path: str, index: tuple[int, ...]) -> VolumeInfo:
    """Header of a MetaImage file; see `hpcdvc.images.describe`."""
    with reading(spec, header_seconds(path)):
        block = _block(spec, path)
    return describe_block(spec, path, block, "metaimage", index)


def edges_of(info: VolumeInfo) -> tuple[tuple[float, ...], str]:
    """Edges of a voxel, ZYX, and their unit; none, and "", where the file says none."""
    with LoneFile(info.path) as file:
        begin = file.read(LONGEST_HEADER)
    header = _Header(info.spec, begin[: _LAST.search(begin).end()].decode("latin-1"))
    edges = header.numbers("ElementSpacing", header.text("ElementSize", ""), float)
    return edges[2::-1], header.text("DistanceUnits", "")


class _Header:
    """Values by key."""

    def __init__(self, spec: str, text: str) -> None:
        pairs = (line.partition("=") for line in text.splitlines())
        self.spec = spec
        self._values = {name.strip().lower(): value.strip() for name, _, value in pairs}

    def text(self, name: str, default: str | None = None) -> str:
        """A value; UserError where there is none, and no default."""
        found = self._values.get(name.lower(), default)
        return self.wrong(name) if found is None else found

    def numbers(self, name: str, default: str | None = None, kind: type = int) -> tuple:
        """Numbers of a value."""
        try:
            return tuple(map(kind, self.text(name, default).split()))
        except ValueError:
            return self.wrong(name)

    def number(self, name: str, default: str | None = None, kind: type = int):
        """A finite number."""
        found = self.numbers(name, default, kind)
        return found[0] if len(found) == 1 and math.isfinite(found[0]) else self.wrong(name)

    def says(self, *names: str, default: bool = False) -> bool:
        """Whether one of these is true; `default` where none is there."""
        found = [self._values[name.lower()] for name in names if name.lower() in self._values]
        words = {"true": True, "1": True, "false": False, "0": False}
        known = [words.get(value.lower()) for value in found]
        return self.wrong(names[0]) if None in known else any(known) if known else default

    def wrong(self, name: str):
        """Say that a value is."""
        value = self._values.get(name.lower())
        what = f"has no {name}" if value is None else f"says {name} = {quoted(value)}"
        raise UserError(f"{self.spec} is damaged: its header {what}")


def _block(spec: str, path: str) -> Block:
    with LoneFile(path) as file:
        begin = file.read(LONGEST_HEADER)
    last = _LAST.search(begin)
    if last is None:
        raise UserError(f"{spec} is truncated or damaged: its header has no end, no ElementDataFile")
    header = _Header(spec, begin[: last.end()].decode("latin-1"))
    axes = header.number("NDims")
    sizes = header.numbers("DimSize")
    if not 1 <= axes <= MOST_AXES:
        header.wrong("NDims")
    if len(sizes) != axes or min(sizes) < 1:
        header.wrong("DimSize")
    name, held = last[1].decode("utf-8", "surrogateescape").strip(), path
    start = last.end()
    if name.upper() not in ("LOCAL", "LOCAL_DATA"):
        held, start = _beside(spec, path, name), 0
    numbers, skipped = _numbers(header), header.number("HeaderSize", "0")
    shape = sizes[::-1]
    if header.says("CompressedData"):
        size = header.number("CompressedDataSize", "0")
        if size < 0 or skipped:
            header.wrong("CompressedDataSize" if size < 0 else "HeaderSize")
        return Block(held, shape, numbers, 0, "zlib", start, size or None)
    if skipped == -1:  # the voxels are the end of the file
        start = os.path.getsize(held) - math.prod(shape) * numbers.voxel_bytes
        if start < 0:
            raise UserError(f"{spec} is truncated: {held} has {-start} bytes less than its voxels take")
    elif skipped < 0:
        header.wrong("HeaderSize")
    else:
        start += skipped
    return Block(held, shape, numbers, start)


def _numbers(header: _Header) -> Numbers:
    """How the numbers of a file become voxels."""
    kind = header.text("ElementType")
    if kind not in TYPES:
        header.wrong("ElementType")
    if not header.says("BinaryData", default=True):
        raise UserError(f"{header.spec} holds voxels as text (BinaryData = False): save it anew, in binary")
    samples = header.number("ElementNumberOfChannels", "1")
    check_samples(header.spec, samples)
    order = ">" if header.says("BinaryDataByteOrderMSB", "ElementByteOrderMSB") else "<"
    scale = header.number("ElementToIntensityFunctionSlope", "1", float)
    zero = header.number("ElementToIntensityFunctionOffset", "0", float)
    if scale == 0:
        header.wrong("ElementToIntensityFunctionSlope")
    return Numbers.scaled(np.dtype(order + TYPES[kind]), scale, zero, samples)


def _beside(spec: str, path: str, name: str) -> str:
    """The file of voxels that a header names, beside it."""
    if name.upper().startswith("LIST") or "%" in name or not name:
        raise UserError(f"{spec} has its voxels in several files ({quoted(name)}): save it as one .mha")
    held = os.path.join(os.path.dirname(path), name)
    if "\0" in name or not is_regular(held, spec):
        raise UserError(f"{spec}: the file of its voxels, {quoted(name)}, is not there")
    if not is_within(held, os.path.dirname(os.path.abspath(path))):
        raise UserError(f"{spec} has its voxels in {quoted(name)}, outside of its own folder, where nothing is read")
    return held
