"""Points measured by all ranks: dealt out, measured chunk by chunk, kept safe in shards.

The same for every command whose work is a list of points, or of slabs of a volume; what is done with a chunk is a
function.
"""

import logging
from collections.abc import Callable

import numpy as np

from hpcdvc.errors import Unfinished, agreed
from hpcdvc.fields.status import Status
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


def measure_points(
    team,
    points: np.ndarray | None,
    measure: Callable[[np.ndarray], np.ndarray],
    seconds_per_point: float,
    checkpoint: Checkpoint,
    quiet: bool = False,
    earlier: np.ndarray | None = None,
) -> np.ndarray:
    """Measure all points that no earlier run has measured. Collective.

    Parameters
    ----------
    team : hpcdvc.ranks.team.Team
    points : structured array with a field ``index`` on rank 0, None elsewhere
    measure : from some of the points to as many rows, of the dtype of the checkpoint
    seconds_per_point : rough cost, to size the chunks
    checkpoint : the shards, checked already
    quiet : show no progress
    earlier : rows of earlier runs that count, on rank 0; by default all that the shards hold

    Returns
    -------
    rows of this rank, in any order; those of earlier runs are with rank 0

    Raises
    ------
    Unfinished
        On every rank, when the run was asked to leave; what was measured is in the shards.
    """
    earlier = checkpoint.load() if earlier is None else earlier
    todo = points[~np.isin(points["index"], earlier["index"])] if team.rank == 0 else None
    done, left = team.broadcast((len(earlier), len(todo)) if team.rank == 0 else None)
    if done:
        log.info("%d %s were measured before, %d are left", done, checkpoint.unit, left)
    checkpoint.open()
    queue = team.queue(todo, chunk_size(seconds_per_point, left, team.size))
    with Progress(done + left, done, quiet=quiet or team.rank > 0, unit=checkpoint.unit) as progress:
        rows = [earlier, *_measure_chunks(queue, measure, checkpoint, progress)]
        checkpoint.close()
        missing = queue.left()
        progress.update(done + left - missing)
    if missing:
        raise agreed(
            Unfinished(
                f"left on request with {missing} of {done + left} {checkpoint.unit} to do; the others are safe, "
                "run again with --resume"
            )
        )
    return np.concatenate(rows, dtype=checkpoint.dtype)


def _measure_chunks(queue, measure: Callable, checkpoint: Checkpoint, progress: Progress) -> list[np.ndarray]:
    """Rows of the chunks that this rank has pulled, one array per chunk; each is in the shards before the next."""
    rows: list[np.ndarray] = []
    converged, mine, done, left = 0, 0, progress.done, progress.total - progress.done
    can_fail = "return_status" in checkpoint.dtype.names
    for chunk in queue:
        rows.append(measure(chunk))
        checkpoint.append(rows[-1])
        if can_fail:
            converged += np.count_nonzero(rows[-1]["return_status"] == Status.CONVERGED)
        mine += len(chunk)
        # nodes have equal shares, so this node tells how far all are
        part = queue.done_in_node() / max(queue.total_in_node(), 1)
        progress.update(done + round(part * left), converged / mine if can_fail else None)
    return rows
