"""The page of hpcdvc-mmr-graphical: that of hpcdvc-ereg, with a box, a joint histogram and phases."""

import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from copy import copy
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from hpcdvc.errors import RunError, UserError
from hpcdvc.multimodal.objective import moments_of
from hpcdvc.multimodal.pair import explained
from hpcdvc.multimodal.phases_file import PhasesFile, phases_text
from hpcdvc.pages.ereg import SCRIPTS, EregPage
from hpcdvc.pages.ereg_images import PairOfImages
from hpcdvc.pages.ereg_jobs import TeamOfOne
from hpcdvc.pages.ereg_views import Measure
from hpcdvc.pages.messages import Message
from hpcdvc.pages.mmr_actions import act
from hpcdvc.pages.mmr_files import MmrKept
from hpcdvc.pages.mmr_jobs import automatic_start, refine, replay
from hpcdvc.pages.mmr_joint import Fit, Joint, Search, count, fit, made_of, phases_of
from hpcdvc.pages.mmr_slices import RESIDUAL, slices
from hpcdvc.pages.mmr_state import BINS, MmrState
from hpcdvc.pages.page import STATIC

#: Classes of grey values that the figures of planes are found from.
CLASSES = 64
COUNTING = "joint histogram"
_FILES = {"": "mmr.html", **{name: name for name in (*SCRIPTS, "ereg.html")}}
_OWN = ("mmr.js", "mmr-joint.js", "mmr-slices.js", "mmr-panels.js", "mmr.css")


def ratio(a: np.ndarray, b: np.ndarray) -> float | None:
    """Part of the variance of grey values b that grey values a explain, whatever the relation; None without any."""
    if len(a) < 2 or not (np.ptp(a) > 0 and np.ptp(b) > 0):
        return None
    f, g = (np.rint((v - v.min()) / np.ptp(v) * (CLASSES - 1)).astype(int) for v in (a, b))
    histogram = np.bincount(f * CLASSES + g, minlength=CLASSES**2).reshape(CLASSES, CLASSES)
    return explained(moments_of(histogram))


