"""What a command says, in a Python session: warnings become Python's own, the rest is shown if wanted."""

import contextlib
import io
import logging
import sys
from collections.abc import Callable, Iterator


class _Heard(logging.Handler):
    """Keeps what is said, and shows it if wanted.

    Attributes
    ----------
    said, warned : texts
    """

    def __init__(self, spoken: Callable[[str], str], show: bool) -> None:
        super().__init__()
        self.spoken, self.show = spoken, show
        self.said: list[str] = []
        self.warned: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = self.spoken(self.format(record))
        if record.levelno >= logging.WARNING:
            self.warned.append(text)
            return
        self.said.append(text)
        if self.show:
            print(text)


@contextlib.contextmanager
def heard(verbose: bool, first: bool, spoken: Callable[[str], str]) -> Iterator[_Heard]:
    """What is said in the body of the ``with``, in `said` and `warned`; shown on rank 0 with `verbose`.

    Parameters
    ----------
    verbose : show it
    first : this is rank 0
    spoken : from a sentence of a command to that of a Python user
    """
    log = logging.getLogger("hpcdvc")
    before = log.handlers[:], log.level, log.propagate
    handler = _Heard(spoken, verbose)
    log.handlers[:], log.propagate = [handler], False
    log.setLevel(logging.INFO if first else logging.CRITICAL + 1)
    out = sys.stdout if verbose else io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            yield handler
        if not verbose:
            handler.said += out.getvalue().splitlines()
    finally:
        log.handlers[:], log.propagate = before[0], before[2]
        log.setLevel(before[1])
