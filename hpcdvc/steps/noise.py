"""Windows that should not have moved: in two scans of a specimen at rest, or in one scan and its resampling.

Of one scan tiles are cut out. In each, the image is moved by its Fourier series by a known part of a voxel, and white
noise is added to both, afresh: the noise that the scan has itself has moved with it, and would match.
"""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.field import ROW
from hpcdvc.fields.noise import LEAST, white_noise
from hpcdvc.registration.settings import Settings
from hpcdvc.registration.windows import WindowRegistration, seconds_per_window
from hpcdvc.stacks.fourier import shift
from hpcdvc.steps.roi import Region
from hpcdvc.steps.self_start import no_motion

log = logging.getLogger("hpcdvc")

#: Half windows that are compared where the user names none, voxels.
SIZES = (3, 5, 7, 10, 14, 20)
#: Displacements along each axis, voxels: beyond a half all repeats as in a mirror.
SHIFTS = (0.0, 0.125, 0.25, 0.375, 0.5)
#: Voxels of a tile about its largest window, and those of them at its border where it fades to its mean: a Fourier
#: series is periodic.
AROUND, FADE = 16, 8
#: Tiles in which the noise of a scan is looked for.
LOOKED_AT = 27
#: Core time of a tile per voxel and shift: two lots of noise, and the Fourier series, s.
SECONDS_PER_VOXEL = 3e-7
#: Least noise of whole grey values: their rounding.
ROUNDING = 1 / math.sqrt(12)


