"""Search over a range that nobody has to know: coarse to fine on binned copies, widened where that finds nothing.

On a copy binned by b a window of w voxels has w / b; as long as these are five, the right place is among the best few
(of 75 searches each on two textures none was missed among five). These are followed to the images themselves.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from hpcdvc.fields.status import Status
from hpcdvc.search.copies import Copy
from hpcdvc.search.pixels import FOUND, PixelSearch

#: Candidates that are followed from the coarsest copy, and those of the last step.
CANDIDATES, FINALISTS = 5, 3
#: Displacements about a candidate that are tried in the next finer image.
AROUND = 2
#: Ranges, voxels: on copies and in two dimensions, and where a window is too small for copies.
WIDE, NARROW = (24, 48, 96), (6, 12, 24)
#: Steps that the best place may move on by.
STEPS = 8
#: Ends that a wider range may change.
WIDEN = (Status.LEFT_IMAGE, Status.DECORRELATED, Status.BORDER_OF_RANGE)
#: A second peak of so much of the correlation of the first is as good.
UNIQUE = 0.9


class AdaptiveSearch:
    """Called with points, gives what was found and the range that it took.

    Parameters
    ----------
    search : of the images themselves
    copies : see `hpcdvc.search.copies.binned_copies`; none where windows are particles
    half : half window, ZYX, voxels
    reaches : ranges that are tried, voxels, and no others; by default those that suit the images, and without copies
        in the end
    """

    def __init__(
        self,
        search: PixelSearch,
        copies: list[Copy] | None = None,
        half: tuple[int, int, int] = (0, 0, 0),
        reaches: tuple[int, ...] | None = None,
    ):
        self._search, self._copies, self._half, self._reaches = search, copies or [], half, reaches
        settings = replace(search.settings, criterion="zncc", subvoxel=False, grey_low=-np.inf, grey_high=np.inf)
        self._on_copies = [
            PixelSearch(c.level.im1, c.level.im2, settings, c.level.mask1, c.mask2) for c in self._copies
        ]

    def __call__(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Where windows are found.

        Parameters
        ----------
        points : (n,) array of SEARCH_POINT; their ranges tell only which axes are searched: those where the last
            displacement is not the first

        Returns
        -------
        found : (n,) array of FOUND
        low, high : (n, 3) int arrays, the displacements that were tried, from the rounded starts
        """
        axes = points["high"] > points["low"]
        found = np.zeros(len(points), FOUND)
        reach, left = np.zeros(len(points), np.int64), np.arange(len(points))
        for way, distance in self._tries(bool(axes.all())):
            if not len(left):
                break
            now = way(points[left], axes[left], distance)
            better = (now["return_status"] > 0) | (reach[left] == 0) | (now["score"] > found["score"][left])
            found[left[better]], reach[left] = now[better], np.maximum(reach[left], distance)
            left = left[np.isin(now["return_status"], WIDEN)]
        spans = np.maximum(reach[:, None] * axes, np.abs(found["whole"]))
        return found, -spans, spans

    def _tries(self, solid: bool) -> list[tuple[Callable, int]]:
        """Ways to search and ranges, the narrowest first; `solid`: along three axes."""
        if self._reaches is not None:
            return [(self._coarse_to_fine if self._copies else self._exhaustive, r) for r in self._reaches]
        if not self._copies:
            return [(self._exhaustive, r) for r in (NARROW if solid else WIDE)]
        return [*((self._coarse_to_fine, r) for r in WIDE), (self._exhaustive, WIDE[0])]

    def _exhaustive(self, points: np.ndarray, axes: np.ndarray, distance: int) -> np.ndarray:
        points = points.copy()
        points["low"], points["high"] = -distance * axes, distance * axes
        return self._search(points)

    def _coarse_to_fine(self, points: np.ndarray, axes: np.ndarray, distance: int) -> np.ndarray:
        """Followed from the coarsest copy; the last step is on the images."""
        start = points["Phi"][:, :, 3]
        guesses = start[:, None]  # (n, candidates, 3) displacements, voxels
        reach = np.full(3, distance)
        for copy, search in zip(self._copies, self._on_copies, strict=True):
            step = copy.level.step
            trial = self._repeated(points, guesses, axes, np.maximum(reach // step, AROUND).astype(int))
            trial["position"], trial["Phi"][:, :, 3] = copy.place(trial["position"]), trial["Phi"][:, :, 3] / step
            half = copy.half(self._half)
            trial["box_low"], trial["box_high"] = np.negative(half), half
            _, peaks = search(trial, CANDIDATES)
            guesses = _best_guesses(peaks, np.rint(trial["Phi"][:, :, 3]), len(points)) * step
            reach = np.full(3, 0)
        return self._on_images(points, guesses[:, :FINALISTS], axes, distance)

    def _on_images(self, points: np.ndarray, guesses: np.ndarray, axes: np.ndarray, distance: int) -> np.ndarray:
        """The best of the guesses, and whether it is the only one."""
        tried = np.where(axes, 2.0 * distance + 1, 1.0).prod(axis=1)
        trial = self._repeated(points, guesses, axes, np.full(3, AROUND))
        seen = self._search(trial).reshape(len(points), -1)
        score = np.nan_to_num(seen["score"], nan=-np.inf)
        best, rows = score.argmax(axis=1), np.arange(len(points))
        start = np.rint(trial["Phi"][:, :, 3]).reshape(*seen.shape, 3)
        found = self._followed(points, start[rows, best] + seen["whole"][rows, best], axes, tried)
        at = found["whole"] + np.rint(points["Phi"][:, :, 3])
        apart = np.abs(start + seen["whole"] - at[:, None]).max(axis=2) > AROUND
        other = apart & (seen["return_status"] != Status.BORDER_OF_RANGE)
        for name, of in (("second", "score"), ("zncc", "zncc")):
            values = np.where(other, np.nan_to_num(seen[of], nan=-np.inf), -np.inf).max(axis=1)
            if name == "second":
                known = np.nan_to_num(found["second"], nan=-np.inf)
                found["second"] = np.where(np.maximum(known, values) > -np.inf, np.maximum(known, values), np.nan)
            else:
                twins = (found["return_status"] > 0) & (values >= UNIQUE * found["zncc"])
                found["return_status"][twins], found["displacement"][twins] = Status.AMBIGUOUS, np.nan
        return found

    def _followed(self, points: np.ndarray, guess: np.ndarray, axes: np.ndarray, tried: np.ndarray) -> np.ndarray:
        """From a guess (n, 3) on to where the score is a maximum."""
        found, guess, left = np.zeros(len(points), FOUND), guess.copy(), np.arange(len(points))
        for _ in range(STEPS):
            trial = self._repeated(points[left], guess[left, None], axes[left], np.full(3, AROUND))
            trial["tried"] = tried[left]
            now = self._search(trial)
            shift = np.rint(trial["Phi"][:, :, 3]) - np.rint(points["Phi"][left, :, 3])
            guess[left] = np.rint(trial["Phi"][:, :, 3]) + now["whole"]
            now["whole"] += np.nan_to_num(shift).astype(np.int32)
            found[left] = now
            left = left[now["return_status"] == Status.BORDER_OF_RANGE]
            if not len(left):
                break
        found["border"] = 0
        return found

    def _repeated(self, points: np.ndarray, guesses: np.ndarray, axes: np.ndarray, reach: np.ndarray) -> np.ndarray:
        """A point for each guess (n, m, 3), of a range about it."""
        count = guesses.shape[1]
        trial = np.repeat(points, count)
        trial["Phi"][:, :, 3] = guesses.reshape(-1, 3)
        axes = np.repeat(axes, count, axis=0)
        trial["low"], trial["high"] = -reach * axes, reach * axes
        return trial


def _best_guesses(peaks: np.ndarray, start: np.ndarray, count: int) -> np.ndarray:
    """The best places of all guesses of each point: (count, CANDIDATES, 3) displacements.

    Where there are fewer the first is repeated.

    Parameters
    ----------
    peaks : (count * m, CANDIDATES, 4) of the m guesses of each point
    start : (count * m, 3) rounded displacements that they count from
    count : number of points
    """
    places = (peaks[:, :, :3] + start[:, None]).reshape(count, -1, 3)
    scores = np.nan_to_num(peaks[:, :, 3].reshape(count, -1), nan=-np.inf)
    order = np.argsort(-scores, axis=1, kind="stable")
    places, scores = np.take_along_axis(places, order[:, :, None], axis=1), np.take_along_axis(scores, order, axis=1)
    # the same place, found from two guesses, counts once
    same = (places[:, :, None] == places[:, None]).all(axis=3) & np.tri(places.shape[1], k=-1, dtype=bool)
    order = np.argsort(same.any(axis=2) | (scores == -np.inf), axis=1, kind="stable")[:, :CANDIDATES]
    usable = np.take_along_axis(scores, order, axis=1) > -np.inf
    chosen = np.take_along_axis(places, order[:, :, None], axis=1)
    fallback = np.where(np.isfinite(chosen[:, :1]), chosen[:, :1], start.reshape(count, -1, 3)[:, :1])
    return np.where(usable[:, :, None], chosen, fallback)
