"""Runs of commands, mostly of hpcdvc-ldic, that tests start, watch and disturb."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

from ldic_cases import digest
from rank_scripts import clean_environment
from running import command_line

from hpcdvc.runs.shards import Shards

NAMES = {"im1-im2-ldic.hdf", "im1-im2-ldic.tsv", "im1-im2-ldic.run.json"}


def ldic(here: Path, out: Path, *words, ranks: int = 2) -> subprocess.Popen:
    """hpcdvc-ldic, see `started`."""
    return started("ldic", here, out, *words, ranks=ranks)


def started(command: str, here: Path, out: Path | str, *words, ranks: int = 2) -> subprocess.Popen:
    """A command on here/im1.tif and im2.tif, into `out`, started under the launcher."""
    words = ("im1.tif", "im2.tif", *words, "-od", out, "-q")
    return subprocess.Popen(
        command_line(command, *words, ranks=ranks),
        cwd=here,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )


def results(out: Path) -> tuple[str, str]:
    """Digests of the result, after a look that nothing else is left."""
    assert {path.name for path in out.iterdir()} == NAMES
    return digest(out / "im1-im2-ldic.hdf"), digest(out / "im1-im2-ldic.tsv")


def shard_bytes(out: Path) -> int:
    total = 0
    for path in out.glob("*.parts/*.rec"):
        with contextlib.suppress(OSError):  # gone at the end of the run
            total += path.stat().st_size
    return total


def safe_points(out: Path) -> int:
    return len(Shards(str(out / "im1-im2-ldic"), {}).load())


def ranks_of(process: subprocess.Popen, command: str = "hpcdvc-ldic") -> list[int]:
    """Process numbers of the ranks of a command that a launcher has started."""
    parents, family, found = {}, {process.pid}, []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more  # the numbers of children may be lower: they begin anew when they are used up
    for number in sorted(family):
        with contextlib.suppress(OSError):
            folder = Path(f"/proc/{number}")
            if "python" in os.readlink(folder / "exe") and command.encode() in (folder / "cmdline").read_bytes():
                found.append(number)
    return found


def kill_once_begun(process: subprocess.Popen, out: Path) -> None:
    """Kill a run as a crash does, when some of its work is in `out`."""
    assert wait_for(lambda: shard_bytes(out) > 0, process)
    ranks = ranks_of(process, "hpcdvc-")
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for rank in ranks:  # of process groups of their own
        with contextlib.suppress(ProcessLookupError):
            os.kill(rank, signal.SIGKILL)
    process.communicate()
    assert not list(out.glob("*.hdf"))


def wait_for(condition, process: subprocess.Popen, timeout: float = 30) -> bool:
    """Wait until the condition holds, or the process ends; whether it holds."""
    limit = time.monotonic() + timeout
    while not condition():
        if process.poll() is not None:
            return False
        assert time.monotonic() < limit, f"nothing after {timeout} s"
        time.sleep(0.005)
    return True
