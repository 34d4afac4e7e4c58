"""The iterations of one level: from the sums over all voxels to the next Phi, and when they end.

Every iteration fits the mixture to the joint histogram of the iteration before and makes one step of Newton's method
up its likelihood; both go on until neither changes. Rank 0 decides, all ranks get what it found.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.status import Status
from hpcdvc.multimodal.mixture import Mixture, fit_mixture
from hpcdvc.multimodal.objective import Objective, given_im2, moments_of, on_the_average
from hpcdvc.multimodal.pair import ModalPair, ModalSums, explained
from hpcdvc.multimodal.settings import ModalSettings
from hpcdvc.multimodal.tables import Tables
from hpcdvc.registration.gauss_newton import MIN_OVERLAP, compose, solve

#: Stages: by what im1 says of im2 on the average, on a sample of the blocks; by a mixture fitted anew in each
#: iteration; by one fitted anew only where Phi has settled on it, so that the end does not hang on how a fit turns out.
APPROACH, ALTERNATE, SETTLE = 1, 2, 3
#: Norm of the change of Phi at which the second and the third of them begin.
NEAR, FINE = 0.02, 2e-3
#: Iterations that they begin after in any case: part of all, and fits of a mixture.
MOST_APPROACH, MOST_FITS = 0.5, 12
#: Fits on which Phi settles, at most.
MOST_SETTLED = 4
#: Norm of the change of Phi below which changes follow a law that the next one can learn from.
LAWFUL = 0.2
#: Iterations that the next change learns from, and how many times as long as asked for they can make it.
MEMORY, LONGEST = 4, 8.0

#: One iteration, as the shards store it.
ITERATE = np.dtype(
    [("index", "<i8"), ("number", "<i8")]
    + [(name, "<i4") for name in ("factor", "status", "stage", "fits", "since", "learned")]  # an even number: no gap
    + [("phi", "<f8", (3, 4)), ("fitted", "<f8", (3, 4))]
    + [(name, "<f8") for name in ("log_likelihood", "explained", "voxels", "delta_phi_norm")]
    + [("change", "<f8", (2, 12))],
    align=True,
)
#: What records hold beside the place of the iteration and the length of the trail.
STORED = [name for name in ITERATE.names if name not in ("index", "factor", "learned")]
NO_TRAIL = np.empty((0, 2, 12))


@dataclass(frozen=True)
class Iterate:
    """State after one iteration.

    Attributes
    ----------
    number : of the iteration, from 1; 0 before the first
    status : 0 to go on, or why it ended
    stage : of the next iteration
    phi : (3, 4) array, about the centre of the pair
    fitted : (3, 4) array, phi whose joint histogram the next iteration goes by
    fits : histograms that a mixture was fitted to, and in the last stage those that Phi has settled on
    since : iterations that have gone by this histogram
    log_likelihood : sum over the voxels of log p(f | g), im1 given im2, before this iteration changed phi
    explained : part of the variance of im2 that im1 explains, likewise
    voxels : number of voxels that took part
    delta_phi_norm : norm of the change
    change : (2, 12) that the equations ask for, and that was made
    trail : (n, 2, 12) changes of the iterations before, those that the next one learns from
    """

    number: int
    status: int
    stage: int
    phi: np.ndarray
    fitted: np.ndarray
    fits: int = 0
    since: int = 0
    log_likelihood: float = np.nan
    explained: float = np.nan
    voxels: float = 0.0
    delta_phi_norm: float = np.inf
    change: np.ndarray = field(default_factory=lambda: np.zeros((2, 12)))
    trail: np.ndarray = field(default_factory=lambda: NO_TRAIL)

    @classmethod
    def at(cls, phi: np.ndarray, settings: ModalSettings) -> "Iterate":
        """Before the first iteration. Phases of a file are those that its Phi has settled on: it stays there."""
        replayed = settings.phases is not None and settings.phases.complete
        return cls(0, 0, SETTLE if replayed else APPROACH, phi, phi)

    def row(self, index: int, factor: int) -> np.ndarray:
        """As one record of ITERATE."""
        row = np.zeros(1, ITERATE)
        row["index"], row["factor"], row["learned"] = index, factor, len(self.trail)
        for name in STORED:
            row[name] = getattr(self, name)
        return row

    @classmethod
    def of_rows(cls, rows: np.ndarray) -> "Iterate":
        """The state that the records of a level lead to."""
        values = {name: rows[-1][name] for name in STORED}
        state = cls(**{name: value.copy() if value.ndim else value.item() for name, value in values.items()})
        return replace(state, trail=rows["change"][len(rows) - rows[-1]["learned"] :])


def mixture_of(histogram: np.ndarray, settings: ModalSettings, n_phases: int | str) -> Mixture:
    """The mixture that a joint histogram is made of; a single wide phase where it is empty.

    Raises
    ------
    UserError
        Beyond the thresholds there is nothing.
    """
    if not histogram.any():
        middle = np.full((1, 2), (settings.bins - 1) / 2)
        wide = np.eye(2)[None] * settings.bins**2
        return Mixture.of(np.ones(1), middle, wide, np.empty((0, 2)), 0.0)
    if settings.phases is not None:
        return settings.phases.mixture_of(histogram)
    if not histogram[settings.thresholds[0] :, settings.thresholds[1] :].any():
        raise UserError("no voxel has grey values beyond both thresholds: there are no phases")
    return fit_mixture(histogram, n_phases, settings.distance, settings.fit_distance, settings.thresholds)


def objective_of(mixture: Mixture, settings: ModalSettings) -> Objective:
    """What is maximised, with a mixture."""
    return given_im2(Tables.of(mixture, settings.bins), settings.bins)


def iterate(
    pair: ModalPair, state: Iterate, settings: ModalSettings, n_phases: int | str, unknowns: np.ndarray, team
) -> Iterator[Iterate]:
    """Steps of Newton's method until Phi has settled. Collective: every rank gets every state.

    Parameters
    ----------
    pair : images at this level
    state : to go on from
    settings : how
    n_phases : of this level
    unknowns : (12, n) array of what may change
    team : hpcdvc.ranks.team.Team

    Yields
    ------
    Iterate : the last one has the status
    """
    # a histogram of the approach is that of a sample, and the first mixture is fitted to the last of these
    sampled = state.stage == APPROACH or (state.stage == ALTERNATE and not state.fits)
    histogram, objective = pair.histogram(state.fitted, sampled), None
    while not state.status:
        if not histogram.any():  # nothing to go by
            yield replace(state, number=state.number + 1, status=int(Status.LEFT_IMAGE))
            return

        def make(histogram=histogram, state=state) -> Objective:
            if state.stage == APPROACH:
                return given_im2(on_the_average(histogram), settings.bins)
            return objective_of(mixture_of(histogram, settings, n_phases), settings)

        objective = team.agree(make) if objective is None or not state.since else objective
        stage, sums = state.stage, pair.sums(state.phi, objective, sampled=state.stage == APPROACH)
        state = team.agree(lambda sums=sums, state=state: _step(sums, state, settings, unknowns))
        if stage == SETTLE and state.stage == APPROACH:
            histogram = pair.histogram(state.fitted, True)
        elif not state.since:
            histogram = sums.histogram
        yield state


def enough(sums: ModalSums, unknowns: np.ndarray) -> bool:
    """Whether enough of im1 meets im2."""
    return sums.count >= max(MIN_OVERLAP * (sums.count + sums.outside), 4 * unknowns.shape[1])


def _step(sums: ModalSums, last: Iterate, settings: ModalSettings, unknowns: np.ndarray) -> Iterate:
    """One step of Newton's method from the sums."""
    state = replace(
        last, number=last.number + 1, since=last.since + 1, voxels=float(sums.count),
        log_likelihood=sums.log_likelihood, explained=explained(moments_of(sums.histogram)),
    )  # fmt: skip
    if not enough(sums, unknowns):
        return replace(state, status=int(Status.LEFT_IMAGE))
    solved = solve(unknowns, sums.matrix, sums.right)
    if solved is None:
        return replace(state, status=int(Status.SINGULAR))
    delta, _ = solved
    grows = not sums.log_likelihood / sums.count < last.log_likelihood / max(last.voxels, 1)
    lawful = grows and float(np.linalg.norm(delta)) < LAWFUL
    trail = last.trail if lawful else last.trail[:0]
    made = accelerated(delta, trail, sums.matrix)
    phi, status = compose(last.phi, made, settings.rigid)
    change = np.stack([delta, made])
    trail = np.concatenate([trail, change[None]])[-MEMORY:]
    state = replace(state, phi=phi, change=change, trail=trail, delta_phi_norm=float(np.linalg.norm(made)))
    if status:
        return replace(state, status=int(status))
    return _judged(state, last.phi, settings)


