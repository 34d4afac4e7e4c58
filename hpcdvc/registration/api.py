"""Registration of whole images, for Python users: arrays in, RegistrationResult out.

The defaults of these functions are their own, those that users of spam know; the commands have theirs.
"""

import logging
from dataclasses import replace

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.phi import at_points
from hpcdvc.ranks.team import Team
from hpcdvc.registration.journal import Journal
from hpcdvc.registration.levels import Level, as_volume, centre_of_mass
from hpcdvc.registration.multiscale import RegistrationResult, levels_between, register_levels
from hpcdvc.registration.settings import Gradient, Interpolation, Iterations, Settings, dimensions_of
from hpcdvc.registration.task import Task, check_margin, coarsest, power_of_two

log = logging.getLogger("hpcdvc")


def register(
    im1: np.ndarray,
    im2: np.ndarray,
    im1_mask: np.ndarray | None = None,
    phi_init: np.ndarray | None = None,
    phi_rigid: bool = False,
    phi_init_bin_ratio: float = 1.0,
    margin: int | tuple[int, ...] | None = None,
    max_iterations: int = 25,
    delta_phi_min: float = 1e-3,
    update_gradient: bool = False,
    interpolation_order: int = 3,
    verbose: bool = False,
    return_phi_mask_centre: bool = True,
    criterion: str = "znssd",
    gradient_method: str | None = None,
    gaussian_sigma: float = 1.0,
    comm=None,
) -> RegistrationResult:
    """Measure the one deformation function that brings im2 onto im1: im1(x) = im2(c + t + F (x - c)).

    Parameters
    ----------
    im1 : (nz, ny, nx) or (ny, nx) array of grey values, the reference
    im2 : array of the same shape, or larger with its middle where that of im1 is; NaN voxels of either do not count
    im1_mask : array of the shape of im1, False or 0 where a voxel does not count
    phi_init : (4, 4) array to start from, ZYX, about the centre of im1; default no motion
    phi_rigid : displacement and rotation only
    phi_init_bin_ratio : factor on the displacement of `phi_init`
    margin : voxels of im1 left out at each side, one number or one per axis; default a tenth of the smallest side and 1
    max_iterations : most iterations
    delta_phi_min : converged when the norm of the change of Phi is below this
    update_gradient : gradient of the deformed im2, renewed in every iteration, instead of that of im1
    interpolation_order : 1 trilinear, 3 cubic spline (o-MOMS), 5 quintic B-spline
    verbose : show the iterations (logger "hpcdvc")
    return_phi_mask_centre : with a mask, give Phi about the centre of mass of the mask instead of that of the image
    criterion : "znssd" is blind to gain and offset of the grey values, "ssd" is not
    gradient_method : "finite_differences", "spline" or "gaussian"; default by order and size
    gaussian_sigma : width of the Gaussian derivative, voxels
    comm : mpi4py communicator whose ranks share the work, each calling this with the same arrays; None: serial

    Returns
    -------
    RegistrationResult
        With a `return_status` other than 2 where it has failed.

    Raises
    ------
    UserError
        The arrays do not fit each other, have no contrast, or an argument is out of range.

    References
    ----------
    Baker & Matthews 2004, doi 10.1023/B:VISI.0000011205.11775.fd; Tudisco et al. 2017 for the coarse-to-fine use in DVC
    """
    settings = _settings(
        im1, interpolation_order, criterion, gradient_method, gaussian_sigma, max_iterations, delta_phi_min,
        update_gradient, phi_rigid
    )  # fmt: skip
    start = start_of(phi_init, phi_init_bin_ratio)
    task = Task(settings, 1, 1, margin_of(margin, np.asarray(im1)))
    return _register(im1, im2, im1_mask, start, task, return_phi_mask_centre, verbose, comm)


