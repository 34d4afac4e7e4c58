"""Registration of whole images, from coarse copies to the images themselves: one Phi for all of im1.

im1(x) = im2(c + t + F (x - c)), arrays ZYX, lengths in voxels of the images themselves. What happens at one level is in
gauss_newton.py, what there is to do in task.py; here are the way from level to level, and the `RegistrationResult`.
"""

from dataclasses import dataclass, replace

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.phi import part_of, variance_at
from hpcdvc.fields.status import Status
from hpcdvc.registration.gauss_newton import ITERATE, Iterate, iterate
from hpcdvc.registration.journal import Journal, motion_text
from hpcdvc.registration.levels import GreyValues, Level, grey_values, halved
from hpcdvc.registration.pair import Pair
from hpcdvc.registration.task import Task

#: A level before the last one has converged when the norm of the change of Phi is below this.
COARSE_DELTA_PHI = 1e-3
#: Statuses of a level whose phi may be a start for the next one.
USABLE = (Status.CONVERGED, Status.MAX_ITERATIONS, Status.DECORRELATED)


@dataclass(frozen=True)
class RegistrationResult:
    """The deformation function of a whole image.

    Attributes
    ----------
    phi : (4, 4) float64 array, ZYX; maps im1 to im2 about `centre`
    centre : (3,) point of im1, ZYX, voxels
    return_status : 2 converged; others see hpcdvc.fields.status
    error : sum of squared residuals / sum of the grey values of im1
    iterations : of the last level
    delta_phi_norm : norm of the last change of phi, in voxels of the last level
    zncc : zero-mean normalised correlation of im1 and the deformed im2
    valid_fraction : part of the voxels of im1, without margin and mask, that met im2
    variance : (12,) variances of the first three rows of phi, from the residual: noise, not interpolation error
    factor : binning of the last level
    history : (n,) records of gauss_newton.ITERATE, all iterations of all levels, phi in voxels of its level
    """

    phi: np.ndarray
    centre: np.ndarray
    return_status: int
    error: float
    iterations: int
    delta_phi_norm: float
    zncc: float
    valid_fraction: float
    variance: np.ndarray
    factor: int
    history: np.ndarray

    def variance_at(self, point: np.ndarray) -> np.ndarray:
        """(12,) variances of Phi about another point, F and displacement at the centre taken as independent."""
        return variance_at(self.variance, self.centre, point)


def levels_between(level: Level, first: int, last: int, team) -> dict[int, Level]:
    """Levels by binning, coarse to fine. Collective."""
    made = {1: level}
    while max(made) < first:
        made[2 * max(made)] = halved(made[max(made)], team)
    return {factor: made[factor] for factor in sorted(made, reverse=True) if factor >= last}


def register_levels(
    levels: dict[int, Level],
    task: Task,
    start: np.ndarray,
    centre: np.ndarray,
    team,
    journal: Journal | None = None,
) -> RegistrationResult:
    """Register from the coarsest level to the finest, each starting where the one before ended. Collective.

    A coarse level that fails is passed over; the last one decides.

    Parameters
    ----------
    levels : by binning, coarse to fine
    task : settings and margins
    start : (4, 4) Phi about the centre
    centre : point of im1 (ZYX) that Phi is about and that the iterations turn around
    team : hpcdvc.ranks.team.Team
    journal : keeps the iterations, and those of an earlier run
    """
    journal = journal or Journal()
    grey = grey_of(levels, task.names, team)
    ends, history = task.settings.iterations, np.empty(0, ITERATE)
    # a coarse level is only to make a start for the next one
    enough = replace(ends, min_delta_phi=max(ends.min_delta_phi, COARSE_DELTA_PHI))
    coarse = replace(task, settings=replace(task.settings, iterations=enough), sample_suffices=True)
    phi = part_of(start, "rigid" if ends.rigid else "all")
    for factor, level in levels.items():
        last = factor == min(levels)
        one = task if last else coarse
        state, valid, history = _register_level(level, one, grey, phi, centre, team, journal, history)
        useful = state.status in USABLE and state.zncc >= ends.min_zncc
        if not (useful or last or task.force):
            journal.pass_over(factor, state.status)
        if useful or last or task.force:
            phi = from_level(state.phi, level)
    voxels = levels[factor].step
    variance = state.variance.reshape(3, 4).copy()
    variance[:, 3] *= voxels**2
    return RegistrationResult(
        phi, centre, state.status, state.error, state.number, state.delta_phi_norm, state.zncc,
        state.voxels / valid if valid else 0.0, variance.ravel(), factor, history
    )  # fmt: skip


