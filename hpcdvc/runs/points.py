"""Points measured by all ranks: dealt out, measured chunk by chunk, kept safe in shards.

The same for every command whose work is a list of points, or of slabs of a volume; what is done with a chunk is a
function.
"""

import logging
from collections.abc import Callable

import numpy as np

from hpcdvc.errors import Unfinished
from hpcdvc.fields.status import Family, Status, is_measured
from hpcdvc.ranks.progress import Progress
from hpcdvc.runs.checkpoint import Checkpoint

log = logging.getLogger("hpcdvc")

#: Seconds that a chunk should take: long against the cost of fetching it, short against the end of the run.
CHUNK_SECONDS = 0.005
#: Chunks per rank that keep the last of them from being waited for.
CHUNKS_PER_RANK = 16


def chunk_size(seconds_per_point: float, points: int, ranks: int) -> int:
    """Points per chunk for ranks that finish together."""
    return max(1, min(round(CHUNK_SECONDS / seconds_per_point), points // (ranks * CHUNKS_PER_RANK)))


def chunk_bounds(seconds: np.ndarray, ranks: int) -> np.ndarray:
    """Where the chunks of points of unlike costs begin, and where the last one ends.

    A point that takes long is a chunk of its own; of short ones a chunk has as many as are worth the fetching.

    Parameters
    ----------
    seconds : (n,) rough costs in the order in which the points are dealt
    ranks : how many pull chunks
    """
    worth = min(CHUNK_SECONDS, seconds.sum() / (ranks * CHUNKS_PER_RANK)) or 1.0
    number = np.floor((np.cumsum(seconds) - seconds) / worth)
    return np.concatenate([np.flatnonzero(np.diff(number, prepend=-1)), [len(seconds)]])


def measure_points(
    team,
    points: int | np.ndarray,
    measure: Callable[[np.ndarray], np.ndarray],
    seconds_per_point: float | np.ndarray,
    checkpoint: Checkpoint,
    quiet: bool = False,
    earlier: np.ndarray | None = None,
    family: Family = Family.REGISTRATION,
) -> np.ndarray:
    """Measure all points that no earlier run has measured. Collective.

    Parameters
    ----------
    team : hpcdvc.ranks.team.Team
    points : how many there are, 0 to `points` - 1; or the numbers of those that are to be measured, (n,) integers, in
        the order in which they are dealt, the same on all ranks
    measure : from the numbers of some points, (m,) int64, to as many rows, of the dtype of the checkpoint
    seconds_per_point : rough cost, to size the chunks; an array has that of each point by its number: those that take
        longest are dealt first then, whatever their order
    checkpoint : where the rows are kept
    quiet : show no progress
    earlier : rows of earlier runs that count, on rank 0; by default all that the shards hold
    family : of the field: which rows the progress counts

    Returns
    -------
    rows of this rank, in any order; those of earlier runs are with rank 0

    Raises
    ------
    Unfinished
        On every rank, when the run was asked to leave; what was measured is in the shards.
    RunError
        On every rank, when what was measured is not of the input as the run found it.
    """
    unit = checkpoint.shards.unit
    earlier = checkpoint.load() if earlier is None else earlier
    done, left = team.agree(lambda: (len(earlier), _without(points, earlier["index"])))
    total = left if isinstance(left, int) else len(left)
    if done:
        log.info("%d %s were measured before, %d are left", done, unit, total)
    checkpoint.open()
    if isinstance(seconds_per_point, np.ndarray):
        left = np.arange(left) if isinstance(left, int) else left
        left = left[np.argsort(-seconds_per_point[left], kind="stable")]
        chunk = chunk_bounds(seconds_per_point[left], team.size)
    else:
        chunk = chunk_size(seconds_per_point, total, team.size)
    queue = team.queue(total, chunk)
    good = "converged" if family is Family.REGISTRATION else "with a result"
    with Progress(done + total, done, quiet=quiet or team.rank > 0, unit=unit, good=good) as progress:
        rows = [earlier, *_measure_chunks(queue, left, measure, checkpoint, progress, family)]
        checkpoint.close()
        missing = queue.left()
        progress.update(done + total - missing)
    if missing:
        team.fail(_unfinished(missing, done + total, unit))
    team.agree(checkpoint.confirm)
    return np.concatenate(rows, dtype=checkpoint.shards.dtype)


def _unfinished(missing: int, count: int, unit: str) -> Unfinished:
    return Unfinished(
        f"left on request with {missing} of {count} {unit} to do; the others are safe, run again with --resume"
    )


def _without(points: int | np.ndarray, measured: np.ndarray) -> int | np.ndarray:
    """The points that are left; a number where these are all."""
    if len(measured) == 0:
        return points
    numbers = np.arange(points) if isinstance(points, int) else points
    return numbers[~np.isin(numbers, measured)]


def _measure_chunks(
    queue, points: int | np.ndarray, measure: Callable, checkpoint: Checkpoint, progress: Progress, family: Family
) -> list[np.ndarray]:
    """Rows of the chunks that this rank has pulled, one array per chunk; each is in the shards before the next."""
    rows: list[np.ndarray] = []
    good, specimen, done, left = 0, 0, progress.done, progress.total - progress.done
    can_fail = "return_status" in checkpoint.shards.dtype.names
    for chunk in queue:
        numbers = np.arange(chunk.start, chunk.stop) if isinstance(points, int) else points[chunk.start : chunk.stop]
        rows.append(measure(numbers))
        checkpoint.append(rows[-1])
        if can_fail:
            good += np.count_nonzero(is_measured(rows[-1]["return_status"], family))
            specimen += np.count_nonzero(rows[-1]["return_status"] != Status.NO_SPECIMEN)
        # nodes have equal shares, so this node tells how far all are
        part = queue.done_in_node() / max(queue.total_in_node(), 1)
        progress.update(done + round(part * left), good / specimen if specimen else None)
    return rows
