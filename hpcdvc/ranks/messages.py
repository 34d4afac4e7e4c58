"""Which rank says what, and where to."""

import logging
import os
import sys
import warnings

from hpcdvc.ranks.terminal import one_line, printable, tell


class _Messages(logging.Handler):
    """Information goes to stdout as it is, warnings to stderr with the name of the command."""

    def __init__(self, program: str, rank: int) -> None:
        super().__init__()
        self.prefix = f"{program}: " if rank == 0 else f"{program} (rank {rank}): "

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(record.args, tuple):
            record.args = tuple(one_line(os.fspath(a)) if isinstance(a, (str, os.PathLike)) else a for a in record.args)
        text = printable(self.format(record))
        if record.levelno < logging.WARNING:
            tell(f"{text}\n", sys.stdout)
        else:
            tell(f"{self.prefix}{text}\n", sys.stderr)


def set_up_messages(program: str, rank: int, verbose: bool, quiet: bool) -> logging.Logger:
    """Logger of all of hpcdvc. Rank 0 speaks: all with -v, only warnings with -q; the others only warnings with -v."""
    log = logging.getLogger("hpcdvc")
    level = logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO
    if rank > 0:
        level = logging.WARNING if verbose else logging.CRITICAL + 1
        warnings.simplefilter("default" if verbose else "ignore")
    log.handlers[:] = [_Messages(program, rank)]
    log.propagate = False
    log.setLevel(level)
    return log