def register_multiscale(
    im1: np.ndarray,
    im2: np.ndarray,
    bin_start: int,
    bin_stop: int = 1,
    im1_mask: np.ndarray | None = None,
    phi_init: np.ndarray | None = None,
    phi_rigid: bool = False,
    phi_init_bin_ratio: float = 1.0,
    margin: int | tuple[int, ...] | None = None,
    max_iterations: int = 100,
    delta_phi_min: float = 1e-4,
    update_gradient: bool = False,
    interpolation_order: int = 3,
    verbose: bool = False,
    return_phi_mask_centre: bool = True,
    force_change_scale: bool = False,
    criterion: str = "znssd",
    gradient_method: str | None = None,
    gaussian_sigma: float = 1.0,
    comm=None,
) -> RegistrationResult:
    """Register on binned copies of the images first, then on finer and finer ones.

    Parameters
    ----------
    im1, im2, im1_mask, phi_init, phi_rigid, phi_init_bin_ratio : see `register`
    bin_start, bin_stop : binning of the first and the last level, powers of two; others are rounded to the nearest
    margin, max_iterations, delta_phi_min, update_gradient, interpolation_order, verbose : as of `register`
    return_phi_mask_centre : see `register`
    force_change_scale : use the result of a level that has not converged; else that level is passed over
    criterion, gradient_method, gaussian_sigma, comm : see `register`

    Returns
    -------
    RegistrationResult
        Of the last level, in voxels of the images themselves.

    Raises
    ------
    UserError
        As `register`; or the images are too small for `bin_start`, or bin_start < bin_stop.
    """
    shape = as_volume(im1).shape
    first, last = (power_of_two(value) if value >= 1 else 0 for value in (bin_start, bin_stop))
    if not 1 <= last <= first <= coarsest(shape):
        raise UserError(
            f"binning {bin_start} to {bin_stop} is not possible: from at most {coarsest(shape)} for images of {shape} "
            "voxels down to at least 1"
        )
    settings = _settings(
        im1, interpolation_order, criterion, gradient_method, gaussian_sigma, max_iterations, delta_phi_min,
        update_gradient, phi_rigid
    )  # fmt: skip
    start = start_of(phi_init, phi_init_bin_ratio)
    task = Task(settings, first, last, margin_of(margin, np.asarray(im1)), force_change_scale)
    return _register(im1, im2, im1_mask, start, task, return_phi_mask_centre, verbose, comm)


def _register(
    im1: np.ndarray,
    im2: np.ndarray,
    mask: np.ndarray | None,
    start: np.ndarray,
    task: Task,
    at_mask: bool,
    verbose: bool,
    comm,
) -> RegistrationResult:
    team = Team(comm)
    one, two = as_volume(im1), as_volume(im2)
    if (one.shape[0] == 1) != (two.shape[0] == 1) or (np.array(two.shape) < one.shape).any():
        raise UserError(f"im2 of shape {np.shape(im2)} is smaller than im1 of shape {np.shape(im1)}")
    mask = None if mask is None else as_volume(np.asarray(mask) != 0).view(np.uint8)
    if mask is not None and mask.shape != one.shape:
        raise UserError(f"the mask of shape {mask.shape} does not fit im1 of shape {one.shape}")
    middle = (np.array(one.shape) - 1) / 2
    centre = middle if mask is None else centre_of_mass(mask, team)
    if centre is None:
        raise UserError("the mask is 0 everywhere: no voxel is left to register")
    levels = levels_between(Level.of(one, two, mask), task.first, task.last, team)
    start = at_points(start, middle, centre[None])[0]
    result = register_levels(levels, task, start, centre, team, Journal(quiet=not verbose))
    if at_mask or mask is None:
        return result
    phi = at_points(result.phi, centre, middle[None])[0]
    return replace(result, phi=phi, centre=middle, variance=result.variance_at(middle))


def start_of(phi: np.ndarray | None, bin_ratio: float) -> np.ndarray:
    """Phi to start from, checked; None: no motion."""
    start = np.eye(4) if phi is None else np.array(phi, float)
    if not np.isfinite(bin_ratio):
        raise UserError(f"phi_init_bin_ratio is {bin_ratio}: a number is needed")
    if start.shape != (4, 4) or not np.isfinite(start).all() or not np.linalg.det(start[:3, :3]) > 1e-3:
        raise UserError("phi_init must be a finite (4, 4) array that is not singular and does not mirror")
    start[:3, 3] *= bin_ratio
    return start


def margin_of(margin: int | tuple[int, ...] | None, image: np.ndarray) -> tuple[int, int, int] | None:
    """Margin of an image per axis ZYX, checked; None stays what it is: the one that a level takes by default."""
    name = f"an image of shape {image.shape}"
    if margin is None:
        return check_margin(as_volume(image).shape, None, name)
    values = np.broadcast_to(np.asarray(margin, float), image.ndim) if np.size(margin) in (1, image.ndim) else None
    if values is None or not (values >= 0).all():
        raise UserError(f"a margin of {margin} leaves nothing of {name}")
    whole = (0,) * (3 - image.ndim) + tuple(int(min(v, 2**31)) for v in values)
    return check_margin(as_volume(image).shape, whole, name)


def _settings(
    im1: np.ndarray,
    order: int,
    criterion: str,
    gradient: str | None,
    sigma: float,
    max_iterations: int,
    delta_phi_min: float,
    update_gradient: bool,
    rigid: bool,
) -> Settings:
    if not (max_iterations >= 1 and delta_phi_min > 0 and 0 < sigma <= 8):
        raise UserError("max_iterations, delta_phi_min and gaussian_sigma must be positive, gaussian_sigma at most 8")
    return Settings(
        dimensions=dimensions_of(as_volume(im1).shape),
        iterations=Iterations(int(max_iterations), delta_phi_min, rigid, update_gradient),
        interpolation=Interpolation(order, criterion),
        gradient=Gradient(gradient, sigma),
    )
