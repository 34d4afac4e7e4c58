"""The page of hpcdvc-view: a result, a series of them or a run that has not ended, to be looked at and not changed."""

import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any, ClassVar

from hpcdvc.errors import RunError, UserError, quoted
from hpcdvc.pages.hub import Hub
from hpcdvc.pages.levels import Level
from hpcdvc.pages.messages import Message, numbers
from hpcdvc.pages.page import STATIC, Page
from hpcdvc.pages.view_images import Images
from hpcdvc.pages.view_result import Source
from hpcdvc.pages.view_running import is_running, mark_of, source_of
from hpcdvc.pages.view_source import sources_of
from hpcdvc.pages.view_step import Advice, Step

#: Seconds between two looks at the files.
LOOK = 5.0
#: Its files.
SCRIPTS = ("view", "view-planes", "view-raster", "view-panel", "view-keys", "view-png", "view-words")
_FILES = {"": "view.html", "view.css": "view.css", **{f"{name}.js": f"{name}.js" for name in SCRIPTS}}


class ViewPage(Page):
    """The page.

    Parameters
    ----------
    paths : of the results, one after the other
    images : that the command line names, one for all steps of the first result or one for each result
    advice : what to try, by the name of a result and a status, where the result does not say it
    look : seconds between two looks at the files
    """

    files: ClassVar[Mapping[str, Path]] = {name: STATIC / file for name, file in _FILES.items()}
    reading: ClassVar[frozenset[str]] = frozenset({"look", "distribution", "rows", "point", "step"})

    def __init__(
        self, paths: list[str], images: Callable[[int], list[Images]], advice: Advice, look: float = LOOK
    ) -> None:
        self.paths, self.advice, self.look = paths, advice, look
        self._images_of = images
        self.steps: list[Step] = []
        self.loading, self.revision, self._wanted = "loading", 0, 0

    def begin(self, hub: Hub) -> None:
        """See `Page.begin`."""
        super().begin(hub)
        hub.background(self._work)

    def state(self) -> dict[str, Any]:
        """See `Page.state`."""
        whole = [os.path.abspath(path) for path in self.paths]
        return {
            "steps": [step.source.name for step in self.steps],
            "names": [os.path.basename(path) for path in self.paths],
            "paths": whole,
            "running": [is_running(path) for path in self.paths],
            "loading": self.loading,
            "revision": self.revision,
        }

    def answer(self, message: dict[str, Any]) -> Message | Future[Message]:
        """Answer what a page asks for of a step; planes do not wait for the rest.

        Raises
        ------
        UserError
            There is none, or the message is none of this page.
        """
        kind = message["type"]
        if kind not in self.reading:
            return super().answer(message)
        step = self._step(message)
        if kind == "step":
            self._wanted = message["step"]
            return Message("step", {"revision": self.revision, **step.told()})
        if kind == "distribution":
            return self.hub.aside(lambda: Message("distribution", step.distribution(message.get("field"))))
        if kind == "rows":
            return Message("rows", {}, step.rows(message.get("field")))
        if kind == "look":
            point, under = numbers(message, "point", (3,)), message.get("under")
            content, planes = step.look(_views(message), message.get("field"), point, under)
            return Message("planes", {"revision": self.revision, **content}, planes)
        point, row = numbers(message, "point", (3,)), message.get("row")
        row = row if isinstance(row, int) and not isinstance(row, bool) else None
        return self.hub.aside(lambda: Message("point", *step.point(point, row, message.get("across"))))

    def _step(self, message: dict[str, Any]) -> Step:
        number = message.get("step")
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < len(self.steps):
            raise UserError(f"there is no step {quoted(number)}" if self.steps else "the result is still being read")
        return self.steps[number]

    # in the background

    def _work(self, check: Callable[[], None]) -> None:
        """Read the files, again where they have changed, and the images of the step that is looked at."""
        marks, steps, shown, due = dict.fromkeys(self.paths), [], None, 0.0
        while True:
            if time.monotonic() >= due:
                now = {path: mark_of(path) for path in self.paths}
                if now != marks:
                    found = self._read(steps, check)
                    marks, steps, shown = (now, found, None) if found else (marks, steps, shown)
                due = time.monotonic() + self.look
            wanted = min(self._wanted, len(steps) - 1)
            if steps and shown != wanted:
                self._show(steps, wanted, check)
                shown = wanted
            check()
            time.sleep(min(0.05, self.look))

    def _read(self, before: list[Step], check: Callable[[], None]) -> list[Step]:
        """The steps as they are now; none where they cannot be read, or only in a moment: a run may just put its result
        in the place of its shards."""
        try:
            sources = [source for path in self.paths for source in self._sources(path)]
            steps = [Step(*one, self.advice) for one in zip(sources, self._images_of(len(sources)), strict=True)]
            for step in steps:
                check()
                step.prepare(_levels(before), check)
        except (UserError, RunError) as error:
            if self.loading != str(error):
                self._say(str(error))
            return []
        self._take(steps)
        return steps

    def _show(self, steps: list[Step], number: int, check: Callable[[], None]) -> None:
        """Make what is looked at of the images of a step, and forget that of others."""

        def tell(text: str) -> None:
            check()
            if text:
                self.hub.tell(Message("loading", {"text": text}))
            else:
                self._take(steps)

        known = _levels(steps)
        for step in steps:
            if step is not steps[number]:
                step.images.levels = {}
        try:
            steps[number].images.load(tell, known)
        except (UserError, RunError) as error:
            self._say(str(error))

    def _sources(self, path: str) -> list[Source]:
        return [source_of(path)] if is_running(path) else sources_of(path)

    def _take(self, steps: list[Step]) -> None:
        def take() -> None:
            self.steps, self.loading, self.revision = steps, "", self.revision + 1
            self.hub.changed(by_page=False)

        self.hub.in_turn(take)

    def _say(self, text: str) -> None:
        self.loading = text
        self.hub.tell(Message("loading", {"text": text}))


def _views(message: dict[str, Any]) -> list[tuple[int, bool, bool]]:
    """Number of each view that is asked for, and whether its field and its grey values are."""
    found, views = [], message.get("views")
    for one in views if isinstance(views, list) else ():
        match one:
            case [int(number), bool(of_field), bool(grey)] if 1 <= number <= 3:
                found.append((number, of_field, grey))
            case _:
                raise UserError(f"views are asked for by number, field, grey, not {quoted(one)}")
    return found[:3]


def _levels(steps: list[Step]) -> dict[str, Level]:
    """Those that are there."""
    return {key: level for step in steps for key, level in step.images.known().items()}
