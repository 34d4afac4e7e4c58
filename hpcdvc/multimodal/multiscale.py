"""Registration across modalities, from coarse copies to the images themselves: one Phi for all of im1.

im1(x) shows what im2(c + t + F (x - c)) shows; arrays ZYX, lengths in voxels of the images themselves. What happens at
one level is in registration.py; here are the way from level to level, and the `ModalResult`.
"""

from dataclasses import dataclass

import numpy as np

from hpcdvc.fields.phi import part_of, variance_at
from hpcdvc.fields.status import Status
from hpcdvc.multimodal.greys import GreyRange, grey_range
from hpcdvc.multimodal.mixture import Mixture
from hpcdvc.multimodal.pair import ModalPair
from hpcdvc.multimodal.phases import diagram_of
from hpcdvc.multimodal.registration import ITERATE, Iterate, iterate, mixture_of, objective_of
from hpcdvc.multimodal.settings import ModalSettings
from hpcdvc.multimodal.uncertainty import is_held, sums_and_variance
from hpcdvc.multimodal.verdict import explains, verdict
from hpcdvc.ranks.team import Team
from hpcdvc.registration.journal import Journal, motion_text
from hpcdvc.registration.kernel_settings import basis
from hpcdvc.registration.levels import Level
from hpcdvc.registration.multiscale import from_level, to_level
from hpcdvc.registration.settings import dimensions_of

#: Statuses of a level whose phi may be a start for the next one.
USABLE = (Status.CONVERGED, Status.MAX_ITERATIONS)


@dataclass(frozen=True, eq=False)
class ModalResult:
    """The deformation function between images of two modalities, as one level has found it.

    Attributes
    ----------
    factor : binning of the level
    phi : (4, 4) float64 array, ZYX, voxels of the images; maps im1 to im2 about `centre`
    centre : (3,) point of im1, ZYX, voxels
    return_status : 2 converged; others see hpcdvc.fields.status
    iterations : of this level
    log_likelihood : sum over the voxels of log p(im1 | im2), at the end
    delta_phi_norm : norm of the last change of phi, in voxels of the level
    variance : (12,) variances of the first three rows of phi, voxels of the images
    explained_start, explained : part of the variance of im2 that im1 explains (eta^2, the correlation ratio), im2
        brought back by the Phi that all levels started from, and by that of the end
    valid_fraction : part of the voxels of im1, without margin and mask, that met im2
    ranges : of the grey values of im1 and im2 that the bins are made of
    mixture : the phases, in bins
    histogram : (bins, bins) int64 array, im1 by im2, at the end
    diagram : (bins, bins) uint8 array, phase of each bin, from 1; 0 none
    history : (n,) records of registration.ITERATE, all iterations up to here, phi in voxels of its level
    """

    factor: int
    phi: np.ndarray
    centre: np.ndarray
    return_status: int
    iterations: int
    log_likelihood: float
    delta_phi_norm: float
    variance: np.ndarray
    explained_start: float
    explained: float
    valid_fraction: float
    ranges: tuple[GreyRange, GreyRange]
    mixture: Mixture
    histogram: np.ndarray
    diagram: np.ndarray
    history: np.ndarray

    def variance_at(self, point: np.ndarray) -> np.ndarray:
        """(12,) variances of Phi about another point, F and displacement at the centre taken as independent."""
        return variance_at(self.variance, self.centre, point)


def register_modal(
    levels: dict[int, Level],
    settings: ModalSettings,
    start: np.ndarray,
    centre: np.ndarray,
    team: Team,
    journal: Journal | None = None,
) -> tuple[ModalResult, ...]:
    """Register from the coarsest level to the finest, each starting where the one before ended. Collective.

    A coarse level that fails is passed over; the last one is the result.

    Parameters
    ----------
    levels : by binning, coarse to fine
    settings : how
    start : (4, 4) Phi about the centre, voxels of the images
    centre : point of im1 (ZYX) that Phi is about
    team : hpcdvc.ranks.team.Team
    journal : keeps the iterations, and those of an earlier run

    Returns
    -------
    tuple of ModalResult
        One for each level, with a `return_status` other than 2 where it has failed.

    Raises
    ------
    UserError
        An image without contrast; numbers of phases that do not fit the levels.
    """
    ranges = {factor: ranges_of(level, settings, team) for factor, level in levels.items()}
    phi = start = part_of(start, "rigid" if settings.rigid else "all")
    way, results = _Way(settings, start, centre, team, journal or Journal(), min(levels)), []
    for number, (factor, level) in enumerate(levels.items()):
        n_phases = settings.phases_of(number, len(levels))
        history = results[-1].history if results else np.empty(0, ITERATE)
        results.append(way.register(level, n_phases, ranges[factor], phi, history))
        status = results[-1].return_status
        if status in USABLE:
            phi = results[-1].phi
        elif factor != way.last:
            way.journal.pass_over(factor, status)
    return tuple(results)