def _register_level(
    level: Level,
    task: Task,
    grey: tuple[GreyValues, GreyValues],
    phi: np.ndarray,
    centre: np.ndarray,
    team,
    journal: Journal,
    history: np.ndarray,
) -> tuple[Iterate, int, np.ndarray]:
    """Last state at one level, how many voxels of im1 could take part, and the history up to here."""
    margin, at = task.level_margin(level.im1.shape, level.factor), (centre - level.first) / level.step
    start, valid = to_level(phi, level), _count_valid(level, margin, team)
    pair = Pair(level.im1, level.im2, task.settings, *grey, level.mask1, margin, at, team, start, level.rounding)
    rows = [history, done := journal.done(level.factor, ITERATE)]
    first = len(history) + len(done)
    state = Iterate.of_row(done[-1]) if len(done) else Iterate(0, 0, pair.has_sample, start)
    journal.begin(level.factor, level.im1.shape, margin)
    states = iterate(pair, state, start, task.settings.iterations, team, valid, task.sample_suffices)
    for index, after in enumerate(states, first):
        state = after
        rows.append(journal.add(state.row(index, level.factor), line(state)))
    return state, valid, np.concatenate(rows)


def grey_of(levels: dict[int, Level], names: tuple[str, str], team) -> tuple[GreyValues, GreyValues]:
    """Mean and standard deviation of both images, called by their names. Collective.

    Raises
    ------
    UserError
        On every rank, when an image has no contrast.
    """
    finest = levels[min(levels)]
    # integers are finite: any copy tells their mean, and its contrast will do as a unit
    level = levels[max(levels)] if {finest.im1.dtype.kind, finest.im2.dtype.kind} <= {"u", "i"} else finest
    grey = tuple(grey_values(image, team) for image in (level.im1, level.im2))
    if level is not finest and not all(_has_contrast(values) for values in grey):
        grey = tuple(grey_values(image, team) for image in (finest.im1, finest.im2))
    for name, values in zip(names, grey, strict=True):
        if not _has_contrast(values):
            what = f"the same grey value {values.mean:g} everywhere"
            what = "no finite value in float32" if np.isnan(values.mean) else what
            team.fail(UserError(f"{name} has {what}: there is nothing to register"))
    return grey


def _has_contrast(grey: GreyValues) -> bool:
    return grey.std > 1e-6 * abs(grey.mean)


def _count_valid(level: Level, margin: tuple[int, int, int], team) -> int:
    inner = [slice(m, n - m) for m, n in zip(margin, level.im1.shape, strict=True)]
    if level.mask1 is None:
        return int(np.prod([s.stop - s.start for s in inner]))
    start, stop = team.spans(inner[0].stop - inner[0].start)
    planes = range(inner[0].start + start, inner[0].start + stop)
    return team.sum(sum(int(np.count_nonzero(level.mask1[z][tuple(inner[1:])])) for z in planes))


def _shift(level: Level) -> np.ndarray:
    """What the levels of im1 and im2 add to a displacement, because they begin at different voxels."""
    return (level.first - level.first2) / level.step


def to_level(phi: np.ndarray, level: Level) -> np.ndarray:
    """Phi (4, 4) in voxels of the images as (3, 4) in voxels of a level, about the same point."""
    result = phi[:3].copy()
    result[:, 3] = result[:, 3] / level.step + _shift(level)
    return result


def from_level(phi: np.ndarray, level: Level) -> np.ndarray:
    """Phi (3, 4) in voxels of a level as (4, 4) in voxels of the images, about the same point."""
    result = np.eye(4)
    result[:3] = phi
    result[:3, 3] = (result[:3, 3] - _shift(level)) * level.step
    return result


def line(state: Iterate) -> str:
    """One iteration as a line of text."""
    return (
        f"  {state.number:3d}  |dPhi| {state.delta_phi_norm:.5f}  error {state.error:10.4g}  zncc {state.zncc:.4f}"
        f"  {motion_text(state.phi)}"
    )
