"""A run owns its output: a lock beside each result, from before anything is written until all is there.

A lock is a file, ``<stem>.lock``, that is made only where there is none (O_EXCL), which file systems of a network keep
to as well; nothing depends on flock. It names the first process of the run, and its time is set anew every `INTERVAL`
by a thread of that process. A lock is dead when its process is gone, or, where that cannot be seen because it runs on
another machine, when its time has stood still for `PATIENCE`. All times are those that the file system gives to files:
clocks of machines differ.
"""

import errno
import hashlib
import logging
import os
import select
import signal
import threading
import time
from contextlib import suppress

from hpcdvc.errors import MISTAKES, RunError, UserError
from hpcdvc.output import files
from hpcdvc.runs.owner import Owner, lives, read_owner, this_process

log = logging.getLogger("hpcdvc")

#: Seconds between two signs of life of a run. A library that is busy, and lets no other thread run, may delay them.
INTERVAL = 15.0
#: Seconds without one after which a run on another machine is dead; the second, where --force says that it is.
PATIENCE, PATIENCE_OF_FORCE = 300.0, 60.0
#: Most bytes of a lock that are read.
MOST = 4096


def lock_path(stem: str) -> str:
    """Lock of the result `stem`."""
    return f"{stem}.lock"


def at_work(stem: str) -> bool:
    """Whether the run that writes the result `stem` may live: it holds a lock, and is not seen to be dead."""
    try:
        found = _read(lock_path(stem))
    except (UserError, RunError):
        return True
    return found is not None and lives(read_owner(found)) is not False


class Locks:
    """The locks of a run. Use it in a ``with``, at the end of which they go; also when another rank ends the run.

    Parameters
    ----------
    team : hpcdvc.ranks.team.Team

    Attributes
    ----------
    held : what is written in each lock, by its path; taken on rank 0, told to the others
    user : owner of what is written there; None where nothing is
    """

    def __init__(self, team):
        self.held: dict[str, bytes] = {}
        self.user: int | None = None
        self._root, self._signs = team.rank == 0, None
        team.before_abort = self.release

    def take(self, stem: str, force: bool = False) -> None:
        """Take the lock of a result, on one rank; that of a run that is dead is taken over.

        Parameters
        ----------
        stem : path of the result without extension
        force : be less patient with runs that cannot be seen from here

        Raises
        ------
        UserError
            Another run lives that writes this result, and which one.
        RunError
            The file system does not take the lock.
        """
        path = lock_path(stem)
        self.held[path] = _take(path, stem, PATIENCE_OF_FORCE if force else PATIENCE)
        self.user = os.lstat(path).st_uid
        if self._signs is None:
            self._signs = _SignsOfLife(self)

    def confirm(self, stem: str) -> None:
        """Make sure, on one rank, that the lock of a result is still ours.

        Raises
        ------
        RunError
            This run gave no sign of life for so long that another one has taken its place.
        """
        path = lock_path(stem)
        found = _read(path)
        if found != self.held[path]:
            other = f" ({read_owner(found)})" if found else ""
            raise RunError(f"another run has taken over {stem}{other}: this one has written nothing there")

    def release(self) -> None:
        """Remove the locks that are still ours."""
        for path, written in list(self.held.items()):
            _remove(path, written)
        self.held.clear()

    def __enter__(self) -> "Locks":
        return self

    def __exit__(self, *_: object) -> None:
        if self._signs is not None:
            self._signs.end()
        if self._root:
            self.release()


class _SignsOfLife:
    """The thread that sets the time of the locks anew, and removes them when the process is told to end (SIGTERM)."""

    def __init__(self, locks: Locks):
        self._locks = locks
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        self._before = self._listen()
        self._thread = threading.Thread(target=self._give, daemon=True)
        self._thread.start()

    def _listen(self) -> int | None:
        """Have signals written into the pipe: they are seen at once, whatever the main thread waits for."""
        alone = threading.current_thread() is threading.main_thread()
        if not alone or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
            return None
        before = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, lambda *_: None)
        return before

    def _give(self) -> None:
        while True:
            told, _, _ = select.select([self._read], [], [], INTERVAL)
            numbers = os.read(self._read, 100) if told else b""
            if signal.SIGTERM in numbers:
                self._locks.release()
                os._exit(128 + signal.SIGTERM)
            if 0 in numbers:
                return
            for path in list(self._locks.held):
                with suppress(OSError):  # gone: `confirm` says so
                    os.utime(path, follow_symlinks=False)

    def end(self) -> None:
        os.write(self._write, b"\0")
        self._thread.join()
        if self._before is not None:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.set_wakeup_fd(self._before)
        os.close(self._read)
        os.close(self._write)


