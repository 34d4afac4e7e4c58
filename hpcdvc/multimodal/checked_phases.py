"""Values of a file of phases, and what is wrong with them."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np

from hpcdvc.errors import UserError, quoted
from hpcdvc.multimodal.components import MOST_PHASES, SEGMENT

#: Mistakes that are told one by one.
TOLD = 10
#: Keys of a file, of a phase and of a boundary: those that are needed, and the others.
FILE = (
    ("version", "Phi", "bins", "crop", "phases"),
    ("centre", "box", "rigid", "coverage", "ranges", "thresholds", "boundaries", "background", "page"),
)
PHASE = ("weight", "mean", "covariance"), ()
BOUNDARY = ("phases", "weights"), ()
#: Bins of an axis, and part of a side that may be left out.
BINS, MOST_LEFT_OUT = (8, 1024), 0.45
#: Largest grey value, and largest component of F: no Phi of two images is beyond that.
BRIGHTEST, MOST_STRETCHED = 3e38, 1e3
#: Standard deviations of a phase, bins.
NARROWEST, WIDEST = 0.1, 1e4
#: How far the weights may be from 1 in all: what decimal numbers that are cut leave.
ROUNDING = 1e-6


def as_float(digits: str) -> float | int:
    """A whole number of JSON; one of more digits than Python takes is infinite."""
    return int(digits) if len(digits) < 300 else float("inf")


class Checked:
    """Takes values from what JSON has held, and notes each mistake; `tell` raises for all of them.

    Parameters
    ----------
    name : of the file
    values : the JSON object
    mistakes : those known already
    """

    def __init__(self, name: str, values: dict, mistakes: list[str]):
        self.name, self.values, self.mistakes = name, values, mistakes

    def tell(self) -> None:
        """Raise a UserError that names all mistakes, where there are some."""
        if self.mistakes:
            more = f"; and {len(self.mistakes) - TOLD} more" if len(self.mistakes) > TOLD else ""
            raise UserError(f"{self.name}: {'; '.join(self.mistakes[:TOLD])}{more}")

    def version(self, ours: int) -> None:
        """The version, and the keys: where the version is another one nothing else is looked at."""
        version = self.values.get("version")
        if version is not None and (isinstance(version, bool) or version != ours):
            self.mistakes[:] = [f"version {quoted(version)} is not known: {ours} is"]
            self.tell()
        self.keys("", self.values, FILE)

    def keys(self, place: str, values: dict, known: tuple[Sequence[str], Sequence[str]]) -> None:
        """Keys that are not known, and missing ones."""
        needed, others = known
        of = f"{place} has no" if place else "there is no"
        for key in values:
            if key not in (*needed, *others):
                close = get_close_matches(key, (*needed, *others), n=1)
                words = f" (is {close[0]} meant?)" if close else ""
                self.mistakes.append(f"{place + '.' if place else ''}{quoted(key)} is not known{words}")
        self.mistakes += [f"{of} {key}" for key in needed if values.get(key) is None]

    def numbers(self, place: str, given: Any, shape: tuple[int, ...], words: str) -> np.ndarray | None:
        """An array of finite numbers; None where nothing is given, or no such array."""
        if given is None:
            return None
        if _is_nested(given, shape):
            found = np.array(given, float)
            if np.isfinite(found).all():
                return found
        self.mistakes.append(f"{place} must be {words}, not {quoted(given)}")
        return None

    def phi(self) -> np.ndarray:
        """The (4, 4) array."""
        words = "4 rows of 4 numbers, the last of them 0 0 0 1"
        phi = self.numbers("Phi", self.values.get("Phi"), (4, 4), words)
        if phi is None:
            return np.eye(4)
        if (phi[3] != [0, 0, 0, 1]).any():
            self.mistakes.append(f"Phi must be {words}, not {quoted(phi[3].tolist())}")
        elif np.abs(phi[:3, :3]).max() > MOST_STRETCHED:
            self.mistakes.append(f"Phi stretches space more than {MOST_STRETCHED:g} times")
        elif np.linalg.det(phi[:3, :3]) <= 0:
            self.mistakes.append("Phi turns space inside out: its determinant must be above 0")
        return phi

    def centre(self) -> np.ndarray | None:
        """Point that Phi is about."""
        return self.numbers("centre", self.values.get("centre"), (3,), "3 numbers, ZYX")

    def box(self) -> tuple[tuple[int, int], ...] | None:
        """Part of im1 that counts."""
        words = "[first, last + 1] along Z, Y and X, whole numbers, voxels of im1"
        box = self.numbers("box", self.values.get("box"), (3, 2), words)
        if box is None:
            return None
        if not ((box == box.round()) & (box[:, :1] >= 0) & (box[:, :1] < box[:, 1:]) & (box < 2**31)).all():
            self.mistakes.append(f"box must be {words}, not {quoted(self.values['box'])}")
            return None
        return tuple((int(first), int(stop)) for first, stop in box)

    def rigid(self) -> bool:
        """Whether Phi is a rotation and a displacement only."""
        rigid = self.values.get("rigid")
        if rigid is not None and not isinstance(rigid, bool):
            self.mistakes.append(f"rigid must be true or false, not {quoted(rigid)}")
        return rigid is True

    def coverage(self) -> float:
        """Part of the voxels that belongs to a phase in the phase map."""
        words = "a number above 0, at most 1"
        return self.number("coverage", self.values.get("coverage"), words, lambda x: 0 < x <= 1) or 1.0

    def page(self) -> dict | None:
        """What only hpcdvc-mmr-graphical needs, unread."""
        page = self.values.get("page")
        if page is not None and not isinstance(page, dict):
            self.mistakes.append(f"page must be an object, not {quoted(page)}")
        return page

    def bins(self) -> int:
        """Bins of an axis."""
        words = f"a whole number from {BINS[0]} to {BINS[1]}"
        bins = self.number("bins", self.values.get("bins"), words, lambda x: x == int(x) and BINS[0] <= x <= BINS[1])
        return int(bins or BINS[1])

    def crop(self) -> float:
        """Part of each side."""
        fine = f"a number from 0 to {MOST_LEFT_OUT}"
        return self.number("crop", self.values.get("crop"), fine, lambda x: 0 <= x <= MOST_LEFT_OUT) or 0.0

    def number(self, place: str, given: Any, words: str, fine: Any) -> float | None:
        """A number with a property."""
        found = self.numbers(place, given, (), words)
        if found is not None and not fine(float(found)):
            self.mistakes.append(f"{place} must be {words}, not {quoted(given)}")
            return None
        return None if found is None else float(found)

    def ranges(self) -> np.ndarray | None:
        """Grey values of im1 and im2."""
        words = f"[low, high] of im1 and of im2, grey values to {BRIGHTEST:g}, low less than high"
        ranges = self.numbers("ranges", self.values.get("ranges"), (2, 2), words)
        if ranges is not None and not ((ranges[:, 0] < ranges[:, 1]).all() and np.abs(ranges).max() <= BRIGHTEST):
            self.mistakes.append(f"ranges must be {words}, not {quoted(self.values['ranges'])}")
        return ranges

    def thresholds(self, bins: int) -> tuple[float, float]:
        """Bins below which there is no phase."""
        words = f"2 numbers from 0 to less than {bins}, the bins"
        found = self.numbers("thresholds", self.values.get("thresholds"), (2,), words)
        if found is not None and not ((found >= 0) & (found < bins)).all():
            self.mistakes.append(f"thresholds must be {words}, not {quoted(self.values['thresholds'])}")
        return (0.0, 0.0) if found is None else (float(found[0]), float(found[1]))

    def listed(self, place: str, known: tuple[Sequence[str], Sequence[str]], least: int) -> list[tuple[str, dict]]:
        """Objects of a list, with their places."""
        given = self.values.get(place)
        if given is None:
            return []
        if not isinstance(given, list) or not least <= len(given) <= MOST_PHASES**2:
            self.mistakes.append(f"{place} must be a list{' that is not empty' * least}, not {quoted(given)}")
            return []
        found = []
        for number, values in enumerate(given, 1):
            where = f"{place}[{number}]"
            if isinstance(values, dict):
                self.keys(where, values, known)
                found.append((where, values))
            else:
                self.mistakes.append(f"{where} must have {', '.join(known[0])}, not be {quoted(values)}")
        return found

    def phases(self, bins: int, least: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Weights, means and covariances of so many phases at least."""
        listed = self.listed("phases", PHASE, least)
        if len(listed) > MOST_PHASES:
            self.mistakes.append(f"{len(listed)} phases are too many: {MOST_PHASES} at most")
            listed = []
        n = len(listed)
        weights, means, covariances = np.ones(n), np.zeros((n, 2)), np.tile(np.eye(2), (n, 1, 1))
        for k, (where, values) in enumerate(listed):
            weight = self.number(f"{where}.weight", values.get("weight"), "above 0, at most 1", lambda x: 0 < x <= 1)
            words = f"2 numbers from 0 to {bins - 1}, the bins of im1 and im2"
            mean = self.numbers(f"{where}.mean", values.get("mean"), (2,), words)
            if mean is not None and not ((mean >= 0) & (mean <= bins - 1)).all():
                self.mistakes.append(f"{where}.mean must be {words}, not {quoted(values['mean'])}")
            words = "a symmetric matrix [[ff, fg], [fg, gg]], bins^2, 0.1 bins wide or more in each direction"
            covariance = self.numbers(f"{where}.covariance", values.get("covariance"), (2, 2), words)
            if covariance is not None and not _is_positive(covariance):
                self.mistakes.append(f"{where}.covariance must be {words}, not {quoted(values['covariance'])}")
                covariance = None
            for array, value in ((weights, weight), (means, mean), (covariances, covariance)):
                array[k] = array[k] if value is None else value
        return weights, means, covariances

    def boundaries(self, n: int) -> tuple[np.ndarray, np.ndarray, float | None]:
        """Pairs of phases from 0, weights of the components, and the background; None where they are left out."""
        given = [key for key in ("boundaries", "background") if self.values.get(key) is not None]
        if len(given) == 1:
            self.mistakes.append(
                f"{given[0]} is there without {'background' if given[0] == 'boundaries' else 'boundaries'}"
            )
        fine = "a number above 0, less than 1"
        background = self.number("background", self.values.get("background"), fine, lambda x: 0 < x < 1)
        listed = self.listed("boundaries", BOUNDARY, 0)
        pairs, shares = np.zeros((len(listed), 2), int), np.zeros((len(listed), SEGMENT))
        for k, (where, values) in enumerate(listed):
            words = f"two different numbers from 1 to {n}"
            pair = self.numbers(f"{where}.phases", values.get("phases"), (2,), words)
            if pair is not None:
                if (pair != pair.round()).any() or pair.min() < 1 or pair.max() > n or pair[0] == pair[1]:
                    self.mistakes.append(f"{where}.phases must be {words}, not {quoted(values['phases'])}")
                else:
                    pairs[k] = pair - 1
            words = f"{SEGMENT} numbers from 0 to 1"
            share = self.numbers(f"{where}.weights", values.get("weights"), (SEGMENT,), words)
            if share is not None:
                if not ((share >= 0) & (share <= 1)).all():
                    self.mistakes.append(f"{where}.weights must be {words}, not {quoted(values['weights'])}")
                shares[k] = share
        if not self.mistakes and len({tuple(sorted(pair)) for pair in pairs.tolist()}) < len(pairs):
            self.mistakes.append("boundaries has two between the same phases")
        return pairs, shares, background

    def sum(self, weights: np.ndarray, shares: np.ndarray, background: float | None) -> None:
        """The weights of a whole mixture are 1."""
        total = weights.sum() + shares.sum() + (background or 0)
        if background is not None and not self.mistakes and abs(total - 1) > ROUNDING:
            self.mistakes.append(f"the weights of phases, boundaries and background must be 1 in all, not {total:.9g}")


def _is_nested(given: Any, shape: tuple[int, ...]) -> bool:
    """Whether these are lists of numbers of that shape."""
    if not shape:
        return isinstance(given, int | float) and not isinstance(given, bool) and abs(given) < float("inf")
    return isinstance(given, list) and len(given) == shape[0] and all(_is_nested(part, shape[1:]) for part in given)


def _is_positive(covariance: np.ndarray) -> bool:
    """Whether it is one: symmetric, wide in each direction, and of a size that can be inverted."""
    if abs(covariance[0, 1] - covariance[1, 0]) > 1e-9 * np.abs(covariance).max():
        return False
    least, most = np.linalg.eigvalsh(covariance)
    return bool(NARROWEST**2 <= least and most <= WIDEST**2)