class MmrPage(EregPage):
    """The page.

    Parameters
    ----------
    images, motion, kept, commands, auto : see `EregPage`
    search : how peaks are found
    phases : of an earlier session, or of a file
    """

    files: ClassVar[Mapping[str, Path]] = {
        **{name: STATIC / file for name, file in _FILES.items()},
        **{name: STATIC / name for name in _OWN},
    }
    reading: ClassVar[frozenset[str]] = EregPage.reading | {"joint", "slices"}
    measure: ClassVar[Measure] = staticmethod(ratio)

    motion: MmrState
    kept: MmrKept

    def __init__(
        self,
        images: PairOfImages,
        motion: MmrState,
        kept: MmrKept,
        commands: list[str],
        search: Search,
        auto: bool = False,
        phases: PhasesFile | None = None,
    ) -> None:
        super().__init__(images, motion, kept, commands, auto)
        self.search = search
        self.joint: Joint | None = None
        self.phases: Fit | None = None
        self.ranges = phases and phases.ranges
        self._failed: tuple | None = None
        if phases is not None and phases.mixture.n_phases:
            self.phases = Fit.of_file(motion, phases)

    # what it is in

    def state(self) -> dict[str, Any]:
        """See `Page.state`."""
        return super().state() | {"picked": asdict(self.motion.picked), "found": self._found(), "choice": BINS}

    def _found(self) -> dict[str, Any] | None:
        """What a registration has found, and whether it is of what is picked, and fitted, now."""
        found = self.motion.found
        return found and {**found, "now": found["of"] == self._mark(self.motion)}

    def answer(self, message: dict[str, Any]) -> Message | Future:
        """Answer `joint` (the histogram and its phases) and `slices`; else see `EregPage.answer`."""
        if message["type"] == "joint":
            return self._joint(message)
        if message["type"] == "slices":
            return self._slices(message)
        return super().answer(message)

    def save(self) -> None:
        """See `Page.save`."""
        self.kept.write(self.motion, self._phases(self.motion))

    def _phases(self, state: MmrState) -> PhasesFile:
        """What is kept and replayed now."""
        return phases_of(state, self.ranges, self.phases, self.search)

    def _mark(self, state: MmrState) -> str:
        """A short name of all that a registration depends on."""
        return hashlib.sha256(phases_text(self._phases(state)).encode()).hexdigest()[:16]

    # what it does

    @property
    def works(self) -> dict[str, tuple[str, Callable[[TeamOfOne], str]]]:
        """See `EregPage.works`."""
        return super().works | {"run": ("registration", self._run), "joint": (COUNTING, self._count)}

    def _do(self, action: dict[str, Any]) -> str | None:
        if action.get("do") == "run":
            return "run"
        peaks = self.phases.peaks if self.motion.picked.peaks is None and self.phases else self.motion.picked.peaks
        return None if act(self.motion, action, list(peaks or ())) else super()._do(action)

    def _loaded(self) -> None:
        super()._loaded()
        self._begin_joint()

    def _begin_joint(self) -> None:
        """Count, where nothing else is done, and the same has not failed."""
        if not (self.job["running"] or self.loading or self._failed == made_of(self.motion)):
            self._ask("joint")

    def _ask(self, what: str) -> None:
        if self.job["name"] == COUNTING and what in self.works:  # which gives way
            self.job = {**self.job, "running": False}
        super()._ask(what)

    def _tell(self, name: str, text: str, running: bool) -> None:
        if name != COUNTING or self.job["name"] == COUNTING or not self.job["running"]:
            super()._tell(name, text, running)

    def _work(self, name: str, work: Callable[[TeamOfOne], str], check: Callable[[], None]) -> None:
        super()._work(name, work, check)
        if name in ("refine", "automatic start"):  # Phi is another one
            self.hub.in_turn(self._begin_joint)

    def _refine(self, team: TeamOfOne) -> str:
        phi, outcome = refine(
            self.images, self.motion, self.search, team, lambda text: self._tell("refine", text, True)
        )
        self.hub.in_turn(lambda: self._finish(phi, outcome))
        return f"refined, {outcome.iterations} iterations of the last level; Ctrl+Z takes it back"

    def _find_start(self, team: TeamOfOne) -> str:
        self._tell("automatic start", "trying rotations and displacements", True)
        phi = automatic_start(self.images, team)
        self.hub.in_turn(lambda: self._finish(phi, None))
        return "a start is found; Enter refines it"

    def _count(self, team: TeamOfOne) -> str:
        self._fresh(team, COUNTING)
        return f"{self.joint.histogram.sum()} voxels in the joint histogram"

    def _fresh(self, team: TeamOfOne, name: str) -> MmrState:
        """Bring joint histogram and phases up to date, as a part of a job; the state that they are of."""
        state = copy(self.motion)
        try:
            if self.joint is None or self.joint.of != made_of(state):
                joint = count(self.images, state, self.search, team, lambda text: self._tell(name, text, True))
                self.joint, self.ranges = joint, joint.ranges
            self.phases = fit(self.joint, state, self.search, self.phases)
        except (UserError, RunError):
            self._failed = made_of(state)
            raise
        self.hub.in_turn(lambda: self.hub.changed(by_page=False))
        return state

    def _run(self, team: TeamOfOne) -> str:
        state = self._fresh(team, "registration")
        phases, mark = self._phases(state), self._mark(state)
        found = replay(self.images, phases, team, lambda text: self._tell("registration", text, True))
        self.hub.in_turn(lambda: self._keep_found(found | {"of": mark}))
        return f"{found['reason']}; im1 explains {found['explained']:.4f} of the variance of im2"

    def _keep_found(self, found: dict) -> None:
        self.motion.found = found
        self.hub.changed(by_page=False)

    # what it shows

    def _joint(self, message: dict[str, Any]) -> Message:
        """The joint histogram, and phases that are fitted to it now; counting is begun where it is of another Phi."""
        state, said = self.motion, ""
        fresh = self.joint is not None and self.joint.of == made_of(state)
        if not fresh:
            self._begin_joint()
        if self.joint is None:
            return Message("joint", {"fresh": False, "said": said})
        if fresh and not self.job["running"]:
            try:
                before, self.phases = self.phases, fit(self.joint, state, self.search, self.phases)
                if self.phases is not before:
                    self.hub.changed()
            except UserError as error:
                said = str(error)
        told = {"fresh": fresh, "said": said, "found": self._found()}  # of phases that the state did not yet know
        return Message("joint", told | self._facts(), self._planes())

    def _facts(self) -> dict[str, Any]:
        joint, found, state = self.joint, self.phases, self.motion
        peaks = state.picked.peaks if state.picked.peaks is not None else found.peaks if found else ()
        facts = {
            "bins": len(joint.histogram),
            "ranges": [[grey.low, grey.high] for grey in joint.ranges],
            "voxels": int(joint.histogram.sum()),
            "most": int(joint.histogram.max()),
            "explained": joint.explained,
            "peaks": peaks,
            "phases": [],
        }
        if found is None:
            return facts
        mixture, n = found.mixture, found.mixture.n_phases
        of = zip(mixture.means[:n], mixture.covariances[:n], mixture.weights[:n], strict=True)
        return facts | {
            "phases": [{"mean": mean, "covariance": wide, "weight": float(weight)} for mean, wide, weight in of],
            "kept": found.kept,
            "between": float(mixture.weights[n:].sum()),
            "background": mixture.background,
        }

    def _planes(self) -> dict[str, np.ndarray]:
        planes = {"counts": self.joint.grey}
        if self._same_bins():
            planes["diagram"] = self.phases.diagram(self.joint.histogram, self.motion.picked.coverage)
        return planes

    def _same_bins(self) -> bool:
        return (
            self.phases is not None and self.joint is not None and self.phases.of[1].bins == len(self.joint.histogram)
        )

    def _slices(self, message: dict[str, Any]) -> Message:
        """Slices through the cross-hair: `phases` asks for phase and residual, `found` for the Phi that was found."""
        state, shown, exact = self.motion, self.images.shown, message.get("exact") is True
        if shown is None:
            return Message("slices", {"size": None})
        phi = np.array(state.found["Phi"]) if message.get("found") is True and state.found else state.matrix
        phases = None
        if message.get("phases") is True and self._same_bins():
            diagram = self.phases.diagram(self.joint.histogram, state.picked.coverage)
            phases = self.joint.ranges, diagram, self.phases.tables
        content = {
            "size": shown.im1.size,
            "first": shown.im1.first,
            "point": state.point,
            "windows": shown.windows,
            "deviation": RESIDUAL,
            "phases": phases is not None,
            "exact": exact,
        }
        return Message("slices", content, slices(state, shown, phi, phases), exact)
