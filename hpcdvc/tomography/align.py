"""Alignment of views: each is moved until it fits the projection of the volume that all of them show.

An iteration reconstructs the volume with the offsets that it has, projects it, compares each view with its projection
(`shifts`), and moves the views. What it yields depends on those offsets alone: a run goes on from any of them.
"""

import math
from dataclasses import replace

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.ranks.planes import own_planes
from hpcdvc.tomography.adapter import check_function, level_of
from hpcdvc.tomography.doubt import Held, hold_out, noise_power
from hpcdvc.tomography.geometry import Geometry
from hpcdvc.tomography.joined import joined, joined_on_root
from hpcdvc.tomography.judge import growth, judge, unexplained
from hpcdvc.tomography.level import Level, Seen
from hpcdvc.tomography.levels import bins_of, plan
from hpcdvc.tomography.reconstruct import check_reconstruction
from hpcdvc.tomography.scan import Scan
from hpcdvc.tomography.settings import Alignment, AlignSettings, Journal, Stage, State
from hpcdvc.tomography.shifts import step_of
from hpcdvc.tomography.start import fields_of_view, first_offsets
from hpcdvc.tomography.terms import Chance, towards_centre, towards_mean

#: Part of the residual below which it is as good as before: a stage of "gn" ends there, where no tolerance is given.
STALLED = 5e-4
#: Pixels: a tolerance below this asks for all iterations, even where no view moves any more.
NEVER = 1e-9

__all__ = ["align", "check", "free_offsets", "plan"]


def check(geometry: Geometry, settings: AlignSettings) -> None:
    """Whether settings fit a scan, before a view is read.

    Raises
    ------
    UserError
        A view that is ignored is not there, or all are; the crop leaves the views; binning leaves a pixel; a
        reconstruction or a mode does not suit the geometry; there is no such function.
    """
    n, ignored = geometry.views, set(settings.ignored)
    wrong = sorted(view for view in ignored if not 0 <= view < n)
    if wrong:
        raise UserError(f"there is no view {wrong[0]} to be ignored: they are numbered from 0 to {n - 1}")
    if len(ignored) == n:
        raise UserError(f"all {n} views are ignored: nothing is left to be aligned")
    if settings.crop is not None:
        j0, j1, k0, k1 = settings.crop
        for name, low, high, size in (("j", j0, j1, geometry.shape[0]), ("k", k0, k1, geometry.shape[1])):
            if not 0 <= low < high <= size:
                raise UserError(
                    f"the crop from {low} to {high} along {name} is empty or leaves the {size} pixels of a view"
                )
    coarsest = max(settings.bins, default=1)
    if coarsest > 1 and coarsest >= max(geometry.shape):
        size = " x ".join(map(str, geometry.shape))
        raise UserError(f"views of {size} pixels that are binned by {coarsest} are a single pixel")
    if settings.mode == "slab" and not geometry.single_axis:
        raise UserError("views that are tilted need the whole volume: take the mode replicated instead of slab")
    check_reconstruction(geometry, settings)
    check_function(settings)


def align(scan: Scan, settings: AlignSettings, team, journal: Journal | None = None) -> Alignment:
    """Align the views of a scan. Collective.

    Parameters
    ----------
    scan : its views, of which each rank reads its own
    settings : how
    team : hpcdvc.ranks.team.Team
    journal : keeps the iterations, and has those of an earlier run

    Returns
    -------
    Alignment

    Raises
    ------
    UserError
        Settings do not fit the scan, or a view cannot be used.
    RunError
        A node has no room, or the disk fails.
    """
    team.agree(lambda: check(scan.geometry, settings))
    return _Loop(scan, settings, team, journal or Journal()).run()


