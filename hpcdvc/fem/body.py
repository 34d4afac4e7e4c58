"""The mesh of a mask: what lies inside of a coarse copy of it, smoothed so that the surface has no steps."""

from dataclasses import replace

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fem.coarse import Coarse
from hpcdvc.fem.mesh import CUBE, cubes_of, lattice
from hpcdvc.fem.quality import bodies, corner_determinants, in_order, orient
from hpcdvc.fem.refine import Size, refine
from hpcdvc.fem.stuffing import stuff

#: Cells of the copy along the edge of a cube of the lattice, at least, where a cell has more than one voxel.
CELLS = 4
#: Standard deviation of the smoothing of the copy, in edges of its smallest cubes: what is smaller has no surface.
SMOOTHING = 0.25
#: A place belongs to the body where the smoothed copy is larger.
LEVEL = 0.5


def cell_factor(lc: float) -> int:
    """Voxels of a cell of the copy, for edges of a mean length `lc`, voxels."""
    return max(int(CUBE * lc / CELLS), 1)


class Body:
    """What a mask holds.

    Parameters
    ----------
    mask : copy in cells of `cell_factor` voxels: the part of each that is in the mask
    lc : mean length of the edges of tetrahedra that is aimed at, voxels
    name : of the mask, for messages
    size : lengths of edges that are wanted at (m, 3) places, where they are below lc; None: lc everywhere
    finest : the smallest of these, voxels

    Raises
    ------
    UserError
        The mask is empty.
    """

    def __init__(
        self, mask: Coarse, lc: float, name: str, size: Size | None = None, finest: float | None = None
    ) -> None:
        from scipy.ndimage import gaussian_filter

        if not mask.values.any():
            raise UserError(f"{name} is an empty mask: there is nothing to be meshed")
        self.lc, self.edge, self.name, self.shape, self.size = lc, CUBE * lc, name, mask.shape, size
        held = [np.flatnonzero(mask.values.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
        self.first = np.array([k[0] for k in held]) * mask.factor - 0.5
        self.last = np.array([k[-1] + 1 for k in held]) * mask.factor - 0.5
        sigma = SMOOTHING * CUBE * (finest or lc) / mask.factor
        self._copy = replace(mask, values=gaussian_filter(mask.values, sigma, mode="constant", truncate=3))

    def inside(self, places: np.ndarray) -> np.ndarray:
        """(m,) values at (m, 3) places, positive inside of the body and of the image."""
        held = self._copy.at(places, mode="grid-constant", cval=0.0) - LEVEL
        last = np.array(self.shape) - 1
        return np.minimum(held, np.minimum(places, last - places).min(axis=1) / self.edge)

    def mesh(self) -> tuple[np.ndarray, np.ndarray, int]:
        """Tetrahedra of its largest part.

        Returns
        -------
        points : (n, 3) float64 array, ZYX, voxels
        connectivity : (k, 4) int64 array, tetrahedra with positive volume
        left_out : number of parts that do not hang together with the largest by faces

        Raises
        ------
        UserError
            It is too small, or too thin, for edges of this length, or there would be too many nodes.
        """
        low, high = self.first - self.edge, self.last + self.edge
        cubes_of(high - low, self.lc)  # says where they are too many
        count = np.ceil((high - low) / self.edge).astype(int)
        points, cells = lattice(count)
        points = (low + high) / 2 + (points - 0.5) * count * self.edge
        if self.size is not None:
            points, cells = refine(points, orient(points, cells), self.size)
        points, cells = stuff(points, cells, self.inside)
        if not len(cells):
            raise UserError(f"{self.name}: its body is too small or too thin for edges of {self.lc:g} voxels")
        part = bodies(cells)
        volumes = np.bincount(part, np.abs(corner_determinants(points, cells)))
        points, cells = in_order(points, cells[part == volumes.argmax()])
        points = np.clip(points, 0, np.array(self.shape) - 1)  # the surface is found to a part of an edge
        return points, orient(points, cells), len(volumes) - 1
