"""Cylinders along Z: their voxels, and the one that a mask is about."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from hpcdvc.errors import UserError

#: Parts of the height whose circles are compared.
PARTS = 8
#: Standard deviation, voxels, of the Gaussian over which columns are averaged.
SMOOTH = 2.0
#: Least part that a disc of the same area shares with what is found, of both together.
ROUND = 0.9
#: How far the circles of the parts may be apart, and differ in radius: part of the radius, and voxels.
APART, APART_VOXELS = 0.1, 2.0
#: How far the circle may reach out of the image: part of the radius, and voxels. What is cut there is missing in it, so
#: that its centre and radius are wrong.
OUT, OUT_VOXELS = 0.02, 1.0


@dataclass(frozen=True)
class Cylinder:
    """A cylinder along Z.

    Attributes
    ----------
    y, x : its axis, voxels
    r : radius, voxels
    z0, z1 : its first plane, and the first that is not of it
    """

    y: float
    x: float
    r: float
    z0: int
    z1: int

    @property
    def numbers(self) -> tuple[float, float, float, int, int]:
        """As `-cyl` takes them."""
        return self.y, self.x, self.r, self.z0, self.z1

    def moved(self, by: Sequence[int]) -> "Cylinder":
        """The same cylinder, some voxels further on along Z, Y and X."""
        z, y, x = by
        return replace(self, y=round(self.y + y, 9), x=round(self.x + x, 9), z0=self.z0 + z, z1=self.z1 + z)

    def planes(self, first: int, last: int, shape: tuple[int, int, int]) -> np.ndarray:
        """Planes first to last - 1 of a mask of an image: 1 up to a distance of `r` from the axis."""
        z = np.arange(first, last)
        return (((z >= self.z0) & (z < self.z1))[:, None, None] & self._disc(shape)).view(np.uint8)

    def holds_none_of(self, shape: tuple[int, int, int]) -> bool:
        """Whether no voxel of an image is in it."""
        return not (self.z0 < min(self.z1, shape[0]) and self._disc(shape).any())

    def _disc(self, shape: tuple[int, int, int]) -> np.ndarray:
        y, x = np.ogrid[: shape[1], : shape[2]]
        return (y - self.y) ** 2 + (x - self.x) ** 2 <= self.r**2


def find_cylinder(mask: np.ndarray, team, name: str) -> Cylinder:
    """The cylinder along Z that a mask fills, or grains in it. Collective.

    Each column of voxels along Z counts how many are of the mask. The circle has the centre and the area of what lies
    inside the line where this is half of what is usual inside. The height is that of the planes that are at least half
    as full as most.

    Parameters
    ----------
    mask : (nz, ny, nx) uint8 array of 0 and 1, once a node
    team : hpcdvc.ranks.team.Team
    name : of the image, for messages

    Raises
    ------
    UserError
        On every rank: there is none, or its axis is not along Z.
    """
    (counts,) = _columns(mask, team, 0, len(mask), 1)
    whole = team.agree(lambda: _circle(counts, name))
    start, stop = team.spans(len(mask))
    areas = np.zeros(len(mask), np.int64)
    areas[start:stop] = [np.count_nonzero(plane[whole.inside]) for plane in mask[start:stop]]
    z0, z1 = _longest_run(team.sum(areas))
    parts = min(PARTS, max((z1 - z0) // 2, 1))
    columns = _columns(mask, team, z0, z1, parts)
    return team.agree(lambda: _checked(columns, z0, z1, name))


@dataclass(frozen=True)
class _Circle:
    y: float
    x: float
    r: float
    inside: np.ndarray


def _columns(mask: np.ndarray, team, z0: int, z1: int, parts: int) -> np.ndarray:
    """Voxels of the mask in each column of each part of planes z0 to z1 - 1, (parts, ny, nx). Collective."""
    counts = np.zeros((parts, *mask.shape[1:]), np.int32)
    start, stop = team.spans(z1 - z0)
    for z in range(start, stop):
        counts[z * parts // (z1 - z0)] += mask[z0 + z]
    return team.sum(counts)


def _circle(counts: np.ndarray, name: str) -> _Circle:
    """The circle of what is filled in a view along Z."""
    smooth = ndimage.gaussian_filter(counts.astype(float), SMOOTH)
    usual = np.median(smooth[smooth > smooth.max() / 2])
    filled = ndimage.binary_fill_holes(smooth > usual / 2)
    labels, n = ndimage.label(filled)
    sizes = np.bincount(labels.ravel(), minlength=n + 1)[1:]
    inside = labels == 1 + np.argmax(sizes)
    y, x = (float(c) for c in ndimage.center_of_mass(inside))
    r = float(np.sqrt(inside.sum() / np.pi))
    disc = Cylinder(y, x, r, 0, 1).planes(0, 1, (1, *counts.shape))[0] != 0
    both, area = (disc & inside).sum(), inside.sum()
    shared = both / (2 * area - both)  # of the whole disc, which may reach out of the image
    if shared < ROUND:
        raise UserError(
            f"no cylinder with its axis along Z is found in {name}: seen along Z, what is bright is not round "
            f"({100 * shared:.0f} % shared with a disc, {100 * ROUND:.0f} % are needed); give -cyl y x r"
        )
    return _Circle(y, x, r, inside)


def _longest_run(areas: np.ndarray) -> tuple[int, int]:
    """First plane, and the first behind the last, of the longest run of planes that are half as full as most."""
    full = areas >= np.percentile(areas[areas > 0], 75) / 2
    ends = np.flatnonzero(np.diff(full, prepend=False, append=False)).reshape(-1, 2)
    z0, z1 = ends[np.argmax(ends[:, 1] - ends[:, 0])]
    return int(z0), int(z1)


def _checked(columns: np.ndarray, z0: int, z1: int, name: str) -> Cylinder:
    """The cylinder, when its parts lie above each other; on one rank."""
    circle = _circle(columns.sum(axis=0), name)
    parts = [_circle(part, name) for part in columns]
    centres, radii = np.array([(part.y, part.x) for part in parts]), np.array([part.r for part in parts])
    apart = float(np.linalg.norm(centres[:, None] - centres[None], axis=2).max())
    most = max(APART * circle.r, APART_VOXELS)
    if apart > most or np.ptp(radii) > most:
        raise UserError(
            f"no cylinder with its axis along Z is found in {name}: from plane {z0} to {z1 - 1} its centre moves by "
            f"{apart:.1f} voxels and its radius is {radii.min():.1f} to {radii.max():.1f}; give -cyl y x r"
        )
    sides = zip((circle.y, circle.x), columns.shape[1:], strict=True)
    out = max(circle.r - 0.5 - min(centre, size - 1 - centre) for centre, size in sides)
    if out > max(OUT * circle.r, OUT_VOXELS):
        raise UserError(
            f"no cylinder with its axis along Z is found in {name}: the sides of the image, or of --roi, cut what is "
            f"bright, about {out:.0f} voxels of it; give -cyl y x r"
        )
    return Cylinder(round(circle.y, 2), round(circle.x, 2), round(circle.r, 2), z0, z1)
