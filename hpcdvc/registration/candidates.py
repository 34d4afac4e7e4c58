"""Candidates for a large rotation and displacement between two images, found without a start.

Both images are reduced to coarse copies that hold little but texture (coarse_copies.py). That of im1 is turned by every
rotation of a fixed list and correlated with that of im2 at all displacements (FFT); the best matches are registered,
still on the coarse copies.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from hpcdvc.fields.field import POINT
from hpcdvc.fields.phi import rotation_matrix
from hpcdvc.registration.coarse_copies import pitch_of, texture_pairs
from hpcdvc.registration.settings import Iterations, Settings, Window, dimensions_of
from hpcdvc.registration.windows import register_windows

# By dimensions of the images
SPACING = {2: 4.0, 3: 18.0}  # degrees between rotations; in 3-D edge of the cubic cell that holds two
REACH = 50.0  # degrees: largest rotation

LARGEST_SHIFT = 0.4  # displacement / size of the larger image along the axis
LEAST_OVERLAP = 0.1  # of the smaller copy
POLISHED = 32  # matches of the scan that are registered
AT_ONCE = 4  # rotations that are scanned, and matches that are registered, before somebody may end the work


def rough_starts(
    im1: np.ndarray,
    im2: np.ndarray,
    mask1: np.ndarray | None = None,
    team=None,
    count: int = 8,
    turns: np.ndarray | None = None,
) -> list[np.ndarray]:
    """Rigid motions that may map im1 to im2, rotated by up to 50 degrees and displaced by up to 0.4 of the image.

    Collective.

    Parameters
    ----------
    im1, im2 : (nz, ny, nx) float32 arrays, the same on all ranks; nz = 1 in 2-D; NaN = voxel that does not count
    mask1 : (nz, ny, nx) uint8 array, 0 = voxel of im1 that does not count
    team : hpcdvc.ranks.team.Team, or None for this rank alone
    count : number of candidates, at most
    turns : (n, 3, 3) rotations to be tried in place of those

    Returns
    -------
    list of (4, 4) arrays, ZYX, voxels, about the centre (shape - 1) / 2 of im1, the most significant match first: the
    same on any number of ranks; empty for images without texture. Which one is right only a registration from each
    can tell.

    References
    ----------
    Normalised correlation of masked images by FFT: Padfield 2012, doi 10.1109/TIP.2011.2181402
    """
    sizes = np.array(im1.shape), np.array(im2.shape)
    dimensions = dimensions_of(im1.shape)
    turns = rotations(dimensions, SPACING[dimensions], REACH) if turns is None else turns
    pairs = texture_pairs(im1, im2, mask1)
    ranked = [matches(Scan(one, two), turns, partial(polish, one, two), team) for one, two in pairs]
    mixed = [motions[k] for k in range(POLISHED) for motions in ranked if k < len(motions)]
    starts = []
    for motion in distinct(mixed, sizes[0] / pitch_of(*sizes))[:count]:
        starts.append(np.eye(4))
        starts[-1][:3] = motion
        starts[-1][:3, 3] = motion[:, 3] * pitch_of(*sizes) + (sizes[1] - sizes[0]) / 2
    return starts


def rotations(dimensions: int, spacing: float, reach: float) -> np.ndarray:
    """Rotations (n, 3, 3) up to an angle (degrees); in 3-D their rotation vectors form a body-centred cubic lattice.

    Parameters
    ----------
    dimensions : 2 or 3; in 2-D all turn about z
    spacing : degrees between rotations; in 3-D edge of the cubic cell that holds two
    reach : the largest rotation, degrees
    """
    steps = np.arange(-(reach // spacing) - 1, reach // spacing + 2) * spacing
    if dimensions == 2:
        vectors = np.stack([steps, 0 * steps, 0 * steps], axis=1)
    else:
        corners = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
        vectors = np.concatenate([corners, corners + spacing / 2])
    return rotation_matrix(vectors[np.linalg.norm(vectors, axis=1) <= reach + spacing / 4])


def rotations_about(axis: int, dimensions: int) -> np.ndarray:
    """Rotations (n, 3, 3) about one axis (ZYX), all the way round.

    Parameters
    ----------
    axis : 0 for z
    dimensions : 2 or 3
    """
    spacing = SPACING[2] if dimensions == 2 else SPACING[3] / 2  # a line leaves no gaps as a lattice does
    angles = np.arange(-180, 180, spacing)
    return rotation_matrix(angles[:, None] * np.eye(3)[axis])


def matches(scan: "Scan", turns: np.ndarray, polished: Callable, team) -> list[np.ndarray]:
    """Motions (3, 4) about the centres of two coarse copies, the most significant first. Collective, with a team.

    Parameters
    ----------
    scan : of the copies
    turns : (n, 3, 3) rotations to be scanned
    polished : function of a list of motions: their significance and better motions
    """
    found = dealt(lambda share: [scan(turn) for turn in share], turns, team, AT_ONCE)
    best = sorted(range(len(turns)), key=lambda i: (-found[i][0], i))[:POLISHED]
    starts = [np.column_stack([turns[i], found[i][1]]) for i in best]
    return [motion for _, motion in sorted(dealt(polished, starts, team, AT_ONCE), key=lambda match: -match[0])]


def dealt(function: Callable, items: list | np.ndarray, team, at_once: int | None = None) -> list:
    """The function of a list of items, of which every rank does its share. Collective, if team is not None.

    By `at_once` items, where that is given: in between the team is asked whether it goes on.
    """
    rank, size = (0, 1) if team is None else (team.rank, team.size)
    mine, share = items[rank::size], []
    for k in range(0, len(mine), at_once or max(len(mine), 1)):
        if team is not None:
            team.check()
        share += function(mine[k : k + at_once] if at_once else mine)
    shares = [share] if team is None else team.all_gather(share)
    return [shares[i % size][i // size] for i in range(len(items))]


def distinct(motions: list[np.ndarray], size: np.ndarray) -> list[np.ndarray]:
    """The motions without those that move the corners of the central half like an earlier one."""
    corners = (np.array(list(np.ndindex(2, 2, 2))) - 0.5) * size / 2
    corners, kept = np.column_stack([corners, np.ones(8)]), []
    for motion in motions:
        if all(np.abs(corners @ (motion - other).T).max() > 1 for other in kept):
            kept.append(motion)
    return kept


class Scan:
    """Correlates im2 with im1 turned by any rotation, at all displacements.

    How a match is measured, and by which maps of the copies, is up to `maps_of_one`, `maps_of_two`, `measured`.

    Parameters
    ----------
    one, two : coarse copies, see `texture`

    Attributes
    ----------
    limit : (3,) largest displacement, points
    """

    largest_shift = LARGEST_SHIFT

    def __init__(self, one: np.ndarray, two: np.ndarray):
        from scipy import fft, ndimage

        size1, size2 = np.array(one.shape), np.array(two.shape)
        self.limit = (self.largest_shift * np.maximum(size1, size2)).astype(int) * (size1 > 1)
        reach = np.minimum(np.linalg.norm(size1) / 2, (size2 + self.limit) / 2).astype(int) * (size1 > 1)
        self.axes = [np.arange(-r, r + 1, dtype=np.float32) for r in reach]
        self.padded = [fft.next_fast_len(int(n), real=True) for n in reach + size2 // 2 + self.limit + 1]
        place = self.limit + reach - size2 // 2  # so that the displacements count from -limit
        self.two = self._spectra(np.pad(self.maps_of_two(two), [(0, 0), *((p, 0) for p in place)]))
        self.least = LEAST_OVERLAP * min(np.isfinite(one).sum(), np.isfinite(two).sum())
        # im1 at half the pitch, in a border of zeros: there the nearest point does instead of interpolation
        zoom = (2 * size1 - 1) / size1
        fine = ndimage.zoom(np.nan_to_num(one), zoom, order=3)
        fine[ndimage.zoom(np.isfinite(one).astype(np.float32), zoom, order=1) < 0.9] = np.nan
        fine = np.pad(fine, 1, constant_values=np.nan)
        maps = self.maps_of_one(fine)
        self.shape, self.one = fine.shape, maps.reshape(len(maps), -1)

    def __call__(self, rotation: np.ndarray) -> tuple[float, np.ndarray]:
        """Significance and displacement of the best match of im1 turned by a rotation, about the centres of both."""
        significance = self.significance(rotation)
        best = np.unravel_index(np.argmax(significance), significance.shape)
        return float(significance[best]), np.array(best) - self.limit

    def significance(self, rotation: np.ndarray) -> np.ndarray:
        """That of im1 turned by a rotation, at the displacements -limit to limit; 0 where there is little overlap."""
        significance, overlap = self.measured(np.conj(self._spectra(self._turned(rotation))))
        significance[overlap < self.least] = 0
        return significance

    def maps_of_one(self, one: np.ndarray) -> np.ndarray:
        """(m, nz, ny, nx) float32 maps of im1 that are turned; 0 where nothing counts."""
        return _moments(one)

    def maps_of_two(self, two: np.ndarray) -> np.ndarray:
        """(m, nz, ny, nx) float32 maps of im2; 0 where nothing counts."""
        return _moments(two)

    def measured(self, spectra: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Significance at all displacements, and the overlap in points, by the conjugate spectra of the turned maps.

        It is the normalised correlation times the root of the overlap: what images that have nothing to do with each
        other reach then depends little on the overlap.
        """
        one, one_squared, counts1 = spectra
        two, two_squared, counts2 = self.two
        products = np.stack([one * two, one_squared * counts2, counts1 * two_squared, counts1 * counts2])
        match, energy1, energy2, overlap = self.sums(products)
        return match * np.sqrt(np.maximum(overlap, 0) / np.maximum(energy1 * energy2, 1e-3)), overlap

    def _spectra(self, moments: np.ndarray) -> np.ndarray:
        from scipy import fft

        return fft.rfftn(moments, s=self.padded, axes=(1, 2, 3), workers=1)

    def sums(self, spectra: np.ndarray) -> np.ndarray:
        """Back from the spectra, at the displacements in question only."""
        from scipy import fft

        z, y, x = 2 * self.limit + 1
        spectra = fft.ifft(spectra, axis=1, workers=1)[:, :z]
        spectra = fft.ifft(spectra, axis=2, workers=1)[:, :, :y]
        return fft.irfft(spectra, self.padded[2], axis=3, workers=1)[..., :x]

    def _turned(self, rotation: np.ndarray) -> np.ndarray:
        (z, y, x), index = self.axes, 0
        for i, n in enumerate(self.shape):
            a, b, c = 2 * rotation[:, i].astype(np.float32)
            at = (a * z + n / 2)[:, None, None] + (b * y)[:, None] + c * x
            index = index * n + np.clip(at, 0, n - 1).astype(np.int32)
        return self.one.take(index, axis=1)


