"""The iterations of one level: from the sums over all voxels to the next Phi, and when they end.

Every iteration fits the mixture to the joint histogram of the iteration before and makes one step of Newton's method
up its likelihood; both go on until neither changes. Rank 0 decides, all ranks get what it found.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from hpcdvc.fields.status import Status
from hpcdvc.multimodal.approach import conditional_tables, explained_by
from hpcdvc.multimodal.mixture import Mixture, fit_mixture
from hpcdvc.multimodal.pair import ModalPair, ModalSums
from hpcdvc.multimodal.settings import ModalSettings
from hpcdvc.multimodal.tables import Tables
from hpcdvc.registration.gauss_newton import MIN_OVERLAP, compose, solve, step_length
from hpcdvc.registration.kernel_settings import basis

#: Stages: by what im1 says of im2 on the average, and by the mixture.
APPROACH, MIXTURE = 1, 2
#: Norm of the change of Phi at which the mixture takes over.
NEAR = 0.02
#: Part of the iterations that the approach may take.
MOST_APPROACH = 0.6

#: One iteration, as the shards store it.
ITERATE = np.dtype(
    [("index", "<i8"), ("factor", "<i4"), ("number", "<i4"), ("status", "<i4"), ("stage", "<i4")]
    + [("phi", "<f8", (3, 4)), ("before", "<f8", (3, 4))]
    + [(name, "<f8") for name in ("log_likelihood", "explained", "voxels", "delta_phi_norm", "step")]
    + [("delta", "<f8", 12)],
    align=True,
)


@dataclass(frozen=True)
class Iterate:
    """State after one iteration.

    Attributes
    ----------
    number : of the iteration, from 1; 0 before the first
    status : 0 to go on, or why it ended
    stage : of the next iteration
    phi : (3, 4) array, about the centre of the pair
    before : phi before this iteration, whose joint histogram the next one goes by
    log_likelihood : sum over the voxels of log p(f, g), of `before`
    explained : part of the variance of im2 that im1 explains, of `before`
    voxels : number of voxels that took part
    delta_phi_norm : norm of the change
    step : factor on the change that the equations ask for
    delta : (12,) that change, without the factor
    """

    number: int
    status: int
    stage: int
    phi: np.ndarray
    before: np.ndarray
    log_likelihood: float = np.nan
    explained: float = np.nan
    voxels: float = 0.0
    delta_phi_norm: float = np.inf
    step: float = 1.0
    delta: np.ndarray = field(default_factory=lambda: np.full(12, np.nan))

    @classmethod
    def at(cls, phi: np.ndarray) -> "Iterate":
        """Before the first iteration."""
        return cls(0, 0, APPROACH, phi, phi)

    def row(self, index: int, factor: int) -> np.ndarray:
        """As one record of ITERATE."""
        row = np.zeros(1, ITERATE)
        for name, value in {**vars(self), "index": index, "factor": factor}.items():
            row[name] = value
        return row

    @classmethod
    def of_row(cls, row: np.void) -> "Iterate":
        """The state that a record holds."""
        return cls(**{name: row[name].copy() if row[name].ndim else row[name].item() for name in cls.__annotations__})


def mixture_of(histogram: np.ndarray, settings: ModalSettings, n_phases: int | str) -> Mixture:
    """The mixture that a joint histogram is made of."""
    return fit_mixture(histogram, n_phases, settings.distance, settings.fit_distance, settings.thresholds)


def iterate(
    pair: ModalPair, state: Iterate, settings: ModalSettings, n_phases: int | str, dimensions: int, team
) -> Iterator[Iterate]:
    """Steps of Newton's method until Phi has settled. Collective: every rank gets every state.

    Parameters
    ----------
    pair : images at this level
    state : to go on from
    settings : how
    n_phases : of this level
    dimensions : 2 or 3
    team : hpcdvc.ranks.team.Team

    Yields
    ------
    Iterate : the last one has the status
    """
    unknowns = basis(dimensions, settings.rigid)
    histogram = pair.histogram(state.before)
    while not state.status:

        def tables(histogram=histogram, state=state) -> object:
            if state.stage == APPROACH:
                return conditional_tables(histogram)
            return Tables.of(mixture_of(histogram, settings, n_phases), settings.bins)

        sums = pair.sums(state.phi, team.agree(tables))
        state = team.agree(lambda sums=sums, state=state: _step(sums, state, settings, unknowns))
        histogram = sums.histogram
        yield state


def enough(sums: ModalSums, unknowns: np.ndarray) -> bool:
    """Whether enough of im1 meets im2."""
    return sums.count >= max(MIN_OVERLAP * (sums.count + sums.outside), 4 * unknowns.shape[1])


def _step(sums: ModalSums, last: Iterate, settings: ModalSettings, unknowns: np.ndarray) -> Iterate:
    """One step of Newton's method from the sums."""
    state = replace(
        last, number=last.number + 1, before=last.phi, voxels=float(sums.count), log_likelihood=sums.log_likelihood,
        explained=explained_by(sums.histogram),
    )  # fmt: skip
    if not enough(sums, unknowns):
        return replace(state, status=int(Status.LEFT_IMAGE))
    solved = solve(unknowns, sums.matrix, sums.right)
    if solved is None:
        return replace(state, status=int(Status.SINGULAR))
    delta, _ = solved
    step = step_length(last, delta, sums.matrix)
    phi, status = compose(last.phi, step * delta, settings.rigid)
    state = replace(state, phi=phi, step=step, delta=delta, delta_phi_norm=step * float(np.linalg.norm(delta)))
    if status:
        return replace(state, status=int(status))
    return _judged(state, settings)


def _judged(state: Iterate, settings: ModalSettings) -> Iterate:
    """The state with the stage of the next iteration, or with the reason why there is none."""
    if state.number >= settings.max_iterations and state.delta_phi_norm > settings.min_delta_phi:
        return replace(state, status=int(Status.MAX_ITERATIONS))
    if state.stage == APPROACH:
        if state.delta_phi_norm > NEAR and state.number < MOST_APPROACH * settings.max_iterations:
            return state
        return replace(state, stage=MIXTURE, step=1.0, delta=np.full(12, np.nan))  # another likelihood
    settled = state.delta_phi_norm <= settings.min_delta_phi
    return replace(state, status=int(Status.CONVERGED) if settled else 0)
