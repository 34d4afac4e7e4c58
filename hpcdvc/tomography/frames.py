"""Views that are frames of a stack: of TIFF files, of NXtomo, DataExchange and any other HDF5 file."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.images import VolumeInfo, read_planes
from hpcdvc.tomography import normalise


@dataclass(frozen=True, eq=False)
class Frames:
    """Some frames of a stack.

    Attributes
    ----------
    info : header of the stack
    numbers : of the frames, from 0
    """

    info: VolumeInfo
    numbers: Sequence[int]

    @classmethod
    def all(cls, info: VolumeInfo) -> "Frames":
        """All frames of a stack."""
        return cls(info, range(info.shape[0]))

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of a frame."""
        return self.info.shape[1:]

    def mean(self) -> np.ndarray:
        """(rows, columns) float64: mean of the frames; not finite where one of them is not."""
        total = np.zeros(self.size)
        with np.errstate(invalid="ignore"):
            for number in self.numbers:
                total += read_planes(self.info, number, number + 1)[0]
        return total / len(self.numbers)


@dataclass(eq=False)
class FrameViews:
    """Views that are frames, whose rows are k and columns j.

    Attributes
    ----------
    frames : the views
    flat : frames without sample; None: the views hold absorbances, or light whose beam each view shows itself
    dark : frames without beam; None: it is dark there
    light : the views hold light, not absorbances
    background : what light there is beside the sample: see `hpcdvc.tomography.normalise.beam_of`
    """

    frames: Frames
    flat: Frames | None = None
    dark: Frames | None = None
    light: bool = False
    background: str = "bright"
    _beam: tuple[np.ndarray, np.ndarray] | None = field(default=None, repr=False)
    _block: tuple[int, np.ndarray] | None = field(default=None, repr=False)

    @property
    def _infos(self) -> list[VolumeInfo]:
        return [part.info for part in (self.frames, self.flat, self.dark) if part is not None]

    @property
    def files(self) -> tuple[str, ...]:
        """Those that are read, and those whose links lead to them."""
        named = [path for info in self._infos for path in (info.path, *info.files) if not os.path.isdir(path)]
        return tuple(dict.fromkeys(named))

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user has to know: how pixels are taken, and what is missing."""
        sentences = [f"{info.spec}: {note}" for info in self._infos for note in info.notes]
        if self.light and self.dark is None:
            sentences.append(f"{self.frames.info.spec}: there are no frames without beam, 0 is taken for them")
        return tuple(dict.fromkeys(sentences))

    def read(self, view: int) -> tuple[np.ndarray, np.ndarray]:
        """See `hpcdvc.tomography.scan.Scan.read`."""
        stored = self._frame(self.frames.numbers[view])
        spec = self.frames.info.spec
        if stored.dtype.kind == "f" and not np.isfinite(stored).all():
            raise UserError(f"{spec}: view {view} (frame {self.frames.numbers[view]}) holds NaN or infinity")
        if not stored.any():
            raise UserError(f"{spec}: view {view} (frame {self.frames.numbers[view]}) is 0 everywhere")
        if not self.light:
            return np.ascontiguousarray(stored.T, np.float32), np.ones(stored.T.shape, np.float32)
        dark, beam = self._detector()
        with np.errstate(invalid="ignore"):
            light = (stored - dark) / beam
        found = normalise.absorbance(np.ascontiguousarray(light.T), self.background)
        if found is None:
            raise UserError(f"{spec}: view {view} (frame {self.frames.numbers[view]}) shows no light beside the sample")
        return found

    def _frame(self, number: int) -> np.ndarray:
        """A frame as it is stored; frames that are stored together are kept, for the next is among them."""
        depth = self.frames.info.depth
        if depth == 1:
            return read_planes(self.frames.info, number, number + 1)[0]
        if self._block is None or self._block[0] != number // depth:
            first = number // depth * depth
            self._block = None  # first: its memory is for the next
            planes = read_planes(self.frames.info, first, min(first + depth, self.frames.info.shape[0]))
            self._block = number // depth, planes
        return self._block[1][number % depth]

    def _detector(self) -> tuple[np.ndarray, np.ndarray]:
        """Signal without beam, and what the beam adds to it, NaN in pixels that see none, (rows, columns) each."""
        if self._beam is None:
            dark = np.zeros(self.frames.size) if self.dark is None else self.dark.mean()
            beam = np.ones(self.frames.size) if self.flat is None else self.flat.mean() - dark
            lit = beam > 0  # not where NaN is stored
            if not lit.any():
                than = "0" if self.dark is None else f"the dark frames of {self.dark.info.spec}"
                raise UserError(f"the flat frames of {self.flat.info.spec} are nowhere brighter than {than}")
            self._beam = dark, np.where(lit & np.isfinite(dark), beam, np.nan)
        return self._beam


def check_size(frames: Frames, other: Frames | None, what: str) -> None:
    """Refuse flat or dark frames of another size than the views."""
    if other is not None and other.size != frames.size:
        sizes = [" x ".join(map(str, part.size)) for part in (other, frames)]
        raise UserError(
            f"the {what} frames of {other.info.spec} have {sizes[0]} pixels, the views of {frames.info.spec} {sizes[1]}"
        )
