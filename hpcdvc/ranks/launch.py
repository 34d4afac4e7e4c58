"""What the environment says about the launcher that started this process, before any MPI library is loaded.

Importing mpi4py outside a launcher costs a quarter of a second and forks a daemon under Open MPI, so a plain
``hpcdvc-ldic ...`` must find out without it.
"""

import os
import sys
from typing import NoReturn

from hpcdvc.errors import UserError
from hpcdvc.ranks import terminal

#: Variables that hold the number of processes a launcher has started, by the launchers of the MPI libraries ...
_SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MPI_LOCALNRANKS", "HPCDVC_RANKS")
#: ... and by srun. Counted only without the former: mpirun and mpiexec start their own daemons by srun.
_SRUN_SIZE = "SLURM_STEP_NUM_TASKS"
#: Variables that only a process started by a launcher has.
_RANKS = ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK", "MPI_LOCALRANKID", "PALS_RANKID")
#: Variables that only the launchers of the MPI libraries set, srun never.
_OF_LIBRARIES = ("OMPI_COMM_WORLD_SIZE", "MPI_LOCALNRANKS", "PALS_RANKID", "HPCDVC_RANKS")
#: What schedulers say of a job: of its machines, and to the process that they have started.
_OF_SCHEDULERS = ("SLURM", "PBS_", "LSB_", "LSF_", "OAR_", "COBALT_", "LOADL_", "PE_HOSTFILE")
_OF_STARTED = ("PMI_", "PMI2_", "PMIX_")
#: Launchers of the kind of MPICH start processes by fork, whatever else is set.
_BY_FORK = {"HYDRA_LAUNCHER": "fork", "HYDRA_BOOTSTRAP": "fork", "I_MPI_HYDRA_BOOTSTRAP": "fork"}


def _count(name: str) -> int:
    """Value of an environment variable that holds a count; 0 when it is absent or no number."""
    value = os.environ.get(name, "")
    return int(value) if value.isdigit() else 0


def launched_ranks() -> int:
    """Number of processes that the launcher says it has started; 1 without a launcher."""
    return max(map(_count, _SIZES)) or _count(_SRUN_SIZE) or 1


def under_launcher() -> bool:
    """Whether mpirun, mpiexec or srun has started this process."""
    return launched_ranks() > 1 or any(os.environ.get(name) for name in (*_SIZES, *_RANKS))


def alone_in_step() -> bool:
    """Whether srun has started this process and no other, as the shell of ``srun --pty bash``, or what runs in it."""
    return _count(_SRUN_SIZE) == 1 and not any(os.environ.get(name) for name in _OF_LIBRARIES)


def launched_rank() -> int:
    """Number that the launcher has given to this process; 0 without a launcher."""
    return next((_count(name) for name in (*_RANKS, "SLURM_PROCID") if os.environ.get(name)), 0)


def check_srun() -> None:
    """Make sure that processes started by srun can find each other.

    Raises
    ------
    UserError
        When they were started without ``--mpi``: Open MPI would end with a page of advice, MPICH would run
        independent jobs.
    """
    connected = any(name.startswith(("PMI", "PALS_", "I_MPI_PMI", "OMPI_COMM_WORLD")) for name in os.environ)
    if _count(_SRUN_SIZE) > 1 and not connected:
        raise UserError(
            f"srun started {launched_ranks()} processes that cannot find each other: "
            "use srun --mpi=pmix (Open MPI) or srun --mpi=pmi2 (MPICH), or mpirun"
        )


def check_library(version: str) -> None:
    """Make sure, before ``MPI_Init``, that an MPI library and the launcher can talk.

    Parameters
    ----------
    version : str
        What ``MPI_Get_library_version`` says.

    Raises
    ------
    UserError
        For MPICH without PMIx under a launcher that offers only that: ``MPI_Init`` would end the process.
    """
    only_pmix = "PMIX_RANK" in os.environ and "PMI_RANK" not in os.environ
    if only_pmix and version.startswith("MPICH") and "pmix" not in version:
        raise UserError(
            "this MPI library is MPICH, but the launcher is that of Open MPI (or srun --mpi=pmix): "
            "use the mpiexec of MPICH, or srun --mpi=pmi2"
        )


