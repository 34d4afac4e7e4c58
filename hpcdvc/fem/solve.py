"""Solvers of the equations of a global correlation: factors, or preconditioned conjugate gradients."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, onenormest, splu

from hpcdvc.errors import RunError, UserError
from hpcdvc.fem import multigrid
from hpcdvc.fem.preconditioner import Preconditioner
from hpcdvc.fem.rowblocks import Rows, SharedMatrix
from hpcdvc.fem.system import System, check_texture
from hpcdvc.ranks.team import Team

Method = Literal["direct", "pcg"]
#: Iterations of the conjugate gradients, at most.
MOST = 500
#: Iterations whose gains tell the error.
LAST = 4
#: Part p' A p / p' P p, with the preconditioner P, below which a direction p changes nothing; 10^-5 has been seen.
FLAT = 1e-9
#: Reciprocal condition number below which factors say nothing.
SINGULAR = 1e-16


@dataclass(frozen=True, eq=False)
class Solution:
    """What a solver has found.

    Attributes
    ----------
    x : (3n,)
    iterations : of the conjugate gradients; 1 for the direct solver
    residual : estimate of the error e of x, sqrt(e' A e / x' A x); 0 for the direct solver
    """

    x: np.ndarray
    iterations: int
    residual: float


class Solver:
    """Solver of (M_c + s M_reg) x = rhs: factors, or a preconditioner, made once for many right-hand sides. Collective.

    Parameters
    ----------
    system : on rank 0; the others may pass None
    method : "direct": sparse factors on rank 0, memory and time grow fast, for up to some 10^4 unknowns. "pcg":
        conjugate gradients by the ranks of the node of rank 0, memory and time in proportion to the unknowns
    team : all ranks

    Attributes
    ----------
    team : see above

    Raises
    ------
    RunError
        The equations are singular: no texture, or not enough regularisation where there is none.
    UserError
        "pcg" with a regularisation that does not have the attributes of that of `regularisation_matrix`.
    """

    def __init__(self, system: System | None, method: Method, team: Team):
        self.team, self._solver = team, None
        team.agree(lambda: check_texture(system))
        if method == "direct":
            self._solver = team.on_root(lambda: Factors(system))
            return
        team.agree(lambda: _check_parts(system))
        if team.node_index == 0:
            node = Team() if team.node is None else Team(team.node)
            self._solver = team.agree_all(lambda: ConjugateGradients(node, system))
        else:
            team.agree_all(lambda: None)

    def solve(self, rhs: np.ndarray | None, tolerance: float) -> Solution | None:
        """The solution on rank 0, None elsewhere. Collective.

        Parameters
        ----------
        rhs : (3n,) on rank 0; the others may pass None
        tolerance : of `Solution.residual`, for the conjugate gradients

        Raises
        ------
        RunError
            Not converged, or the equations have turned out to be singular.
        """
        found = self.team.agree_all(lambda: self._solver and self._solver.solve(rhs, tolerance))
        return found if self.team.rank == 0 else None


def _check_parts(system: System) -> None:
    if system.regularisation is not None and not hasattr(system.regularisation, "K"):
        raise UserError(
            "the solver pcg takes a regularisation that regularisation_matrix has made: others are solved by direct"
        )


class Factors:
    """LU factors of the whole matrix, scaled to ones on its diagonal.

    Parameters
    ----------
    system : the equations
    """

    def __init__(self, system: System):
        matrix = sparse.csr_matrix(system.assembled())
        diagonal = matrix.diagonal()
        if not (diagonal > 0).all():
            raise RunError(_singular("some unknowns appear in none of them"))
        self._scaling = 1 / np.sqrt(diagonal)
        scaling = sparse.diags(self._scaling)
        self._matrix = sparse.csc_matrix(scaling @ matrix @ scaling)
        try:
            self._factors = splu(self._matrix, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
        except RuntimeError as error:
            raise RunError(_singular("a pivot is zero")) from error
        inverse = LinearOperator(
            matrix.shape, self._factors.solve, rmatvec=lambda x: self._factors.solve(x, "T"), dtype=float
        )
        condition = 1 / (sparse.linalg.norm(self._matrix, 1) * onenormest(inverse))
        if not condition > SINGULAR:
            raise RunError(_singular(f"their reciprocal condition number is {condition:.0e}"))

    def applied(self, rhs: np.ndarray) -> np.ndarray:
        """Solutions, once refined, for right-hand sides (3n,) or (3n, m)."""
        scaling = self._scaling if rhs.ndim == 1 else self._scaling[:, None]
        scaled = scaling * rhs
        x = self._factors.solve(scaled)
        x += self._factors.solve(scaled - self._matrix @ x)
        return scaling * x

    def solve(self, rhs: np.ndarray, tolerance: float) -> Solution:
        """The solution, whatever the tolerance."""
        return Solution(self.applied(_finite(rhs)), 1, 0.0)


def _finite(rhs: np.ndarray) -> np.ndarray:
    if not np.isfinite(rhs).all():
        raise RunError("the equations of the displacements cannot be solved: their right-hand side is not finite")
    return rhs


def _singular(why: str) -> str:
    return (
        f"the equations of the displacements are singular ({why}): "
        "where the image has no texture, they need a mechanical regularisation or a coarser mesh"
    )


class ConjugateGradients:
    """Conjugate gradients on the ranks of one node. Collective over them.

    Parameters
    ----------
    team : ranks of one node
    system : on its rank 0
    """

    def __init__(self, team: Team, system: System | None):
        self._team = team
        parts = None
        if system is not None and system.regularised:
            parts = system.scale * system.regularisation.weight, system.regularisation.D
        count, parts, varies = team.agree(
            lambda: (len(system.points), parts, parts is not None and system.regularisation.L is not None)
        )
        rows = self._rows = Rows(team, count, 3, alone=3 * count <= multigrid.ALONE)
        on_root, own = system is not None, rows.own
        self._image = SharedMatrix(team, system.matrix if on_root else None, rows, rows)
        self._weights = self._varied = None
        if parts is None:
            diagonal = team.agree(lambda: system.matrix.diagonal())[own]
            self._preconditioner = lambda r: r / diagonal
            return
        regularisation = system.regularisation if on_root else None
        self._weights = parts[0] * parts[1][own]
        self._stiffness = SharedMatrix(team, regularisation.K.tobsr((3, 3)) if on_root else None, rows, rows)
        if varies:
            self._varied = SharedMatrix(team, system.scale * regularisation.L if on_root else None, rows, rows)
        self._preconditioner = Preconditioner(team, system, rows)

    def _product(self, x: np.ndarray) -> np.ndarray:
        """Own rows of the whole matrix times x."""
        image = self._image(x)
        if self._weights is None:
            return image
        forces = self._stiffness(x)
        weighted = self._weights * forces
        if self._varied is not None:
            weighted += self._varied(forces)
        return image + self._stiffness(weighted)

    def solve(self, rhs: np.ndarray | None, tolerance: float) -> Solution:
        """The solution, whole on rank 0. RunError if it has not converged."""
        dot = self._rows.dot
        r = self._team.agree(lambda: _finite(rhs))[self._rows.own].copy()
        x = np.zeros_like(r)
        z = self._preconditioner(r)
        p, rz = z, dot(r, z)
        size, gains = rz, []
        while rz > 0 and not (error := _error(gains)) <= tolerance:
            if len(gains) == MOST:
                raise RunError(
                    f"the equations of the displacements were not solved: after {MOST} iterations the error is about "
                    f"{error:.1e} of the solution, not {tolerance:.1e}; try the direct solver, shorter regularisation "
                    "lengths, or a mesh without flat tetrahedra"
                )
            product = self._product(p)
            curvature = dot(p, product)
            if not curvature > FLAT * size:
                raise RunError(_singular("a direction changes nothing"))
            step = rz / curvature
            gains.append(step * rz)
            x += step * p
            r -= step * product
            z = self._preconditioner(r)
            previous, rz = rz, dot(r, z)
            p = z + (rz / previous) * p
            size = rz + (rz / previous) ** 2 * size  # p' P p
        if not rz >= 0:
            raise RunError(
                "the equations of the displacements were not solved: their numbers are too large or differ too much; "
                "try the direct solver or shorter regularisation lengths"
            )
        return Solution(self._rows.whole(x).copy(), len(gains), _error(gains) if rz > 0 else 0.0)


def _error(gains: list[float]) -> float:
    """Estimate of the error of the solution in the norm of A, as a part of it.

    An iteration brings the square of the error down by its gain, and that of the solution up from zero: Z. Strakos, P.
    Tichy (2002), On error estimation in the conjugate gradient method and why it works in finite precision
    computations, Electronic Transactions on Numerical Analysis 13, 56-80. The last gains stand for all that follow.
    """
    return float(np.sqrt(sum(gains[-LAST:]) / sum(gains))) if gains else 1.0
