"""The windows that a shift was made of, each with its own displacement, as a table."""

from dataclasses import dataclass

import numpy as np

from hpcdvc.fields.field import row_with
from hpcdvc.fields.rows import blank_rows
from hpcdvc.output.result import FieldFile
from hpcdvc.runs.job import Job
from hpcdvc.runs.shards import key_of
from hpcdvc.stacks.settings import ShiftSettings
from hpcdvc.stacks.shift import measure_shift
from hpcdvc.steps.shift_pairs import PairReader, ShiftPairs


@dataclass(frozen=True)
class PointsTask:
    """The pairs whose windows are listed."""

    pairs: ShiftPairs
    settings: ShiftSettings


def points_job(stem: str, measured: FieldFile, pairs: ShiftPairs, settings: ShiftSettings) -> Job:
    """The job that lists the windows of all pairs.

    Parameters
    ----------
    stem : of the files
    measured : file of the job that measures the shifts, whose views this has
    pairs, settings : of it
    """
    parameters = {"shifts": measured.metadata["key"], "listed": "points"}
    count = len(pairs.pairs) * (settings.number if settings.points is None else len(settings.points))
    metadata = {"key": key_of(parameters)}
    file = FieldFile(stem, count, metadata, measured.views, advice=measured.advice, dtype=row_with(("step", "i4")))
    task = PointsTask(pairs, settings)
    return Job(stem=stem, parameters=parameters, files=(file,), task=task, dtype=file.dtype, recorded=False)


def write_points(job: Job, team) -> None:
    """Measure the windows again, each rank those of some pairs, and write them. Collective."""
    task: PointsTask = job.task
    (file,) = job.files
    read = PairReader(task.pairs, team)
    mine = {k: measured(k, task, read, file.dtype) for k in range(len(task.pairs.pairs))[team.rank :: team.size]}
    found = {k: some for part in team.all_gather(mine) for k, some in part.items()}
    rows, positions = (np.concatenate([found[k][n] for k in sorted(found)]) for n in (0, 1))
    rows["index"] = np.arange(len(rows))
    own = slice(0, len(rows) if team.rank == 0 else 0)
    file.write(rows[own], None, team, positions[own])


def measured(number: int, task: PointsTask, read: PairReader, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the windows of a pair, and where they stand, (n, 3) ZYX."""
    im1, im2, noise, mask1, mask2 = read(number)
    found = measure_shift(im1, im2, task.settings, noise, mask1, mask2).details.get("points")
    if found is None:  # nothing could be measured at all
        return blank_rows(np.arange(0), dtype), np.zeros((0, 3))
    rows = blank_rows(np.arange(len(found.points)), dtype)
    _, once = np.unique(found.points, axis=0, return_index=True)  # random ones may coincide
    rows["Phi"][:, :, :3], rows["Phi"][:, 0, 3], rows["Phi"][:, 1:, 3] = np.eye(3), 0, found.displacements
    rows["return_status"], rows["zncc"], rows["step"] = found.statuses, found.scores, number + 1
    rows["error"] = rows["delta_phi_norm"] = 0
    start = [part.start or 0 for part in task.pairs.crop[-2:]] if len(task.pairs.crop) > 1 else [0, 0]
    positions = np.column_stack([np.zeros(len(rows)), found.points + start])
    return rows[np.sort(once)], positions[np.sort(once)]
