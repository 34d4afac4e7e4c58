"""Where the voxels of a deformed image come from: one Phi, a field of them, or the tetrahedra of a mesh.

A mapping holds what the user gave, checked. `for_image(shape)` returns a function of the first and the last plane that
gives what the kernel needs for the layer between them. 2-D images are one plane at z = 0: only the y and x parts of a
mapping count.
"""

from collections.abc import Callable

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.kernels.deform import Mapping

SINGULAR = 1e-12  # of the volume that vectors of the same lengths can span
NODES_PER_CELL = 2.0  # of the search for neighbours
PART = 65536  # tetrahedra looked at together

#: (first plane, last plane + 1) -> what the kernel needs for them.
Layers = Callable[[int, int], Mapping]


def _planar(f: np.ndarray) -> np.ndarray:
    """The matrices with nothing but their y and x parts."""
    result = np.array(f, float)
    result[..., 0, :] = result[..., :, 0] = 0
    result[..., 0, 0] = 1
    return result


def _singular(f: np.ndarray) -> np.ndarray:
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
        if _singular(self.phi[:3, :3]) or _singular(_planar(self.phi[:3, :3])):
            raise UserError("Phi is singular: no image can be deformed by it")

    def for_image(self, shape: tuple[int, int, int]) -> Layers:
        """See the module."""
        f, t, c = self.phi[:3, :3], self.phi[:3, 3].copy(), self.centre.copy()
        if shape[0] == 1:
            f, t[0], c[0] = _planar(f), 0, 0
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

    def for_image(self, shape: tuple[int, int, int]) -> Layers:
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
        starts = np.searchsorted(cell[order], np.arange(cells.prod() + 1))
        mapping = Mapping(
            shape,
            nodes=np.ascontiguousarray(nodes[order]),
            starts=starts.astype(np.int64),
            cells=cells,
            low=low,
            cell=size,
            neighbours=min(self.neighbours, len(nodes)),
            still=self.displacement_only,
        )
        return lambda first, last: mapping

    def _nodes(self, planar: bool) -> np.ndarray:
        """(n, 15) rows y, t, F^-1 - I."""
        x, t, f = self.positions.copy(), self.phi[:, :3, 3].copy(), self.phi[:, :3, :3]
        if planar:
            x[:, 0] = t[:, 0] = 0
            f = _planar(f)
        still = np.full(len(f), self.displacement_only) | _singular(f)
        f = np.where(still[:, None, None], np.eye(3), f)
        return np.column_stack([x + t, t, (np.linalg.inv(f) - np.eye(3)).reshape(-1, 9)])


