"""Files of phases (JSON): what a registration across modalities has found or somebody has picked, to be replayed."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hpcdvc.errors import UserError, quoted
from hpcdvc.multimodal.checked_phases import Checked, as_float
from hpcdvc.multimodal.components import SEGMENT, Mixture
from hpcdvc.multimodal.greys import GreyRange
from hpcdvc.multimodal.mixture import fit_weights
from hpcdvc.output.files import read_small

#: Version of the form; a file of another one is refused.
VERSION = 1
#: Bytes of a file at most.
LARGEST = 1_000_000


@dataclass(frozen=True, eq=False)
class PhasesFile:
    """What a registration is replayed from.

    Attributes
    ----------
    phi : (4, 4) array, ZYX, voxels of the images: where it starts
    centre : (3,) point of im1 that phi is about; None: its middle
    bins : of each axis of the joint histogram
    crop : part of each side left out on either end
    ranges : of the grey values of im1 and im2 that the bins are made of; None: those of the central crop
    thresholds : bins of im1 and im2 below which no phase was looked for
    mixture : the phases; with the boundaries between them where it is `complete`
    complete : the weights of boundaries and background are in the file
    box : (first, last + 1) voxel of im1 that counts, along Z, Y and X; None: what margin and crop leave
    rigid : phi is a rotation and a displacement only
    coverage : part of the voxels that belongs to a phase in the phase map
    page : what hpcdvc-mmr-graphical keeps beside that, JSON-able
    """

    phi: np.ndarray
    centre: np.ndarray | None
    bins: int
    crop: float
    ranges: tuple[GreyRange, GreyRange] | None
    thresholds: tuple[float, float]
    mixture: Mixture
    complete: bool = True
    box: tuple[tuple[int, int], ...] | None = None
    rigid: bool = False
    coverage: float = 1.0
    page: dict | None = None

    def margin(self, shape: tuple[int, int, int]) -> tuple[tuple[int, int], ...] | None:
        """Voxels that the box leaves out at either end of an image of that shape; None without a box.

        Raises
        ------
        UserError
            The box is larger than the image.
        """
        if self.box is None:
            return None
        if any(stop > n for (_, stop), n in zip(self.box, shape, strict=True)):
            size, ends = " x ".join(map(str, shape)), " ".join(f"{first}:{stop}" for first, stop in self.box)
            raise UserError(f"the box {ends} of the phases does not lie in im1, {size} voxels (ZYX)")
        return tuple((first, n - stop) for (first, stop), n in zip(self.box, shape, strict=True))

    def mixture_of(self, histogram: np.ndarray) -> Mixture:
        """The mixture to register with: as it is in the file, or where boundaries are missing, with those that fit.

        Parameters
        ----------
        histogram : (bins, bins) array of counts, im1 by im2
        """
        return self.mixture if self.complete else fit_weights(self.mixture, histogram)


def read_phases(path: str | Path, least: int = 1) -> PhasesFile:
    """Read a file of phases, of which there are so many at least.

    Raises
    ------
    UserError
        No such file, no JSON, or mistakes in it: all of them, each with its place.
    """
    path = Path(path)
    mistakes: list[str] = []
    values = _read(path, mistakes)
    return _phases_of(Checked(str(path), values, mistakes), least)


def phases_text(phases: PhasesFile) -> str:
    """A file of phases as text; read again it gives the same numbers, bit for bit."""
    mixture, n = phases.mixture, phases.mixture.n_phases
    ranges = phases.ranges and [[float(grey.low), float(grey.high)] for grey in phases.ranges]
    values = {
        "version": VERSION,
        "Phi": np.asarray(phases.phi, float).tolist(),
        "centre": None if phases.centre is None else np.asarray(phases.centre, float).tolist(),
        **({"box": [list(ends) for ends in phases.box]} if phases.box else {}),
        **({"rigid": True} if phases.rigid else {}),
        "crop": float(phases.crop),
        "bins": int(phases.bins),
        "ranges": ranges,
        "thresholds": [float(threshold) for threshold in phases.thresholds],
        "phases": [
            {"weight": float(weight), "mean": mean.tolist(), "covariance": covariance.tolist()}
            for weight, mean, covariance in zip(mixture.weights[:n], mixture.means, mixture.covariances, strict=False)
        ],
    }
    if phases.complete:
        shares = mixture.weights[n:].reshape(-1, SEGMENT)
        values["boundaries"] = [
            {"phases": [int(number) + 1 for number in pair], "weights": share.tolist()}
            for pair, share in zip(mixture.pairs, shares, strict=True)
        ]
        values["background"] = mixture.background
    if phases.coverage != 1:
        values["coverage"] = float(phases.coverage)
    if phases.page is not None:
        values["page"] = phases.page
    return _spread(values)


def _spread(values: dict) -> str:
    """JSON with a line for each value, and for each phase and boundary."""
    lines = []
    for key, value in values.items():
        parts = [json.dumps(part, allow_nan=False) for part in value] if key in ("Phi", "phases", "boundaries") else []
        text = "[\n    " + ",\n    ".join(parts) + "\n  ]" if parts else json.dumps(value, allow_nan=False)
        lines.append(f"  {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _read(path: Path, mistakes: list[str]) -> dict:
    """What a JSON file holds, and which keys are given twice."""
    text = read_small(path, LARGEST, "phases")

    def unique(pairs: list[tuple[str, object]]) -> dict:
        times = Counter(key for key, _ in pairs)
        mistakes.extend(f"{quoted(key)} is given twice" for key, many in times.items() if many > 1)
        return dict(pairs)

    try:
        values = json.loads(text.decode("utf-8-sig"), object_pairs_hook=unique, parse_int=as_float)
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is no JSON: it is no text in UTF-8") from error
    except json.JSONDecodeError as error:
        raise UserError(f"{path} is no JSON: line {error.lineno}, column {error.colno}: {error.msg}") from error
    except RecursionError as error:
        raise UserError(f"{path} is no JSON that holds phases: too many brackets in each other") from error
    if not isinstance(values, dict):
        raise UserError(f"{path} holds no phases: a JSON object with version, Phi, bins, crop and phases is needed")
    return values


def _phases_of(checked: Checked, least: int) -> PhasesFile:
    """What the values stand for, if there is no mistake in them."""
    checked.version(VERSION)
    phi, centre = checked.phi(), checked.centre()
    bins, crop, box = checked.bins(), checked.crop(), checked.box()
    rigid, coverage, page = checked.rigid(), checked.coverage(), checked.page()
    ranges, thresholds = checked.ranges(), checked.thresholds(bins)
    weights, means, covariances = checked.phases(bins, least)
    pairs, shares, background = checked.boundaries(len(weights))
    complete = background is not None
    checked.sum(weights, shares, background)
    checked.tell()
    mixture = Mixture.of(np.concatenate([weights, shares.ravel()]), means, covariances, pairs, background or 0)
    found = None if ranges is None else tuple(GreyRange(*limits) for limits in ranges.tolist())
    return PhasesFile(phi, centre, bins, crop, found, thresholds, mixture, complete, box, rigid, coverage, page)
