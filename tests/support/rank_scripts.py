"""Run a small script on several ranks, for tests of what happens to processes."""

import os
import subprocess
import sys
from pathlib import Path

from running import end_group, find_mpiexec
from shared_memory import remove_abandoned_memory

from hpcdvc.ranks.launch import launcher_environment

#: Variables that a test must not inherit when it plays the launcher.
LAUNCHERS = ("OMPI_", "PMI", "MPI_LOCAL", "PALS_", "SLURM_", "HPCDVC_RANKS", "I_MPI_")


def clean_environment(**more: str) -> dict[str, str]:
    """The environment without any trace of a launcher or a SLURM job."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(LAUNCHERS)}
    return {**launcher_environment(), **kept, "PYTHONPATH": str(Path(__file__).resolve().parents[2]), **more}


def start(script: Path | str, *arguments: object, ranks: int | None = None, **more: str) -> subprocess.Popen:
    """Start a Python script under mpiexec, or plainly without `ranks`; `more` are environment variables."""
    launcher = [] if ranks is None else [find_mpiexec(), "-n", str(ranks)]
    return subprocess.Popen(
        [*launcher, sys.executable, str(script), *map(str, arguments)],
        env=clean_environment(**more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )


def soon(start_took: float) -> float:
    """Seconds in which a run shall end: 5, or three times what its start took, where a busy machine takes its time."""
    return max(5.0, 3 * start_took)


def finish(process: subprocess.Popen, timeout: float = 30) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of a process; its whole group is ended when it takes longer than `timeout` s."""
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        end_group(process)
        stdout, stderr = process.communicate(timeout=10)
        raise AssertionError(f"still running after {timeout} s: {process.args}\n{stdout}\n{stderr}") from None
    if process.returncode:
        remove_abandoned_memory()
    return process.returncode, stdout, stderr


def run(script: Path | str, *arguments: object, ranks: int | None = None, timeout: float = 30, **more: str):
    """Start and finish."""
    return finish(start(script, *arguments, ranks=ranks, **more), timeout)