class _Loop:
    """One run."""

    def __init__(self, scan: Scan, settings: AlignSettings, team, journal: Journal):
        self.scan, self.settings, self.team, self.journal = scan, settings, team, journal
        self.geometry, self.stages = scan.geometry, plan(scan.geometry, settings)
        self.own = range(*own_planes(team, scan.geometry.views))
        read = team.agree_all(lambda: [scan.read(i) for i in self.own])
        empty = np.empty((0, *scan.geometry.shape), np.float32)
        self.views, self.weights = (np.array([pair[i] for pair in read], np.float32) if read else empty for i in (0, 1))
        self.moving = np.setdiff1d(np.arange(scan.geometry.views), settings.ignored)
        self.chance = Chance(settings, scan.geometry.views, self.moving)
        self.level: Level | None = None

    def run(self) -> Alignment:
        """Collective."""
        earlier, notes = self.journal.earlier, fields_of_view(self.views, self.weights, self.team)
        if earlier:
            state, history = earlier[-1], list(earlier)
            self.chance.skip(state.iteration)
            seen = self._seen(state)
        else:
            state, seen = self._started()
            history = [self._kept(state)]
        while (state := self._in_stage(state, history)).stage < len(self.stages):
            if self.level.binning != self.stages[state.stage].binning:
                seen = self._seen(state)
            state, seen = self._evaluated(self._moved(state, seen))
            history.append(self._kept(state))
        if self.level.binning != 1:  # what comes out is of the scan, however coarse the last stage was
            seen = self._on(1).seen(state.offsets)
        return self._result(state, seen, history, notes)

    def _started(self) -> tuple[State, Seen]:
        """The start, whose residual is that of the last level, to be compared with the end."""
        state = State(first_offsets(self.scan, self.settings, self.views, self.weights, self.team))
        ended, seen = self._evaluated(replace(state, stage=len(self.stages) - 1))
        state = replace(state, residual=ended.residual)
        return state, seen if self.stages[0].binning == self.stages[-1].binning else self._seen(state)

    def _in_stage(self, state: State, history: list[State]) -> State:
        """The last state of a history, in the stage whose iteration is the next."""
        if state.step >= self.stages[state.stage].maxiter or self._settled(history):
            state = replace(state, stage=state.stage + 1, step=0)
        while state.stage < len(self.stages) and not self.stages[state.stage].maxiter:
            state = replace(state, stage=state.stage + 1)
        return state

    def _settled(self, history: list[State]) -> bool:
        """Whether the stage of the last state has come to its end before its last iteration."""
        state = history[-1]
        stage = self.stages[state.stage]
        if not state.step or stage.tolerance < NEVER:
            return False
        if state.change < stage.tolerance or self.settings.tolerance is not None:
            return state.change < stage.tolerance
        before = history[-2].residual
        return stage.method == "gn" and state.step > 1 and before - state.residual < STALLED * before

    def _seen(self, state: State) -> Seen:
        """The volume, and its projections, with the offsets of a state, on its level."""
        stage = self.stages[min(state.stage, len(self.stages) - 1)]
        return self._on(stage.binning).seen(state.offsets)

    def _on(self, binning: int) -> Level:
        """The level of such a binning."""
        if self.level is None or self.level.binning != binning:
            self.level = None  # its memory is free before that of the next
            make = level_of(self.settings)
            self.level = make(self.scan, self.views, self.weights, binning, self.settings, self.team)
        return self.level

    def _evaluated(self, state: State) -> tuple[State, Seen]:
        """The state with what its volume says of it."""
        seen = self._seen(state)
        return replace(state, residual=self._residual(seen)), seen

    def _residual(self, seen: Seen) -> float:
        off, all_of_it = (math.fsum(values) for values in self._squares(seen))
        return math.sqrt(off / all_of_it) if all_of_it > 0 else math.nan

    def _squares(self, seen: Seen) -> np.ndarray:
        """(2, n) sums of squares of projections minus views, and of the views."""

        def squares(values: np.ndarray) -> list[float]:
            return [float((w * v.astype(float) ** 2).sum()) for w, v in zip(seen.weights, values, strict=True)]

        return joined(self.team, np.array([squares(seen.projections - seen.views), squares(seen.views)]), axis=1)

    def _moved(self, state: State, seen: Seen) -> State:
        """The state after one iteration. Collective."""
        settings, stage = self.settings, self.stages[state.stage]
        sample = self.chance.sample()
        steps = self._compared(seen, stage, sample)
        sizes = np.hypot(*steps)
        steps *= np.minimum(1, stage.cutoff / np.maximum(sizes, stage.cutoff))
        steps[:, sample] -= (towards_mean(state.offsets, self.chance) * settings.relaxation)[:, sample]
        if settings.centre_of_mass:
            pull = towards_centre(self.level, seen, state.offsets) * settings.centre_of_mass
            steps[:, sample] += pull[:, sample]
        steps[~np.array([settings.align_j, settings.align_k])] = 0
        steps[:, self._still()] = 0
        if self.level.endless and not settings.ignored:  # nothing holds all of them, and rows would leave the volume
            steps[1, sample] -= steps[1, sample].mean()
        return replace(
            state,
            offsets=state.offsets + steps,
            iteration=state.iteration + 1,
            step=state.step + 1,
            change=float(np.hypot(*steps).max()),
        )

    def _still(self) -> np.ndarray:
        still = np.ones(self.geometry.views, bool)
        still[self.moving] = False
        return still

    def _compared(self, seen: Seen, stage: Stage, sample: np.ndarray) -> np.ndarray:
        """(2, n) steps that the views ask for, pixels of the scan; 0 of those that are not in the sample."""
        settings, part = self.settings, self.level.crop
        directions = settings.align_j, settings.align_k
        wanted, own = set(sample.tolist()), np.zeros((2, len(self.own)))
        for i, view in enumerate(self.own):
            if view in wanted:
                images = (array[i][part] for array in (seen.projections, seen.views, seen.weights))
                own[:, i] = step_of(stage.method, *images, stage.upsampling, directions)
        return joined(self.team, own, axis=1) * stage.binning

    def _kept(self, state: State) -> State:
        self.journal.keep(state)
        self.journal.say(line(state, self.stages))
        return state

    def _result(self, state: State, seen: Seen, history: list[State], notes: tuple[str, ...]) -> Alignment:
        settled = history[-1].stage == len(self.stages) - 1 and self._settled(history)
        volume = self.level.gather(seen.volume)
        projections, views = (joined_on_root(self.team, array) for array in (seen.projections, seen.views))
        off, all_of_it = self._squares(seen)
        residuals = np.sqrt(off / np.where(all_of_it > 0, all_of_it, np.nan))
        noise = math.fsum(joined(self.team, np.array([*map(noise_power, seen.views, seen.weights)])))
        free = free_offsets(state.offsets, self.geometry)
        held = self._held_out(state.offsets)
        judged = judge(held, self.moving, settled, growth(history, self.stages))
        notes += unexplained(held, history[-1].residual, math.sqrt(noise / max(math.fsum(all_of_it), 1e-30)))
        return Alignment(
            *(volume, projections, views, *state.offsets, free, tuple(history), settled),
            *(judged.statuses, residuals, held.likeness, judged.doubts, notes + judged.notes),
        )

    def _held_out(self, offsets: np.ndarray) -> Held:
        """How views fit what the other half of them shows. Collective; the level of the run is gone then."""
        self.level = None
        binning = bins_of(self.geometry, AlignSettings())[0]
        level = Level(self.scan, self.views, self.weights, binning, self.settings, self.team)
        return hold_out(level, offsets)


def free_offsets(offsets: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Offsets (2, n) without the translation t of the whole volume that explains most of them: o - (u . t, w . t)."""
    directions = np.concatenate([geometry.u, geometry.w])
    move = np.linalg.lstsq(directions, np.concatenate(offsets), rcond=1e-10)[0]
    return offsets - (directions @ move).reshape(2, -1)


def line(state: State, stages: tuple[Stage, ...]) -> str:
    """One iteration as a line of text."""
    residual = f"residual {100 * state.residual:8.4f} %"
    if not state.iteration:
        return f"  {0:3d}  {'at the start':28}  {residual}"
    stage = stages[min(state.stage, len(stages) - 1)]
    binned = f", views binned by {stage.binning}" if stage.binning > 1 else ""
    return f"  {state.iteration:3d}  largest shift {state.change:8.4f} pixel  {residual}  {stage.method}{binned}"
