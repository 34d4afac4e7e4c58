"""Frames of a speckle scan as they are compared: chosen, corrected for the detector, moved and masked.

Nothing is held but a band of rows: grey values are read where they are, and every step is done while a band is filled.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.status import Status

#: From a frame and rows first to last - 1 to the grey values that are stored, (last - first, W).
Rows = Callable[[int, int, int], np.ndarray]
#: Rows that are looked at together.
BLOCK = 256
#: What is known of a frame: mean of the grey values that are there, how many are, how many are clipped, the least and
#: the greatest of the others as stored.
FACTS = np.dtype([("mean", "f8"), ("pixels", "i8"), ("clipped", "i8"), ("low", "f8"), ("high", "f8")])


@dataclass(frozen=True)
class Detector:
    """What the detector adds to grey values, and what it multiplies them by.

    Attributes
    ----------
    dark : (H, W) float32, subtracted; None: nothing
    factor : (H, W) float32, multiplied, of mean 1; NaN at pixels that see no light; None: nothing
    """

    dark: np.ndarray | None = None
    factor: np.ndarray | None = None

    @classmethod
    def of(cls, flats: np.ndarray | None, darks: np.ndarray | None, names: tuple[str, str] = ("", "")) -> "Detector":
        """From frames without diffuser and sample, and frames without light; either may be None.

        Parameters
        ----------
        flats, darks : (N, H, W) grey values
        names : of the files, for messages

        Raises
        ------
        UserError
            No pixel of the flats is brighter than the darks.
        """
        dark = None if darks is None else _mean_of(darks)
        if flats is None:
            return cls(None if dark is None else dark.astype(np.float32))
        flat = _mean_of(flats) - (0 if dark is None else dark)
        lit = flat > 0
        if not lit.any():
            what = f"{names[0]} is nowhere brighter than {names[1]}" if darks is not None else f"{names[0]} is dark"
            raise UserError(f"{what}: there is no light to divide by")
        flat[~lit] = np.nan
        factor = (flat[lit].mean() / flat).astype(np.float32)
        return cls(None if dark is None else dark.astype(np.float32), factor)

    def corrected(self, raw: np.ndarray, first: int) -> np.ndarray:
        """(h, W) float32 of grey values as stored, whose first row is row `first` of the frame; the clipped are inf.

        Grey values of whole numbers that are the largest of their type are clipped: nobody knows what they were.
        """
        rows = raw.astype(np.float32)
        part = slice(first, first + len(raw))
        if self.dark is not None:
            rows -= self.dark[part]
        if self.factor is not None:
            rows *= self.factor[part]
        if raw.dtype.kind in "iu":
            rows[raw == np.iinfo(raw.dtype).max] = np.inf
        else:
            rows[~np.isfinite(rows)] = np.nan
        return rows


def _mean_of(frames: np.ndarray) -> np.ndarray:
    """(H, W) float64: mean over the frames, NaN left out."""
    total, count = np.zeros(frames.shape[1:]), np.zeros(frames.shape[1:], np.int32)
    for frame in frames:
        there = np.isfinite(frame)
        total += np.where(there, frame, 0)
        count += there
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def frame_facts(rows: Rows, frame: int, height: int, detector: Detector, mask: Rows | None = None) -> np.void:
    """What is known of one frame.

    Parameters
    ----------
    rows : grey values as they are stored
    frame : its number
    height : rows of the frame
    detector : corrects them
    mask : where it is 0, pixels are left out; None: nowhere

    Returns
    -------
    record of `FACTS`
        The mean is that of the corrected grey values; `low` and `high` are those of the stored ones that are not
        clipped, NaN where none is.
    """
    total, pixels, clipped, low, high = 0.0, 0, 0, np.inf, -np.inf
    for first in range(0, height, BLOCK):
        raw = rows(frame, first, min(first + BLOCK, height))
        values = detector.corrected(raw, first)
        there = np.isfinite(values)
        unknown = np.isinf(values)
        clipped += int(np.count_nonzero(unknown))
        seen = raw if raw.dtype.kind in "iu" and not unknown.any() else raw[~unknown & np.isfinite(raw)]
        if seen.size:
            low, high = min(low, float(seen.min())), max(high, float(seen.max()))
        if mask is not None:
            there &= _counts(mask(frame, first, min(first + BLOCK, height)))
        total += float(np.where(there, values, 0).sum(dtype=np.float64))
        pixels += int(np.count_nonzero(there))
    known = np.isfinite(low)
    mean = total / pixels if pixels else np.nan
    return np.array([(mean, pixels, clipped, low if known else np.nan, high if known else np.nan)], FACTS)[0]


def fault_of(facts: np.void, normalised: bool = False) -> str:
    """Why a frame is left out, in words that follow its name; "" where it is not.

    Parameters
    ----------
    facts : from `frame_facts`
    normalised : frames are divided by their means
    """
    if not facts["low"] < facts["high"]:
        nothing = "is clipped everywhere" if facts["clipped"] else "is NaN everywhere"
        return nothing if np.isnan(facts["low"]) else f"is {facts['low']:g} everywhere"
    if not facts["pixels"]:
        return "is masked everywhere"
    if normalised and not facts["mean"] > 0:
        return f"has a mean of {facts['mean']:.4g}, which nothing can be divided by"
    return ""


@dataclass(frozen=True)
class Frames:
    """Frames of one stack, and how their grey values are taken.

    Attributes
    ----------
    rows : grey values as they are stored
    numbers : (k,) frames that are compared
    shape : (H, W)
    detector : corrects them
    positions : (k, 2) rows and columns by which the sample has moved in each frame; empty where it has not
    mask : for these numbers; where it is 0, pixels are left out; None: nowhere
    """

    rows: Rows
    numbers: tuple[int, ...]
    shape: tuple[int, int]
    detector: Detector = Detector()
    positions: Sequence[tuple[int, int]] = ()
    mask: Rows | None = None

    def band(self, first: int, last: int) -> np.ndarray:
        """Rows first to last - 1 of every frame as they are compared.

        Where the sample has moved, pixel x is pixel x + position of the frame.

        Returns
        -------
        (k, last - first, W) float32, C order
            NaN: not there, by a mask, or beyond the frame when the sample has moved; inf: clipped.
        """
        out = np.full((len(self.numbers), last - first, self.shape[1]), np.nan, np.float32)
        for k, number in enumerate(self.numbers):
            (top, bottom), columns, place = self._moved(k, first, last)
            if top >= bottom:
                continue
            values = self.detector.corrected(self.rows(number, top, bottom), top)
            if self.mask is not None:
                values[~_counts(self.mask(number, top, bottom))] = np.nan
            out[k][place] = values[:, columns]
        return out

    def unmasked(self, first: int, last: int) -> np.ndarray:
        """(last - first, W) float32: part of the frames in which the mask leaves a pixel of these rows."""
        left = np.ones((last - first, self.shape[1]), np.float32)
        for k, number in enumerate(self.numbers if self.mask else ()):
            (top, bottom), columns, place = self._moved(k, first, last)
            if top < bottom:
                left[place] -= ~_counts(self.mask(number, top, bottom))[:, columns] / np.float32(len(self.numbers))
        return left

    def _moved(self, k: int, first: int, last: int) -> tuple[tuple[int, int], slice, tuple[slice, slice]]:
        """Rows of frame k that are there, its columns, and their place among rows first to last - 1 of the sample."""
        dy, dx = self.positions[k] if len(self.positions) else (0, 0)
        height, width = self.shape
        top, bottom = max(first + dy, 0), min(last + dy, height)
        left, right = min(max(dx, 0), width), max(min(width + dx, width), 0)
        place = slice(top - dy - first, bottom - dy - first), slice(left - dx, right - dx)
        return (top, bottom), slice(left, right), place

    def chosen(self, kept: Sequence[int]) -> "Frames":
        """Those of its frames, by their place in `numbers`."""
        positions = tuple(self.positions[k] for k in kept) if len(self.positions) else ()
        return replace(self, numbers=tuple(self.numbers[k] for k in kept), positions=positions)


@dataclass(frozen=True)
class FramePair:
    """Both stacks of one projection as they are compared.

    Attributes
    ----------
    ref, sam : the frames without and with the sample
    means : (2,) of the stacks, or (2, k) of the frames, which are to be divided by them; empty where no frame is left
    left_out : for each frame of `sam` that is not compared: its number, and why, as a sentence goes on
    status : of all pixels where too few frames are left
    """

    ref: Frames
    sam: Frames
    means: np.ndarray
    left_out: tuple[tuple[int, str], ...]
    status: Status

    def bands(self, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows first to last - 1 of both, (k, last - first, W) float32 each."""
        return self.ref.band(first, last), self.sam.band(first, last)


