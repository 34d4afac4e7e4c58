"""Words on stdout and stderr, which may be closed, full, or read by nobody any more: no run depends on a listener.

Nothing is imported here that a command line needs time for.
"""

import contextlib
import os
import re
import select
import signal
import stat
import sys
from typing import TextIO

#: What moves the cursor, changes colours or titles, or turns the order of letters around; lines may end.
_HIDDEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """The text of several lines with everything replaced that is no letter: names of files may hold it."""
    return _HIDDEN.sub("?", text)


def one_line(text: str) -> str:
    """The same where all of it is to be one sentence."""
    return printable(text).replace("\n", "?")


def open_streams() -> None:
    """Give a process that was started with closed streams some that take everything.

    Else the first file that is opened would be stdout: what libraries print would go into a result.
    """
    for number, mode in enumerate("rww"):
        try:
            os.fstat(number)
        except OSError:
            # the lowest number is free and is taken
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
            setattr(sys, ("stdin", "stdout", "stderr")[number], open(number, mode, closefd=False))


def tell(text: str, stream: TextIO) -> bool:
    """Write a text, as one write, and flush; a stream that does not take it (False) is one that nobody listens to."""
    try:
        coding = getattr(stream, "encoding", None) or "utf-8"
        stream.write(text.encode(coding, "backslashreplace").decode(coding))
        stream.flush()
    except (OSError, ValueError):
        _silence(stream)
        return False
    return True


def flush() -> None:
    """Bring to stdout and stderr what they still hold."""
    for stream in (sys.stdout, sys.stderr):
        tell("", stream)


def _silence(stream: TextIO) -> None:
    """From now on the stream takes everything: Python would fail at its end over what it still holds."""
    with contextlib.suppress(OSError, ValueError):
        descriptor = os.open(os.devnull, os.O_WRONLY)
        if descriptor != stream.fileno():  # it was closed
            os.dup2(descriptor, stream.fileno())
            os.close(descriptor)


def relay_pipes() -> None:
    """Put a process of its own between this one and the pipes that its stdout and stderr are, before a launcher is
    started in its place: launchers end a job when nobody reads what it says.

    That process reads on where nobody else does, and ends with the last that can write.
    """
    piped = [number for number in (1, 2) if not stat.S_ISREG(os.fstat(number).st_mode) and not os.isatty(number)]
    pipes = {number: os.pipe() for number in piped}
    if not pipes:
        return
    first = os.fork()
    if first == 0:
        if os.fork() == 0:  # as a child of nobody, for launchers wait for all of their children
            with contextlib.suppress(BaseException):
                for _, start in pipes.values():
                    os.close(start)
                _pass_on({end: number for number, (end, _) in pipes.items()})
        os._exit(0)
    os.waitpid(first, 0)
    for number, (_, start) in pipes.items():
        os.dup2(start, number)


def _pass_on(pipes: dict[int, int]) -> None:
    """Copy from pipes to descriptors until all writers are gone, whatever signals are meant for the job."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    deaf: set[int] = set()
    while pipes:
        for end in select.select(list(pipes), [], [])[0]:
            data = memoryview(os.read(end, 2**16))
            if not data:
                del pipes[end]
            while data and end not in deaf:
                try:
                    data = data[os.write(pipes[end], data) :]
                except OSError:
                    deaf.add(end)
