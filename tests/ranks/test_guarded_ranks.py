"""How a run ends when a rank fails: on all ranks, soon, with one message and the right exit code."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
from rank_scripts import clean_environment, finish, run, start

from hpcdvc.errors import RunError, Unfinished, UserError
from hpcdvc.ranks import guard
from hpcdvc.ranks.team import Team

SCRIPT = """
import os, signal, sys, threading, time
from hpcdvc.ranks import guard
from hpcdvc.ranks import team as parallel
from hpcdvc.errors import RunError, Unfinished, UserError

how, where = sys.argv[1], sys.argv[2]

def fail(error):
    raise error

def in_thread():
    thread = threading.Thread(target=lambda: fail(ValueError("in a thread")))
    thread.start()
    thread.join()

local = {
    "exception": lambda: fail(ValueError("a bug")),
    "exit": lambda: sys.exit(3),
    "exit_0": lambda: sys.exit(0),
    "thread": in_thread,
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "interrupt": lambda: fail(KeyboardInterrupt()),
    "user": lambda: fail(UserError("im1.tif is no image")),
    "run": lambda: fail(RunError("disk full")),
    "file": lambda: open("/nowhere/at/all"),
}
agreed = {
    "user": lambda: team.agree(lambda: fail(UserError("im1.tif is no image"))),
    "run": lambda: team.agree_all(lambda: fail(RunError("disk full")) if team.rank == team.size - 1 else None),
    "left": lambda: team.agree(lambda: fail(Unfinished("left on request"))),
    "exit": lambda: team.agree(lambda: sys.exit(4)),
    "fine": lambda: None,
}

def work():
    if where == "agreed":
        agreed[how]()
        return None
    if where == "all" or team.rank == int(where):
        print("FAILS AT", time.time(), flush=True)
        local[how]()
    team.barrier()
    if team.rank == 0:
        print("WAITING", flush=True)
    time.sleep(60)

try:
    team = parallel.connect()
except UserError as error:
    sys.exit(f"refused: {error}")
raise SystemExit(guard.run_guarded(team, work))
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp("guard") / "failing.py"
    path.write_text(SCRIPT)
    return path


@pytest.mark.parametrize(
    ("how", "where", "code", "words"),
    [
        ("exception", 0, 1, "ValueError: a bug"),
        ("exception", 2, 1, "ValueError: a bug"),
        ("thread", 1, 1, "ValueError: in a thread"),
        ("exit", 2, 3, ""),
        ("exit_0", 0, 1, ""),
        ("kill", 0, None, ""),
        ("kill", 2, None, ""),
        ("interrupt", 1, 130, "failing.py: interrupted\n"),
        ("user", 0, 2, "failing.py: im1.tif is no image\n"),
        ("run", 2, 1, "failing.py: disk full\n"),
        ("file", 1, 1, "failing.py: /nowhere/at/all: No such file or directory\n"),
    ],
)
def test_one_rank_that_fails_ends_all(script, how, where, code, words):
    took = []
    while not took or took[-1] >= 5:  # a busy machine may be late, but not each time
        assert len(took) < 4, took
        found, stdout, stderr = run(script, how, where, ranks=3)
        took.append(time.time() - float(re.search(r"FAILS AT (\S+)", stdout)[1]))
        assert found == code if code is not None else found != 0
        assert words in stderr
        assert stderr.count("Traceback") == (1 if "ValueError" in words else 0)


@pytest.mark.parametrize(
    ("how", "code", "words"),
    [("exception", 1, "ValueError: a bug"), ("user", 2, "im1.tif is no image"), ("interrupt", 130, "interrupted")],
)
def test_a_failure_of_all_ranks_is_told_once(script, how, code, words):
    found, _, stderr = run(script, how, "all", ranks=3)
    assert found == code
    assert stderr.count("failing.py: ") == (how != "exception")
    assert words in stderr
    assert stderr.count("Traceback") == (how == "exception")


@pytest.mark.parametrize("ranks", [None, 3])
@pytest.mark.parametrize(
    ("how", "code", "words"),
    [
        ("user", 2, "failing.py: im1.tif is no image\n"),
        ("run", 1, "failing.py: disk full\n"),
        ("left", 75, "failing.py: left on request\n"),
        ("exit", 4, ""),
        ("fine", 0, ""),
    ],
)
def test_an_agreed_error_is_told_by_rank_0(script, how, code, words, ranks):
    found, _, stderr = run(script, how, "agreed", ranks=ranks)
    assert found == code
    assert stderr.count("failing.py:") == (1 if words else 0)
    assert words in stderr
    assert "Traceback" not in stderr
    assert "application called MPI_Abort" not in stderr
    assert "MPI_ABORT was invoked" not in stderr


@pytest.mark.parametrize(("how", "code"), [("exception", 1), ("thread", 1), ("exit", 3), ("interrupt", 130)])
def test_serial(script, how, code):
    found, _, stderr = run(script, how, "0")
    assert found == code
    assert stderr.count("Traceback") == (1 if how in ("exception", "thread") else 0)


