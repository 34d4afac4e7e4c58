"""Fields on grids, as .vti files hold them (VTK's XML of ImageData)."""

import base64
import math
import zlib
from collections.abc import Callable
from xml.etree import ElementTree

import numpy as np

from hpcdvc.errors import UserError, shortened
from hpcdvc.fields.field import Field
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.status import LOWEST_MEASURED, Family, Status
from hpcdvc.output import schema
from hpcdvc.output.columns import COLUMNS, to_memory
from hpcdvc.output.files import read_small
from hpcdvc.output.stored import COMPRESSED

#: Largest file that is read, bytes.
LARGEST = 2**31
#: Numbers by their names in VTK.
TYPES = {f"{word}{8 * size}": f"{kind}{size}" for word, kind in (("Int", "i"), ("UInt", "u"), ("Float", "f"))
         for size in (1, 2, 4, 8) if kind != "f" or size > 2}  # fmt: skip


def read_vti(path: str) -> Field:
    """A field on a grid: the arrays of points, or of cells with nodes in their middle.

    Raises
    ------
    UserError
        No such file, or none with an image and arrays that are read: text, base64 or appended, zlib or plain.
    """
    data = read_small(path, LARGEST, "a field on a grid")
    head, raw = data, b""
    start = data.find(b"<AppendedData")
    if start >= 0:
        begin = data.index(b"_", start) + 1 if b"_" in data[start : start + 200] else len(data)
        head, raw = data[:start] + b"</VTKFile>", data[begin:]
    if b"<!DOCTYPE" in head or b"<!ENTITY" in head:
        raise UserError(f"{path} is no image of VTK: it declares entities")
    try:
        root = ElementTree.fromstring(head)
        image = root.find("ImageData")
        piece = image.find("Piece")
        return _field(path, root, image, piece, raw)
    except UserError:
        raise
    except (ElementTree.ParseError, AttributeError, LookupError, ValueError, TypeError, zlib.error) as error:
        raise UserError(f"{path} is no image of VTK that can be read: {shortened(str(error), 80)}") from error


def _field(
    path: str, root: ElementTree.Element, image: ElementTree.Element, piece: ElementTree.Element, raw: bytes
) -> Field:
    extent = [int(word) for word in piece.get("Extent").split()]
    origin, spacing = ([float(word) for word in image.get(name).split()][::-1] for name in ("Origin", "Spacing"))
    nodes = [high - low + 1 for low, high in zip(extent[::2], extent[1::2], strict=True)][::-1]
    first = [o + s * low for o, s, low in zip(origin, spacing, extent[::2][::-1], strict=True)]
    data, cells = piece.find("PointData"), False
    if data is None or not len(data):
        data, cells = piece.find("CellData"), True
    if data is None or not len(data) or min(nodes) < 1 or min(spacing) <= 0:
        raise UserError(f"{path} holds an image without arrays")
    if cells:
        first = [place + step / 2 for place, step in zip(first, spacing, strict=True)]
        nodes = [max(count - 1, 1) for count in nodes]
    grid, read = Grid(tuple(first), tuple(spacing), tuple(nodes)), _decoder(root, raw)
    arrays = {}
    for one in data.findall("DataArray"):
        width = int(one.get("NumberOfComponents", 1))
        values = read(one)
        if values.size != width * math.prod(nodes):
            raise UserError(f"{path}: {shortened(one.get('Name') or 'an array')} has {values.size} numbers")
        arrays[str(one.get("Name"))] = values.reshape(-1, width) if width > 1 else values
    if not arrays:
        raise UserError(f"{path} holds an image without arrays")
    members, family = members_of(arrays, grid.size, path)
    return schema.field_of_members(members, grid, None, family)


