"""Points measured by all ranks: dealt out, measured chunk by chunk, kept safe in shards.

The same for every command whose work is a list of points, or of slabs of a volume; what is done with a chunk is a
function.
"""

import logging
from collections.abc import Callable

import numpy as np

from hpcdvc.errors import Unfinished
from hpcdvc.fields.status import Family, Status, is_measured
from hpcdvc.ranks.exchange import SharedRows
from hpcdvc.ranks.progress import Progress
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.together import Together, count_together, measure_together

log = logging.getLogger("hpcdvc")

#: Seconds that a chunk should take: long against the cost of fetching it, short against the end of the run.
CHUNK_SECONDS = 0.005
#: The same of points of unlike costs, whose rows cost more to finish.
UNLIKE_SECONDS = 0.05
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
    worth = min(UNLIKE_SECONDS, seconds.sum() / (ranks * CHUNKS_PER_RANK)) or 1.0
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
    together: Together | None = None,
    shared: SharedRows | None = None,
    chunk: int | None = None,
) -> np.ndarray:
    """Measure all points that no earlier run has measured. Collective.

    Parameters
    ----------
    team : hpcdvc.ranks.team.Team
    points : how many there are, 0 to `points` - 1; or the numbers of those to be measured, (n,) integers, in the order
        in which they are dealt, the same on all ranks
    measure : from the numbers of some points, (m,) int64, to as many rows, of the dtype of the checkpoint
    seconds_per_point : rough cost, to size the chunks; or that of each point by its number: the costliest go first then
    checkpoint : where the rows are kept
    quiet : show no progress
    earlier : rows of earlier runs that count, on rank 0; by default all that the shards hold
    family : of the field: which rows the progress counts
    together : points that would hold up the others, and how all ranks measure one; goes with an array of costs
    shared : all rows go there, the lists of the ranks would be a second copy; without `together`
    chunk : points of a chunk, where some are best measured together; with one cost for all

    Returns
    -------
    rows of this rank, in any order; those of earlier runs are with rank 0; none where they are shared

    Raises
    ------
    Unfinished : on every rank, when the run was asked to leave; what was measured is in the shards
    RunError : on every rank, when what was measured is not of the input as the run found it
    """
    unit = checkpoint.shards.unit
    earlier = checkpoint.load() if earlier is None else earlier
    done, left, total = team.agree(lambda: _still_to_do(points, earlier["index"]))
    if done:
        log.info("%d %s were measured before, %d are left", done, unit, total)
    checkpoint.open()
    good = "converged" if family is Family.REGISTRATION else "with a result"
    with Progress(done + total, done, quiet=quiet or team.rank > 0, unit=unit, good=good) as progress:
        rows, missing = _measure_left(
            team, left, measure, seconds_per_point, checkpoint, progress, family, together, shared, chunk
        )
        checkpoint.close()
        progress.update(done + total - missing)
    if missing:
        team.fail(_unfinished(missing, done + total, unit))
    team.agree(checkpoint.confirm)
    if shared is not None:
        shared.put(earlier)
        earlier = earlier[:0]
    return np.concatenate([earlier, *rows], dtype=checkpoint.shards.dtype)


def _measure_left(
    team,
    points: int | np.ndarray,
    measure: Callable,
    seconds: float | np.ndarray,
    checkpoint: Checkpoint,
    progress: Progress,
    family: Family,
    together: Together | None,
    shared: SharedRows | None,
    chunk: int | None,
) -> tuple[list[np.ndarray], int]:
    """Rows of this rank that are not shared, and how many points nobody has measured when the run is asked to leave."""
    rows: list[np.ndarray] = []
    if isinstance(seconds, np.ndarray):
        first, points = _largest_first(points, seconds, together, team.size)
        if len(first):
            rows, again = measure_together(team, first, together, checkpoint, progress)
            points = np.concatenate([again, points])
        queue = team.queue(len(points), chunk_bounds(seconds[points], team.size))
    else:
        count = points if isinstance(points, int) else len(points)
        queue = team.queue(count, chunk or chunk_size(seconds, count, team.size))
    _measure_chunks(queue, points, measure, checkpoint, progress, family, shared.put if shared else rows.append)
    return rows, queue.left()


def _largest_first(
    points: int | np.ndarray, seconds: np.ndarray, together: Together | None, ranks: int
) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the points that all ranks measure together, and of those that are dealt, costliest first."""
    points = np.arange(points) if isinstance(points, int) else points
    points = points[np.argsort(-seconds[points], kind="stable")]
    if together is None or not len(together.numbers):
        return points[:0], points
    of_all = np.full(len(seconds), np.inf)
    of_all[together.numbers] = together.seconds
    count = count_together(seconds[points], of_all[points], ranks)
    return points[:count], points[count:]


def _unfinished(missing: int, count: int, unit: str) -> Unfinished:
    return Unfinished(
        f"left on request with {missing} of {count} {unit} to do; the others are safe, run again with --resume"
    )


def _still_to_do(points: int | np.ndarray, measured: np.ndarray) -> tuple[int, int | np.ndarray, int]:
    """How many points are done, those that are left (a number where these are all), and how many these are."""
    if len(measured) == 0:
        return 0, points, points if isinstance(points, int) else len(points)
    numbers = np.arange(points) if isinstance(points, int) else points
    left = numbers[~np.isin(numbers, measured)]
    return len(measured), left, len(left)


def _measure_chunks(
    queue,
    points: int | np.ndarray,
    measure: Callable,
    checkpoint: Checkpoint,
    progress: Progress,
    family: Family,
    keep: Callable[[np.ndarray], None],
) -> None:
    """Measure the chunks that this rank pulls; the rows of each are in the shards, and kept, before the next."""
    good, specimen, done, left = 0, 0, progress.done, progress.total - progress.done
    can_fail = "return_status" in checkpoint.shards.dtype.names
    for chunk in queue:
        numbers = np.arange(chunk.start, chunk.stop) if isinstance(points, int) else points[chunk.start : chunk.stop]
        rows = measure(numbers)
        checkpoint.append(rows)
        keep(rows)
        if can_fail:
            good += np.count_nonzero(is_measured(rows["return_status"], family))
            specimen += np.count_nonzero(rows["return_status"] != Status.NO_SPECIMEN)
        # nodes have equal shares, so this node tells how far all are
        part = queue.done_in_node() / max(queue.total_in_node(), 1)
        progress.update(done + round(part * left), good / specimen if specimen else None)
