"""Registration across modalities for Python users: arrays in, `ModalRegistration` out.

The defaults are those that users of spam know; the command has its own.
"""

from dataclasses import dataclass

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.decomposition import decompose_phi
from hpcdvc.multimodal.multiscale import Journal, ModalResult, register_modal
from hpcdvc.multimodal.pair import ModalPair
from hpcdvc.multimodal.registration import objective_of
from hpcdvc.multimodal.settings import ModalSettings
from hpcdvc.ranks.team import Team
from hpcdvc.registration.api import margin_of, start_of
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
    n_phases: int | tuple[int, ...] | str = 2,
    im1_mask: np.ndarray | None = None,
    phi_init: np.ndarray | None = None,
    phi_rigid: bool = False,
    margin: int | tuple[int, ...] | None = None,
    max_iterations: int = 50,
    delta_phi_min: float = 5e-4,
    bins: int = 64,
    bin_levels: int = 1,
    crop: float = 0.1,
    ranges: tuple[tuple[float | None, float | None], ...] = ((None, None), (None, None)),
    verbose: bool = False,
    comm=None,
) -> ModalRegistration:
    """Measure the one deformation function between images of the same body by different means.

    Parameters
    ----------
    im1 : (nz, ny, nx) or (ny, nx) array of grey values of any type, the reference
    im2 : array of the same shape, or larger with its middle where that of im1 is; NaN voxels of either do not count
    n_phases : phases to look for in the joint histogram, for all levels or for each, coarse first; "auto": by BIC
    im1_mask : array of the shape of im1, False or 0 where a voxel does not count
    phi_init : (4, 4) array to start from, ZYX, about the centre of im1; default no motion
    phi_rigid : displacement and rotation only
    margin : voxels of im1 left out at each side, one number or one per axis; default a tenth of each side
    max_iterations : most iterations of a level
    delta_phi_min : converged when the norm of the change of phi is below this
    bins : of each axis of the joint histogram
    bin_levels : with n, begin on images binned by 2^(n - 1)
    crop : part of each side left out on either end where ranges of grey values are found
    ranges : lowest and highest grey value of im1 and of im2; None: that of the central crop
    verbose : show the iterations (logger "hpcdvc")
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
    Tudisco et al. 2017, doi 10.1016/j.ymeth.2015.09.003
    """
    team, one, two, mask = Team(comm), as_volume(im1), as_volume(im2), None
    if (one.shape[0] == 1) != (two.shape[0] == 1) or (np.array(two.shape) < one.shape).any():
        raise UserError(f"im2 of shape {np.shape(im2)} is smaller than im1 of shape {np.shape(im1)}")
    if im1_mask is not None:
        mask = as_volume(np.asarray(im1_mask) != 0).view(np.uint8)
        if mask.shape != one.shape:
            raise UserError(f"the mask of shape {np.shape(im1_mask)} does not fit im1 of shape {np.shape(im1)}")
        if not mask.any():
            raise UserError("the mask is 0 everywhere: no voxel is left to register")
    first = 2 ** (bin_levels - 1) if bin_levels >= 1 else 0
    if not 1 <= first <= coarsest(one.shape):
        raise UserError(f"{bin_levels} levels are not possible for images of {one.shape} voxels")
    settings = ModalSettings(
        n_phases=(n_phases,) if isinstance(n_phases, int | np.integer) else n_phases, bins=bins, crop=crop,
        margin=crop if margin is None else margin_of(margin, np.asarray(im1)), ranges=ranges,
        max_iterations=max_iterations, min_delta_phi=delta_phi_min, rigid=phi_rigid,
    )  # fmt: skip
    level, centre = Level.of(one, two, mask), (np.array(one.shape) - 1) / 2
    start = start_of(phi_init, 1.0)
    levels = levels_between(level, first, 1, team)
    results = register_modal(levels, settings, start, centre, team, Journal(quiet=not verbose))
    return _registration(results, level, settings, np.shape(im1), team)


def _registration(
    results: tuple[ModalResult, ...], level: Level, settings: ModalSettings, shape: tuple[int, ...], team
) -> ModalRegistration:
    """What the last level has found, as users get it. Collective."""
    last = results[-1]
    pair = ModalPair(level, last.ranges, settings.bins, (0, 0, 0), last.centre, team)
    objective, planes = objective_of(last.mixture, settings), range(*team.spans(len(level.im1)))
    fields = pair.fields(to_level(last.phi, level), objective, last.diagram, planes.start, planes.stop)
    residual, phase = (np.concatenate(team.all_gather(field)).reshape(shape) for field in fields)
    parts = decompose_phi(last.phi)
    return ModalRegistration(
        parts.t, parts.r, last.phi, last.return_status, last.iterations, last.log_likelihood, last.delta_phi_norm,
        residual, phase, last.explained, last.variance, results
    )  # fmt: skip
