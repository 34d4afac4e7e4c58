"""Global correlation of an ideal texture: fine, alike everywhere and in all directions, and noise of variance 1.

The image then says M_c = M, the mass matrix of the displacements. Of displacements d is measured (M + s M_reg)^-1 M d,
and the covariance of the noise is (M + s M_reg)^-1 M (M + s M_reg)^-1.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from hpcdvc.fem.quality import corner_determinants
from hpcdvc.fem.regularisation import regularisation_matrix
from hpcdvc.fem.surfaces import surface_labels

SIX = ["z_start", "z_end", "y_start", "y_end", "x_start", "x_end"]


def mass_matrix(points: np.ndarray, connectivity: np.ndarray) -> sparse.csr_matrix:
    """(3n, 3n) integrals of the products of shape functions."""
    volumes = np.abs(corner_determinants(points, connectivity)) / 6
    masses = volumes[:, None, None] / 20 * (1 + np.eye(4))
    rows, columns = np.repeat(connectivity, 4, axis=1).ravel(), np.tile(connectivity, 4).ravel()
    return sparse.kron(sparse.coo_matrix((masses.ravel(), (rows, columns))), sparse.eye(3), format="csr")


@dataclass(frozen=True)
class IdealBox:
    """A box of which the bulk is regularised, and forces on all of its faces may vary as they like."""

    points: np.ndarray
    connectivity: np.ndarray
    periods: float = 3.0

    @cached_property
    def mass(self) -> sparse.csr_matrix:
        return mass_matrix(self.points, self.connectivity)

    @cached_property
    def one_voxel(self) -> sparse.csr_matrix:
        """s M_reg for a regularisation length of one voxel."""
        free = [(label, [0, 1, 2], 0.0) for label in range(1, 7)]
        labels = surface_labels(self.points, SIX)
        matrix, v = regularisation_matrix(
            self.points, self.connectivity, xi_bulk=1.0, dirichlet=free, labels=labels, periods=self.periods
        )
        return (v.ravel() @ self.mass @ v.ravel()) * matrix

    def solve(self, xi: float, right: np.ndarray) -> np.ndarray:
        """(3n, m) displacements due to generalised forces (3n, m)."""
        whole = (self.mass + xi**4 * self.one_voxel).tocsc()
        return splu(whole, "MMD_AT_PLUS_A", 0.0, options={"SymmetricMode": True}).solve(right)

    def kept(self, xi: float, waves: np.ndarray, inside: np.ndarray) -> np.ndarray:
        """(m,) part of the amplitude of waves (n, 3, m) that is measured at nodes inside (n,)."""
        found = self.solve(xi, self.mass @ waves.reshape(len(waves) * 3, -1)).reshape(waves.shape)
        return (found * waves)[inside].sum(axis=(0, 1)) / (waves[inside] ** 2).sum(axis=(0, 1))

    @cached_property
    def middle(self) -> int:
        """The node in the middle of the box."""
        return int(np.argmin(np.linalg.norm(self.points - self.points.mean(axis=0), axis=1)))

    def deviation(self, xi: float) -> float:
        """Standard deviation of the displacements of the node in the middle, per component."""
        units = np.zeros((3 * len(self.points), 3))
        units[3 * self.middle + np.arange(3), np.arange(3)] = 1
        answers = self.solve(xi, units)
        return float(np.sqrt(np.einsum("ij,ij->", answers, self.mass @ answers) / 3))

    def deviation_in_a_lattice(self, xi: float, divisions: int = 24) -> float:
        """The same if the mesh, body-centred cubic in the box, had no end.

        There the matrices are 3 x 3 for each wave vector, and the mean is taken over all wave vectors of the lattice.
        """
        rows = 3 * self.middle + np.arange(3)
        mass, regular = (matrix[rows].toarray().reshape(3, -1, 3) for matrix in (self.mass, self.one_voxel))
        near = np.flatnonzero(np.abs(mass).sum(axis=(0, 2)) + np.abs(regular).sum(axis=(0, 2)))
        places = self.points[near] - self.points[self.middle]
        cube = 2 * np.abs(places).max(axis=1)[np.abs(places).max(axis=1) > 1e-9].min()
        steps = (np.arange(divisions) + 0.5) / divisions
        reciprocal = np.array([[1, 1, 0], [0, 1, 1], [1, 0, 1]]) / cube
        vectors = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3) @ reciprocal
        phases = np.cos(2 * np.pi * vectors @ places.T)  # the lattice is symmetric: no sines
        mass, regular = (np.einsum("qn,inj->qij", phases, matrix[:, near]) for matrix in (mass, regular))
        inverse = np.linalg.inv(mass + xi**4 * regular)
        return float(np.sqrt(np.einsum("qij,qjk,qki->q", inverse, mass, inverse).mean() / 3))
