"""The ranks of a run: who they are, how they agree, what they share, and how work and rows travel between them.

The only module that knows MPI. A serial run is a team of one and imports no MPI.
"""

import contextlib
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import numpy as np

from hpcdvc import launch
from hpcdvc.errors import RunError, UserError
from hpcdvc.exchange import Queue, collect
from hpcdvc.sharedmem import shared_array

#: Errors that one rank may meet on behalf of all, and that need no traceback.
_SENTENCES = (UserError, RunError, OSError, SystemExit)


def connect() -> "Team":
    """Team of all processes that the launcher has started; a team of one, without MPI, outside a launcher.

    Raises
    ------
    UserError
        When the processes cannot see each other: each would do the whole work and write the same files.
    """
    if not launch.under_launcher():
        team = Team()
    elif launch.srun_without_mpi():
        raise UserError(
            f"srun started {launch.launched_ranks()} processes that cannot find each other: "
            "use srun --mpi=pmix (Open MPI) or --mpi=pmi2 (MPICH), or mpirun"
        )
    else:
        team = Team(_world(launch.launched_ranks()))
    team.listen()
    return team


def _world(launched: int):
    """COMM_WORLD, after a check that it is the world that the launcher has started."""
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        reason = str(error).strip().split("\n")[0]
        raise UserError(
            f"started by an MPI launcher, but mpi4py cannot load an MPI library ({reason}): "
            "use the mpiexec of the MPI that mpi4py finds, or pip install mpi4py mpich"
        ) from error
    if MPI.COMM_WORLD.size == 1 and launched > 1:
        library = MPI.Get_library_version().split("\n")[0].split(",")[0].strip("\0 ")
        raise UserError(
            f"the launcher started {launched} processes but each is alone in its MPI ({library}): launcher and MPI "
            "library differ; use the mpiexec of that library, or srun --mpi=pmix or --mpi=pmi2"
        )
    return MPI.COMM_WORLD


