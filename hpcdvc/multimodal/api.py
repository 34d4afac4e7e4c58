"""Registration across modalities for Python users: arrays in, `ModalRegistration` out.

The defaults are those that users of spam know; the command has its own.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.decomposition import decompose_phi
from hpcdvc.multimodal.components import SEGMENT, Mixture
from hpcdvc.multimodal.multiscale import ModalResult, register_modal
from hpcdvc.multimodal.pair import ModalPair
from hpcdvc.multimodal.phases import checked_parameters
from hpcdvc.multimodal.phases_file import PhasesFile
from hpcdvc.multimodal.settings import ModalSettings, is_whole
from hpcdvc.multimodal.tables import Tables
from hpcdvc.ranks.team import Team
from hpcdvc.registration.api import margin_of, start_of
from hpcdvc.registration.journal import Journal
from hpcdvc.registration.levels import Level, as_volume
from hpcdvc.registration.multiscale import levels_between, to_level
from hpcdvc.registration.task import coarsest


@dataclass(frozen=True, eq=False)
class ModalRegistration:
    """The deformation function between images of two modalities, and what the images are under it.

    Attributes
    ----------
    t : (3,) displacement at the centre of im1, ZYX, voxels
    r : (3,) rotation vector, ZYX, degrees
    phi : (4, 4) array, ZYX; im1(x) shows what im2(F (x - c) + c + t) shows, c the centre of im1
    return_status : 2 converged; others see hpcdvc.fields.status
    iterations : of the last level
    log_likelihood : sum over the voxels of log p(im1 | im2)
    delta_phi_norm : norm of the last change of phi
    residual_field : array of the shape of im1: im2 brought back less what is expected beside im1, standard deviations;
        NaN where a voxel does not count
    phase_field : uint8 array of the shape of im1: phase of each voxel, from 1; 0 none
    explained : part of the variance of im2, brought back, that im1 explains
    variance : (12,) variances of the first three rows of phi
    levels : ModalResult of each level, coarse to fine
    """

    t: np.ndarray
    r: np.ndarray
    phi: np.ndarray
    return_status: int
    iterations: int
    log_likelihood: float
    delta_phi_norm: float
    residual_field: np.ndarray
    phase_field: np.ndarray
    explained: float
    variance: np.ndarray
    levels: tuple[ModalResult, ...]


def multimodal_registration(
    im1: np.ndarray,
    im2: np.ndarray,
    phase_diagram: np.ndarray | None = None,
    gaussian_parameters: np.ndarray | None = None,
    im1_mask: np.ndarray | None = None,
    phi_init: np.ndarray | None = None,
    margin: int | tuple[int, ...] | None = None,
    max_iterations: int = 50,
    delta_phi_min: float = 5e-4,
    interpolation_order: int = 3,
    verbose: bool = False,
    bins: int = 64,
    n_phases: int | tuple[int, ...] | str = 2,
    phi_rigid: bool = False,
    bin_levels: int = 1,
    crop: float = 0.1,
    ranges: tuple[tuple[float | None, float | None], ...] = ((None, None), (None, None)),
    comm=None,
) -> ModalRegistration:
    """Measure the one deformation function between images of the same body by different means.

    Parameters
    ----------
    im1 : (nz, ny, nx) or (ny, nx) array of grey values of any type, the reference
    im2 : array of the same shape, or larger with its middle where that of im1 is; NaN voxels of either do not count
    phase_diagram : (bins, bins) array of integers, the phase of each bin from 1, 0 none, by which `phase_field` is
        filled; default that of the phases found
    gaussian_parameters : (n, 6) array of `gaussian_mixture_parameters`: the phases, which then stay as they are (only
        the boundaries between them are fitted); the images are scaled to 0 to bins - 1, as they were for it
    im1_mask : array of the shape of im1, False or 0 where a voxel does not count
    phi_init : (4, 4) array to start from, ZYX, about the centre of im1; default no motion
    margin : voxels of im1 left out at each side, one number or one per axis; default a tenth of each side
    max_iterations : most iterations of a level
    delta_phi_min : converged when the norm of the change of phi is below this
    interpolation_order : 1 or 3, as users of spam give it; both images are read through a quadratic B-spline in any
        case
    verbose : show the iterations (logger "hpcdvc")
    bins : of each axis of the joint histogram
    n_phases : phases to look for in the joint histogram, for all levels or for each, coarse first; "auto": by BIC
    phi_rigid : displacement and rotation only
    bin_levels : with n, begin on images binned by 2^(n - 1)
    crop : part of each side left out on either end where ranges of grey values are found
    ranges : lowest and highest grey value of im1 and of im2; None: that of the central crop
    comm : mpi4py communicator whose ranks share the work, each calling this with the same arrays; None: serial

    Returns
    -------
    ModalRegistration
        With a `return_status` other than 2 where it has failed.

    Raises
    ------
    UserError
        The arrays do not fit each other, have no contrast, or an argument is out of range.

    References
    ----------
    Tudisco et al. 2017, An extension of digital volume correlation for multimodality image registration
    """
    if interpolation_order not in (1, 3):
        raise UserError(f"an interpolation of order {interpolation_order} is not known: 1 or 3")
    team, (level, first) = Team(comm), _level_of(im1, im2, im1_mask, bin_levels)
    phases = None
    if gaussian_parameters is not None:
        phases, ranges = given_phases(gaussian_parameters, bins), ((0.0, bins - 1.0),) * 2
    settings = ModalSettings(
        n_phases=(n_phases,) if is_whole(n_phases) else n_phases, bins=bins, crop=crop,
        margin=crop if margin is None else margin_of(margin, np.asarray(im1)), ranges=ranges,
        max_iterations=max_iterations, min_delta_phi=delta_phi_min, rigid=phi_rigid, phases=phases,
    )  # fmt: skip
    diagram = None if phase_diagram is None else np.asarray(phase_diagram)
    if diagram is not None and (diagram.shape != (bins, bins) or not ((diagram >= 0) & (diagram < 256)).all()):
        raise UserError(f"the phase diagram must be an array of {bins} x {bins} phases, 0 to 255")
    levels = levels_between(level, first, 1, team)
    centre = (np.array(level.im1.shape) - 1) / 2
    results = register_modal(levels, settings, start_of(phi_init, 1.0), centre, team, Journal(quiet=not verbose))
    return _registration(results, level, settings, diagram, np.shape(im1), team)


def _level_of(im1: np.ndarray, im2: np.ndarray, im1_mask: np.ndarray | None, bin_levels: int) -> tuple[Level, int]:
    """The images, checked, and the binning of the first level."""
    one, two, mask = as_volume(im1), as_volume(im2), None
    if (one.shape[0] == 1) != (two.shape[0] == 1) or (np.array(two.shape) < one.shape).any():
        raise UserError(f"im2 of shape {np.shape(im2)} is smaller than im1 of shape {np.shape(im1)}")
    if im1_mask is not None:
        mask = as_volume(np.nan_to_num(im1_mask) != 0).view(np.uint8)
        if mask.shape != one.shape:
            raise UserError(f"the mask of shape {np.shape(im1_mask)} does not fit im1 of shape {np.shape(im1)}")
        if not mask.any():
            raise UserError("the mask is 0 everywhere: no voxel is left to register")
    first = 2 ** (bin_levels - 1) if is_whole(bin_levels) and bin_levels >= 1 else 0
    if not 1 <= first <= coarsest(one.shape):
        raise UserError(f"{bin_levels} levels are not possible for images of {one.shape} voxels")
    return Level.of(one, two, mask), first


def given_phases(gaussian_parameters: np.ndarray, bins: int) -> PhasesFile:
    """Phases of `gaussian_mixture_parameters` as those of a file.

    Raises
    ------
    UserError
        They are no Gaussians, or too many.
    """
    parameters = checked_parameters(gaussian_parameters)
    height, _, _, a, b, c = parameters.T
    covariances = np.linalg.inv(np.stack([a, b, b, c], axis=1).reshape(-1, 2, 2))
    weights = height * 2 * np.pi * np.sqrt(np.linalg.det(covariances))
    pairs = np.array(list(combinations(range(len(parameters)), 2)), int).reshape(-1, 2)
    shares = np.concatenate([weights, np.zeros(SEGMENT * len(pairs))]) / max(weights.sum(), 1.0)
    mixture = Mixture.of(shares, parameters[:, 1:3], covariances, pairs, 0.0)
    return PhasesFile(np.eye(4), None, bins, 0.0, None, (0, 0), mixture, complete=False)


def _registration(
    results: tuple[ModalResult, ...],
    level: Level,
    settings: ModalSettings,
    diagram: np.ndarray | None,
    shape: tuple[int, ...],
    team: Team,
) -> ModalRegistration:
    """What the last level has found, as users get it. Collective."""
    last = results[-1]
    diagram = last.diagram if diagram is None else diagram
    pair = ModalPair(level, last.ranges, settings.bins, (0, 0, 0), last.centre, team)
    tables, planes = Tables.of(last.mixture, settings.bins), team.spans(len(level.im1))
    fields = pair.fields(to_level(last.phi, level), tables, diagram, *planes)
    residual, phase = (np.concatenate(team.all_gather(field)).reshape(shape) for field in fields)
    parts = decompose_phi(last.phi)
    return ModalRegistration(
        parts.t, parts.r, last.phi, last.return_status, last.iterations, last.log_likelihood, last.delta_phi_norm,
        residual, phase, last.explained, last.variance, results
    )  # fmt: skip
