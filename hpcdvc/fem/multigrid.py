"""Approximate inverse of a matrix like that of elasticity: cycles of algebraic multigrid by smoothed aggregation.

P. Vanek, J. Mandel, M. Brezina (1996), Algebraic multigrid by smoothed aggregation for second and fourth order elliptic
problems, Computing 56, 179-196. Aggregates are those of pyamg; nothing is random, and all is products of matrices, so
that ranks can share the work (M. Adams, M. Brezina, J. Hu, R. Tuminaro (2003), Parallel multigrid smoothing: polynomial
versus Gauss-Seidel, Journal of Computational Physics 188, 593-610).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from hpcdvc.fem.pattern import diagonal_blocks
from hpcdvc.fem.rowblocks import Rows, SharedMatrix
from hpcdvc.ranks.team import Team

#: Unknowns from which on a level is solved exactly.
COARSEST = 300
#: Unknowns up to which every rank computes for itself: waiting for the others would take longer.
ALONE = 20_000
#: Products of a smoother, and the part of the spectrum that it is made for: from 1 / REACH of its end on.
SMOOTHINGS, REACH = 4, 8
#: Products of the power iteration, and the factor for what it may have missed.
POWERS, MARGIN = 15, 1.1
#: Lower bound of the eigenvalues of a cycle times the matrix, for `Multigrid.inverse`; the upper one is 1.
LEAST = 0.5


@dataclass(eq=False)
class Level:
    """A matrix of the hierarchy, on rank 0.

    Attributes
    ----------
    matrix : square BSR matrix
    inverse : block diagonal BSR matrix, inverses of the blocks on its diagonal
    radius : upper bound of the eigenvalues of inverse @ matrix
    prolongation, restriction : from the next level and to it
    """

    matrix: sparse.bsr_matrix
    inverse: sparse.bsr_matrix
    radius: float
    prolongation: sparse.bsr_matrix
    restriction: sparse.bsr_matrix


def hierarchy(matrix: sparse.bsr_matrix, candidates: np.ndarray) -> tuple[list[Level], np.ndarray]:
    """Levels of ever fewer unknowns, and the inverse of the matrix of the last.

    Parameters
    ----------
    matrix : symmetric, positive definite
    candidates : (unknowns, c) vectors that it makes small: the rigid motions
    """
    from pyamg.aggregation import fit_candidates, standard_aggregation  # it takes a while

    levels: list[Level] = []
    while matrix.shape[0] > COARSEST:
        inverse = _inverse_of_blocks(matrix)
        radius = MARGIN * _radius(matrix, inverse)
        neighbours = sparse.csr_matrix((np.ones(len(matrix.indices)), matrix.indices, matrix.indptr))
        aggregates, _ = standard_aggregation(neighbours)
        tentative, candidates = fit_candidates(aggregates, candidates)
        if tentative.shape[1] >= matrix.shape[0]:
            break
        prolongation = (tentative - (4 / 3 / radius) * (inverse @ (matrix @ tentative))).tobsr(tentative.blocksize)
        restriction = prolongation.T.tobsr(tentative.blocksize[::-1])
        levels.append(Level(matrix, inverse, radius, prolongation, restriction))
        matrix = (restriction @ (matrix @ prolongation)).tobsr((tentative.blocksize[1],) * 2)
    # an aggregate of few nodes has fewer motions than candidates: the rest of its unknowns stands for nothing
    return levels, np.linalg.pinv(matrix.toarray(), rcond=1e-13, hermitian=True)


def _inverse_of_blocks(matrix: sparse.bsr_matrix) -> sparse.bsr_matrix:
    """Block diagonal matrix of the inverses of the blocks on the diagonal."""
    return block_diagonal(np.linalg.pinv(diagonal_blocks(matrix), rcond=1e-13, hermitian=True))


def block_diagonal(blocks: np.ndarray) -> sparse.bsr_matrix:
    """Square matrix of the blocks (m, b, b) on its diagonal."""
    count, size = blocks.shape[:2]
    return sparse.bsr_matrix((blocks, np.arange(count), np.arange(count + 1)), shape=(count * size,) * 2)


def _radius(matrix: sparse.bsr_matrix, inverse: sparse.bsr_matrix) -> float:
    """Largest eigenvalue of inverse @ matrix, by the power iteration from a start that is always the same."""
    x, length = np.random.default_rng(26).standard_normal(matrix.shape[0]), 1.0
    for _ in range(POWERS):
        x = inverse @ (matrix @ (x / length))
        length = float(np.linalg.norm(x))
    return length


class SharedLevel:
    """A level whose rows the ranks of a node share. Collective.

    Parameters
    ----------
    team : ranks of one node
    level : on rank 0
    rows : of the level
    """

    def __init__(self, team: Team, level: Level | None, rows: Rows):
        found = level and (
            level.inverse.data,
            level.radius,
            level.prolongation.shape[1],
            level.prolongation.blocksize[1],
        )
        inverse, self._radius, unknowns, block = team.agree(lambda: found)
        self._dealt = Rows(team, unknowns // block, block)
        self.below = Rows(team, unknowns // block, block, alone=True) if unknowns <= ALONE else self._dealt
        self._gathers = self.below.alone and not rows.alone
        parts = (None, None, None) if level is None else (level.matrix, level.prolongation, level.restriction)
        self.matrix = SharedMatrix(team, parts[0], rows, rows)
        self._prolongation = SharedMatrix(team, parts[1], rows, self.below)
        self._restriction = SharedMatrix(team, parts[2], self._dealt if not rows.alone else self.below, rows)
        first, last = rows.own.start // rows.block, rows.own.stop // rows.block
        self._inverse = block_diagonal(inverse[first:last])

    def smooth(self, b: np.ndarray, x: np.ndarray | None = None) -> np.ndarray:
        """Chebyshev polynomial of the matrix that damps the upper part of the spectrum of x - A^-1 b."""
        centre, half = (1 + 1 / REACH) / 2 * self._radius, (1 - 1 / REACH) / 2 * self._radius
        return chebyshev(self.matrix, lambda r: self._inverse @ r, b, x, centre, half, SMOOTHINGS)

    def restricted(self, r: np.ndarray) -> np.ndarray:
        """Own rows on the next level."""
        coarse = self._restriction(r)
        return self._dealt.whole(coarse).copy() if self._gathers else coarse

    def prolonged(self, x: np.ndarray) -> np.ndarray:
        """Own rows on this level."""
        return self._prolongation(x)


def chebyshev(
    matrix: Callable[[np.ndarray], np.ndarray],
    inverse: Callable[[np.ndarray], np.ndarray],
    b: np.ndarray,
    x: np.ndarray | None,
    centre: float,
    half: float,
    steps: int,
) -> np.ndarray:
    """Steps of the Chebyshev iteration towards matrix(x) = b, from `x` or from zero.

    Parameters
    ----------
    matrix, inverse : products with it, and with what stands for its inverse
    centre, half : of the interval of eigenvalues of inverse(matrix) that is damped, and half its length
    """
    change = inverse(b if x is None else b - matrix(x)) / centre
    x = change if x is None else x + change
    ratio = half / centre
    for _ in range(steps - 1):
        following = 1 / (2 * centre / half - ratio)
        change = following * (ratio * change + 2 / half * inverse(b - matrix(x)))
        x, ratio = x + change, following
    return x


def cycles_for(contrast: float) -> int:
    """Cycles after which what is left of the error is small beside one over `contrast`."""
    return 1 + int(np.ceil(np.arccosh(max(contrast, 1.0)) / np.arccosh((1 + LEAST) / (1 - LEAST))))


class Multigrid:
    """An approximate inverse, applied by all ranks of a node. Collective.

    Parameters
    ----------
    team : ranks of one node
    made : of `hierarchy`, on rank 0
    rows : of the finest level
    """

    def __init__(self, team: Team, made: tuple[list[Level], np.ndarray] | None, rows: Rows):
        levels, coarsest = made or ([], None)
        self._finest, self._levels = rows, []
        for number in range(team.broadcast(len(levels))):
            self._levels.append(SharedLevel(team, levels[number] if levels else None, rows))
            rows = self._levels[-1].below
        # not as an array, whose product may depend on threads
        self._coarsest = sparse.csr_matrix(team.broadcast(coarsest))
        self._last = rows

    def inverse(self, b: np.ndarray, cycles: int) -> np.ndarray:
        """Own rows of about A^-1 b: so many cycles, which the Chebyshev iteration puts together."""
        if cycles == 1 or not self._levels:
            return self._cycle(0, b)
        centre, half = (1 + LEAST) / 2, (1 - LEAST) / 2
        return chebyshev(self._levels[0].matrix, lambda r: self._cycle(0, r), b, None, centre, half, cycles)

    def _cycle(self, number: int, b: np.ndarray) -> np.ndarray:
        if number == len(self._levels):
            return (self._coarsest @ self._last.whole(b))[self._last.own]
        level = self._levels[number]
        x = level.smooth(b)
        below = self._cycle(number + 1, level.restricted(b - level.matrix(x)))
        return level.smooth(b, x + level.prolonged(below))
