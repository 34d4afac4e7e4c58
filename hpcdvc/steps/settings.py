"""Options of the registration of whole images, and the task that they describe."""

import logging

from hpcdvc.errors import UserError
from hpcdvc.images import VolumeInfo
from hpcdvc.options.declare import OptionSet
from hpcdvc.registration.multiscale import Task, coarsest, power_of_two, settings_for

log = logging.getLogger("hpcdvc")


def task_of(options: OptionSet, image: VolumeInfo) -> Task:
    """Settings, levels and margin that options ask for.

    Parameters
    ----------
    options : with those of `Start`, `Selection`, `Iterations` and `Interpolation`
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
    for name, n, m in zip("ZYX", image.shape, margin or (), strict=False):
        if n > 1 and n - 2 * int(min(m, n)) < 4:
            raise UserError(f"a margin of {m:g} voxels leaves nothing of {image.spec}: {n} voxels in {name}")
    settings = settings_for(
        image.shape,
        order=options.interpolation_order,
        criterion=options.criterion,
        gradient=options.gradient_method,
        gaussian_sigma=options.gaussian_sigma,
        max_iterations=options.max_iterations,
        min_delta_phi=options.min_delta_phi,
        update_gradient=options.update_gradient,
        rigid=options.rigid,
    )
    return Task(settings, begin, end, margin, names=(options.im1, options.im2))


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
