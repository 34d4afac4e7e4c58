"""Binned copies of a pair of images, to search a wide range on."""

from dataclasses import dataclass

import numpy as np

from hpcdvc.registration.levels import Level, halved, halved_mask

#: A window must have so many voxels along each axis in a copy: with fewer, the right place is not among the best.
LEAST_WINDOW = 5
#: Coarsest copy.
COARSEST = 4


@dataclass(frozen=True)
class Copy:
    """Images binned alike, and their masks.

    Attributes
    ----------
    level : images, mask of im1, and where they lie
    mask2 : mask of im2, uint8, or None
    """

    level: Level
    mask2: np.ndarray | None

    def place(self, positions: np.ndarray) -> np.ndarray:
        """Positions (n, 3) of voxels of the images in voxels of the copy."""
        return (positions - self.level.first) / self.level.step

    def half(self, half: tuple[int, int, int]) -> tuple[int, int, int]:
        """The largest half window of the copy that is not larger than that of the images."""
        return tuple(int(((2 * h + 1) / step - 1) // 2) for h, step in zip(half, self.level.step, strict=True))


def binned_copies(
    im1: np.ndarray,
    im2: np.ndarray,
    mask1: np.ndarray | None,
    mask2: np.ndarray | None,
    half: tuple[int, int, int],
    team,
) -> list[Copy]:
    """Copies in which windows are large enough, the coarsest first. Collective; their arrays are shared by a node.

    There are none in two dimensions: windows of five pixels hold too little, and all of a wide range costs little.

    Parameters
    ----------
    im1, im2 : (nz, ny, nx) arrays of one shape; nz = 1 is an image in two dimensions
    mask1, mask2 : (nz, ny, nx) uint8 arrays, 0 = left out; or None
    half : half window, ZYX, voxels
    team : hpcdvc.ranks.team.Team
    """
    copies, copy = [], Copy(Level.of(im1, im2, mask1), mask2)
    if im1.shape[0] == 1:
        return copies
    for _ in range(int(np.log2(COARSEST))):
        if min(copy.level.im1.shape) < 2 * LEAST_WINDOW:
            break
        copy = Copy(halved(copy.level, team), None if copy.mask2 is None else halved_mask(copy.mask2, team))
        if min(2 * h + 1 for h in copy.half(half)) < LEAST_WINDOW:
            break
        copies.insert(0, copy)
    return copies
