"""Options of the registration of whole images, and the task that they describe."""

import logging
from dataclasses import dataclass
from typing import ClassVar

from hpcdvc.common_options import ZYX, PhiFile, Place
from hpcdvc.errors import UserError
from hpcdvc.images import VolumeInfo
from hpcdvc.multiscale import Task, coarsest, power_of_two, settings_for
from hpcdvc.options import OptionSet, one_of, option

log = logging.getLogger("hpcdvc")


@dataclass(kw_only=True)
class Start(PhiFile):
    """Where the registration starts."""

    auto: bool = option(
        False,
        "--auto",
        group="start",
        help="find the start: rotations to about 45 degrees and displacements to a quarter of the image",
    )
    binning_begin: int | None = option(
        None, "-bb", "--binning-begin", at_least=1, group="start",
        help="binning to begin with, a power of two; default 4, or what the image allows",
    )  # fmt: skip
    binning_end: int = option(
        1, "-be", "--binning-end", at_least=1, group="start", help="binning to end with; 1 is the image itself"
    )

    def check(self) -> None:
        if self.auto and self.phi_file:
            raise UserError("give only one of --auto and -pf")


@dataclass(kw_only=True)
class Selection(OptionSet):
    """Which voxels of im1 count."""

    group: ClassVar[str] = "selection of voxels"

    mask1: str | None = option(
        None, "-mf1", "--maskFile1", metavar="FILE", help="mask of im1: where it is 0, voxels are left out"
    )
    margin: float | None = option(
        None, "-m", "-mar", "--margin", at_least=0, unit="voxel",
        help="margin of im1 that is left out, room for movement; default a tenth of the smallest side",
    )  # fmt: skip
    margin3: ZYX | None = option(
        None, "-m3", "-mar3", "--margin3", at_least=0, unit="voxel", help="the same, one for each axis"
    )
    return_mask_centre: bool = option(
        False, "-rmc", "--returnPhiMaskCentre", help="give Phi at the centre of mass of -mf1, not of the image"
    )

    def check(self) -> None:
        one_of(self, "margin", "margin3")


@dataclass(kw_only=True)
class Files(Place):
    """What is written beside the result."""

    deformed: bool = option(
        False, "-def", "--save-deformed-image1", in_key=False, group="output", help="write im1 deformed by Phi as well"
    )
    graph: bool = option(
        False, "-g", "--graph", in_key=False, group="output", help="draw the iterations into a PNG beside the result"
    )
    journal: bool = option(
        False, "-j", "--journal", in_key=False, group="output", help="write all iterations into a .npy file as well"
    )


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
