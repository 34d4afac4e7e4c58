"""Two whole images and the sums over them: by all ranks, in blocks.

The image is cut into blocks that do not depend on the ranks; every rank sums over some of them, and the totals are made
of all blocks in their order. So the number of ranks changes no bit.
"""

from dataclasses import dataclass

import numpy as np

from hpcdvc.kernels.arrays import record
from hpcdvc.kernels.records import dtype
from hpcdvc.kernels.registration import Sums
from hpcdvc.kernels.settings import settings_record
from hpcdvc.kernels.volume import Volume
from hpcdvc.registration.kernel_settings import FIVE_POINTS, KernelSettings
from hpcdvc.registration.levels import GreyValues
from hpcdvc.registration.settings import Settings, dimensions_of

#: Sums over a block: those of im1, and those that im2 takes part in.
REFERENCE, MATCH = dtype("reference"), dtype("match")
#: Voxels (ZYX) of the tiles that the kernel works on, at most, by order; those of a spline are larger because its
#: prefilter reaches far beyond them. A block is one tile high and this many tiles deep.
TILES = {1: (8, 32, 512), 3: (16, 32, 512), 5: (16, 32, 512)}
ROWS_OF_TILES = 2
#: One block of so many stands for all as long as phi is far from settled, where there are enough of them.
SAMPLE, LEAST_BLOCKS = 8, 32


@dataclass(frozen=True)
class Totals:
    """Sums over all blocks."""

    reference: np.void
    match: np.void


