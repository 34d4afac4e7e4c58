"""hpcdvc-filterPhiField: wrong rows of a field found and replaced, and the field smoothed."""

import logging
from dataclasses import dataclass
from functools import partial

import numpy as np

from hpcdvc.errors import RunError, UserError
from hpcdvc.fields.field import Field
from hpcdvc.fields.filters import WIDTH, Boxes, gaussian_in_boxes, median_in_boxes
from hpcdvc.fields.local import interpolated, quadratic_at
from hpcdvc.fields.phi import part_of_rows
from hpcdvc.fields.rows import rows_from
from hpcdvc.fields.status import Family, Status
from hpcdvc.options.filterPhiField import Options
from hpcdvc.output.result import judge_points
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.inputs import Inputs
from hpcdvc.runs.job import Job, carry_out
from hpcdvc.steps.half_windows import stored_half_window
from hpcdvc.steps.judged import around_rows, judged_wrong, scores
from hpcdvc.steps.tables import (
    Points,
    estimate_table,
    for_all,
    read_field_only,
    row_type_of,
    table_job,
    table_stem,
    write_rows,
)

log = logging.getLogger("hpcdvc")

#: Rough core time of a row for each operation, s.
SECONDS = {"by_coherency": 3.5e-5, "by_misfit": 7e-5, "median": 1e-5, "gaussian": 5e-5}
ADVICE = {Status.NOT_REACHED: "a larger -nr, or -nn", Status.JUDGED_WRONG: "-cint or -clqf replaces them"}
#: Columns of what was measured before anything was replaced.
MEASURED = (("measured_Phi", "f8", (12,)), ("measured_status", "i4"))
#: What says nothing of a replaced row, and stays that of the measurement.
OF_THE_WINDOW = ("error", "delta_phi_norm", "zncc", "variance", "curvature", "curvature_part", "CC", "second_CC")


@dataclass(frozen=True)
class FilterTask:
    """The field, and the correlation of its rows with the threshold for it where these count."""

    field: Field
    correlation: tuple[np.ndarray, float] | None


@dataclass
class State:
    """What has become of the rows of a field.

    Attributes
    ----------
    phi : (n, 3, 4), or (n, 4, 4)
    status : (n,)
    changed : (n,) bool
    usable : (n,) bool, rows that others may take from
    """

    phi: np.ndarray
    status: np.ndarray
    changed: np.ndarray
    usable: np.ndarray


def run(options: Options, team) -> list[str]:
    """Filter the field; returns the paths written. Collective.

    Parameters
    ----------
    options : Options
    team : hpcdvc.ranks.team.Team
    """
    return carry_out(options, team, plan, work, lambda jobs: estimate(jobs, options, team.size))


def plan(options: Options, inputs: Inputs, team) -> list[Job]:
    """The one job, on one rank.

    Raises
    ------
    UserError
        With one sentence, when something is missing or does not fit.
    """
    path = options.phi_file
    field = read_field_only(path, options.phi_file_bin_ratio, grid=options.median or options.gaussian)
    correlation = scores(field, path, options) if options.by_correlation else None
    if (options.median or options.gaussian) and not field.measured.any():
        raise UserError(f"no row of {path} is measured: there is nothing to filter")
    task = FilterTask(field, correlation)
    stem = table_stem(options, path, "filtered-LQC" if options.fit else "filtered")
    dtype = row_type_of(field, *MEASURED)
    points, half_window = Points.of(field), stored_half_window(path, options.phi_file_bin_ratio)
    return [
        table_job("filterPhiField", options, inputs, stem, points, task, team, dtype, field.family, ADVICE, half_window)
    ]


def work(job: Job, checkpoint: Checkpoint, options: Options, team) -> dict:
    """Judge, replace, smooth and write the rows. Collective; returns what the record of the run keeps."""
    task: FilterTask = job.task
    field = task.field
    usable = field.measured & np.isfinite(field.phi).all(axis=(1, 2))
    state = State(field.phi, field.return_status.copy(), np.zeros(len(field), bool), usable)
    wrong = judged_wrong(field, usable, options, task.correlation, team)
    if options.selects:
        if not wrong.any():
            log.info("no row of %s is found to be wrong: rows are written as they are", options.phi_file)
        _replace(state, field, wrong, options, team)
        if options.corrects:
            log.info("%d of %d wrong rows are replaced", np.count_nonzero(state.changed), np.count_nonzero(wrong))
    replaced = int(np.count_nonzero(state.changed))
    for flag, make in _smoothing(field, options):
        if not state.usable.any():
            team.fail(RunError(f"{flag}: no row is left to filter"))
        state.phi = _smoothed(state, make(state), options.apply_f, team)
        state.status[state.usable], state.changed = Status.FILTERED, state.changed | state.usable
        log.info("%s smooths %d of %d rows", flag, np.count_nonzero(state.usable), len(field))

    def make_rows(numbers: np.ndarray) -> np.ndarray:
        return _rows(field, state, numbers, job.dtype)

    done = write_rows(job, checkpoint, team, Points.of(field), make_rows, 1e-6, options.quiet)
    return {**done, "wrong": int(np.count_nonzero(wrong)), "replaced": replaced}


