"""Where the voxels of a deformed image come from: the cells of a mesh with displacements at its nodes."""

from dataclasses import dataclass

import numpy as np

from hpcdvc.deformation.mappings import Layers, singular
from hpcdvc.errors import UserError
from hpcdvc.kernels.mapping import Mapping

PART = 65536  # tetrahedra looked at together


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
        solid = ~singular(np.swapaxes(self._edges(self.deformed, which), 1, 2))
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
        solid = ~singular(np.swapaxes(reference, 1, 2))
        return solid & (np.linalg.det(reference) * np.linalg.det(deformed) > 0)

    def prepared(self, shape: tuple[int, int, int]) -> "MeshLayers":
        """See `hpcdvc.deformation.mappings`.

        Raises
        ------
        UserError
            Triangles for a 3-D image or tetrahedra for a 2-D one, or labels of another shape.
        """
        if self.planar != (shape[0] == 1):
            raise UserError("triangles deform 2-D images and tetrahedra deform 3-D images, not the reverse")
        if self.labels is not None and self.labels.shape != shape:
            raise UserError(f"the labels of tetrahedra have shape {self.labels.shape}, the image {shape}")
        z = self.deformed[self.connectivity, 0]
        return MeshLayers(self, z.min(axis=1, initial=np.inf), z.max(axis=1, initial=-np.inf))

    def table(self, which: slice | np.ndarray) -> np.ndarray:
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


@dataclass(frozen=True)
class MeshLayers:
    """A mesh, and which of its displaced cells meet a layer of planes.

    Attributes
    ----------
    mesh : MeshMap
    low, high : (k,) extent in z of each displaced cell, voxels
    """

    mesh: MeshMap
    low: np.ndarray
    high: np.ndarray

    def prepared(self, shape: tuple[int, int, int]) -> "MeshLayers":
        """See `hpcdvc.deformation.mappings`."""
        return self

    def for_image(self, shape: tuple[int, int, int]) -> Layers:
        """See `hpcdvc.deformation.mappings`."""
        if self.mesh.labels is not None:
            labelled = Mapping(shape, tetrahedra=self.mesh.table(slice(None)), labels=self.mesh.labels)
            return lambda first, last: labelled

        def layer(first: int, last: int) -> Mapping:
            touching = np.flatnonzero(self.mesh.usable & (self.low <= last) & (self.high >= first - 1))
            return Mapping(shape, tetrahedra=self.mesh.table(touching))

        return layer


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
