"""A run owns its output: whose lock it is, when it is dead, and that only one takes it over."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from hpcdvc.errors import RunError, UserError
from hpcdvc.ranks.team import Team
from hpcdvc.runs import lock, owner
from hpcdvc.runs.lock import Locks
from hpcdvc.runs.owner import read_owner, this_process

#: Takes the lock x.lock, says so, and does what it is told to.
HOLDER = """
import os, signal, sys, time
from hpcdvc.ranks.team import Team
from hpcdvc.runs.lock import Locks
signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore it in the background
with Locks(Team()) as locks:
    locks.take("x")
    print("taken", flush=True)
    exec(sys.argv[1])
"""


class Clock:
    """What a run that waits for another has for `time`: it goes on while the run sleeps, and not otherwise."""

    def __init__(self) -> None:
        self.now = 0.0
        self.meanwhile = lambda: None

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.meanwhile()


@pytest.fixture(autouse=True)
def clock(tmp_path, monkeypatch):
    """A folder, and a clock for this process: minutes take no time, and none is lost on a busy machine."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(lock, "time", clock := Clock())
    return clock


def holder(what: str) -> subprocess.Popen:
    """Another process that has the lock."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, what], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline() == b"taken\n", process.stderr.read()
    return process


def leave(**changes) -> None:
    """The lock of a run of this process, but for what is different of it."""
    Path("x.lock").write_bytes(replace(this_process(), **changes).written())


def dead_process() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def take(**how) -> None:
    """Take the lock, and let it go."""
    with Locks(Team()) as locks:
        locks.take("x", **how)
        locks.confirm("x")
        assert json.loads(Path("x.lock").read_text())["process"] == os.getpid()
    assert os.listdir() == []


def test_free():
    take()


@pytest.mark.parametrize("force", [False, True])
def test_second_run_is_told_of_the_first(force):
    first = holder("time.sleep(60)")
    before = Path("x.lock").read_bytes()
    words = (
        rf"^x is being written by another run \(process {first.pid} on {os.uname().nodename}, since 20.* UTC\): wait"
    )
    with pytest.raises(UserError, match=words):
        take(force=force)
    assert os.listdir() == ["x.lock"] and Path("x.lock").read_bytes() == before
    first.kill()
    first.wait()
    take()


def test_process_that_nobody_has_buried_is_dead():
    first = holder("os.kill(os.getpid(), signal.SIGKILL)")
    os.waitid(os.P_PID, first.pid, os.WEXITED | os.WNOWAIT)
    take()
    first.wait()


@pytest.mark.parametrize("what", ["time.sleep(60)", "sys.exit(3)", "1 / 0", "signal.raise_signal(signal.SIGINT)"])
def test_lock_goes_with_its_run(what):
    first = holder(what)
    if "sleep" in what:
        first.terminate()
    assert first.wait(10) != 0
    assert os.listdir() == []


def test_told_to_end_while_it_waits_for_others():
    """As in MPI: the main thread does not come back to Python."""
    first = holder("import ctypes; ctypes.CDLL(None).sleep(60)")
    first.terminate()
    assert first.wait(10) == 128 + signal.SIGTERM
    assert os.listdir() == []


@pytest.mark.parametrize("changes", [{"process": dead_process()}, {"started": "1"}])
def test_dead_run_of_this_machine(changes):
    """No such process, or another one that has its number now."""
    leave(**changes)
    take()


@pytest.mark.parametrize("user, dead", [(0, True), (1, False)])
def test_processes_of_others_may_be_hidden(monkeypatch, user, dead):
    """They can be told from those of this user all the same."""

    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    monkeypatch.setattr(owner, "_state_and_start", lambda _: ("", ""))
    assert owner.lives(replace(this_process(), user=os.geteuid() + user)) is not dead


@pytest.mark.parametrize("force, seconds", [(False, 300), (True, 60)])
def test_run_of_another_machine_is_dead_when_its_time_stands_still(clock, force, seconds):
    leave(machine="another")
    take(force=force)
    assert seconds - 30 < clock.now < seconds + 2, "less by the age of the lock"


def test_dead_for_long_is_not_waited_for(monkeypatch, clock):
    """By the times of files: what the clock of this machine says is nothing to the point."""
    monkeypatch.setattr(time, "time", lambda: 0.0)
    leave(machine="another")
    os.utime("x.lock", (time.time(), os.stat("x.lock").st_mtime - 301))
    take()
    assert clock.now == 0


def give_a_sign() -> None:
    """What the thread of another run does: the time of its lock is another one."""
    os.utime("x.lock", (0, os.stat("x.lock").st_mtime + 1))


@pytest.mark.parametrize("force", [False, True])
def test_run_of_another_machine_that_lives(clock, force):
    leave(machine="another", host="node7")
    clock.meanwhile = lambda: clock.now < 10 or give_a_sign()
    with pytest.raises(UserError, match=r"on node7, since .*; if it is dead, x\.lock counts for nothing"):
        take(force=force)
    assert os.listdir() == ["x.lock"] and 10 <= clock.now < 12


def test_signs_of_life(monkeypatch):
    monkeypatch.setattr(lock, "INTERVAL", 0.02)
    with Locks(Team()) as locks:
        locks.take("x")
        os.utime("x.lock", (0, 0))
        limit = time.monotonic() + 5
        while os.stat("x.lock").st_mtime == 0:
            assert time.monotonic() < limit
            time.sleep(0.01)


def test_run_that_was_taken_for_dead():
    with Locks(Team()) as locks:
        locks.take("x")
        leave(process=77)
        with pytest.raises(RunError, match=r"another run has taken over x \(process 77 on "):
            locks.confirm("x")
        os.unlink("x.lock")
        with pytest.raises(RunError, match="another run has taken over x: "):
            locks.confirm("x")
        leave(process=78)
    assert read_owner(Path("x.lock").read_bytes()).process == 78, "the lock of another is left"


TAKER = """
import sys
from hpcdvc.errors import UserError
from hpcdvc.runs.lock import _take
print("ready", flush=True)
for stem in sys.stdin:  # a line each, when all are ready
    try:
        _take(f"{stem.strip()}.lock", stem.strip(), 60.0)
        print("mine", flush=True)
    except UserError:
        print("refused", flush=True)