def _decoder(root: ElementTree.Element, raw: bytes) -> Callable[[ElementTree.Element], np.ndarray]:
    """From an array of the file to its numbers."""
    order = ">" if root.get("byte_order") == "BigEndian" else "<"
    head = np.dtype(order + {"UInt64": "u8"}.get(root.get("header_type", "UInt32"), "u4"))
    packed = root.get("compressor") == "vtkZLibDataCompressor"
    if root.get("compressor") and not packed:
        raise ValueError(f"compressed by {root.get('compressor')}")
    encoded = not raw.startswith(b"\x00") and _is_text(raw)

    def read(one: ElementTree.Element) -> np.ndarray:
        kind, how = np.dtype(order + TYPES[one.get("type")]), one.get("format", "ascii")
        if how == "ascii":
            return np.array((one.text or "").split(), kind.newbyteorder("="))
        if how == "appended" and not encoded:
            data = _plain(raw, int(one.get("offset")), head, packed)
        else:
            text = one.text.strip().encode() if how == "binary" else raw[int(one.get("offset")) :]
            data = _unpacked(text, head, packed)
        return np.frombuffer(data, kind).astype(kind.newbyteorder("="))

    return read


def _is_text(raw: bytes) -> bool:
    """Whether what is appended is base64: of the first numbers of a header no plain one has only such letters."""
    return bool(raw) and all(chr(one).isalnum() or one in b"+/=" for one in raw[:8])


def _plain(raw: bytes, offset: int, head: np.dtype, packed: bool) -> bytes:
    if not packed:
        size = int(np.frombuffer(raw, head, 1, offset)[0])
        return raw[offset + head.itemsize : offset + head.itemsize + size]
    count = int(np.frombuffer(raw, head, 1, offset)[0])
    sizes = np.frombuffer(raw, head, 3 + count, offset)
    return _inflated(raw, offset + sizes.nbytes, sizes)


def _unpacked(text: bytes, head: np.dtype, packed: bool) -> bytes:
    """Base64; of compressed arrays the header is coded alone."""
    if not packed:
        size = int(np.frombuffer(base64.b64decode(text[: 4 * -(-head.itemsize // 3)]), head, 1)[0])
        length = 4 * -(-(head.itemsize + size) // 3)
        return base64.b64decode(text[:length])[head.itemsize :]
    first = base64.b64decode(text[: 4 * -(-head.itemsize // 3)])
    length = 4 * -(-(3 + int(np.frombuffer(first, head, 1)[0])) * head.itemsize // 3)
    sizes = np.frombuffer(base64.b64decode(text[:length]), head)
    data = text[length : length + 4 * -(-int(sizes[3:].sum()) // 3)]
    return _inflated(base64.b64decode(data), 0, sizes)


def _inflated(data: bytes, at: int, sizes: np.ndarray) -> bytes:
    """Blocks one after the other; none larger than its header says."""
    whole, found = int(sizes[1]), []
    if whole * int(sizes[0]) > COMPRESSED * len(data):
        raise ValueError("an array is said to be larger than it can be")
    for size in sizes[3:].tolist():
        found.append(zlib.decompressobj().decompress(data[at : at + size], whole))
        at += size
    return b"".join(found)


def members_of(arrays: dict[str, np.ndarray], count: int, path: str) -> tuple[dict[str, np.ndarray], Family]:
    """Arrays of VTK, X Y Z, by what columns are made from, ZYX; others by their names."""
    left, found = dict(arrays), {}
    for column in COLUMNS:
        name = next((one for one in (column.name, column.vtk) if one and one in left), None)
        if name is None:
            continue
        values = left.pop(name)
        if values.reshape(count, -1).shape[1] != max(1, math.prod(column.components.shape)):
            raise UserError(f"{path}: {shortened(name)} has not the components of the column {column.name}")
        values = to_memory(values, column.components)
        if column.unmake:
            found[column.made_from] = column.unmake(values)
        else:
            found[column.name if column.derived else column.made_from] = values
    family = Family.SEARCH if "CC" in found else Family.REGISTRATION
    moved, tangent = found.pop("displacement", None), found.pop("F", np.eye(3))
    for name in ("F_std", "measured_displacement"):  # parts of what is not there
        found.pop(name, None)
    if "Phi" not in found:
        found["Phi"] = np.full((count, 4, 4), np.nan)
        if moved is not None:
            found["Phi"][:] = np.eye(4)
            found["Phi"][:, :3, :3], found["Phi"][:, :3, 3] = tangent, moved
    if "return_status" not in found:
        known = np.isfinite(moved).all(axis=1) if moved is not None else np.ones(count, bool)
        found["return_status"] = np.where(known, LOWEST_MEASURED[family], Status.NOT_EVALUATED)
    return found | {name: values for name, values in left.items() if values.dtype.kind in "iuf"}, family