def test_interrupt_of_the_launcher_ends_all(script):
    """Ctrl-C at the terminal."""
    process = start(script, "fine", "9", ranks=2)
    assert process.stdout.readline() == "WAITING\n"
    os.killpg(process.pid, signal.SIGINT)
    code, _, stderr = finish(process, timeout=10)
    assert code != 0
    assert "Traceback" not in stderr


# the guard against processes that cannot see each other


def test_processes_alone_in_their_mpi_are_refused(script):
    code, _, stderr = run(script, "fine", "agreed", HPCDVC_RANKS="2")
    assert code != 0
    assert "refused: the launcher started 2 processes but each is alone in its MPI" in stderr


@pytest.mark.parametrize("launcher", ["mpiexec.openmpi", "mpiexec.mpich"])
def test_launcher_of_another_mpi_is_refused(script, launcher):
    """The real thing, where a second MPI is installed: no process may think that it is alone and do all the work."""
    if shutil.which(launcher) is None:
        pytest.skip(f"no {launcher}")
    library = subprocess.run(
        [
            sys.executable,
            "-c",
            "from hpcdvc.ranks import team as parallel; print(parallel.Team(parallel._world(1)).library())",
        ],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=30,
    ).stdout
    if ("Open MPI" in library) == (launcher == "mpiexec.openmpi"):
        pytest.skip(f"{launcher} belongs to {library}")
    command = [launcher, "-n", "2", sys.executable, str(script), "fine", "agreed"]
    done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert done.stderr.count("refused: ") == 2
    assert "Traceback" not in done.stderr


def test_mpi4py_without_a_library_is_one_sentence(script, tmp_path):
    package = tmp_path / "mpi4py"
    package.mkdir()
    (package / "__init__.py").write_text("def rc(**settings): pass\n")
    (package / "MPI.py").write_text("raise RuntimeError('cannot load MPI library\\nlibmpi.so: no such file')\n")
    path = f"{tmp_path}{os.pathsep}{clean_environment()['PYTHONPATH']}"
    code, _, stderr = run(script, "fine", "agreed", ranks=2, PYTHONPATH=path)
    assert code != 0
    sentence = "refused: started by an MPI launcher, but mpi4py cannot load an MPI library (cannot load MPI library)"
    assert stderr.count(sentence) == 2
    assert "Traceback" not in stderr


def test_a_serial_run_does_not_import_mpi(tmp_path):
    path = tmp_path / "serial.py"
    path.write_text(
        "import sys, numpy as np\n"
        "sys.modules['mpi4py'] = None\n"
        "from hpcdvc.ranks import team as parallel\n"
        "from hpcdvc.fields.field import ROW\n"
        "team = parallel.connect()\n"
        "rows = np.zeros(5, ROW)\n"
        "rows['index'] = np.arange(5)\n"
        "shared = team.shared_array(3, 'f4', fill=1)\n"
        "chunks = [len(points) for points in team.queue(5, 2)]\n"
        "whole, start = team.collect(rows[::-1], 5, spread=True)\n"
        "team.barrier(), team.node_barrier(), team.agree(int), team.any(True), team.all_gather(1)\n"
        "print(chunks, whole['index'].tolist(), start, shared.sum(), team.library())\n"
    )
    assert run(path) == (0, "[2, 2, 1] [0, 1, 2, 3, 4] 0 3.0 None\n", "")


# in this process


def test_exit_codes_of_a_serial_team(capsys, monkeypatch):
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr("threading.excepthook", None)
    monkeypatch.setattr(sys, "argv", ["/usr/bin/hpcdvc-ldic"])

    def raising(error):
        def work():
            raise error

        return guard.run_guarded(Team(), work)

    assert guard.run_guarded(Team(), lambda: None) == 0
    assert guard.run_guarded(Team(), lambda: 75) == 75
    assert capsys.readouterr().err == ""
    assert raising(UserError("no image")) == 2
    assert raising(RunError("disk full")) == 1
    assert raising(Unfinished("left")) == 75
    assert raising(PermissionError(13, "Permission denied", "a.hdf")) == 1
    assert capsys.readouterr().err.splitlines() == [
        "hpcdvc-ldic: no image",
        "hpcdvc-ldic: disk full",
        "hpcdvc-ldic: left",
        "hpcdvc-ldic: a.hdf: Permission denied",
    ]
    assert raising(SystemExit(3)) == 3
    assert raising(SystemExit()) == 0
    assert raising(SystemExit("words")) == 1


def test_asked_to_leave_when_all_is_done(tmp_path):
    """SIGUSR1 comes when it wants to: also while Python ends, where its own handler crashes."""
    script = tmp_path / "late.py"
    script.write_text(
        "import os, subprocess\n"
        "from hpcdvc.ranks import guard\n"
        "from hpcdvc.ranks import team as parallel\n"
        "code = guard.run_guarded(parallel.connect(), lambda: None)\n"
        "again = f'for i in $(seq 30000); do kill -USR1 {os.getpid()} || exit; done'\n"
        "subprocess.Popen(['sh', '-c', again], stderr=subprocess.DEVNULL)\n"
        "raise SystemExit(code)\n"
    )
    for _ in range(3):
        assert run(script)[0] == 0
