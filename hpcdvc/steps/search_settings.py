"""From options to the settings of a search, and the search itself."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.images import VolumeInfo
from hpcdvc.options.declare import OptionSet
from hpcdvc.runs.cost import time_of_labels
from hpcdvc.search.adaptive import NARROW, WIDE, AdaptiveSearch
from hpcdvc.search.copies import binned_copies
from hpcdvc.search.pixels import PixelSearch, seconds_per_point
from hpcdvc.search.rows import rows_of
from hpcdvc.search.settings import SearchSettings

#: Half of a particle whose size is not known yet.
PARTICLE = 12


def search_settings_of(options: OptionSet, subvoxel: bool = False) -> SearchSettings:
    """Settings that options ask for.

    Parameters
    ----------
    options : with those of `SearchOptions`, `Particles` (hpcdvc.options.search) and `WindowSelection`
    subvoxel : add the fraction of a voxel
    """
    o = options
    particles = getattr(o, "labels1", None) is not None
    return SearchSettings(
        o.criterion,
        subvoxel,
        o.mask_coverage,
        o.grey_low_threshold,
        o.grey_high_threshold,
        o.label_dilate,
        o.label_volume_threshold if particles else 0,
    )


def half_window_of(options: OptionSet, image: VolumeInfo) -> tuple[int, int, int]:
    """The half window that options ask for, 0 along z in two dimensions.

    Raises
    ------
    UserError
        The window does not fit into the image.
    """
    return window_in(options.half_window, image)


def window_in(half: tuple[int, int, int], image: VolumeInfo) -> tuple[int, int, int]:
    """A half window, 0 along z in two dimensions.

    Raises
    ------
    UserError
        The window does not fit into the image.
    """
    flat = image.two_dimensional
    half = tuple(0 if flat and name == "Z" else h for name, h in zip("ZYX", half, strict=True))
    for name, h, n in zip("ZYX", half, image.shape, strict=True):
        if 2 * h + 1 > n:
            raise UserError(
                f"a window of {2 * h + 1} voxels (-hws {h}) is larger than {image.spec}: {n} voxels in {name}"
            )
    return half


def range_of(reach: tuple[int, ...] | None, image: VolumeInfo) -> tuple[int, ...] | None:
    """The range of `-sr`, None where it adapts.

    Raises
    ------
    UserError
        It has displacements along z, and the images have two dimensions.
    """
    if reach and image.two_dimensional and tuple(reach[:2]) != (0, 0):
        raise UserError(f"{image.spec} is a 2-D image: the range of -sr in Z is 0 0, not {reach[0]} {reach[1]}")
    return reach


def searcher(
    settings: SearchSettings,
    images: tuple[np.ndarray, np.ndarray],
    masks: tuple[np.ndarray | None, np.ndarray | None],
    labels: np.ndarray | None,
    half: tuple[int, int, int] | None,
    search_range: tuple[int, ...] | None,
    team,
) -> Callable[[np.ndarray], np.ndarray]:
    """What makes rows of points. Collective.

    Parameters
    ----------
    settings : SearchSettings
    images, masks, labels : (nz, ny, nx) arrays
    half : half window, ZYX; None for particles
    search_range : six numbers; None: it adapts
    team : hpcdvc.ranks.team.Team
    """
    search = PixelSearch(*images, settings, *masks, labels)
    if search_range is not None:
        return lambda points: rows_of(search(points), points, points["low"], points["high"])
    copies = [] if half is None else binned_copies(*images, *masks, half, team)
    adaptive = AdaptiveSearch(search, copies, half or (0, 0, 0))

    def adapt(points: np.ndarray) -> np.ndarray:
        found, low, high = adaptive(points)
        return rows_of(found, points, low, high)

    return adapt


def time_of_particles(task: Any, ranks: int, seconds: Callable[[int], float]) -> str:
    """How long particles will take that are counted only when they are read, as lines of a dry run.

    Parameters
    ----------
    task : whose `im1` and `region` they lie in
    ranks : how many
    seconds : least core time of one with a box of so many voxels
    """
    shape, across = task.region.shape if task.region else task.im1.shape, 2 * PARTICLE + 1
    voxels = across ** (2 if task.im1.two_dimensional else 3)
    return time_of_labels(math.prod(shape) / voxels * float(seconds(voxels)), ranks, across)


def search_seconds(half: tuple[int, int, int] | None, search_range: tuple[int, ...] | None, flat: bool) -> float:
    """Rough cost of a point on one core."""
    window = tuple(2 * h + 1 for h in half or (0 if flat else PARTICLE, PARTICLE, PARTICLE))
    if search_range is not None:
        low, high = search_range[::2], search_range[1::2]
        return seconds_per_point(window, tuple(b - a + 1 for a, b in zip(low, high, strict=True)))
    reach = (NARROW if half is None else WIDE)[0] // 3
    return 2 * seconds_per_point(window, (1 if flat else 2 * reach + 1, 2 * reach + 1, 2 * reach + 1))
