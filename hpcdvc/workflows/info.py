"""hpcdvc-info: what runs here and on what; the text to paste into a bug report."""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from hpcdvc import __version__
from hpcdvc.errors import UserError
from hpcdvc.images import RawLayout
from hpcdvc.ranks import launch, terminal
from hpcdvc.runs.machine import control_group
from hpcdvc.steps.about import about

if TYPE_CHECKING:
    from hpcdvc.ranks.team import Team
from hpcdvc.options.info import Options

PACKAGES = ("numpy", "scipy", "h5py", "tifffile", "imagecodecs", "mpi4py", "cython")
SETTINGS = ("HPCDVC_", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "SLURM_JOB_ID", "SLURM_NTASKS", "OMPI_MCA_", "MPICH_")
MOST_NODES = 8  # named one by one


def run(options: Options, team: "Team") -> list[Path]:
    """Print the report on rank 0. Collective; writes no file."""
    if options.files:
        if team.rank == 0:
            look = partial(about, every_slice=options.every_slice, raw_layout=RawLayout.told(options))
            tell([fact for path in options.files for fact in look(path).items()])
        return []
    hosts = team.all_gather(platform.node())
    if team.rank == 0:
        facts = {**software(), **mpi(hosts, team.node_count, team.comm is not None), **hardware(), **settings()}
        tell(list(facts.items()))
    team.barrier()
    return []


def tell(facts: list[tuple[str, str]]) -> None:
    """Print facts by name, each in a line."""
    width = max(len(name) for name, _ in facts)
    lines = [f"{name:{width}}  {terminal.one_line(fact)}\n" for name, fact in facts]
    terminal.tell("".join(lines), sys.stdout)


def software() -> dict[str, str]:
    """Versions, how HDF5 was built, and the kernels."""
    facts = {"hpcdvc": f"{__version__} in {Path(__file__).parents[1]}"}
    facts["Python"] = f"{platform.python_version()} {sys.executable}"
    facts |= {name: _version(name) for name in PACKAGES}
    facts["HDF5"] = _or_reason(_hdf5)
    facts["instruction set"] = _or_reason(_instruction_set)
    return facts


def mpi(hosts: list[str], nodes: int, connected: bool) -> dict[str, str]:
    """Launcher, library and ranks. `hosts`: host name of each rank; `connected`: MPI is in use."""
    facts = {"MPI launcher": _launcher()}
    if connected:
        library = sys.modules["mpi4py.MPI"].Get_library_version()  # loaded by hpcdvc.ranks.team
        facts["MPI library"] = " ".join(library.split("\n")[0].split()).strip("\0 ")
        facts["ranks"] = f"{len(hosts)} on {nodes} node{'s' * (nodes > 1)}: {_per_host(hosts)}"
    else:
        facts["MPI library"] = "not loaded, this process was not started by a launcher; hpcdvc-info -np 2 tests it"
        facts["ranks"] = "1"
    return facts


def hardware() -> dict[str, str]:
    """Machine and operating system of rank 0."""
    return {
        "host": platform.node(),
        "system": ", ".join((_or_reason(_distribution), platform.platform())),
        "processor": f"{_or_reason(_processor)} ({platform.machine()})",
        "cores": _cores(),
        "memory": _or_reason(_memory),
        "/dev/shm": _or_reason(lambda: _room("/dev/shm")),
        "TMPDIR": _or_reason(lambda: f"{tempfile.gettempdir()}, {_room(tempfile.gettempdir())}"),
        "working folder": _or_reason(lambda: f"{os.getcwd()}, {_room('.')}"),
    }


def settings() -> dict[str, str]:
    """Environment variables that change how a run behaves."""
    return {name: value for name, value in sorted(os.environ.items()) if name.startswith(SETTINGS)}


def _or_reason(find: Callable[[], str]) -> str:
    """What `find` returns, or why it could not: a report is wanted most where something is broken."""
    try:
        return find()
    except Exception as error:
        return f"unknown ({type(error).__name__}: {' '.join(str(error).split())})"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _hdf5() -> str:
    import h5py

    asked = os.environ.get("HPCDVC_HDF5")
    transport = f"; HPCDVC_HDF5={asked}" if asked else ""
    if h5py.get_config().mpi:
        return f"{h5py.version.hdf5_version}, parallel: ranks can write one file together{transport}"
    return f"{h5py.version.hdf5_version}, not parallel, h5py was built without MPI: rank 0 writes for all{transport}"


def _instruction_set() -> str:
    from hpcdvc.kernels import INSTRUCTION_SETS, selected

    return INSTRUCTION_SETS[selected()]


def _launcher() -> str:
    """Path and first line of `mpiexec --version`."""
    try:
        launcher = launch.find_launcher()
        words = [launcher, "--version"]
        shown = subprocess.run(words, capture_output=True, text=True, timeout=10, stdin=subprocess.DEVNULL)
    except UserError:
        return "none found"
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{launcher} does not run: {error}"
    lines = [" ".join(line.split()) for line in (shown.stdout or shown.stderr).splitlines()]
    version = next((line for line in lines if any(map(str.isdigit, line))), "says no version")
    return f"{launcher} ({version})"


def _per_host(hosts: list[str]) -> str:
    counts = Counter(hosts).most_common()
    named = ", ".join(f"{host} x {count}" for host, count in counts[:MOST_NODES])
    return named + (f" and {len(counts) - MOST_NODES} more hosts" if len(counts) > MOST_NODES else "")


def _distribution() -> str:
    return platform.freedesktop_os_release()["PRETTY_NAME"]


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")


def _cores() -> str:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quota = control_group("cpu.max").split()
    limit = f", limited to {int(quota[0]) / int(quota[1]):g} by the container" if quota and quota[0] != "max" else ""
    return f"{usable} of {os.cpu_count()} usable by this process{limit}"


def _memory() -> str:
    lines = Path("/proc/meminfo").read_text().splitlines()
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    limit = control_group("memory.max")
    limited = f", limited to {_size(int(limit))} by the container or job" if limit.isdigit() else ""
    return f"{_size(1024 * kilobytes['MemTotal'])}, {_size(1024 * kilobytes['MemAvailable'])} available{limited}"


def _room(folder: str) -> str:
    usage = shutil.disk_usage(folder)
    return f"{_size(usage.total)}, {_size(usage.free)} free"


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            break
        count, unit = count / 1000, "TB"
    return f"{count:.3g} {unit}"
