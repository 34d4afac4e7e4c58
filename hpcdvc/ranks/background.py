"""Work on finished results that one rank does while all go on."""

import threading
from collections.abc import Callable


class Background:
    """Functions carried out one after another by the last rank, in a thread; all are done when the ``with`` ends.

    Parameters
    ----------
    team : hpcdvc.ranks.team.Team
    active : False, or a single rank: rank 0 carries out each function at once

    Raises
    ------
    UserError, RunError
        On every rank, from `add` or at the end of the ``with``: a function has failed.
    """

    def __init__(self, team, active: bool):
        self._team, self._active = team, active and team.size > 1
        self._error: Exception | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "Background":
        return self

    def add(self, function: Callable[[], object]) -> None:
        """Carry out a function on one rank. Collective."""
        if not self._active:
            self._team.on_root(function)
        elif self._team.rank == self._team.size - 1:
            self._wait()
            self._thread = threading.Thread(target=self._carry_out, args=(function,))
            self._thread.start()

    def _carry_out(self, function: Callable[[], object]) -> None:
        try:
            function()
        except Exception as error:  # told by `__exit__`, on all ranks
            self._error = self._error or error

    def _wait(self) -> None:
        if self._thread is not None:
            self._thread.join()

    def __exit__(self, kind: type | None, *_: object) -> None:
        self._wait()
        if kind is None:
            self._team.agree_all(self._raise)

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error