def pair_of(ref: Frames, sam: Frames, facts: tuple[np.ndarray, np.ndarray], by_frame: bool) -> FramePair:
    """Put both stacks together: a frame that cannot be compared in one is left out of both.

    Parameters
    ----------
    ref, sam : as many frames each
    facts : of these, (k,) `FACTS` each
    by_frame : frames are to be divided by their own means
    """
    left_out, kept = [], []
    for k, number in enumerate(sam.numbers):
        reasons = [fault_of(known[k], by_frame) for known in facts]
        words = [f"{name} {reason}" for name, reason in zip(("the reference", "it"), reasons, strict=True) if reason]
        if words:
            left_out.append((number, " and ".join(words)))
        else:
            kept.append(k)
    used = [known[kept] for known in facts]
    if by_frame:
        means = np.stack([known["mean"] for known in used])
    else:
        means = np.array([stack_mean(known) for known in used]) if kept else np.empty(0)
        if not (means > 0).all():  # darks of more light than the sample lets through
            words = " and ".join(f"{mean:.4g}" for mean in means)
            reason = f"it is of stacks whose means are {words}, by which nothing can be divided"
            left_out, kept, means = sorted([*left_out, *((sam.numbers[k], reason) for k in kept)]), [], np.empty(0)
    return FramePair(ref.chosen(kept), sam.chosen(kept), means, tuple(left_out), _status_of(facts))


def _status_of(facts: tuple[np.ndarray, np.ndarray]) -> Status:
    """How pixels end because of frames that are left out."""
    if any((known["low"] == known["high"]).any() for known in facts):
        return Status.SINGULAR
    clipped = any((np.isnan(known["low"]) & (known["clipped"] > 0)).any() for known in facts)
    return Status.SATURATED if clipped else Status.FEW_VALID_VOXELS


def _counts(mask: np.ndarray) -> np.ndarray:
    """Where a mask is neither 0 nor NaN."""
    return (mask != 0) & (mask == mask)


def stack_mean(facts: np.ndarray) -> float:
    """Mean of the grey values of several frames, those that are there."""
    return float((facts["mean"] * facts["pixels"]).sum() / facts["pixels"].sum())
