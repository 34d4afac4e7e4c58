"""hpcdvc-mergePhis: two motions, one after the other, as one."""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.around import Around
from hpcdvc.fields.field import ROW, Field, row_with
from hpcdvc.fields.local import interpolated
from hpcdvc.fields.merge import after
from hpcdvc.fields.passing import passed_rows, registration_at
from hpcdvc.fields.phi import at_points, displacement_at
from hpcdvc.fields.status import Status
from hpcdvc.options.mergePhis import Options
from hpcdvc.output.hdf5 import read_metadata
from hpcdvc.output.kinds import is_hdf
from hpcdvc.output.result import judge_points
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.inputs import Inputs
from hpcdvc.runs.job import Job, carry_out
from hpcdvc.steps.selection import usable_rows
from hpcdvc.steps.tables import (
    Points,
    check_alike,
    estimate_table,
    read_table,
    table_job,
    table_stem,
    usable_of,
    write_rows,
)

log = logging.getLogger("hpcdvc")

#: Rough core time of a point, s.
SECONDS = 1.5e-5
ADVICE = {Status.NOT_REACHED: "a larger -nr, or -nn; both motions are needed"}
#: Neighbours where neither -nr nor -nn is given.
COUNT = 8
#: A particle stands in the increment where the total has moved it to, to so many voxels.
SAME_PLACE = 1.0


@dataclass(frozen=True)
class MergeTask:
    """Both motions.

    Attributes
    ----------
    total, increment : as they were read
    points : of the result
    known : (n,) bool, points whose total is known
    usable : (m,) bool, rows of the increment that count
    rows : (n,) row of the increment that belongs to a point, -1 for none, where they are the same particles
    """

    total: Field
    increment: Field
    points: Points
    known: np.ndarray
    usable: np.ndarray
    rows: np.ndarray | None = None


def run(options: Options, team) -> list[str]:
    """Merge them; returns the paths written. Collective.

    Parameters
    ----------
    options : Options
    team : hpcdvc.ranks.team.Team
    """
    return carry_out(options, team, plan, work, lambda jobs: estimate_table(jobs, team.size, SECONDS))


def plan(options: Options, inputs: Inputs, team) -> list[Job]:
    """The one job, on one rank.

    Raises
    ------
    UserError
        With one sentence, when something is missing or does not fit.
    """
    paths = options.total, options.increment
    total, increment = map(read_table, paths)
    check_alike(total, increment, *paths)
    threshold = options.return_status_threshold
    usable = [usable_of(f, usable_rows(f, threshold, path)) for f, path in zip((total, increment), paths, strict=True)]
    task = _task(total, increment, *usable, *paths)
    _check_images(*paths)
    names = [os.path.splitext(os.path.basename(path))[0] for path in paths]
    stem = table_stem(options, options.total, "merge" if options.prefix else f"{names[1]}-merge")
    dtype = row_with(("label", "u4")) if _labels(task) is not None else ROW
    return [table_job("mergePhis", options, inputs, stem, task.points, task, team, dtype, advice=ADVICE)]


def _task(total, increment, known, usable, path, other) -> MergeTask:
    if len(total) == 1 and len(increment) > 1:
        # the points that the registration takes to those of the increment
        phi, centre = total.phi[0], total.positions[0]
        back = np.linalg.inv(phi[:3, :3])
        away = increment.positions - centre - phi[:3, 3]
        places = centre + sum(back[:, k] * away[:, k, None] for k in range(3))
        everyone = np.ones(len(places), bool)
        return MergeTask(total, increment, Points(None, places), everyone, usable, np.arange(len(places)))
    labels = [(field.extra or {}).get("label") for field in (total, increment)]
    if any(some is None for some in labels):
        return MergeTask(total, increment, Points.of(total), known, usable)
    order = np.argsort(labels[1], kind="stable")
    place = order[np.minimum(np.searchsorted(labels[1], labels[0], sorter=order), len(order) - 1)]
    both = (labels[1][place] == labels[0]) & known & usable[place]
    apart = np.linalg.norm(total.positions + total.displacement - increment.positions[place], axis=1) > SAME_PLACE
    if both.any() and apart[both].all():
        raise UserError(
            f"no particle of {other} stands where {path} has moved it to: is it the motion from that state on?"
        )
    if apart[both].any():
        words = "%d of %d particles of %s stand more than %g voxel from where %s has moved them to: they are left out"
        log.warning(words, np.count_nonzero(apart & both), np.count_nonzero(both), other, SAME_PLACE, path)
    return MergeTask(total, increment, Points.of(total), known, usable, np.where(both & ~apart, place, -1))


def _check_images(path: str, other: str) -> None:
    """Say so where the files tell that the increment does not begin with the image that the total ends with."""
    if not (is_hdf(path) and is_hdf(other)):
        return
    made_from = [read_metadata(p, "provenance").get("provenance", {}) for p in (path, other)]
    end, begin = (made_from[0].get("im2"), made_from[1].get("im1"))
    # images that were moved or renamed are the same by samples of their voxels
    if isinstance(end, dict) and isinstance(begin, dict) and end.get("sample") != begin.get("sample"):
        words = "%s ends with %s, and %s begins with %s: are they two motions, one after the other?"
        log.warning(words, path, end.get("name"), other, begin.get("name"))


def _labels(task: MergeTask) -> np.ndarray | None:
    """Labels of the points of the result."""
    source = task.increment if len(task.total) == 1 else task.total
    return (source.extra or {}).get("label")


def work(job: Job, checkpoint: Checkpoint, options: Options, team) -> dict:
    """Make the rows and write them. Collective; returns what the record of the run keeps."""
    task: MergeTask = job.task
    total, labels, step_at = task.total, _labels(task), _increment(task, options)
    status = total.return_status if len(total) == task.points.count else np.zeros(task.points.count, int)

    def make(numbers: np.ndarray) -> np.ndarray:
        points = task.points(numbers)
        known = task.known[numbers]
        if len(total) == 1:
            before = at_points(total.phi[0], total.positions[0], points)[:, :3]
        else:
            before = np.where(known[:, None, None], total.phi[numbers, :3], np.nan)
        result = np.full((len(numbers), 3, 4), np.nan)
        some = np.flatnonzero(known)
        result[some] = after(before[some], step_at(numbers[some], points[some] + before[some, :, 3]))
        rows = passed_rows(result, numbers, job.dtype)
        rows["return_status"][~known & (status[numbers] == Status.NO_SPECIMEN)] = Status.NO_SPECIMEN
        if labels is not None:
            rows["label"] = labels[numbers]
        return rows

    return write_rows(job, checkpoint, team, task.points, make, SECONDS, options.quiet)


def _increment(task: MergeTask, options: Options) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Function from numbers of points, and the places (m, 3) they have moved to, to the increment (m, 3, 4) there."""
    increment = task.increment
    if len(increment) == 1:
        return lambda _, places: registration_at(increment.phi[0], increment.positions[0], places, "all")
    if task.rows is not None:

        def of_the_same(numbers: np.ndarray, places: np.ndarray) -> np.ndarray:
            rows = task.rows[numbers]
            phi = increment.phi[rows].copy()
            phi[:, :3, 3] = displacement_at(phi, increment.positions[rows], places)
            phi[(rows < 0) | ~task.usable[rows]] = np.nan
            return phi[:, :3]

        return of_the_same
    count = options.neighbours or (COUNT if options.radius is None else None)
    around = Around(increment.positions, task.usable, increment.grid, options.radius, count)
    return lambda _, places: interpolated(around, increment.phi, places, applied=True)


judge = partial(judge_points, nothing="no point has both motions, most end")
