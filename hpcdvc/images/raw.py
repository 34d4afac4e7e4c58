"""Raw files: voxels and nothing else; their name, or the user, says how many there are and of what type."""

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.images.block import describe_block
from hpcdvc.images.numbers import Numbers
from hpcdvc.images.packed import Block
from hpcdvc.images.volume import VolumeInfo
from hpcdvc.options.raw import raw_type

_NAME = re.compile(r"(?:^|.*_)([0-9]{1,10}(?:x[0-9]{1,10}){1,2})_([a-z]+[0-9]+)\.raw", re.IGNORECASE | re.DOTALL)
#: How a type is told.
WAY_OUT = "give --raw-shape Z Y X --raw-dtype uint16, or name it like scan_100x200x300_u16.raw"


@dataclass(frozen=True)
class RawLayout:
    """What raw files hold.

    Attributes
    ----------
    shape : voxels along the axes, the slowest first; two or three
    stored : type as numpy writes it, with its byte order
    """

    shape: tuple[int, ...]
    stored: str

    @classmethod
    def told(cls, options: object) -> "RawLayout | None":
        """What `--raw-shape` and `--raw-dtype` say; None where they are not given.

        Parameters
        ----------
        options : that have them, or parameters that a result was made with, by name
        """
        read = options.get if isinstance(options, Mapping) else lambda name: getattr(options, name, None)
        shape, word = read("raw_shape"), read("raw_dtype")
        if not isinstance(shape, (tuple, list)) or not isinstance(word, str):
            return None
        stored = raw_type(word)
        whole = all(type(n) is int and n > 0 for n in shape)
        return cls(tuple(shape), stored) if stored and whole and len(shape) in (2, 3) else None

    @classmethod
    def named(cls, path: str) -> "RawLayout | None":
        """What the name of a file says, ``scan_100x200x300_u16.raw``; None where it says nothing."""
        found = _NAME.fullmatch(os.path.basename(path))
        stored = raw_type(found[2]) if found else None
        return cls(tuple(map(int, found[1].lower().split("x"))), stored) if stored else None

    @property
    def bytes(self) -> int:
        """Of a file."""
        return math.prod(self.shape) * np.dtype(self.stored).itemsize

    def __str__(self) -> str:
        return f"{' x '.join(map(str, self.shape))} {np.dtype(self.stored).name}"


def layout_of(spec: str, path: str, told: RawLayout | None) -> RawLayout:
    """What a file holds, by its name and by options.

    Raises
    ------
    UserError
        Nobody says it, both do and either may be right, or its size is another one.
    """
    named, size = RawLayout.named(path), os.path.getsize(path)
    given = [layout for layout in dict.fromkeys((named, told)) if layout is not None]
    if not given:
        raise UserError(f"{spec} is a raw file, which does not say what it holds: {WAY_OUT}")
    fitting = [layout for layout in given if layout.bytes == size]
    if len(fitting) == 2:
        raise UserError(f"{spec}: its name says {named}, --raw-shape and --raw-dtype say {told}: leave these out")
    if not fitting:
        layout = told or named
        raise UserError(f"{spec} has {size} bytes, and {layout} take {layout.bytes}: they must fit exactly")
    return fitting[0]


def describe(spec: str, path: str, index: tuple[int, ...], told: RawLayout | None) -> VolumeInfo:
    """Header of a raw file; see `hpcdvc.images.describe`.

    Parameters
    ----------
    spec, path, index : see `VolumeInfo`
    told : by options
    """
    layout = layout_of(spec, path, told)
    stored = np.dtype(layout.stored)
    return describe_block(spec, path, Block(path, layout.shape, Numbers(stored, stored)), "raw", index)
