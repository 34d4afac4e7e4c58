"""Stored numbers that are no grey values yet: scaled ones, those of the other signedness, and colours."""

from dataclasses import dataclass

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.images.files import read_block

#: Voxels that are made at a time.
SOME = 2**20
#: Parts of red, green and blue in the luminance (ITU-R BT.601).
LUMINANCE = (0.299, 0.587, 0.114)
#: What the user has to know of a colour image.
COLOUR = "it is in colour: its luminance, 0.299 red + 0.587 green + 0.114 blue, is taken, as floating point numbers"
TRANSPARENCY = "its transparency is not used"


@dataclass(frozen=True)
class Numbers:
    """How stored numbers become voxels.

    Attributes
    ----------
    stored, dtype : type of the numbers, and of the voxels
    how : ``"plain"``, ``"shifted"`` by half of their range, or ``"scaled"``: voxel = scale * number + zero
    scale, zero : see `how`
    blank : the number that stands for a voxel that is not there
    samples : numbers of a voxel: 1, or red, green and blue, and perhaps transparency
    """

    stored: np.dtype
    dtype: np.dtype
    how: str = "plain"
    scale: float = 1.0
    zero: float = 0.0
    blank: int | None = None
    samples: int = 1

    @classmethod
    def scaled(cls, stored: np.dtype, scale: float = 1.0, zero: float = 0.0, samples: int = 1) -> "Numbers":
        """Numbers with a scale, and colours; plain ones where neither changes anything."""
        if (scale, zero, samples) == (1, 0, 1):
            return cls(stored, stored)
        return cls(stored, floating(stored), "scaled", scale, zero, samples=samples)

    @property
    def voxel_bytes(self) -> int:
        """Bytes of a voxel as it is stored."""
        return self.stored.itemsize * self.samples

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user has to know."""
        return colour_notes(self.samples)

    def read(self, file, offset: int, voxels: np.ndarray) -> None:
        """Fill voxels (n,) from a byte of a file on."""
        if self.how != "scaled":
            read_block(file, offset, self.stored, voxels)
            if self.how == "shifted":
                whole = voxels.view(f"u{voxels.itemsize}")
                whole ^= whole.dtype.type(1 << 8 * voxels.itemsize - 1)
            return
        for first in range(0, len(voxels), SOME):
            some = voxels[first : first + SOME]
            numbers = np.empty((len(some), self.samples), self.stored.newbyteorder("="))
            read_block(file, offset + first * self.voxel_bytes, self.stored, numbers)
            values = self.scale * numbers.astype("f8") + self.zero
            some[:] = values[:, 0] if self.samples == 1 else luminance(values)
            if self.blank is not None:
                some[numbers[:, 0] == self.blank] = np.nan


def floating(stored: np.dtype) -> np.dtype:
    """Type of floating point numbers for values made of stored ones: f4 where these have not more digits, else f8."""
    return np.dtype("f4" if stored.kind in "iu" and stored.itemsize <= 2 or stored.str[1:] == "f4" else "f8")


def luminance(colours: np.ndarray) -> np.ndarray:
    """Grey values (...) float64 of colours (..., 3 or 4): red, green, blue; transparency is not used."""
    red, green, blue = (part * colours[..., k].astype("f8") for k, part in enumerate(LUMINANCE))
    return red + green + blue


def colour_notes(samples: int) -> tuple[str, ...]:
    """What the user has to know of voxels of so many numbers."""
    colour = (COLOUR,) if samples >= 3 else ()
    return (*colour, TRANSPARENCY) if samples in (2, 4) else colour


def check_samples(spec: str, samples: int) -> None:
    """UserError where voxels of so many numbers are neither grey nor a colour."""
    if samples not in (1, 3, 4):
        raise UserError(f"{spec} holds {samples} numbers for each voxel: one, or a colour of 3 or 4, is needed")
