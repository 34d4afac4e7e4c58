"""Where the voxels of a deformed image come from: one Phi, or a field of them. `meshes` has the third kind.

A mapping holds what the user gave, checked. `prepared(shape)` makes the tables for an image, on one rank; what it
returns can be shared by the ranks of a node. Its `for_image(shape)` returns a function of the first and the last plane
that gives what the kernel needs for the layer between them. 2-D images are one plane at z = 0: only the y and x parts
of a mapping count.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.kernels.mapping import Mapping

SINGULAR = 1e-12  # of the volume that vectors of the same lengths can span
NODES_PER_CELL = 2.0  # of the search for neighbours

#: (first plane, last plane + 1) -> what the kernel needs for them.
Layers = Callable[[int, int], Mapping]


def planar_part(f: np.ndarray) -> np.ndarray:
    """The matrices with nothing but their y and x parts."""
    result = np.array(f, float)
    result[..., 0, :] = result[..., :, 0] = 0
    result[..., 0, 0] = 1
    return result


def singular(f: np.ndarray) -> np.ndarray:
    """Which of the (..., 3, 3) matrices have no inverse worth the name."""
    return ~(np.abs(np.linalg.det(f)) > SINGULAR * np.linalg.norm(f, axis=-1).prod(axis=-1))


class PhiMap:
    """One deformation function: source = c + F^-1 (p - c - t).

    Parameters
    ----------
    phi : (4, 4) array, from im1 to im2, ZYX
    centre : (3,) array, ZYX, voxels; the point about which Phi is given

    Raises
    ------
    UserError
        Phi or its centre has another shape, is not finite, or has no inverse.
    """

    def __init__(self, phi: np.ndarray, centre: np.ndarray) -> None:
        self.phi, self.centre = np.array(phi, float), np.array(centre, float)
        if self.phi.shape != (4, 4):
            raise UserError(f"Phi has shape {self.phi.shape}, a 4 x 4 array is needed")
        if self.centre.shape != (3,):
            raise UserError(f"the centre of Phi has shape {self.centre.shape}, three coordinates ZYX are needed")
        if not (np.isfinite(self.phi).all() and np.isfinite(self.centre).all()):
            raise UserError("Phi or its centre is not finite: no image can be deformed by it")
        if singular(self.phi[:3, :3]) or singular(planar_part(self.phi[:3, :3])):
            raise UserError("Phi is singular: no image can be deformed by it")

    def prepared(self, shape: tuple[int, int, int]) -> "PhiMap":
        """See the module."""
        return self

    def for_image(self, shape: tuple[int, int, int]) -> Layers:
        """See the module."""
        f, t, c = self.phi[:3, :3], self.phi[:3, 3].copy(), self.centre.copy()
        if shape[0] == 1:
            f, t[0], c[0] = planar_part(f), 0, 0
        inverse = np.linalg.inv(f)
        mapping = Mapping(shape, affine=np.column_stack([inverse, c - inverse @ (c + t)]))
        return lambda first, last: mapping


class NeighbourMap:
    """A field of deformation functions, averaged at every voxel over the nearest displaced nodes.

    source = p + sum w_i ((F_i^-1 - I)(p - y_i) - t_i) / sum w_i, where y_i = x_i + t_i, w_i = 1 / (d_i + 1e-6) and d_i
    is the distance from p to y_i: every node applies the inverse of its own Phi. Nodes as far away as the last
    neighbour count too. Nodes with a Phi that is not finite are left out; those with a singular F give their
    displacement only.

    Parameters
    ----------
    positions : (n, 3) array, nodes in im1, ZYX, voxels
    phi : (n, 4, 4) array, from im1 to im2
    neighbours : number of nearest nodes; all of them if there are fewer
    displacement_only : F = I: source = p - sum w_i t_i / sum w_i

    Raises
    ------
    UserError
        The arrays have other shapes, no node has a finite Phi, or `neighbours` is not positive.
    """

    def __init__(
        self, positions: np.ndarray, phi: np.ndarray, neighbours: int = 8, displacement_only: bool = False
    ) -> None:
        positions, phi = np.asarray(positions, float), np.asarray(phi, float)
        if positions.ndim != 2 or positions.shape[1] != 3 or phi.shape != (len(positions), 4, 4):
            raise UserError(
                f"positions of shape {positions.shape} and Phi of shape {phi.shape}: (n, 3) and (n, 4, 4) are needed"
            )
        if neighbours < 1:
            raise UserError(f"{neighbours} neighbours: at least one is needed")
        usable = np.isfinite(phi).all(axis=(1, 2)) & np.isfinite(positions).all(axis=1)
        if not usable.any():
            raise UserError(f"none of the {len(positions)} points of the field has a finite Phi")
        self.positions, self.phi = positions[usable], phi[usable]
        self.neighbours, self.displacement_only = int(neighbours), displacement_only

    def prepared(self, shape: tuple[int, int, int]) -> "NodeTables":
        """See the module."""
        nodes = self._nodes(shape[0] == 1)
        ends = np.array(shape) - 1.0
        low, high = np.clip(nodes[:, :3].min(axis=0), 0, ends), np.clip(nodes[:, :3].max(axis=0), 0, ends)
        size = max(np.cbrt(np.maximum(high - low, 1).prod() * NODES_PER_CELL / len(nodes)), 1.0)
        cells = ((high - low) // size).astype(np.int64) + 1
        # nodes outside count to the outermost cells, which reach as far as they lie
        place = np.clip((nodes[:, :3] - low) // size, 0, cells - 1).astype(np.int64)
        cell = (place[:, 0] * cells[1] + place[:, 1]) * cells[2] + place[:, 2]
        order = np.argsort(cell, kind="stable")
        starts = np.searchsorted(cell[order], np.arange(cells.prod() + 1)).astype(np.int64)
        neighbours = min(self.neighbours, len(nodes))
        return NodeTables(nodes[order], starts, cells, low, size, neighbours, self.displacement_only)

    def _nodes(self, planar: bool) -> np.ndarray:
        """(n, 15) rows y, t, F^-1 - I."""
        x, t, f = self.positions.copy(), self.phi[:, :3, 3].copy(), self.phi[:, :3, :3]
        if planar:
            x[:, 0] = t[:, 0] = 0
            f = planar_part(f)
        undeformed = np.full(len(f), self.displacement_only) | singular(f)
        f = np.where(undeformed[:, None, None], np.eye(3), f)
        return np.column_stack([x + t, t, (np.linalg.inv(f) - np.eye(3)).reshape(-1, 9)])


@dataclass(frozen=True)
class NodeTables:
    """The nodes of a `NeighbourMap`, sorted into the cells of a grid for the search.

    Attributes
    ----------
    nodes : (n, 15) rows y, t, F^-1 - I, cell by cell
    starts : (cells + 1,) row of the first node of each cell
    cells : (3,) number of cells ZYX
    low, cell : where the first cell begins, and the side of all, voxels
    neighbours : number of nearest nodes
    displacement_only : F = I
    """

    nodes: np.ndarray
    starts: np.ndarray
    cells: np.ndarray
    low: np.ndarray
    cell: float
    neighbours: int
    displacement_only: bool

    def prepared(self, shape: tuple[int, int, int]) -> "NodeTables":
        """See the module."""
        return self

    def for_image(self, shape: tuple[int, int, int]) -> Layers:
        """See the module."""
        mapping = Mapping(
            shape,
            nodes=self.nodes,
            starts=self.starts,
            cells=self.cells,
            low=self.low,
            cell=self.cell,
            neighbours=self.neighbours,
            displacement_only=self.displacement_only,
        )
        return lambda first, last: mapping