class Team:
    """All ranks of a run.

    Parameters
    ----------
    comm : mpi4py communicator or None
        None: serial, no MPI.
    nodes : int, optional
        Cut the ranks into that many groups and treat each as a node, for tests.

    Attributes
    ----------
    rank, size : int
        This rank, number of ranks.
    node_rank, node_size : int
        The same among the ranks of this node, those that share memory.
    node_index, node_count : int
        This node, number of nodes. Rank 0 is on node 0.
    stop_requested : bool
        A signal (SIGUSR1) asked this rank to leave soon.
    comm : mpi4py communicator or None
    """

    def __init__(self, comm=None, nodes: int | None = None):
        self.comm = comm
        self.node = self.leaders = None
        self.rank, self.size = 0, 1
        self.node_rank, self.node_size, self.node_index, self.node_count = 0, 1, 0, 1
        self.stop_requested = False
        self._deciding = False
        if comm is not None:
            self._split(comm, nodes)

    def _split(self, comm, nodes: int | None) -> None:
        from mpi4py import MPI

        self.rank, self.size = comm.rank, comm.size
        if nodes is None:
            self.node = comm.Split_type(MPI.COMM_TYPE_SHARED, key=comm.rank)
        else:
            self.node = comm.Split(comm.rank * nodes // comm.size, comm.rank)
        self.node_rank, self.node_size = self.node.rank, self.node.size
        leader = self.node_rank == 0
        self.leaders = comm.Split(0 if leader else MPI.UNDEFINED, comm.rank)
        place = (self.leaders.rank, self.leaders.size) if leader else None
        self.node_index, self.node_count = self.node.bcast(place)

    # agreement

    def agree(self, function: Callable[[], Any]) -> Any:
        """Run `function` on rank 0 and return its result on every rank. Collective.

        A UserError, RunError, OSError or SystemExit there is raised on every rank, with the same text and the
        attribute ``agreed`` set. A call inside `function` just runs.
        """
        if self._deciding:
            return function()
        value = error = None
        if self.rank == 0:
            self._deciding = True
            value, error = _outcome(function)
            self._deciding = False
        return self._share_outcome(value, error, root=0)

    def agree_all(self, function: Callable[[], Any]) -> Any:
        """Run `function` on every rank; when it fails on some, raise the failure of the first on all. Collective.

        Returns this rank's result. Errors as in `agree`.
        """
        value, error = _outcome(function)
        failed = self.max(0 if error is None else self.size - self.rank)
        if failed:
            self._share_outcome(None, error, root=self.size - failed)
        return value

    def _share_outcome(self, value: Any, error: BaseException | None, root: int) -> Any:
        shared, remote = self.broadcast((value, error), root)
        if remote is not None:
            own = error if self.rank == root else remote
            own.agreed = True
            raise own
        return value if self.rank == root else shared

    def broadcast(self, value: Any, root: int = 0) -> Any:
        """Value of rank `root`, on every rank (pickled). Collective."""
        return value if self.comm is None else self.comm.bcast(value, root)

    def all_gather(self, value: Any) -> list:
        """Values of all ranks in order, on every rank (pickled). Collective."""
        return [value] if self.comm is None else self.comm.allgather(value)

    def barrier(self) -> None:
        """Wait for all ranks. Collective."""
        if self.comm is not None:
            self.comm.Barrier()

    def sum(self, value: Any) -> Any:
        """Sum over ranks, on every rank; numbers or arrays. The rounding of floats depends on the ranks. Collective."""
        return value if self.comm is None else self.comm.allreduce(value)

    def max(self, value: Any) -> Any:
        """Maximum over ranks, on every rank. Collective."""
        if self.comm is None:
            return value
        from mpi4py import MPI

        return self.comm.allreduce(value, MPI.MAX)

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on some rank. Collective."""
        return bool(self.max(bool(flag)))

    # sharing

    def shared_array(self, shape: int | tuple[int, ...], dtype: np.dtype, fill: float | None = None) -> np.ndarray:
        """Writable array, one copy per node, zero-filled or filled with `fill`. Collective.

        Raises
        ------
        RunError
            On every rank, when a node has no room for it in /dev/shm or $TMPDIR.
        """
        array = self.agree_all(lambda: shared_array(self.node, shape, dtype))
        if fill is not None:
            start, stop = self.node_span(array.size)
            array.reshape(-1)[start:stop] = fill
            self.node_barrier()
        return array

    def node_barrier(self) -> None:
        """Wait for the ranks of this node: what they wrote into shared arrays is there. Collective over the node."""
        if self.node is not None:
            self.node.Barrier()

    def spans(self, n: int) -> tuple[int, int]:
        """(start, stop) of the rows that this rank owns of `n`."""
        return n * self.rank // self.size, n * (self.rank + 1) // self.size

    def node_span(self, n: int) -> tuple[int, int]:
        """(start, stop) of the slabs that this rank fills of `n` in an array shared on the node."""
        return n * self.node_rank // self.node_size, n * (self.node_rank + 1) // self.node_size

    # work and rows

    def queue(self, points: np.ndarray | None, chunk: int) -> Queue:
        """Points to be measured, dealt to the nodes and pulled by their ranks; see `hpcdvc.exchange.Queue`."""
        return Queue(self, points, chunk)

    def collect(self, rows: np.ndarray, total: int, spread: bool = False) -> tuple[np.ndarray, int]:
        """Rows of all ranks ordered by index, on rank 0 or spread; see `hpcdvc.exchange.collect`."""
        return collect(self, rows, total, spread)

    @contextlib.contextmanager
    def row_type(self, dtype: np.dtype) -> Iterator[Any]:
        """MPI datatype of one row: messages counted in rows may pass 2 GiB."""
        from mpi4py import MPI

        row = MPI.BYTE.Create_contiguous(dtype.itemsize).Commit()
        yield row
        row.Free()

    # leaving

    def listen(self) -> None:
        """From now on SIGUSR1 sets `stop_requested` instead of ending the process."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGUSR1, self._on_stop)

    def _on_stop(self, number: int, frame: object) -> None:
        self.stop_requested = True

    def abort(self, code: int) -> NoReturn:
        """End all ranks at once, with this exit code."""
        sys.stdout.flush()
        sys.stderr.flush()
        if self.comm is not None:
            self.comm.Abort(code)
        os._exit(code)


def _outcome(function: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    try:
        return function(), None
    except _SENTENCES as error:
        return None, error


def install_exception_hooks(team: Team) -> None:
    """An exception that nobody catches, in the main or another thread, ends all ranks with one traceback."""
    sys.excepthook = lambda kind, error, trace: _end(team, error)
    threading.excepthook = lambda event: _end(team, event.exc_value or event.exc_type())


def run_guarded(team: Team, function: Callable[[], int | None]) -> int:
    """Run a whole command so that no rank is left waiting for another; the exit code of this rank.

    An error that all ranks have agreed upon is told by rank 0, and all return its code. Any other ends all ranks:
    a UserError, RunError or OSError as one sentence, the rest with a traceback.
    """
    install_exception_hooks(team)
    try:
        return function() or 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        if getattr(error, "agreed", False) or team.size == 1:
            return code
        team.abort(code or 1)
    except _SENTENCES as error:
        if not getattr(error, "agreed", False) and team.size > 1:
            _end(team, error)
        if team.rank == 0:
            _tell(error)
        return getattr(error, "exit_code", 1)
    except BaseException as error:
        _end(team, error)


def _tell(error: BaseException) -> None:
    print(f"{os.path.basename(sys.argv[0])}: {error}", file=sys.stderr, flush=True)


def _end(team: Team, error: BaseException) -> NoReturn:
    """Say what happened, once, and end all ranks."""
    # a mistake that all ranks meet at the same time is told by the first of them only
    time.sleep(0.05 * min(team.rank, 40))
    if isinstance(error, KeyboardInterrupt):
        team.abort(130)
    if isinstance(error, _SENTENCES):
        _tell(error)
    else:
        traceback.print_exception(error)
    team.abort(getattr(error, "exit_code", 1))
