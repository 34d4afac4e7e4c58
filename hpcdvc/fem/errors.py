"""Standard deviations of the displacements of nodes, from the equations and the noise of the residual."""

import numpy as np

from hpcdvc.fem.pattern import UPPER
from hpcdvc.fem.solve import Solver
from hpcdvc.fem.system import System

#: How well the equations are solved for it.
TOLERANCE = 0.05


def standard_deviations(
    solver: Solver,
    system: System | None,
    element_sums: np.ndarray | None,
    connectivity: np.ndarray,
    noise_variance: float,
    probes: int = 32,
) -> np.ndarray | None:
    """Roots of the diagonal of A^-1 M_c A^-1 times the variance of the noise, estimated. Collective.

    White noise in the residual makes right-hand sides of covariance M_c; such ones are drawn element by element.

    Parameters
    ----------
    solver : of the system
    system, element_sums : A and the (k, 78) upper triangles that M_c is made of; on rank 0
    connectivity : (k, 4)
    noise_variance : of the residual of a voxel
    probes : right-hand sides that are drawn

    Returns
    -------
    (n, 3) voxels, on rank 0; None elsewhere
    """
    squares, roots = 0.0, None
    if system is not None:
        full = np.zeros((len(element_sums), 12, 12))
        full[:, UPPER[0], UPPER[1]] = full[:, UPPER[1], UPPER[0]] = element_sums
        values, vectors = np.linalg.eigh(full)
        roots = vectors * np.sqrt(np.maximum(values, 0))[:, None]
        dofs = (3 * connectivity[:, :, None] + np.arange(3)).ravel()
    for seed in range(probes):
        rhs = None
        if system is not None:
            drawn = np.random.default_rng([32, seed]).standard_normal((len(roots), 12, 1))
            rhs = np.bincount(dofs, (roots @ drawn).ravel(), system.matrix.shape[0])
        solution = solver.solve(rhs, TOLERANCE)
        squares = squares if solution is None else squares + solution.x**2
    return None if system is None else np.sqrt(noise_variance * squares / probes).reshape(-1, 3)