class Pair:
    """Two images made ready to be summed up.

    Parameters
    ----------
    im1, im2 : (nz, ny, nx) arrays of grey values
    settings : of the registration; without a window
    grey1, grey2 : mean and standard deviation of the images
    mask1 : (nz, ny, nx) uint8 array, 0 = voxel of im1 that does not count
    margin : voxels (ZYX) of im1 left out at each side
    centre : point of im1 (ZYX) that Phi is about
    team : hpcdvc.ranks.team.Team
    start : (3, 4) array near the phi that is to come
    rounding : variance of the rounding to whole grey values in im1 and im2
    own : the voxels that alone count, a (mz, my, mx) uint8 array of 0 and 1, and where its first one lies in im1, ZYX
    """

    def __init__(
        self,
        im1: np.ndarray,
        im2: np.ndarray,
        settings: Settings,
        grey1: GreyValues,
        grey2: GreyValues,
        mask1: np.ndarray | None,
        margin: tuple[int, int, int],
        centre: np.ndarray,
        team,
        start: np.ndarray | None = None,
        rounding: tuple[float, float] = (0.0, 0.0),
        own: tuple[np.ndarray, np.ndarray] | None = None,
    ):
        low, high = np.array(margin), np.array(im1.shape) - margin
        label, rows = (None, (0, 0, 0)), ROWS_OF_TILES
        if own is not None:  # smaller than images: more blocks, for as many ranks
            low, high = np.maximum(own[1], low), np.minimum(own[1] + np.array(own[0].shape), high)
            label, rows = (Volume(own[0]), own[1]), 1
        dimensions, tile = dimensions_of(im1.shape), tile_of(settings)
        tile = tuple(int(n) for n in np.minimum((*tile[:2], _tile_length(start)), high - low))
        blocks, sampled = _blocks(low, high, tile, rows)
        mine = slice(*team.spans(len(blocks)))
        self._blocks, self._sampled, self.has_sample = blocks[mine], sampled[mine], len(blocks) >= LEAST_BLOCKS
        # a shorter filter costs more iterations, on the sample
        short = FIVE_POINTS if settings.gradient.method is None and self.has_sample else None
        kernel = KernelSettings(settings, short)
        self._team, self._sums = team, Sums(Volume(im1, mask1), Volume(im2), settings_record(kernel), tile, *label)
        self._grey1, self._grey2, self.centre = grey1, grey2, np.asarray(centre, float)
        self.znssd, self.basis, self.rigid = kernel.znssd, kernel.basis, kernel.rigid
        # what white noise of unit variance becomes: sum of squares of the gradient, variance of the interpolated im2
        self.gradient_noise = 0.0 if kernel.update_gradient else dimensions * kernel.gradient.noise
        self.noise_of_component = kernel.gradient.noise
        self.interpolation_noise = np.mean(kernel.interpolation.noise) ** dimensions
        self.rounding = rounding
        self.loses_contrast = self.znssd and settings.interpolation.order == 1 and not kernel.update_gradient
        self._references = np.zeros(len(self._blocks), REFERENCE)
        self._last: bool | None = None
        self._latest = self._references[:0], np.zeros(0, MATCH)
        self._all: list[np.ndarray] = [self._references[:0]] * team.size

    @property
    def scale(self) -> float:
        """Factor from differences of grey values to the unit of the sums."""
        return 1 / self._grey1.std

    @property
    def offsets(self) -> tuple[float, float]:
        """What is subtracted from the grey values of im1 and im2."""
        return float(np.float32(self._grey1.mean)), float(np.float32(self._grey2.mean))

    def totals(
        self,
        phi: np.ndarray,
        sampled: bool = False,
        contrast: bool = False,
        greys: tuple[float, float] | None = None,
    ) -> Totals | None:
        """Sums over the blocks with im2 under phi, on rank 0. Collective.

        None on the other ranks, and where phi spreads a tile of im1 over more than four times its length of im2.

        Parameters
        ----------
        phi : (3, 4) array, about the centre
        sampled : a sample of the blocks will do
        contrast : measure as well what interpolation takes of it
        greys : sum up as well the squares of im1 - gain im2 - shift, with this gain and shift
        """
        trial = self._trial(phi, contrast, greys)
        chosen = self._sampled if sampled else np.ones(len(self._blocks), bool)
        references, matches = self._references[chosen], np.zeros(np.count_nonzero(chosen), MATCH)
        known = references["known"] > 0
        status = self._sums(trial, self._blocks[chosen], references, matches)
        self._references[chosen] = references
        # what has not changed since it was sent is not sent again
        changed = None if known.all() and (references["known"] > 0).all() and sampled == self._last else references
        self._last = sampled
        parts = self._team.gather((status, changed, matches))
        if parts is None or any(status for status, _, _ in parts):
            return None
        self._all = [old if new is None else new for old, (_, new, _) in zip(self._all, parts, strict=True)]
        self._latest = np.concatenate(self._all), np.concatenate([m for _, _, m in parts])
        return self.latest_parts(1)[0]

    def latest_parts(self, count: int) -> list[Totals]:
        """The last sums that could be had, of so many groups of blocks in a row; none if there are fewer. On rank 0."""
        references, matches = self._latest
        groups = np.array_split(np.arange(len(matches)), count) if count <= len(matches) else []
        return [Totals(total_of(references[group]), total_of(matches[group])) for group in groups]

    def sums_of(self, phi: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sums over boxes of im1 with im2 under phi, by this rank alone.

        Parameters
        ----------
        phi : (3, 4) array, about the centre
        boxes : (n, 2, 3) int64 array, first and last + 1 voxel, ZYX

        Returns
        -------
        (n,) REFERENCE and (n,) MATCH records
        """
        references, matches = np.zeros(len(boxes), REFERENCE), np.zeros(len(boxes), MATCH)
        self._sums(self._trial(phi, False, None), boxes, references, matches)
        return references, matches

    def _trial(self, phi: np.ndarray, contrast: bool, greys: tuple[float, float] | None) -> np.ndarray:
        """What the kernel is to sum up."""
        (offset1, offset2), (gain, shift) = self.offsets, greys or (1.0, 0.0)
        finite, values = self._grey1.finite and self._grey2.finite, {"gain": gain, "shift": shift}
        values |= {"offset1": offset1, "offset2": offset2, "scale": self.scale, "finite": finite}
        return record("trial", phi=phi, centre=self.centre, contrast=contrast, residual=greys is not None, **values)


def tile_of(settings: Settings) -> tuple[int, int, int]:
    """Voxels (ZYX) of a tile, at most."""
    return TILES[settings.interpolation.order] if settings.dimensions == 3 else (1, 64, 512)


def _tile_length(start: np.ndarray | None) -> int:
    """Voxels of a tile along x: turned by much, a long tile would lie in a box of im2 that is mostly read in vain."""
    tilt = 0.0 if start is None else float(np.abs(start[:2, 2]).max())
    return int(np.clip(16 / max(tilt, 1e-3), 64, 512))


def _blocks(low: np.ndarray, high: np.ndarray, tile: tuple[int, int, int], rows: int) -> tuple[np.ndarray, np.ndarray]:
    """(n, 2, 3) first and last + 1 voxel of the blocks between two corners, Z slowest; (n,) which make the sample."""
    depth = (tile[0], tile[1] * rows)
    blocks, sampled = [], []
    for k, z in enumerate(range(low[0], high[0], depth[0])):
        for j, y in enumerate(range(low[1], high[1], depth[1])):
            blocks.append([(z, y, low[2]), (min(z + depth[0], high[0]), min(y + depth[1], high[1]), high[2])])
            sampled.append((k + 3 * j) % SAMPLE == 0)  # spread in both directions
    return np.array(blocks, np.int64), np.array(sampled)


def total_of(rows: np.ndarray) -> np.void:
    """Sum of structured rows, always in the same order."""
    flat = rows.view("f8").reshape(len(rows), rows.dtype.itemsize // 8).sum(axis=0)
    return flat.view(rows.dtype)[0]
