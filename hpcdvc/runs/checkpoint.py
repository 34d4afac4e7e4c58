"""How the ranks of a run keep what they have measured: each appends its rows to a shard of its own."""

import os
import time
from collections.abc import Callable

import numpy as np

from hpcdvc.errors import RunError, Unfinished
from hpcdvc.output.files import create, write_errors
from hpcdvc.runs.shards import Shards


class Checkpoint:
    """The shards of one result, and the ranks that write them.

    Parameters
    ----------
    shards : hpcdvc.runs.shards.Shards, checked already
    team : hpcdvc.ranks.team.Team
    interval : seconds between two writes through to the disk: what a crash of the machine may cost. A killed process
        costs nothing that was appended.
    instruction_set : of the kernels, to be remembered with the shards
    confirm : called on rank 0 when all is measured and nothing has its final name: RunError when it must not have it
    """

    def __init__(
        self,
        shards: Shards,
        team,
        interval: float = 10.0,
        instruction_set: str | None = None,
        confirm: Callable[[], None] = lambda: None,
    ):
        self.shards, self._team, self._interval, self._instruction_set = shards, team, interval, instruction_set
        self.confirm = confirm
        self._run: str | None = None
        self._descriptor: int | None = None
        self._synced = 0.0

    @property
    def opened(self) -> bool:
        """Whether rows can be added."""
        return self._run is not None

    def load(self) -> np.ndarray:
        """Rows of earlier runs, ordered by index, each index once; empty on ranks above 0. Collective."""
        rows = self._team.on_root(self.shards.load)
        return np.empty(0, self.shards.dtype) if rows is None else rows

    def open(self, alone: bool = False) -> None:
        """Start a new shard on every rank; SIGUSR1 is listened to from now on. Collective.

        Parameters
        ----------
        alone : rank 0 keeps all rows, the others start none

        Raises
        ------
        RunError
            On every rank, when the folder cannot be written.
        """
        self._team.listen()
        self._run = self._team.agree(lambda: self.shards.begin(self._instruction_set))
        path = os.path.join(self.shards.folder, f"{self._run}.{self._team.rank:05d}.rec")
        self._descriptor = self._team.agree_all(lambda: None if alone and self._team.rank > 0 else _create(path))
        self._synced = time.monotonic()

    def keep_iteration(self, row: Callable[[], np.ndarray]) -> None:
        """Bring an iteration to the disk; leave if that was asked for. Collective.

        The first one opens the shards: what fails without an iteration leaves nothing to be resumed.

        Parameters
        ----------
        row : makes its (1,) record, on rank 0

        Raises
        ------
        Unfinished
            On every rank: the run was asked to leave.
        RunError
            On every rank, when the disk does not take it.
        """
        if not self.opened:
            self.open(alone=True)
        self._team.agree(lambda: self.append(row()))
        if self._team.any(self._team.stop_requested):
            self.close()
            self._team.fail(Unfinished("left on request; the iterations so far are safe, run again with --resume"))

    def append(self, rows: np.ndarray) -> None:
        """Add measured rows to the shard of this rank.

        Raises
        ------
        RunError
            When the disk does not take them; what was appended before is safe.
        """
        frame = memoryview(self.shards.frame(rows))
        try:
            while frame:  # a full disk takes a part, and says what is wrong at the next try
                frame = frame[os.write(self._descriptor, frame) :]
            if time.monotonic() - self._synced > self._interval:
                self._sync()
        except OSError as error:
            raise RunError(
                f"cannot write into {self.shards.folder}: {error.strerror}; what was measured so far is safe there: "
                "make room and run again with --resume"
            ) from error

    def _sync(self) -> None:
        os.fsync(self._descriptor)
        self._synced = time.monotonic()

    def close(self) -> None:
        """Write the shard of this rank through to the disk and close it."""
        self._run = None
        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        try:
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise RunError(f"cannot write into {self.shards.folder}: {error.strerror}") from error


def _create(path: str) -> int:
    with write_errors(path):
        return create(path, os.O_WRONLY | os.O_APPEND)