class MeshMap:
    """A mesh of tetrahedra (triangles in 2-D) with displacements at its nodes, linear in between.

    A voxel comes from where the tetrahedron of the displaced mesh that holds it puts it; where several hold it, the
    first counts. Voxels of no tetrahedron have no source. Tetrahedra that are flat, or that the displacements turn
    flat or inside out, are left out.

    Parameters
    ----------
    points : (m, 3) array, nodes in im1, ZYX, voxels
    connectivity : (k, 4) integer array, nodes of each tetrahedron in either orientation; (k, 3) triangles in 2-D
    displacements : (m, 3) array, from im1 to im2, ZYX, voxels
    grey_for_strain : divide grey values by the change of volume of their tetrahedron, as a density
    labels : integer array of the image's shape, the row of `connectivity` of each voxel of the deformed image, anything
        else where there is none; None: found here
    partition : the displaced tetrahedra do not overlap, as those of a triangulation of displaced nodes: none is left
        out for what it was before. There are many flat ones between the nodes of a grid; the change of volume of one
        that was flat or is turned inside out is that of its surroundings.

    Attributes
    ----------
    skipped : int, tetrahedra left out

    Raises
    ------
    UserError
        The arrays have other shapes, are not finite, or the connectivity names nodes that do not exist.
    """

    def __init__(
        self,
        points: np.ndarray,
        connectivity: np.ndarray,
        displacements: np.ndarray,
        grey_for_strain: bool = False,
        labels: np.ndarray | None = None,
        partition: bool = False,
    ) -> None:
        points, displacements = np.array(points, float), np.asarray(displacements, float)
        self.connectivity, self.grey_for_strain = np.asarray(connectivity), grey_for_strain
        self.partition = partition
        _check_mesh(points, self.connectivity, displacements)
        self.planar = self.connectivity.shape[1] == 3
        self.points, self.deformed = points, points + displacements
        if self.planar:
            self.points[:, 0] = self.deformed[:, 0] = 0
        parts = np.arange(0, max(len(self.connectivity), 1), PART)
        self.usable = np.concatenate([self._usable(slice(first, first + PART)) for first in parts])
        self.skipped = int((~self.usable).sum())
        self.gain = self._gain(parts) if grey_for_strain else np.ones(len(self.connectivity))
        self.labels = None if labels is None else self._rows(np.asarray(labels))

    def _rows(self, labels: np.ndarray) -> np.ndarray:
        """The labels as the kernel takes them: -1 where there is no tetrahedron."""
        if labels.dtype.kind not in "iu":
            raise UserError(f"the labels of tetrahedra are of type {labels.dtype}, integers are needed")
        row = np.append(np.where(self.usable, np.arange(len(self.usable)), -1), -1).astype(np.int32)
        known = (labels >= 0) & (labels < len(self.usable))
        return row[np.where(known, labels, len(self.usable)).astype(np.int64)]

    def _edges(self, at: np.ndarray, which) -> np.ndarray:
        """(k, 3, 3) matrices whose columns lead from the first node to the others; a triangle's first is unit z."""
        corners = at[self.connectivity[which]]
        edges = np.swapaxes(corners[:, 1:] - corners[:, :1], 1, 2)
        if not self.planar:
            return edges
        return np.concatenate([np.broadcast_to([[1.0], [0], [0]], (len(edges), 3, 1)), edges], axis=2)

    def _usable(self, which: slice) -> np.ndarray:
        solid = ~_singular(np.swapaxes(self._edges(self.deformed, which), 1, 2))
        return solid if self.partition else solid & self._upright(which)

    def _gain(self, parts: np.ndarray) -> np.ndarray:
        """(k,) volume before / volume after; where there is no volume to compare, the mean of those at the corners."""
        cells = [slice(first, first + PART) for first in parts]
        upright = np.concatenate([self._upright(which) for which in cells])
        before, after = (
            np.where(upright, np.concatenate([np.abs(np.linalg.det(self._edges(at, which))) for which in cells]), 0)
            for at in (self.points, self.deformed)
        )
        corners = self.connectivity.ravel()
        around = [np.bincount(corners, np.repeat(v, self.connectivity.shape[1])) for v in (before, after)]
        with np.errstate(invalid="ignore", divide="ignore"):
            at_nodes = np.where(around[1] > 0, around[0] / around[1], 1)
            return np.where(upright, before / after, at_nodes[self.connectivity].mean(axis=1))

    def _upright(self, which) -> np.ndarray:
        """Which of them neither were flat nor are turned inside out."""
        reference, deformed = self._edges(self.points, which), self._edges(self.deformed, which)
        solid = ~_singular(np.swapaxes(reference, 1, 2))
        return solid & (np.linalg.det(reference) * np.linalg.det(deformed) > 0)

    def for_image(self, shape: tuple[int, int, int]) -> Layers:
        """See the module.

        Raises
        ------
        UserError
            Triangles for a 3-D image or tetrahedra for a 2-D one, or labels of another shape.
        """
        if self.planar != (shape[0] == 1):
            raise UserError("triangles deform 2-D images and tetrahedra deform 3-D images, not the reverse")
        if self.labels is not None:
            if self.labels.shape != shape:
                raise UserError(f"the labels of tetrahedra have shape {self.labels.shape}, the image {shape}")
            labelled = Mapping(shape, tetrahedra=self._table(slice(None)), labels=self.labels)
            return lambda first, last: labelled
        z = self.deformed[self.connectivity, 0]
        low, high = z.min(axis=1, initial=np.inf), z.max(axis=1, initial=-np.inf)

        def layer(first: int, last: int) -> Mapping:
            touching = np.flatnonzero(self.usable & (low <= last) & (high >= first - 1))
            return Mapping(shape, tetrahedra=self._table(touching))

        return layer

    def _table(self, which) -> np.ndarray:
        """(k, 31) rows: first displaced node, barycentric rows, affine map to the sources, gain, displaced extent."""
        reference, deformed = self._edges(self.points, which), self._edges(self.deformed, which)
        usable, corners = self.usable[which], self.deformed[self.connectivity[which]]
        inverse = np.linalg.inv(np.where(usable[:, None, None], deformed, np.eye(3)))
        start = self.points[self.connectivity[which, 0]]
        affine = np.concatenate([reference @ inverse, start[:, :, None]], axis=2)
        low, high = corners.min(axis=1), corners.max(axis=1)
        return np.column_stack(
            [corners[:, 0], inverse.reshape(-1, 9), affine.reshape(-1, 12), self.gain[which], low, high]
        )


def _check_mesh(points: np.ndarray, connectivity: np.ndarray, displacements: np.ndarray) -> None:
    if points.ndim != 2 or points.shape[1] != 3 or displacements.shape != points.shape:
        raise UserError(
            f"points of shape {points.shape} and displacements of shape {displacements.shape}: "
            "two arrays of shape (m, 3) are needed"
        )
    if connectivity.ndim != 2 or connectivity.shape[1] not in (3, 4) or connectivity.dtype.kind not in "iu":
        raise UserError(
            f"a connectivity of shape {connectivity.shape} and type {connectivity.dtype}: integers of shape (k, 4), "
            "in 2-D (k, 3), are needed"
        )
    if connectivity.size and not (connectivity.min() >= 0 and connectivity.max() < len(points)):
        raise UserError(
            f"the connectivity names nodes from {connectivity.min()} to {connectivity.max()}, there are {len(points)}"
        )
    used = np.unique(connectivity)
    if not (np.isfinite(points[used]).all() and np.isfinite(displacements[used]).all()):
        raise UserError("a node of the mesh has a position or a displacement that is not finite")