def _take(path: str, stem: str, patience: float) -> bytes:
    """Make the lock, now or when a dead one is out of the way; returns what is written in it."""
    while True:
        with suppress(FileExistsError):
            return _make(path)
        found = _read(path)
        if found is None:
            continue
        owner = read_owner(found)
        if not _is_dead(path, owner, patience):
            raise UserError(_refusal(path, stem, owner))
        log.info("%s: the run that wrote it (%s) has died, and its lock is removed", stem, owner)
        # by one process only, and only this one: whoever comes late finds that of the first, or none
        right = f"{path}.{hashlib.sha256(found).hexdigest()[:16]}"
        mine = _take(right, stem, patience)
        try:
            _remove(path, found)
        finally:
            _remove(right, mine)


def _refusal(path: str, stem: str, owner: Owner) -> str:
    refused = f"{stem} is being written by another run ({owner}): wait for its end, or give another -pre or -od"
    if lives(owner) is None:
        refused += f"; if it is dead, {path} counts for nothing {PATIENCE / 60:g} minutes after its end"
    return refused


def _make(path: str) -> bytes:
    """Make the lock; FileExistsError where there is one."""
    written = this_process().written()
    try:
        descriptor = files.create(path)
    except FileExistsError:
        raise
    except OSError as error:
        raise RunError(f"cannot make {path}: {error.strerror}") from error
    try:
        with files.write_errors(path):
            os.write(descriptor, written)
            os.close(descriptor)
    except RunError:
        os.unlink(path)
        raise
    return written


def _read(path: str) -> bytes | None:
    """What is written in a lock; None where there is none."""
    for _ in range(20):  # one that is being made is empty for a moment
        try:
            with open(files.open_regular(path), "rb") as file:
                written = file.read(MOST)
        except FileNotFoundError:
            return None
        except OSError as error:
            kind = UserError if error.errno in (*MISTAKES, errno.EINVAL) else RunError
            raise kind(f"{path}, the lock of a run, cannot be read: {error.strerror}") from error
        if written:
            break
        time.sleep(0.05)
    return written


def _remove(path: str, written: bytes) -> None:
    """Remove a lock, if this is still what is written in it."""
    with suppress(OSError, UserError, RunError):
        if _read(path) == written:
            os.unlink(path)


def _is_dead(path: str, owner: Owner, patience: float) -> bool:
    """Whether nothing will come any more from the run that holds a lock; waits until that is known."""
    there = lives(owner)
    if there is not None:
        return not there
    first, began = _time_of(path), time.monotonic()
    age = _time_now(path) - first
    if age <= patience:
        log.warning("%s: waiting for a sign of life of another run (%s)", path, owner)
    while age + time.monotonic() - began <= patience:
        time.sleep(min(1.0, patience / 10))
        now = _time_of(path)
        if now != first:
            return now == 0.0  # it has gone: nobody is in the way
    return True


def _time_of(path: str) -> float:
    """When the last sign of life was given; 0 where there is no lock any more."""
    try:
        descriptor = files.open_regular(path)  # opening asks the server of a network file system, and no cache
    except FileNotFoundError:
        return 0.0
    try:
        return os.fstat(descriptor).st_mtime
    finally:
        os.close(descriptor)


def _time_now(path: str) -> float:
    """The time that the file system gives to a file beside `path` now."""
    temporary = files.temporary_name(path)
    with files.write_errors(path):
        descriptor = files.create(temporary)
        try:
            return os.fstat(descriptor).st_mtime
        finally:
            os.close(descriptor)
            os.unlink(temporary)
