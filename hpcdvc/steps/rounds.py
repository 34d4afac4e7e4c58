"""Rounds of a propagation, each shared by all ranks, kept safe in shards."""

from collections.abc import Callable

import numpy as np

from hpcdvc.errors import Unfinished
from hpcdvc.fields.status import Family, Status, is_measured
from hpcdvc.ranks.progress import Progress
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.search.front import Front

#: Ends of points that the front has not reached which say more than that.
TELLING = (Status.NO_SPECIMEN, Status.FEW_VALID_VOXELS, Status.SINGULAR)

Measure = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Rounds:
    """A propagation from its start to its end.

    The rounds of a resumed run are those of the first one: who is next depends on rows alone, and rows that were
    measured before are taken from the shards.

    Parameters
    ----------
    front : hpcdvc.search.front.Front, the same on all ranks
    count : number of points
    good : least correlation of points that others start from
    checkpoint : where rows are kept
    team : hpcdvc.ranks.team.Team
    quiet : show no progress
    """

    def __init__(self, front: Front, count: int, good: float, checkpoint: Checkpoint, team, quiet: bool):
        self._front, self._count, self._good, self._checkpoint = front, count, good, checkpoint
        self._team, self._quiet = team, quiet
        self.sizes: list[int] = []

    def run(self, measure: Measure) -> tuple[np.ndarray, int]:
        """Do all rounds. Collective.

        Parameters
        ----------
        measure : from numbers (m,) and expected Phi (m, 3, 4) of points to their rows

        Returns
        -------
        rows of this rank, in any order; those of earlier runs are with rank 0
        border : number of points, of all ranks, whose best lies on the border

        Raises
        ------
        Unfinished
            On every rank, when the run was asked to leave.
        RunError
            On every rank, when what was measured is not of the input as the run found it.
        """
        team, kept, front = self._team, [], self._front
        loaded = self._checkpoint.load()
        earlier = team.agree(lambda: loaded)
        self._checkpoint.open()
        done = 0
        with Progress(self._count, 0, quiet=self._quiet or team.rank > 0) as progress:
            while len(numbers := front.next()):
                rows = self._round(numbers, lambda some: measure(some, front.guesses(some)), earlier, kept)
                fit = is_measured(rows["return_status"], Family.SEARCH) & (rows["CC"] >= self._good)
                front.take(rows["index"], rows["Phi"], fit)
                self.sizes.append(len(numbers))
                done += len(numbers)
                progress.update(done)
            if len(left := front.left):
                self._round(left, lambda some: _not_reached(measure, some), earlier, kept)
            progress.update(self._count)
        self._checkpoint.close()
        team.agree(self._checkpoint.confirm)
        mine = np.concatenate([loaded[:0], *kept])
        return mine, int(team.sum(int(np.count_nonzero(mine["border"]))))

    def _round(
        self,
        numbers: np.ndarray,
        measure: Callable[[np.ndarray], np.ndarray],
        earlier: np.ndarray,
        kept: list[np.ndarray],
    ) -> np.ndarray:
        """Rows of some points, ordered by their numbers, the same on all ranks. Collective."""
        team = self._team
        if team.any(team.stop_requested):
            self._checkpoint.close()
            team.fail(Unfinished("left on request; what was measured is safe, run again with --resume"))
        known = np.isin(earlier["index"], numbers)
        left = np.setdiff1d(numbers, earlier["index"][known], assume_unique=True)
        some = left[team.rank :: team.size]
        rows = measure(some) if len(some) else earlier[:0]
        if len(rows):
            self._checkpoint.append(rows)
        kept += [rows, earlier[known]] if team.rank == 0 else [rows]
        together = np.concatenate([earlier[known], *team.all_gather(rows)])
        return together[np.argsort(together["index"], kind="stable")]


def _not_reached(measure: Measure, numbers: np.ndarray) -> np.ndarray:
    """Rows of points that the front has not reached: that, or that there is nothing to be measured."""
    rows = measure(numbers, np.tile(np.eye(4)[:3], (len(numbers), 1, 1)))
    rows["return_status"] = np.where(np.isin(rows["return_status"], TELLING), rows["return_status"], Status.NOT_REACHED)
    rows["Phi"][:, :, 3] = np.nan
    for name in ("CC", "second_CC", "zncc", "error"):
        rows[name] = np.nan
    rows["border"] = 0
    return rows
