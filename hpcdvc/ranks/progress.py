"""How far a run is."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from hpcdvc.ranks.terminal import tell

LAUNCHERS = ("mpiexec", "mpirun", "orterun", "prterun", "prun", "srun")
REDRAW, LINE = 0.2, 30.0  # seconds between two states of the bar, and between two lines in a log


class Progress:
    """A bar on a terminal, a line every 30 s elsewhere; nothing when `quiet`.

    Use as ``with Progress(total, quiet=...) as progress: ... progress.update(done)`` on every rank, with `quiet` on
    all but rank 0.

    Parameters
    ----------
    total : points to be done
    done : points done before, by an earlier run; they count as done but not for the rate
    quiet : show nothing
    stream : where to; default stderr
    clock : seconds, increasing
    terminal : draw a bar; default whether `stream`, or the stderr of the launcher, is a terminal
    unit : what the points are
    good : what points are that have ended well
    """

    def __init__(
        self,
        total: int,
        done: int = 0,
        quiet: bool = False,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
        terminal: bool | None = None,
        unit: str = "points",
        good: str = "converged",
    ) -> None:
        self.total, self.done, self.first, self.unit = total, done, done, unit
        self.quiet, self.clock, self.good = quiet, clock, good
        self.stream = stream or sys.stderr
        self.bar = not quiet and (on_terminal(self.stream) if terminal is None else terminal)
        self.part_good: float | None = None
        self.start = self.shown = clock()
        self.width = 0

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        """Leave the cursor on a new line; say how it went when the work was not cut short by an exception."""
        if self.quiet:
            return
        if kind is None:
            self._show(self._summary())
        if self.bar and self.width:
            tell("\n", self.stream)

    def update(self, done: int, part_good: float | None = None) -> None:
        """Tell how many points are done, and which part (0 to 1) of them is good. Cheap, call it often."""
        self.done, self.part_good = done, part_good
        if not self.quiet and self.clock() - self.shown >= (REDRAW if self.bar else LINE):
            self._show(self._state())

    def _show(self, text: str) -> None:
        self.shown = self.clock()
        if self.bar:
            tell("\r" + text.ljust(self.width), self.stream)
            self.width = len(text)
        else:
            tell(text + "\n", self.stream)

    def _rate(self) -> float:
        return (self.done - self.first) / max(self.clock() - self.start, 1e-9)

    def _state(self) -> str:
        rate = self._rate()
        left = duration((self.total - self.done) / rate) if rate > 0 else "?"
        part = self.done / max(self.total, 1)
        bar = f"[{'#' * int(24 * part):24s}] " if self.bar else ""
        count, speed = f"{self.done}/{self.total} {self.unit}", _speed(rate, self.unit)
        return f"{bar}{part:4.0%}  {count}  {speed}  {left} left{self._good_text()}"

    def _summary(self) -> str:
        seconds, points = self.clock() - self.start, self.done - self.first
        speed = _speed(self._rate(), self.unit)
        return f"{points} {self.unit} in {duration(seconds)}, {speed}{self._good_text()}"

    def _good_text(self) -> str:
        return "" if self.part_good is None else f"  {self.part_good:.1%} {self.good}"


def duration(seconds: float) -> str:
    """Seconds as people read them: `4.2 s`, `1:15` (minutes), `2:03:04` (hours)."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def on_terminal(stream: TextIO) -> bool:
    """Whether somebody watches: ranks write into pipes of their launcher, so its stderr is looked at too."""
    return stream.isatty() or _launcher_on_terminal()


def _launcher_on_terminal() -> bool:
    """Look for mpiexec among the parents of this process; Linux only, False elsewhere and on other nodes."""
    process = os.getppid()
    try:
        for _ in range(4):
            folder = Path("/proc", str(process))
            name, rest = (folder / "stat").read_text().partition("(")[2].rsplit(")", 1)
            if name.startswith(LAUNCHERS):
                return os.readlink(folder / "fd" / "2").startswith(("/dev/pts/", "/dev/tty"))
            process = int(rest.split()[1])
    except OSError:
        pass
    return False


def _speed(rate: float, unit: str) -> str:
    return f"{rate:.0f} {unit}/s" if rate >= 10 else f"{rate:.2g} {unit}/s"
