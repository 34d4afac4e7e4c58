"""Run a command and measure it: CPU of all its processes, wall time, memory (Linux)."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: one thread per process for both programs: processes are the parallelism that is compared
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}


@dataclass
class Run:
    """What a command took: seconds of CPU (user + system, all processes) and of wall; bytes of memory if asked."""

    cpu: float
    wall: float
    memory: dict = field(default_factory=dict)


def mpiexec() -> str:
    """The launcher beside this Python."""
    return str(Path(sys.executable).with_name("mpiexec"))


def command(name: str, *arguments, ranks: int = 1) -> list[str]:
    """The words that start hpcdvc-<name>; under the launcher for more than one rank."""
    launcher = [mpiexec(), "-n", str(ranks)] if ranks > 1 else []
    return [*launcher, sys.executable, str(ROOT / "bin" / f"hpcdvc-{name}"), *map(str, arguments)]


def environment(more: dict | None = None) -> dict:
    """Variables that all measured processes run with. Compiled modules are kept, as for users."""
    from hpcdvc.ranks.launch import launcher_environment

    own = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": ""}
    return {**os.environ, **launcher_environment(), **ENVIRONMENT, **own, **(more or {})}


def timed(words: list[str], timeout: float = 1800, env: dict | None = None, images: tuple = ()) -> Run:
    """Run a command and measure it.

    Parameters
    ----------
    words : the command
    timeout : seconds; then its process group is ended
    env : more environment variables
    images : paths of mapped files; given, memory is sampled as well, which costs a little time

    Raises
    ------
    SystemExit : it failed or took too long; with the end of what it said
    """
    with tempfile.TemporaryFile("w+") as said:
        began = time.perf_counter()
        process = subprocess.Popen(
            words, env=environment(env), stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
        )
        limit = threading.Timer(timeout, lambda: os.killpg(process.pid, signal.SIGKILL))
        limit.start()
        sampler = Sampler(process.pid, images) if images else None
        _, status, usage = os.wait4(process.pid, 0)  # counts all descendants that were waited for
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        limit.cancel()
        memory = sampler.stop() if sampler else {}
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"{' '.join(words)} ended with {process.returncode}:\n{said.read()[-2000:]}")
    return Run(usage.ru_utime + usage.ru_stime, wall, memory)


class Sampler(threading.Thread):
    """Peak memory of a process tree, read from /proc every few milliseconds.

    resident_per_process, anonymous_per_process: the largest of any process; anonymous: sum of proportional shares, so
    that pages shared by fork count once; mapped: proportional share of the image files; shared: of memory that
    processes share.
    """

    def __init__(self, pid: int, images: tuple, period: float = 0.02):
        super().__init__(daemon=True)
        self.pid, self.images, self.period = pid, [str(Path(i).resolve()) for i in images], period
        self.peak: dict[str, int] = {}
        self.ended = threading.Event()
        self.start()

    def stop(self) -> dict:
        """End the sampling; the peaks, in bytes."""
        self.ended.set()
        self.join()
        return self.peak

    def run(self) -> None:
        """Sample until told to stop."""
        while not self.ended.wait(self.period):
            found = [m for m in map(self._memory, tree(self.pid)) if m]
            if not found:
                continue
            now = {
                "resident_per_process": max(m["VmHWM"] for m in found),
                "anonymous_per_process": max(m["Anonymous"] for m in found),
                "anonymous": sum(m["Pss_Anon"] for m in found),
                "mapped": sum(m["image"] for m in found),
                "shared": sum(m["Pss_Shmem"] for m in found),
            }
            self.peak = {name: max(value, self.peak.get(name, 0)) for name, value in now.items()}

    def _memory(self, pid: int) -> dict | None:
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            status = Path(f"/proc/{pid}/status").read_text()
            lines = [*rollup.splitlines()[1:], *re.findall("VmHWM.*", status)]
            totals = {w[0].rstrip(":"): int(w[1]) * 1024 for w in map(str.split, lines)}
            totals["image"] = image_share(pid, self.images)
            return totals
        except (OSError, ProcessLookupError, ValueError, KeyError):
            return None  # it has just ended


def memory_of_all(peak: dict) -> float:
    """Bytes of all processes of a run, what they share counted once."""
    return peak["anonymous"] + peak["shared"]


def told(run: dict) -> str:
    """CPU, wall and memory of a run, in words."""
    memory = f"{run['resident_per_process'] / 1e9:.2f} GB a process, {memory_of_all(run) / 1e9:.2f} GB in all"
    return f"CPU {run['cpu']:.1f} s, wall {run['wall']:.1f} s, {memory}"


def image_share(pid: int, images: list[str]) -> int:
    """Proportional share (PSS) of image files in the memory of a process, bytes."""
    share, counting = 0, False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        words = line.split()
        if not words[0].endswith(":"):
            counting = len(words) > 5 and words[-1] in images
        elif counting and words[0] == "Pss:":
            share += int(words[1]) * 1024
    return share


def tree(pid: int) -> list[int]:
    """A process and all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for known in found:
        found += children.get(known, [])
    return found
