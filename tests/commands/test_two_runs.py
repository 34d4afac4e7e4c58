"""Two runs that would write one result: the second is refused while the first lives, whatever it was told to do."""

import os
import signal
from pathlib import Path

import pytest
from deform_cases import run_here as deform_here
from ldic_cases import run_here
from ldic_runs import wait_for
from rank_scripts import finish, start
from reg_cases import run_here as register_here
from search_cases import points_here, search_here, spread_here

from hpcdvc.errors import UserError

#: A command that stops, as by SIGSTOP, when it has measured something.
STOPPED = """
import os, signal, sys
from hpcdvc import cli
from hpcdvc.runs.checkpoint import Checkpoint
append, stops = Checkpoint.append, [True]
def stop(*words):
    append(*words)
    if stops.pop() if stops else False:
        os.kill(os.getpid(), signal.SIGSTOP)
Checkpoint.append = stop
raise SystemExit(cli.main(sys.argv.pop(1)))
"""
COMMANDS = {
    "ldic": ("im1-im2-ldic", run_here, ("im1.tif", "im2.tif", "-hws", 5, "-ns", 9)),
    "reg": ("im1-im2-registration", register_here, ("im1.tif", "im2.tif")),
    "pixelSearch": ("im1-im2-pixelSearch", search_here, ("im1.tif", "im2.tif", "-hws", 5, "-ns", 9)),
    "pixelSearchPropagate": (
        "im1-im2-pixelSearchPropagate",
        spread_here,
        ("im1.tif", "im2.tif", "-hws", 5, "-ns", 9, "-cct", 0, "-sp", 20, 20, 20, 0, 0, 0),
    ),
    "guidingPoints": ("im1-guidingPoints", points_here, ("im1.tif", "-hws", 4)),
    "deformImage": ("im1-reg-def", deform_here, ("im1.tif", "-pf", "reg.tsv", "--residual", "im2.tif")),
}


@pytest.fixture(autouse=True)
def here(measured_folder):
    Path("stopped.py").write_text(STOPPED)


def stopped(command: str, *more):
    """The first run, which holds still."""
    process = start("stopped.py", command, *COMMANDS[command][2], "-od", "o", "-q", *more)
    stat = Path(f"/proc/{process.pid}/stat")
    assert wait_for(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", process)
    return process


def results(folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(folder).iterdir() if not path.name.endswith(".run.json")}


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")
@pytest.mark.parametrize("command", COMMANDS)
def test_second_run_is_refused_and_the_first_ends_as_alone(command):
    stem, run_it, words = COMMANDS[command]
    run_it(*words, "-od", "alone")
    first = stopped(command)
    for more in ((), ("--resume",), ("--force",), ("--force", "--resume")):
        said = rf"^o/{stem} is being written by another run \(process {first.pid} on .*, since .*\): wait for its end"
        with pytest.raises(UserError, match=said):
            run_it(*words, "-od", "o", *more)
    first.send_signal(signal.SIGCONT)
    assert finish(first) == (0, "", "")
    assert results("o") == results("alone")


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")
@pytest.mark.parametrize("command", [command for command in COMMANDS if command != "guidingPoints"])  # one block
def test_after_a_kill_the_next_goes_on_at_once(command):
    stem, run_it, words = COMMANDS[command]
    run_it(*words, "-od", "alone")
    first = stopped(command)
    first.kill()
    finish(first)
    assert Path(f"o/{stem}.lock").exists() and Path(f"o/{stem}.parts").exists()
    again = stopped(command, "--resume")
    with pytest.raises(UserError, match=f"process {again.pid}"):
        run_it(*words, "-od", "o", "--resume")
    again.kill()
    finish(again)
    run_it(*words, "-od", "o", "--resume")
    assert results("o") == results("alone")


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")
def test_every_step_of_a_series_is_owned():
    os.link("im2.tif", "im3.tif")
    words = ("im1.tif", "im2.tif", "im3.tif", "-hws", 5, "-ns", 9, "-od", "o", "-q")
    first = start("stopped.py", "ldic", *words)
    wait_for(lambda: Path("o/im1-im2-ldic.parts/key.json").exists(), first)
    with pytest.raises(UserError, match="o/im1-im3-ldic is being written by another run"):
        run_here("im1.tif", "im3.tif", "-hws", 5, "-ns", 9, "-od", "o", "--force")
    for name in ("im4.tif", "im5.tif"):
        os.link("im2.tif", name)
    with pytest.raises(UserError, match=r"^o/im1-series-ldic\.hdf\.series is being written by another run"):
        run_here("im1.tif", "im4.tif", "im5.tif", "-hws", 5, "-ns", 9, "-od", "o")
    assert not list(Path("o").glob("im1-im4*"))
    run_here("im1.tif", "im3.tif", "-hws", 5, "-ns", 9, "-od", "o", "-pre", "other")
    first.kill()
    finish(first)


def test_looking_takes_no_lock(monkeypatch):
    monkeypatch.setattr("hpcdvc.runs.lock.Locks.take", lambda *_: pytest.fail("a lock was taken"))
    run_here("im1.tif", "im2.tif", "-hws", 5, "-ns", 9, "--dry-run")
    assert not list(Path().glob("*.lock"))


@pytest.mark.parametrize("command", COMMANDS)
def test_no_lock_is_left(command, monkeypatch):
    _, run_it, words = COMMANDS[command]
    run_it(*words, "-od", "o")
    assert not list(Path("o").glob("*.lock*"))
    with pytest.raises(UserError, match="exists"):
        run_it(*words, "-od", "o")
    assert not list(Path("o").glob("*.lock*"))

    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("hpcdvc.runs.checkpoint.Checkpoint.append", fail)
    with pytest.raises(KeyboardInterrupt):
        run_it(*words, "-od", "o", "--force")
    assert not list(Path("o").glob("*.lock*"))


@pytest.mark.parametrize("rank", [0, 1])
def test_no_lock_is_left_by_a_rank_that_fails(rank):
    Path("fails.py").write_text(
        "import os, sys\nfrom hpcdvc import cli\nfrom hpcdvc.ranks.launch import launched_rank\n"
        "from hpcdvc.runs.checkpoint import Checkpoint\nappend = Checkpoint.append\n"
        f"Checkpoint.append = lambda *words: append(*words) if launched_rank() != {rank} else 1 / 0\n"
        "raise SystemExit(cli.main('ldic'))\n"
    )
    code, _, stderr = finish(start("fails.py", *COMMANDS["ldic"][2], "-od", "o", "-q", ranks=2))
    assert code == 1 and "ZeroDivisionError" in stderr
    assert not list(Path("o").glob("*.lock*")) and list(Path("o").glob("*.parts"))
