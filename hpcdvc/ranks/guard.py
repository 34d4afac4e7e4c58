"""How a command ends: one message, one exit code, and no rank left waiting for another."""

import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from hpcdvc.errors import SENTENCES, memory_error
from hpcdvc.kernels import guard
from hpcdvc.ranks.terminal import one_line, printable, tell

if TYPE_CHECKING:
    from hpcdvc.ranks.team import Team


def install_exception_hooks(team: "Team") -> None:
    """An exception that nobody catches, in the main or another thread, ends all ranks with one traceback."""
    guard.among_ranks(_turn(team), *team.abort_in_c())
    sys.excepthook = lambda kind, error, trace: _end(team, error)
    threading.excepthook = lambda event: _end(team, event.exc_value or event.exc_type())


def run_guarded(team: "Team", function: Callable[[], int | None]) -> int:
    """Run a whole command.

    An error that all ranks have agreed upon (`Team.agree`, `Team.agree_all`) is told by rank 0, and all ranks return
    its exit code. Any other would leave the rest waiting and ends all ranks: a UserError, RunError or OSError with
    one sentence, ``sys.exit`` without a word, anything else with its traceback.

    Parameters
    ----------
    team : Team
    function : callable
        Returns the exit code of this rank, or None for 0.

    Returns
    -------
    int
        Exit code of this rank.
    """
    install_exception_hooks(team)
    try:
        return function() or 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        if getattr(error, "agreed", False) or team.size == 1:
            return code
        team.abort(code or 1)
    except SENTENCES as error:
        if not getattr(error, "agreed", False) and team.size > 1:
            _end(team, error)
        if team.rank == 0:
            _tell(_sentence(error))
        return getattr(error, "exit_code", 1)
    except BaseException as error:
        _end(team, error)
    finally:
        team.ignore_stop()


def _tell(text: str) -> None:
    # as one write: what follows a line may be lost when the launcher ends the job
    tell(text, sys.stderr)


def _sentence(error: BaseException) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        error = f"{error.filename}: {error.strerror}"
    return f"{one_line(f'{os.path.basename(sys.argv[0])}: {error}')}\n"


def _turn(team: "Team") -> float:
    """Seconds until a rank speaks: what all find out is told by the first, which has ended the others before that."""
    return 0.3 * team.rank.bit_length()


def _end(team: "Team", error: BaseException) -> NoReturn:
    """Say what happened, once, and end all ranks."""
    time.sleep(_turn(team))
    error = memory_error(error) or error
    if isinstance(error, KeyboardInterrupt):
        _tell(_sentence(RuntimeError("interrupted")))
        team.abort(130)
    _tell(_sentence(error) if isinstance(error, SENTENCES) else printable("".join(traceback.format_exception(error))))
    team.abort(getattr(error, "exit_code", 1))
