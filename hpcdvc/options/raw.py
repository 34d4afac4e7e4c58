"""Options of raw files: nothing but voxels, of which somebody must say how many there are and of what type."""

import re
from typing import ClassVar

from hpcdvc.errors import UserError, quoted
from hpcdvc.options.declare import OptionSet, option, option_group
from hpcdvc.options.values import LONGEST

#: Type of voxels -> how it may be written: by its bits, by its bytes where that is not the same word, and in full.
RAW_TYPES = {
    "u1": ("u8", "u1", "uint8"), "i1": ("i8", "i1", "int8"), "u2": ("u16", "u2", "uint16"),
    "i2": ("i16", "i2", "int16"), "u4": ("u32", "u4", "uint32"), "i4": ("i32", "i4", "int32"),
    "f4": ("f32", "f4", "float32"), "f8": ("f64", "f8", "float64"),
}  # fmt: skip
#: After > or <, where numpy counts bytes: numbers of eight.
AMBIGUOUS = ("u8", "i8")


def raw_type(word: str) -> str | None:
    """A type as numpy writes it, with its byte order, little-endian where none is given: ``<u2``.

    Parameters
    ----------
    word : ``uint16``, ``u16`` (its bits), ``>u2`` (numpy's own, its bytes)

    Returns
    -------
    None where it is none of voxels
    """
    order, name = re.fullmatch(r"([<>|=]?)(.*)", word.lower(), re.DOTALL).groups()
    if order and name in AMBIGUOUS:
        return None
    known = next((stored for stored, names in RAW_TYPES.items() if name in names), None)
    return None if known is None else (">" if order == ">" else "<") + known


@option_group
class Raw(OptionSet):
    """What raw files hold."""

    group: ClassVar[str] = "images"

    raw_shape: tuple[int, ...] | None = option(
        None,
        "--raw-shape",
        at_least=1,
        at_most=LONGEST,
        metavar="Z Y X",
        help="voxels of raw files along the axes, the slowest first; two numbers are a 2-D image; a name like "
        "scan_100x200x300_u16.raw says it by itself",
    )
    raw_dtype: str | None = option(
        None,
        "--raw-dtype",
        metavar="TYPE",
        help="numbers of raw files: uint16 or u16, little-endian, >u2 big-endian; 8, 16 and 32 bits, float32, float64",
    )

    def check(self) -> None:
        if (self.raw_shape is None) != (self.raw_dtype is None):
            missing, given = ("dtype", "shape") if self.raw_dtype is None else ("shape", "dtype")
            raise UserError(f"--raw-{missing} is missing: --raw-{given} alone does not say what raw files hold")
        if self.raw_shape is not None and len(self.raw_shape) not in (2, 3):
            raise UserError(f"--raw-shape takes 2 or 3 numbers, not {len(self.raw_shape)}")
        if self.raw_dtype is not None and raw_type(self.raw_dtype) is None:
            names = ", ".join(names[-1] for names in RAW_TYPES.values())
            raise UserError(f"--raw-dtype takes {names}, or short u16, >u2, not {quoted(self.raw_dtype)}")
