"""The windows and particles that a search looks for, each with its start."""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Self

import numpy as np

from hpcdvc.fields.field import Field
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.neighbours import fit_from_neighbours
from hpcdvc.fields.phi import at_points, part_of_rows
from hpcdvc.labels.scan import centres_of
from hpcdvc.search.pixels import SEARCH_POINT, search_points, seconds_per_point
from hpcdvc.steps.particles import rows_of_particles
from hpcdvc.steps.start import StartPoints, usable_as_start

#: What is searched where the range adapts: an axis of one voxel is not.
ADAPTING = (-1, 1, -1, 1, -1, 1)


@dataclass(frozen=True)
class NodePoints:
    """Windows about the nodes of a grid; made when they are asked for.

    Attributes
    ----------
    start : nodes, and what they start from
    half : half window, ZYX
    search_range : six numbers, or None for a range that adapts
    apply_f : part of F by which windows are deformed
    """

    start: StartPoints
    half: tuple[int, int, int]
    search_range: tuple[int, ...] | None
    apply_f: str

    @property
    def grid(self) -> Grid:
        """The nodes."""
        return self.start.grid

    @property
    def count(self) -> int:
        """Number of points."""
        return self.start.grid.size

    def __call__(self, numbers: np.ndarray) -> np.ndarray:
        """Points (m,) SEARCH_POINT of some numbers."""
        points = self.start(numbers)
        phi = part_of_rows(points["Phi"], self.apply_f)
        reach = self.search_range or flat_range(ADAPTING, self.half[0] == 0)
        result = search_points(points["position"], phi, self.half, reach)
        result["index"] = numbers
        return result


class OfParticles:
    """What is measured at the particles of a label image.

    Attributes
    ----------
    particles : (n,) array of hpcdvc.labels.scan.PARTICLE
    phi : (n, 3, 4) starts
    """

    particles: np.ndarray
    phi: np.ndarray

    @property
    def count(self) -> int:
        """Number of particles."""
        return len(self.particles)

    def chosen(self, numbers: np.ndarray) -> Self:
        """Some of them, with their starts."""
        return replace(self, particles=self.particles[numbers], phi=self.phi[numbers])

    @cached_property
    def positions(self) -> np.ndarray:
        """(n, 3) centres of mass, ZYX, voxels."""
        return centres_of(self.particles)


@dataclass(frozen=True)
class ParticlePoints(OfParticles):
    """Particles of a label image; made when they are asked for.

    Attributes
    ----------
    particles : (n,) array of hpcdvc.labels.scan.PARTICLE
    phi : (n, 3, 4) starts
    dilate : radius of the dilation, voxels
    search_range : six numbers, or None for a range that adapts
    flat : images in two dimensions
    """

    particles: np.ndarray
    phi: np.ndarray
    dilate: int
    search_range: tuple[int, ...] | None
    flat: bool

    grid = None

    def largest_first(self) -> tuple[np.ndarray, float]:
        """Numbers of all, those of the largest boxes first, and the rough cost of the first on one core, s.

        What takes long is begun early, and in chunks of its own: no rank is waited for at the end.
        """
        sides = self.particles["high"].astype(float) - self.particles["low"] + 1
        order = np.argsort(-sides.prod(axis=1), kind="stable")
        (first,) = self(order[:1])
        window, lags = first["box_high"] - first["box_low"] + 1, first["high"] - first["low"] + 1
        return order, seconds_per_point(tuple(map(int, window)), tuple(map(int, lags)))

    def __call__(self, numbers: np.ndarray) -> np.ndarray:
        """Points (m,) SEARCH_POINT of some numbers."""
        return self.starting(numbers, self.phi[numbers])

    def starting(self, numbers: np.ndarray, phi: np.ndarray) -> np.ndarray:
        """Points (m,) SEARCH_POINT of some numbers, with other starts (m, 3, 4)."""
        some = self.particles[numbers]
        points = np.zeros(len(numbers), SEARCH_POINT)
        points["index"], points["position"], points["Phi"] = numbers, centres_of(some), phi
        points["label"] = some["label"]
        low, high = deformed_boxes(some, phi, max(self.dilate, 0) * np.array([not self.flat, 1, 1]))
        points["box_low"], points["box_high"] = low, high
        reach = self.search_range or flat_range(ADAPTING, self.flat)
        points["low"], points["high"] = reach[::2], reach[1::2]
        return points