"""


def test_only_one_takes_over():
    """Many at once, from one dead lock, and the one that has it lives on."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    takers = [subprocess.Popen([sys.executable, "-c", TAKER], **pipes) for _ in range(3)]
    assert [taker.stdout.readline() for taker in takers] == ["ready\n"] * 3
    dead = replace(this_process(), process=dead_process()).written()
    for number in range(50):
        Path(f"x{number}.lock").write_bytes(dead)
        for taker in takers:
            taker.stdin.write(f"x{number}\n")
        said = sorted(taker.stdout.readline().strip() for taker in takers)
        assert said == ["mine", "refused", "refused"]
        assert [name for name in os.listdir() if name.startswith(f"x{number}.")] == [f"x{number}.lock"]
    for taker in takers:
        taker.communicate()


def test_take_over_that_was_killed():
    """The right to take over is a lock itself."""
    leave(process=dead_process())
    right = f"x.lock.{lock.hashlib.sha256(Path('x.lock').read_bytes()).hexdigest()[:16]}"
    Path(right).write_bytes(replace(this_process(), process=dead_process()).written())
    take()


@pytest.mark.parametrize("planted", ["link", "link to nowhere", "pipe", "folder"])
def test_what_is_no_lock_is_not_touched(planted, tmp_path_factory):
    victim = tmp_path_factory.mktemp("elsewhere") / "victim"
    if planted == "link":
        victim.write_text("mine")
    if "link" in planted:
        os.symlink(victim, "x.lock")
    elif planted == "pipe":
        os.mkfifo("x.lock")
    else:
        os.mkdir("x.lock")
    with pytest.raises(UserError, match=r"^x\.lock is no regular file: remove it$"):
        take()
    assert os.path.lexists("x.lock")
    assert victim.read_text() == "mine" if planted == "link" else not victim.exists()


@pytest.mark.parametrize(
    "text", ["", "no", "[1]", '{"host": 3}', '{"process": -1}', '{"process": true}', '{"x": 1}', "[" * 4000]
)
def test_lock_of_somebody_else(text, clock):
    """Nobody knows what it says; it is believed for as long as any other."""
    Path("x.lock").write_text(text)
    take(force=True)
    assert clock.now > 30


def test_names_in_locks_are_shown_without_control_characters(clock):
    leave(machine="another", host="\x1b[2Jnode\n" + "y" * 500)
    clock.meanwhile = give_a_sign
    with pytest.raises(UserError) as caught:
        take()
    assert str(caught.value).isprintable() and len(str(caught.value)) < 500