def accelerated(delta: np.ndarray, trail: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """The change to make: what the iterations before have told about how much of an error a change leaves.

    Parameters
    ----------
    delta : (12,) change that the equations ask for
    trail : (n, 2, 12) changes asked for and made in the iterations before
    matrix : (12, 12) normal matrix, the metric in which what is left is small

    References
    ----------
    Anderson 1965, doi 10.1145/321296.321305; Walker & Ni 2011, doi 10.1137/10078356X
    """
    if not len(trail):
        return delta
    asked, made = trail.swapaxes(0, 1)
    turned = np.diff(np.concatenate([asked, delta[None]]), axis=0)
    normal = turned @ matrix @ turned.T
    scale = np.sqrt(np.maximum(np.diag(normal), np.finfo(float).tiny))
    part = np.linalg.lstsq(normal / np.outer(scale, scale), turned @ matrix @ delta / scale, rcond=1e-8)[0] / scale
    result = delta - part @ (made + turned)
    length, longest = (np.sqrt(change @ matrix @ change) for change in (result, LONGEST * delta))
    return result if length <= longest else delta


def _judged(state: Iterate, before: np.ndarray, settings: ModalSettings) -> Iterate:
    """The state with what the next iteration goes by, or with the reason why there is none; `before`: phi before it."""
    settled = state.delta_phi_norm <= settings.min_delta_phi
    newly = replace(state, fitted=before, since=0)
    if state.stage == SETTLE and settled and (state.since == 1 or state.fits >= MOST_SETTLED):
        return replace(state, status=int(Status.CONVERGED))
    if state.number >= settings.max_iterations:
        return replace(state, status=int(Status.MAX_ITERATIONS))
    if state.stage == SETTLE and state.number == 1 and state.delta_phi_norm > NEAR:
        return replace(newly, stage=APPROACH, phi=before, trail=NO_TRAIL)  # phases of a file whose Phi is but a guess
    if state.stage == APPROACH:
        far = state.delta_phi_norm > NEAR and state.number < MOST_APPROACH * settings.max_iterations
        return newly if far else replace(newly, stage=ALTERNATE, trail=NO_TRAIL)  # another objective
    if state.stage == ALTERNATE:
        far = state.delta_phi_norm > FINE and state.fits < MOST_FITS
        return replace(newly, fits=state.fits + 1) if far else replace(newly, stage=SETTLE, fits=0, trail=NO_TRAIL)
    return replace(newly, fits=state.fits + 1, trail=NO_TRAIL) if settled else state
