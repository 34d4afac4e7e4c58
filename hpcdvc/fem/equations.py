"""The equations of a global correlation: (M_c + s M_reg) du = sum N grad f r - s M_reg u, and how freely they move."""

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from hpcdvc.fem.pattern import PLACE, UPPER, Pattern, at_nodes, dofs_of
from hpcdvc.fem.quality import edges_of
from hpcdvc.fem.solve import Solver
from hpcdvc.fem.sums import Sums
from hpcdvc.fem.system import System

#: Without regularisation a node is not measured where the least eigenvalue of its own 3 x 3 block of M_c is below this
#: part of the median of their traces: grey values do not change along some direction.
LEAST_TEXTURE = 1e-3
#: Nor where less than this part of the tetrahedra around it counts.
LEAST_MET = 0.4
#: Random vectors of the estimate of the freedom, and how well the equations are solved for it.
FREEDOM_PROBES, FREEDOM_TOLERANCE = 4, 0.05


@dataclass(frozen=True)
class Texture:
    """What im1 shows inside the mesh.

    Attributes
    ----------
    sums : (k, 78) upper triangle of the 12 x 12 sums of N_a N_b g_i g_j of each element
    voxels : (k,) how many of them count
    volumes : (k,) of the elements, voxels
    met : (k,) how many of the voxels meet im2
    connectivity : (k, 4)
    nodes : how many there are
    """

    sums: np.ndarray
    voxels: np.ndarray
    volumes: np.ndarray
    met: np.ndarray
    connectivity: np.ndarray
    nodes: int

    @property
    def seen(self) -> bool:
        """Whether there is any."""
        return bool(self.voxels.sum() and self.sums.any())

    def met_by(self, met: np.ndarray) -> "Texture":
        """The same of the voxels (k,) that meet im2, taken as an even part of those of each element."""
        if np.array_equal(met, self.voxels):
            return self
        return replace(self, sums=self.sums * (met / np.maximum(self.voxels, 1))[:, None], met=met)

    def flat(self) -> np.ndarray:
        """(n,) bool, nodes whose own equations are singular, or made by what is left at the rim of a masked part."""
        blocks = np.zeros((self.nodes, 3, 3))
        for a in range(4):
            for i in range(3):
                for j in range(i, 3):
                    values = self.sums[:, PLACE[3 * a + i, 3 * a + j]]
                    blocks[:, i, j] += np.bincount(self.connectivity[:, a], values, self.nodes)
                    blocks[:, j, i] = blocks[:, i, j]
        traces = np.trace(blocks, axis1=1, axis2=2)
        least = np.linalg.eigvalsh(blocks)[:, 0]
        if not (traces > 0).any():
            return traces == 0
        met, could = (at_nodes(self.connectivity, of, self.nodes) for of in (self.met, self.volumes))
        return ~(least > LEAST_TEXTURE * np.median(traces[traces > 0])) | (met < LEAST_MET * could)

    def measurable(self) -> tuple["Texture", np.ndarray]:
        """What measures nodes without regularisation, and the nodes (n,) that nothing measures.

        Elements with such a node do not count: nothing tells how they deform, what is assumed would spoil the others.
        """
        texture, loose = self, self.flat()
        while True:
            out = loose[self.connectivity].any(axis=1)
            texture = replace(self, sums=np.where(out[:, None], 0.0, self.sums))
            more = loose | texture.flat()
            if np.array_equal(more, loose):
                return texture, loose
            loose = more

    def independent_cells(self, contrast: float) -> float:
        """Number of cells of grey values in the mesh that are independent of each other.

        For grey values of standard deviation `contrast` whose correlation falls like a Gaussian, the integral of its
        square is prod_i(sqrt(pi) contrast / rms of the derivative along i).
        """
        whole, count = np.zeros((12, 12)), max(int(self.voxels.sum()), 1)
        whole[UPPER] = self.sums.sum(axis=0)
        whole = whole + np.triu(whole, 1).T
        squares = sum(whole[3 * a : 3 * a + 3, 3 * b : 3 * b + 3] for a in range(4) for b in range(4)) / count
        slopes = np.sqrt(np.maximum(np.linalg.eigvalsh(squares), 0))
        return count * float(np.prod(slopes / (np.sqrt(np.pi) * contrast))) if contrast > 0 else 0.0


