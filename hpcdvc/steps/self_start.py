"""Points that nothing gives a start: a few find out how far things have moved, and the others start from these.

First some of the points are registered from no motion, and those that come to no end are looked for (`look_around`).
If nothing has moved far, all points are registered from no motion: the search has changed nothing. If not, they start
from what the few around them have measured, near a jump from the one that correlates best, and are looked for
themselves where that fails (`SearchingRegistration`). A row depends on its point and these few, and on nothing else.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from hpcdvc.errors import Unfinished
from hpcdvc.fields.field import POINT, ROW
from hpcdvc.fields.status import Status
from hpcdvc.ranks.team import Team
from hpcdvc.registration.settings import Settings
from hpcdvc.registration.windows import WindowRegistration, seconds_per_window
from hpcdvc.runs.points import chunk_size
from hpcdvc.search.adaptive import NARROW, WIDE, AdaptiveSearch
from hpcdvc.search.copies import Copy, binned_copies
from hpcdvc.search.pixels import PixelSearch, search_points
from hpcdvc.search.settings import SearchSettings
from hpcdvc.steps.nearby import FewMotions, around, best_of, nearest
from hpcdvc.steps.some_points import evenly, spread_out

log = logging.getLogger("hpcdvc")

#: Motions that are small: registrations find the way alone, in all that were lost, and where none was; voxels.
SMALL, SMALL_ENOUGH = 2.0, 3.0
#: A window with a larger gradient of the displacement, as at a specimen that fills half of it, leads nowhere else.
STEEP = 0.25
#: Part of the points that look around; at least and at most so many.
PART, LEAST, MOST = 0.1, 64, 20_000
#: Of those that look around so many need a specimen, or more are taken.
ENOUGH = 16
#: Part of the cost of the run that looking for some points may take, and copies for it; and what is always allowed.
ALLOWED, ALWAYS_POINTS, ALWAYS_SECONDS = 0.02, 27, 0.1
#: Rough costs, seconds: one search per voxel of a window, at least; copies of both images, per voxel of one.
SEARCH_SECONDS, LEAST_SEARCH_SECONDS, COPY_SECONDS = 3e-7, 1e-3, 2.5e-9
#: Ends of a registration after which its window may be found elsewhere.
LOST = (
    Status.MAX_ITERATIONS,
    Status.ERROR_GROWTH,
    Status.VOLUME_CHANGE,
    Status.SINGULAR_PHI,
    Status.LEFT_IMAGE,
    Status.DECORRELATED,
)


@dataclass(frozen=True)
class Pair:
    """Images, and the windows that are registered and looked for in them.

    Attributes
    ----------
    im1, im2, mask1 : (nz, ny, nx) arrays; mask1 uint8 (0 = left out) or None
    settings : of the windows
    registration : of them
    team : hpcdvc.ranks.team.Team
    """

    im1: np.ndarray
    im2: np.ndarray
    mask1: np.ndarray | None
    settings: Settings
    registration: WindowRegistration
    team: Team

    @property
    def half(self) -> tuple[int, int, int]:
        """Half window, ZYX, voxels."""
        return self.settings.window.half_size

    @cached_property
    def copies(self) -> list[Copy]:
        """Binned copies, made when they are first asked for. Collective then."""
        return binned_copies(self.im1, self.im2, self.mask1, None, self.half, self.team)

    def pixel_search(self) -> PixelSearch:
        """The search for them."""
        window = self.settings.window
        settings = SearchSettings(min_valid=window.min_valid, grey_low=window.grey_low, grey_high=window.grey_high)
        return PixelSearch(self.im1, self.im2, settings, self.mask1)


@dataclass(frozen=True)
class Seen:
    """What the few have found out.

    Attributes
    ----------
    numbers, rows : of the few, ascending, and how they ended from no motion
    motions : of those that were measured; None: nothing has moved far, or nothing was found
    without : (k, 3) positions of those that were looked for and not found; None: they do not matter
    facts : for the record of the run
    """

    numbers: np.ndarray
    rows: np.ndarray
    motions: FewMotions | None
    without: np.ndarray | None
    facts: dict = field(default_factory=dict)


def look_around(positions: Callable[[], np.ndarray], count: int, pair: Pair) -> Seen:
    """Find out, at a few points, how far things have moved. Collective.

    Parameters
    ----------
    positions : gives the (n, 3) positions of all points, ZYX, voxels; called on rank 0
    count : n
    pair : images and windows
    """
    team, seconds = pair.team, seconds_per_window(pair.settings)
    numbers, where, rows = _first_look(positions, count, pair)
    good, lost = rows["return_status"] == Status.CONVERGED, np.flatnonzero(np.isin(rows["return_status"], LOST))
    far = _motions(rows[good], numbers, where).beyond(SMALL_ENOUGH)
    found = _searched(lost, rows, where, far, count, pair)
    motions = _motions(np.concatenate([rows[good], found]), numbers, where)
    facts = {"tried": len(numbers), "lost": len(lost), "found": len(found), "largest": motions.largest}
    facts["used"] = motions.beyond(SMALL) and (far or _motions(found, numbers, where).beyond(SMALL))
    if not facts["used"]:
        return Seen(numbers, rows, None, None, facts)
    motions = motions.coherent()
    # now the others that were lost, from what these have found
    left = no_motion(numbers[lost], where[lost])[~np.isin(numbers[lost], found["index"])]
    later = _dealt(left, SearchingRegistration(Seen(numbers, rows, motions, None, facts), pair), seconds, team)
    ends = np.concatenate([rows[good], found, later[later["return_status"] == Status.CONVERGED]])
    motions, without = _motions(ends, numbers, where).coherent(), where[lost[~np.isin(numbers[lost], ends["index"])]]
    facts |= {"found": len(ends) - int(good.sum()), "largest": motions.largest}
    log.info(
        "of %d points that looked around %d were lost and %d of these found; the farthest has moved by %.1f voxels",
        *(len(numbers), len(lost), facts["found"], motions.largest),
    )
    return Seen(numbers, rows, motions, without, facts)


def _first_look(
    positions: Callable[[], np.ndarray], count: int, pair: Pair
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers, positions and rows of a few points, so many that enough have a specimen. Collective."""
    wanted = int(np.clip(PART * count, LEAST, MOST))
    while True:
        numbers, where = pair.team.agree(lambda: _chosen(positions(), wanted))  # noqa: B023
        rows = _dealt(no_motion(numbers, where), pair.registration, seconds_per_window(pair.settings), pair.team)
        specimen = (rows["return_status"] == Status.CONVERGED) | np.isin(rows["return_status"], LOST)
        if np.count_nonzero(specimen) >= ENOUGH or wanted >= min(count, MOST):
            return numbers, where, rows
        wanted *= 8


