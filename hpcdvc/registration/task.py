"""What there is to do for the registration of whole images: settings, levels and margin; without the means to do it."""

from dataclasses import dataclass

import numpy as np

from hpcdvc.registration.settings import Settings

#: Voxels that a level must have on each axis.
LEAST_VOXELS = 8


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