class Followers:
    """Nodes that nothing measures move as those before them that share an edge with them do, on the mean.

    Parameters
    ----------
    loose : (n,) bool, which they are
    connectivity : (k, 4)
    """

    def __init__(self, loose: np.ndarray, connectivity: np.ndarray):
        ends = edges_of(connectivity)[0]
        beside = sparse.csr_matrix((np.ones(len(ends)), ends.T), shape=(len(loose), len(loose)))
        beside, known = beside + beside.T, ~loose
        self.layers = []
        while not known.all():
            met = beside @ known.astype(float)
            layer = np.flatnonzero(~known & (met > 0))
            if not len(layer):
                return
            means = sparse.diags(1 / met[layer]) @ beside[layer] @ sparse.diags(known.astype(float))
            self.layers.append((layer, means.tocsr()))
            known[layer] = True

    def __call__(self, step: np.ndarray) -> np.ndarray:
        """The same step (n, 3), with theirs."""
        for layer, means in self.layers:
            step[layer] = means @ step
        return step


class Equations:
    """They are made once, of im1. Collective, but for what is said to be on rank 0.

    Parameters
    ----------
    texture : on rank 0
    points : (n, 3) nodes, ZYX, voxels
    regularisation : M_reg and the test field v (n, 3), or None; on rank 0
    loose : (n,) bool, nodes that follow their neighbours where there is no regularisation; on rank 0
    method : of the solver
    team : hpcdvc.ranks.team.Team

    Attributes
    ----------
    regularised : whether there is a regularisation
    loose : see above; none of them with regularisation
    system : on rank 0, None elsewhere
    solver : of the system
    """

    def __init__(
        self,
        texture: Texture | None,
        points: np.ndarray,
        regularisation: tuple | None,
        loose: np.ndarray | None,
        method: str,
        team,
    ):
        self._team, self.regularised = team, team.broadcast(regularisation is not None)
        self.system: System | None = None
        self._freedom: float | None = None
        self.loose = np.zeros(len(points), bool) if self.regularised or loose is None else loose
        if team.rank == 0:
            matrix, scale = Pattern(texture.connectivity, len(points)).matrix(texture.sums), 0.0
            if self.loose.any():
                alone = np.repeat(self.loose * float(matrix.diagonal().mean() or 1), 3)
                matrix = (matrix + sparse.diags(alone)).tobsr((3, 3))
            self._followers = Followers(self.loose, texture.connectivity)
            self._counts = texture.sums.any(axis=1)
            if self.regularised:
                field = np.asarray(regularisation[1]).ravel()
                scale = float(field @ (matrix @ field))
            self.system = System(points, matrix, regularisation[0] if self.regularised else None, scale)
        self.solver = Solver(self.system, method, team)

    def penalty(self, displacements: np.ndarray) -> float:
        """What the regularisation adds to the sum of squared residuals, s u' M_reg u; on rank 0."""
        u = displacements.ravel()
        return -float(u @ self.system.rhs_regularisation(u)) if self.regularised else 0.0

    def right_hand_side(
        self, sums: Sums, gain: np.ndarray, offset: np.ndarray, displacements: np.ndarray, connectivity: np.ndarray
    ) -> np.ndarray:
        """(3 n,) on rank 0, from the sums over (k,) elements, their gain and offset."""
        parts = sums.F - gain[:, None] * sums.G - offset[:, None] * sums.H
        parts[~self._counts] = 0
        rhs = np.bincount(dofs_of(connectivity).ravel(), parts.ravel(), displacements.size)
        if self.regularised:
            rhs = rhs + self.system.rhs_regularisation(displacements.ravel())
        return rhs

    def solve(self, rhs: np.ndarray | None, tolerance: float) -> np.ndarray | None:
        """(n, 3) change of the displacements on rank 0, from the right-hand side there. Collective."""
        solution = self.solver.solve(rhs, tolerance)
        return None if solution is None else self._followers(solution.x.reshape(-1, 3).copy())

    def freedom(self) -> float:
        """How many displacements are free: the trace of (M_c + s M_reg)^-1 M_c, estimated; on rank 0. Collective."""
        if self._freedom is not None:
            return self._freedom
        if not self.regularised:
            return 3.0 * float((~self.loose).sum())
        found = []
        for seed in range(FREEDOM_PROBES):
            probe = rhs = None
            if self._team.rank == 0:
                probe = np.random.default_rng([26, seed]).choice([-1.0, 1.0], self.system.matrix.shape[0])
                rhs = self.system.matrix @ probe
            solution = self.solver.solve(rhs, FREEDOM_TOLERANCE)
            found.append(0.0 if solution is None else float(probe @ solution.x))
        self._freedom = max(float(np.mean(found)), 0.0)
        return self._freedom
