"""Labels that a registration loses: looked for, and tried again from what their neighbours have measured."""

from collections.abc import Callable

import numpy as np

from hpcdvc.fields.field import Field
from hpcdvc.fields.neighbours import fit_from_neighbours
from hpcdvc.fields.status import Status
from hpcdvc.registration.labels import LabelRegistration, is_large, seconds_together
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.points import measure_points
from hpcdvc.runs.together import Together
from hpcdvc.steps.labels import LabelPoints, finished
from hpcdvc.steps.self_start import LOST

#: Ends of a registration after which its label may be found elsewhere: near a neighbour that it looks like, too.
LOST_LABELS = (*LOST, Status.TWO_MOTIONS)
#: Two labels do not come nearer than this part of where they were and of the smaller one's radius; of so many, nearest.
CLAIMED, NEAREST = 0.5, 4
#: How a label that had failed was measured after all.
FROM_NEIGHBOURS, BY_SEARCH = 1, 2


class LabelSearch:
    """Registers labels, and looks for those that this loses.

    Parameters
    ----------
    registration : of the labels
    search : from points (SEARCH_POINT) to rows, whole-voxel; None: nothing is looked for
    points : the labels
    """

    def __init__(self, registration: LabelRegistration, search: Callable | None, points: LabelPoints):
        self._registration, self._search, self._points = registration, search, points

    def __call__(self, numbers: np.ndarray) -> np.ndarray:
        """Rows (m,) LABEL_ROW of labels of some numbers, from their starts."""
        return self.starting(numbers, self._points.phi[numbers])[0]

    def together(self, team) -> Together:
        """How all ranks measure a large label from its start. One that is lost is dealt: one rank looks for it."""
        points, registration = self._points, self._registration
        numbers = np.flatnonzero(is_large(points.particles))

        def measure(number: int) -> np.ndarray:
            rows = registration.together(points(np.array([number])), team)
            if self._search is not None and rows["return_status"][0] in LOST:
                return rows[:0]
            return finished(rows, points.particles["label"][[number]], points.dilate)

        return Together(numbers, seconds_together(points.sides[numbers], registration.settings, team.size), measure)

    def starting(self, numbers: np.ndarray, phi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows from other starts (m, 3, 4), and which of them (m,) were found by the search."""
        rows = self._registration(self._points.starting(numbers, phi))
        by_search = np.zeros(len(rows), bool)
        lost = np.flatnonzero(np.isin(rows["return_status"], LOST_LABELS))
        if self._search is not None and len(lost):
            found = self._search(self._points.searched.starting(numbers[lost], phi[lost]))
            some = found["return_status"] > 0
            again = self._registration(self._points.starting(numbers[lost[some]], found["Phi"][some]))
            better = again["return_status"] == Status.CONVERGED
            rows[lost[some][better]], by_search[lost[some][better]] = again[better], True
        return finished(rows, self._points.particles["label"][numbers], self._points.dilate), by_search


def repaired(
    rows: np.ndarray,
    failed: np.ndarray,
    points: LabelPoints,
    find: LabelSearch,
    seconds: np.ndarray,
    checkpoint: Checkpoint,
    team,
    quiet: bool,
) -> np.ndarray:
    """Measure labels that have failed again: from the affine fit of converged ones, then by a search. Collective.

    Parameters
    ----------
    rows : (n,) LABEL_ROW of all labels, ordered, on rank 0
    failed : (m,) numbers of those that are tried again, ascending
    points : the labels
    find : registers and searches them
    seconds : (n,) rough costs
    checkpoint : of the run, where the new rows are kept with numbers from n on
    team : hpcdvc.ranks.team.Team
    quiet : show no progress

    Returns
    -------
    rows : with those that have converged now, on rank 0
    """
    if not len(failed):
        return rows
    count, phi = points.count, team.agree(lambda: _starts(rows, failed, points))

    def measure(numbers: np.ndarray) -> np.ndarray:
        numbers = numbers - count
        result, by_search = find.starting(numbers, phi[np.searchsorted(failed, numbers)])
        result["repaired"] = np.where(by_search, BY_SEARCH, FROM_NEIGHBOURS)
        result["index"] += count
        return result

    earlier = checkpoint.load()
    earlier = earlier[earlier["index"] >= count]
    again = measure_points(team, failed + count, measure, np.tile(seconds, 2), checkpoint, quiet, earlier)
    again = gathered(again, failed + count, team)
    if team.rank == 0:
        again["index"] -= count
        better = again["return_status"] == Status.CONVERGED
        rows[failed[better]] = again[better]
    return rows


def mark_claimed_twice(rows: np.ndarray, again: np.ndarray, points: LabelPoints) -> None:
    """Fail labels that have converged where another one has: grains look alike, and which one is there nobody knows.

    Parameters
    ----------
    rows : (n,) LABEL_ROW of all labels, ordered; changed
    again : (m,) numbers of those that were measured: the others keep their status
    points : the labels
    """
    from scipy.spatial import cKDTree  # slow to load

    good = np.flatnonzero(rows["return_status"] == Status.CONVERGED)
    if not len(good):
        return
    before, volume = points.positions[good], points.particles["volume"][good]
    after, radius = before + rows["Phi"][good, :, 3], 0.5 * volume ** (1 / (2 if points.flat else 3))
    apart, other = cKDTree(after).query(after, NEAREST + 1, distance_upper_bound=CLAIMED * radius.max())
    one, place = np.nonzero(np.isfinite(apart) & (other != np.arange(len(good))[:, None]))
    apart, other = apart[one, place], other[one, place]
    near = np.minimum(np.linalg.norm(before[other] - before[one], axis=1), np.minimum(radius[one], radius[other]))
    both = apart < CLAIMED * near
    claimed = np.intersect1d(good[np.union1d(one[both], other[both])], again)
    rows["return_status"][claimed], rows["repaired"][claimed] = Status.AMBIGUOUS, 0


def _starts(rows: np.ndarray, failed: np.ndarray, points: LabelPoints) -> np.ndarray:
    """What labels (m,) that have failed start from, (m, 3, 4), on one rank."""
    good = rows["return_status"] == Status.CONVERGED
    if not good.any():
        return points.phi[failed]
    phi = np.tile(np.eye(4), (len(rows), 1, 1))
    phi[:, :3] = rows["Phi"]
    field = Field(points.positions, phi, rows["return_status"], *(np.zeros(len(rows)),) * 3)
    fitted = fit_from_neighbours(field, good, points.positions[failed])
    return np.where(np.isfinite(fitted), fitted, points.phi[failed])


def gathered(rows: np.ndarray, numbers: np.ndarray, team) -> np.ndarray:
    """Rows of all ranks in the order of their numbers, on rank 0; empty on the others. Collective.

    Parameters
    ----------
    rows : of this rank, whose "index" is one of the numbers
    numbers : (m,) ascending
    """
    rows = rows.copy()
    rows["index"] = np.searchsorted(numbers, rows["index"])
    ordered, _ = team.collect(rows, len(numbers))
    if len(ordered):
        ordered["index"] = numbers
    return ordered
