"""Lengths in a unit: how large a voxel is, `6.5um`, as options and files say it."""

import math
import re
from dataclasses import dataclass
from typing import ClassVar

from hpcdvc.errors import UserError, quoted
from hpcdvc.options.declare import OptionSet, option, option_group

#: Units that are taken, each by the power of ten that makes metres of it.
UNITS = {"um": -6, "mm": -3, "nm": -9, "m": 0}
#: Voxels are neither smaller nor larger, in their unit: what is made of them stays a number that viewers can show.
LEAST, MOST = 1e-9, 1e9
_LENGTH = re.compile(r"\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*([^\s0-9.]*)\s*")
_MICRO = str.maketrans({"\u00b5": "u", "\u03bc": "u"})  # two characters that look alike
_LIKE = "6.5um, 6.5mm, 6.5nm or 6.5m"


@dataclass(frozen=True)
class VoxelSize:
    """The edge of a cubic voxel.

    Attributes
    ----------
    number : in `unit`
    unit : one of `UNITS`; lengths are kept in it
    text : both, as it was given, without blanks
    """

    number: float
    unit: str
    text: str

    @classmethod
    def of(cls, text: str) -> "VoxelSize":
        """From `6.5um`, `6.5 um` or `6.5µm`; ValueError, with the reason, where it is none."""
        found = _LENGTH.fullmatch(text) if isinstance(text, str) else None
        if not found:
            raise ValueError(f"takes a length such as {_LIKE}, not {quoted(text)}")
        number, unit = found[1], found[2].translate(_MICRO)
        if not unit:
            raise ValueError(f"needs a unit, {_LIKE}, not {quoted(text)}")
        if unit not in UNITS:
            raise ValueError(f"knows the units um, mm, nm and m, not {quoted(found[2])}")
        if not LEAST <= float(number) <= MOST:
            raise ValueError(f"must be from {LEAST:g} to {MOST:g} of its unit, not {quoted(text)}")
        return cls(float(number), unit, number + unit)

    def equals(self, other: "VoxelSize") -> bool:
        """Whether both are as long, but for rounding, in whatever units."""
        return math.isclose(self.metres, other.metres, rel_tol=1e-6)

    @property
    def metres(self) -> float:
        """The same in metres."""
        return self.number * 10.0 ** UNITS[self.unit]

    def divided(self, ratio: float) -> "VoxelSize":
        """Of voxels of which `ratio` make one of these."""
        return self if ratio == 1 else VoxelSize.of(f"{self.number / ratio!r}{self.unit}")

    def __str__(self) -> str:
        return f"{self.text.removesuffix(self.unit)} {self.unit}"


@option_group
class InUnits(OptionSet):
    """How large a voxel is."""

    group: ClassVar[str] = "output"

    voxel_size: str | None = option(
        None,
        "--voxel-size",
        metavar="6.5um",
        help="edge of a voxel in um, mm, nm or m: geometry and displacement in the .hdf file and in what viewers open "
        "beside it are in that unit; tables stay in voxels",
    )

    def check(self) -> None:
        if self.voxel_size is None:
            return
        try:
            self.voxel_size = VoxelSize.of(self.voxel_size).text
        except ValueError as error:
            raise UserError(f"--voxel-size {error}") from None
