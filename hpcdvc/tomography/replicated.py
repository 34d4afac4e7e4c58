"""A volume on each node: any geometry. Ranks project their own views, and gather their own planes x of all views."""

import numpy as np

from hpcdvc.kernels import tomography
from hpcdvc.ranks.planes import join_planes, own_planes
from hpcdvc.tomography.geometry import Geometry
from hpcdvc.tomography.pair import Projector, sums_of


class Replicated(Projector):
    """The measured part is that of the own views, the part of the volume some planes x.

    Two arrays are there once a node: the volume, and all views. See `Projector`.

    Raises
    ------
    RunError
        A node has no room for them.
    """

    axis = 0

    def __init__(self, geometry: Geometry, team, exact: bool = True):
        super().__init__(geometry, team, exact)
        length, *rest = geometry.volume
        self._planes = slice(*own_planes(team, length))
        self.volume_slices = (self._planes, *(slice(0, n) for n in rest))
        self.part_shape = (self._planes.stop - self._planes.start, *rest)
        self.measured_shape = (len(self.own_views), *geometry.shape)
        grown = tomography.BEFORE + tomography.BEHIND
        self._volume = team.shared_array(tuple(n + grown for n in geometry.volume), np.float32)
        around = (n + 2 * tomography.AROUND for n in geometry.shape)
        self._views = team.shared_array((len(geometry.p), *around), np.float32)

    def forward(self, part: np.ndarray) -> np.ndarray:
        """See `Projector`."""
        inner = slice(tomography.BEFORE, -tomography.BEHIND)
        self._share(self._volume[inner], self._planes, (inner, inner), part)
        views = np.empty(self.measured_shape, np.float32)
        tomography.forward(self._volume, self._beams[self.own_views.start : self.own_views.stop], views)
        return views

    def adjoint(self, measured: np.ndarray) -> np.ndarray:
        """See `Projector`."""
        inner = slice(tomography.AROUND, -tomography.AROUND)
        self._share(self._views, slice(self.own_views.start, self.own_views.stop), (inner, inner), measured)
        part = np.empty(self.part_shape, np.float32)
        tomography.adjoint(self._views, self._back, part, self._planes.start, self.geometry.volume[0])
        return part

    def _share(self, array: np.ndarray, planes: slice, inner: tuple[slice, slice], values: np.ndarray) -> None:
        """Put the values of all ranks into an array that is there once a node."""
        self.team.node_barrier()  # all have read what was there before
        array[(planes, *inner)] = values
        self.team.node_barrier()
        join_planes(self.team, array)

    def measured(self, views: np.ndarray) -> np.ndarray:
        """See `Projector`."""
        return np.asarray(views, np.float32)

    def views(self, measured: np.ndarray) -> np.ndarray:
        """See `Projector`."""
        return measured

    def sum_volume(self, part: np.ndarray) -> float:
        """See `Projector`."""
        return self._in_order(self._planes.start, sums_of(part))

    def sum_measured(self, measured: np.ndarray) -> float:
        """See `Projector`."""
        return self._in_order(self.own_views.start, sums_of(measured))
