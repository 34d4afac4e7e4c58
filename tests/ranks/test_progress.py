"""Progress bar, progress lines and the table of statuses, on a clock that the tests set."""

import io

import pytest

from hpcdvc.ranks.progress import Progress, duration


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def run_for(seconds: int, terminal: bool, **details) -> str:
    """1000 points, 10 a second."""
    clock, stream = Clock(), Terminal() if terminal else io.StringIO()
    with Progress(1000, stream=stream, clock=clock, terminal=None if terminal else False, **details) as progress:
        for second in range(1, seconds + 1):
            clock.now += 1
            progress.update(10 * second, 0.75)
    return stream.getvalue()


def test_lines_in_a_log():
    lines = run_for(100, terminal=False).splitlines()
    assert lines == [
        " 30%  300/1000 points  10 points/s  1:10 left  75.0% converged",
        " 60%  600/1000 points  10 points/s  40.0 s left  75.0% converged",
        " 90%  900/1000 points  10 points/s  10.0 s left  75.0% converged",
        "1000 points in 1:40, 10 points/s  75.0% converged",
    ]


def test_bar_on_a_terminal():
    text = run_for(50, terminal=True)
    states = text.split("\r")
    assert states[0] == "" and len(states) == 52
    assert states[25].startswith("[######                  ]  25%  250/1000 points")
    assert text.count("\n") == 1 and text.endswith("\n")


def test_bar_covers_what_was_longer():
    clock, stream = Clock(), Terminal()
    progress = Progress(1000, stream=stream, clock=clock)
    for done in (1, 999):
        clock.now += 1000
        progress.update(done)
    longer, shorter = stream.getvalue().split("\r")[1:]
    assert len(longer.rstrip()) > len(shorter.rstrip()) and len(shorter) == len(longer)


def test_bar_is_not_redrawn_too_often():
    clock, stream = Clock(), Terminal()
    progress = Progress(1000, stream=stream, clock=clock)
    for done in range(1000):
        clock.now += 0.001
        progress.update(done)
    assert 4 <= stream.getvalue().count("\r") <= 5


@pytest.mark.parametrize("terminal", [True, False])
def test_quiet(terminal):
    assert run_for(100, terminal, quiet=True) == ""


def test_points_of_an_earlier_run_do_not_count_for_the_rate():
    clock, stream = Clock(), io.StringIO()
    with Progress(1000, done=900, stream=stream, clock=clock, terminal=False) as progress:
        clock.now += 50
        progress.update(950)
        clock.now += 50
        progress.update(1000)
    assert stream.getvalue().splitlines() == [
        " 95%  950/1000 points  1 points/s  50.0 s left",
        "100%  1000/1000 points  1 points/s  0.0 s left",
        "100 points in 1:40, 1 points/s",
    ]


def test_nothing_done_yet_and_nothing_to_do():
    clock, stream = Clock(), io.StringIO()
    with Progress(0, stream=stream, clock=clock, terminal=False) as progress:
        clock.now += 31
        progress.update(0)
    assert stream.getvalue().splitlines() == ["  0%  0/0 points  0 points/s  ? left", "0 points in 31.0 s, 0 points/s"]


def test_an_exception_leaves_the_terminal_on_a_new_line_without_a_summary():
    clock, stream = Clock(), Terminal()
    with pytest.raises(ZeroDivisionError), Progress(10, stream=stream, clock=clock) as progress:
        clock.now += 1
        progress.update(5)
        raise ZeroDivisionError
    assert stream.getvalue().endswith("left\n")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (59.94, "59.9 s"), (59.96, "1:00"), (75, "1:15"), (3599.6, "1:00:00"), (7384, "2:03:04")],
)
def test_duration(seconds, text):
    assert duration(seconds) == text