def _replace(state: State, field: Field, wrong: np.ndarray, options: Options, team) -> None:
    """Give wrong rows what their good neighbours say, or mark them. Collective."""
    state.usable = state.usable & ~wrong
    rows = np.flatnonzero(wrong)
    if not options.corrects:
        state.status[rows] = Status.JUDGED_WRONG
        return
    if len(rows) and not state.usable.any():
        team.fail(RunError(f"all rows of {options.phi_file} are found to be wrong: none is left to replace them by"))
    around, places = around_rows(field, state.usable, options), field.positions[rows]

    def new(numbers: np.ndarray) -> np.ndarray:
        points = places[numbers]
        if options.fit:
            return quadratic_at(around, field.displacement, points)[0]
        return interpolated(around, field.phi, points)

    found = part_of_rows(for_all(team, len(rows), new, (3, 4)), options.apply_f) if len(rows) else np.empty((0, 3, 4))
    good = np.isfinite(found).all(axis=(1, 2))
    state.status[rows] = np.where(good, Status.FILTERED, Status.NOT_REACHED)
    state.changed[rows[good]] = state.usable[rows[good]] = True
    place = np.searchsorted(rows, np.arange(len(field) + 1))

    def all_rows(numbers: np.ndarray) -> np.ndarray:
        result = field.phi[numbers, :3]
        mine = state.changed[numbers]
        result[mine] = found[place[numbers[mine]]]
        return result

    state.phi = for_all(team, len(field), all_rows, (3, 4))


def _smoothing(field: Field, options: Options):
    """Filters that were asked for, in their order: its flag, and what makes a function of the state of the field."""
    grid = field.grid
    if options.median:
        half = (options.median_radius,) * 3
        yield "-fm", lambda state: lambda rows: median_in_boxes(Boxes(grid, state.usable, half, True), state.phi, rows)
    if options.gaussian:
        wide, sigma = (int(np.ceil(WIDTH * options.gaussian_sigma)),) * 3, options.gaussian_sigma
        yield (
            "-fg",
            lambda state: lambda rows: gaussian_in_boxes(Boxes(grid, state.usable, wide), state.phi, rows, sigma),
        )


def _smoothed(state: State, smooth, part: str, team) -> np.ndarray:
    """Phi (n, 3, 4) of all rows, with those that count smoothed. Collective."""

    def make(numbers: np.ndarray) -> np.ndarray:
        result = state.phi[numbers, :3]
        mine = state.usable[numbers]
        result[mine] = part_of_rows(smooth(numbers[mine])[:, :3], part)
        return result

    return for_all(team, len(state.phi), make, (3, 4))


def _rows(field: Field, state: State, numbers: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Rows (m,) of the result: new values, and those that were measured beside them."""
    rows, extra = rows_from(field, numbers, dtype), field.extra or {}
    if "measured_Phi" not in extra:  # the first filter keeps them, all later ones leave them
        rows["measured_Phi"] = rows["Phi"].reshape(-1, 12)
        rows["measured_status"] = rows["return_status"]
    rows["Phi"], rows["return_status"] = state.phi[numbers, :3], state.status[numbers]
    changed = state.changed[numbers]
    for name in (name for name in OF_THE_WINDOW if name in dtype.names):
        rows[name][changed] = np.nan
    rows["iterations"][changed] = 0
    if field.family != Family.REGISTRATION:  # there is no last iterate
        rows["Phi"][rows["return_status"] <= 0, :, 3] = np.nan
    return rows


judge = partial(judge_points, nothing="no row is measured, most end")


def estimate(jobs: list[Job], options: Options, ranks: int) -> str:
    """What the run will take, as text."""
    seconds = 2e-6 + sum(cost for name, cost in SECONDS.items() if getattr(options, name))
    return estimate_table(jobs, ranks, seconds)
