"""Registrations across modalities that the page of hpcdvc-mmr-graphical starts."""

from collections.abc import Callable

import numpy as np

from hpcdvc.errors import RunError
from hpcdvc.fields.phi import at_points
from hpcdvc.fields.status import Status, reason_of
from hpcdvc.multimodal.auto import find_start
from hpcdvc.multimodal.multiscale import ModalResult, register_modal
from hpcdvc.multimodal.phases_file import PhasesFile
from hpcdvc.multimodal.settings import AUTO, ModalSettings
from hpcdvc.pages.ereg_images import PairOfImages
from hpcdvc.pages.ereg_jobs import BEGIN, TeamOfOne
from hpcdvc.pages.ereg_state import Outcome
from hpcdvc.pages.mmr_joint import Search
from hpcdvc.pages.mmr_state import MmrState
from hpcdvc.registration.journal import Journal
from hpcdvc.registration.task import coarsest

Tell = Callable[[str], None]


def automatic_start(images: PairOfImages, team: TeamOfOne) -> np.ndarray:
    """Phi (4, 4) about the centre of im1, as --auto of hpcdvc-mmr finds it.

    Raises
    ------
    RunError
        Nowhere do the images match.
    """
    found = find_start(images.whole, images.middle, team)
    if found is None:
        raise RunError("no start is found: nowhere do the images match; nothing has changed")
    return found


def refine(
    images: PairOfImages, state: MmrState, search: Search, team: TeamOfOne, tell: Tell
) -> tuple[np.ndarray, Outcome]:
    """Register with phases that are found on the way, from coarse to fine; Phi about the centre of im1.

    Raises
    ------
    RunError, UserError
        It has failed.
    """
    picked, shape = state.picked, images.im1.shape
    settings = ModalSettings(
        n_phases=AUTO, bins=picked.bins, crop=search.crop, ranges=picked.ranges,
        thresholds=tuple(map(round, picked.thresholds)),
        margin=tuple((first, n - stop) for (first, stop), n in zip(picked.box, shape, strict=True)),
        distance=search.distance, fit_distance=search.fit_distance, rigid=state.rigid, names=_names(images),
    )  # fmt: skip
    levels = images.levels(max(state.finest, min(BEGIN, coarsest(shape))), state.finest, team)
    result = _register(levels, images, settings, state.matrix, team, tell)
    if result.return_status != Status.CONVERGED:
        raise RunError(f"not refined: {reason_of(result.return_status)}; nothing has changed")
    outcome = Outcome(result.return_status, result.log_likelihood, result.iterations, result.delta_phi_norm)
    return at_points(result.phi, result.centre, images.middle[None])[0], outcome


def replay(images: PairOfImages, phases: PhasesFile, team: TeamOfOne, tell: Tell) -> dict:
    """What `hpcdvc-mmr --phases` finds with these phases, JSON-able; Phi about the centre of im1."""
    settings = ModalSettings(names=_names(images)).replaying(phases, images.im1.shape)
    result = _register({1: images.whole}, images, settings, phases.phi, team, tell)
    std = np.sqrt(result.variance_at(images.middle)).reshape(3, 4)
    numbers = {
        "log_likelihood": result.log_likelihood,
        "explained_before": result.explained_start,
        "explained": result.explained,
    }
    return {
        "Phi": at_points(result.phi, result.centre, images.middle[None])[0].tolist(),
        "return_status": int(result.return_status),
        "reason": reason_of(result.return_status),
        "iterations": int(result.iterations),
        "std": std[:, 3].tolist() if np.isfinite(std).all() else None,
        **{name: float(value) if np.isfinite(value) else 0.0 for name, value in numbers.items()},
    }


def _names(images: PairOfImages) -> tuple[str, str]:
    return images.im1.spec, images.im2.spec


def _register(
    levels: dict, images: PairOfImages, settings: ModalSettings, phi: np.ndarray, team: TeamOfOne, tell: Tell
) -> ModalResult:
    """The last level; `phi` is about the centre of im1."""

    def keep(row: np.ndarray) -> None:
        one = row[0]
        words = f"iteration {one['number']}, explained {one['explained']:.4f}, change {one['delta_phi_norm']:.5f}"
        tell(f"binning {one['factor']}, {words}")

    about = images.turned_about
    start = at_points(phi, images.middle, about[None])[0]
    return register_modal(levels, settings, start, about, team, Journal(keep, quiet=True))[-1]
