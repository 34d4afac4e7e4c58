"""Run a command of bin/ as its user does, with a time limit that nothing survives."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from shared_memory import remove_abandoned_memory

BIN = Path(__file__).resolve().parents[2] / "bin"


def find_mpiexec() -> str:
    """The launcher of the environment that the tests run in, else the one on PATH."""
    beside = Path(sys.executable).with_name("mpiexec")
    return str(beside) if beside.exists() else shutil.which("mpiexec") or "mpiexec"


def command_line(name: str, *arguments, ranks: int | None = None) -> list[str]:
    """The words that start hpcdvc-<name>, `hpcdvc` where that is empty, under the launcher when `ranks` is given."""
    launcher = [] if ranks is None else [find_mpiexec(), "-n", str(ranks)]
    return [*launcher, sys.executable, str(BIN / f"hpcdvc-{name}".removesuffix("-")), *map(str, arguments)]


def end_group(process: subprocess.Popen) -> None:
    """End a process started with start_new_session=True and all it started; launchers first get the chance to tidy."""
    for number, patience in ((signal.SIGTERM, 5), (signal.SIGKILL, 5)):
        try:
            os.killpg(process.pid, number)
            process.wait(patience)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def run(
    name: str,
    *arguments,
    ranks: int | None = None,
    cwd: str | os.PathLike | None = None,
    env: dict[str, str] | None = None,
    timeout: float = 60,
) -> subprocess.CompletedProcess:
    """Run hpcdvc-<name>; returns returncode, stdout and stderr (text).

    Parameters
    ----------
    name, arguments : the command without its prefix, and its arguments (anything with a str)
    ranks : start it under mpiexec with that many ranks; None starts it plainly
    cwd : working folder
    env : variables to add to the environment
    timeout : seconds; then the process group is ended

    Raises
    ------
    AssertionError : it took longer than `timeout`; the message holds what it had printed
    """
    # Into files: a pipe that some grandchild keeps open would be waited for beyond any time limit.
    with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
        process = subprocess.Popen(
            command_line(name, *arguments, ranks=ranks),
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
        late = False
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            late = True
        finally:
            end_group(process)
        stdout.seek(0)
        stderr.seek(0)
        texts = stdout.read(), stderr.read()
    if process.returncode:
        remove_abandoned_memory()
    assert not late, f"hpcdvc-{name} took more than {timeout} s\n{texts[0]}\n{texts[1]}"
    return subprocess.CompletedProcess(process.args, process.returncode, *texts)