@dataclass(frozen=True)
class WindowPoints:
    """Windows about points that stand anywhere.

    Attributes
    ----------
    positions : (n, 3) ZYX, voxels
    half : half window, ZYX
    search_range : six numbers
    grid : of the points, where they are its nodes
    """

    positions: np.ndarray
    half: tuple[int, int, int]
    search_range: tuple[int, ...]
    grid: Grid | None = None

    @property
    def count(self) -> int:
        """Number of points."""
        return len(self.positions)

    def starting(self, numbers: np.ndarray, phi: np.ndarray) -> np.ndarray:
        """Points (m,) SEARCH_POINT of some numbers, with starts (m, 3, 4)."""
        points = search_points(self.positions[numbers], phi, self.half, np.array(self.search_range))
        points["index"] = numbers
        return points


def flat_range(reach: tuple[int, ...], flat: bool) -> tuple[int, ...]:
    """The range without the axis that images in two dimensions do not have."""
    return (0, 0, *reach[2:]) if flat else tuple(reach)


def deformed_boxes(particles: np.ndarray, phi: np.ndarray, margin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and last voxel of particles deformed by F about their centres, from the rounded centres.

    Parameters
    ----------
    particles : (n,) array of PARTICLE
    phi : (n, 3, 4)
    margin : (3,) voxels around each before it is deformed

    Returns
    -------
    low, high : (n, 3) int arrays; the undeformed boxes where F is not finite
    """
    centre = centres_of(particles)
    sides = np.stack([particles["low"] - margin - centre, particles["high"] + margin - centre], axis=1)
    corners = np.stack([sides[:, c, [0, 1, 2]] for c in product((0, 1), repeat=3)], axis=1)
    f = np.where(np.isfinite(phi).all(axis=(1, 2))[:, None, None], phi[:, :, :3], np.eye(3))
    moved = np.einsum("nij,ncj->nci", f, corners) + (centre - np.rint(centre))[:, None]
    low, high = (np.floor(moved.min(axis=1) + 1e-6), np.ceil(moved.max(axis=1) - 1e-6))
    return low.astype(np.int32), high.astype(np.int32)


def particle_starts(
    particles: np.ndarray, start: Field | None, apply_f: str, path: str | None, spec: str
) -> np.ndarray:
    """What particles start from.

    Parameters
    ----------
    particles : (n,) array of PARTICLE
    start : None, a registration (one row), or a field of particles; those that it has not start from their neighbours
    apply_f : part of F by which windows are deformed
    path, spec : of the start and of the label image, for messages

    Returns
    -------
    (n, 3, 4) array

    Raises
    ------
    UserError
        The field is one of other particles, or of none.
    """
    identity = np.tile(np.eye(4)[:3], (len(particles), 1, 1))
    if start is None:
        return identity
    centres = centres_of(particles)
    if len(start) == 1 and "label" not in (start.extra or {}):
        return part_of_rows(at_points(start.phi[0], start.positions[0], centres)[:, :3], apply_f)
    rows = rows_of_particles(start, start.measured, particles, path, spec)
    known = rows >= 0
    phi = np.where(known[:, None, None], start.phi[rows, :3], identity)
    if not known.all():
        fitted = fit_from_neighbours(start, usable_as_start(start), centres[~known])
        phi[~known] = np.where(np.isfinite(fitted), fitted, identity[~known])
    return part_of_rows(phi, apply_f)
