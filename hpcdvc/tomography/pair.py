"""Projections over ranks: who holds which part of the volume and of the views, and the sums that need all of them."""

import copy
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Self

import numpy as np

from hpcdvc.ranks.planes import own_planes
from hpcdvc.tomography.beams import beams_of, interpolating
from hpcdvc.tomography.geometry import Geometry
from hpcdvc.tomography.joined import joined_on_root

#: Below this a pixel sees no volume, or a voxel no view: it has no weight in a reconstruction.
LEAST = 0.1


class Projector(ABC):
    """A pair of `forward` and its transpose `adjoint`, over all ranks of a team. Its methods are collective.

    A rank holds a part of the volume and a part of what is measured. Those are float32 arrays that a reconstruction may
    do arithmetic with, pixel by pixel and voxel by voxel. Results are the same bits on any number of ranks.

    Parameters
    ----------
    geometry : Geometry of n views
    team : hpcdvc.ranks.team.Team
    exact : False: `adjoint` interpolates the views where voxels fall on them, which is not the transpose

    Attributes
    ----------
    axis : int
        Along which the volume is shared out, in planes across it.
    own_views : range
        Views that this rank has whole, to read and to compare.
    volume_slices : tuple of 3 slices
        Part of the (X, Y, Z) volume that this rank holds.
    part_shape, measured_shape : tuple of 3 int
        Shapes of both parts.
    """

    axis: int
    volume_slices: tuple[slice, slice, slice]
    part_shape: tuple[int, int, int]
    measured_shape: tuple[int, int, int]

    def __init__(self, geometry: Geometry, team, exact: bool = True):
        self.geometry, self.team, self.exact = geometry, team, exact
        self.own_views = range(*own_planes(team, len(geometry.p)))
        zeros = np.zeros(len(geometry.p))
        self._move(zeros, zeros)

    def _move(self, j_offsets: np.ndarray, k_offsets: np.ndarray) -> None:
        self._offsets = j_offsets, k_offsets
        self._beams = beams_of(self.geometry, j_offsets, k_offsets)
        self._back = self._beams if self.exact else interpolating(self._beams)

    def moved(self, j_offsets: np.ndarray, k_offsets: np.ndarray) -> Self:
        """The same with other offsets of the views, (n,) pixels; in the same memory."""
        other = copy.copy(self)
        other._move(j_offsets, k_offsets)
        return other

    def looking(self, order: np.ndarray) -> Self:
        """The same where view i looks in the direction of view order[i], with its own offsets; in the same memory."""
        other, geometry = copy.copy(self), self.geometry
        other.geometry = replace(geometry, p=geometry.p[order], u=geometry.u[order], w=geometry.w[order])
        other._move(*self._offsets)
        return other

    @abstractmethod
    def forward(self, part: np.ndarray) -> np.ndarray:
        """Line integrals: part of the volume -> measured part."""

    @abstractmethod
    def adjoint(self, measured: np.ndarray) -> np.ndarray:
        """The transpose: measured part -> part of the volume."""

    @abstractmethod
    def measured(self, views: np.ndarray) -> np.ndarray:
        """Measured part of the own views (m, J, K) of all ranks."""

    @abstractmethod
    def views(self, measured: np.ndarray) -> np.ndarray:
        """The own views (m, J, K) of measured parts; 0 in pixels that see no voxel."""

    def ones(self) -> np.ndarray:
        """Part of a volume of ones."""
        return np.ones(self.part_shape, np.float32)

    def weights(self) -> np.ndarray:
        """Measured part of 1 / (length of the ray in the volume), 0 where it is short."""
        return _inverse(self.forward(self.ones()))

    def preconditioner(self) -> np.ndarray:
        """Part of 1 / (sum of the weights that a voxel has in all views), 0 where it is seen by none."""
        return _inverse(self.adjoint(self.measured(np.ones((len(self.own_views), *self.geometry.shape), np.float32))))

    @abstractmethod
    def sum_volume(self, part: np.ndarray) -> float:
        """Sum of a volume in float64, plane by plane: the same bits on any number of ranks."""

    @abstractmethod
    def sum_measured(self, measured: np.ndarray) -> float:
        """Sum of all that is measured in pixels that see a voxel, in float64: the same bits on any number of ranks."""

    def gather(self, part: np.ndarray) -> np.ndarray | None:
        """The whole (X, Y, Z) volume on rank 0; None elsewhere."""
        whole = joined_on_root(self.team, part.swapaxes(0, self.axis))
        return None if whole is None else whole.swapaxes(0, self.axis)

    def _in_order(self, start: int, sums: list[float]) -> float:
        """Sum over planes of all ranks, in the order of the planes."""
        found = sorted(self.team.all_gather((start, sums)))
        return float(np.sum([value for _, values in found for value in values]))


def sums_of(values: np.ndarray) -> list[float]:
    """Sum of each plane along the first axis, in float64."""
    return [float(np.ascontiguousarray(plane).sum(dtype=np.float64)) for plane in values]


def _inverse(sums: np.ndarray) -> np.ndarray:
    return np.where(sums > LEAST, 1 / np.maximum(sums, LEAST), 0).astype(np.float32)
