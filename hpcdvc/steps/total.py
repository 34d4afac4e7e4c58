"""The increments of a series as one motion of the points of the first image."""

from dataclasses import dataclass

import numpy as np

from hpcdvc.fields.grid import Grid
from hpcdvc.fields.merge import total_rows
from hpcdvc.fields.status import Family, Status
from hpcdvc.output.hdf5 import read_field
from hpcdvc.output.result import FieldFile
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.job import Job, metadata_of
from hpcdvc.runs.points import measure_points

#: Rough core time of a node, s.
SECONDS = 2e-6
#: How nodes end here, and what to try then.
ADVICE = {Status.MAX_ITERATIONS: "", Status.NOT_REACHED: "measure the increments there"}


@dataclass(frozen=True)
class TotalTask:
    """Result files to be composed.

    Attributes
    ----------
    grid : their nodes
    increment : from the image before to this one
    before : total up to the image before; None when that is the first image
    """

    grid: Grid
    increment: str
    before: str | None


def total_job(stem: str, command: str, grid: Grid, increment: FieldFile, before: Job | None, options: dict) -> Job:
    """The job that composes an increment with the total before it.

    Parameters
    ----------
    stem : of its files
    command : that makes it, without prefix
    grid : of the nodes
    increment : file of a job that comes before; the views of the total are those of the increment
    before : job of the total up to the image before, None for the first
    options : parameters that the file shows
    """
    (file,) = before.files if before else (None,)
    keys = {"increment": increment.metadata["key"], "total": file.metadata["key"] if file else None}
    parameters = {"options": options, "made_from": keys}
    metadata = metadata_of(command, parameters, {})
    total = FieldFile(
        stem, grid.size, metadata, increment.views, increment.half_window_size, increment.transport, ADVICE,
        family=Family.PASSED,
    )  # fmt: skip
    task = TotalTask(grid, increment.path, file.path if file else None)
    return Job(stem=stem, parameters=parameters, files=(total,), task=task, recorded=False)


def write_total(job: Job, checkpoint: Checkpoint, team, quiet: bool) -> None:
    """Compose and write the total. Collective.

    Parameters
    ----------
    job : from `total_job`
    checkpoint : its shards
    team : hpcdvc.ranks.team.Team
    quiet : show no progress
    """
    task: TotalTask = job.task
    increment, before = team.agree(lambda: [path and read_field(path) for path in (task.increment, task.before)])

    def compose(numbers: np.ndarray) -> np.ndarray:
        return total_rows(increment, before, numbers)

    (file,) = job.files
    rows = measure_points(team, task.grid.size, compose, SECONDS, checkpoint, quiet, family=file.family)
    file.write(rows, task.grid, team)