def _motions(rows: np.ndarray, numbers: np.ndarray, where: np.ndarray) -> FewMotions:
    """Those of rows, at the positions of their points, as far as they can be."""
    rows = rows[np.abs(rows["Phi"][:, :, :3] - np.eye(3)).max(axis=(1, 2)) <= STEEP]
    return FewMotions(where[np.searchsorted(numbers, rows["index"])], rows["Phi"])


def _chosen(positions: np.ndarray, wanted: int) -> tuple[np.ndarray, np.ndarray]:
    numbers = spread_out(positions, wanted)
    return numbers, positions[numbers]


def no_motion(numbers: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Points (n,) POINT that start from no motion."""
    points = np.zeros(len(numbers), POINT)
    points["index"], points["position"], points["Phi"] = numbers, positions, np.eye(4)[:3]
    return points


def _dealt(points: np.ndarray, measure: Callable[[np.ndarray], np.ndarray], seconds: float, team) -> np.ndarray:
    """Rows of points that all ranks share, in their order, on all ranks. Collective."""
    own = [np.zeros(0, ROW)]
    queue = team.queue(len(points), chunk_size(seconds, len(points), team.size))
    for some in queue:
        own.append(measure(points[some.start : some.stop]))
        own[-1]["index"] = np.arange(some.start, some.stop)
    if queue.left():
        team.fail(Unfinished("left on request while the start was looked for, run again with --resume"))
    rows, _ = team.collect(np.concatenate(own), len(points))
    rows = team.agree(lambda: rows).copy()
    rows["index"] = points["index"]
    return rows


def _searched(lost: np.ndarray, rows: np.ndarray, where: np.ndarray, far: bool, count: int, pair: Pair) -> np.ndarray:
    """Rows of some lost points that were found and registered from there. Collective."""
    run = count * seconds_per_window(pair.settings)
    seconds = max(SEARCH_SECONDS * float(np.prod(2 * np.array(pair.half) + 1)), LEAST_SEARCH_SECONDS)
    lost = evenly(lost, max(ALWAYS_POINTS, int(ALLOWED * run / seconds)))
    if not len(lost):
        return np.zeros(0, ROW)
    flat, cheap = pair.half[0] == 0, COPY_SECONDS * pair.im1.size < max(ALWAYS_SECONDS, ALLOWED * run)
    copies = pair.copies if far or cheap else []
    search = AdaptiveSearch(pair.pixel_search(), copies, pair.half, WIDE[:2] if copies else WIDE if flat else NARROW)
    points = no_motion(rows["index"][lost], where[lost])
    found = _dealt(points, lambda some: register_found(some, search, pair), seconds, pair.team)
    return found[found["return_status"] == Status.CONVERGED]


def register_found(points: np.ndarray, search: AdaptiveSearch, pair: Pair) -> np.ndarray:
    """Rows of points that are looked for about their start; those that are not found have not been evaluated."""
    axes = np.sign(pair.half)
    reach = np.stack([-axes, axes], axis=1).ravel()
    found, *_ = search(search_points(points["position"], points["Phi"], pair.half, reach))
    rows, some = np.zeros(len(points), ROW), found["return_status"] > 0
    starts = points[some]
    starts["Phi"][:, :, 3] = found["displacement"][some]
    rows[some] = pair.registration(starts)
    return rows


def _tree_of(seen: Seen):
    """The few in space, those with a motion first; None where all have one."""
    if seen.without is None or not len(seen.without):
        return None
    from scipy.spatial import cKDTree  # slow to load

    return cKDTree(np.concatenate([seen.motions.positions, seen.without]))


class SearchingRegistration:
    """Registers points from what the few have measured; looks for those that this does not lead to. Collective to make.

    Parameters
    ----------
    seen : from `look_around`
    pair : images and windows
    """

    def __init__(self, seen: Seen, pair: Pair):
        self._seen, self._pair = seen, pair
        if seen.motions is not None:
            self._pixels = pair.pixel_search()
            flat, self._tree = pair.half[0] == 0, _tree_of(seen)
            reaches = WIDE[:1] if pair.copies or flat else NARROW[:2]
            self._search = AdaptiveSearch(self._pixels, pair.copies, pair.half, reaches)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Rows (hpcdvc.fields.field.ROW) of points (POINT), whose Phi is not looked at."""
        if self._seen.motions is None:
            return self._as_seen(points)
        points = points.copy()
        fitted, candidates = self._seen.motions.starts(points["position"])
        points["Phi"] = fitted
        unsure = np.isfinite(candidates[:, 1:]).all(axis=(2, 3)).any(axis=1)
        points["Phi"][unsure] = best_of(candidates[unsure], points["position"][unsure], self._pair.half, self._pixels)
        rows = self._pair.registration(points)
        lost = np.flatnonzero(np.isin(rows["return_status"], LOST) & self._hopeful(points["position"]))
        found = register_found(points[lost], self._search, self._pair)
        better = found["return_status"] == Status.CONVERGED
        rows[lost[better]] = found[better]
        return rows

    def _hopeful(self, positions: np.ndarray) -> np.ndarray:
        """(n,) bool: points near one that was measured; where none was there is nothing to be found."""
        if self._tree is None:
            return np.ones(len(positions), bool)
        numbers = nearest(self._tree, positions, around(self._tree.data))
        return (numbers < len(self._seen.motions.positions)).any(axis=1)

    def _as_seen(self, points: np.ndarray) -> np.ndarray:
        """From no motion; what the few have measured is not measured again."""
        place = np.searchsorted(self._seen.numbers, points["index"])
        place = np.minimum(place, len(self._seen.numbers) - 1)
        known = self._seen.numbers[place] == points["index"]
        rows = np.empty(len(points), ROW)
        rows[known] = self._seen.rows[place[known]]
        rows[~known] = self._pair.registration(points[~known])
        return rows
