"""The page of hpcdvc-ereg-discrete: that of hpcdvc-ereg for one label after the other, a list of them, and a map."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from hpcdvc.errors import RunError, UserError
from hpcdvc.pages.discrete_images import LabelImages, converged_labels
from hpcdvc.pages.discrete_journal import DECISIONS, Journal
from hpcdvc.pages.discrete_list import LISTED, about_label, counts, left_of, listed, next_of
from hpcdvc.pages.discrete_rows import LabelRows, Manual
from hpcdvc.pages.discrete_state import LabelOutcome, LabelState, outcome_of, state_of
from hpcdvc.pages.ereg import SCRIPTS, EregPage
from hpcdvc.pages.ereg_images import Shown
from hpcdvc.pages.ereg_jobs import TeamOfOne
from hpcdvc.pages.ereg_state import EregState
from hpcdvc.pages.ereg_views import Drawn
from hpcdvc.pages.messages import Message, numbers
from hpcdvc.pages.page import STATIC

_OWN = ("ereg.html", "discrete-list.js", "discrete-views.js", "ereg-discrete.css", "ereg-discrete.js")
_FILES = {"": "ereg-discrete.html", **{name: name for name in (*SCRIPTS, *_OWN)}}
#: Keys that are those of this page alone, and what they do.
KEYS = {
    "n": "accept", "s": "skip", "x": "reject", "u": "restore", "b": "back", "j": "next", "g": "guess", "k": "mask",
    "c": "centre",
}  # fmt: skip
#: What is said of decisions.
SAID = {"accept": "accepted", "skip": "skipped", "reject": "rejected", "restore": "as it was"}
#: All that this page is asked for, also without a key.
ASKED = {*KEYS.values(), "label"}


class DiscretePage(EregPage):
    """The page.

    Parameters
    ----------
    images : both, and the labels
    make : the rows that are repaired, of the labels that are there
    journal : files that decisions are kept in
    threshold : labels of a lower return status are to be repaired
    commands : command lines that go on from here
    mask : what is shown of im1 at first, one of MASKS
    """

    files: ClassVar[Mapping[str, Path]] = {name: STATIC / file for name, file in _FILES.items()}
    reading: ClassVar[frozenset[str]] = frozenset({"look", "list", "map"})

    def __init__(
        self,
        images: LabelImages,
        make: Callable[[np.ndarray], LabelRows],
        journal: Journal,
        threshold: int,
        commands: list[str],
        mask: str = "none",
    ) -> None:
        super().__init__(images, EregState(images.im1.shape), journal, commands)
        self.make, self.threshold, self.mask = make, threshold, mask
        self.rows: LabelRows | None = None
        self.row, self.trail = -1, []
        self.failure: Exception | None = None
        self._changed, self._unsaved = np.empty(0, np.int64), False
        self._accept_after: tuple | None = None
        self._found: tuple[LabelState, LabelOutcome] | None = None
        self._marks: dict[str, np.ndarray] = {}

    # what it says

    def state(self) -> dict[str, Any]:
        """See `Page.state`."""
        table = self.rows
        known = None if table is None else about_label(table, self.row, self.motion, self.kept.decided)
        return super().state() | {"label": known, "counts": self._counts()}

    def _counts(self) -> dict[str, int]:
        if self.rows is None:
            return {}
        return counts(self.rows, self.kept.decided, self.threshold) | {"revision": int(self._changed.max())}

    def answer(self, message: dict[str, Any]) -> Message:
        """See `EregPage.answer`; what the list and the map ask for, too."""
        if message["type"] == "detail":
            raise UserError("labels are shown as the images have them")
        if message["type"] not in ("list", "map") or self.rows is None:
            return super().answer(message)
        if message["type"] == "list":
            since = float(numbers(message, "since", ()))
            rows = listed(self.rows, self.kept.decided, self.threshold, np.flatnonzero(self._changed > since))
            return Message("list", {"columns": LISTED, "revision": self._counts()["revision"]}, {"rows": rows})
        axis, place = (float(numbers(message, name, ())) for name in ("axis", "place"))
        return Message("map", *self.images.map_of(axis, place))

    def save(self) -> None:
        """See `Page.save`."""
        if self._unsaved:
            self.kept.write(self.rows)
            self._unsaved = False

    # what it does

    def _load(self, check: Callable[[], None]) -> None:
        self.loading = f"reading {self.images.labels.spec}"
        self.hub.tell(Message("loading", {"text": self.loading}))
        try:
            self.images.load()
            rows = self.make(self.images.particles)
            self.kept.begin(rows)
        except Exception as error:  # raised by the command, when its server has ended
            self.failure = error
            self.hub.finish()
            return
        self.hub.in_turn(lambda: self._begin(rows))

    def _begin(self, rows: LabelRows) -> None:
        """Show the first label that is to be repaired; or else the first that is there."""
        self.rows, self.loading, self._unsaved = rows, "", True
        self._changed = np.ones(len(rows.rows), np.int64)
        left, done = left_of(rows, self.kept.decided, self.threshold), len(self.kept.decided)
        self._open(next_of(left, -1) if left.any() else int(np.flatnonzero(rows.place >= 0)[0]))
        self.motion.mask = self.mask
        before = f"{done} decided before, " if done else ""
        self._tell("", f"{before}{left.sum()} labels to be repaired", False)
        self.hub.tell(Message("loading", {"text": ""}))
        self.hub.changed(by_page=False)

    def _open(self, row: int) -> None:
        """Show a label."""
        table = self.rows
        name = table.first_guesses(np.array([row]))[0]
        phi = table.guess(row, name, self.images.settings.iterations.rigid)
        label = int(table.rows["label"][row])
        self.motion = state_of(self.motion, label, table.positions[row], phi, name)
        self.row = row
        self.history, self._accept_after = [], None
        self.images.look_at(table.place[row], phi)

    def _go(self, row: int) -> None:
        """The same; `back` comes back to the one before."""
        if self.job["running"]:
            self.hub.cancel()
        self.trail = [*self.trail[-500:], self.row]
        self._open(row)

    def _do(self, action: dict[str, Any]) -> str | None:
        """See `EregPage._do`; keys that this page has beside those of hpcdvc-ereg."""
        if self.rows is None:
            raise UserError("the labels are still being read")
        key, name = action.get("key"), action.get("do")
        if isinstance(key, str) and not (action.get("ctrl") or action.get("alt")):
            if key == "Enter":
                return self._enter(action.get("next"))
            name = KEYS.get(key)
        if not isinstance(name, str) or name not in ASKED:
            return super()._do(action)
        self._choose(name, action)
        return None

    def _enter(self, following: object) -> str | None:
        """Refine; pressed again, accept what that gives, now or when it is there, and go on to a label."""
        if self.motion.outcome.row is not None:
            self._decide("accept", following)
        elif self.job["running"]:
            self._accept_after = (following,)
        else:
            self._accept_after = None
            return "refine"
        return None

    def _choose(self, name: str, action: dict[str, Any]) -> None:
        """Decide on this label, or show another one, or this one otherwise."""
        if name in DECISIONS:
            self._decide(name, action.get("next"))
        elif name == "back":
            self._back()
        elif name == "next":
            self._go(self._wanted(action.get("next")))
        elif name == "label":
            label = action.get("label")
            self._go(self.rows.number(label if isinstance(label, int) else 0))
        elif name == "guess":
            self._take_guess(action.get("name"))
        elif name == "centre":
            self.images.look_at(self.rows.place[self.row], self.motion.matrix)
            self.motion.look_at_centre()
        else:
            self.motion.set_mask(action.get("mask"))

    def _back(self) -> None:
        if not self.trail:
            raise UserError("this was the first label")
        self.hub.cancel()
        self._open(self.trail.pop())

    def _take_guess(self, name: object) -> None:
        """Take a start by its name; None: the one after this."""
        known, how = self.rows.guesses(self.row), self.motion.outcome.how
        if name is None:
            name = known[(known.index(how) + 1) % len(known)] if how in known else known[0]
        phi = self.rows.guess(self.row, name, self.images.settings.iterations.rigid)
        self.motion.start_from(phi, name)
        self.images.look_at(self.rows.place[self.row], phi)

    def _wanted(self, label: object) -> int:
        """The row that a browser wants to be shown next, where it says which."""
        if isinstance(label, int) and label > 0:
            return self.rows.number(label)
        return next_of(left_of(self.rows, self.kept.decided, self.threshold), self.row)

    def _decide(self, decision: str, following: object) -> None:
        """Put a decision on the disk, change the row, and go on to the next label."""
        table, row, outcome = self.rows, self.row, self.motion.outcome
        made = None
        if decision == "accept":
            made = table.accepted(row, self.motion.matrix, outcome.how, outcome.row, outcome.manual)
        elif decision == "reject":
            made = table.rejected(row)
        elif decision == "restore":
            made = table.before[row : row + 1].copy()
        self.kept.decide(self.motion.label, decision, made, outcome.how)
        if made is not None:
            table.rows[row] = made[0]
        self._changed[row] = self._changed.max() + 1
        self._unsaved = True
        said = f"label {self.motion.label}: {SAID[decision]}"
        try:
            if decision == "restore":
                self._open(row)
            else:
                self._go(self._wanted(following))
        except UserError as error:
            self._open(row)
            said += f"; {error}"
        self._tell("", said, False)

    # refinement

    @property
    def works(self) -> dict[str, tuple[str, Callable[[TeamOfOne], str]]]:
        """See `EregPage.works`."""
        return {"refine": ("refine", self._refine), "auto": ("search", self._find_start)}

    def _refine(self, team: TeamOfOne) -> str:
        motion = self.motion
        found = self.images.refined(self._particle(motion), motion.matrix, team)
        return self._measured(motion, found, motion.outcome.manual, team)

    def _find_start(self, team: TeamOfOne) -> str:
        motion = self.motion
        found = self.images.searched(self._particle(motion), motion.matrix)
        return self._measured(motion, found, Manual.SEARCHED, team)

    def _particle(self, motion: LabelState) -> int:
        return int(self.rows.place[self.rows.number(motion.label)])

    def _measured(self, motion: LabelState, found: np.ndarray, manual: int, team: TeamOfOne) -> str:
        """Keep a row of hpcdvc-ddic where it has converged, for the end of the job; a line about it."""
        team.check()  # somebody may have gone on to another label
        claimed = self.rows.claimed_twice(self.rows.number(motion.label), found)
        outcome = outcome_of(motion.label, found, claimed, manual)
        self._found = motion, outcome
        return f"label {motion.label} refined: {outcome.said}; Enter or n accepts it"

    def _ended(self, name: str, said: str) -> None:
        """A job is over; in one turn, so that keys see it running, or what it has found."""
        self._tell(name, said, False)
        found, self._found = self._found, None
        if found is None or found[0] is not self.motion:
            return  # nothing, or somebody has gone on to another label
        self._finish(found[1].phi, found[1])
        if self._accept_after:
            self._decide("accept", *self._accept_after)
            self.hub.changed(by_page=False)

    def _work(self, name: str, work: Callable[[TeamOfOne], str], check: Callable[[], None]) -> None:
        said = f"{name}: ended, nothing has changed"
        try:
            said = work(TeamOfOne(check))
        except RunError as error:
            said = str(error)
        finally:
            self.hub.in_turn(lambda: self._ended(name, said))

    # what it shows

    def _draw(self, shown: Shown, before: Iterable[Drawn]) -> list[Drawn]:
        # those of another mask would leave their holes in `inside` only, which is drawn anew
        drawn, self._marks = self.images.draw(self.motion, before, converged_labels(self.rows.rows))
        return drawn

    def _picture(self, have: object, exact: bool) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        content, planes = super()._picture(have, exact)
        return content, planes | (self._marks if planes else {})
