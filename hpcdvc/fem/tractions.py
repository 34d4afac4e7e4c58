"""Forces at Dirichlet surfaces as tractions, and how much they vary along the surface.

The operators act on the forces at all nodes, f = K u. docs/theory/global-dvc.md derives them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral

import numpy as np
from scipy import sparse

from hpcdvc.errors import UserError
from hpcdvc.fem.quality import check_mesh
from hpcdvc.fem.surfaces import Faces, face_labels, outer_faces


@dataclass(frozen=True)
class DirichletSurface:
    """A surface that forces act on.

    Attributes
    ----------
    label : of `surface_labels`
    dofs : degrees of freedom that they act on, 0, 1, 2 for z, y, x
    xi : regularisation length, voxels, or None
    faces : of the surface
    at : (n,) bool array, nodes of these faces, and all that have its label
    """

    label: int
    dofs: tuple[int, ...]
    xi: float | None
    faces: Faces
    at: np.ndarray

    def energy_of_waves(self, shear_modulus: float, k: float) -> float:
        """Integral of the squared gradients of the tractions of shear waves in the body, with amplitude 1 voxel.

        It is the mean over all phases, wave vectors of length k (periods per voxel) and directions of motion.
        """
        axes = list(self.dofs)
        directions = (13 + 3 * self.faces.normals[:, axes] ** 2).sum(axis=1) / 105
        return 0.5 * shear_modulus**2 * (2 * np.pi * k) ** 4 * float(self.faces.areas @ directions)


def dirichlet_surfaces(
    points: np.ndarray, connectivity: np.ndarray, labels: np.ndarray | None, dirichlet: Sequence[tuple]
) -> list[DirichletSurface]:
    """Surfaces of the argument `dirichlet` of `regularisation_matrix`, checked.

    Parameters
    ----------
    points : (n, 3) float64 array, ZYX, voxels
    connectivity : (k, 4) int64 array
    labels : (n,) array of `surface_labels`
    dirichlet : of each surface its label, degrees of freedom, and perhaps its regularisation length

    Raises
    ------
    UserError
        A label that is not there or given twice, degrees of freedom other than 0, 1, 2, a length below 0.
    """
    if not len(dirichlet):
        return []
    if labels is None or np.shape(labels) != (len(points),):
        shape = "none" if labels is None else f"labels of shape {np.shape(labels)}"
        raise UserError(f"Dirichlet surfaces need a label for each of the {len(points)} nodes: there are {shape}")
    faces, labels = outer_faces(points, connectivity), np.asarray(labels)
    of_face, surfaces, seen = face_labels(faces, labels), [], set()
    for label, dofs, *rest in dirichlet:
        xi = rest[0] if rest else None
        if not isinstance(label, Integral) or label < 1 or not (labels == label).any():
            raise UserError(
                f"{label} is no label of a surface: the nodes have {np.unique(labels[labels > 0]).tolist()}"
            )
        if label in seen:
            raise UserError(f"surface {label} is given twice in dirichlet")
        if not (of_face == label).any():
            raise UserError(f"surface {label} has {(labels == label).sum()} nodes, but no face of the mesh")
        known = [dof for dof in dofs if isinstance(dof, Integral) and 0 <= dof <= 2]
        if not len(dofs) or len(set(known)) < len(dofs):
            raise UserError(f"the degrees of freedom of surface {label} must be some of 0, 1, 2, not {list(dofs)}")
        if xi is not None and not 0 <= xi < np.inf:
            raise UserError(f"the regularisation length of surface {label} must be a number from 0 on, not {xi:g}")
        seen.add(label)
        own, at = faces.of(of_face == label), labels == label
        at[own.nodes] = True
        surfaces.append(DirichletSurface(int(label), tuple(sorted(dofs)), xi, own, at))
    return surfaces


def projection_matrices(
    points: np.ndarray, connectivity: np.ndarray, labels: np.ndarray, dirichlet: Sequence[tuple] = ()
) -> tuple[sparse.csr_matrix, list[sparse.csr_matrix], list[sparse.csr_matrix]]:
    """Which degrees of freedom belong to the bulk and to surfaces, and how forces on surfaces vary: `force_operators`.

    Mendoza et al. (2019), equations 12 to 14 and 17 to 19. The Laplace-Beltrami operators differ from theirs: they take
    forces at nodes, and measure the tractions that these stand for.

    Parameters
    ----------
    points : (n, 3) float64 array, ZYX, voxels
    connectivity : (k, 4) integer array
    labels : (n,) array of `surface_labels`
    dirichlet : of each surface on which forces act: its label and its degrees of freedom (0, 1, 2 for z, y, x) on which
        they do; more is ignored

    Returns
    -------
    bulk : (3n, 3n) diagonal matrix D_m, 1 at what belongs to no surface of `dirichlet`, 0 elsewhere
    selected : diagonal matrices D_S, 1 at the degrees of freedom of each surface
    varied : matrices L_S; f' L_S f is the integral of the squared gradient of the tractions that forces f stand for

    Raises
    ------
    UserError
        A label that is not there or given twice, degrees of freedom other than 0, 1, 2, or a mesh that `check_mesh`
        refuses.
    """
    points = np.asarray(points, float)
    connectivity = check_mesh(points, np.asarray(connectivity))
    surfaces = dirichlet_surfaces(points, connectivity, labels, [given[:2] for given in dirichlet])
    bulk, selected, varied = force_operators(points, surfaces)
    return sparse.diags(bulk, format="csr"), [sparse.diags(d, format="csr") for d in selected], varied


def force_operators(
    points: np.ndarray, surfaces: Sequence[DirichletSurface]
) -> tuple[np.ndarray, list[np.ndarray], list[sparse.csr_matrix]]:
    """What the regularisation does with the forces at the nodes.

    A degree of freedom that several Dirichlet surfaces share, on the edge between them, is that of the lowest label.

    Parameters
    ----------
    points : (n, 3) float64 array, ZYX, voxels
    surfaces : as in `dirichlet_surfaces`

    Returns
    -------
    bulk : (3n,) float64 array, 1 where forces vanish in equilibrium: inside and on free surfaces
    selected : (3n,) float64 arrays, 1 at the degrees of freedom of each surface
    varied : (3n, 3n) matrices, the Laplace-Beltrami operator of the tractions of each surface, symmetric and positive
        semi-definite. It couples two surfaces along their common edge alone
    """
    count = len(points)
    bulk, selected = np.ones((count, 3)), [np.zeros((count, 3)) for _ in surfaces]
    varied = [sparse.csr_matrix((3 * count, 3 * count)) for _ in surfaces]
    for dof in range(3):
        here = [number for number, surface in enumerate(surfaces) if dof in surface.dofs]
        here.sort(key=lambda number: surfaces[number].label)
        sharing = sum((surfaces[number].at.astype(int) for number in here), np.zeros(count, int))
        bulk[:, dof] = sharing == 0
        recovered, free, complete = [], sharing > 0, np.ones(count, bool)
        for number in here:
            faces, at = surfaces[number].faces, surfaces[number].at
            selected[number][:, dof] = free & at
            free = free & ~at
            tractions, known = _tractions(faces, sharing == 1)
            recovered.append((faces.masses(count), tractions))
            complete &= known | ~at
            variation = tractions.T @ laplace_beltrami(points, faces, known) @ tractions
            varied[number] += _on_axis(variation, dof)
        shared = (sharing > 1) & complete
        if shared.any():
            gap, squares = _gaps(recovered, shared)
            for number in here:
                weights = np.divide(selected[number][:, dof], squares, out=np.zeros(count), where=shared)
                varied[number] += _on_axis(gap.T @ sparse.diags(weights) @ gap, dof)
    return bulk.ravel(), [chosen.ravel() for chosen in selected], varied


def _gaps(
    recovered: list[tuple[np.ndarray, sparse.csr_matrix]], shared: np.ndarray
) -> tuple[sparse.csr_matrix, np.ndarray]:
    """What forces at shared nodes have more than the tractions of their surfaces, and the squared areas (n,).

    `recovered` are the areas of the nodes (n,) and the tractions of forces (n, n) of each surface.
    """
    gap, squares = sparse.diags(shared.astype(float), format="csr"), np.zeros(len(shared))
    for masses, tractions in recovered:
        gap = gap - sparse.diags(masses * shared) @ tractions
        squares += masses**2
    return gap, squares


def _on_axis(matrix: sparse.spmatrix, dof: int) -> sparse.csr_matrix:
    """(3n, 3n) of an (n, n) matrix of the nodes for one degree of freedom."""
    place = sparse.coo_matrix(([1.0], ([dof], [dof])), (3, 3))
    return sparse.kron(matrix, place, format="csr")


def _tractions(faces: Faces, alone: np.ndarray) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Tractions at the nodes of a surface from the forces at all nodes (matrix), and where they are known (n,).

    Where no other surface shares the node (`alone`), it is the force over the area of the node. Elsewhere the force is
    the sum of those of several surfaces: the traction is continued from the neighbours, as their mean.
    """
    count = len(alone)
    masses = faces.masses(count)
    known = alone & (masses > 0)
    matrix = sparse.diags(np.divide(1, masses, out=np.zeros(count), where=known), format="csr")
    starts, ends = (faces.nodes[:, order].ravel() for order in ([0, 1, 2, 1, 2, 0], [1, 2, 0, 0, 1, 2]))
    neighbours = sparse.coo_matrix((np.ones(len(starts)), (starts, ends)), (count, count)).tocsr()
    while True:
        near = neighbours @ known.astype(float)
        reached = ~known & (near > 0)
        if not reached.any():
            return matrix, known
        means = sparse.diags(np.divide(1, near, out=np.zeros(count), where=reached))
        matrix = (matrix + means @ neighbours @ matrix).tocsr()
        known = known | reached


def laplace_beltrami(points: np.ndarray, faces: Faces, known: np.ndarray) -> sparse.csr_matrix:
    """The integral of the squared gradient along a surface, of a function that is linear in each face: t' A t.

    Parameters
    ----------
    points : (n, 3) float64 array, ZYX, voxels
    faces : of the surface
    known : (n,) bool array; faces with other nodes are left out

    Returns
    -------
    (n, n) symmetric matrix
    """
    chosen = faces.of(known[faces.nodes].all(axis=1))
    corners = points[chosen.nodes]
    opposite = np.roll(corners, -2, axis=1) - np.roll(corners, -1, axis=1)
    values = np.einsum("mai,mbi->mab", opposite, opposite) / (4 * chosen.areas[:, None, None])
    rows, columns = (
        np.broadcast_to(n, values.shape).ravel() for n in (chosen.nodes[:, :, None], chosen.nodes[:, None])
    )
    return sparse.coo_matrix((values.ravel(), (rows, columns)), (len(points),) * 2).tocsr()
