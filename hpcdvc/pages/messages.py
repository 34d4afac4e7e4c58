"""Messages between a page and its server.

To the server: text, one JSON object with a `type`. To the page: bytes, the length of a JSON object (4 bytes,
little-endian), the object, then the planes that its `planes` describe, one after the other.
"""

import json
import math
import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hpcdvc.errors import UserError, quoted
from hpcdvc.pages.planes import as_deflate, as_jpeg

#: Most bytes of a message to the server.
LARGEST = 2**20


@dataclass(frozen=True, eq=False)
class Message:
    """To the page.

    Attributes
    ----------
    type : what it is about
    content : the rest of its JSON object; numbers that are not finite become null
    planes : arrays with two axes by name, uint8 or whole numbers
    exact : planes arrive as they are; else those of uint8 may go as JPEG
    """

    type: str
    content: dict[str, Any] = field(default_factory=dict)
    planes: dict[str, np.ndarray] = field(default_factory=dict)
    exact: bool = True


def pack(message: Message, number: int | None = None) -> bytes:
    """A message as bytes; `number` is that of the message which it answers."""
    described, parts = [], []
    for name, plane in message.planes.items():
        lossy = plane.dtype == np.uint8 and not message.exact
        data = as_jpeg(plane) if lossy else as_deflate(plane)
        coding, kind = "jpeg" if lossy else "deflate", plane.dtype.str[1:]
        described.append({"name": name, "shape": plane.shape, "dtype": kind, "coding": coding, "bytes": len(data)})
        parts.append(data)
    head = finite({**message.content, "type": message.type, "planes": described})
    if number is not None:
        head["number"] = number
    text = json.dumps(head, allow_nan=False, separators=(",", ":")).encode()
    return b"".join([struct.pack("<I", len(text)), text, *parts])


def unpack(data: str | bytes) -> dict[str, Any]:
    """A message from a page.

    Raises
    ------
    UserError : it is none
    """
    if isinstance(data, bytes):
        raise UserError("a message is text, not bytes")
    try:
        found = json.loads(data, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise UserError(f"a message that is no JSON: {quoted(data)}") from error
    if not isinstance(found, dict) or not isinstance(found.get("type"), str):
        raise UserError(f"a message is an object with a type, not {quoted(found)}")
    return found


def numbers(message: dict[str, Any], name: str, shape: tuple[int, ...], most: float = 1e9) -> np.ndarray:
    """Numbers of a message as float64.

    Parameters
    ----------
    message : from `unpack`
    name : of the entry
    shape : that it has; () for a number
    most : greatest size of a number

    Raises
    ------
    UserError : there are none, others, or larger ones
    """
    found = message.get(name)
    if not _are_numbers(found, len(shape)):
        raise UserError(f"{name} of a {quoted(message['type'])} message: numbers are needed, not {quoted(found)}")
    try:
        array = np.array(found, float)
    except (ValueError, OverflowError) as error:
        raise UserError(f"{name}: no array of numbers") from error
    if array.shape != shape or not (np.abs(array) <= most).all():
        raise UserError(f"{name}: {shape} numbers up to {most:g} are needed")
    return array


def _are_numbers(value: Any, depth: int) -> bool:
    if depth == 0:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, list) and all(_are_numbers(one, depth - 1) for one in value)


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number")


def finite(value: Any) -> Any:
    """What JSON can hold: arrays as lists, and null for numbers that are not finite."""
    if isinstance(value, dict):
        return {str(key): finite(one) for key, one in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
