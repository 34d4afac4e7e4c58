"""The page of hpcdvc-ereg: what it answers to the browser, and what it does beside that."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from hpcdvc.errors import RunError, UserError
from hpcdvc.pages.detail import Region
from hpcdvc.pages.ereg_actions import act
from hpcdvc.pages.ereg_files import Kept
from hpcdvc.pages.ereg_images import PairOfImages, Shown
from hpcdvc.pages.ereg_jobs import TeamOfOne, automatic_start, refine, task_for
from hpcdvc.pages.ereg_state import EregState, Outcome
from hpcdvc.pages.ereg_views import Drawn, Measure, correlation, detailed, draw, figures, planes_of, slice_of
from hpcdvc.pages.hub import Hub
from hpcdvc.pages.messages import Message, numbers
from hpcdvc.pages.page import STATIC, Page

#: Actions of one message, correlations and browsers that are remembered, at most.
MOST_ACTIONS, MOST_HISTORY, MOST_BROWSERS = 1000, 300, 64
#: What a browser is told of the state as it is.
TOLD = ("phi", "point", "view", "mode", "step", "blend", "tiles", "swapped", "flicker", "rigid", "finest", "turning")
#: What pages that bring images together have in common.
SCRIPTS = ("ereg-page.js", "ereg-views.js", "ereg-panel.js", "ereg.css")
_FILES = {"": "ereg.html", **{name: name for name in ("ereg.js", *SCRIPTS)}}


class EregPage(Page):
    """The page.

    Parameters
    ----------
    images : both
    motion : the state to begin with
    kept : files that it is kept in
    commands : command lines that go on from here, shown for copying
    auto : look for a start when the images are there
    """

    files: ClassVar[Mapping[str, Path]] = {name: STATIC / file for name, file in _FILES.items()}
    reading: ClassVar[frozenset[str]] = frozenset({"look", "detail"})
    measure: ClassVar[Measure] = staticmethod(correlation)

    def __init__(
        self, images: PairOfImages, motion: EregState, kept: Kept, commands: list[str], auto: bool = False
    ) -> None:
        self.images, self.motion, self.kept, self.commands, self.auto = images, motion, kept, commands, auto
        self.loading, self.job = "loading", {"name": "", "text": "", "running": False}
        self.history: list[float] = []
        self.done: dict[str, int] = {}
        self.waiting = ""
        self._drawn: tuple[list, list[Drawn], dict] = ([], [], {})

    def begin(self, hub: Hub) -> None:
        """See `Page.begin`."""
        super().begin(hub)
        hub.background(self._load)

    def state(self) -> dict[str, Any]:
        """See `Page.state`."""
        motion = self.motion
        facts = {
            "images": [self.images.im1.spec, self.images.im2.spec],
            "mask": self.images.mask and self.images.mask.spec,
            "shape": list(self.images.im1.shape),
            "views": [[view, *axes] for view, axes in motion.views.items()],
            "table": self.kept.table,
            "commands": self.commands,
            "loading": self.loading,
            "job": self.job,
            "undo": len(motion.past),
            "redo": len(motion.future),
            "residuals": motion.residuals(),
        }
        return facts | {name: getattr(motion, name) for name in (*TOLD, "landmarks", "pending")} | motion.parts()

    def answer(self, message: dict[str, Any]) -> Message | Future:
        """Do the actions of an `act` message, and give the state after them, and the planes that a browser has not got.

        Of a `detail` message: a part of a view as the images themselves have it, later.

        Raises
        ------
        UserError
            The message is none of this page.
        """
        said = ""
        if message["type"] == "detail":
            return self._detail(message)
        if message["type"] == "act":
            said = self._act(message)
        elif message["type"] != "look":
            raise UserError("this page knows the messages act, look and detail")
        content, planes = self._picture(message.get("have"), message.get("exact") is True)
        return Message("drawn", {"said": said, "state": self.state(), **content}, planes, message.get("exact") is True)

    def save(self) -> None:
        """See `Page.save`."""
        self.kept.write(self.motion)

    # what it does

    def _load(self, check: Callable[[], None]) -> None:
        def tell(text: str) -> None:
            check()
            self.loading = text
            self.hub.tell(Message("loading", {"text": text}))

        try:
            self.images.load(tell)
        except (UserError, RunError) as error:
            self.loading = str(error)
            raise
        self.hub.in_turn(self._loaded)

    def _loaded(self) -> None:
        """The images are there: begin what was asked for before."""
        what = self.waiting or ("auto" if self.auto and not self.motion.past else "")
        if what:
            self.waiting, self.job["running"] = "", False
            self._ask(what)

    def _act(self, message: dict[str, Any]) -> str:
        """Do actions, but for those that were done before their answer got lost; returns what went wrong."""
        actions, number, browser = (message.get(name) for name in ("actions", "n", "browser"))
        if not isinstance(actions, list) or not all(isinstance(action, dict) for action in actions):
            raise UserError("actions are a list of objects")
        if len(actions) > MOST_ACTIONS:
            raise UserError(f"{len(actions)} actions at once: at most {MOST_ACTIONS}")
        if not isinstance(number, int) or not isinstance(browser, str) or len(browser) > 64:
            raise UserError("actions have a number, and the name of their browser")
        done, said = self.done.pop(browser, 0), ""
        self.done = dict(list(self.done.items())[1 - MOST_BROWSERS :]) | {browser: max(done, number)}
        for action in actions[max(0, done - number + len(actions)) :]:
            try:
                asked = self._do(action)
                if asked:
                    self._ask(asked)
            except UserError as error:
                said = str(error)
        self.hub.changed()
        return said

    def _do(self, action: dict[str, Any]) -> str | None:
        """Do one action; what it asks for beside a change of the state."""
        before = self.motion.matrix.copy()
        asked = act(self.motion, action, self._pitch())
        if not self.job["running"] and (self.motion.matrix != before).any():
            self.job["text"] = ""  # was said of another motion
        return asked

    def _pitch(self) -> float:
        shown = self.images.shown
        return float(shown.im2.size[self.motion.views[self.motion.view][0]]) if shown else 1.0

    @property
    def works(self) -> dict[str, tuple[str, Callable[[TeamOfOne], str]]]:
        """What can be asked for beside changes of the state: its name, and what it does."""
        return {"refine": ("refine", self._refine), "auto": ("automatic start", self._find_start)}

    def _ask(self, what: str) -> None:
        if what == "save":
            self.save()
            self._tell("save", f"saved: {self.kept.table}", False)
        elif what == "cancel":
            if self.waiting:
                self._tell(self.job["name"], f"{self.job['name']}: ended, nothing has changed", False)
                self.waiting = ""
            elif self.job["running"]:
                self.hub.cancel()
        elif self.job["running"]:
            raise UserError("one thing after the other: Esc ends what runs now")
        elif self.loading:
            self.waiting, name = what, self.works[what][0]
            self._tell(name, f"{name} begins when the images are there", True)
        else:
            name, work = self.works[what]
            self._tell(name, f"{name} begins", True)
            self.hub.background(lambda check: self._work(name, work, check))

    def _work(self, name: str, work: Callable[[TeamOfOne], str], check: Callable[[], None]) -> None:
        said = f"{name}: ended, nothing has changed"
        try:
            said = work(TeamOfOne(check))
        except (UserError, RunError) as error:
            said = str(error)
            raise
        finally:
            self.hub.in_turn(lambda: self._tell(name, said, False))  # after what it has found

    def _refine(self, team: TeamOfOne) -> str:
        task = task_for(self.images.im1.shape, self.motion.rigid, self.motion.finest)
        found = refine(self.images, self.motion.matrix, task, team, lambda text: self._tell("refine", text, True))
        self.hub.in_turn(lambda: self._finish(*found))
        return f"refined, {found[1].iterations} iterations of the last level; Ctrl+Z takes it back"

    def _find_start(self, team: TeamOfOne) -> str:
        self._tell("automatic start", "trying rotations and displacements", True)
        phi = automatic_start(self.images, self.motion.rigid, team, self.motion.turning)
        self.hub.in_turn(lambda: self._finish(phi, None))
        return "a start is found; Enter refines it"

    def _finish(self, phi: np.ndarray, outcome: Outcome | None) -> None:
        self.motion.set_phi(phi, outcome)
        self.hub.changed(by_page=False)

    def _tell(self, name: str, text: str, running: bool) -> None:
        self.job = {"name": name, "text": text, "running": running}
        self.hub.tell(Message("job", {"job": self.job}))

    # what it shows

    def _picture(self, have: object, exact: bool) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        motion, shown = self.motion, self.images.shown
        if shown is None:
            return {}, {}
        slices = {view: slice_of(motion, shown.im2, view) for view in motion.views}
        key = [motion.revision, shown.number, *slices.values()]
        if self._drawn[0] != key:
            same = self._drawn[0][1:2] == [shown.number]  # the levels, not those of the first look
            drawn = self._draw(shown, self._drawn[1] if same else ())
            self._drawn = (key, drawn, figures(drawn, self.measure))
            match = self._drawn[2]["match"]
            self.history = [*self.history[1 - MOST_HISTORY :], *([] if match is None else [round(match, 5)])]
        have, planes = have if isinstance(have, dict) else {}, {}
        if have.get("key") != key or (exact and have.get("exact") is not True):
            had = _slices(have, motion, exact) if have.get("whole") == shown.number else {}
            planes = planes_of(self._drawn[1], shown.windows, had)
        content = {
            "key": key,
            "exact": exact,
            "whole": shown.number,
            "slices": slices,
            "size": shown.im2.size,
            "first": shown.im2.first,
            "figures": self._drawn[2],
            "history": self.history,
            "windows": shown.windows,
            "histograms": shown.histograms,
        }
        return content, planes

    def _detail(self, message: dict[str, Any]) -> Future:
        """A part of a view at full resolution, where that can be had."""
        motion, shown, view = self.motion, self.images.shown, message.get("view")
        if shown is None or not isinstance(view, int) or view not in motion.views:
            raise UserError("there is no such view")
        ranges = [numbers(message, name, (2,)) for name in ("down", "right")]
        axes = motion.views[view]
        sizes = [self.images.im1.shape[axis] for axis in axes[1:]]
        spans = [tuple(np.clip(span, 0, n - 1).astype(int).tolist()) for span, n in zip(ranges, sizes, strict=True)]
        region = Region(axes, tuple(motion.point), *((min(span), max(span)) for span in spans))
        content = {"view": view, "key": self._drawn[0], "corner": [region.down[0], region.right[0]]}
        matrix, images = motion.matrix, self.images
        finer = region.step < max(shown.im2.size)
        return self.hub.aside(
            lambda: detailed(images, region, matrix, content) if finer else Message("detail", content)
        )

    def _draw(self, shown: Shown, before: Iterable[Drawn]) -> list[Drawn]:
        return draw(self.motion, shown, before)


def _slices(have: dict, motion: EregState, exact: bool) -> dict[int, int]:
    """The slices of im2 that a browser has, as good as they are wanted, by view."""
    slices, found = have.get("slices"), {}
    for view in motion.views if isinstance(slices, dict) else ():
        match slices.get(str(view)):
            case [int(number), bool(good)] if good or not exact:
                found[view] = number
    return found
