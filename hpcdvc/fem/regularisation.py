"""Mechanical regularisation of a global correlation: what departs from the equilibrium of an elastic body is punished.

A. Mendoza, J. Neggers, F. Hild, S. Roux (2019), Complete mechanical regularization applied to digital image and volume
correlation, Computer Methods in Applied Mechanics and Engineering 355, 27-43,
https://doi.org/10.1016/j.cma.2019.06.005. What is taken from there and what is not: docs/theory/global-dvc.md.
"""

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import LinearOperator

from hpcdvc.errors import UserError
from hpcdvc.fem.elasticity import lame_constants, stiffness_matrix
from hpcdvc.fem.quality import check_mesh, edge_lengths
from hpcdvc.fem.tractions import dirichlet_surfaces, force_operators

#: Unknowns up to which the matrix is multiplied out; with some 200 numbers in a row it takes 240 MB there.
MOST_MULTIPLIED = 100_000
#: Smallest mean square of the test field at the nodes, of which a wave that they resolve has 1/2.
RESOLVED = 0.05


class RegularisationOperator(LinearOperator):
    """M_reg = K (weight D + L) K, applied factor by factor.

    Attributes
    ----------
    K : (3n, 3n) CSR matrix, stiffness of the body, symmetric
    D : (3n,) array, 1 at the degrees of freedom of the bulk and of free surfaces, which are in equilibrium, else 0
    weight : of their forces, (xi k)^4 / E_m
    L : (3n, 3n) CSR matrix, of the forces at Dirichlet surfaces, symmetric, positive semi-definite, weights included;
        None without such surfaces
    """

    def __init__(self, K: sparse.csr_matrix, D: np.ndarray, weight: float, L: sparse.csr_matrix | None):
        super().__init__(K.dtype, K.shape)
        self.K, self.D, self.weight, self.L = K, D, weight, L

    def of_forces(self) -> sparse.csr_matrix:
        """The matrix between the two K."""
        bulk = sparse.diags(self.weight * self.D, format="csr")
        return bulk if self.L is None else (bulk + self.L).tocsr()

    def multiplied_out(self) -> "RegularisationMatrix":
        """As a CSR matrix, with the same attributes."""
        matrix = RegularisationMatrix(self.K @ (self.of_forces() @ self.K))
        matrix.K, matrix.D, matrix.weight, matrix.L = self.K, self.D, self.weight, self.L
        return matrix

    def _matmat(self, x: np.ndarray) -> np.ndarray:
        forces = self.K @ x
        weighted = self.weight * self.D[:, None] * forces
        return self.K @ (weighted if self.L is None else weighted + self.L @ forces)

    def _adjoint(self) -> "RegularisationOperator":
        return self


class RegularisationMatrix(sparse.csr_matrix):
    """M_reg multiplied out, with the attributes of `RegularisationOperator`."""


def isochoric_field(points: np.ndarray, periods: float = 3) -> tuple[float, np.ndarray]:
    """Shear wave along the longest side of a body, whose regularisation is one: Mendoza et al. (2019), equation 25.

    Parameters
    ----------
    points : (n, 3) float64 array, ZYX, voxels
    periods : along the longest side, the first of those that are equal

    Returns
    -------
    k : wave number, periods per voxel
    v : (n, 3) float64 array, sqrt(1/2) sin(2 pi k x) along both axes across the longest side, voxels

    Raises
    ------
    UserError
        `periods` is not a positive number, or the points have no size.
    """
    lengths = np.ptp(points, axis=0)
    axis = int(np.argmax(lengths))
    if not 0 < periods < np.inf:
        raise UserError(f"the periods of the test field must be a positive number, not {periods:g}")
    if not lengths[axis] > 0:
        raise UserError("the nodes of the mesh lie all in one point")
    k = float(periods / lengths[axis])
    v = np.tile(np.sqrt(0.5) * np.sin(2 * np.pi * k * points[:, axis, None]), 3)
    v[:, axis] = 0
    return k, v


def regularisation_matrix(
    points: np.ndarray,
    connectivity: np.ndarray,
    young: float = 1.0,
    poisson: float = 0.25,
    voxel_size: float = 1.0,
    xi_bulk: float | None = None,
    dirichlet: Sequence[tuple[int, Sequence[int], float | None]] = (),
    labels: np.ndarray | None = None,
    periods: float = 3,
) -> tuple[RegularisationMatrix | RegularisationOperator, np.ndarray]:
    """Regularisation of a global correlation, and the test field that it is normalised by.

    The correlation solves (M_c + s M_reg) du = b - s M_reg u with s = v' M_c v: a wave weighs (xi / wavelength)^4
    against the image. No forces act on free (Neumann) surfaces; to prescribe forces there is not implemented, so that
    neither the Young modulus nor the voxel size changes the result.

    Parameters
    ----------
    points : (n, 3) float64 array, ZYX, voxels
    connectivity : (k, 4) integer array
    young, poisson : of the material
    voxel_size : edge of a voxel in the unit of length of the Young modulus
    xi_bulk : regularisation length of the bulk and the free surfaces, voxels; None: the mean length of the edges
    dirichlet : of each surface on which forces act: its label, its degrees of freedom (0, 1, 2 for z, y, x) on which
        they do, and its regularisation length, voxels, or None
    labels : (n,) array of `surface_labels`, needed with `dirichlet`
    periods : of the test field, see `isochoric_field`

    Returns
    -------
    matrix : (3n, 3n) CSR matrix up to 10^5 unknowns, above that a `LinearOperator`; both have the attributes of
        `RegularisationOperator`
    v : (n, 3) float64 array, the test field

    Raises
    ------
    UserError
        No such material or surface, a length below 0, a mesh that `check_mesh` refuses or is too coarse for the test
        field.
    """
    points = np.asarray(points, float)
    connectivity = check_mesh(points, np.asarray(connectivity))
    k, v = isochoric_field(points, periods)
    if np.mean(np.sum(v**2, axis=1)) < RESOLVED:
        raise UserError(f"the mesh is too coarse for {periods:g} periods of the test field, which is zero at its nodes")
    if not 0 < voxel_size < np.inf:
        raise UserError(f"the size of a voxel must be a positive number, not {voxel_size:g}")
    if xi_bulk is not None and not 0 <= xi_bulk < np.inf:
        raise UserError(f"the regularisation length of the bulk must be a number from 0 on, not {xi_bulk:g}")
    shear_modulus = lame_constants(young, poisson)[1] * voxel_size**2
    surfaces = dirichlet_surfaces(points, connectivity, labels, dirichlet)
    D, _, varied = force_operators(points, surfaces)
    stiffness = stiffness_matrix(points, connectivity, young, poisson, voxel_size)
    energy = np.sum((D * (stiffness @ v.ravel())) ** 2)
    if not energy > 0:
        raise UserError("all nodes of the mesh lie on Dirichlet surfaces: nothing is left of the bulk")

    edge = edge_lengths(points, connectivity).mean()
    weights = [
        ((edge if surface.xi is None else surface.xi) * k) ** 4 / surface.energy_of_waves(shear_modulus, k)
        for surface in surfaces
    ]
    L = sum(weight * matrix for weight, matrix in zip(weights, varied, strict=True)) if surfaces else None
    weight = ((edge if xi_bulk is None else xi_bulk) * k) ** 4 / energy
    operator = RegularisationOperator(stiffness, D, weight, L)
    return (operator.multiplied_out() if v.size <= MOST_MULTIPLIED else operator), v