def _moments(values: np.ndarray) -> np.ndarray:
    """Values, their squares, and which of them count."""
    counts = np.isfinite(values)
    filled = np.where(counts, values, 0)
    return np.stack([filled, filled**2, counts.astype(np.float32)])


def polish(one: np.ndarray, two: np.ndarray, starts: list[np.ndarray]) -> list[tuple[float, np.ndarray]]:
    """Register coarse copies from starts (3, 4) about their centres: significance as that of `Scan`, and motion."""
    between = (np.array(two.shape) - one.shape) / 2
    points = np.zeros(len(starts), POINT)
    points["position"] = (np.array(one.shape) - 1) / 2
    for point, start in zip(points, starts, strict=True):
        point["Phi"] = start
        point["Phi"][:, 3] += between
    whole = Window(tuple(n // 2 for n in one.shape), min_valid=0.01, read_margin=3)
    settings = Settings(whole, dimensions_of(one.shape), Iterations(15, 1e-2, rigid=True))
    rows = register_windows(one, two, points, settings)
    significance = np.nan_to_num(rows["zncc"] * np.sqrt(rows["valid_fraction"] * one.size))
    rows["Phi"][..., 3] -= between
    motions = [row["Phi"] if s != 0 else start for row, s, start in zip(rows, significance, starts, strict=True)]
    return list(zip(significance.tolist(), motions, strict=True))
