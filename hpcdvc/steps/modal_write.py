"""What a registration across modalities has come to, into its file."""

from functools import partial

import numpy as np

from hpcdvc.fields.phi import at_points
from hpcdvc.multimodal.multiscale import ModalResult
from hpcdvc.multimodal.pair import ModalPair
from hpcdvc.multimodal.phases_file import PhasesFile, phases_text
from hpcdvc.multimodal.settings import ModalSettings
from hpcdvc.multimodal.tables import Tables
from hpcdvc.output.modal import ModalLevels
from hpcdvc.registration.levels import Level
from hpcdvc.registration.multiscale import to_level
from hpcdvc.steps.modal_result import ModalFile, put_result, write_planes
from hpcdvc.steps.modal_slices import middle_slices

#: What the file has of each iteration, and what the records call it.
HISTORY = {
    "binning": "factor",
    "iteration": "number",
    "stage": "stage",
    "returnStatus": "status",
    "Phi": "phi",
    "log_likelihood": "log_likelihood",
    "deltaPhiNorm": "delta_phi_norm",
    "explained": "explained",
}
#: Voxels of a slab.
SLAB = 2**22


def write_modal(
    file: ModalFile, results: tuple[ModalResult, ...], levels: dict[int, Level], settings: ModalSettings, team
) -> dict:
    """Write the HDF5 file of a registration across modalities. Collective.

    Parameters
    ----------
    file : to be written
    results : of the levels, coarse to fine
    levels : by binning
    settings : how it was registered
    team : hpcdvc.ranks.team.Team

    Returns
    -------
    dict : how it ended, JSON-able
    """
    last, level = results[-1], levels[1]
    end = end_of(last)
    tables = Tables.of(last.mixture, settings.bins)
    pair = ModalPair(level, last.ranges, settings.bins, (0, 0, 0), last.centre, team)
    phi = to_level(last.phi, level)
    planes = max(1, SLAB // (level.im1.shape[1] * level.im1.shape[2]))

    def make(first: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        return pair.fields(phi, tables, last.diagram, first, stop)[::-1]

    def contents() -> dict:
        return {
            "levels": levels_of(results, levels),
            "history": {name: last.history[stored] for name, stored in HISTORY.items()},
            "mixture": mixture_of(last),
            "slices": middle_slices(level.im1, level.im2, last.phi, last.centre),
            "phases": phases_text(phases_of(last, settings)),
            "end": end,
        }

    found = team.on_root(contents)
    extended = file if found is None else file.with_contents(partial(put_result, **found))
    write_planes(extended, make, planes, team)
    return end


def end_of(last: ModalResult) -> dict:
    """How a registration ended, as JSON takes it."""
    return {
        "return_status": int(last.return_status),
        "iterations": int(last.iterations),
        "log_likelihood": float(last.log_likelihood),
        "explained_before": float(last.explained_start),
        "explained": float(last.explained),
        "n_phases": int(last.mixture.n_phases),
    }


def levels_of(results: tuple[ModalResult, ...], levels: dict[int, Level]) -> ModalLevels:
    """All levels, in voxels of each, Phi about the middle of its im1."""
    rows = [_in_voxels_of(result, levels[result.factor]) for result in results]
    names = {
        "binning": ("factor", "i4"),
        "returnStatus": ("return_status", "i4"),
        "iterations": ("iterations", "i4"),
        "log_likelihood": ("log_likelihood", "f8"),
        "deltaPhiNorm": ("delta_phi_norm", "f8"),
        "explained_before": ("explained_start", "f8"),
        "explained": ("explained", "f8"),
        "valid_fraction": ("valid_fraction", "f8"),
    }
    plain = {name: np.array([getattr(one, theirs) for one in results], kind) for name, (theirs, kind) in names.items()}
    position, phi, std = (np.stack(values) for values in zip(*rows, strict=True))
    return ModalLevels(position=position, Phi=phi, Phi_std=std, **plain)


def _in_voxels_of(result: ModalResult, level: Level) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Middle of im1 of the level, Phi there, and its standard deviations (3, 4)."""
    position = (np.array(level.im1.shape) - 1) / 2
    point = level.first + level.step * position
    phi = at_points(result.phi, result.centre, point[None])[0]
    std = np.sqrt(result.variance_at(point)).reshape(3, 4)
    phi[:3, 3] /= level.step
    std[:, 3] /= level.step
    return position, phi, std


def mixture_of(last: ModalResult) -> dict[str, np.ndarray]:
    """What was fitted to which histogram, as arrays by name."""
    mixture = last.mixture
    return {
        "histogram": last.histogram,
        "diagram": last.diagram,
        "weights": mixture.weights,
        "means": mixture.means,
        "covariances": mixture.covariances,
        "n_phases": np.array(mixture.n_phases),
        "ranges": np.array([[grey.low, grey.high] for grey in last.ranges]),
    }


def phases_of(last: ModalResult, settings: ModalSettings) -> PhasesFile:
    """What `--phases` replays."""
    numbers = len(last.histogram), settings.crop, last.ranges, settings.thresholds
    more = {"rigid": settings.rigid, "coverage": settings.coverage, "box": settings.phases and settings.phases.box}
    return PhasesFile(last.phi, last.centre, *numbers, last.mixture, **more)
