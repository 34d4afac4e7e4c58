"""Where the voxels of a deformed image come from: one Phi, a field of them, or the tetrahedra of a mesh.

A mapping holds what the user gave, checked; `tables(planar)` gives the arrays that the kernel reads. Planar is a 2-D
image, one plane at z = 0: only the y and x parts of the mapping count.
"""

import numpy as np

from hpcdvc.errors import UserError

SINGULAR = 1e-12  # of the largest volume that vectors of the same length can span
CELL_NODES = 2.0  # nodes per cell of the neighbour search


def _planar(f: np.ndarray) -> np.ndarray:
    """The matrices with nothing but their y and x parts."""
    result = np.array(f, float)
    result[..., 0, :] = result[..., :, 0] = 0
    result[..., 0, 0] = 1
    return result


def singular(f: np.ndarray) -> np.ndarray:
    """Which of the (..., 3, 3) matrices have no inverse worth the name."""
    lengths = np.linalg.norm(f, axis=-1).prod(axis=-1)
    return ~(np.abs(np.linalg.det(f)) > SINGULAR * lengths)


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

    def __init__(self, phi: np.ndarray, centre: np.ndarray):
        self.phi, self.centre = np.array(phi, float), np.array(centre, float)
        if self.phi.shape != (4, 4):
            raise UserError(f"Phi has shape {self.phi.shape}, a 4 x 4 array is needed")
        if self.centre.shape != (3,):
            raise UserError(f"the centre of Phi has shape {self.centre.shape}, three coordinates ZYX are needed")
        if not (np.isfinite(self.phi).all() and np.isfinite(self.centre).all()):
            raise UserError("Phi or its centre is not finite: no image can be deformed by it")
        if singular(self.phi[:3, :3]):
            raise UserError("Phi is singular: no image can be deformed by it")

    def tables(self, planar: bool) -> dict:
        """affine : (3, 4) array: source = affine[:, :3] p + affine[:, 3]."""
        f, t, c = self.phi[:3, :3], self.phi[:3, 3].copy(), self.centre.copy()
        if planar:
            f, t[0], c[0] = _planar(f), 0, 0
            if singular(f):
                raise UserError("the y and x parts of Phi are singular: no 2-D image can be deformed by it")
        inverse = np.linalg.inv(f)
        return {"affine": np.column_stack([inverse, c - inverse @ (c + t)])}


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

    def __init__(self, positions: np.ndarray, phi: np.ndarray, neighbours: int = 8, displacement_only: bool = False):
        positions, phi = np.array(positions, float), np.array(phi, float)
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

    def tables(self, planar: bool) -> dict:
        """nodes : (n, 15) array: y_i, t_i, F_i^-1 - I."""
        x, t, f = self.positions.copy(), self.phi[:, :3, 3].copy(), self.phi[:, :3, :3]
        if planar:
            x[:, 0] = t[:, 0] = 0
            f = _planar(f)
        keep = np.full(len(f), self.displacement_only) | singular(f)
        inverse = np.linalg.inv(np.where(keep[:, None, None], np.eye(3), f))
        nodes = np.column_stack([x + t, t, (inverse - np.eye(3)).reshape(-1, 9)])
        return {"nodes": nodes, "neighbours": self.neighbours}


class MeshMap:
    """A mesh of tetrahedra (triangles in 2-D) with displacements at its nodes, linear in between.

    A voxel comes from where the tetrahedron of the displaced mesh that holds it puts it; where several hold it, the
    first counts. Voxels of no tetrahedron have no source. Tetrahedra turned inside out or flat by the displacements
    are left out; `skipped` counts them once a `Deformation` is made.

    Parameters
    ----------
    points : (m, 3) array, nodes in im1, ZYX, voxels
    connectivity : (k, 4) integer array, nodes of each tetrahedron in either orientation; (k, 3) triangles in 2-D
    displacements : (m, 3) array, from im1 to im2, ZYX, voxels
    grey_for_strain : divide grey values by the change of volume of their tetrahedron, as a density
    labels : integer array of the image's shape, the row of `connectivity` of each voxel of the deformed image, anything
        else where there is none; None: found here

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
    ):
        self.points, self.displacements = np.array(points, float), np.array(displacements, float)
        self.connectivity, self.grey_for_strain, self.labels = np.asarray(connectivity), grey_for_strain, labels
        self.skipped = 0
        n = self.points.shape[0] if self.points.ndim else 0
        if self.points.shape != (n, 3) or self.displacements.shape != (n, 3):
            raise UserError(
                f"points of shape {self.points.shape} and displacements of shape {self.displacements.shape}: "
                "two arrays of shape (m, 3) are needed"
            )
        shape = self.connectivity.shape
        if len(shape) != 2 or shape[1] not in (3, 4) or self.connectivity.dtype.kind not in "iu":
            raise UserError(
                f"connectivity of shape {shape} and type {self.connectivity.dtype}: "
                "integers of shape (k, 4), or (k, 3) in 2-D, are needed"
            )
        if shape[0] and not (0 <= self.connectivity.min() and self.connectivity.max() < n):
            raise UserError(
                f"the connectivity names nodes from {self.connectivity.min()} to "
                f"{self.connectivity.max()}, there are {n}"
            )
        used = np.unique(self.connectivity)
        if not (np.isfinite(self.points[used]).all() and np.isfinite(self.displacements[used]).all()):
            raise UserError("points or displacements of the mesh are not finite")
        if labels is not None and labels.dtype.kind not in "iu":
            raise UserError(f"labels of tetrahedra are integers, not {labels.dtype}")

    def _edges(self, at: np.ndarray, planar: bool) -> np.ndarray:
        """(k, 3, 3) matrices whose columns lead from the first node to the others; in 2-D the first is unit z."""
        corners = at[self.connectivity]
        edges = np.swapaxes(corners[:, 1:] - corners[:, :1], 1, 2)
        if not planar:
            return edges
        result = np.zeros((len(edges), 3, 3))
        result[:, 0, 0], result[:, 1:, 1:] = 1, edges[:, 1:]
        return result

    def tables(self, planar: bool) -> dict:
        """Of the tetrahedra in use: origin (first displaced node), inverse (barycentric rows), affine, ratio, box."""
        if (self.connectivity.shape[1] == 3) != planar:
            raise UserError("triangles deform 2-D images and tetrahedra deform 3-D images, not the reverse")
        deformed = self.points + self.displacements
        if planar:
            deformed[:, 0] = 0
        reference, edges = self._edges(self.points, planar), self._edges(deformed, planar)
        volume, before = np.linalg.det(edges), np.linalg.det(reference)
        size = np.linalg.norm(edges, axis=1).prod(axis=1)
        usable = (volume * np.sign(before) > SINGULAR * size) & ~singular(np.swapaxes(reference, 1, 2))
        self.skipped = int((~usable).sum())
        inverse = np.linalg.inv(np.where(usable[:, None, None], edges, np.eye(3)))
        f = reference @ inverse
        origin = deformed[self.connectivity[:, 0]]
        start = self.points[self.connectivity[:, 0]] * [not planar, 1, 1]
        ratio = np.where(usable, volume / np.where(before == 0, 1, before), 1)
        return {
            "usable": usable,
            "origin": origin,
            "inverse": inverse,
            "affine": np.concatenate([f, start[:, :, None]], axis=2),
            "ratio": ratio if self.grey_for_strain else np.ones_like(ratio),
            "corners": deformed[self.connectivity],
        }
