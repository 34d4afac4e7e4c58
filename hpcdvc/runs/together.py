"""Points so large that all ranks measure one after the other together, before the others are dealt."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hpcdvc.ranks.progress import Progress
from hpcdvc.runs.checkpoint import Checkpoint


@dataclass(frozen=True)
class Together:
    """What all ranks can do at once. The rows are those that one rank would make.

    Attributes
    ----------
    numbers : (m,) of the points that can be measured so
    seconds : (m,) rough time until all ranks together have measured each
    measure : from the number of a point to its row (1,), on every rank; none where it is to be dealt. Collective
    """

    numbers: np.ndarray
    seconds: np.ndarray
    measure: Callable[[int], np.ndarray]


def count_together(alone: np.ndarray, together: np.ndarray, ranks: int) -> int:
    """How many of the largest points all ranks should measure together, for the run to end soonest.

    What is dealt ends, at the latest, when all are done with an even share and one of them with the largest point more.

    Parameters
    ----------
    alone : (n,) seconds that one rank needs for each point, largest first
    together : (n,) seconds that all ranks need; inf where they cannot
    ranks : how many there are
    """
    dealt = np.append(np.cumsum(alone[::-1])[::-1], 0) / ranks + np.append(alone, 0) * (1 - 1 / ranks)
    return int(np.argmin(np.append(0, np.cumsum(together)) + dealt))


def measure_together(
    team, numbers: np.ndarray, together: Together, checkpoint: Checkpoint, progress: Progress
) -> tuple[list[np.ndarray], np.ndarray]:
    """Measure points one after the other, until the run is asked to leave. Collective.

    Parameters
    ----------
    team : hpcdvc.ranks.team.Team
    numbers : of the points
    together : what can be done
    checkpoint : where rank 0 keeps the rows
    progress : how far the run is

    Returns
    -------
    rows : one array per point, on rank 0
    left : numbers of those that are to be dealt after all
    """
    rows: list[np.ndarray] = []
    left = []
    for place, number in enumerate(numbers):
        if team.any(team.stop_requested):
            return rows, np.append(left, numbers[place:]).astype(np.int64)
        row = together.measure(int(number))
        if not len(row):
            left.append(number)
            continue
        if team.rank == 0:
            rows.append(row)
        team.agree(lambda: checkpoint.append(rows[-1]))
        progress.update(progress.done + 1)
    return rows, np.array(left, np.int64)
