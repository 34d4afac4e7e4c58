"""The ranks of a run: who they are, how they agree, what they share, how work and rows travel between them.

The only module that knows MPI. A serial run is a team of one and imports no MPI.
"""

import contextlib
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import numpy as np

from hpcdvc.errors import outcome_of
from hpcdvc.ranks import launch, tables, terminal
from hpcdvc.ranks.exchange import Queue, collect, shared_planes
from hpcdvc.ranks.sharedmem import shared_array


def connect() -> "Team":
    """Team of all processes that the launcher has started; a team of one, without MPI, outside a launcher.

    Raises
    ------
    UserError
        When the processes cannot see each other: each would do the whole work and write the same files.
    """
    if not launch.under_launcher():
        team = Team()
    else:
        launch.check_srun()
        team = Team(_world(launch.launched_ranks()))
    team.listen()
    return team


def _world(launched: int):
    """COMM_WORLD, after a check that it is the world that the launcher has started."""
    try:
        import mpi4py

        mpi4py.rc(initialize=False, finalize=True)
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise launch.no_library(error) from error
    library = MPI.Get_library_version()
    if not MPI.Is_initialized():
        launch.check_library(library)
        with warnings.catch_warnings():  # mpi4py doubts the launcher in two lines for every process
            warnings.simplefilter("ignore")
            MPI.Init_thread()
    launch.check_world(MPI.COMM_WORLD.size, launched, library)
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
    node_sizes : list of int
        Number of ranks of every node.
    stop_requested : bool
        A signal (SIGUSR1) asked this rank to leave soon.
    before_abort : function
        Called by `abort`, on the rank that ends all.
    comm : mpi4py communicator or None
    """

    def __init__(self, comm=None, nodes: int | None = None):
        self.comm = comm
        self.node = self.leaders = None
        self.rank, self.size = 0, 1
        self.node_rank, self.node_size, self.node_index, self.node_count = 0, 1, 0, 1
        self.node_sizes = [1]
        self.stop_requested = False
        self.before_abort: Callable[[], None] = lambda: None
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
        place = (self.leaders.rank, self.leaders.allgather(self.node_size)) if leader else None
        self.node_index, self.node_sizes = self.node.bcast(place)
        self.node_count = len(self.node_sizes)

    def close(self) -> None:
        """Give back what MPI keeps for it, of which it has little; this team is of no use then. Collective."""
        for comm in filter(None, (self.leaders, self.node)):  # not that of ranks that lead no node
            comm.Free()

    # agreement

    def agree(self, function: Callable[[], Any]) -> Any:
        """Run `function` on rank 0 and return its result on every rank. Collective.

        A UserError, RunError, OSError or SystemExit there is raised on every rank, with the same text and the
        attribute ``agreed`` set. Large arrays in the result are shared by the ranks of a node and read-only; see
        `hpcdvc.ranks.tables`. `function` itself must do nothing collective: the other ranks are not in it.
        """
        if self._deciding:
            raise RuntimeError("agree within agree: the other ranks wait outside")
        value = error = None
        if self.rank == 0:
            self._deciding = True
            try:
                value, error = outcome_of(function)
            finally:
                self._deciding = False
        value, remote = tables.broadcast(self, (value, error))
        if remote is not None:
            self.fail(error or remote)
        return value

    def check(self) -> None:
        """Called now and then in long work of one rank: a team that can be told to end raises an error here."""

    def fail(self, error: BaseException) -> NoReturn:
        """Raise an error that every rank raises at this place, so that rank 0 alone tells it. Collective."""
        error.agreed = True
        raise error

    def on_root(self, function: Callable[[], Any]) -> Any:
        """Run `function` on rank 0; its result there, None elsewhere. Collective; errors as in `agree`."""
        results: list = []
        self.agree(lambda: results.append(function()))
        return results[0] if results else None

    def agree_all(self, function: Callable[[], Any]) -> Any:
        """Run `function` on every rank; when it fails on some, raise the failure of the first on all. Collective.

        Returns this rank's result. Errors as in `agree`.
        """
        value, error = outcome_of(function)
        failed = self.max(0 if error is None else self.size - self.rank)
        if failed:
            root = self.size - failed
            remote = self.broadcast(error, root)
            self.fail(error if self.rank == root else remote)
        return value

    def library(self) -> str | None:
        """Name and version of the MPI library; None in a serial run."""
        if self.comm is None:
            return None
        from mpi4py import MPI

        return " ".join(MPI.Get_library_version().split("\n")[0].split()).strip("\0 ")

    def broadcast(self, value: Any, root: int = 0) -> Any:
        """Value of rank `root`, on every rank (pickled). Collective."""
        return value if self.comm is None else self.comm.bcast(value, root)

    def all_gather(self, value: Any) -> list:
        """Values of all ranks in order, on every rank (pickled). Collective."""
        return [value] if self.comm is None else self.comm.allgather(value)

    def gather(self, value: Any) -> list | None:
        """Values of all ranks in order, on rank 0; None elsewhere (pickled). Collective."""
        return [value] if self.comm is None else self.comm.gather(value)

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

    def shared_planes(self, shape: tuple[int, ...], dtype: np.dtype, fill: Callable) -> np.ndarray:
        """Read-only array, one copy per node, every rank having filled some planes; see `exchange.shared_planes`."""
        return shared_planes(self, shape, dtype, fill)

    # work and rows

    def queue(self, total: int, chunk: int | np.ndarray) -> Queue:
        """Numbers of points, dealt to the nodes and pulled by their ranks; see `hpcdvc.ranks.exchange.Queue`."""
        return Queue(self, total, chunk)

    def collect(self, rows: np.ndarray, total: int, spread: bool = False) -> tuple[np.ndarray, int]:
        """Rows of all ranks ordered by index, on rank 0 or spread; see `hpcdvc.ranks.exchange.collect`."""
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

    def ignore_stop(self) -> None:
        """From now on SIGUSR1 changes nothing: all is done, and a process about to end would crash on it."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)

    def _on_stop(self, number: int, frame: object) -> None:
        self.stop_requested = True

    def abort(self, code: int) -> NoReturn:
        """End all ranks at once, with this exit code."""
        terminal.flush()
        self.before_abort()
        if self.comm is not None:
            time.sleep(0.2)  # launchers drop output that they have not yet read
            self.comm.Abort(code)
        os._exit(code)

    def abort_in_c(self) -> tuple[int, int]:
        """Address of MPI_Abort, and the communicator as it takes it, for C code that cannot return; zeros without."""
        if self.comm is None:
            return 0, 0
        import ctypes

        from mpi4py import MPI

        try:
            function = ctypes.CDLL(MPI.__file__).MPI_Abort
        except (OSError, AttributeError):
            return 0, 0
        handle = ctypes.string_at(MPI._addressof(self.comm), MPI._sizeof(self.comm))
        return ctypes.cast(function, ctypes.c_void_p).value or 0, int.from_bytes(handle, sys.byteorder)
