"""The part of the whole volume that `--roi` names: which nodes, points, particles and voxels lie in it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.field import Field
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.rows import some_rows
from hpcdvc.images import VolumeInfo, open_mask
from hpcdvc.options.roi import Roi

ZYX = tuple[int, int, int]
#: What hpcdvc.steps.search_points.OfParticles has: `positions`, and `chosen` for some of them.
Particles = TypeVar("Particles")


@dataclass(frozen=True)
class Region:
    """A box of voxels of an image.

    Attributes
    ----------
    low, high : first voxel, and the one behind the last, ZYX
    """

    low: ZYX
    high: ZYX

    def __str__(self) -> str:
        return " ".join(f"{a} {b}" for a, b in zip(self.low, self.high, strict=True))

    @property
    def shape(self) -> ZYX:
        """Voxels along each axis."""
        return tuple(b - a for a, b in zip(self.low, self.high, strict=True))

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """The box of an array of the whole image."""
        return tuple(slice(a, b) for a, b in zip(self.low, self.high, strict=True))

    @classmethod
    def whole(cls, shape: ZYX) -> "Region":
        """All of an image."""
        return cls((0, 0, 0), tuple(shape))

    @property
    def in_plane(self) -> tuple[slice, slice]:
        """The box of an array of a plane."""
        return self.slices[1:]

    def planes(self, first: int, last: int) -> tuple[int, int]:
        """Planes of the image that are planes first to last - 1 of the box."""
        return self.low[0] + first, self.low[0] + last

    def holds(self, positions: np.ndarray) -> np.ndarray:
        """(n,) bool: which positions (n, 3), ZYX, voxels, lie in it."""
        return ((positions >= self.low) & (positions < self.high)).all(axis=1)

    def some(self, positions: np.ndarray, what: str) -> np.ndarray:
        """Numbers of the positions (n, 3) that lie in it, ascending.

        Raises
        ------
        UserError
            None does; `what` says in the sentence what they are.
        """
        inside = np.flatnonzero(self.holds(positions))
        if not len(inside):
            raise UserError(f"none of {what} lies in --roi {self}")
        return inside

    def nodes_of(self, grid: Grid) -> Grid:
        """Those nodes of a grid that lie in it; UserError where none does."""
        inside = grid.within(self.low, self.high)
        if inside is None:
            spacing = " ".join(f"{v:g}" for v in grid.spacing)
            raise UserError(f"none of the nodes of the whole image, every {spacing} voxels (ZYX), lies in --roi {self}")
        return inside


def region_of(options: Roi, shape: ZYX, spec: str) -> Region | None:
    """The box that `--roi` names in an image; None where it is not given.

    Parameters
    ----------
    options : with a `roi`
    shape, spec : of the image

    Raises
    ------
    UserError
        It does not lie in the image.
    """
    if options.roi is None:
        return None
    region = Region(tuple(map(int, options.roi[::2])), tuple(map(int, options.roi[1::2])))
    for axis, low, high, size in zip("ZYX", region.low, region.high, shape, strict=True):
        if low < 0 or high > size:
            flat = " (of a 2-D image Z is 0 1)" if axis == "Z" and size == 1 else ""
            raise UserError(
                f"--roi {region} does not lie in {spec}: it reaches from {low} to {high} in {axis}, the image from 0 "
                f"to {size}{flat}"
            )
    return region


def region_in(options: Roi, image: VolumeInfo) -> Region | None:
    """The same of an image by its header."""
    return region_of(options, image.shape, image.spec)


def nodes_in(region: Region | None, grid: Grid) -> Grid:
    """The nodes of a grid that are to be measured; UserError where none is."""
    return grid if region is None else region.nodes_of(grid)


def particles_in(region: Region | None, points: Particles, spec: str, team) -> Particles:
    """Those of the particles of a label image whose centres of mass are in a region. Collective.

    Raises
    ------
    UserError
        There are none; `spec` names the image.
    """
    if region is None:
        return points
    return points.chosen(team.agree_all(lambda: region.some(points.positions, f"the particles of {spec}")))


def rows_on(grid: Grid, field: Field) -> Field:
    """The rows of a field on some nodes of its grid, all of which it has."""
    return replace(some_rows(field, grid.numbers_in(field.grid)), grid=grid)


def open_mask_in(region: Region | None, info: VolumeInfo | None, shape: ZYX, team) -> np.ndarray | None:
    """Mask of an image, 0 outside of a region; None where neither is given. Collective.

    Parameters
    ----------
    region : the voxels that count
    info : header of a mask, or None
    shape : of the image

    Returns
    -------
    (nz, ny, nx) read-only uint8 array, one a node
    """
    mask = open_mask(info, team) if info else None
    if region is None:
        return mask
    result = team.shared_array(shape, np.uint8)  # zeros
    for z in range(*team.node_span(region.shape[0])):
        plane = region.low[0] + z
        result[plane][region.in_plane] = 1 if mask is None else mask[plane][region.in_plane]
    team.node_barrier()
    result.flags.writeable = False
    return result


def check_beyond_margin(region: Region | None, shape: ZYX, margin: Sequence[float], flag: str) -> None:
    """Make sure that a margin of an image, voxels ZYX, leaves something of a region.

    Raises
    ------
    UserError
        It leaves nothing; the sentence names the flag of the margin.
    """
    for axis, n, width in zip(range(3), shape, margin, strict=True) if region else ():
        if region.low[axis] >= n - int(width) or region.high[axis] <= int(width):
            raise UserError(
                f"--roi {region} lies in the margin of {int(width)} voxels in {'ZYX'[axis]}, which does not count: "
                f"{flag} makes it smaller"
            )


def nothing_left(region: Region | None, info: VolumeInfo) -> UserError:
    """What is wrong where such a mask leaves no voxel."""
    where = f"everywhere in --roi {region}" if region else "everywhere"
    return UserError(f"the mask {info.spec} is 0 {where}: no voxel is left to register")
