"""What there is to do for the registration of whole images: settings, levels and margin; without the means to do it."""

from dataclasses import dataclass

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.registration.settings import Settings

#: Voxels that a level must have on each axis.
LEAST_VOXELS = 8
#: Voxels that a margin must leave on each axis: one that was asked for, and that of the images.
LEAST_LEFT, LEAST_LEFT_BY_DEFAULT = 4, 1


@dataclass(frozen=True)
class Task:
    """What is to be registered, on all levels.

    Attributes
    ----------
    settings : of the iterations
    first, last : binning of the first and the last level, powers of two
    margin : voxels (ZYX) of im1 left out at each side; None: a tenth of the image
    force : go on to the next level from one that has not converged
    names : of the images, for messages
    sample_suffices : a result of the sample of the blocks will do, as it is a start only
    """

    settings: Settings
    first: int = 1
    last: int = 1
    margin: tuple[float, float, float] | None = None
    force: bool = False
    names: tuple[str, str] = ("im1", "im2")
    sample_suffices: bool = False

    def level_margin(self, shape: tuple[int, int, int], factor: int) -> tuple[int, int, int]:
        """Margin in voxels of a level: shape of its im1, and its binning."""
        if self.margin is None:
            return default_margin(shape)
        return tuple(0 if n == 1 else int(m // factor) for n, m in zip(shape, self.margin, strict=True))


def coarsest(shape: tuple[int, int, int]) -> int:
    """The largest power of two by which an image may be binned: 8 voxels must remain on each axis."""
    smallest, factor = min((n for n in shape if n > 1), default=1), 1
    while smallest // (2 * factor) >= LEAST_VOXELS:
        factor *= 2
    return factor


def power_of_two(value: int) -> int:
    """The power of two nearest to a number, on a logarithmic scale."""
    return 2 ** round(np.log2(value))


def default_margin(shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """A tenth of the smallest side and one voxel more, on each axis; none in z of a 2-D image."""
    margin = 1 + int(0.1 * min((n for n in shape if n > 1), default=1))
    return tuple(margin if n > 1 else 0 for n in shape)


def check_margin(
    shape: tuple[int, int, int], margin: tuple[float, float, float] | None, name: str
) -> tuple[float, float, float] | None:
    """Make sure that a margin leaves something of an image; returns it.

    Parameters
    ----------
    shape : (nz, ny, nx); nz = 1 is an image in two dimensions
    margin : ZYX, voxels; None: the default one
    name : of the image, for messages

    Raises
    ------
    UserError
        It leaves too little along an axis, or the image has a single voxel there.
    """
    least = LEAST_LEFT_BY_DEFAULT if margin is None else LEAST_LEFT
    for axis, n, m in zip("ZYX", shape, margin or default_margin(shape), strict=True):
        if (n == 1 and axis != "Z") or (n > 1 and n - 2 * int(min(m, n)) < least):
            raise UserError(f"a margin of {m:g} voxels leaves nothing of {name}: {n} voxels in {axis}")
    return margin
