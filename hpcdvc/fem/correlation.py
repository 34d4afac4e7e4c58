"""Global correlation: the displacements of all nodes of a mesh at once, with or without mechanical regularisation.

The residual r(x) = f(x) - a g(x + u(x)) - b, with f of im1 at the voxels x inside the mesh and u linear in each
tetrahedron, is minimised by Gauss-Newton iterations with the gradient of im1: the matrix is built once. Sums over
voxels are made by all ranks, each element by one of them; rank 0 makes the step. docs/theory/global-dvc.md has the
equations.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from hpcdvc.fem.equations import Equations, Texture
from hpcdvc.fem.errors import standard_deviations
from hpcdvc.fem.iterates import HISTORY, Control, Journal, Result, State, facts_of
from hpcdvc.fem.median import MedianFilter
from hpcdvc.fem.pattern import at_nodes
from hpcdvc.fem.photometry import Greys, are_others, compare, is_flat
from hpcdvc.fem.quality import corner_determinants
from hpcdvc.fem.results import (
    LEAST_SEEN,
    MIN_OVERLAP,
    astray,
    chance,
    node_status,
    noise_variance,
    of_elements,
    unlike,
    won,
)
from hpcdvc.fem.sums import Sums, matrix_sums, pieces_of, share_of, step_sums, sums_over_ranks
from hpcdvc.fem.system import check_finite
from hpcdvc.fields.status import Status

#: The residual has settled when its root mean square changes by less than this part.
SETTLED = 1e-3
#: How well the equations are solved, at least and at most, as part of the step; between, as the residual settles.
LOOSE, TIGHT = 0.05, 1e-3
#: The objective has grown when it is above the best one by this part and by this part of the variance of im1, after so
#: many iterations.
GROWTH, CONTRAST, PATIENCE = 0.05, 0.01, 3
#: Part of the tetrahedra that may be squeezed or stretched beyond `VOLUME_RATIO` before the iterations are astray; part
#: of the nodes around which the images may not match where regularisation binds all together.
MOST_ASTRAY, MOST_UNLIKE = 0.1, 0.1


@dataclass(frozen=True, eq=False)
class MeshPair:
    """Two images and a mesh.

    Attributes
    ----------
    im1, im2 : (nz, ny, nx) arrays, the same on all ranks
    points : (n, 3) nodes in im1, ZYX, voxels
    connectivity : (k, 4) tetrahedra of positive volume
    regularisation : M_reg, a CSR matrix or an operator as `hpcdvc.fem.regularisation` makes them, and the test field v
        (n, 3); None: no regularisation
    """

    im1: np.ndarray
    im2: np.ndarray
    points: np.ndarray
    connectivity: np.ndarray
    regularisation: tuple | None = None


def correlate(pair: MeshPair, start: np.ndarray, control: Control, team, journal: Journal | None = None) -> Result:
    """Measure the displacements of the nodes. Collective: every rank gets the result.

    Parameters
    ----------
    pair : images, mesh, regularisation
    start : (n, 3) displacements to start from, ZYX, voxels
    control : how it iterates
    team : hpcdvc.ranks.team.Team
    journal : keeps the iterations, and those of an earlier run

    Raises
    ------
    RunError
        The equations cannot be solved.
    """
    return _Correlation(pair, control, team, journal or Journal()).run(start)


class _Correlation:
    """One run. What is made of sums over voxels is known on rank 0 alone."""

    def __init__(self, pair: MeshPair, control: Control, team, journal: Journal):
        self.pair, self.control, self.team, self.journal = pair, control, team, journal
        self.own = share_of(pair.points, pair.connectivity, team.rank, team.size)
        self.pieces = pieces_of(pair.points, pair.connectivity[self.own], pair.im1.shape)
        found = self._over_ranks(lambda cells: matrix_sums(pair.im1, pair.points, cells, pieces=self.pieces))
        team.agree(lambda: check_finite(found[0]))
        self.texture = self.middles = None
        if found:
            self.middles = pair.points[pair.connectivity].mean(axis=1)
            volumes = corner_determinants(pair.points, pair.connectivity) / 6
            self.texture = Texture(*found, volumes, found[1], pair.connectivity, len(pair.points))
        self.median = MedianFilter(pair.points, pair.connectivity) if control.median and team.rank == 0 else None
        self.sums: Sums | None = None
        self.greys: Greys | None = None
        self.equations: Equations | None = None
        self.flat: np.ndarray | None = None
        self.gain = 1.0
        self.measuring: Texture | None = None

    def run(self, start: np.ndarray) -> Result:
        """From a start (n, 3), or from where an earlier run has come to."""
        earlier = self.journal.earlier
        known = earlier is not None and len(earlier) > 0
        state = self._prepared(State.of_row(earlier[0]) if known else State(np.array(start, float)))
        history = [facts_of(row) for row in earlier] if known else [self._kept(state)]
        if len(history) > 1:
            state = self._evaluated(State.of_row(earlier[-1]))
        while not state.status:
            state = self._judged(self._evaluated(self._moved(state), state.rms))
            history.append(self._kept(state))
        return self._result(state, np.array(history, HISTORY))

    def _prepared(self, start: State) -> State:
        """The equations, for what im2 shows at the start; the start with what the voxels say of it. Collective."""
        pair, team = self.pair, self.team
        if team.agree(lambda: not self.texture.seen):
            return replace(start, status=int(Status.SINGULAR))
        self._sum_up(start)
        measuring = loose = None
        if self.texture:
            self.flat = self.texture.measurable()[1]
            self.texture = measuring = self.texture.met_by(self.sums.n)
            if pair.regularisation is None:
                measuring, loose = self.texture.measurable()
        if team.agree(lambda: not measuring.seen):
            return replace(start, status=int(Status.LEFT_IMAGE))
        if team.agree(lambda: is_flat(self.sums)):
            return replace(start, status=int(Status.SINGULAR))
        self.equations = Equations(measuring, pair.points, pair.regularisation, loose, self.control.solver, team)
        self.measuring = measuring
        start = replace(start, **team.agree(lambda: self._facts(start)))
        if self.control.gradient == "both" and start.gain != 1:  # that of im2 is on the scale of im1 from here on
            self.gain = start.gain
            self._sum_up(start)
        return start

    def _unseen(self) -> np.ndarray:
        """(n,) bool, nodes of which im2 shows too little, where they are measured by their own voxels alone."""
        texture = self.texture
        if self.equations.regularised:
            return np.zeros(texture.nodes, bool)
        met, could = (at_nodes(texture.connectivity, n, texture.nodes) for n in (self.sums.n, texture.voxels))
        return (met < LEAST_SEEN * could) | self.equations.loose

    def _kept(self, state: State) -> tuple:
        self.journal.keep(state)
        self.journal.say(line(state))
        return facts_of(state.row()[0])

    def _moved(self, state: State) -> State:
        """The state with the displacements that the equations ask for. Collective."""
        equations, sums, greys, cells = self.equations, self.sums, self.greys, self.pair.connectivity
        before = state.displacements
        rhs = self.team.on_root(lambda: equations.right_hand_side(sums, greys.gain, greys.offset, before, cells))
        unseen = self.team.on_root(self._unseen)
        step = equations.solve(rhs, float(np.clip(state.settling, TIGHT, LOOSE)))

        def moved() -> tuple[np.ndarray, float]:
            after = before + step if self.median is None else self.median(before + step)
            return after, float(np.sqrt(((after - before) ** 2).sum(axis=1))[~unseen].max(initial=0))

        after, change = self.team.agree(moved)
        return replace(state, displacements=after, number=state.number + 1, change=change)

    def _evaluated(self, state: State, rms_before: float | None = None) -> State:
        """The state with what the voxels say of its displacements. Collective."""
        self._sum_up(state)
        return replace(state, **self.team.agree(lambda: self._facts(state, rms_before)))

    def _sum_up(self, state: State) -> None:
        pair, gradient = self.pair, self.control.gradient

        def sums(cells: np.ndarray) -> Sums:
            about = pair.points, cells, state.displacements, gradient
            return step_sums(pair.im1, pair.im2, *about, pieces=self.pieces, gain=self.gain)

        self.sums = self._over_ranks(sums)

    def _over_ranks(self, sums: Callable[[np.ndarray], Sums | tuple]) -> Sums | tuple | None:
        return sums_over_ranks(self.team, self.pair.points, self.pair.connectivity, sums, self.own)

    def _facts(self, state: State, rms_before: float | None = None) -> dict:
        sums, greys = self.sums, compare(self.sums, self.control.criterion, self.middles)
        self.greys = greys
        count, squares = max(float(sums.n.sum()), 1.0), float(greys.squares.sum())
        rms, weights = float(np.sqrt(squares / count)), sums.n / count
        objective = (squares + self.equations.penalty(state.displacements)) / count
        fraction = float(sums.n.sum()) / float(self.texture.voxels.sum())
        facts = {"rms": rms, "zncc": greys.zncc, "valid_fraction": fraction}
        facts |= {"gain": float(weights @ greys.gain), "offset": float(weights @ greys.offset)}
        facts |= {"objective": objective, "best": min(state.best, objective)}
        if rms_before is not None:
            facts["settling"] = abs(rms - rms_before) / rms_before if rms_before else 0.0
        if fraction < MIN_OVERLAP:
            facts["status"] = int(Status.LEFT_IMAGE)
        return facts

    def _judged(self, state: State) -> State:
        """The state with why it ends, or 0. Collective."""
        if state.status:
            return state
        status = self.team.agree(lambda: int(self._status(state)))
        if status in (Status.CONVERGED, Status.MAX_ITERATIONS):
            freedom = self.equations.freedom()
            if self.team.agree(lambda: bool(self._decorrelated(state, freedom))):
                status = int(Status.DECORRELATED)
        return replace(state, status=status)

    def _decorrelated(self, state: State, freedom: float) -> bool:
        by_chance = chance(freedom, self.texture.independent_cells(self.greys.contrast))
        # regularisation hands on what a part that is not found pulls at
        spoilt = self.equations.regularised and self._unlike(freedom).mean() > MOST_UNLIKE
        others = are_others(self.sums, self.middles, self.control.criterion)
        return state.zncc <= by_chance or spoilt or others

    def _unlike(self, freedom: float) -> np.ndarray:
        """(n,) bool, nodes around which the images do not match."""
        texture, contrast = self.texture, self.greys.contrast
        least = won(freedom, texture.independent_cells(contrast))
        return unlike(texture.connectivity, self.sums, self.greys.squares, contrast, least, texture.nodes)

    def _status(self, state: State) -> Status:
        if astray(self.pair.points, self.pair.connectivity, state.displacements).mean() > MOST_ASTRAY:
            return Status.VOLUME_CHANGE
        if state.change < self.control.convergence and state.settling < SETTLED:
            return Status.CONVERGED
        grown = state.objective - (1 + GROWTH) * state.best > CONTRAST * self.greys.contrast**2
        if state.number > PATIENCE and grown:
            return Status.ERROR_GROWTH
        return Status.MAX_ITERATIONS if state.number >= self.control.max_iterations else Status.NOT_EVALUATED

    def _result(self, state: State, history: np.ndarray) -> Result:
        """Collective."""
        pair, std = self.pair, None
        if self.control.probes and state.status == Status.CONVERGED:
            noise = self.team.on_root(
                lambda: noise_variance(self.sums, self.greys.squares, state.displacements, pair.connectivity)
            )
            sums = self.measuring and self.measuring.sums
            about = self.equations.system, sums, pair.connectivity, noise, self.control.probes
            std = standard_deviations(self.equations.solver, *about)
        freedom = self.equations.freedom() if self.equations and state.status > 0 else 0.0

        def result() -> Result:
            elements, status = {}, np.full(len(pair.points), state.status, np.int32)
            if self.equations:
                elements = of_elements(self.sums, self.greys, self.texture)
                strange = astray(pair.points, pair.connectivity, state.displacements)
                unseen, other = self._unseen(), self._unlike(freedom)
                status = node_status(status, pair.connectivity, strange, unseen & self.flat, unseen, other)
            known = None if std is None else np.where((status > 0)[:, None], std, np.nan)
            return Result(state.displacements, state.status, status, known, state, history, elements)

        return self.team.agree(result)


def line(state: State) -> str:
    """One iteration as a line of text."""
    change = f"largest change {state.change:8.4f} voxel" if state.number else f"{'at the start':29}"
    return (
        f"  {state.number:3d}  {change}  residual {state.rms:10.4g}  "
        f"zncc {state.zncc:.4f}  voxels in im2 {100 * state.valid_fraction:.1f} %"
    )
