"""Fixtures of the test suite, and what makes it safe to run under `mpiexec -n N python -m pytest --with-mpi -m mpi`.

Under a launcher the ranks agree on the tests and, after each of a test's phases, on its verdict, over a communicator
that the tests never see. A failure is printed by the rank that has it before it waits for the others. A rank that
failed while the others are caught in a collective call ends the run after PATIENCE seconds; the time limit of
pyproject.toml ends any other hang.
"""

import logging
import os
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from running import run

from hpcdvc.ranks.launch import under_launcher

REPOSITORY = Path(__file__).resolve().parent.parent
PATIENCE = 30.0  # seconds
PASSED, SKIPPED, FAILED = 0, 1, 2
#: Why tests are skipped in a clone: said once.
NOT_HERE = (
    "compared with results of other programs and with large scans, which are no part of the repository: nothing is "
    "wrong. HPCDVC_SHARED names a folder that has them"
)

# On one machine, often with more ranks than cores: MPI looks for no other network, and a rank that waits sleeps.
os.environ.setdefault("FI_PROVIDER", "tcp")
os.environ.setdefault("MPIR_CVAR_ENABLE_HEAVY_YIELD", "1")

if under_launcher():
    from mpi4py import MPI

    HARNESS = MPI.COMM_WORLD.Dup()
    RANK, SIZE = HARNESS.rank, HARNESS.size
else:
    HARNESS, RANK, SIZE = None, 0, 1


def gather_verdicts(mine: int) -> np.ndarray:
    """One number of each rank. Polls, so that a rank that waits leaves its core to the others."""
    verdicts = np.empty(SIZE, "i4")
    request = HARNESS.Iallgather(np.array([mine], "i4"), verdicts)
    start = time.monotonic()
    while not request.Test():
        if mine == FAILED and time.monotonic() - start > PATIENCE:
            message = f"\n[rank {RANK}] failed {PATIENCE:.0f} s ago and the other ranks do not come back: run ended\n"
            os.write(2, message.encode())
            MPI.COMM_WORLD.Abort(1)
        time.sleep(0.001)
    return verdicts


@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    """Rank 0 talks on the terminal, the others into pytest.rank<r>.log."""
    if RANK > 0:
        config.get_terminal_writer()._file = open(f"pytest.rank{RANK}.log", "w", buffering=1)


def pytest_ignore_collect(collection_path):
    """Under a launcher leave out files without a test marked mpi: every rank would import them for nothing."""
    if HARNESS is None or not collection_path.match("test_*.py"):
        return None
    return not _says_mpi(collection_path) or None


def _says_mpi(path: Path) -> bool:
    return "mark.mpi" in path.read_text()


def pytest_collection_modifyitems(config, items):
    """Under a launcher keep the tests marked mpi, the same on all ranks; without one see that it would find them."""
    if HARNESS is None:
        for path in {item.path for item in items if item.get_closest_marker("mpi")}:
            if not _says_mpi(path):
                raise pytest.UsageError(f"{path} has tests of ranks but not the word mark.mpi, by which ranks find it")
        return
    serial = [item for item in items if not item.get_closest_marker("mpi")]
    config.hook.pytest_deselected(items=serial)
    items[:] = [item for item in items if item.get_closest_marker("mpi")]
    collected = HARNESS.allgather([item.nodeid for item in items])
    if any(names != collected[0] for names in collected):
        pytest.exit(f"the ranks collected different tests: {[len(names) for names in collected]}", 3)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Give every rank the verdict of all: one that failed, or skipped alone, fails the test on all of them."""
    report = yield
    if report.skipped and NOT_HERE in str(report.longrepr):  # one line at the end, however many tests these are
        report.longrepr = (str(Path(__file__)), 1, NOT_HERE)
    if HARNESS is None:
        return report
    if report.failed:
        os.write(2, f"\n[rank {RANK}] FAILED {item.nodeid} ({call.when})\n{report.longreprtext}\n".encode())
    verdicts = gather_verdicts(FAILED if report.failed else SKIPPED if report.skipped else PASSED)
    if verdicts.min() == verdicts.max():
        return report
    if not report.failed:
        report.outcome = "failed"
        words = [("passed", "skipped", "failed")[verdict] for verdict in verdicts]
        report.longrepr = f"{call.when} ended differently on the ranks: {', '.join(words)}; see stderr"
    return report


def pytest_unconfigure():
    """Leave together: some launchers end the ranks that still print when one exits with a failure."""
    if HARNESS is not None:
        sys.stdout.flush()
        gather_verdicts(PASSED)


@pytest.fixture(scope="session")
def team():
    """All ranks of this run, or the serial team: what hpcdvc.ranks.team.connect() returns."""
    from hpcdvc.ranks.team import connect

    return connect()


@pytest.fixture(autouse=True)
def logger_as_it_was():
    """A command sets up the messages of its process: what it has changed is put back, in fixtures of modules, too."""
    _as_imported()
    yield
    _as_imported()


def _as_imported() -> None:
    logger = logging.getLogger("hpcdvc")
    logger.handlers[:], logger.propagate = [], True
    logger.setLevel(logging.NOTSET)


@pytest.fixture
def shared_tmp_path(tmp_path):
    """The tmp_path of rank 0, on all ranks."""
    return tmp_path if HARNESS is None else HARNESS.bcast(tmp_path)


@pytest.fixture(scope="session")
def measured(tmp_path_factory):
    """A folder with images, and what was measured in them: see deform_cases.save_all."""
    from deform_cases import save_all

    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(tmp_path_factory.mktemp("measured"))
        save_all()
        return Path.cwd()


@pytest.fixture
def measured_folder(measured, tmp_path, monkeypatch):
    """A copy of it, in which the test runs."""
    shutil.copytree(measured, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of the data that is not part of the repository: $HPCDVC_SHARED, or `shared` beside the repository."""
    folder = Path(os.environ.get("HPCDVC_SHARED", REPOSITORY.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(NOT_HERE)
    return folder


@pytest.fixture(scope="session")
def run_command():
    """run_command(name, *arguments, ranks=None, cwd=None, env=None, timeout=60): see running.run."""
    if HARNESS is not None:
        pytest.fail("a test that starts commands cannot itself run under mpiexec: do not mark it mpi")
    return run
