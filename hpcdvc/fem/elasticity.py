"""Forces at the nodes of a mesh that isotropic linear elasticity asks for: the stiffness of P1 tetrahedra."""

import numpy as np
from scipy import sparse

from hpcdvc.errors import UserError
from hpcdvc.fem.pattern import UPPER, Pattern
from hpcdvc.fem.quality import corner_determinants
from hpcdvc.fields.cells import shape_gradients


def lame_constants(young: float, poisson: float) -> tuple[float, float]:
    """Lambda and the shear modulus mu, in the unit of the Young modulus.

    Parameters
    ----------
    young : modulus, positive
    poisson : ratio, between -1 and 0.5

    Raises
    ------
    UserError
        There is no such material.
    """
    if not 0 < young < np.inf:
        raise UserError(f"the Young modulus must be a positive number, not {young:g}")
    if not -1 < poisson < 0.5:
        raise UserError(f"the Poisson ratio must lie between -1 and 0.5, not be {poisson:g}")
    return young * poisson / ((1 + poisson) * (1 - 2 * poisson)), young / (2 * (1 + poisson))


def element_stiffness(points: np.ndarray, connectivity: np.ndarray, young: float, poisson: float) -> np.ndarray:
    """Stiffness of each tetrahedron.

    With the gradients g_a of the shape functions and the volume V, the force along i at corner a due to a displacement
    along j of corner b is V (lambda g_ai g_bj + mu g_aj g_bi + mu delta_ij g_a . g_b).

    Parameters
    ----------
    points : (n, 3) float64 array, ZYX, voxels
    connectivity : (k, 4) integer array
    young, poisson : of the material

    Returns
    -------
    (k, 78) float64 array, upper triangles of the symmetric 12 x 12 row by row, index 3 a + i: `UPPER`

    Raises
    ------
    UserError
        There is no such material.
    """
    lam, mu = lame_constants(young, poisson)
    g = np.ascontiguousarray(np.moveaxis(shape_gradients(points, connectivity), 0, 2))
    volumes = np.abs(corner_determinants(points, connectivity)) / 6
    products = np.einsum("aik,bik->abk", g, g)
    stiffness = np.empty((len(UPPER[0]), len(connectivity)))
    for place, (row, column) in enumerate(zip(*UPPER, strict=True)):
        (a, i), (b, j) = divmod(row, 3), divmod(column, 3)
        terms = lam * g[a, i] * g[b, j] + mu * g[a, j] * g[b, i]
        if i == j:
            terms += mu * products[a, b]
        stiffness[place] = volumes * terms
    return stiffness.T


def stiffness_matrix(
    points: np.ndarray, connectivity: np.ndarray, young: float = 1.0, poisson: float = 0.25, voxel_size: float = 1.0
) -> sparse.csr_matrix:
    """Stiffness K of a mesh: K u are the forces at the nodes that hold it in the displacements u.

    Parameters
    ----------
    points : (n, 3) float64 array, ZYX, voxels
    connectivity : (k, 4) integer array
    young, poisson : of the material
    voxel_size : edge of a voxel in the unit of length of the Young modulus, which becomes a force per voxel squared

    Returns
    -------
    (3n, 3n) symmetric matrix, force per voxel, index 3 node + axis (ZYX)

    Raises
    ------
    UserError
        There is no such material.
    """
    upper = element_stiffness(points, connectivity, young * voxel_size**2, poisson)
    return Pattern(connectivity, len(points)).matrix(upper).tocsr()
