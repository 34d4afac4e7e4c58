"""Solvers of the equations of a global correlation."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, cg, splu

from hpcdvc.errors import RunError
from hpcdvc.fem.system import System

#: Iterations of the conjugate gradients at most, in units of the unknowns.
MOST = 10


@dataclass(frozen=True, eq=False)
class Solution:
    """What a solver has found.

    Attributes
    ----------
    x : (3n,)
    iterations : of the solver
    residual : norm of what is left of the right-hand side, as a part of it
    """

    x: np.ndarray
    iterations: int
    residual: float


class Solver:
    """Factors, or a preconditioner, made once. Collective.

    Parameters
    ----------
    system : on rank 0
    method : "direct" or "pcg"
    team : hpcdvc.ranks.team.Team
    """

    def __init__(self, system: System | None, method: str, team):
        self._system, self._team, self._direct = system, team, method == "direct"
        self._made = team.on_root(self._factors if self._direct else self._preconditioner)

    def _factors(self):
        matrix, s = self._system.matrix, self._system
        if s.regularisation is not None:
            whole = s.regularisation if sparse.issparse(s.regularisation) else s.regularisation.multiplied_out()
            matrix = matrix + s.scale * whole
        return splu(sparse.csc_matrix(matrix), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})

    def _preconditioner(self) -> LinearOperator:
        """The inverses of the 3 x 3 blocks on the diagonal of M_c."""
        n = self._system.matrix.shape[0] // 3
        diagonal = self._system.matrix.diagonal()
        if self._system.regularisation is not None:
            diagonal = diagonal + self._system.scale * self._system.regularisation.diagonal()
        return LinearOperator((3 * n, 3 * n), lambda x: x / diagonal)

    def solve(self, rhs: np.ndarray | None, tolerance: float) -> Solution | None:
        """The solution on rank 0, from the right-hand side there. Collective.

        Raises
        ------
        RunError
            It has not converged.
        """
        return self._team.on_root(lambda: self._solved(rhs, tolerance))

    def _solved(self, rhs: np.ndarray, tolerance: float) -> Solution:
        if self._direct:
            return Solution(self._made.solve(rhs), 1, 0.0)
        s, count = self._system, []
        whole = LinearOperator(s.matrix.shape, s.product)
        x, failed = cg(whole, rhs, rtol=tolerance, maxiter=MOST * len(rhs), M=self._made, callback=count.append)
        if failed:
            raise RunError(f"the equations were not solved to {tolerance:g} in {len(count)} iterations")
        return Solution(x, len(count), tolerance)