def spread_places(region: Region, margin: Sequence[int], count: int, apart: bool = False) -> np.ndarray:
    """About so many places of a part of an image, evenly, on a grid.

    Parameters
    ----------
    region : the part
    margin : least distance from its border, ZYX, voxels
    count : how many
    apart : fewer, where boxes that reach as far as the margin about them would overlap

    Returns
    -------
    (m, 3) integers
    """
    shape = region.shape
    room = np.array(shape) - 2 * np.array(margin)
    wide = np.flatnonzero(room > 1)
    edge = (room[wide].prod() / count) ** (1 / max(len(wide), 1))
    along = []
    for axis in range(3):
        steps = max(1, round(room[axis] / edge)) if axis in wide else 1
        if apart:
            steps = min(steps, shape[axis] // (2 * margin[axis] + 1))
        along.append(margin[axis] + np.unique(((np.arange(steps) + 0.5) * room[axis] / steps).astype(np.int64)))
    return np.array(region.low) + list(product(*along))


@dataclass(frozen=True)
class AtRest:
    """Windows of all sizes in two scans.

    Attributes
    ----------
    region : of the images, in which the windows lie
    settings : of the windows of each size, ascending
    count : about how many windows of each size
    """

    region: Region
    settings: tuple[Settings, ...]
    count: int

    @cached_property
    def places(self) -> list[np.ndarray]:
        """(m, 3) centres of the windows of each size, ZYX, voxels; windows that overlap would share their noise."""
        return [spread_places(self.region, one.window.half_size, self.count, apart=True) for one in self.settings]

    @cached_property
    def sizes(self) -> np.ndarray:
        """(n,) the number of the size of each window."""
        return np.repeat(np.arange(len(self.places)), [len(one) for one in self.places])

    @property
    def positions(self) -> np.ndarray:
        """(n, 3) centres of all windows."""
        return np.concatenate(self.places).astype(float)

    def seconds(self) -> np.ndarray:
        """(n,) rough cost of each."""
        return np.array([seconds_per_window(one) for one in self.settings])[self.sizes]

    def measure(self, registrations: Sequence[WindowRegistration]) -> Callable[[np.ndarray], np.ndarray]:
        """From numbers of windows to rows; registrations of the windows of each size."""
        positions = self.positions

        def rows_of(numbers: np.ndarray) -> np.ndarray:
            rows = np.zeros(len(numbers), ROW)
            for size in np.unique(self.sizes[numbers]):
                some = self.sizes[numbers] == size
                rows[some] = registrations[size](no_motion(numbers[some], positions[numbers[some]]))
            return rows

        return rows_of


@dataclass(frozen=True)
class Resampled:
    """Windows of all sizes in tiles of one scan and their resampling.

    A window is numbered by its tile, the shift, and its place among those of a tile.

    Attributes
    ----------
    region : of the image, in which the tiles lie
    settings : of the windows of each size, ascending
    count : about how many windows of the largest size, at all shifts
    """

    region: Region
    settings: tuple[Settings, ...]
    count: int

    @property
    def axes(self) -> np.ndarray:
        """Along which the image is moved."""
        return np.flatnonzero(np.array(self.region.shape) > 1)

    @property
    def reach(self) -> tuple[int, ...]:
        """Voxels of a tile on each side of its middle, ZYX."""
        largest = self.settings[-1].window.half_size
        return tuple(half + AROUND if n > 1 else 0 for half, n in zip(largest, self.region.shape, strict=True))

    @cached_property
    def tiles(self) -> np.ndarray:
        """(t, 3) their middles."""
        return spread_places(self.region, self.reach, math.ceil(self.count / len(SHIFTS)))

    @cached_property
    def inside(self) -> tuple[np.ndarray, np.ndarray]:
        """(w, 3) places of the windows of a tile, from its middle, and (w,) the number of the size of each.

        The small ones stand in its corners, where they do not overlap.
        """
        places, sizes, largest = [], [], self.settings[-1].window.half_size
        for number, one in enumerate(self.settings):
            half = one.window.half_size
            free = [b - h if 2 * (b - h) > 2 * h else 0 for b, h in zip(largest, half, strict=True)]
            corners = list(product(*[(-f, f) if f else (0,) for f in free]))
            places += corners
            sizes += [number] * len(corners)
        return np.array(places), np.array(sizes)

    @property
    def per_tile(self) -> int:
        """Windows of a tile, at all shifts."""
        return len(SHIFTS) * len(self.inside[1])

    @property
    def sizes(self) -> np.ndarray:
        """(n,) the number of the size of each window."""
        return np.tile(self.inside[1], len(SHIFTS) * len(self.tiles))

    @property
    def truth(self) -> np.ndarray:
        """(n,) displacement of each along all axes, voxels."""
        return np.tile(np.repeat(SHIFTS, len(self.inside[1])), len(self.tiles))

    def seconds(self) -> float:
        """Rough cost of a window."""
        windows = sum(seconds_per_window(self.settings[size]) for size in self.inside[1])
        voxels = math.prod(2 * reach + 1 for reach in self.reach)
        return len(SHIFTS) * (windows + SECONDS_PER_VOXEL * voxels) / self.per_tile

    def tile(self, volume: np.ndarray, number: int) -> np.ndarray:
        """Its voxels."""
        return volume[tuple(slice(c - r, c + r + 1) for c, r in zip(self.tiles[number], self.reach, strict=True))]

    def noise_of(self, image: np.ndarray) -> tuple[float, float]:
        """Standard deviation of the noise of a scan, and that of its grey values where they vary most.

        The noise is the median over some of the tiles; of whole numbers at least that of their rounding; NaN where the
        scan has no finite voxels.
        """
        some = np.unique(np.linspace(0, len(self.tiles) - 1, LOOKED_AT).astype(int))
        found, spread = [], 0.0
        for number in some:
            tile = np.asarray(self.tile(image, number), float)
            found.append(white_noise(tile))
            if np.isfinite(found[-1]):
                spread = max(spread, float(tile[np.isfinite(tile)].std()))
        found = [one for one in found if np.isfinite(one)]
        noise = float(np.median(found)) if found else np.nan
        return (max(noise, ROUNDING) if image.dtype.kind in "iu" else noise), spread

    def measure(self, image: np.ndarray, mask: np.ndarray | None, noise: float) -> Callable[[np.ndarray], np.ndarray]:
        """From numbers of windows to rows.

        Parameters
        ----------
        image, mask : (nz, ny, nx) arrays
        noise : standard deviation of what is added to both images, grey values
        """

        def rows_of(numbers: np.ndarray) -> np.ndarray:
            rows = np.zeros(len(numbers), ROW)
            tile, rest = np.divmod(numbers, self.per_tile)
            moved, window = np.divmod(rest, len(self.inside[1]))
            for pair in np.unique(np.stack([tile, moved], axis=1), axis=0):
                some = np.flatnonzero((tile == pair[0]) & (moved == pair[1]))
                part = None if mask is None else np.ascontiguousarray(self.tile(mask, pair[0]))
                images = noisy_pair(self.tile(image, pair[0]), SHIFTS[pair[1]], noise, tuple(pair))
                for size in np.unique(self.inside[1][window[some]]):
                    of_size = some[self.inside[1][window[some]] == size]
                    positions = np.array(self.reach) + self.inside[0][window[of_size]]
                    register = WindowRegistration(*images, self.settings[size], part)
                    rows[of_size] = register(no_motion(numbers[of_size], positions))
            return rows

        return rows_of


def noisy_pair(tile: np.ndarray, displacement: float, noise: float, seed: tuple[int, ...]) -> list[np.ndarray]:
    """A tile, and the same moved along all its axes, each with noise of its own.

    Parameters
    ----------
    tile : (nz, ny, nx) array
    displacement : along each axis of more than one voxel, voxels
    noise : standard deviation, grey values
    seed : of the noise

    Returns
    -------
    two float32 arrays of its shape
    """
    grey = np.asarray(tile, float)
    grey = np.where(np.isfinite(grey), grey, np.nan)
    mean = np.nanmean(grey) if np.isfinite(grey).any() else 0.0
    fading = grey - mean
    for axis, n in enumerate(tile.shape):
        if n > 1:
            ramp = (np.arange(n) + 0.5) / FADE
            along = np.sin(np.pi / 2 * np.clip(np.minimum(ramp, ramp[::-1]), 0, 1)) ** 2
            fading *= along.reshape([-1 if k == axis else 1 for k in range(3)])
    moved = shift(fading, [displacement if n > 1 else 0.0 for n in tile.shape]) if displacement else fading
    random = np.random.default_rng([*map(int, seed), 31])
    return [
        (image + mean + noise * random.standard_normal(tile.shape, np.float32)).astype(np.float32)
        for image in (fading, moved)
    ]


def sizes_for(shape: Sequence[int], wanted: Sequence[int] | None, around: int, flat: bool, name: str) -> list[int]:
    """Half windows to compare, ascending, voxels.

    Parameters
    ----------
    shape : of the image, or of the part of it in which windows stand
    wanted : by the user; None: those of `SIZES` that fit
    around : voxels that are needed on each side of a window
    flat : the image has two dimensions
    name : of the image, or of the part, for messages

    Raises
    ------
    UserError
        One does not fit, or none does.
    """
    least, unit = min(shape[int(flat) :]), "pixels" if flat else "voxels"
    largest = (least - 1) // 2 - around
    if wanted is None:
        wanted = [size for size in SIZES if size <= largest and (around or _enough(shape, size))]
    beyond = max(wanted, default=SIZES[0])
    if not wanted or beyond > largest:
        more = f", and {around} on each side for its resampling" if around else ""
        raise UserError(
            f"{name} has {least} {unit} along its shortest axis: a window of {2 * beyond + 1} (-hws {beyond}){more} "
            "does not fit"
        )
    return sorted(wanted)


def _enough(shape: Sequence[int], half: int) -> bool:
    """Whether enough windows stand in an image side by side for a standard deviation beside an affine fit."""
    return math.prod(n // (2 * half + 1) for n in shape if n > 1) >= LEAST + 4