def ranges_of(level: Level, settings: ModalSettings, team: Team) -> tuple[GreyRange, GreyRange]:
    """Grey values of both images that the bins are made of. Collective."""
    images = zip((level.im1, level.im2), settings.ranges, settings.names, strict=True)
    return tuple(grey_range(image, settings.crop, team, *given, name) for image, given, name in images)


@dataclass(frozen=True, eq=False)
class _Way:
    """What all levels have in common; `start`: that of the first, `last`: binning of the last."""

    settings: ModalSettings
    start: np.ndarray
    centre: np.ndarray
    team: Team
    journal: Journal
    last: int

    def register(
        self,
        level: Level,
        n_phases: int | str,
        ranges: tuple[GreyRange, GreyRange],
        phi: np.ndarray,
        history: np.ndarray,
    ) -> ModalResult:
        """What one level finds from phi on, and the history up to there. Collective."""
        shape, settings, journal = level.im1.shape, self.settings, self.journal
        margin, at = settings.margin_of(shape, level.factor), (self.centre - level.first) / level.step
        pair = ModalPair(level, ranges, settings.bins, margin, at, self.team)
        rows = [history, done := journal.done(level.factor, ITERATE)]
        state = Iterate.of_rows(done) if len(done) else Iterate.at(to_level(phi, level), settings)
        journal.begin(level.factor, shape, margin)
        if any(settings.thresholds) and not len(done):  # to be refused before anything is kept
            seen = pair.histogram(state.phi, sampled=True)
            self.team.agree(lambda: mixture_of(seen, settings, n_phases))
        unknowns = basis(dimensions_of(shape), settings.rigid)
        states = iterate(pair, state, settings, n_phases, unknowns, self.team)
        for index, after in enumerate(states, len(history) + len(done)):
            state = after
            rows.append(journal.add(state.row(index, level.factor), line(state)))
        return self._result(level, ranges, pair, state, n_phases, unknowns, np.concatenate(rows))

    def _result(
        self,
        level: Level,
        ranges: tuple[GreyRange, GreyRange],
        pair: ModalPair,
        state: Iterate,
        n_phases: int | str,
        unknowns: np.ndarray,
        history: np.ndarray,
    ) -> ModalResult:
        """The end of a level, judged."""
        settings, end = self.settings, pair.histogram(state.phi)
        mixture = self.team.agree(lambda: mixture_of(end, settings, n_phases))
        objective = self.team.agree(lambda: objective_of(mixture, settings))
        starts = [pair.histogram(to_level(self.start, level))]
        starts += [] if (self.start == np.eye(4)).all() else [pair.histogram(to_level(np.eye(4), level))]
        status = verdict(pair, state, end, starts, level.factor == self.last)
        sums, variance = sums_and_variance(pair, state.phi, objective, unknowns)
        if status == Status.CONVERGED and (
            np.isnan(variance).any()  # it has settled, but on no maximum, or on one of chance
            or level.factor == self.last
            and not is_held(pair, state.phi, objective, sums, unknowns)
        ):
            status = int(Status.SINGULAR)
        variance[3::4] *= level.step**2
        return ModalResult(
            level.factor, from_level(state.phi, level), self.centre, status, state.number, sums.log_likelihood,
            state.delta_phi_norm, variance, explains(starts[0]), explains(end),
            sums.count / max(sums.count + sums.outside, 1), ranges, mixture, end,
            diagram_of(mixture, settings.bins, end, settings.coverage), history
        )  # fmt: skip


def line(state: Iterate) -> str:
    """One iteration as a line of text."""
    return (
        f"  {state.number:3d}  |dPhi| {state.delta_phi_norm:.5f}  log L {state.log_likelihood:12.6g}  "
        f"explained {state.explained:.4f}  {motion_text(state.phi)}"
    )
