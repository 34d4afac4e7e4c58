"""Images in FITS files: plain image HDUs, read as the FITS standard 4.0 (sections 3, 4 and 5) describes them.

An HDU is a header of cards of 80 characters and, behind it, numbers in big-endian order; both fill blocks of 2880
bytes. The first axis of FITS is the fastest, x; row 0 here is the first one in the file.
"""

import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hpcdvc.errors import UserError, quoted
from hpcdvc.images.files import LoneFile
from hpcdvc.images.numbers import Numbers, floating
from hpcdvc.images.volume import VolumeInfo, header_seconds, make_info, part_of, reading, split_index

#: First bytes of a file.
MAGIC = b"SIMPLE  "
BLOCK, CARD = 2880, 80
#: Bytes of a header at most, and axes that the standard allows.
LONGEST_HEADER, MOST_AXES = 2**24, 999
#: BITPIX -> the numbers that are stored.
STORED = {8: ">u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
#: BITPIX -> the numbers of the other signedness, and the BZERO by which they are told.
SHIFTED = {8: ("i1", -(2.0**7)), 16: ("u2", 2.0**15), 32: ("u4", 2.0**31), 64: ("u8", 2.0**63)}

_TEXT = re.compile(r"\s*'((?:[^']|'')*)'")


@dataclass(frozen=True)
class Hdu:
    """A header and where its numbers are.

    Attributes
    ----------
    spec : the image as the user named it, for messages
    number : 0 for the first one in the file
    header : its cards, whole blocks
    cards : values by keyword, as text
    start : first byte of the numbers
    """

    spec: str
    number: int
    header: bytes
    cards: dict[str, str]
    start: int

    def whole(self, name: str, default: int | None = None) -> int:
        """A whole number of the header; UserError where there is none, and no default."""
        return self._value(name, default, int)

    def real(self, name: str, default: float) -> float:
        """A finite number of the header."""
        value = self._value(name, default, lambda text: float(text.upper().replace("D", "E")))
        return value if math.isfinite(value) else self._wrong(name)

    def _value(self, name: str, default, convert):
        text = self.cards.get(name, "")
        if not text and default is not None:
            return default
        try:
            return convert(text)
        except ValueError:
            return self._wrong(name)

    def _wrong(self, name: str):
        raise UserError(f"{self.spec} is damaged: {name} of HDU {self.number} is {quoted(self.cards.get(name, ''))}")

    @property
    def axes(self) -> tuple[int, ...]:
        """Numbers along the axes, the slowest first."""
        count = self.whole("NAXIS")
        if not 0 <= count <= MOST_AXES:
            self._wrong("NAXIS")
        sizes = [self.whole(f"NAXIS{k}") for k in range(count, 0, -1)]
        for k, size in enumerate(reversed(sizes), 1):
            if size < 0:
                self._wrong(f"NAXIS{k}")
        return tuple(sizes)

    @property
    def kind(self) -> str:
        """``IMAGE``, or what else it is."""
        if self.number:
            kind = self.cards.get("XTENSION", "").strip()
            return "compressed image" if self.cards.get("ZIMAGE") == "T" else kind
        return "random groups" if self.cards.get("GROUPS") == "T" and self.axes[-1:] == (0,) else "IMAGE"

    @property
    def is_image(self) -> bool:
        """Whether it holds an image."""
        return self.kind == "IMAGE" and math.prod(self.axes or (0,)) > 0

    @property
    def pixel_bits(self) -> int:
        """BITPIX."""
        bits = self.whole("BITPIX")
        return bits if bits in STORED else self._wrong("BITPIX")

    @property
    def stop(self) -> int:
        """First byte behind its numbers."""
        axes, parameters, groups = self.axes, self.whole("PCOUNT", 0), self.whole("GCOUNT", 1)
        if self.kind == "random groups":
            axes = axes[:-1]
        if min(parameters, groups) < 0:
            self._wrong("PCOUNT" if parameters < 0 else "GCOUNT")
        return self.start + abs(self.pixel_bits) // 8 * groups * (parameters + math.prod(axes or (0,)))

    @property
    def names(self) -> tuple[str, ...]:
        """What it may be called between brackets."""
        name, version = self.cards.get("EXTNAME", "").strip().upper(), self.whole("EXTVER", 1)
        return (str(self.number), *((name, f"{name},{version}") if name else ()))


def _numbers_of(hdu: Hdu) -> Numbers:
    """How the numbers of an HDU become pixels."""
    bits, scale, zero = hdu.pixel_bits, hdu.real("BSCALE", 1.0), hdu.real("BZERO", 0.0)
    stored = np.dtype(STORED[bits])
    blank = hdu.whole("BLANK") if bits > 0 and "BLANK" in hdu.cards else None
    if (scale, blank) == (1, None):
        if zero == 0:
            return Numbers(stored, stored)
        other, half = SHIFTED.get(bits, ("", math.nan))
        if zero == half:
            return Numbers(stored, np.dtype(other), "shifted")
    return Numbers(stored, floating(stored), "scaled", scale, zero, blank)


def describe(spec: str, path: str, name: str | None) -> VolumeInfo:
    """Header of an image; see `hpcdvc.images.describe`.

    Parameters
    ----------
    spec, path : as the user named it, and the file
    name : ``[1]``, ``[SCI]`` or ``[SCI,2]``: number, or name and version, of the HDU; None: the first one, or where
        that is empty the only image; ``[1][0]``: numbers along the first axes of the HDU
    """
    with reading(spec, header_seconds(path)), LoneFile(path) as file:
        name, index = _name_and_index(name)
        hdu = _chosen(file, spec, path, name)
        size = os.path.getsize(path)
        if hdu.stop > size:
            raise UserError(
                f"{spec} is truncated: the pixels of HDU {hdu.number} end at byte {hdu.stop}, the file at {size}"
            )
        numbers = _numbers_of(hdu)
        offset = hdu.start if numbers.how == "plain" else None
        return make_info(spec, path, hdu.axes, numbers.dtype, "fits", offset, dataset=str(hdu.number), index=index)


def _name_and_index(name: str | None) -> tuple[str | None, tuple[int, ...]]:
    """``[1][0]`` -> ``[1]`` and 0; a single pair of brackets is that of the HDU."""
    plain, index = split_index(name or "")
    return (plain, index) if plain.endswith("]") else (name, ())


def fill(info: VolumeInfo, volume: np.ndarray, start: int, stop: int) -> None:
    """Read slices start to stop into volume (nz, ny, nx)."""
    with LoneFile(info.path) as file:
        hdu = _chosen(file, info.spec, info.path, f"[{info.dataset}]")
        numbers, pixels = _numbers_of(hdu), volume[start:stop].reshape(-1)
        before = part_of(info.spec, hdu.axes, info.index)[0] * info.shape[0] + start
        offset = hdu.start + before * math.prod(info.shape[1:]) * numbers.stored.itemsize
        numbers.read(file, offset, pixels)


def header_of(info: VolumeInfo) -> bytes:
    """The cards of an image, for its world coordinates.

    Raises
    ------
    UserError
        It is of no FITS file, or that is damaged now.
    """
    if info.kind != "fits":
        raise UserError(f"{info.spec} is no FITS file: only these have world coordinates")
    with reading(info.spec, header_seconds(info.path)), LoneFile(info.path) as file:
        return _chosen(file, info.spec, info.path, f"[{info.dataset}]").header


def cards_of(info: VolumeInfo) -> dict[str, str]:
    """Values by keyword, as text, of an image; raises as `header_of`."""
    return _cards(header_of(info))


def _chosen(file: LoneFile, spec: str, path: str, name: str | None) -> Hdu:
    """The HDU that the user means."""
    if name is None:
        return _only_image(file, spec)
    if not name.startswith("["):
        raise UserError(f"{spec}: {path} is a FITS file, its images are called {path}[1] or {path}[NAME]")
    wanted = name[1:-1].replace(" ", "").upper()
    for hdu in _hdus(file, spec):
        if wanted in hdu.names:
            if hdu.is_image:
                return hdu
            raise UserError(f"{spec} is no plain image{_what(hdu)}")
    raise UserError(f"{spec}: there is no HDU {name} in {path}")


def _only_image(file: LoneFile, spec: str) -> Hdu:
    """The first HDU, or where that is empty the only image behind it."""
    found, others = [], []
    for hdu in _hdus(file, spec):
        if hdu.is_image and hdu.number == 0:
            return hdu
        (found if hdu.is_image else others).append(hdu)
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(f"[{hdu.names[-1]}]" for hdu in found[:8])
        raise UserError(f"{spec} holds several images, name one of them (file.fits[1]): {names}")
    raise UserError(f"{spec} holds no plain image{_what(others[-1])}")


def _what(hdu: Hdu) -> str:
    """What an HDU is that is no image, as the end of a sentence."""
    if hdu.kind == "compressed image":
        return f": HDU {hdu.number} is a compressed image, which funpack unpacks"
    return f": HDU {hdu.number} is {'empty' if hdu.kind == 'IMAGE' else hdu.kind}"


def _hdus(file: LoneFile, spec: str) -> Iterator[Hdu]:
    """The HDUs of a file, one after the other; what stands behind the last one is none."""
    number, place, size = 0, 0, os.path.getsize(file.name)
    while place < size:
        file.seek(place)
        if number and file.read(8) != b"XTENSION":
            return
        file.seek(place)
        header = _read_header(file, spec, number)
        hdu = Hdu(spec, number, header, _cards(header), place + len(header))
        yield hdu
        place = -(-hdu.stop // BLOCK) * BLOCK
        number += 1


def _read_header(file: LoneFile, spec: str, number: int) -> bytes:
    """All blocks up to that with the card END."""
    blocks: list[bytes] = []
    while len(blocks) * BLOCK < LONGEST_HEADER:
        block = file.read(BLOCK)
        if len(block) < BLOCK:
            raise UserError(f"{spec} is truncated: the file ends in the header of HDU {number}")
        blocks.append(block)
        if any(block[k : k + 8] == b"END     " for k in range(0, BLOCK, CARD)):
            return b"".join(blocks)
    raise UserError(f"{spec} is damaged: the header of HDU {number} has no end")


def _cards(header: bytes) -> dict[str, str]:
    """Values as text by keyword, without comments and quotes; of one that stands twice the first."""
    cards: dict[str, str] = {}
    for k in range(0, len(header), CARD):
        card = header[k : k + CARD].decode("latin-1")
        name = card[:8].rstrip()
        if name == "END":
            break
        if card[8:10] == "= " and name not in cards:
            text = _TEXT.match(card[10:])
            cards[name] = text[1].replace("''", "'") if text else card[10:].partition("/")[0].strip()
    return cards