def no_library(error: Exception) -> UserError:
    """The sentence for processes of a launcher in which mpi4py finds no MPI."""
    reason = str(error).strip().split("\n")[0]
    return UserError(
        f"started by an MPI launcher, but mpi4py cannot load an MPI library ({reason}): "
        "load the module of an MPI, or pip install mpich, and use the mpiexec of that MPI"
    )


def check_world(size: int, launched: int, version: str) -> None:
    """Make sure that the processes see each other.

    Parameters
    ----------
    size, launched : processes that MPI knows of, and that the launcher has started
    version : what ``MPI_Get_library_version`` says

    Raises
    ------
    UserError
        Each is alone: it would do the whole work and write the same files.
    """
    if size == 1 and launched > 1:
        name = " ".join(version.split(",")[0].split("\n")[0].strip("\0").split())
        raise UserError(
            f"the launcher started {launched} processes but each is alone in its MPI ({name}): launcher and MPI "
            "library differ; use the mpiexec of that library, or srun --mpi=pmix or --mpi=pmi2"
        )


def launcher_environment() -> dict[str, str]:
    """Variables to start ranks with, whichever MPI it is; an MPI that does not know one ignores it.

    Open MPI 4 and 5 refuse to run as root or with more ranks than cores without them, and bind ranks to cores that
    other jobs of the machine use. MPICH with UCX spends longer on watching all memory and on looking at all networks
    (which libfabric does in half the time) than a short run takes: rows and points need neither. One thread a rank: the
    ranks are the parallelism.
    """
    return {
        "MPIR_CVAR_CH4_NETMOD": "ofi",
        "UCX_MEM_EVENTS": "n",
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "OMPI_MCA_rmaps_base_oversubscribe": "1",
        "OMPI_MCA_mpi_yield_when_idle": "1",
        "OMPI_MCA_hwloc_base_binding_policy": "none",
        "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
        "PRTE_MCA_hwloc_default_binding_policy": "none",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def environment_here() -> dict[str, str]:
    """Environment in which a launcher starts all processes on this machine.

    Launchers that find the job of a scheduler start by its means, on its machines. Within a step of Slurm that holds
    all of the job, they wait for ever.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.startswith("PMIX_MCA_") or not name.startswith((*_OF_SCHEDULERS, *_OF_STARTED, "HYDRA_HOST_FILE"))
    }
    return {**launcher_environment(), **kept, **_BY_FORK}


def one_thread_per_rank() -> None:
    """Keep numerical libraries from starting a thread per core on every rank; before numpy is imported."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")


def find_launcher() -> str:
    """Path of the ``mpiexec`` that belongs to this Python: beside the interpreter, else the first on PATH.

    Raises
    ------
    UserError
        When there is none.
    """
    import shutil  # compression libraries, only to look for a program

    beside = os.path.dirname(sys.executable)
    for folders in (beside, None):
        for name in ("mpiexec", "mpirun"):
            found = shutil.which(name, path=folders)
            if found:
                return found
    raise UserError(f"-np needs an MPI launcher, and no mpiexec is in {beside} or on PATH: pip install mpich")


def relaunch(ranks: int, argv: list[str]) -> NoReturn:
    """Replace this process by ``mpiexec -n ranks python argv...`` on this machine.

    Parameters
    ----------
    ranks : int
        Number of processes to start.
    argv : list of str
        What follows the interpreter: ``[script, arguments...]`` or ``["-m", "hpcdvc", arguments...]``.

    Raises
    ------
    UserError
        When `ranks` is not positive, or no launcher is found.
    """
    if ranks < 1:
        raise UserError(f"-np {ranks}: the number of processes must be 1 or more")
    launcher = find_launcher()
    # HPCDVC_RANKS: a launcher that sets no variable we know must not be started again by each of its processes
    environment = {**environment_here(), "HPCDVC_RANKS": str(ranks)}
    terminal.flush()
    terminal.relay_pipes()
    os.execve(launcher, [launcher, "-n", str(ranks), sys.executable, *argv], environment)
