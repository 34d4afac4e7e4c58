"""Standard deviations of the displacements of nodes, from the equations and the noise of the residual.

A solution of A u = b, with A = M_c + s M_reg, hears of the noise by b alone: b = sum N_a grad f r over the voxels.
White noise in the residual r, of variance sigma^2 in each element, gives b the covariance C = sum sigma^2 N_a N_b
grad f grad f^T, and so u

    A^-1 C A^-1,

which is sigma^2 M_c^-1 without regularisation where sigma is the same everywhere. With it the displacements are also
drawn towards those of the elastic body; that departure does not scatter, and is not in the standard deviation. Nor is
the noise of grad f, which makes M_c larger and the displacements smaller.

The diagonal is the mean of x^2 over solutions of A x = z, where the z have the covariance C: random numbers of each
element, times the Cholesky factor of its part of C. N of them give it with a relative standard deviation of
sqrt(2 / N), the standard deviation of a node thus with 1 / sqrt(2 N): 12 % for 32.
"""

import numpy as np

from hpcdvc.fem.pattern import UPPER, Pattern, dofs_of
from hpcdvc.fem.solve import Factors, Solver
from hpcdvc.fem.system import System

#: Unknowns up to which the diagonal is computed, not estimated, and how many columns of the inverse at a time.
EXACT, COLUMNS = 1_500, 256
#: How well the equations are solved for an estimate.
TOLERANCE = 0.02
#: What makes the sums of an element with few voxels positive definite, as a part of their trace: 12 x 12 of them, each
#: rounded to single precision, change the least eigenvalue by less.
RIDGE = 1e-6
#: Elements whose random numbers are drawn together.
DRAWN = 20_000


def standard_deviations(
    solver: Solver,
    system: System | None,
    element_sums: np.ndarray | None,
    connectivity: np.ndarray | None,
    noise_variance: np.ndarray | float | None,
    probes: int = 32,
) -> np.ndarray | None:
    """Standard deviations of the displacements. Collective.

    Parameters
    ----------
    solver : of the system
    system : the equations, on rank 0; the others may pass None for this and the next three
    element_sums : (k, 78) float64 array, what M_c was made of: see `Pattern.matrix`
    connectivity : (k, 4) int64 array
    noise_variance : (k,) of the residual of a voxel in each element, or one for all, grey values squared
    probes : random right-hand sides; above 1500 unknowns the equations are solved for each, below for each unknown

    Returns
    -------
    (n, 3) float64 array, voxels, on rank 0; None elsewhere

    Raises
    ------
    RunError
        The equations cannot be solved.
    """
    team = solver.team
    noise_sums = team.on_root(lambda: element_sums * np.reshape(noise_variance, (-1, 1)))
    if team.agree(lambda: 3 * len(system.points) <= EXACT):
        variances = team.on_root(lambda: _computed(system, noise_sums, connectivity))
    else:
        noise = team.on_root(lambda: noise_of_equations(noise_sums, connectivity, len(system.points), probes))
        variances = _estimated(solver, noise, probes)
    return None if variances is None else np.sqrt(variances).reshape(-1, 3)


def _computed(system: System, noise_sums: np.ndarray, connectivity: np.ndarray) -> np.ndarray:
    """The diagonal of A^-1 C A^-1 (3n,), by all columns of A^-1."""
    factors, noise = Factors(system), Pattern(connectivity, len(system.points)).matrix(noise_sums)
    unknowns = noise.shape[0]
    variances = np.empty(unknowns)
    for first in range(0, unknowns, COLUMNS):
        some = np.arange(first, min(first + COLUMNS, unknowns))
        columns = factors.applied(np.eye(unknowns, len(some), -first))
        variances[some] = np.einsum("ij,ij->j", columns, noise @ columns)
    return variances


def _estimated(solver: Solver, noise: np.ndarray | None, probes: int) -> np.ndarray | None:
    """The same (3n,), from solutions for noise (probes, 3n); on rank 0. Collective."""
    squares = 0.0
    for number in range(probes):
        solution = solver.solve(None if noise is None else noise[number], TOLERANCE)
        squares = None if solution is None else squares + solution.x**2 / probes
    return squares


def noise_of_equations(noise_sums: np.ndarray, connectivity: np.ndarray, nodes: int, probes: int) -> np.ndarray:
    """Random right-hand sides (probes, 3 nodes) whose covariance has the sums (k, 78), the same ones at each call."""
    found = np.zeros((probes, 3 * nodes))
    for first in range(0, len(noise_sums), DRAWN):
        some = noise_sums[first : first + DRAWN]
        lower = np.zeros((len(some), 12, 12))
        lower[:, UPPER[1], UPPER[0]] = some
        ridge = RIDGE * np.trace(lower, axis1=1, axis2=2) + np.finfo(float).tiny
        roots = np.linalg.cholesky(lower + ridge[:, None, None] * np.eye(12))
        dofs = dofs_of(connectivity[first : first + DRAWN]).ravel()
        random = np.random.default_rng([26, first])
        for rhs in found:
            drawn = roots @ random.standard_normal((len(some), 12, 1))
            rhs += np.bincount(dofs, drawn.ravel(), 3 * nodes)
    return found
