"""From options to the settings of a registration, of windows and of whole images."""

import logging
import math

from hpcdvc.errors import UserError
from hpcdvc.images import VolumeInfo
from hpcdvc.options.declare import OptionSet
from hpcdvc.registration.settings import Gradient, Interpolation, Iterations, Settings, Window
from hpcdvc.registration.task import Task, check_margin, coarsest, power_of_two

log = logging.getLogger("hpcdvc")

#: Most voxels of a window: kernels count them with 32 bits.
LARGEST_WINDOW = 2**31 - 1


def settings_of(options: OptionSet, image: VolumeInfo, window: Window | None = None) -> Settings:
    """Settings that options ask for.

    Parameters
    ----------
    options : with those of `IterationOptions` and `InterpolationOptions` (hpcdvc.options.registration)
    image : im1
    window : see `window_of`; None for whole images
    """
    o = options
    return Settings(
        window=window,
        dimensions=2 if image.two_dimensional else 3,
        iterations=Iterations(o.max_iterations, o.min_delta_phi, o.rigid, o.update_gradient),
        interpolation=Interpolation(o.interpolation_order, o.criterion),
        gradient=Gradient(o.gradient_method, o.gaussian_sigma),
    )


def window_of(options: OptionSet, image: VolumeInfo, half_window: tuple[int, int, int] | None = None) -> Window:
    """The window that options ask for.

    Parameters
    ----------
    options : with those of `WindowSize`, `WindowSelection` and `WindowShape` (hpcdvc.options.registration)
    image : im1
    half_window : ZYX, voxels; default that of the options

    Raises
    ------
    UserError
        The window does not fit into the image.
    """
    flat = image.two_dimensional
    wanted = options.half_window if half_window is None else half_window
    half = tuple(0 if flat and name == "Z" else h for name, h in zip("ZYX", wanted, strict=True))
    for name, h, n in zip("ZYX", half, image.shape, strict=True):
        if 2 * h + 1 > n:
            raise UserError(
                f"a window of {2 * h + 1} voxels (-hws {h}) is larger than {image.spec}: {n} voxels in {name}"
            )
        if h == 0 and not (flat and name == "Z"):
            raise UserError(f"-hws3 {' '.join(map(str, half))}: at least 1 voxel is needed in {name}")
    voxels = math.prod(2 * h + 1 for h in half)
    if voxels > LARGEST_WINDOW:
        raise UserError(f"a window of {voxels} voxels (-hws) is too large: at most {LARGEST_WINDOW} can be counted")
    return Window(
        half, options.mask_coverage, options.grey_low_threshold, options.grey_high_threshold, options.shape_order
    )


def task_of(options: OptionSet, image: VolumeInfo) -> Task:
    """Settings, levels and margin that options ask for.

    Parameters
    ----------
    options : with those of `Start`, `Selection`, `IterationOptions` and `InterpolationOptions`
    image : im1

    Raises
    ------
    UserError
        They do not suit the image.
    """
    most = coarsest(image.shape)
    begin = min(4, most) if options.binning_begin is None else _binning(options.binning_begin, "-bb", most, image)
    end = _binning(options.binning_end, "-be", most, image)
    if begin < end:
        if options.binning_begin is not None:
            raise UserError(f"-bb {begin} is less than -be {end}: the registration begins with the coarser images")
        begin = end
    margin = options.margin3 or (None if options.margin is None else (options.margin,) * 3)
    check_margin(image.shape, margin, image.spec)
    return Task(settings_of(options, image), begin, end, margin, names=(options.im1, options.im2))


def _binning(value: int, flag: str, most: int, image: VolumeInfo) -> int:
    """The power of two that is used."""
    used = power_of_two(value)
    if used > max(value, most):
        used //= 2
    if used != value:
        log.warning("%s %d is not a power of two: %d is used", flag, value, used)
    if used > most:
        size = " x ".join(str(n) for n in image.shape)
        raise UserError(f"{flag} {value} is too much for {image.spec} ({size} voxels): at most {most}")
    return used
