"""Preconditioner of the equations of a global correlation with mechanical regularisation.

The matrix is A = M_c + K Q K, where K is the stiffness and Q what weighs the forces f = K u: beta in the bulk and on
free surfaces, the operator L on Dirichlet surfaces. Elasticity appears twice: A is far worse conditioned than K. But in
the bulk, with D^2 = 2 diag M_c and Z = D / sqrt(beta),

    (K + Z) beta (K + Z) = beta K^2 + sqrt(beta) (K D + D K) + D^2

lies between A and a small multiple of it, since sqrt(beta) (K D + D K) is at most beta K^2 + D^2. The preconditioner is
therefore (K + Z)^-1 Q'^-1 (K + Z)^-1: an approximate inverse of an elastic body on springs, twice, by multigrid.

On Dirichlet surfaces forces are free, and L alone is singular: constant tractions cost nothing. Let kappa and l be
diagonal entries of K and L, and x a wave number along the surface, in units of one over the edges. A wave that decays
into the bulk costs D^2 / x for what the image says, and kappa^2 l x^4 for L. Where both are the same, x = c. In Q' L
gets a diagonal for longer waves, about D^2 / (kappa^2 c^3): more of it slows down short waves, less of it long ones (of
the powers and factors that were tried, 2 D^2 / (kappa^2 c^2.5) takes the fewest iterations from lengths of one edge to
ten bodies). Z is kappa c^3 / 2, small because the springs of the bulk hold the surface already. Waves longer than the
length (beta / D^2)^(1/4) decay no slower than over that length: in Q' c is at least an edge over it. Where L says less
than the image, the surface follows the image alone: its springs are so stiff that they hold it, and Q' = (D / Z)^2.

The numbers of Q' differ between bulk and surface, and multiply what multigrid leaves of the inverses: the more they
differ, the more cycles it takes.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from hpcdvc.fem.multigrid import Multigrid, cycles_for, hierarchy
from hpcdvc.fem.rowblocks import Rows
from hpcdvc.fem.system import System
from hpcdvc.ranks.team import Team

#: Springs of unknowns that are held, in units of the diagonal of K: no stiffer ones are needed.
HELD = 1e3
#: Part of the mean of D^2 that stands where the image says nothing.
LEAST = 1e-9


@dataclass(frozen=True)
class Springs:
    """What stands in the preconditioner beside K and L.

    Attributes
    ----------
    springs : (3n,) Z
    weights : (3n,) Q' - L
    ruled : (3n,) bool, unknowns of Dirichlet surfaces where L counts
    cycles : of multigrid for each of the inverses
    """

    springs: np.ndarray
    weights: np.ndarray
    ruled: np.ndarray
    cycles: int


def springs_of(system: System) -> Springs:
    """Of equations with a regularisation."""
    regularisation = system.regularisation
    free, stiffness = regularisation.D > 0, regularisation.K.diagonal()
    image = 2 * system.matrix.diagonal()
    image = np.maximum(image, LEAST * image.mean())
    beta = max(system.scale * regularisation.weight, image.mean() / (HELD * stiffness.mean()) ** 2)
    springs, weights, contrast = np.sqrt(image / beta), np.full(len(free), beta), 1.0
    varied = np.zeros(len(free)) if regularisation.L is None else system.scale * regularisation.L.diagonal()
    ruled = ~free & (stiffness**2 * varied > image)
    held = ~free & ~ruled
    springs[held] = HELD * stiffness[held]
    weights[held] = image[held] / springs[held] ** 2
    for surface in (ruled, held):
        if surface.any():
            d2, kappa, ell = (diagonal[surface].mean() for diagonal in (image, stiffness, varied))
            crossing = min(1.0, (d2 / (kappa**2 * ell)) ** 0.2) if ell > 0 else 1.0
            decay = min(1.0, (d2 / beta) ** 0.25 / kappa**0.5)
            least = 2 * d2 / (kappa**2 * max(crossing, decay) ** 2.5)
            contrast = max(contrast, np.sqrt(beta / least))
            if surface is ruled:
                springs[ruled], weights[ruled] = crossing**3 / 2 * stiffness[ruled], least
    return Springs(springs, weights, ruled, cycles_for(contrast))


def rigid_motions(points: np.ndarray) -> np.ndarray:
    """(3n, 6) translations and rotations of nodes (n, 3), of about the same size."""
    x = points - points.mean(axis=0)
    x = x / (np.sqrt((x**2).mean()) or 1)
    motions = np.zeros((len(x), 3, 6))
    for axis in range(3):
        one, other = (axis + 1) % 3, (axis + 2) % 3
        motions[:, axis, axis] = 1
        motions[:, one, 3 + axis], motions[:, other, 3 + axis] = -x[:, other], x[:, one]
    return motions.reshape(-1, 6)


class Preconditioner:
    """(K + Z)^-1 Q'^-1 (K + Z)^-1, applied by all ranks of a node. Collective.

    Parameters
    ----------
    team : ranks of one node
    system : on rank 0
    rows : of its vectors
    """

    def __init__(self, team: Team, system: System | None, rows: Rows):
        self._rows, self._team = rows, team
        made = team.on_root(lambda: self._prepared(system))
        surface, weights, cycles = team.agree(lambda: made[:3])
        self._weights, self._cycles = weights[rows.own], cycles
        self._surface, self._factors = surface, made and made[3]
        self._forces = team.shared_array(len(surface), np.float64)
        first, last = np.searchsorted(surface, (rows.own.start, rows.own.stop))
        self._mine = slice(first, last)
        self._grid = Multigrid(team, made and made[4], rows)

    @staticmethod
    def _prepared(system: System) -> tuple:
        """Unknowns where L counts, the weights of the others, cycles, factors of Q' there, levels of K + Z."""
        regularisation, found = system.regularisation, springs_of(system)
        surface, factors = np.flatnonzero(found.ruled), None
        if len(surface):
            between = system.scale * regularisation.L[surface][:, surface] + sparse.diags(found.weights[surface])
            factors = splu(sparse.csc_matrix(between))
        body = (regularisation.K + sparse.diags(found.springs)).tobsr((3, 3))
        return surface, found.weights, found.cycles, factors, hierarchy(body, rigid_motions(system.points))

    def __call__(self, r: np.ndarray) -> np.ndarray:
        """Own rows, from own rows."""
        forces = self._grid.inverse(r, self._cycles)
        weighted = forces / self._weights
        if len(self._surface):
            whole = self._rows.whole(forces)
            if self._factors is not None:
                self._forces[:] = self._factors.solve(whole[self._surface])
            self._team.barrier()
            weighted[self._surface[self._mine] - self._rows.own.start] = self._forces[self._mine]
            self._team.barrier()  # until all have read them
        return self._grid.inverse(weighted, self._cycles)
