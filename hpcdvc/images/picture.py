"""Two-dimensional images in PNG, JPEG and BMP files, grey or in colour."""

import os
import struct
from dataclasses import dataclass

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.images.files import LoneFile
from hpcdvc.images.numbers import colour_notes, floating, luminance
from hpcdvc.images.volume import VolumeInfo, make_info

PNG, JPEG, BMP = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM"
#: Ends of the names of slices.
ENDINGS = ((".png",), (".jpg", ".jpeg"), (".bmp",))
#: Bytes of the second header of BMP files.
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)


@dataclass(frozen=True)
class _Header:
    """What a file says: rows, columns, numbers of a pixel (2: grey and transparency), type of the numbers."""

    rows: int
    columns: int
    samples: int
    stored: str = "u1"


def format_of(begin: bytes) -> str | None:
    """``png``, ``jpeg`` or ``bmp`` by the first bytes of a file; None where it is none of them."""
    if begin[:8] == PNG:
        return "png"
    if begin[:3] == JPEG:
        return "jpeg"
    is_bmp = begin[:2] == BMP and len(begin) >= 18 and struct.unpack_from("<I", begin, 14)[0] in _BMP_HEADERS
    return "bmp" if is_bmp else None


def describe(spec: str, path: str) -> VolumeInfo:
    """Header of an image; see `hpcdvc.images.describe`."""
    with LoneFile(path) as file:
        found = _READERS[format_of(file.peek(32)[:32])](file, spec, os.path.getsize(path))
    stored = np.dtype(found.stored)
    dtype = floating(stored) if found.samples > 2 else stored
    return make_info(spec, path, (found.rows, found.columns), dtype, "picture", notes=colour_notes(found.samples))


def read(path: str, plane: np.ndarray) -> None:
    """Read an image into a plane (ny, nx)."""
    with LoneFile(path) as file:
        content = file.read()
    pixels = _decoded(format_of(content[:32]), content)
    if pixels.ndim == 3:
        pixels = luminance(pixels) if pixels.shape[2] > 2 else pixels[..., 0]
    if pixels.shape != plane.shape:
        raise UserError(f"{path} is damaged: it holds {pixels.shape} pixels, its header says {plane.shape}")
    plane[:] = pixels


def fill(info: VolumeInfo, volume: np.ndarray, start: int, stop: int) -> None:
    """Read slices start to stop into volume (1, ny, nx)."""
    read(info.path, volume[0])


def _read_png(file: LoneFile, spec: str, size: int) -> _Header:
    """Header of a PNG file, all of whose chunks are there."""
    header, place, name, clear = b"", len(PNG), b"", False
    while name != b"IEND":
        file.seek(place)
        head = file.read(8)
        length, name = struct.unpack(">I4s", head) if len(head) == 8 else (0, b"")
        place += 12 + length
        if not name or place > size:
            raise UserError(f"{spec} is truncated: it ends before its last chunk, IEND")
        clear |= name == b"tRNS"
        header = header or file.read(length if name == b"IHDR" else 0)
    if len(header) != 13:
        raise UserError(f"{spec} is damaged: it has no IHDR")
    columns, rows, bits, colour = struct.unpack(">IIBB", header[:10])
    if colour not in (0, 2, 3, 4, 6) or bits not in (1, 2, 4, 8, 16):
        raise UserError(f"{spec} is damaged: its IHDR tells of colour type {colour} and {bits} bits")
    samples = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}[colour] + (clear and colour < 4)
    return _Header(rows, columns, samples, "u2" if bits == 16 else "u1")


def _read_jpeg(file: LoneFile, spec: str, size: int) -> _Header:
    """Header of a JPEG file, which has an end."""
    file.seek(max(size - 4096, 0))
    if not file.read().rstrip(b"\0").endswith(b"\xff\xd9"):
        raise UserError(f"{spec} is truncated: it ends before its last marker, EOI")
    place = 2
    while place < size:
        file.seek(place)
        head = file.read(10)
        if len(head) < 10 or head[0] != 0xFF:
            break
        marker, (length,) = head[1], struct.unpack_from(">H", head, 2)
        if marker in (0xFF, 0x01, *range(0xD0, 0xD9)):  # no segment
            place += 1 if marker == 0xFF else 2
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            bits, rows, columns, samples = struct.unpack(">BHHB", head[4:10])
            if bits != 8 or samples not in (1, 3):
                raise UserError(f"{spec} holds {samples} numbers of {bits} bits for each pixel: save it as PNG or TIFF")
            return _Header(rows, columns, samples)
        place += 2 + length
    raise UserError(f"{spec} is damaged: no frame of a JPEG image is in it")


def _read_bmp(file: LoneFile, spec: str, size: int) -> _Header:
    """What a BMP file holds, all of whose rows are there; its palette tells whether it is in colour."""
    begin = file.read(54)
    start, header = struct.unpack_from("<II", begin, 10) if len(begin) == 54 else (0, 0)
    if header < 40:
        raise UserError(f"{spec} is a BMP file of OS/2 or truncated: save it as PNG or TIFF")
    columns, rows, bits, packing, packed = struct.unpack_from("<ii2xHII", begin, 18)
    stop = start + (packed if packing in (1, 2, 4, 5) else (columns * bits + 31) // 32 * 4 * abs(rows))
    if stop > size:
        raise UserError(f"{spec} is truncated: its pixels end at byte {stop}, the file at {size}")
    if columns < 1 or rows == 0:
        raise UserError(f"{spec} is damaged: its header tells of {abs(rows)} x {columns} pixels")
    file.seek(0)
    pixels = _decoded("bmp", file.read())
    return _Header(*pixels.shape[:2], *(pixels.shape[2:] or (1,)))


_READERS = {"png": _read_png, "jpeg": _read_jpeg, "bmp": _read_bmp}


def _decoded(kind: str, content: bytes) -> np.ndarray:
    """Pixels (ny, nx) or (ny, nx, numbers)."""
    import imagecodecs

    decode = {"png": imagecodecs.png_decode, "jpeg": imagecodecs.jpeg8_decode, "bmp": imagecodecs.bmp_decode}[kind]
    return decode(content)
