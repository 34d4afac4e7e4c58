"""What a result was measured on and with."""

import os
import platform
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import aldvc
import peer
import pyvale2d
from processes import ROOT, mpiexec


def facts() -> dict:
    """Processor, cores, memory, load, versions."""
    cpu = "unknown"
    info = Path("/proc/cpuinfo")
    if info.exists():
        models = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = models[0] if models else platform.machine()
    return {
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "machine": platform.node(),
        "processor": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9:.0f} GB",
        "compiled by": _first_line(["cc", "--version"]),
        "Python": platform.python_version(),
        "commit": _first_line(["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*"]),
        "spam": peer.VERSION,
        "al-dvc": aldvc.VERSION,
        "pyvale": pyvale2d.VERSION,
        "MPI": _mpi(),
        **{name: _version(name) for name in ("numpy", "h5py", "mpi4py")},
        "instruction set": _instruction_set(),
        "load average": load(),
    }


def load() -> str:
    """Processes that wanted to run in the last 1, 5 and 15 minutes."""
    return " ".join(f"{value:.1f}" for value in os.getloadavg())


def _first_line(words: list[str]) -> str:
    try:
        return subprocess.run(words, capture_output=True, text=True).stdout.split("\n")[0]
    except OSError:
        return "unknown"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def _mpi() -> str:
    code = "from mpi4py import MPI; print(' '.join(MPI.Get_library_version().split()[:3]))"
    return _first_line([mpiexec(), "-n", "1", sys.executable, "-c", code])


def _instruction_set() -> str:
    from hpcdvc.kernels import INSTRUCTION_SETS, selected

    return INSTRUCTION_SETS[selected()]
