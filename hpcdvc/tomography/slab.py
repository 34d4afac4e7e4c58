"""Planes z over ranks, for views that turn about z: what a plane has in a view is a row, and no rank needs a whole one.

Pixel (j, k) of a view lies between the planes m and m + 1; it belongs to row m. A rank that has the planes z0 to z1 - 1
has the rows z0 - 1 to z1 - 1 of all views: all that its planes give to, and get from. The first of them its neighbour
has as well, with the same bits.
"""

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.kernels import tomography
from hpcdvc.ranks.planes import own_planes, swap
from hpcdvc.tomography.geometry import Geometry
from hpcdvc.tomography.pair import Projector, sums_of

#: Views whose rows are made, and exchanged with the neighbours, at a time.
VIEWS = 64


class Slab(Projector):
    """The measured part is (n, J, rows z0 - 1 to z1 - 1), the part of the volume the planes z0 to z1 - 1.

    Rows that a view has not are 0, and rows of views that lie beyond the volume are not there. See `Projector`.

    Raises
    ------
    UserError
        The views do not turn about z.
    """

    axis = 2

    def __init__(self, geometry: Geometry, team, exact: bool = True):
        if not geometry.single_axis:
            raise UserError("views that are tilted need the whole volume: take the mode replicated instead of slab")
        super().__init__(geometry, team, exact)
        width, depth, height = geometry.volume
        self._planes = own_planes(team, height)
        self._sign = 1 if geometry.w[0, 2] > 0 else -1
        first, last = self._planes
        self.volume_slices = (slice(0, width), slice(0, depth), slice(first, last))
        self.part_shape = (width, depth, last - first)
        self.measured_shape = (len(geometry.p), geometry.shape[0], last - first + 1)
        self._ranks = team.all_gather((self._planes, self.own_views))  # of each rank

    def forward(self, part: np.ndarray) -> np.ndarray:
        """See `Projector`."""
        result = np.zeros(self.measured_shape, np.float32)
        part = np.ascontiguousarray(part)
        for i in range(0, len(result), VIEWS):
            beams = self._beams[i : i + VIEWS]
            planes = np.zeros((len(beams), result.shape[1], result.shape[2] + 1), np.float32)
            if part.size:
                inner = np.empty((*planes.shape[:2], part.shape[2]), np.float32)
                tomography.flat_forward(part, beams, inner)
                planes[:, :, 1:-1] = inner
            self._fetch_neighbours(planes)
            f = beams["fraction"].astype(np.float32)[:, None, None]
            result[i : i + VIEWS] = (1 - f) * planes[:, :, :-1] + f * planes[:, :, 1:]
        for i, rows in enumerate(result):
            there, _ = self._rows(i, self._planes[0] - 1, self._planes[1])
            rows[:, : there.start] = rows[:, there.stop :] = 0
        return result

    def _fetch_neighbours(self, planes: np.ndarray) -> None:
        """Line integrals in the planes z0 - 1 and z1, of the ranks that have them."""
        (first, last), none = self._planes, np.empty((0, planes.shape[1]), np.float32)

        def wanted(planes_of: tuple[int, int]) -> list[int]:
            low, high = planes_of
            return [low - 1, high] if high > low else []

        def outgoing(rank: int) -> np.ndarray:
            asked = [z for z in wanted(self._ranks[rank][0]) if first <= z < last]
            return np.stack([planes[:, :, z - first + 1] for z in asked]) if asked else none

        fetched = {}

        def incoming(rank: int) -> np.ndarray:
            low, high = self._ranks[rank][0]
            asked = [z for z in wanted(self._planes) if low <= z < high]
            buffer = np.empty((len(asked), *planes.shape[:2]), np.float32)
            fetched.update(zip(asked, buffer, strict=True))
            return buffer if asked else none

        swap(self.team, outgoing, incoming)
        for z, values in fetched.items():
            planes[:, :, z - first + 1] = values

    def adjoint(self, measured: np.ndarray) -> np.ndarray:
        """See `Projector`."""
        part = np.empty(self.part_shape, np.float32)
        if part.size:
            tomography.flat_adjoint(np.ascontiguousarray(measured), self._back, part)
        return part

    def measured(self, views: np.ndarray) -> np.ndarray:
        """See `Projector`."""
        result = np.empty(self.measured_shape, np.float32)

        def outgoing(rank: int) -> np.ndarray:
            first, last = self._ranks[rank][0]
            rows = np.zeros((len(views), result.shape[1], last - first + 1), np.float32)
            for to, view, i in zip(rows, views, self.own_views, strict=True):
                there, here = self._rows(i, first - 1, last)
                to[:, there] = view[:, here]
            return rows

        swap(self.team, outgoing, lambda rank: result[_slice(self._ranks[rank][1])])
        return result

    def views(self, measured: np.ndarray) -> np.ndarray:
        """See `Projector`."""
        result = np.zeros((len(self.own_views), *self.geometry.shape), np.float32)
        measured, parts = np.ascontiguousarray(measured), {}

        def incoming(rank: int) -> np.ndarray:
            first, last = self._ranks[rank][0]
            parts[first, last] = np.empty((len(result), result.shape[1], last - first + 1), np.float32)
            return parts[first, last]

        swap(self.team, lambda rank: measured[_slice(self._ranks[rank][1])], incoming)
        for (first, last), rows in parts.items():
            for view, values, i in zip(result, rows, self.own_views, strict=True):
                there, here = self._rows(i, first - 1, last)
                view[:, here] = values[:, there]
        return result

    def _rows(self, i: int, low: int, high: int) -> tuple[slice, slice]:
        """Where rows low to high - 1 of view i are among these, and where in the view: both may be empty."""
        shift, count = int(self._beams["row"][i]), self.geometry.shape[1]
        # row m is pixel k = sign (m - shift)
        least, most = (shift, shift + count) if self._sign > 0 else (shift - count + 1, shift + 1)
        first, last = max(low, least), min(high, most)
        if first >= last:
            return slice(0, 0), slice(0, 0)
        here = (self._sign * (first - shift), self._sign * (last - 1 - shift))
        end = here[1] + self._sign
        return slice(first - low, last - low), slice(here[0], None if end < 0 else end, self._sign)

    def sum_volume(self, part: np.ndarray) -> float:
        """See `Projector`."""
        return self._in_order(self._planes[0], sums_of(part.transpose(2, 0, 1)))

    def sum_measured(self, measured: np.ndarray) -> float:
        """See `Projector`."""
        first, last = self._planes
        own = measured[:, :, 0 if first == 0 and last > first else 1 :]  # the first row is the neighbour's, too
        return self._in_order(first, sums_of(own.transpose(2, 0, 1)))


def _slice(numbers: range) -> slice:
    return slice(numbers.start, numbers.stop)
